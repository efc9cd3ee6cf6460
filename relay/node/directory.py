"""The node's directory, kept and passed on; joined.

Touches: nothing yet; node.py starts and runs it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from relay.delivery.directory.desk import DirectoryDesk
from relay.delivery.directory.keeping import DirectoryKeeper
from relay.delivery.directory.passing import DirectoryCourier
from relay.delivery.directory.succession import speaks_for
from relay.delivery.directory.viewing import Sources
from relay.journal.directory import DirectoryTable
from relay.model import AgencyCode
from relay.node.ground import Ground
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.directory_client import DirectoryClient


def make_directory_desk(ground: Ground, doubted: Callable[[], bool]) -> DirectoryDesk:
    section = ground.settings.directory
    table = DirectoryTable(ground.journal, ground.node)
    keeper = DirectoryKeeper(
        ground.directory,
        table,
        ground.notary,
        ground.clock,
        Sources(ground.node, ground.settings.make_seed()),
        ground.settings.delivery.clock_tolerance,
        section.valid_for,
        section.grace,
        doubted,
    )
    return DirectoryDesk(keeper, table, ground.clock, section.registrations == "accept")


def make_directory_courier(
    ground: Ground, wire: NodesClient, desk: DirectoryDesk
) -> DirectoryCourier:
    courier = DirectoryCourier(
        ground.node,
        ground.neighbours,
        desk.keeper,
        DirectoryClient(wire),
        ground.policy,
        random.SystemRandom().random,
    )
    desk.keeper.listeners.append(courier.look)
    return courier


def codes_of(ground: Ground, codes: Iterable[str]) -> frozenset[AgencyCode]:
    """What a system or token with these agencies speaks for, by the directory as it is now."""
    return speaks_for(ground.directory, ground.place, codes)


def codes_of_system(
    ground: Ground, desk: DirectoryDesk, systemid: str, codes: Iterable[str]
) -> frozenset[AgencyCode]:
    """The same of a system, with what it registered."""
    return codes_of(ground, (*codes, *desk.registered.get(systemid, frozenset())))

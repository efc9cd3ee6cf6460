"""The node's directory, kept and passed on; joined.

Touches: nothing yet; node.py starts and runs it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from relay.delivery.directory.desk import DirectoryDesk
from relay.delivery.directory.hearing import DirectoryEar
from relay.delivery.directory.keeping import DirectoryKeeper
from relay.delivery.directory.passing import DirectoryCourier
from relay.delivery.directory.preparing import Seed
from relay.delivery.directory.succession import speaks_for
from relay.journal.directory import DirectoryTable
from relay.journal.store import DATABASE
from relay.model import AgencyCode
from relay.node.ground import Ground
from relay.node.workshop import NodeWorkshop
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.directory_client import DirectoryClient


def make_directory_desk(ground: Ground, doubted: Callable[[], bool]) -> DirectoryDesk:
    section, journal = ground.settings.directory, ground.settings.node.data_dir / DATABASE
    table = DirectoryTable(ground.journal, ground.node, journal)
    workshop = NodeWorkshop(journal)
    workshop.sweep()
    keeper = DirectoryKeeper(
        ground.node,
        ground.directory,
        Seed.of(ground.settings.make_seed()),
        table,
        ground.notary,
        workshop,
        ground.clock,
        section.valid_for,
        doubted,
    )
    return DirectoryDesk(keeper, table, ground.clock, section.registrations == "accept")


def make_directory_ear(ground: Ground, desk: DirectoryDesk) -> DirectoryEar:
    tolerance = ground.settings.delivery.clock_tolerance
    return DirectoryEar(desk.keeper, tolerance, ground.settings.directory.grace)


def make_directory_courier(
    ground: Ground, wire: NodesClient, desk: DirectoryDesk
) -> DirectoryCourier:
    courier = DirectoryCourier(
        ground.node,
        ground.neighbours,
        make_directory_ear(ground, desk),
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

"""The node's bridges, joined: for each a remote, its way out, its poller.

Touches: nothing yet; node.py runs them.
Raises:  SettingsError for a CA file that does not serve.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from relay.delivery.bridges.apart import Apart
from relay.delivery.bridges.doubt import Search
from relay.delivery.bridges.entering import EntryDesk, holder
from relay.delivery.bridges.following import Follower
from relay.delivery.bridges.polling import Poller
from relay.delivery.bridges.sending import Sender
from relay.delivery.bridges.ways import Ways
from relay.delivery.directory.succession import speaks_for, told_beyond
from relay.delivery.dispatch import Dispatcher
from relay.delivery.judging import JudgingDesk
from relay.delivery.pressure.gate import Pressure
from relay.delivery.pressure.quota import caller_party
from relay.delivery.records import Wire
from relay.delivery.requests import Deadlines
from relay.journal.bridging import BridgeTable
from relay.model import NodeId
from relay.node.ground import Ground
from relay.routing.directory import Directory
from relay.routing.next_hop import Place
from relay.settings.bridges import BridgeSection
from relay.signing.tls import face_client_context
from relay.transport.axis.remote import AxisRemote
from relay.transport.intake_stream import receive


@dataclass(frozen=True, slots=True)
class Bridges:
    remotes: dict[NodeId, AxisRemote]
    searches: dict[NodeId, Search]
    table: BridgeTable

    @property
    def names(self) -> frozenset[NodeId]:
        return frozenset(self.remotes)

    async def close(self) -> None:
        for remote in self.remotes.values():
            await remote.close()


def make_bridges(ground: Ground) -> Bridges:
    table = BridgeTable(ground.journal, ground.node)
    remotes = {NodeId(one.id): _remote(ground, one) for one in ground.settings.bridges}
    forms = known_forms(ground.directory, ground.place)
    searches = {
        name: Search(name, remote, table, ground.journal.read, forms)
        for name, remote in remotes.items()
    }
    return Bridges(remotes, searches, table)


def _remote(ground: Ground, section: BridgeSection) -> AxisRemote:
    return AxisRemote(
        section.url,
        section.systemid,
        section.secret_bytes(),
        None if section.ca is None else face_client_context(section.ca),
        ground.journal,
        ground.clock.now,
        section.answer_within,
        section.packages_at_once,
    )


def known_forms(directory: Directory, place: Place) -> Callable[[str], frozenset[str]]:
    """Every code that names the same agency, or a closed one that it stands for; of what is no code, its
    own text."""

    def forms(text: str) -> frozenset[str]:
        agency = directory.find(text)
        if agency is not None:
            return frozenset({*speaks_for(directory, place, [agency.code]), text.strip()})
        return frozenset({text.strip()})

    return forms


def join_ways(ground: Ground, wire: Wire, bridges: Bridges) -> Ways:
    """What the dispatcher goes by."""
    senders = {
        NodeId(one.id): Sender(
            NodeId(one.id),
            ground.node,
            bridges.remotes[NodeId(one.id)],
            bridges.table,
            ground.notary,
            bridges.searches[NodeId(one.id)],
            ground.clock,
            partial(told_beyond, ground.directory, ground.place),
            one.unanswered == "repeat",
            one.settles,
        )
        for one in ground.settings.bridges
    }
    return Ways(wire, senders, ground.journal, bridges.table)


def make_pollers(
    ground: Ground,
    bridges: Bridges,
    dispatcher: Dispatcher,
    pressure: Pressure,
    deadlines: Deadlines,
    asked: Callable[[], None],
    judging: JudgingDesk | None = None,
) -> list[Poller]:
    """`asked` is told when what came in asks something of a recipient."""
    return [
        _poller(ground, bridges, dispatcher, pressure, section, deadlines, asked, judging)
        for section in ground.settings.bridges
    ]


def _poller(
    ground: Ground,
    bridges: Bridges,
    dispatcher: Dispatcher,
    pressure: Pressure,
    section: BridgeSection,
    deadlines: Deadlines,
    asked: Callable[[], None],
    judging: JudgingDesk | None,
) -> Poller:
    name, journal = NodeId(section.id), ground.journal
    remote, table = bridges.remotes[name], bridges.table
    party = caller_party(holder(name))
    chance = random.SystemRandom().random
    apart = partial(Apart, ground.policy, ground.clock, chance)
    return Poller(
        bridge=name,
        remote=remote,
        journal=table,
        desk=EntryDesk(
            name,
            ground.place,
            ground.directory,
            journal,
            table,
            ground.notary,
            ground.policy,
            ground.clock,
            dispatcher.offer,
            deadlines,
            asked,
            judging,
        ),
        follower=Follower(
            name,
            ground.node,
            remote,
            table,
            ground.notary,
            ground.clock,
            known_forms(ground.directory, ground.place),
            dispatcher.receipts_wait,
            apart(),
        ),
        dispatcher=dispatcher,
        policy=ground.policy,
        clock=ground.clock,
        random=chance,
        not_given=apart(),
        not_told=apart(),
        receive=lambda chunks: receive(chunks, journal, ground.limits, idle=section.answer_within),
        read=journal.read,
        release=journal.release,
        room=lambda: pressure.body(party, None),
        closed=lambda: pressure.reason,
        kinds=section.message_types,
        every=section.poll,
        page=section.page,
        at_once=section.packages_at_once,
    )

"""What works towards the neighbours: the wire, dispatch, receipts back, expiry, recovery; joined.

Touches: nothing yet; node.py runs it.
"""

from __future__ import annotations

import random
import ssl
from dataclasses import dataclass
from functools import partial

from relay.delivery.agreeing import Agreement
from relay.delivery.asking import Questions
from relay.delivery.directory.desk import DirectoryDesk
from relay.delivery.directory.passing import DirectoryCourier
from relay.delivery.dispatch import Dispatcher
from relay.delivery.expiry import ExpiryDesk
from relay.delivery.neighbours.channel import Channel
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.records import Wire
from relay.delivery.recovery.readmitting import Readmitter
from relay.delivery.recovery.recovering import OLDEST, RecoveryDesk
from relay.delivery.requests import Deadlines
from relay.delivery.returns import ReturnDesk
from relay.delivery.revocation.stapling import StapledWire, Stapler
from relay.delivery.sealing import SealingDesk
from relay.journal.recovering import RecoveryTable
from relay.model import NodeId
from relay.node.bridging import Bridges, join_ways, make_bridges
from relay.node.directory import make_directory_courier
from relay.node.ground import Ground
from relay.node.revocation import make_stapler
from relay.settings.sections import DeliverySection
from relay.settings.settings import Settings
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.connections import Connections
from relay.transport.nodes.recovering import RecoveryClient


@dataclass(frozen=True, slots=True)
class Carrying:
    wire: NodesClient
    ways: Wire
    """The wire and the bridges."""
    bridges: Bridges
    returns: ReturnDesk
    dispatcher: Dispatcher
    sealing: SealingDesk
    expiry: ExpiryDesk
    recovery: RecoveryDesk
    agreement: Agreement
    directory: DirectoryDesk
    passing: DirectoryCourier
    stapler: Stapler | None

    def waits_for(self) -> str | None:
        """What must be over before anything new is accepted; None when nothing is."""
        return self.recovery.waits_for() or self.agreement.waits_for()


def make_wire(ground: Ground, connections: Connections, tls: ssl.SSLContext) -> NodesClient:
    settings = ground.settings
    return NodesClient(
        {NodeId(n.id): n.url for n in settings.neighbours},
        tls,
        ground.journal,
        connections,
        settings.delivery.transfers_at_once,
        settings.delivery.answer_within,
        ground.clock.seen,
        settings.delivery.batched_receipts,
    )


def retry_policy(delivery: DeliverySection) -> RetryPolicy:
    return RetryPolicy(
        delivery.retry_first,
        delivery.retry_cap,
        delivery.expiry_normal,
        delivery.expiry_urgent,
        delivery.expiry_express,
    )


def deadlines(settings: Settings) -> Deadlines:
    found = settings.business
    return Deadlines(
        found.take_back_within, found.revoke_within, found.update_within, found.replace_within
    )


def make_carrying(
    ground: Ground, wire: NodesClient, agreement: Agreement, directory: DirectoryDesk
) -> Carrying:
    bridges = make_bridges(ground)
    stapler = make_stapler(ground, wire)
    stapled: Wire = wire if stapler is None else StapledWire(wire, stapler)
    ways = join_ways(ground, stapled, bridges)
    passing = make_directory_courier(ground, wire, directory)
    returns = ReturnDesk(
        ground.node,
        ground.directory,
        ground.journal,
        ground.notary,
        stapled,
        ground.clock,
        lambda to: dispatcher.receipts_wait(to),  # noqa: PLW0108  made next
    )

    def met(neighbour: NodeId) -> None:
        expiry.met(neighbour)
        recovery.met(neighbour)
        passing.met(neighbour)
        if stapler is not None:
            stapler.met(neighbour)

    dispatcher = Dispatcher(
        ground.node,
        ground.journal,
        ground.notary,
        ways,
        returns,
        ground.policy,
        ground.clock,
        random.SystemRandom().random,
        _channels(ground),
        met,
        ground.settings.delivery.clock_tolerance,
        bridges.names,
    )
    sealing = SealingDesk(ground.node, ground.journal, ground.notary, ground.clock, dispatcher.look)
    expiry = _expiry(ground, ways, dispatcher, agreement)
    recovery = _recovery(ground, wire, dispatcher, agreement)
    return Carrying(
        wire=wire,
        ways=ways,
        bridges=bridges,
        returns=returns,
        dispatcher=dispatcher,
        sealing=sealing,
        expiry=expiry,
        recovery=recovery,
        agreement=agreement,
        directory=directory,
        passing=passing,
        stapler=stapler,
    )


def _channels(ground: Ground) -> dict[NodeId, Channel]:
    settings = ground.settings
    found = {n: Channel(n, settings.delivery.transfers_at_once) for n in ground.neighbours}
    for one in settings.bridges:
        most = one.packages_at_once
        found[NodeId(one.id)] = Channel(NodeId(one.id), most, window=min(4, most))
    return found


def _expiry(ground: Ground, wire: Wire, dispatcher: Dispatcher, agreement: Agreement) -> ExpiryDesk:
    return ExpiryDesk(
        ground.node,
        ground.journal,
        ground.notary,
        partial(
            Questions,
            ground.directory,
            ground.journal,
            ground.notary,
            wire,
            ground.clock,
            dispatcher,
        ),
        ground.clock,
        dispatcher.receipts_wait,
        ground.policy.grace,
        lambda: agreement.doubted,
    )


def _recovery(
    ground: Ground, wire: NodesClient, dispatcher: Dispatcher, agreement: Agreement
) -> RecoveryDesk:
    journal, notary, clock = ground.journal, ground.notary, ground.clock
    return RecoveryDesk(
        ground.node,
        ground.neighbours,
        RecoveryTable(journal, ground.node),
        RecoveryClient(wire, journal, ground.limits),
        notary,
        journal,
        Readmitter(
            ground.place, ground.directory, journal, notary, clock, deadlines(ground.settings)
        ),
        ground.policy,
        ground.settings.delivery.clock_tolerance,
        clock,
        random.SystemRandom().random,
        dispatcher.look,
        dispatcher.receipts_wait,
        memory=min(OLDEST, ground.settings.retention.rows),
        heard=agreement.heard,
    )

"""What every part of a node stands on: who it is, where it lies, its journal, its word, its time.

Touches: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.agencies import day_of
from relay.delivery.clock import Clock
from relay.delivery.known import KnownAgencies
from relay.delivery.neighbours.retry import RetryPolicy
from relay.envelope.limits import Limits
from relay.journal.met import MetAgencies
from relay.journal.store import SqliteJournal
from relay.model import NodeId
from relay.routing.directory import Directory
from relay.routing.next_hop import Place
from relay.settings.settings import Settings
from relay.signing.notary import NodeNotary
from relay.signing.secrets import SecretBox


@dataclass(frozen=True, slots=True)
class Ground:
    settings: Settings
    directory: Directory
    place: Place
    journal: SqliteJournal
    notary: NodeNotary
    clock: Clock
    policy: RetryPolicy
    limits: Limits
    box: SecretBox

    @property
    def node(self) -> NodeId:
        return self.place.node

    @property
    def known(self) -> KnownAgencies:
        """Which agencies there are, as far as this node can tell."""
        return KnownAgencies(
            self.directory.forms_of,
            lambda code: self.directory.find(code) is not None,
            MetAgencies(self.journal),
        )

    @property
    def neighbours(self) -> frozenset[NodeId]:
        return self.place.neighbours


def place_of(settings: Settings, directory: Directory, clock: Clock) -> Place:
    return Place(
        NodeId(settings.node.id),
        settings.uplink,
        frozenset(NodeId(n.id) for n in settings.neighbours),
        unknown_to_uplink=settings.directory.unknown_codes == "uplink",
        bridges=tuple(bridge.route(directory) for bridge in settings.bridges),
        forwards=settings.directory.closed_codes == "forward",
        today=lambda: day_of(clock.now()),
    )

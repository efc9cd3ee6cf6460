"""Whom the node trusts, joined: the files, the one store, TLS towards and from neighbours, the connections.

Touches: the files that the settings name; nothing is read before it is asked for.
Raises:  SettingsError.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from relay.delivery.operators.trusting import Candidate, TrustDesk, Trusted
from relay.errors import SettingsError
from relay.identity import read_trust
from relay.journal.trusting import TrustTable
from relay.lines import Line
from relay.model import digest_of
from relay.node.ground import Ground
from relay.node.listeners import neighbours_tls, nodes_tls
from relay.settings.sections import TrustSection
from relay.settings.settings import Settings
from relay.signing.profiles import branches_of
from relay.signing.tls import FollowingContext, NodePeers, following
from relay.signing.trust import Anchors, TrustStore
from relay.signing.trust.anchors import der_of
from relay.transport.nodes.connections import Connections
from relay.transport.nodes.door import telling

log = structlog.get_logger("relay.trust")


@dataclass(frozen=True, slots=True)
class _Read:
    """trusting.Candidate."""

    anchors: Anchors

    @property
    def certificates(self) -> Sequence[Trusted]:
        return _shown(self.anchors)


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """delivery.operators.trusting.TrustSource."""

    section: TrustSection
    store: TrustStore

    def stamp(self) -> object:
        found: list[tuple[object, ...]] = []
        for path in self.section.files():
            try:
                state = path.stat()
            except OSError as error:
                found.append((str(path), error.errno))
            else:
                found.append((str(path), state.st_ino, state.st_size, state.st_mtime_ns))
        return tuple(found)

    def read(self) -> _Read:
        return _Read(read_trust(self.section))

    def in_force(self) -> Sequence[Trusted]:
        return _shown(self.store.anchors)

    def put_in_force(self, candidate: Candidate) -> None:
        if not isinstance(candidate, _Read):
            raise TypeError("only what was read from the files comes into force")
        self.store.become(candidate.anchors)


@dataclass(frozen=True, slots=True)
class NodesTls:
    """Contexts for neighbours, both ways, that follow the store."""

    server: FollowingContext
    client: FollowingContext
    make_server: Callable[[], ssl.SSLContext]
    make_client: Callable[[], ssl.SSLContext]

    def renew(self) -> None:
        """For connections that begin from now on. Where the node's own key files do not serve just now,
        handshakes go on as before: who is believed is judged again all the same."""
        try:
            self.server.now, self.client.now = self.make_server(), self.make_client()
        except SettingsError as error:
            log.error(Line.TRUST_NOT_IN_USE, error=str(error))


def make_connections(ground: Ground) -> Connections:
    notary = ground.notary
    return Connections(NodePeers(notary.trust, ground.clock.now, notary.binding))


def make_nodes_tls(settings: Settings, store: TrustStore, failed: Callable[[], None]) -> NodesTls:
    """`failed` is told of each neighbour's handshake that failed."""

    def server() -> ssl.SSLContext:
        return telling(nodes_tls(settings, store.anchors), failed)

    def client() -> ssl.SSLContext:
        return neighbours_tls(settings, store.anchors)

    return NodesTls(
        following(server, ssl.PROTOCOL_TLS_SERVER),
        following(client, ssl.PROTOCOL_TLS_CLIENT),
        server,
        client,
    )


def make_trust_desk(ground: Ground, connections: Connections, tls: NodesTls) -> TrustDesk:
    section = ground.settings.trust
    desk = TrustDesk(
        TrustFiles(section, ground.notary.trust),
        TrustTable(ground.journal, ground.node),
        ground.clock,
        section.look_every,
        connections.judge_again,
    )
    desk.listeners.append(tls.renew)
    return desk


def _shown(anchors: Anchors) -> list[Trusted]:
    return [
        Trusted(
            name,
            digest_of(der_of(one)),
            one.subject.rfc4514_string(),
            one.not_valid_after_utc,
            tuple(sorted(branches_of(one))),
        )
        for name, one in anchors.listed()
    ]

"""Every connection between nodes, either way, and whose it is: judged when it is first used, and again
whenever whom to believe may have changed, for a connection can outlive the certificate it began with.

Touches: the connections' transports; closes those whose peer is no longer believed.
Trusts:  the handshake, for the peer's having the key of its certificate.
Raises:  AccessError, SignatureError.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from relay.errors import AccessError, SignatureError
from relay.lines import Line
from relay.model import Digest, NodeId

log = structlog.get_logger("relay.nodes")
CHAIN_LIMIT = 8
"""Certificates of a handshake that are looked at."""


@dataclass(frozen=True, slots=True)
class _Peer:
    node: NodeId
    chain: tuple[bytes, ...]


@dataclass(slots=True)
class Connections:
    """One for a node; its client and its server share it."""

    identify: Callable[[Sequence[bytes]], NodeId]
    """The node of a chain of certificates (DER); raises SignatureError."""
    _open: dict[asyncio.BaseTransport, _Peer] = field(default_factory=dict)

    def node(self, transport: asyncio.BaseTransport | None) -> NodeId:
        """Who is at the other end; judged once, until something changes."""
        known = None if transport is None else self._open.get(transport)
        if known is not None:
            return known.node
        tls = None if transport is None else transport.get_extra_info("ssl_object")
        chain = shown_chain(tls)
        if transport is None or not chain:
            raise AccessError("no client certificate")
        node = self.identify(chain)
        self._forget_closed()
        self._open[transport] = _Peer(node, chain)
        return node

    def judge_again(self) -> list[NodeId]:
        """Close every connection whose peer would not be believed now; whose they were."""
        self._forget_closed()
        verdicts = {peer: self._fault(peer) for peer in frozenset(self._open.values())}
        bad = [(one, peer) for one, peer in self._open.items() if verdicts[peer]]
        for transport, peer in bad:
            self._close(transport, peer, verdicts[peer])
        return [peer.node for _, peer in bad]

    def _fault(self, peer: _Peer) -> str:
        """Why it would not be believed now; empty when it would. Asked once for all of a peer's connections."""
        try:
            return "" if self.identify(peer.chain) == peer.node else "another node's"
        except SignatureError as error:
            return f"{error.reason}: {error}"

    def revoked(self, certificate: Digest) -> list[NodeId]:
        """Close every connection that stands on this certificate (SHA-256), a node's or an issuer's (R11).
        That it does not come again is for `identify` to see to."""
        closed = []
        for transport, peer in list(self._open.items()):
            if any(hashlib.sha256(der).hexdigest() == certificate for der in peer.chain):
                self._close(transport, peer, "revoked")
                closed.append(peer.node)
        return closed

    def _close(self, transport: asyncio.BaseTransport, peer: _Peer, why: str) -> None:
        """At once: what the peer is told waits for no answer of its."""
        log.warning(Line.CONNECTION_CLOSED, neighbour=peer.node, reason=why[:300])
        del self._open[transport]
        end = getattr(transport, "abort", transport.close)
        end()

    def _forget_closed(self) -> None:
        for transport in [one for one in self._open if one.is_closing()]:
            del self._open[transport]


def shown_chain(tls: object) -> tuple[bytes, ...]:
    """The certificates (DER) that the peer showed in the handshake, its own first; none without TLS."""
    if not isinstance(tls, ssl.SSLObject | ssl.SSLSocket):
        return ()
    public = getattr(tls, "get_unverified_chain", None)  # from Python 3.13 on
    if public is not None:
        return tuple(public())[:CHAIN_LIMIT]
    within = tls._sslobj  # type: ignore[union-attr]  # noqa: SLF001 - the only way there is before that
    shown = None if within is None else within.get_unverified_chain()
    return tuple(
        ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in (shown or ())[:CHAIN_LIMIT]
    )

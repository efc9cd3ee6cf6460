"""Who speaks to us between nodes: the handshake proves a certificate, the configuration says whose count.

Touches: the connection a request came on; the TLS context of the listener.
Trusts:  the handshake, for the certificate's path to a root.
Raises:  AccessError, SignatureError.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import lru_cache

from aiohttp import web

from relay.errors import AccessError
from relay.model import NodeId

NEIGHBOUR = web.RequestKey("neighbour", str)


class Door:
    """Finds the configured neighbour behind a request."""

    def __init__(
        self,
        node: NodeId,
        neighbours: frozenset[NodeId],
        identify: Callable[[bytes], NodeId],
        contact: Callable[[NodeId], None],
    ) -> None:
        self._node = node
        self._neighbours = neighbours
        self._identify = lru_cache(maxsize=1024)(identify)
        """A certificate is read once, not with each request of its connection."""
        self._contact = contact

    def neighbour(self, request: web.BaseRequest) -> NodeId:
        known = request.get(NEIGHBOUR)
        if known is not None:
            return NodeId(known)
        transport = request.transport
        tls = None if transport is None else transport.get_extra_info("ssl_object")
        certificate = None if tls is None else tls.getpeercert(binary_form=True)
        if certificate is None:
            raise AccessError("no client certificate")
        node = self._identify(certificate)
        if node not in self._neighbours:
            raise AccessError(f"node {node} is not a neighbour of {self._node}")
        request[NEIGHBOUR] = node
        self._contact(node)
        return node


def telling(context: ssl.SSLContext, failed: Callable[[], None]) -> ssl.SSLContext:
    """The context, which from now on tells of each handshake that failed: no certificate, or not one
    under our roots."""

    class Handshake(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError:
                failed()
                raise

    context.sslobject_class = Handshake
    return context

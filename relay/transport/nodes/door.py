"""Who speaks to us between nodes: the handshake proves a certificate, the configuration says whose count.

Touches: the connection a request came on; the TLS context of the listener.
Trusts:  Connections, for who is at the other end.
Raises:  AccessError, SignatureError.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from aiohttp import web

from relay.errors import AccessError
from relay.model import NodeId
from relay.transport.nodes.connections import Connections

NEIGHBOUR = web.RequestKey("neighbour", str)


class Door:
    """Finds the configured neighbour behind a request (W1.2)."""

    def __init__(
        self,
        node: NodeId,
        neighbours: frozenset[NodeId],
        connections: Connections,
        contact: Callable[[NodeId], None],
    ) -> None:
        self._node = node
        self._neighbours = neighbours
        self._connections = connections
        self._contact = contact

    def neighbour(self, request: web.BaseRequest) -> NodeId:
        known = request.get(NEIGHBOUR)
        if known is not None:
            return NodeId(known)
        node = self._connections.node(request.transport)
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

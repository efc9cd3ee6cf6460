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
    under our roots. So is the neighbour told: of a handshake that fails asyncio sends nothing any more,
    and whoever had begun with a request would be in doubt about it."""

    class Handshake(ssl.SSLObject):
        _fault: ssl.SSLError | None = None

        def do_handshake(self) -> None:
            """What failed is raised when it is asked again: the alert goes out before."""
            if self._fault is not None:
                raise self._fault
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                failed()
                self._fault = error
                raise ssl.SSLWantReadError from None

    context.sslobject_class = Handshake
    return context

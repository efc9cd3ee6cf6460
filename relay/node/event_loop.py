"""The event loop that a node runs in: uvloop's, with one fault of its kept from the files of a node.

Where a neighbour goes away between its taking a connection and our first byte of TLS, uvloop (0.23) closes the
descriptor, and the socket object that it was given keeps the number. When that object is collected the
number is closed again, and may by then be another connection, a payload that is being written, or the journal.

Touches: the sockets that it is given. Raises: what uvloop raises.
"""

from __future__ import annotations

import socket
from typing import Any

import uvloop


class EventLoop(uvloop.Loop):
    async def create_connection(self, *arguments: Any, **named: Any) -> Any:
        """As everywhere. Of a socket that is given, the descriptor is the loop's from here on, whatever
        comes of the connection: the loop closes it, once."""
        given: socket.socket | None = named.get("sock")
        try:
            return await super().create_connection(*arguments, **named)
        except BaseException:
            if given is not None:
                given.detach()
            raise

"""Connections that a server had accepted in the very moment it closed.

Python 3.11 drops such a connection half made, its socket open, and the collector's complaint fails
whatever test runs by then. Later releases close it; with this, 3.11 does so too.
"""

from __future__ import annotations

import socket
from asyncio import selector_events
from typing import Any

_accept: Any = selector_events.BaseSelectorEventLoop._accept_connection2  # type: ignore[attr-defined]


async def _accept_or_close(
    self: Any,
    protocol_factory: Any,
    conn: socket.socket,
    extra: Any,
    sslcontext: Any = None,
    server: Any = None,
    *times: Any,
) -> None:
    if server is not None and not server.sockets:
        conn.close()
        return
    await _accept(self, protocol_factory, conn, extra, sslcontext, server, *times)


def close_late_connections() -> None:
    """For this process, from now on."""
    loop: Any = selector_events.BaseSelectorEventLoop
    loop._accept_connection2 = _accept_or_close

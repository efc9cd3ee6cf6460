"""Connections that a server had accepted in the very moment it closed.

Python 3.11 drops such a connection half made, its socket open; and one whose handshake ends after that nobody
closes. The collector's complaint then fails whatever test runs by then. With this both are closed.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import selector_events
from collections.abc import Callable
from typing import Any

_accept: Any = selector_events.BaseSelectorEventLoop._accept_connection2  # type: ignore[attr-defined]


async def _accept_or_close(
    self: Any,
    protocol_factory: Callable[[], Any],
    conn: socket.socket,
    extra: Any,
    sslcontext: Any = None,
    server: Any = None,
    *times: Any,
) -> None:
    if _closed(server):
        conn.close()
        return
    made: list[Any] = []

    def make() -> Any:
        made.append(protocol_factory())
        return made[0]

    await _accept(self, make, conn, extra, sslcontext, server, *times)
    if _closed(server):
        _close(made)


def _closed(server: Any) -> bool:
    return server is not None and not server.sockets


def _close(made: list[Any]) -> None:
    """Of aiohttp's protocols and asyncio's own."""
    for protocol in made:
        for name in ("transport", "_transport"):
            transport = getattr(protocol, name, None)
            if isinstance(transport, asyncio.BaseTransport):
                transport.close()


def close_late_connections() -> None:
    """For this process, from now on."""
    loop: Any = selector_events.BaseSelectorEventLoop
    loop._accept_connection2 = _accept_or_close

"""What late_connections.py is for, made to happen."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
from typing import Any

import pytest


async def test_a_connection_accepted_as_its_server_closes_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server closes after the connection was accepted, and before it was looked at."""
    loop: Any = asyncio.get_running_loop()
    accept = loop._accept_connection

    def accept_and_close(*args: Any) -> None:
        accept(*args)
        server.close()

    monkeypatch.setattr(loop, "_accept_connection", accept_and_close)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            assert await asyncio.wait_for(loop.sock_recv(client, 1), 10) == b""
        gc.collect()
    assert [str(one.message) for one in left] == []

"""A descriptor is closed once: closed again, its number could be another connection's, or the journal's."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest

from relay import logs
from relay.node import process
from relay.node.event_loop import EventLoop


def _trusting_nobody() -> ssl.SSLContext:
    return ssl.create_default_context()


async def _connected_to(listener: socket.socket) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, listener.getsockname())
    return made


async def _try_tls(made: socket.socket) -> None:
    await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, sock=made, ssl=_trusting_nobody(), server_hostname="tinh"
    )


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_neighbour_that_dies_before_the_handshake_leaves_no_number_behind() -> None:
    async def attempt() -> tuple[int, int]:
        listener = socket.create_server(("127.0.0.1", 0))
        made = await _connected_to(listener)
        descriptor = made.fileno()
        listener.close()  # what it had taken is reset
        with pytest.raises(ConnectionError):
            await _try_tls(made)
        return descriptor, made.fileno()

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        descriptor, number = runner.run(attempt())
    assert not _is_open(descriptor)
    assert number == -1


@pytest.mark.parametrize("patient", [True, False], ids=["an answer that is no TLS", "given up"])
def test_a_handshake_that_fails_leaves_nothing_open(*, patient: bool) -> None:
    async def attempt() -> tuple[int, int]:
        listener = socket.create_server(("127.0.0.1", 0))
        made = await _connected_to(listener)
        descriptor = made.fileno()
        taken, _ = listener.accept()
        with listener, taken:
            if patient:
                taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                with pytest.raises(ssl.SSLError):
                    await _try_tls(made)
            else:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(_try_tls(made), 0.05)
            async with asyncio.timeout(5):
                while _is_open(descriptor):
                    await asyncio.sleep(0.01)
        return descriptor, made.fileno()

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        _, number = runner.run(attempt())
    assert number == -1


def test_a_node_runs_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(*_: object) -> int:
        return 7 if isinstance(asyncio.get_running_loop(), EventLoop) else 1

    outputs = SimpleNamespace(close=lambda _: None)
    monkeypatch.setattr(process, "examine", lambda _: (None, ()))
    monkeypatch.setattr(logs, "make_outputs", lambda _: outputs)
    monkeypatch.setattr(logs, "configure", lambda _: None)
    monkeypatch.setattr(process, "_run_until_told", look)

    assert process.serve(Path("node.toml")) == 7

"""What the listener for neighbours says of whom it refused: one line, one entry, never their bytes."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
from contextlib import suppress
from typing import Any

import pytest
import structlog
from aiohttp import ClientConnectionResetError
from aiohttp.http_writer import StreamWriter

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = b"caller-bytes"


async def _raw(hub: Any, tls: ssl.SSLContext, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.node.nodes_port, ssl=tls)
    writer.write(request)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.transport.abort()


async def _summary(hub: Any) -> list[dict[str, Any]]:
    """What was counted since the last one."""
    before = hub.size()
    await hub.running._turned_away.sum_up()
    return [row for leaf in hub.entries(before) for row in leaf["refusals"]]


def _said(logs: list[Any]) -> list[tuple[str, str, str]]:
    """Of requests; the node also tells of the neighbours that it asks for the time and for directories."""
    return [
        (one["event"], one["log_level"], one.get("neighbour", ""))
        for one in logs
        if not one["event"].startswith(("time-", "directory-"))
    ]


UNREADABLE = [
    b"GET /" + SECRET + b" HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    b"POST /axis/v1/receipts HTTP/1.1\r\nHost: x\r\nContent-Length: abc" + SECRET + b"\r\n\r\n",
    SECRET + b"\x00\xff garbage\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", UNREADABLE, ids=["long", "length", "garbage"])
async def test_what_cannot_be_read_is_a_problem_and_one_line(
    hub: Any, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """An over-long header, a length that is none, garbage: in our words, not in the caller's."""
    await _summary(hub)
    before = hub.size()
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.DEBUG, "aiohttp"):
        answer = await _raw(hub, hub.peers["xa"].tls, request_bytes)
        async with asyncio.timeout(10):
            while not (said := _said(logs)):
                await asyncio.sleep(0.01)

    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"application/problem+json" in answer
    assert SECRET not in answer
    assert said == [("neighbour-unreadable", "warning", "xa")]
    assert SECRET.decode() not in repr(logs) + caplog.text
    assert [(one["reason"], one["neighbour"]) for one in hub.entries(before)] == [("unreadable", "xa")]  # fmt: skip


async def test_whoever_has_no_certificate_of_a_neighbour_is_counted(hub: Any) -> None:
    """No certificate, one of another node, garbage from another node: no line, one count each."""
    await _summary(hub)
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname = False
    anonymous.load_verify_locations(cafile=hub.network.root)
    stranger = hub.peers["ngoai"]
    with structlog.testing.capture_logs() as logs:
        with suppress(
            OSError, ssl.SSLError
        ):  # TLS 1.3: the client may learn of it by the end alone
            assert await _raw(hub, anonymous, b"GET / HTTP/1.1\r\n\r\n") == b""
        async with stranger.session() as session, session.get(f"{hub.url}/axis/v1/node") as got:
            assert got.status == 403
        await _raw(hub, stranger.tls, b"garbage\r\n\r\n")

    assert _said(logs) == []
    assert await _summary(hub) == [
        {"face": "nodes", "reason": reason, "count": 1}
        for reason in ("not-a-neighbour", "tls", "unreadable")
    ]


async def test_a_neighbours_refusal_is_an_entry_with_its_reason(hub: Any) -> None:
    """A stable word, also for what of a signature does not hold."""
    xa, before = hub.peers["xa"], hub.size()
    forged = xa.transfer(signer=hub.peers["xb"])
    with structlog.testing.capture_logs() as logs:
        async with (
            xa.session() as session,
            session.post(f"{hub.url}/axis/v1/transfers", data=forged.body) as got,
        ):
            assert got.status == 422

    assert [event for event, _, _ in _said(logs)] == ["neighbour-refused"]
    assert [(one["event"], one["reason"]) for one in hub.entries(before)] == [("peer-refused", "wrong-node")]  # fmt: skip


async def test_a_signed_refusal_is_told_with_its_reason(hub: Any) -> None:
    """In the audit log for the recipients it concerns, in the node's log once."""
    xa, before = hub.peers["xa"], hub.size()
    transfer = xa.transfer(recipients=("H01", "H01.77"))
    with structlog.testing.capture_logs() as logs:
        await xa.carry(transfer)
        await xa.carry(transfer)  # a repeat is answered, not told again

    told = [one for one in hub.entries(before) if one["event"].startswith("transfer-re")]
    assert [(one["event"], one.get("reason"), one["recipients"]) for one in told] == [
        ("transfer-received", None, ["H01"]),
        ("transfer-refused", "unknown-recipient", ["H01.77"]),
    ]
    (line,) = [one for one in logs if one["event"] == "transfer-refused"]
    assert (line["log_level"], line["neighbour"], line["message"], line["reason"]) == (
        "warning",
        "xa",
        transfer.header.message_id,
        "unknown-recipient",
    )


@pytest.mark.parametrize("path", ["/axis/v1/payloads/" + "a" * 64, "/axis/v1/receipts"])
async def test_a_neighbour_that_dies_in_the_middle_is_one_line(
    hub: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No traceback: nobody here failed."""
    xa = hub.peers["xa"]
    method = "POST" if path.endswith("receipts") else "PATCH"
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.DEBUG):
        _, writer = await asyncio.open_connection("127.0.0.1", hub.node.nodes_port, ssl=xa.tls)
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nUpload-Offset: 0\r\nContent-Length: 900000\r\n\r\n"
        writer.write(head.encode() + b"x" * 200_000)
        await writer.drain()
        await asyncio.sleep(0.2)  # the body has begun to be read
        writer.transport.abort()
        async with asyncio.timeout(10):
            while not _said(logs):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # whatever else would be said

    assert [neighbour for _, _, neighbour in _said(logs)] == ["xa"]
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


# ---------------------------------------------------------------- the other way round


async def test_an_upload_that_is_cut_at_its_end_goes_on_and_leaves_nothing_behind(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest goes in another request; no task is left behind whose exception nobody asks for.

    When the connection is lost while the last bytes wait to leave is a matter of luck, so it is made
    to happen there."""
    xa, complaints = hub.peers["xa"], list[Any]()
    ending = StreamWriter.write_eof

    async def lost(writer: StreamWriter, chunk: bytes = b"") -> None:
        if writer.output_size < (1 << 20):
            await ending(writer, chunk)
            return
        assert writer.transport is not None
        writer.transport.abort()
        raise ClientConnectionResetError("Cannot write to closing transport")

    monkeypatch.setattr(StreamWriter, "write_eof", lost)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        await xa.carry(xa.transfer(xa.document(padding_bytes=2 << 20)))
        await asyncio.sleep(0.1)
        gc.collect()
    finally:
        loop.set_exception_handler(None)

    assert complaints == []

"""Envelopes that go ahead: resumed after a cut, bounded by a quota, never another neighbour's."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from relay.delivery.clock import Clock
from relay.errors import OverloadError, PeerError, TransportError
from relay.journal import ahead
from relay.journal.ahead import AheadFiles
from relay.model import Digest, Event, NodeId, digest_of
from relay.node.disk import make_ahead

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")
BIG = 2 << 20


async def _patch(peer: Any, url: str, digest: str, offset: int, content: bytes) -> tuple[int, str]:
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/partial-upload"}
    async with (
        peer.session() as session,
        session.patch(
            f"{url}/axis/v1/payloads/{digest}", data=BytesIO(content), headers=headers
        ) as response,
    ):
        return response.status, response.headers.get("Upload-Offset", "")


async def _offset(peer: Any, url: str, digest: str) -> int:
    async with (
        peer.session() as session,
        session.head(f"{url}/axis/v1/payloads/{digest}") as response,
    ):
        return int(response.headers["Upload-Offset"])


async def _cut_upload(hub: Any, peer: Any, content: bytes, after: int) -> None:
    """A connection that dies in the middle of a PATCH."""
    port = hub.node.nodes_port
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=peer.tls)
    writer.write(
        f"PATCH /axis/v1/payloads/{digest_of(content)} HTTP/1.1\r\nHost: tinh\r\n"
        f"Upload-Offset: 0\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    )
    writer.write(content[:after])
    await writer.drain()
    async with asyncio.timeout(10):
        while await _offset(peer, hub.url, digest_of(content)) < after:
            await asyncio.sleep(0.01)
    writer.transport.abort()


async def test_a_line_cut_in_the_middle_of_an_upload_is_no_failure_of_ours(
    hub: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is logged as an error; a traceback for each cut line would bury what is one."""
    tw = hub.peers["tw"]
    content = tw.document(padding_bytes=BIG)
    await _cut_upload(hub, tw, content, BIG // 2)
    at = await _offset(tw, hub.url, digest_of(content))
    status, _ = await _patch(tw, hub.url, digest_of(content), at, content[at:])
    assert status in {204, 409}  # what was on its way when it was cut may have come in meanwhile
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_large_envelope_goes_ahead_and_is_taken(hub: Any) -> None:
    """Over a mebibyte the bytes come first, the transfer then names them, and nothing is left."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(xa.document(padding_bytes=BIG))

    receipt = await xa.carry(transfer)

    assert receipt.evidence[1].event is Event.CONTENT_CONSIGNMENT
    assert await _offset(xa, hub.url, transfer.header.digest) == 0


async def test_a_cut_upload_goes_on_where_it_broke_off(hub: Any) -> None:
    """What is here already is not sent again."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(xa.document(padding_bytes=BIG))
    half = 1 << 20
    await _cut_upload(hub, xa, transfer.content, half)

    receipt = await xa.carry(transfer)

    assert receipt.evidence[0].event is Event.RELAY_ACCEPTANCE
    assert hub.states(transfer.header.message_id) == {"H01": "available"}


async def test_the_part_that_is_here_is_not_sent_again(hub: Any) -> None:
    """The client asks for the offset and sends from there, to the byte."""
    xa = hub.peers["xa"]
    content = xa.document(padding_bytes=BIG)
    digest = digest_of(content)
    at = len(content) - 100_000
    assert await _patch(xa, hub.url, digest, 0, content[:at]) == (204, str(at))

    assert await _patch(xa, hub.url, digest, at, content[at:]) == (204, str(len(content)))
    assert (await xa.carry(xa.transfer(content))).evidence[0].event is Event.RELAY_ACCEPTANCE


async def test_an_upload_of_one_neighbour_never_serves_another(hub: Any) -> None:
    """Knowing a digest must not be a way to a document."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    content = xa.document(padding_bytes=BIG)
    digest = digest_of(content)
    await _patch(xa, hub.url, digest, 0, content)

    assert await _offset(xb, hub.url, digest) == 0
    theft = xb.transfer(content, origin=xa.name, sender=xa.agency)
    async with (
        xb.session() as session,
        session.post(f"{hub.url}/axis/v1/transfers", data=theft.short_body) as response,
    ):
        assert response.status == 404
    assert hub.is_unknown(theft)


async def test_a_wrong_offset_is_told_the_right_one(hub: Any) -> None:
    """Neither a gap nor an overlap is ever written."""
    xa = hub.peers["xa"]
    content = xa.document(padding_bytes=BIG)
    digest = digest_of(content)
    await _patch(xa, hub.url, digest, 0, content[:1000])

    for wrong in ("0", "999", "1001", "-1", "x"):
        headers = {"Upload-Offset": wrong}
        async with (
            xa.session() as session,
            session.patch(
                f"{hub.url}/axis/v1/payloads/{digest}", data=b"?", headers=headers
            ) as response,
        ):
            assert (response.status, response.headers["Upload-Offset"]) == (409, "1000")
    assert await _offset(xa, hub.url, digest) == 1000


async def test_a_damaged_upload_is_no_evidence_and_starts_anew(hub: Any) -> None:
    """A crash here may leave other bytes under a name: that is not the neighbour's fault, so no
    refusal is signed, and the same transfer succeeds."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(xa.document(padding_bytes=BIG))
    await _patch(xa, hub.url, transfer.header.digest, 0, bytes(len(transfer.content)))

    with pytest.raises(TransportError, match="503"):
        await xa.carry(transfer)

    assert hub.is_unknown(transfer)
    assert (await xa.carry(transfer)).evidence[0].event is Event.RELAY_ACCEPTANCE


async def test_two_uploads_of_the_same_bytes_do_not_spoil_each_other(hub: Any) -> None:
    """A neighbour that comes back before its old connection is known to be dead writes the same
    bytes over the same place."""
    xa = hub.peers["xa"]
    content = xa.document(padding_bytes=BIG)
    digest = digest_of(content)
    half = 1 << 20
    port = hub.node.nodes_port
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=xa.tls)
    writer.write(
        f"PATCH /axis/v1/payloads/{digest} HTTP/1.1\r\nHost: tinh\r\n"
        f"Upload-Offset: 0\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    )
    writer.write(content[:half])
    await writer.drain()
    async with asyncio.timeout(10):
        while (at := await _offset(xa, hub.url, digest)) < half:
            await asyncio.sleep(0.01)

    returned = asyncio.create_task(_patch(xa, hub.url, digest, at, content[at:]))
    writer.write(content[half:])  # the old connection was only slow
    await writer.drain()

    assert (await returned)[0] in {204, 409}
    writer.close()
    assert (await xa.carry(xa.transfer(content))).evidence[0].event is Event.RELAY_ACCEPTANCE


async def test_a_neighbours_uploads_are_bounded(hub: Any) -> None:
    """Over its quota a neighbour is told to come later; what it has stays."""
    xb = hub.peers["xb"]
    contents = [xb.document(str(n), padding_bytes=5 << 19) for n in range(3)]
    statuses = [
        (await _patch(xb, hub.url, digest_of(content), 0, content))[0] for content in contents
    ]

    assert statuses == [204, 204, 503]
    assert await _offset(xb, hub.url, digest_of(contents[0])) == len(contents[0])
    assert (await xb.carry(xb.transfer(contents[0]))).issuer == HERE


async def test_an_upload_over_the_envelope_limit_is_refused(hub: Any) -> None:
    """However it is spread over requests."""
    xa = hub.peers["xa"]
    digest = digest_of(b"much")
    status, _ = await _patch(xa, hub.url, digest, 0, bytes(3 << 20))
    assert status == 204

    status, _ = await _patch(xa, hub.url, digest, 3 << 20, bytes(2 << 20))

    assert status == 400
    assert await _offset(xa, hub.url, digest) <= 4 << 20


@pytest.mark.parametrize(
    "name", ["..%2F..%2Flock", "A" * 64, "a" * 63, "a" * 64 + "%0A", "%2e%2e", "journal.sqlite"]
)
async def test_a_payload_is_named_by_its_digest_only(hub: Any, name: str) -> None:
    """No name leads out of the neighbour's own folder."""
    status, _ = await _patch(hub.peers["xa"], hub.url, name, 0, b"x")

    assert status in {400, 404}


# ---------------------------------------------------------------- the files themselves


async def _stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_uploads_that_were_abandoned_make_room(tmp_path: Path) -> None:
    """A neighbour that gave up on a large one is not shut out for ever."""
    seconds = 0.0
    files = AheadFiles(tmp_path, 10, lambda: seconds)
    old, new = "a" * 64, "b" * 64
    await files.append(HERE, old, _stream(b"12345678"), 100)

    with pytest.raises(OverloadError):
        await files.append(HERE, new, _stream(b"1234"), 100)
    assert await files.expire(timedelta(days=1)) == 0
    seconds += timedelta(days=1).total_seconds() + 1
    files.forget(HERE, new)

    assert await files.expire(timedelta(days=1)) == 1
    assert await files.append(HERE, new, _stream(b"1234"), 100) == 4
    assert files.offset(HERE, old) == 0


async def test_uploads_at_once_share_one_quota(tmp_path: Path) -> None:
    """Many requests together take no more than one after the other."""
    files = AheadFiles(tmp_path, 100, lambda: 0.0)
    chunks = [b"1234567890"] * 4

    done = await asyncio.gather(
        *(files.append(HERE, f"{n:064x}", _stream(*chunks), 1000) for n in range(8)),
        return_exceptions=True,
    )

    stored = sum(file.stat().st_size for file in (tmp_path / HERE).iterdir())
    assert stored <= 100
    assert any(isinstance(one, OverloadError) for one in done)


async def test_uploads_that_were_cut_together_do_not_keep_each_other_out(tmp_path: Path) -> None:
    """Three are half here and fill the quota: whichever goes on gets its room from the others."""
    seconds = 0.0
    files = AheadFiles(tmp_path, 100, lambda: seconds)
    names = [f"{n:064x}" for n in range(3)]
    for name in names:
        await files.append(HERE, name, _stream(b"." * 33), 1000)
        seconds += 1

    assert await files.append(HERE, names[1], _stream(b"." * 33), 1000) == 66

    assert [files.offset(HERE, name) for name in names] == [0, 66, 33]
    with pytest.raises(OverloadError):
        await files.append(HERE, names[0], _stream(b"." * 33), 1000)
    files.forget(HERE, names[1])
    assert await files.append(HERE, names[0], _stream(b"." * 33), 1000) == 33


async def test_what_is_being_brought_is_pushed_out_by_nobody(tmp_path: Path) -> None:
    files = AheadFiles(tmp_path, 100, lambda: 0.0)
    begun, over = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"." * 50
        begun.set()
        await over.wait()

    coming = asyncio.create_task(files.append(HERE, "a" * 64, slow(), 1000))
    await begun.wait()
    await files.append(HERE, "b" * 64, _stream(b"." * 50), 1000)
    with pytest.raises(OverloadError):
        await files.append(HERE, "b" * 64, _stream(b"." * 50), 1000)
    over.set()
    assert await coming == 50


async def test_as_many_uploads_as_there_may_be_keep_none_of_them_from_going_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new one waits, until one of them was left alone for a while."""
    monkeypatch.setattr(ahead, "MOST_UPLOADS", 2)
    seconds = 0.0
    files = AheadFiles(tmp_path, 1000, lambda: seconds)
    for name in ("a", "b"):
        await files.append(HERE, name * 64, _stream(b"12"), 1000)
    assert await files.append(HERE, "a" * 64, _stream(b"34"), 1000) == 4
    with pytest.raises(OverloadError):
        await files.append(HERE, "c" * 64, _stream(b"12"), 1000)

    seconds += ahead.LEFT_ALONE.total_seconds() + 1
    assert await files.append(HERE, "a" * 64, _stream(b"56"), 1000) == 6
    assert await files.append(HERE, "c" * 64, _stream(b"12"), 1000) == 2
    assert [files.offset(HERE, name * 64) for name in "abc"] == [6, 0, 2]


async def test_the_largest_document_may_always_go_ahead(tmp_path: Path) -> None:
    """A quota below `envelope_bytes` would refuse it again and again, and its neighbour for it."""
    limits = SimpleNamespace(uploads_ahead_bytes=1 << 20, envelope_bytes=3 << 20)
    settings: Any = SimpleNamespace(node=SimpleNamespace(data_dir=tmp_path), limits=limits)
    reserve: Any = SimpleNamespace(require=lambda _: None)
    files = make_ahead(settings, Clock(), reserve)

    assert await files.append(HERE, "a" * 64, _stream(bytes(3 << 20)), 3 << 20) == 3 << 20


async def test_two_connections_lay_the_same_bytes_over_each_other(tmp_path: Path) -> None:
    """An old connection that was only slow adds nothing behind what its successor wrote."""
    files = AheadFiles(tmp_path, 1000, lambda: 0.0)
    digest, begun, over = "a" * 64, asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"12"
        begun.set()
        await over.wait()
        yield b"3456"

    old = asyncio.create_task(files.append(HERE, digest, slow(), 100))
    await begun.wait()
    assert await files.append(HERE, digest, _stream(b"3456"), 100) == 6
    over.set()

    assert await old == 6
    assert b"".join([chunk async for chunk in files.read(HERE, Digest(digest))]) == b"123456"


async def test_an_upload_has_a_limit_of_its_own(tmp_path: Path) -> None:
    files = AheadFiles(tmp_path, 1000, lambda: 0.0)

    with pytest.raises(PeerError, match="over 5 bytes"):
        await files.append(HERE, "a" * 64, _stream(b"123", b"456"), 5)
    assert files.offset(HERE, "a" * 64) == 3


async def test_a_thread_never_writes_to_a_closed_handle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever brings it is cancelled in the middle of a write; the number of a closed handle could be the
    journal's by then."""
    begun, go_on = threading.Event(), threading.Event()
    written: list[int] = []

    def slowly(handle: int, content: bytes, offset: int) -> None:
        begun.set()
        go_on.wait(10)
        written.append(os.pwrite(handle, content, offset))

    monkeypatch.setattr(ahead, "_write_at", slowly)
    files = AheadFiles(tmp_path, 100)
    coming = asyncio.create_task(files.append(HERE, "a" * 64, _stream(b"." * 50), 1000))
    await asyncio.to_thread(begun.wait, 10)
    coming.cancel()
    await asyncio.sleep(0.05)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await coming

    assert written == [50]
    assert files.offset(HERE, "a" * 64) == 50

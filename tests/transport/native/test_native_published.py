"""The published log over HTTP: the one form of a path, cacheable, to whom it is for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from relay.audit.tiles import ENTRIES, Tile, leaves_of
from relay.audit.tree import leaf_hash
from relay.node.publishing import LogHand, LogPublisher
from relay.transport import published
from relay.transport.native import native_runner
from tests.journal.published_log import PUBLIC, Log, believed, publish

Build = Callable[..., web.Application]


class Hand(LogHand):
    """The test's own signature in the place of Ed25519."""

    believed = staticmethod(believed)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path)
    publisher = log.publisher()
    publish(publisher, log.grow(200))
    publish(publisher, log.grow(100))
    return log


@pytest.fixture
async def files(log: Log) -> LogPublisher:
    second = timedelta(seconds=1)
    found = LogPublisher(log.path.parent, Hand(PUBLIC), every=second, patience=second)
    await found.last()
    return found


@pytest.fixture
def serve(build: Build, files: LogPublisher) -> Any:
    async def _serve(**more: Any) -> Any:
        runner = native_runner(build(published=files, **more))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, "http://{}:{}".format(*runner.addresses[0][:2])

    return _serve


@pytest.fixture
async def base(serve: Any) -> Any:
    runner, base = await serve(public_log=True)
    yield base
    await runner.cleanup()


@pytest.fixture
async def session() -> Any:
    async with aiohttp.ClientSession() as session:
        yield session


async def get(session: Any, url: str, **headers: str) -> tuple[int, Any, bytes]:
    # As it is: nothing of the path may be put right on the way.
    async with session.get(URL(url, encoded=True), headers=headers) as response:
        return response.status, response.headers, await response.read()


async def test_the_files_are_served_as_they_are(session: Any, base: str, log: Log) -> None:
    status, headers, body = await get(session, f"{base}/log/0/checkpoint")
    assert status == 200
    assert believed(body, "truc-relay.example/log/tinh-h01").size == 300
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Cache-Control"] == "public, max-age=2"
    again, _, _ = await get(
        session, f"{base}/log/0/checkpoint", **{"If-None-Match": headers["ETag"]}
    )
    assert again == 304

    for path in ("tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"):
        status, headers, body = await get(session, f"{base}/log/0/{path}")
        assert (status, body) == (200, (log.folder / "0" / path).read_bytes())
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert headers["ETag"]
        async with session.head(f"{base}/log/0/{path}") as head:
            assert (head.status, head.headers["Content-Length"]) == (200, str(len(body)))


async def test_a_partial_tile_that_left_is_answered_from_the_full_one(
    session: Any, base: str, log: Log
) -> None:
    assert not (log.folder / "0/tile/0/000.p").exists()
    _, _, hashes = await get(session, f"{base}/log/0/tile/0/000.p/200")
    _, _, bundle = await get(session, f"{base}/log/0/tile/entries/000.p/200")
    leaves = leaves_of(bundle, Tile(ENTRIES, 0, 200))
    assert leaves == log.leaves[:200]
    assert hashes == b"".join(map(leaf_hash, leaves))


async def test_another_checkpoint_of_the_same_second_is_no_304(
    session: Any, base: str, log: Log
) -> None:
    """As when a cosignature came late: only the ETag tells, so no date is given."""
    _, headers, first = await get(session, f"{base}/log/0/checkpoint")
    assert "Last-Modified" not in headers
    path = log.folder / "0/checkpoint"
    times = path.stat()
    publish(log.publisher(), log.grow(1))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    later = "Sun, 29 Nov 2037 00:00:00 GMT"
    status, _, second = await get(
        session, f"{base}/log/0/checkpoint", **{"If-Modified-Since": later}
    )
    assert status == 200
    assert first != second
    status, _, _ = await get(
        session, f"{base}/log/0/checkpoint", **{"If-None-Match": headers["ETag"]}
    )
    assert status == 200


async def test_conditions_hold_for_partial_tiles_as_for_full_ones(session: Any, base: str) -> None:
    """304 to who has it, 412 to who wants another, and the whole for a header that says nothing."""
    for path in ("tile/0/000", "tile/0/001.p/44", "tile/entries/001.p/44"):
        url = f"{base}/log/0/{path}"
        _, headers, _ = await get(session, url)
        for name, value, status in (
            ("If-None-Match", headers["ETag"], 304),
            ("If-None-Match", f'{headers["ETag"]}, "other"', 304),
            ("If-None-Match", "*", 304),
            ("If-None-Match", '"other"', 200),
            ("If-None-Match", "garbage", 200),
            ("If-Match", headers["ETag"], 200),
            ("If-Match", '"other"', 412),
        ):
            assert (await get(session, url, **{name: value}))[0] == status, (path, name, value)


@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=0-1,4-5", "bytes=9-1", "lines=1-2", "x"])
@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/44", "checkpoint"])
async def test_a_range_is_answered_by_the_whole(
    session: Any, base: str, path: str, wanted: str
) -> None:
    """Units and forms that nobody knows MUST be ignored, and to a HEAD every range (RFC 9110, 14.2)."""
    _, _, whole = await get(session, f"{base}/log/0/{path}")
    status, _, body = await get(session, f"{base}/log/0/{path}", Range=wanted)
    assert (status, body) == (200, whole)
    async with session.head(f"{base}/log/0/{path}", headers={"Range": wanted}) as head:
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(whole)))


async def test_so_many_large_bundles_are_sent_at_a_time(
    session: Any, base: str, files: LogPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow readers of large ones hold a bounded part of the memory; small ones are answered meanwhile."""
    large = 32 << 20
    found = files.file

    async def padded(epoch: str, path: str, *, entries: bool = True) -> bytes:
        content = await found(epoch, path, entries=entries)
        return bytes(large) if "entries" in path else content

    monkeypatch.setattr(files, "file", padded)
    monkeypatch.setattr(published, "MOST_LARGE", 2)
    monkeypatch.setattr(published, "LARGE_WITHIN", timedelta(seconds=5))
    url = f"{base}/log/0/tile/entries/000"
    slow = [await session.get(url) for _ in range(2)]
    assert [one.status for one in slow] == [200, 200]
    async with session.get(url) as refused:
        assert refused.status == 503
        assert refused.headers["Retry-After"]
    assert (await get(session, f"{base}/log/0/tile/0/000"))[0] == 200
    async with session.head(url) as head:
        assert head.headers["Content-Length"] == str(large)

    status = 503
    while status == 503:
        await asyncio.sleep(0.05)
        async with session.get(url) as again:
            status, body = again.status, await again.read()
    assert (status, len(body)) == (200, large)
    for one in slow:
        with pytest.raises(aiohttp.ClientError):
            await one.read()


async def test_a_partial_tile_that_leaves_while_it_is_asked_for_is_no_404(
    session: Any, base: str, log: Log, files: LogPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between finding it and sending it the full one may take its place: what is sent was read by then."""
    found = files.file

    async def slow(epoch: str, path: str, *, entries: bool = True) -> bytes:
        one = await found(epoch, path, entries=entries)
        publish(log.publisher(), log.grow(300))
        return one

    monkeypatch.setattr(files, "file", slow)
    status, _, body = await get(session, f"{base}/log/0/tile/0/001.p/44")
    assert not (log.folder / "0/tile/0/001.p/44").exists()
    assert (status, body) == (200, b"".join(map(leaf_hash, log.leaves[256:300])))


@pytest.mark.parametrize("linked", ["tile", "tile/0"])
async def test_a_link_above_a_tile_is_not_followed(
    session: Any, base: str, log: Log, linked: str
) -> None:
    place = log.folder / "0" / linked
    place.symlink_to(place.rename(log.folder / "elsewhere"))
    for path in ("tile/0/000", "tile/0/001.p/44"):
        status, _, _ = await get(session, f"{base}/log/0/{path}")
        assert status == 404


@pytest.mark.parametrize(
    "path",
    [
        "0/progress",
        "0/coming",
        "0/",
        "0/tile",
        "0/tile/0",
        "0/tile/0/",
        "0/tile/0/002",
        "0/tile/0/001",
        "0/tile/0/001.p/45",
        "0/tile/0/0",
        "0/tile/00/000",
        "0/tile/0/%300%30",
        "0/tile%2F0%2F000",
        "0//tile/0/000",
        "0/tile/0/../0/000",
        "0/../0/checkpoint",
        "..%2Fjournal.sqlite",
        "0/..%2F..%2Fjournal.sqlite",
        "../journal.sqlite",
        "00/checkpoint",
        "1/checkpoint",
        "0-abc/checkpoint",
        "0/Checkpoint",
        "0/checkpoint/",
    ],
)
async def test_any_other_path_is_not_there(session: Any, base: str, path: str) -> None:
    status, _, body = await get(session, f"{base}/log/{path}")
    assert status == 404, body


async def test_a_link_in_the_folder_is_not_followed(session: Any, base: str, log: Log) -> None:
    (log.folder / "0/tile/0/000").unlink()
    (log.folder / "0/tile/0/000").symlink_to(os.devnull)
    status, _, _ = await get(session, f"{base}/log/0/tile/0/000")
    assert status == 404


async def test_the_index_names_every_log_with_its_key(session: Any, base: str) -> None:
    _, _, body = await get(session, f"{base}/log/")
    assert b'"size": 300' in body or b'"size":300' in body
    assert b"truc-relay.example/log/tinh-h01+" in body


@pytest.mark.parametrize("path", ["/log/", "/log/0/checkpoint", "/log/0/tile/0/000"])
async def test_a_log_that_is_not_public_is_for_auditors_and_operators(
    session: Any, serve: Any, path: str
) -> None:
    runner, base = await serve()
    try:
        found = {
            who: await get(session, base + path, Authorization=f"Bearer {who}")
            for who in ("nobody", "sender", "operator", "auditor")
        }
        assert [status for status, _, _ in found.values()] == [401, 403, 200, 200]
        if path != "/log/":
            assert found["auditor"][1]["Cache-Control"].startswith("private")
    finally:
        await runner.cleanup()

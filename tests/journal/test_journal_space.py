"""The disk's reserve, and what happens where a disk is really full (a small tmpfs)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.delivery.pressure.gate import Shortage
from relay.errors import JournalError, OverloadError, ReserveError
from relay.journal.ahead import AheadFiles
from relay.journal.payloads import INLINE_BYTES, PayloadFiles
from relay.journal.space import Free, Reserve, free_in
from relay.journal.store import SqliteJournal
from relay.model import NodeId, digest_of

MIB = 1 << 20
LARGE = 2 * MIB


class Disk:
    """A measure in the test's hand."""

    def __init__(self, size_bytes: int, inodes: int | None = None) -> None:
        self.free = Free(size_bytes, inodes)
        self.looks = 0

    def __call__(self) -> Free:
        self.looks += 1
        return self.free


def _reserve(disk: Disk, size_bytes: int = 100, inodes: int = 10) -> Reserve:
    return Reserve(size_bytes, inodes, disk)


def test_a_shortage_begins_under_the_reserve_and_ends_a_tenth_above_it() -> None:
    """Between the two nothing changes, whichever way it is crossed."""
    disk = Disk(105)
    reserve = _reserve(disk)
    told = []
    for free in (100, 99, 100, 109, 110, 105, 100, 99):
        disk.free = Free(free, None)
        reserve.look()
        told.append(reserve.shortage is not None)

    assert told == [False, True, True, True, False, False, False, True]


def test_inodes_count_where_a_file_system_has_a_number_of_them() -> None:
    """None of them short of the reserve is a shortage; a file system that grows them has none."""
    assert _reserve(Disk(1000, 9)).shortage == Shortage("inodes", 9, 10)
    assert _reserve(Disk(1000, None)).shortage is None


def test_a_body_that_would_reach_into_the_reserve_is_refused_by_its_declared_size() -> None:
    """What others were promised counts as taken, until they have it or gave up."""
    reserve = _reserve(Disk(1000))
    reserve.promise(500)
    with pytest.raises(ReserveError, match="no room for 401 bytes"):
        reserve.promise(401)
    reserve.promise(400)
    reserve.redeem(500)
    reserve.promise(500)


def test_the_disk_is_looked_at_before_a_large_body_and_one_of_unknown_length() -> None:
    """Small ones go by the last look, which is a second old at most."""
    disk = Disk(1 << 40)
    reserve = _reserve(disk)
    before = disk.looks
    reserve.promise(5000)
    assert disk.looks == before
    reserve.promise(MIB)
    reserve.promise(None)
    assert disk.looks == before + 2


# ---------------------------------------------------------------- a disk that is really full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Eight MiB and sixty inodes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=60", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("needs mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path, leave_bytes: int = 0) -> Path:
    """Take all but so many bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_in(folder).size_bytes - leave_bytes)
    return ballast


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def _uploaded(files: PayloadFiles, content: bytes, piece: int = 1 << 16) -> Any:
    upload = files.begin(1 << 30)
    try:
        for start in range(0, len(content), piece):
            upload.write(content[start : start + piece])
    except BaseException:
        upload.abort()
        raise
    return upload


@pytest.mark.parametrize("leave_bytes", [0, 4096, MIB, LARGE - 4096])
def test_a_body_that_does_not_fit_is_refused_and_nothing_of_it_is_left(
    small_disk: Path, leave_bytes: int
) -> None:
    """Wherever in the body the disk ends, in the middle of a write too; the next one that fits goes."""
    failures: list[BaseException] = []
    files = PayloadFiles(small_disk / "payloads", fault=failures.append)
    ballast = _fill(small_disk, leave_bytes)
    free = free_in(small_disk)

    with pytest.raises(ReserveError, match="No space left"):
        _uploaded(files, os.urandom(LARGE), piece=100_000)

    assert not _files(small_disk / "payloads")
    assert free_in(small_disk) == free
    ballast.unlink()
    content = os.urandom(LARGE)
    payload = asyncio.run(_uploaded(files, content).finish())
    assert payload.path.read_bytes() == content
    assert not failures


async def test_without_inodes_a_large_body_is_refused_and_a_small_one_is_not(
    small_disk: Path,
) -> None:
    """A small one needs no file of its own."""
    files = PayloadFiles(small_disk / "payloads")
    used = []
    with contextlib.suppress(OSError):
        for number in range(100):
            used.append(small_disk / f"file-{number}")
            used[-1].touch()

    with pytest.raises(ReserveError):
        _uploaded(files, os.urandom(LARGE))
    payload = await _uploaded(files, b"x" * INLINE_BYTES).finish()

    assert payload.content == b"x" * INLINE_BYTES
    used[0].unlink()
    content = os.urandom(LARGE)
    upload = _uploaded(files, content)
    with pytest.raises(ReserveError):  # a file, but no folder for it to rest in
        await upload.finish()
    upload.abort()
    assert not _files(small_disk / "payloads")
    used[1].unlink()
    assert (await _uploaded(files, content).finish()).path.read_bytes() == content


async def test_an_upload_ahead_goes_on_where_the_disk_ended(small_disk: Path) -> None:
    """What came before is kept, and its offset told."""
    ahead = AheadFiles(small_disk / "ahead", 1 << 30)
    neighbour, content = NodeId("tinh"), os.urandom(LARGE)
    ballast = _fill(small_disk, MIB)

    async def stream(start: int) -> AsyncIterator[bytes]:
        for at in range(start, len(content), 100_000):
            yield content[at : at + 100_000]

    with pytest.raises(OverloadError):
        await ahead.append(neighbour, digest_of(content), stream(0), 1 << 30)
    offset = ahead.offset(neighbour, digest_of(content))
    ballast.unlink()
    await ahead.append(neighbour, digest_of(content), stream(offset), 1 << 30)

    assert 0 < offset < LARGE
    read = b"".join([c async for c in ahead.read(neighbour, digest_of(content))])
    assert read == content


async def test_a_commit_that_does_not_fit_ends_the_writer_and_loses_nothing_acknowledged(
    small_disk: Path, make: Any
) -> None:
    """Everyone who got an answer is found after the restart, whoever got none may be told so, and no
    operation is answered once one has failed."""
    failures: list[BaseException] = []
    folder, node = small_disk / "data", NodeId("xa-a")

    async def opened() -> SqliteJournal:
        return await SqliteJournal.open(
            folder, node, lambda epoch, size, root: b"head", on_fatal=failures.append
        )

    journal = await opened()
    ballast = _fill(small_disk, MIB)
    acknowledged: list[str] = []
    while not failures:
        admission = make.admission(os.urandom(9000), key=make.uuid())
        with contextlib.suppress(JournalError):
            await journal.admit(admission)
            acknowledged.append(admission.message.message_id)
    with pytest.raises(JournalError):
        await journal.admit(make.admission(b"late", key="late"))
    await journal.close()
    ballast.unlink()

    journal = await opened()
    found = {row[0] for row in await journal.rows("SELECT message_id FROM messages")}
    (check,) = await journal.rows("PRAGMA integrity_check")
    await journal.close()
    assert len(failures) == 1
    assert acknowledged
    assert set(acknowledged) <= found
    assert check[0] == "ok"


async def test_a_disk_that_fails_otherwise_ends_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO from the fsync of a payload is told to whoever ends the process; it was acknowledged to nobody."""
    failures: list[BaseException] = []
    files = PayloadFiles(tmp_path / "payloads", fault=failures.append)
    upload = _uploaded(files, os.urandom(LARGE))

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(JournalError):
        await upload.finish()
    upload.abort()

    assert [getattr(f, "errno", None) for f in failures] == [errno.EIO]
    assert not _files(tmp_path / "payloads")


async def test_room_is_asked_for_while_a_body_of_unknown_length_comes(tmp_path: Path) -> None:
    """The reserve holds against a body that never said how long it is."""
    disk = Disk(3 * MIB)
    reserve = _reserve(disk, MIB)

    def room(size_bytes: int) -> None:
        reserve.require(size_bytes)
        disk.free = Free(disk.free.size_bytes - size_bytes, None)

    files = PayloadFiles(tmp_path / "payloads", room=room)
    with pytest.raises(ReserveError):
        _uploaded(files, bytes(3 * MIB))

    assert disk.free.size_bytes >= MIB
    assert not _files(tmp_path / "payloads")

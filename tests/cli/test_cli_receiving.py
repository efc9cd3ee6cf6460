"""What a node answers is written whole or not at all, and a fault names the file."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.cli.receiving import write_chunks


async def test_a_full_stick_is_told_by_the_name_of_the_file(tmp_path: Path) -> None:
    """A write that finds no room names none; nothing of it is left."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"some"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No such file") as told:
        await write_chunks(chunks(), 10, tmp_path / "none" / "a.carry")
    assert told.value.filename == str(tmp_path / "none" / "a.carry")

    target = tmp_path / "a.carry"
    with pytest.raises(OSError, match="No space left") as told:
        await write_chunks(chunks(), 10, target)

    assert told.value.filename == str(target)
    assert not list(tmp_path.iterdir())

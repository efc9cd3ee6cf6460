"""Payload files that nothing refers to: a crash between their fsync and their admission leaves them.

Never one that is held: who brings or admits a payload holds it from before the file has its name
until it is referred to (payloads.py).

Touches: DATA/payloads. Trusts: the journal's word on what is referred to.
Raises:  OSError, JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from relay.journal.payloads import PayloadFiles
from relay.model import Digest

PAGE = 100


async def collect(
    files: PayloadFiles,
    unreferred: Callable[[Sequence[str]], Awaitable[list[str]]],
    is_referred: Callable[[Digest], Awaitable[bool]],
    before: float,
    rest: Callable[[], Awaitable[None]],
) -> int:
    """Remove those last changed before this instant (seconds since 1970); how many there were."""
    removed = await asyncio.to_thread(files.forget_unfinished, before)
    for folder in await asyncio.to_thread(files.folders):
        names = await asyncio.to_thread(_old_files, folder, before)
        for start in range(0, len(names), PAGE):
            for name in await unreferred(names[start : start + PAGE]):
                removed += await files.drop(Digest(name), is_referred)
            await rest()
    return removed


def _old_files(folder: Path, before: float) -> list[str]:
    names = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime <= before:
                names.append(path.name)
    return sorted(names)

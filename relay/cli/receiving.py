"""Write what a node answers to a file: whole and on the disk before it has its name.

Touches: the file named, and the one beside it with `.part`.
Raises:  OSError, and what reading the answer raises.
"""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from relay.cli.show import progress

if TYPE_CHECKING:
    import aiohttp

CHUNK_BYTES = 1 << 18


async def write_whole(response: aiohttp.ClientResponse, target: Path) -> None:
    """What a node answers."""
    chunks = response.content.iter_chunked(CHUNK_BYTES)
    await write_chunks(chunks, response.content_length or 0, target)


async def write_chunks(chunks: AsyncIterator[bytes], total: int, target: Path) -> None:
    """Whole and on the disk before it has its name: a stick may be drawn at any moment."""
    part = target.with_name(target.name + ".part")
    done = 0
    try:
        with progress(f"writing {target.name}") as advance, part.open("wb") as file:
            async for chunk in chunks:
                file.write(chunk)
                done += len(chunk)
                advance(done, total)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            unnamed = type(error) is OSError and error.filename is None  # a write found no room
            if unnamed or error.filename == str(part):
                error.filename = str(target)  # the one that was asked for
        raise
    part.rename(target)
    fsync_folder(target.parent)


def fsync_folder(folder: Path) -> None:
    """Some file systems of sticks and shares sync no folders: the file itself is on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)

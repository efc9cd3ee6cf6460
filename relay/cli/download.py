"""Fetch a document into a file: resumed where it broke off, checked, durable, then named.

Touches: TARGET.part, then TARGET.
Trusts:  the digest the node states only to notice damage; the seal is what proves the bytes.
Raises:  CommandError, OSError, and what the client raises.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import aiohttp

from relay.cli.client import CHUNK_BYTES, NativeClient
from relay.cli.outcome import DATA, CommandError, remark
from relay.cli.receiving import fsync_folder
from relay.cli.show import progress
from relay.errors import PeerError, TransportError

ATTEMPTS = 5
AGAIN_SECONDS = 1.0
"""After a cut, and so many attempts in a row that bring nothing: a node starts again in less."""


async def download(client: NativeClient, path: str, target: Path) -> None:
    """`target` must not exist; CommandError where the bytes are not those the node names."""
    part = target.with_name(target.name + ".part")
    try:
        with part.open("a+b") as file:
            expected = await _pour_on(client, path, file)
            file.flush()
            os.fsync(file.fileno())
            found = _digest(file)
    except BaseException:
        _drop_empty(part)
        raise
    if expected is not None and found not in expected:
        part.unlink()
        raise CommandError(
            "the bytes that came are not those the node named by digest", DATA, "fetch it again"
        )
    part.rename(target)
    fsync_folder(target.parent)


def _drop_empty(part: Path) -> None:
    """A refusal leaves no file; what did come is kept, to go on from."""
    with suppress(OSError):
        if part.stat().st_size == 0:
            part.unlink()


async def _pour_on(client: NativeClient, path: str, file: BinaryIO) -> str | None:
    """On after each cut, as long as something came before it and the node is there again soon."""
    attempts = 0
    while True:
        before = file.seek(0, os.SEEK_END)
        try:
            return await _pour(client, path, file)
        except (TransportError, CommandError):
            came = file.seek(0, os.SEEK_END) > before
            attempts = 1 if came else attempts + 1
            if not came and attempts in {1, ATTEMPTS}:
                raise  # nothing came at all, or nothing any more
        remark(f"cut off at {file.tell()} bytes; going on from there")
        await asyncio.sleep(AGAIN_SECONDS)


async def _pour(client: NativeClient, path: str, file: BinaryIO) -> str | None:
    """What is missing of the body, appended; the header that names the whole's digest."""
    have = file.seek(0, os.SEEK_END)
    if have:
        try:
            # One byte less, so that a part that is complete already is still a range that exists.
            return await _append(client, path, file, have - 1)
        except PeerError:
            pass  # the part is of something else, and longer: start again, and let that refuse
    return await _append(client, path, file, 0)


async def _append(client: NativeClient, path: str, file: BinaryIO, offset: int) -> str | None:
    resume = {"Range": f"bytes={offset}-"} if offset else {}
    async with client.open(path, resume) as response:
        file.truncate(offset if response.status == 206 else 0)
        await _write(response, file)
        return response.headers.get("Repr-Digest")


async def _write(response: aiohttp.ClientResponse, file: BinaryIO) -> None:
    total, done = response.content_length or 0, 0
    with progress("fetching") as advance:
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            advance(done, total)


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    running = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        running.update(chunk)
    return f"sha-256=:{b64encode(running.digest()).decode()}:"

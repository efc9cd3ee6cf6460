"""Changes of the directory prepared beside the node: small ones in a thread, large ones in a process.

A thread of Python holds up everything else in the process by turns, and what it used stays with the
process; a hundred thousand agencies are two seconds and hundreds of megabytes of that. The process that
does it instead gets its work as a file and leaves its result as one, in a folder below the data folder
that only this node's user may enter.

    python -m relay.node.workshop FOLDER     is that process

Touches: the journal's file, read-only; the folder; a child process.
Trusts:  the folder, as it does the journal. Raises: what preparing.py raises; OverloadError for a child
         that was ended.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, cast

from relay.delivery.directory.preparing import Made, Work, prepare
from relay.errors import (
    DirectoryError,
    JournalError,
    OverloadError,
    RelayError,
    SignatureError,
    WireError,
)
from relay.journal.directory_stored import are_many, read_stored

MANY = 2000
"""Agencies whose preparing takes about as long as a process takes to start."""
NICE = 5
LONGEST_SECONDS = 900.0
"""Other changes wait for it."""
MANY_BYTES = 512 * 1024
"""Of a table, a document or what the configuration lists."""
_TOLD: dict[type[RelayError], Callable[[Any], tuple[object, ...]]] = {
    DirectoryError: lambda error: (error.problems,),
    SignatureError: lambda error: (error.reason, str(error)),
    WireError: lambda error: (str(error),),
    JournalError: lambda error: (str(error),),
}
"""What each refusal is made of, so that it can be raised again on the other side."""
FOLDER, WORK, MADE = "directory-", "work", "made"


@dataclass(frozen=True, slots=True)
class NodeWorkshop:
    """delivery.directory.ports.Workshop."""

    journal: Path
    """The journal's file."""

    def sweep(self) -> None:
        """What a node that was killed left of its work; before anything is made."""
        for folder in self.journal.parent.glob(f"{FOLDER}*"):
            rmtree(folder)

    async def make(self, work: Work) -> Made:
        if await asyncio.to_thread(self._is_large, work):
            return await self._make_apart(work)
        return await asyncio.to_thread(_make, self.journal, work)

    def _is_large(self, work: Work) -> bool:
        table = b"" if work.table is None else work.table.content
        words = (work.seed.records, table, work.heard or b"", work.regained or b"")
        return max(map(len, words)) > MANY_BYTES or are_many(self.journal, MANY)

    async def _make_apart(self, work: Work) -> Made:
        """Files of tens of megabytes are not even removed in the event loop."""
        folder = Path(await asyncio.to_thread(mkdtemp, dir=self.journal.parent, prefix=FOLDER))
        try:
            await asyncio.to_thread(_write, folder / WORK, (self.journal, work))
            await _run(folder)
            found = await asyncio.to_thread(_read, folder / MADE)
        finally:
            await asyncio.to_thread(rmtree, folder)
        if isinstance(found, Made):
            return found
        kind, told = found
        raise next(one for one in _TOLD if one.__name__ == kind)(*told)


async def _run(folder: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(folder), stdin=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            code = await child.wait()
    except TimeoutError:
        raise OverloadError(f"preparing the directory took over {LONGEST_SECONDS:g} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if code:
        raise OverloadError(f"preparing the directory ended with {code}")


def _make(journal: Path, work: Work) -> Made:
    return prepare(work, read_stored(journal, work.here))


def _write(path: Path, value: object) -> None:
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=5)


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301  written by this program, where only its user may write


def _main(folder: Path) -> None:
    """After everything that carries documents; and without the collector, which would walk through a
    million records that all stay."""
    os.nice(NICE)
    os.umask(0o077)
    gc.disable()
    journal, work = cast("tuple[Path, Work]", _read(folder / WORK))
    try:
        made: object = _make(journal, work)
    except tuple(_TOLD) as error:
        kind = next(one for one in _TOLD if isinstance(error, one))
        made = kind.__name__, _TOLD[kind](error)
    _write(folder / MADE, made)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

"""Words beside a log, read once and kept until they are written: meanwhile they may be removed.

Touches: memory, and for many a file without a name. Raises: JournalError where they find no room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from relay.errors import JournalError

MEMORY_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Kept:
    """One file's lines among those that are kept."""

    start: int
    size_bytes: int


class Aside:
    """Filled by one thread, then read by one; whoever has it closes it."""

    def __init__(self) -> None:
        self._file: IO[bytes] = SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115  see close

    def end(self) -> int:
        return self._file.tell()

    def copied(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            try:
                self._file.write(line)
            except OSError as error:
                raise JournalError(f"the words find no room: {error}") from error
            yield line

    def read(self, kept: Kept) -> Iterator[bytes]:
        self._file.seek(kept.start)
        left = kept.size_bytes
        while chunk := self._file.read(min(left, CHUNK_BYTES)):
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()

"""The published log: what its readers may ask, and who countersigns a checkpoint before it is out.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

Consistency = Callable[[int], Awaitable[list[bytes]]]
"""The proof that the first so many entries begin the tree of the checkpoint at hand; of 1 it is the path of
its first entry."""


class Witnesses(Protocol):
    async def cosign(self, note: bytes, consistency: Consistency) -> tuple[bytes, ...]:
        """Signature lines for a signed checkpoint whose tiles are written. It may take its time: who
        asks waits only so long. Raises whatever it likes: then the checkpoint goes without. Asked again
        about the same checkpoint it gives the lines it has, and those that came since."""
        ...


class NoWitnesses:
    async def cosign(self, _note: bytes, _consistency: Consistency) -> tuple[bytes, ...]:
        return ()


class Trouble(StrEnum):
    """Why a log is not published further."""

    CANNOT_WRITE = "cannot-write"
    """The disk is full or fails; it is tried again."""
    CONTRADICTION = "contradiction"
    """Journal, head and what was published do not agree: somebody must look."""


@dataclass(frozen=True, slots=True)
class PublishedLog:
    """One epoch's log as published."""

    epoch: str
    origin: str
    vkey: str
    size: int
    closed: bool
    """Nothing comes after this size."""
    trouble: Trouble | None


class LogFiles(Protocol):
    """The published files, for readers only."""

    async def logs(self) -> list[PublishedLog]: ...

    async def file(self, epoch: str, path: str, *, entries: bool = True) -> bytes:
        """What the file holds. NotFoundError for what is not there, for any but the one
        form of a path, and with `entries` False for entry bundles."""
        ...

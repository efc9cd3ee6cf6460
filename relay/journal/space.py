"""The reserve of the disk under the data folder: below it only what was accepted before is written.

Looked at about once a second and before a large body; between, what bodies under way have been
promised is taken off. A shortage begins under the reserve and ends a tenth above it, so that the
node does not flap where the two meet.

Touches: statvfs of the data folder. Raises: ReserveError.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from relay.delivery.pressure.gate import Shortage
from relay.errors import ReserveError

LARGE_BYTES = 1 << 20
"""A body from here on is worth a look of its own."""


@dataclass(frozen=True, slots=True)
class Free:
    """What a file system has left for an ordinary user. `inodes` None: as many as there is space."""

    size_bytes: int
    inodes: int | None


def free_in(folder: Path) -> Free:
    found = os.statvfs(folder)
    return Free(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


@dataclass(slots=True)
class Reserve:
    """delivery.pressure.gate.Room."""

    size_bytes: int
    inodes: int
    measure: Callable[[], Free]
    shortage: Shortage | None = None
    _free: Free = field(init=False)
    _promised_bytes: int = 0

    def __post_init__(self) -> None:
        self.look()

    def look(self) -> None:
        """Measure; `shortage` says what was found."""
        self._free = self.measure()
        self.shortage = self._short(tenths=10 if self.shortage is None else 11)

    def promise(self, size_bytes: int | None) -> None:
        size = size_bytes or 0
        if size_bytes is None or size >= LARGE_BYTES:
            self.look()
        if self.shortage is not None:
            raise ReserveError(str(self.shortage))
        left = self._free.size_bytes - self._promised_bytes - size
        if left < self.size_bytes:
            raise ReserveError(
                f"no room for {size} bytes: {Shortage('space', self._free.size_bytes, self.size_bytes)}"
            )
        self._promised_bytes += size

    def redeem(self, size_bytes: int | None) -> None:
        self._promised_bytes -= size_bytes or 0

    def require(self, size_bytes: int) -> None:
        """So much more of a body under way is about to be written. Raises ReserveError."""
        free = self.measure()
        if free.size_bytes - size_bytes < self.size_bytes:
            raise ReserveError(str(Shortage("space", free.size_bytes, self.size_bytes)))

    def _short(self, tenths: int) -> Shortage | None:
        """What is under so many tenths of its reserve."""
        free = self._free
        if free.size_bytes * 10 < self.size_bytes * tenths:
            return Shortage("space", free.size_bytes, self.size_bytes)
        if free.inodes is not None and free.inodes * 10 < self.inodes * tenths:
            return Shortage("inodes", free.inodes, self.inodes)
        return None

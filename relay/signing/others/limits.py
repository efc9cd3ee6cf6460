"""How much one envelope may cost the worker before the rest of it is UNKNOWN.

Touches: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class JudgingLimits:
    """Bounds of one envelope; the process's own are `memory_bytes` and `within`."""

    envelope_bytes: int = 512 << 20
    file_bytes: int = 256 << 20
    """One attached file; kept on disk while it is judged."""
    zip_bytes: int = 64 << 20
    """A ZIP that is opened in memory, and …"""
    opened_bytes: int = 128 << 20
    """… what may come out of it."""
    xml_bytes: int = 16 << 20
    """A document whose own Signature is judged; it is held as a tree."""
    files: int = 100
    """Attachments looked at."""
    signatures: int = 20
    """Of one file."""
    memory_bytes: int = 1 << 30
    """Address space of the worker."""
    within: timedelta = timedelta(seconds=30)
    """For all of one envelope."""

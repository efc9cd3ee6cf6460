"""Leaves as lines: split what comes in chunks, each line bounded.

Touches: nothing. Trusts: nothing. Raises: AuditError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from relay.audit.entries import LEAF_LIMIT_BYTES
from relay.errors import AuditError


def leaves_in(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Each line without its end; the last one must have an end, too."""
    waiting = b""
    for chunk in chunks:
        *complete, waiting = (waiting + chunk).split(b"\n")
        yield from complete
        if len(waiting) > LEAF_LIMIT_BYTES:
            raise AuditError(f"line of more than {LEAF_LIMIT_BYTES} bytes")
    if waiting:
        raise AuditError("the last line has no end")

"""One container of a carry file: its bytes as the manifest names them, and what it holds.

Touches: the reader of the file.
Trusts:  nothing of the container.
Raises:  WireError when the file cannot be read on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.carry.reading import CarryReader
from relay.delivery.carry.tally import Tally
from relay.errors import DamagedError, WireError
from relay.wire.carry import CarriedContainer

T = TypeVar("T")


async def contained(
    reader: CarryReader,
    name: str,
    container: CarriedContainer,
    tally: Tally,
    limit_bytes: int,
    read: Callable[[bytes], Sequence[T]],
) -> Sequence[T]:
    """Nothing where it is damaged (W7.6), or is no container; either is counted."""
    try:
        content = await reader.small(
            name, limit_bytes, size=container.size_bytes, digest=container.digest
        )
    except DamagedError:
        tally.damaged += 1
        return ()
    try:
        return await aside(len(content) > LONG_DOCUMENT_BYTES, read, content)
    except WireError:
        tally.stray += 1  # as its writer made it, and worth nothing
        return ()

"""Places for answers that stay open: so many in all, so many of one caller, so that nobody takes them all.

Touches: nothing. Raises: OverloadError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from relay.delivery.ports import Caller
from relay.errors import OverloadError


@contextmanager
def place(
    held: Counter[str], caller: Caller, what: str, *, most: int, of_one: int
) -> Iterator[None]:
    """Held by the caller's name for as long as it is entered."""
    if held.total() >= most or held[caller.holder] >= of_one:
        raise OverloadError(
            f"{held.total()} follow {what}, limit {most};"
            f" {held[caller.holder]} of this caller, limit {of_one}"
        )
    held[caller.holder] += 1
    try:
        yield
    finally:
        held[caller.holder] -= 1
        if not held[caller.holder]:
            del held[caller.holder]

"""Places for requests and answers that take their time: so many in all, so many of one caller, so that nobody
takes them all.

Touches: nothing. Raises: OverloadError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from relay.errors import OverloadError


@contextmanager
def place(held: Counter[str], caller: str, what: str, *, most: int, of_one: int) -> Iterator[None]:
    """Held in the caller's name for as long as it is entered."""
    if held.total() >= most or held[caller] >= of_one:
        raise OverloadError(
            f"{held.total()} {what}, limit {most}; {held[caller]} of this caller, limit {of_one}"
        )
    held[caller] += 1
    try:
        yield
    finally:
        held[caller] -= 1
        if not held[caller]:
            del held[caller]

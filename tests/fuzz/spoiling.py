"""Spoil whatever it is: mostly one thing done to it, now and then several.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz.mutator import Mutator, Operation
from tests.fuzz.spoiling_xml import TEXTS


def spoilt(
    m: Mutator, content: bytes, other: bytes, operations: Sequence[Operation] = TEXTS
) -> bytes:
    """Mostly one thing done to it, now and then several."""
    for _ in range(m.random.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        content = m.random.choice(operations)(m, content, other)
    return content

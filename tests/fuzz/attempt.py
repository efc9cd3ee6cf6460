"""One try: a target takes a mutator and says what became of its input.

Touches: nothing. Trusts: nothing. Raises: AssertionError for what may not happen.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.mutator import Mutator

ACCEPTED = "accepted"
"""What a try returns where the input was rightly accepted; else the word of the refusal."""
Try = Callable[[Mutator], str]


def require(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)

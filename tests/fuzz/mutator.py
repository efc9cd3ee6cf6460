"""Randomness with a seed, so that a number names an input, and what to look for in XML.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import TypeAlias

Operation: TypeAlias = Callable[["Mutator", bytes, bytes], bytes]
"""Of the content and another of its kind, from which something may be taken."""

TAG = re.compile(rb"</?[A-Za-z:]+[^<>]*>")
ELEMENT = re.compile(rb"<([A-Za-z:]+)(?: [^<>]*)?>[^<>]*</\1>")
ATTRIBUTE = re.compile(rb' [A-Za-z:]+="[^"<>]*"')
BASE64 = re.compile(rb"(?<=>)[A-Za-z0-9+/]{16,}={0,2}(?=<)")
SPACES = (b" ", b"\n", b"\r\n", b"\t", b"\r")


class Mutator:
    """Randomness with a seed."""

    __slots__ = ("random",)

    def __init__(self, seed: object) -> None:
        self.random = random.Random(str(seed))

    def place(self, content: bytes) -> int:
        return self.random.randint(0, len(content))

    def stretch(self, content: bytes) -> tuple[int, int]:
        """Mostly a short one."""
        start = self.place(content)
        longest = 8 if self.random.random() < 0.7 else len(content)
        return start, min(len(content), start + self.random.randint(1, max(1, longest)))

    def found(self, pattern: re.Pattern[bytes], content: bytes) -> tuple[int, int]:
        """One of the matches; an empty stretch where there is none."""
        spans = [match.span() for match in pattern.finditer(content)]
        return self.random.choice(spans) if spans else (0, 0)

"""What the reader noticed, bounded, and how it quotes the document.

Touches: nothing. A finding never holds free text of the document: only short codes and numbers.
"""

from __future__ import annotations

from relay.model import Finding

_QUOTABLE_CHARACTERS = 35


class Findings:
    """Collects findings up to a cap; beyond it only their number is kept (E1.2)."""

    __slots__ = ("_cap", "_kept", "_total")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._kept: list[Finding] = []
        self._total = 0

    def add(self, code: str, detail: str, where: str = "") -> None:
        self._total += 1
        if self._total <= self._cap:
            self._kept.append(Finding(code, detail, where))

    def result(self) -> tuple[Finding, ...]:
        left_out = self._total - len(self._kept)
        if left_out:
            return (*self._kept, Finding("more-findings", f"{left_out} more, not kept"))
        return tuple(self._kept)


def quoted(text: str) -> str:
    """A short printable text in quotes, else only its length."""
    if len(text) <= _QUOTABLE_CHARACTERS and text.isprintable():
        return f'"{text}"'
    return f"{len(text)} characters"

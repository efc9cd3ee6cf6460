"""Who is asked about next: a turn asks about every transfer once, a page at a time, wherever it begins.

What cannot be proven stays to be asked about, and may be any number: pages that began with the oldest
each time would hold nothing else, and what came later would never be asked about at all.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


class Stretch(NamedTuple):
    """Of transfers in the order of their ids: those behind the one, up to the other."""

    after: str
    until: str


EVERY: Final = Stretch("", "~")
"""No id is empty, and none begins with what comes behind every letter."""


@dataclass(slots=True)
class Turn:
    """One neighbour's: from where it begins to the last, then from the oldest up to there."""

    first: str = EVERY.after
    """Behind this one it began."""
    after: str = EVERY.after
    """Behind this one it goes on."""
    wrapped: bool = False
    """It is past the last, and began anew with the oldest."""
    unproven: bool = False
    """Something stays to be asked about, in another turn."""

    @property
    def left(self) -> Stretch:
        return Stretch(self.after, self.first if self.wrapped else EVERY.until)

    def passed(self, transfer_id: str) -> None:
        """All up to this one were asked about, and it for one stays to be. What needs no more asking is not
        among them any longer."""
        self.after, self.unproven = transfer_id, True

    def over(self, *, whole_page: bool) -> bool:
        """Once a page was asked about: whether that was the last. One that is not whole is the last of its
        stretch."""
        if whole_page:
            return False
        if self.wrapped or self.first == EVERY.after:
            return True
        self.wrapped, self.after = True, EVERY.after
        return False

    def anew(self) -> Turn:
        """A whole turn that begins where this one broke off."""
        return Turn(self.after, self.after)

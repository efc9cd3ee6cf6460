"""What an experiment came to: its line, and whatever contradicts the promises.

Counted are deliveries (a message for one recipient):

    acknowledged          of messages whose sender was told that they are durable
    delivered             the recipient's system fetched the very bytes
    refused with receipt  not delivered, and a signed negative receipt that verifies says why
    in doubt              not delivered, and a signed receipt says that the outcome is unknown
    lost                  none of these
    doubled               given to the recipient, or handed over, more than once

Touches: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """The line of an experiment, and what contradicts the promises beside losses and doubles."""

    acknowledged: int = 0
    delivered: int = 0
    refused: int = 0
    in_doubt: int = 0
    lost: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Times and counts that are told and not judged."""

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.problems)

    def line(self, title: str) -> str:
        return (
            f"{title}: acknowledged {self.acknowledged}, delivered {self.delivered},"
            f" refused with receipt {self.refused}, in doubt {self.in_doubt},"
            f" lost {self.lost}, doubled {self.doubled}"
        )

    def add(self, other: Tally) -> None:
        for name in ("acknowledged", "delivered", "refused", "in_doubt", "lost", "doubled"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems
        self.notes += other.notes

"""Packages set apart: the remote answers otherwise, and a call about just this one gets no usable answer.

The first times that counts as an outage, for from one call nobody can tell the two apart. From then on the
package waits by a back-off of its own, and holds up nothing else of its bridge.

Touches: nothing; memory is bounded, the one longest untouched goes first, and forgotten by a start.
Trusts:  nothing of the remote. Raises: nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from relay.delivery.clock import Clock
from relay.delivery.neighbours.retry import RetryPolicy

OUTAGES = 3
"""Failures of one package from which on it is the package's own trouble and not the remote's."""
MOST_APART = 1000


@dataclass(slots=True)
class Apart:
    policy: RetryPolicy
    clock: Clock
    random: Callable[[], float]
    _failed: OrderedDict[str, tuple[int, datetime]] = field(default_factory=OrderedDict)
    """By docId: how often in a row, and until when it is left alone."""

    def waits(self, doc_id: str) -> bool:
        return doc_id in self._failed and self.clock.now() < self._failed[doc_id][1]

    def failed(self, doc_id: str) -> bool:
        """True once that is this package's own trouble."""
        times = self._failed.pop(doc_id, (0, None))[0] + 1
        until = self.clock.now() + self.policy.wait(times, self.random())
        self._failed[doc_id] = (times, until)
        if len(self._failed) > MOST_APART:
            self._failed.popitem(last=False)
        return times >= OUTAGES

    def answered(self, doc_id: str) -> None:
        self._failed.pop(doc_id, None)

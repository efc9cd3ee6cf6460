"""What waits for one neighbour, by lane: a bounded window of the journal's queue in memory.

Each lane is held and refilled by itself, so that a backlog in one never stands before another. The
highest lane with something waiting goes next, but every eighth turn is the lowest's: express that
never ends starves nobody. Within a lane, age decides (W22.1). What was frozen before stays in the journal
and takes its turns by its lane (`outranks`).

Pure: no I/O here, see dispatch.py.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from relay.delivery.records import DeliveryRow, Ready
from relay.model import Lane

HELD_READY = 340
"""Messages a lane holds in memory."""
CONTENT_BYTES = 64 * 1024
"""Payloads up to here stay in memory with them; larger ones are read again when their turn comes."""
HELD_CONTENT_BYTES = 4 << 20
"""So much of them at the most, in all lanes: every neighbour may be away at once."""
TOGETHER_BYTES = 1 << 18
TOGETHER_ROWS = 64
"""What goes out in one request, at the most; what is larger goes alone."""
LOWEST_EVERY = 8
"""One turn in so many is the lowest waiting lane's."""
_HIGHEST_FIRST = tuple(sorted(Lane, reverse=True))


@dataclass(slots=True)
class _Held:
    ready: deque[Ready] = field(default_factory=deque)
    more_in_journal: bool = True


@dataclass(slots=True)
class Lanes:
    _held: dict[Lane, _Held] = field(
        default_factory=lambda: {lane: _Held() for lane in _HIGHEST_FIRST}
    )
    _rows: set[DeliveryRow] = field(default_factory=set)
    """Deliveries held here or being frozen, so that the journal's view of them is not doubled."""
    _content_bytes: int = 0
    """Of the payloads held here."""
    _turn: int = 0
    _repeated: bool = False
    """The last that went was another attempt of something frozen."""

    def offer(self, ready: Ready) -> None:
        """Something new waits; it is held unless older ones of its lane wait in the journal."""
        held = self._held[ready.lane]
        if held.more_in_journal or len(held.ready) >= HELD_READY:
            held.more_in_journal = True
        else:
            self._hold(held, ready)

    def look_again(self) -> None:
        """The journal may hold more, in any lane."""
        for held in self._held.values():
            held.more_in_journal = True

    def starving(self) -> list[Lane]:
        """Lanes with nothing in memory, but perhaps something in the journal; the highest first."""
        return [
            lane for lane, held in self._held.items() if held.more_in_journal and not held.ready
        ]

    def reading(self, lane: Lane) -> None:
        """The journal is about to be read for this lane: what is signalled from now on counts."""
        self._held[lane].more_in_journal = False

    def refill(self, lane: Lane, found: list[Ready], asked: int) -> None:
        """What the journal holds in this lane: `asked` deliveries at the most, and the rest of the last message."""
        held = self._held[lane]
        if sum(len(ready.rows) for ready in found) >= asked:
            held.more_in_journal = True
        for ready in found:
            if self._rows.isdisjoint(ready.rows):
                self._hold(held, ready)

    def take(self, most: int) -> list[Ready]:
        """The next to send, several in one request while they are small; `frozen` must follow for each."""
        taken: list[Ready] = []
        size_bytes = rows = 0
        while len(taken) < most and (held := self._next()) is not None:
            ready = held.ready[0]
            size_bytes += ready.size_bytes
            rows += len(ready.rows)
            if taken and (size_bytes > TOGETHER_BYTES or rows > TOGETHER_ROWS):
                break
            self._went(repeated=False)
            taken.append(held.ready.popleft())
            if ready.payload is not None:
                self._content_bytes -= ready.size_bytes
        return taken

    def outranks(self, lane: Lane) -> bool:
        """Whether the next to send goes before another attempt of this lane: the higher lane does, at the
        lowest lane's turn the lower one, and of the same lane they alternate."""
        if (held := self._next()) is None:
            return False
        new = held.ready[0].lane
        if new is lane:
            return self._repeated
        return (new < lane) if self._is_lowests else (new > lane)

    def repeated(self) -> None:
        """Another attempt goes; it is a turn like any other."""
        self._went(repeated=True)

    def _went(self, *, repeated: bool) -> None:
        self._turn = (self._turn + 1) % LOWEST_EVERY
        self._repeated = repeated

    @property
    def _is_lowests(self) -> bool:
        return self._turn == LOWEST_EVERY - 1

    def _next(self) -> _Held | None:
        """Whose turn it is."""
        waiting = [held for held in self._held.values() if held.ready]
        if not waiting:
            return None
        return waiting[-1] if self._is_lowests else waiting[0]

    def frozen(self, ready: Ready) -> None:
        """The journal knows by now: its view can be trusted for these rows again."""
        self._rows.difference_update(ready.rows)

    def _hold(self, held: _Held, ready: Ready) -> None:
        room = min(CONTENT_BYTES, HELD_CONTENT_BYTES - self._content_bytes)
        if ready.payload is not None and ready.size_bytes > room:
            ready = replace(ready, payload=None)
        if ready.payload is not None:
            self._content_bytes += ready.size_bytes
        self._rows.update(ready.rows)
        held.ready.append(ready)

    def __len__(self) -> int:
        return sum(len(held.ready) for held in self._held.values())

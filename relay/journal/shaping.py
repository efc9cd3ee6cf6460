"""The queue counted and its deliveries looked at, for operators: many short reads, none long.

Ages go by rows: deliveries are numbered as they come, so an instant is a row, found by bisection, and
the deliveries of an age are a range of the index that the dispatcher reads, counted without a look at
the rows.

Touches: the journal's file, reading only.
Raises:  JournalError.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from relay.delivery.operators.inspecting import Intervention, Kind, Named, Returns, WayFacts
from relay.delivery.operators.orders import Action
from relay.delivery.records import DeliveryRow
from relay.journal.rows import instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.model import DeliveryId, Lane, MessageId, NodeId

SQL = load("inspect")
_COUNTED = ("frozen", "paused", "sealing", "held", "unknown")


@dataclass(frozen=True, slots=True)
class ShapeTable:
    """delivery.operators.inspecting.InspectingJournal."""

    journal: SqliteJournal
    node: NodeId

    # ------------------------------------------------------------ counting

    async def bounds(self, instants: Sequence[datetime]) -> list[int]:
        above = await self._one("SELECT coalesce(max(delivery_row), 0) + 1 FROM deliveries")
        found = []
        for at in instants:
            above = await self._first_since(ms(at), above)
            found.append(above)
        return found

    async def _first_since(self, at: int, above: int) -> int:
        """The first row in 1 … `above` that came at or after `at`; `above` itself comes after."""
        low, high = 1, above
        while low < high:
            middle = (low + high) // 2
            came = await self.journal.rows(SQL["came_at"], (middle,))
            if not came or came[0][1] >= at:
                high = middle
            else:
                low = came[0][0] + 1
        return high

    async def counts(self, bounds: Sequence[int]) -> dict[tuple[NodeId | None, Kind], list[int]]:
        found: dict[tuple[NodeId | None, Kind], list[int]] = {}

        def add(hop: NodeId | None, kind: Kind, age: int, count: int) -> None:
            found.setdefault((hop, kind), [0] * (len(bounds) + 1))[age] += count

        for (hop,) in await self.journal.rows(SQL["hops"]):
            for age, count in enumerate(await self._queued(hop, bounds)):
                add(hop, Kind.WAITING, age, count)
        values: dict[str, object] = {f"b{number}": bound for number, bound in enumerate(bounds)}
        for name in _COUNTED:
            for hop, kind, age, count in await self.journal.rows(SQL[name], values):
                add(hop, Kind(kind), age, count)
        return found

    async def _queued(self, hop: NodeId, bounds: Sequence[int]) -> list[int]:
        ages = []
        for low, high in zip((*bounds, 0), (1 << 62, *bounds), strict=True):
            count = 0
            for lane in Lane:
                count += await self._one(SQL["queued"], hop, int(lane), low, high)
            ages.append(count)
        return ages

    async def returns(self) -> dict[NodeId, Returns]:
        waiting = dict(await self.journal.rows(SQL["receipts_waiting"]))
        parked = dict(await self.journal.rows(SQL["receipts_parked"]))
        return {
            NodeId(node): Returns(waiting.get(node, 0), parked.get(node, 0))
            for node in waiting.keys() | parked.keys()
        }

    async def put_back(self) -> int:
        return await self._one(SQL["put_back"])

    async def last_errors(self) -> dict[NodeId, str]:
        return dict(await self.journal.rows(SQL["last_errors"]))

    # ------------------------------------------------------------ looking at some

    async def named(self, name: str, limit: int) -> Named | None:
        found = await self.journal.rows(SQL["named_delivery"], (name,))
        if not found:
            found = await self.journal.rows(SQL["named_message"], (name, self.node, limit))
        if not found:
            return None
        return Named(MessageId(found[0][0]), tuple(DeliveryRow(row[1]) for row in found))

    async def facts(self, rows: Sequence[DeliveryRow]) -> dict[DeliveryId, WayFacts]:
        found = {}
        for row in await self.journal.rows(SQL["facts"], (_list(rows),)):
            hop, lane, waits = row[7], row[8], row[9]
            ahead = await self._one(SQL["queued"], hop, lane, 0, row[6]) if waits and hop else 0
            found[DeliveryId(row[0])] = _facts(row, ahead)
        return found

    async def _one(self, statement: str, *values: object) -> int:
        return int((await self.journal.rows(statement, values))[0][0])


def _facts(row: Any, ahead: int) -> WayFacts:
    return WayFacts(
        delivery_id=DeliveryId(row[0]),
        came_from=row[1],
        failed_at_node=row[2],
        arrived_at=instant(row[3]),
        since=instant(row[4]),
        frozen=row[5],
        ahead=ahead,
        intervention=_intervention(row[10:14]),
        put_back=bool(row[14]),
        rests=bool(row[15]),
    )


def _intervention(row: Sequence[Any]) -> Intervention | None:
    action, by, why, at = row
    return None if action is None else Intervention(Action(action), by, why, instant(at))


def _list(rows: Iterable[int]) -> str:
    return f"[{','.join(map(str, rows))}]"

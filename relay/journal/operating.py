"""What operators do to deliveries: found, and done in transactions (intervening.py) with who and why.

A delivery that is frozen into a transfer is acted on only together with it: `Freed` closes it first,
in the same transaction, and puts all that it carried back into the queue.

Touches: deliveries, transfers, returns, interventions.
Raises:  IllegalStepError when a delivery or transfer is no longer where the caller believed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from relay import lifecycle
from relay.delivery.operators.orders import Freed, FrozenPage, Moved, Order, Target
from relay.delivery.records import DeliveryRow
from relay.journal import carrying, intervening, views
from relay.journal.rows import ms
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.lifecycle import Happening
from relay.model import (
    AgencyCode,
    DeliveryId,
    Lane,
    NodeId,
    Reason,
    Receipt,
    Signed,
    TransferId,
)

SQL = intervening.SQL
STEP = 500
"""Rows of one transaction where there may be any number."""


@dataclass(frozen=True, slots=True)
class OperatingTable:
    """delivery.operators.orders.OperatingJournal."""

    journal: SqliteJournal
    node: NodeId

    # ------------------------------------------------------------ finding

    async def rows_of(self, name: str) -> Sequence[DeliveryRow]:
        found = await self.journal.rows(SQL["by_delivery"], (name,))
        if not found:
            found = await self.journal.rows(SQL["by_message"], (name, self.node))
        return [DeliveryRow(row[0]) for row in found]

    async def targets(self, rows: Sequence[DeliveryRow]) -> list[Target]:
        return [_target(row) for row in await self.journal.rows(SQL["targets"], (_list(rows),))]

    async def newest(self) -> DeliveryRow:
        return DeliveryRow((await self.journal.rows(SQL["newest"]))[0][0])

    async def queued(
        self, neighbour: NodeId, lane: Lane, after: int, until: int, limit: int
    ) -> list[tuple[DeliveryRow, AgencyCode]]:
        values = (neighbour, int(lane), after, until, limit)
        found = await self.journal.rows(SQL["queued"], values)
        return [(DeliveryRow(row), AgencyCode(code)) for row, code in found]

    async def frozen(self, neighbour: NodeId, after: tuple[int, int], transfers: int) -> FrozenPage:
        found = await self.journal.rows(SQL["frozen"], (neighbour, *after, transfers))
        rows = tuple(DeliveryRow(row[2]) for row in found if row[2] is not None)
        cursor = (found[-1][0], found[-1][1]) if found else after
        return FrozenPage(rows, cursor, len({row[1] for row in found}))

    async def sealing(self, neighbour: NodeId, after: int, limit: int) -> list[DeliveryRow]:
        return _rows(await self.journal.rows(SQL["sealing"], (neighbour, after, limit)))

    async def held(self, neighbour: NodeId, after: int, limit: int) -> list[DeliveryRow]:
        return _rows(await self.journal.rows(SQL["held"], (neighbour, after, limit)))

    # ------------------------------------------------------------ acting

    async def hold(
        self, order: Order, rows: Sequence[DeliveryRow], freed: Freed | None = None
    ) -> Moved:
        def operation(tx: Transaction) -> Moved:
            intervening.free(tx, self.node, order, freed)
            return intervening.each(tx, self.node, order, rows, intervening.hold)

        return cast("Moved", await self.journal.perform(operation, len(rows)))

    async def let_go(self, order: Order, rows: Sequence[DeliveryRow]) -> Moved:
        def operation(tx: Transaction) -> Moved:
            return intervening.each(
                tx, self.node, order, rows, partial(intervening.let_go, node=self.node)
            )

        return cast("Moved", await self.journal.perform(operation, len(rows)))

    async def reroute(
        self, order: Order, hops: Mapping[DeliveryRow, NodeId], freed: Freed | None = None
    ) -> Moved:
        def operation(tx: Transaction) -> Moved:
            back = intervening.free(tx, self.node, order, freed)
            moved = intervening.each(
                tx, self.node, order, hops, partial(intervening.reroute, hops=hops)
            )
            return Moved(moved.rows, moved.left, moved.hops | back, moved.unsealed)

        return cast("Moved", await self.journal.perform(operation, len(hops)))

    async def consign(
        self,
        order: Order,
        targets: Collection[Target],
        proof: tuple[Signed, Receipt],
        freed: Freed | None,
    ) -> set[NodeId]:
        def operation(tx: Transaction) -> set[NodeId]:
            intervening.free(tx, self.node, order, freed)
            for target in targets:
                after = lifecycle.step(
                    intervening.place_of(tx, target.row).state, Happening.CONSIGNED
                )
                tx.run(SQL["consign"], target.row, after, ms(order.at))
            intervening.record(tx, self.node, order, targets)
            return intervening.prove(tx, self.node, order, targets, proof)

        return cast("set[NodeId]", await self.journal.perform(operation, len(targets)))

    async def end(
        self,
        order: Order,
        targets: Collection[Target],
        proof: tuple[Signed, Receipt],
        freed: Freed | None,
    ) -> set[NodeId]:
        unknown = proof[1].evidence[0].reason is Reason.OUTCOME_UNKNOWN
        happening = Happening.EXPIRED if unknown else Happening.CANCELLED

        def operation(tx: Transaction) -> set[NodeId]:
            intervening.free(tx, self.node, order, freed)
            for target in targets:
                ended = lifecycle.step(intervening.place_of(tx, target.row).state, happening)
            intervening.record(tx, self.node, order, targets, state=ended.value)
            back = intervening.prove(tx, self.node, order, targets, proof)
            for transfer in {t.transfer.transfer_id for t in targets if t.transfer is not None}:
                tx.run(carrying.SQL["close_if_done"], transfer)
            return back

        return cast("set[NodeId]", await self.journal.perform(operation, len(targets)))

    async def hasten(
        self, order: Order, neighbours: Sequence[NodeId], transfers: Sequence[TransferId] | None
    ) -> int:
        hastened = 0
        for neighbour in neighbours:
            hastened += await self._hasten(order, neighbour, transfers)
        return hastened

    async def _hasten(
        self, order: Order, neighbour: NodeId, transfers: Sequence[TransferId] | None
    ) -> int:
        def first(tx: Transaction) -> int:
            tx.run(SQL["end_wait"], neighbour, ms(order.at))
            tx.record(intervening.told(order, self.node, neighbour=neighbour))
            if transfers is None:
                return step(tx)
            return sum(
                tx.run(SQL["hasten_one"], one, ms(order.at)).rowcount for one in set(transfers)
            )

        def step(tx: Transaction) -> int:
            return tx.run(SQL["hasten"], neighbour, STEP, ms(order.at)).rowcount

        done = last = cast("int", await self.journal.perform(first, STEP))
        while transfers is None and last == STEP:
            last = cast("int", await self.journal.perform(step, STEP))
            done += last
        return done

    async def unpark(self, order: Order, neighbour: NodeId) -> int:
        def operation(tx: Transaction) -> int:
            count = tx.run(SQL["unpark"], neighbour, STEP).rowcount
            if count:
                tx.record(intervening.told(order, self.node, neighbour=neighbour, count=count))
            return count

        done = last = cast("int", await self.journal.perform(operation, STEP))
        while last == STEP:
            last = cast("int", await self.journal.perform(operation, STEP))
            done += last
        return done

    async def unpark_of(self, order: Order, rows: Sequence[DeliveryRow]) -> dict[NodeId, int]:
        def operation(tx: Transaction) -> dict[NodeId, int]:
            messages = tx.run(
                "SELECT DISTINCT message_row FROM deliveries"
                " WHERE delivery_row IN (SELECT value FROM json_each(?))",
                _list(rows),
            ).fetchall()
            parked = tx.run(SQL["parked_of_messages"], _list([row[0] for row in messages]))
            counts: dict[NodeId, int] = {}
            for row, neighbour in parked.fetchall():
                tx.run("UPDATE returns SET parked = 0 WHERE return_row = ?", row)
                counts[neighbour] = counts.get(neighbour, 0) + 1
            for neighbour, count in counts.items():
                tx.record(intervening.told(order, self.node, neighbour=neighbour, count=count))
            return counts

        return cast("dict[NodeId, int]", await self.journal.perform(operation, len(rows)))


def _target(row: Any) -> Target:
    return Target(
        views.waiting(row), DeliveryId(row[18]), row[19], row[20], bool(row[21]), bool(row[22])
    )


def _rows(found: Iterable[Any]) -> list[DeliveryRow]:
    return [DeliveryRow(row[0]) for row in found]


def _list(values: Iterable[int]) -> str:
    return json.dumps(list(values))

"""The journal's side of proofs that follow receipts: which are to go where, and those that came.

Touches: attachments, receipt_proofs, passages, attach_mark; entries, receipts, deliveries, arrivals, reading.
Trusts:  this node's own leaves, which the caller has as published.
Raises:  AuditError for a row of the log that was edited; JournalError.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from relay.audit.entries import AuditEvent, entry, moment, parse
from relay.delivery.attaching.ports import Arrived, AttachRow, Dropped, Due, Stretch
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import Digest, NodeId, Signed
from relay.wire.passage import about_recipients

SQL = load("attach")
SLICE: Final = 1_000
"""Entries that one call goes through."""
_LEAVES: Final = 200
"""Of those, entries that name a receipt; reading them takes the loop a millisecond or two."""
_PAIRS: Final = 4_000
"""Receipts and recipients that one statement looks up."""
_STEP: Final = 2_000
"""Rows that one transaction drops."""
_NAMING: Final = tuple(
    f'"event":"{event.value}"'.encode()
    for event in (
        AuditEvent.RECEIPT_ISSUED,
        AuditEvent.TRANSFER_RECEIVED,
        AuditEvent.TRANSFER_REFUSED,
        AuditEvent.PASSAGE,
    )
)
MOST_PASSAGES: Final = 100
"""Of one receipt: those of its recipients that waited alike are one."""


@dataclass(frozen=True, slots=True)
class _Named:
    """An entry of this node's that names a receipt of its own."""

    index: int
    receipt: Digest
    neighbour: NodeId | None
    """To whom it was the answer."""
    recipients: tuple[str, ...]
    about: str = ""
    """Of a passage, which recipients."""


@dataclass(frozen=True, slots=True)
class AttachTable:
    """delivery.attaching.ports.AttachBook."""

    journal: SqliteJournal
    node: NodeId

    # ------------------------------------------------------------ what is to go

    async def gather(
        self, stretch: Stretch, to: Collection[NodeId], at: datetime, before: datetime
    ) -> tuple[int, frozenset[NodeId]]:
        mark = int((await self.journal.rows(SQL["mark"]))[0][0])
        start, end = max(mark, stretch.first), stretch.end
        if start >= end:
            return max(mark, end), frozenset()
        stop = min(start + SLICE, end)
        values = (start, stop, *_NAMING, _LEAVES)
        leaves = await self.journal.rows(SQL["of_receipts"], values)
        if len(leaves) == _LEAVES:
            stop = int(leaves[-1][0]) + 1
        named, after = _due(leaves, stop, stretch.cosigned, before)
        rows = [one async for one in self._travelling(named, to)]
        if after > mark:
            await self.journal.perform(lambda tx: _queue(tx, rows, after, ms(at)), len(rows))
        return after, frozenset(neighbour for _, neighbour, _, _ in rows)

    async def _travelling(
        self, named: Sequence[_Named], to: Collection[NodeId]
    ) -> AsyncIterator[tuple[Digest, NodeId, str, int]]:
        for one in named:
            if one.neighbour is not None and one.neighbour in to:
                yield one.receipt, one.neighbour, one.about, one.index
        entries = {one.receipt: one.index for one in reversed(named) if one.neighbour is None}
        for part in _parts(named):
            for receipt, neighbour in await self.journal.rows(SQL["travels_to"], (part,)):
                if neighbour in to:
                    yield Digest(receipt), NodeId(neighbour), "", entries[receipt]

    async def due(self, neighbour: NodeId, now: datetime, limit: int) -> list[Due]:
        if (await self.journal.rows(SQL["backed_up"], (neighbour,)))[0][0]:
            return []
        rows = await self.journal.rows(SQL["due"], (neighbour, ms(now), limit))
        return [
            Due(AttachRow(row), Digest(receipt), index, attempts, proof, bool(about))
            for row, receipt, index, attempts, proof, about in rows
        ]

    async def whose(self, now: datetime) -> list[NodeId]:
        rows = await self.journal.rows(SQL["whose"], (ms(now),))
        return [NodeId(neighbour) for (neighbour,) in rows]

    async def done(self, rows: Sequence[AttachRow]) -> None:
        await self._each(SQL["done"], [(row,) for row in rows])

    async def put_off(self, rows: Sequence[tuple[AttachRow, datetime]]) -> None:
        await self._each(SQL["put_off"], [(row, ms(until)) for row, until in rows])

    async def _each(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        if values:
            await self.journal.perform(lambda tx: tx.connection.executemany(statement, values))

    async def refused(self, neighbour: NodeId, one: Due, at: datetime) -> None:
        def dropping(tx: Transaction) -> None:
            tx.run(SQL["done"], one.row)
            fields = {"neighbour": neighbour, "receipt": one.receipt, "reason": "proof-refused"}
            tx.record(entry(AuditEvent.PEER_REFUSED, at, self.node, **fields))

        await self.journal.perform(dropping)

    async def drop(self, older_than: datetime, most: int, at: datetime) -> list[Dropped]:
        found: list[Dropped] = []
        for neighbour, count in await self.journal.rows(SQL["old"], (ms(older_than),)):
            values = (ms(older_than), neighbour)
            found.append(await self._dropped(neighbour, count, "too-old", "drop_old", values, at))
        for neighbour, count in await self.journal.rows(SQL["waiting"]):
            if count > most:
                found.append(
                    await self._dropped(
                        neighbour, count - most, "too-many", "drop_first", (neighbour,), at
                    )
                )
        return found

    async def _dropped(
        self,
        neighbour: str,
        count: int,
        reason: str,
        statement: str,
        values: tuple[object, ...],
        at: datetime,
    ) -> Dropped:
        """In steps that keep nobody waiting, the last of which leaves the entry."""
        dropped = Dropped(NodeId(neighbour), count, reason)
        for start in range(0, count, _STEP):
            step = min(_STEP, count - start)
            last = start + step == count

            def dropping(tx: Transaction, step: int = step, last: bool = last) -> None:
                tx.run(SQL[statement], *values, step)
                if last:
                    fields = {"neighbour": neighbour, "count": count, "reason": reason}
                    tx.record(entry(AuditEvent.PROOFS_DROPPED, at, self.node, **fields))

            await self.journal.perform(dropping, step)
        return dropped

    async def forget(self, neighbour: NodeId) -> None:
        await self._forget("drop_first", neighbour)

    async def forget_passages(self, neighbour: NodeId) -> None:
        await self._forget("drop_passages", neighbour)

    async def _forget(self, statement: str, neighbour: NodeId) -> None:
        gone = _STEP
        while gone == _STEP:
            gone = await self.journal.perform(
                lambda tx: tx.run(SQL[statement], neighbour, _STEP).rowcount, _STEP
            )

    # ------------------------------------------------------------ what came

    async def known(self, receipts: Collection[Digest]) -> dict[Digest, tuple[Signed, NodeId]]:
        rows = await self.journal.rows(SQL["known"], (json.dumps(sorted(receipts)),))
        return {
            Digest(digest): (Signed(document, signature), NodeId(issuer))
            for digest, document, signature, issuer in rows
        }

    async def keep(self, arrived: Sequence[Arrived], at: datetime) -> frozenset[NodeId]:
        pairs = [(one.digest, code) for one in arrived for code in _recipients(one)]
        back: list[tuple[str, str]] = []
        for start in range(0, len(pairs), _PAIRS):
            part = json.dumps(pairs[start : start + _PAIRS])
            back += await self.journal.rows(SQL["travels_to"], (part,))
        found = await self.journal.perform(
            lambda tx: _keep(tx, arrived, back, ms(at)), len(arrived)
        )
        return cast("frozenset[NodeId]", found)

    async def proof(self, receipt: Digest) -> bytes | None:
        """The one that came from its issuer's log, without the receipt."""
        rows = await self.journal.rows(SQL["proof"], (receipt,))
        return bytes(rows[0][0]) if rows else None


def _due(
    leaves: Sequence[Any], stop: int, cosigned: int, before: datetime
) -> tuple[list[_Named], int]:
    """Those that may go now, and the index that is gone through next."""
    named: list[_Named] = []
    for index, leaf in leaves:
        fields = parse(leaf)
        if index >= cosigned and moment(fields["at"]) > before:
            return named, int(index)
        receipt, answer = fields.get("receipt"), fields["event"] != AuditEvent.RECEIPT_ISSUED
        neighbour = NodeId(fields.get("neighbour", "")) if answer else None
        recipients = () if answer else tuple(fields.get("recipients", ()))
        if receipt:
            about = about_recipients(fields["recipients"]) if _is_passage(fields) else ""
            named.append(_Named(int(index), Digest(receipt), neighbour, recipients, about))
    return named, stop


def _is_passage(fields: dict[str, Any]) -> bool:
    return bool(fields["event"] == AuditEvent.PASSAGE)


def _parts(named: Sequence[_Named]) -> Iterator[str]:
    """Pairs of receipt and recipient, as JSON, no more at once than one statement looks up."""
    pairs = [(one.receipt, code) for one in named for code in one.recipients]
    for start in range(0, len(pairs), _PAIRS):
        yield json.dumps(pairs[start : start + _PAIRS])


def _queue(
    tx: Transaction, rows: Sequence[tuple[Digest, NodeId, str, int]], mark: int, at: int
) -> None:
    values = [
        (receipt, neighbour, about, index, at, at) for receipt, neighbour, about, index in rows
    ]
    tx.connection.executemany(SQL["queue"], [(*row[:2], *row[3:]) for row in values if not row[2]])
    tx.connection.executemany(SQL["queue_passage"], [row for row in values if row[2]])
    tx.run(SQL["keep_mark"], mark)


def _keep(
    tx: Transaction, arrived: Sequence[Arrived], back: Sequence[tuple[str, str]], at: int
) -> frozenset[NodeId]:
    new = [(one.digest, _about(one)) for one in arrived if _is_new(tx, one, at)]
    ways: dict[str, list[str]] = {}
    for receipt, neighbour in back:
        ways.setdefault(receipt, []).append(neighbour)
    further = [(r, neighbour, about) for r, about in new for neighbour in ways.get(r, ())]
    of_receipts = [(r, neighbour, at, at) for r, neighbour, about in further if not about]
    passages = [(*one, None, at, at) for one in further if one[2]]
    tx.connection.executemany(SQL["queue_again"], of_receipts)
    tx.connection.executemany(SQL["queue_passage"], passages)
    return frozenset(NodeId(neighbour) for _, neighbour, _ in further)


def _is_new(tx: Transaction, one: Arrived, at: int) -> bool:
    """Whether it is kept now, and was not before."""
    if one.passage is None:
        values = (one.digest, one.log, one.size, one.cosigned, one.proof, at)
        return tx.run(SQL["keep"], *values).rowcount > 0
    told_at = ms(one.passage.at)
    row = (one.digest, _about(one), told_at, one.leaf, one.proof, at)
    new = tx.run(SQL["keep_passage"], *row).rowcount > 0
    tx.run(SQL["fewer_passages"], one.digest, MOST_PASSAGES)
    return new


def _about(one: Arrived) -> str:
    return "" if one.passage is None else about_recipients(one.passage.recipients)


def _recipients(one: Arrived) -> set[str]:
    if one.passage is not None:
        return set(one.passage.recipients)
    return {evidence.recipient for evidence in one.receipt.evidence}

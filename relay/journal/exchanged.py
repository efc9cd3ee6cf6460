"""What this journal holds of the exchange with a neighbour, a bounded page at a time.

What was sent is told by the deliveries that a transfer carries. What was received is told by the header of
each transfer that came, which names its recipients whatever became of them here: one that this node's own
receipt accepted, and that has no row any more, is told as lost.

Touches: transfers, arrivals, deliveries, receipts, reading; a temporary file; one entry of the log.
Trusts:  the journal's own rows.
Raises:  JournalError; WireError for a row that holds no header or receipt.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from relay.audit.entries import AuditEvent, entry
from relay.audit.entries import instant as told
from relay.delivery.ports import Caller
from relay.delivery.reconciling.ports import (
    DEAD,
    MOST_NAMED,
    Believed,
    Exchanged,
    Kind,
    Listing,
    Report,
    Side,
    Standing,
    Twice,
    Window,
)
from relay.journal.rows import instant, ms, uncut
from relay.journal.scratch import open_scratch
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Digest,
    MessageId,
    MessageType,
    NodeId,
    Reason,
    TransferId,
)
from relay.wire.receipt import read_receipt
from relay.wire.transfer import RECIPIENT_LIMIT, read_transfer

SQL = load("reconcile")
SENT_LOOK: Final = 1000
"""Transfers to whomever that one page looks at."""
RECEIVED_LOOK: Final = 200
HEADERS_BYTES: Final = 128 << 10
"""Of headers in one page, but for a first that is larger."""
TRANSFERS_AT_A_TIME: Final = 20
ROWS: Final = RECIPIENT_LIMIT + 1
"""Of deliveries read at a time: a transfer is never cut."""
RECIPIENTS: Final = 2_000
"""When a page has so many it ends."""

_ENDED: Final = {
    DeliveryState.REFUSED: Standing.REFUSED,
    DeliveryState.EXPIRED: Standing.EXPIRED,
    DeliveryState.CANCELLED: Standing.CANCELLED,
    DeliveryState.TAKEN_BACK: Standing.TAKEN_BACK,
    DeliveryState.AVAILABLE: Standing.AVAILABLE,
    DeliveryState.FETCHED: Standing.AVAILABLE,
    DeliveryState.HANDED_OVER: Standing.HANDED_OVER,
}


def standing(side: Side, state: str, reason: str | None) -> Standing:
    """What is not beyond this node is under way to its sender, and taken to who received it."""
    found = DeliveryState(state)
    if found is DeliveryState.EXPIRED and reason == Reason.OUTCOME_UNKNOWN:
        return Standing.UNKNOWN
    if found is DeliveryState.RELAYED or (side is Side.RECEIVED and found not in _ENDED):
        return Standing.TAKEN
    return _ENDED.get(found, Standing.UNDER_WAY)


@dataclass(frozen=True, slots=True)
class ExchangeTable:
    """delivery.reconciling.ports.ExchangeJournal."""

    journal: SqliteJournal
    node: NodeId

    async def listing(self, neighbour: NodeId, side: Side, window: Window) -> Listing:
        values: dict[str, object] = {
            "neighbour": neighbour,
            "after": window.after or _first_id(window.since),
            "before": _first_id(window.until),
        }
        look = self._sent if side is Side.SENT else self._received
        return await look(values, window.last)

    async def sent_to(
        self, neighbour: NodeId, deliveries: Sequence[DeliveryId]
    ) -> frozenset[DeliveryId]:
        if not deliveries:
            return frozenset()
        values: dict[str, object] = {"ids": json.dumps(list(deliveries)), "neighbour": neighbour}
        return frozenset(
            DeliveryId(one) for (one,) in await self.journal.rows(SQL["sent_to"], values)
        )

    async def noted(
        self, by: Caller, report: Report, why: str, *, neighbour: NodeId | None
    ) -> None:
        leaf = entry(
            AuditEvent.RECONCILED,
            report.at,
            self.node,
            neighbour=neighbour,
            agencies=[] if neighbour else [report.party],
            since=told(report.since),
            until=told(report.until),
            count=sum(report.compared.values()),
            missing=report.counts[Kind.MISSING],
            doubled=report.counts[Kind.DOUBLED],
            different=report.counts[Kind.DIFFERENT],
            by=by.holder,
            why=why,
        )
        await self.journal.perform(lambda tx: tx.record(leaf))

    def doubles(self) -> DoublesTable:
        return DoublesTable()

    # ------------------------------------------------------------ what was sent

    async def _sent(self, values: dict[str, object], last: TransferId | None) -> Listing:
        looked = {**values, "last": last, "most": SENT_LOOK}
        found = await self.journal.rows(SQL["sent_window"], looked)
        mine = [transfer for transfer, here in found if here]
        listed: list[Exchanged] = []
        for start in range(0, len(mine), TRANSFERS_AT_A_TIME):
            several = mine[start : start + TRANSFERS_AT_A_TIME]
            named: dict[str, object] = {"ids": json.dumps(several), "most": ROWS}
            rows = await self.journal.rows(SQL["sent"], named)
            whole = uncut(rows, ROWS, itemgetter(0))
            listed += _sent(whole)
            ended = several[-1] if len(whole) == len(rows) else whole[-1][0]
            full = sum(len(one.recipients) for one in listed) >= RECIPIENTS
            if ended != mine[-1] and (full or ended != several[-1]):
                return Listing(tuple(listed), TransferId(ended))
        more = len(found) == SENT_LOOK
        return Listing(tuple(listed), TransferId(found[-1][0]) if more else None)

    # ------------------------------------------------------------ what was received

    async def _received(self, values: dict[str, object], last: TransferId | None) -> Listing:
        looked = {**values, "most": RECEIVED_LOOK}
        found = await self.journal.rows(SQL["received_window"], looked)
        within = [row for row in found if last is None or row[0] <= last]
        end, more = _fitting(within), len(within) == RECEIVED_LOOK
        if end is None:
            return Listing((), None)
        rows = await self.journal.rows(SQL["received"], {**values, "last": end})
        numbers = sorted({row[3] for row in rows if row[3] is not None})
        here = await self.journal.rows(SQL["standing"], {"rows": json.dumps(numbers)})
        digests: dict[str, object] = {"digests": json.dumps([row[1] for row in rows])}
        answers = dict(await self.journal.rows(SQL["answers"], digests))
        listed = await asyncio.to_thread(_received, rows, here, answers)
        more = more or end != within[-1][0]
        return Listing(listed, TransferId(end) if more else None)


def _first_id(at: datetime) -> str:
    """Before every id minted at or after that instant."""
    digits = f"{max(ms(at), 0):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _sent(rows: Sequence[Sequence[Any]]) -> Iterator[Exchanged]:
    for _, several in groupby(rows, itemgetter(0)):
        group = list(several)
        row = group[0]
        yield Exchanged(
            transfer_id=TransferId(row[0]),
            message_id=MessageId(row[1]),
            origin=NodeId(row[2]),
            message_type=MessageType(row[3]),
            sender=AgencyCode(row[4]),
            digest=Digest(row[5]),
            answer=None if row[6] is None else Digest(row[6]),
            at=instant(row[7]),
            recipients=tuple(
                Believed(AgencyCode(each[8]), standing(Side.SENT, *each[9:11]), instant(each[11]))
                for each in group
            ),
        )


def _fitting(found: Sequence[tuple[str, int]]) -> str | None:
    """The last of those whose headers fit one page."""
    total, end = 0, None
    for transfer, size in found:
        total += size
        if end is not None and total > HEADERS_BYTES:
            break
        end = transfer
    return end


def _received(
    rows: Sequence[Sequence[Any]],
    here: Sequence[Sequence[Any]],
    answers: Mapping[str, bytes],
) -> tuple[Exchanged, ...]:
    stands = {
        (row, code): Believed(
            AgencyCode(code), standing(Side.RECEIVED, state, reason), instant(changed)
        )
        for row, code, state, reason, changed in here
    }
    return tuple(_arrived(row, stands, answers) for row in rows)


def _arrived(
    row: Sequence[Any],
    stands: Mapping[tuple[int | None, str], Believed],
    answers: Mapping[str, bytes],
) -> Exchanged:
    header, at = read_transfer(row[0]), instant(row[2])
    without = [code for code in header.recipients if (row[3], code) not in stands]
    refused = _refused(answers.get(row[1])) if without else frozenset()
    recipients = tuple(
        stands.get((row[3], code))
        or Believed(code, Standing.REFUSED if code in refused else Standing.LOST, at)
        for code in header.recipients
    )
    return Exchanged(
        transfer_id=header.transfer_id,
        message_id=header.message_id,
        origin=header.origin,
        message_type=header.message_type,
        sender=header.sender,
        digest=header.digest,
        answer=Digest(row[1]),
        at=header.created_at,
        recipients=recipients,
    )


def _refused(answer: bytes | None) -> frozenset[AgencyCode]:
    """To whom this node's own receipt refused it."""
    if answer is None:
        return frozenset()
    evidence = read_receipt(answer).evidence
    return frozenset(one.recipient for one in evidence if one.event.negative)


@dataclass(slots=True)
class DoublesTable:
    """delivery.reconciling.ports.Doubles, in a file that is gone afterwards."""

    _connection: sqlite3.Connection = field(default_factory=open_scratch)

    def __post_init__(self) -> None:
        self._connection.execute(SQL["scratch"])

    def add(self, side: Side, transfers: Sequence[Exchanged]) -> None:
        rows = [
            (
                side,
                by.digest,
                one.recipient,
                by.delivery_id(one),
                by.message_id,
                by.sender,
                ms(by.at),
            )
            for by in transfers
            for one in by.recipients
            if one.standing not in DEAD
        ]
        self._connection.execute("BEGIN")
        self._connection.executemany(SQL["met"], rows)
        self._connection.execute("COMMIT")

    def found(self) -> list[Twice]:
        return [
            Twice(
                Side(side),
                AgencyCode(recipient),
                AgencyCode(sender),
                MessageId(message),
                DeliveryId(delivery),
                instant(at),
                MessageId(first),
            )
            for side, recipient, sender, message, delivery, at, first in self._connection.execute(
                SQL["twice"], (MOST_NAMED,)
            )
        ]

    def close(self) -> None:
        self._connection.close()

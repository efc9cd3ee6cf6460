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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from relay.audit.entries import AuditEvent, entry
from relay.audit.entries import instant as told
from relay.delivery.ports import Caller
from relay.delivery.reconciling.ports import (
    Believed,
    Exchanged,
    Kind,
    Listing,
    Report,
    Side,
    Standing,
    Window,
)
from relay.journal.doubles import DoublesTable
from relay.journal.rows import chunks, instant, ms, uncut
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
    TransferHeader,
    TransferId,
)
from relay.wire.receipt import read_receipt
from relay.wire.transfer import RECIPIENT_LIMIT, read_transfer

SQL = load("reconcile")
SENT_LOOK: Final = 1000
"""Transfers to whomever that one page looks at."""
RECEIVED_LOOK: Final = 200
PLACES_AT_A_TIME: Final = 500
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


_Place = tuple[int | None, AgencyCode]
"""A message's row and a recipient: what a delivery is found by."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    header: TransferHeader
    answer: Digest
    at: datetime
    row: int | None
    """Of the message; none where all of it was refused."""

    @property
    def places(self) -> list[_Place]:
        return [(self.row, code) for code in self.header.recipients]


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

    async def notations(self, messages: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for ids in chunks(messages):
            found.update(await self.journal.rows(SQL["notations"], {"ids": json.dumps(ids)}))
        return found

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
        arrivals = await asyncio.to_thread(_arrivals, rows)
        stands = await self._stands(arrivals)
        digests: dict[str, object] = {"digests": json.dumps(_doubted(arrivals, stands))}
        answers = dict(await self.journal.rows(SQL["answers"], digests))
        listed = await asyncio.to_thread(_received, arrivals, stands, answers)
        more = more or end != within[-1][0]
        return Listing(listed, TransferId(end) if more else None)

    async def _stands(self, arrivals: Sequence[_Arrival]) -> dict[_Place, Believed]:
        """Of the recipients that the headers name, what stands here (W21.6)."""
        places = [place for one in arrivals for place in one.places]
        found: dict[_Place, Believed] = {}
        for start in range(0, len(places), PLACES_AT_A_TIME):
            several: dict[str, object] = {
                "pairs": json.dumps(places[start : start + PLACES_AT_A_TIME])
            }
            for row, code, state, reason, changed in await self.journal.rows(
                SQL["standing"], several
            ):
                believed = standing(Side.RECEIVED, state, reason)
                found[row, code] = Believed(AgencyCode(code), believed, instant(changed))
        return found


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


def _arrivals(rows: Sequence[Sequence[Any]]) -> list[_Arrival]:
    return [
        _Arrival(_with(read_transfer(header), digest), Digest(answer), instant(at), row)
        for header, answer, at, row, digest in rows
    ]


def _with(header: TransferHeader, digest: str | None) -> TransferHeader:
    return header if digest is None else replace(header, digest=Digest(digest))


def _doubted(arrivals: Sequence[_Arrival], stands: Mapping[_Place, Believed]) -> list[Digest]:
    """Answers that must say whether what does not stand here was refused."""
    return [one.answer for one in arrivals if any(p not in stands for p in one.places)]


def _received(
    arrivals: Sequence[_Arrival],
    stands: Mapping[_Place, Believed],
    answers: Mapping[str, bytes],
) -> tuple[Exchanged, ...]:
    return tuple(_listed(one, stands, _refused(answers.get(one.answer))) for one in arrivals)


def _listed(
    arrival: _Arrival, stands: Mapping[_Place, Believed], refused: frozenset[AgencyCode]
) -> Exchanged:
    header = arrival.header
    return Exchanged(
        transfer_id=header.transfer_id,
        message_id=header.message_id,
        origin=header.origin,
        message_type=header.message_type,
        sender=header.sender,
        digest=header.digest,
        answer=arrival.answer,
        at=header.created_at,
        recipients=tuple(
            stands.get((row, code))
            or Believed(code, Standing.REFUSED if code in refused else Standing.LOST, arrival.at)
            for row, code in arrival.places
        ),
    )


def _refused(answer: bytes | None) -> frozenset[AgencyCode]:
    """To whom this node's own receipt refused it."""
    if answer is None:
        return frozenset()
    evidence = read_receipt(answer).evidence
    return frozenset(one.recipient for one in evidence if one.event.negative)

"""What one agency sent from here and received here in a period, for its own system to compare.

Each slice is a statement of its own along an index, so other reads wait for one slice only. A message to
thousands is never cut: the slice that would cut it ends before it.

Touches: messages, deliveries, reading; the list of what was archived.
Trusts:  the journal's own rows. Raises: JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from relay.delivery.reconciling.ports import Elsewhere, Kept, Side
from relay.journal.rows import instant, ms, uncut
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
)
from relay.wire.transfer import RECIPIENT_LIMIT

SQL = load("reconcile")
SENT_AT_A_TIME: Final = 20
"""Messages: each may have thousands of recipients."""
ROWS_AT_A_TIME: Final = 200
ROWS: Final = RECIPIENT_LIMIT + 1
_LISTED: Final = frozenset(
    {DeliveryState.AVAILABLE, DeliveryState.FETCHED, DeliveryState.HANDED_OVER}
)
"""What a recipient's system has or may have; what was taken back it never had."""
_NO_ROW: Final = -1


@dataclass(frozen=True, slots=True)
class KeptTable:
    """delivery.reconciling.ports.KeptJournal."""

    journal: SqliteJournal
    node: NodeId

    async def kept(
        self,
        forms: Collection[AgencyCode],
        since: datetime,
        until: datetime,
        types: Collection[MessageType],
        most: int,
    ) -> list[Kept]:
        wanted = _Wanted(since, until, types)
        found: list[Kept] = []
        for code in sorted(forms):
            values = {"agency": code, "at": ms(since), "row": _NO_ROW, "until": ms(until)}
            for kind in sorted(types):
                await self._sent({**values, "kind": kind}, found, most)
            await self._received("kept_done", values, wanted, found, most)
            await self._received("kept_open", values, wanted, found, most)
        return found

    async def elsewhere(self, forms: Collection[AgencyCode], ids: Sequence[str]) -> Elsewhere:
        kept: dict[str, Kept] = {}
        archived: set[str] = set()
        for code in sorted(forms):
            await self._look(code, ids, kept, archived)
        return Elsewhere(kept, frozenset(archived))

    async def _look(
        self,
        agency: AgencyCode,
        ids: Sequence[str],
        kept: dict[str, Kept],
        archived: set[str],
    ) -> None:
        for start in range(0, len(ids), ROWS_AT_A_TIME):
            values: dict[str, object] = {
                "agency": agency,
                "ids": json.dumps(ids[start : start + ROWS_AT_A_TIME]),
            }
            for side, name in ((Side.SENT, "of_messages"), (Side.RECEIVED, "of_deliveries")):
                for row in await self.journal.rows(SQL[name], values):
                    one = _kept(side, row)
                    kept[f"{side} {one.message_id}"] = one
                    kept[f"{side} {one.delivery_id}"] = one
            archived.update(row[0] for row in await self.journal.rows(SQL["archived"], values))

    async def _sent(self, values: dict[str, object], found: list[Kept], most: int) -> None:
        while len(found) <= most:
            asked = {**values, "messages": SENT_AT_A_TIME, "most": ROWS}
            rows = await self.journal.rows(SQL["kept_sent"], asked)
            whole = uncut(rows, ROWS, itemgetter(11))
            found += [_kept(Side.SENT, row) for row in whole]
            if len({row[11] for row in whole}) < SENT_AT_A_TIME and len(rows) < ROWS:
                return
            values = {**values, "at": whole[-1][7], "row": whole[-1][11]}

    async def _received(
        self, name: str, values: dict[str, object], wanted: _Wanted, found: list[Kept], most: int
    ) -> None:
        while len(found) <= most:
            rows = await self.journal.rows(SQL[name], {**values, "most": ROWS_AT_A_TIME})
            found += [_kept(Side.RECEIVED, row) for row in rows if wanted.is_met_by(row)]
            if len(rows) < ROWS_AT_A_TIME:
                return
            values = {**values, "at": rows[-1][7], "row": rows[-1][11]}


@dataclass(frozen=True, slots=True)
class _Wanted:
    since: datetime
    until: datetime
    types: Collection[MessageType]

    def is_met_by(self, row: Sequence[Any]) -> bool:
        within = ms(self.since) <= row[7] < ms(self.until)
        return within and row[9] in _LISTED and row[12] in self.types


def _kept(side: Side, row: Sequence[Any]) -> Kept:
    return Kept(
        side=side,
        message_id=MessageId(row[0]),
        delivery_id=DeliveryId(row[1]),
        agency=AgencyCode(row[2]),
        digest=Digest(row[3]),
        document_id=row[4],
        notation=row[5],
        promulgation_date=row[6],
        at=instant(row[7]),
        changed=instant(row[8]),
        state=DeliveryState(row[9]),
        reason=None if row[10] is None else Reason(row[10]),
    )

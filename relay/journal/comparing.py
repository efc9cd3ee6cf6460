"""What two neighbours' logs say of the transfers and receipts between them, side by side.

Facts of both are put into a table on the disk and joined there, so memory stays flat whatever the logs'
size. A transfer is matched by its id; its answer, the message, the envelope's digest and the recipients
must be the same. A receipt is matched by its digest, among those about recipients of a transfer.

Touches: a temporary database.
Trusts:  nothing of the entries but that each is one (audit/entries.py).
Raises:  sqlite3.Error where the disk is full.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from relay.audit.entries import AuditEvent, moment
from relay.journal.rows import ms
from relay.journal.scratch import scratch
from relay.journal.sql import load
from relay.model import NodeId

BATCH: Final = 2000
SQL = load("compare")
_OF_TRANSFERS = {
    AuditEvent.TRANSFER_FROZEN: "frozen",
    AuditEvent.TRANSFER_ANSWERED: "answered",
    AuditEvent.TRANSFER_FREED: "freed",
    AuditEvent.TRANSFER_POSTPONED: "postponed",
    AuditEvent.TRANSFER_RECEIVED: "taken",
    AuditEvent.TRANSFER_REFUSED: "refused",
    AuditEvent.MESSAGE_RECOVERED: "recovered",
    AuditEvent.MESSAGE_LOST: "lost",
}
_OF_RECEIPTS = {AuditEvent.RECEIPT_ISSUED, AuditEvent.RECEIPT_RECEIVED}


class Kind(StrEnum):
    CONTRADICTION = "contradiction"
    MISSING = "missing"
    UNDER_WAY = "under-way"
    """Sent, and neither log says that it was taken or answered; or so recent that word may be on its way."""
    OUTSIDE = "outside"
    """The other log's period does not reach there: nothing can be said."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One of the transfers or receipts of which the logs do not say the same."""

    kind: Kind
    what: str
    """transfer or receipt"""
    id: str
    message: str
    side: NodeId
    """Whose log lacks it, or says otherwise."""
    said: str
    index: int
    """Of an entry in the other log."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two logs. Its period and its last entry bound what it can say."""

    node: NodeId
    entries: Iterable[tuple[int, dict[str, Any]]]
    since: datetime | None = None
    until: datetime | None = None


@dataclass(slots=True)
class _Seen:
    """What one log's entries spanned, as far as the period goes."""

    node: NodeId
    first: int
    last: int
    whole: bool


class Comparison:
    """Load both sides, then ask; differences come sorted by what they are about."""

    def __init__(self, connection: sqlite3.Connection, grace: timedelta) -> None:
        self._run = connection.execute
        self._many = connection.executemany
        self._grace = int(grace / timedelta(milliseconds=1))
        self._seen: list[_Seen] = []
        connection.executescript(SQL["tables"])

    def load(self, side: Side, other: NodeId) -> int:
        """How many entries were read."""
        number, count = len(self._seen), 0
        facts: list[tuple[Any, ...]] = []
        seen = _Seen(side.node, 0, 0, side.since is None)
        for index, fields in side.entries:
            at = moment(fields["at"])
            if (side.since and at < side.since) or (side.until and at >= side.until):
                continue
            count += 1
            seen.first, seen.last = seen.first or ms(at), max(seen.last, ms(at))
            facts += _facts(number, index, ms(at), fields, other)
            if len(facts) >= BATCH:
                self._put(facts)
        self._put(facts)
        if side.since is not None:
            seen.first = ms(side.since)
        self._seen.append(seen)
        return count

    def _put(self, facts: list[tuple[Any, ...]]) -> None:
        self._run("BEGIN")
        self._many(SQL["add"], facts)
        self._run("COMMIT")
        facts.clear()

    def differences(self) -> Iterator[Difference]:
        self._run(SQL["index"])
        self._run(SQL["index_receipts"])
        for sender, receiver in ((0, 1), (1, 0)):
            yield from self._transfers(sender, receiver)
            yield from self._receipts(receiver, sender)
            yield from self._unknown_receipts(sender, receiver)

    def counts(self) -> tuple[int, int]:
        """Transfers and receipts that either log names between the two."""
        return tuple(self._run(SQL["counts"]).fetchone())

    # ------------------------------------------------------------ transfers

    def _transfers(self, sender: int, receiver: int) -> Iterator[Difference]:
        """Those that one sent and the other took."""
        for row in self._run(SQL["transfers"], {"sender": sender, "receiver": receiver}):
            found = _Transfer(*row)
            one = self._judged(found, sender, receiver)
            if one is not None:
                side, kind, said = one
                index = found.taken_index if side == sender else found.sent_index
                yield Difference(
                    kind,
                    "transfer",
                    found.id,
                    found.message,
                    self._seen[side].node,
                    said,
                    index or 0,
                )

    def _judged(self, one: _Transfer, sender: int, receiver: int) -> tuple[int, Kind, str] | None:
        if one.taken_index is None:
            return self._not_taken(one, receiver)
        if one.sent_index is None:
            kind = self._lacking(sender, one.taken_at)
            return sender, kind, "taken or refused there; this log does not know it"
        if one.digests > 1 or one.messages > 1:
            return receiver, Kind.CONTRADICTION, "taken as another message or other bytes"
        if one.frozen and self._recipients(one.id, sender) != self._recipients(one.id, receiver):
            return receiver, Kind.CONTRADICTION, "taken for other recipients than it was sent to"
        if one.answered and not one.same_answers:
            return receiver, Kind.CONTRADICTION, "answered with another receipt than was stored"
        if one.freed and not one.answered:
            return sender, Kind.CONTRADICTION, "freed as never taken; the other log took it"
        if not one.answered and not one.recovered:
            kind = self._lacking(sender, one.taken_at)
            return sender, kind, "answered there; the answer is not in this log"
        return None

    def _not_taken(self, one: _Transfer, receiver: int) -> tuple[int, Kind, str] | None:
        if one.answered or one.recovered:
            kind = self._lacking(receiver, one.sent_at)
            return receiver, kind, "answered, says the other log; this one does not know it"
        if one.lost:
            return (
                receiver,
                Kind.MISSING,
                "given up as lost after a restore; this log does not know it",
            )
        if one.freed:
            return None
        said = "in doubt" if one.in_doubt else "sent, not answered yet"
        return receiver, Kind.UNDER_WAY, f"{said}; neither log says it was taken"

    def _recipients(self, transfer: str, side: int) -> list[str]:
        return [code for (code,) in self._run(SQL["recipients"], (transfer, side))]

    def _lacking(self, side: int, at: int | None) -> Kind:
        """Why that log may lack what the other saw at that time."""
        seen, at = self._seen[side], at or 0
        if at > seen.last - self._grace:
            return Kind.UNDER_WAY
        if not seen.whole and at < seen.first + self._grace:
            return Kind.OUTSIDE
        return Kind.MISSING

    # ------------------------------------------------------------ receipts

    def _receipts(self, holder: int, lacks: int) -> Iterator[Difference]:
        """What the receiver of transfers holds about their recipients must have come back to the sender."""
        sides = {"holder": holder, "lacks": lacks}
        for receipt, message, at, index in self._run(SQL["receipts"], sides):
            node, kind = self._seen[lacks].node, self._lacking(lacks, at)
            said = "held there; it did not come back to this log"
            yield Difference(kind, "receipt", receipt, message, node, said, index)

    def _unknown_receipts(self, holder: int, issuer: int) -> Iterator[Difference]:
        """What one log holds as issued by the other node must be in that node's log."""
        values = {"holder": holder, "issuer": issuer, "node": self._seen[issuer].node}
        for receipt, message, at, index in self._run(SQL["unknown_receipts"], values):
            node, kind = self._seen[issuer].node, self._lacking(issuer, at)
            said = "issued by this node, says the other log; this one does not know it"
            yield Difference(kind, "receipt", receipt, message, node, said, index)


@dataclass(frozen=True, slots=True)
class _Transfer:
    """Both logs' facts about one id."""

    id: str
    message: str
    sent_index: int | None
    sent_at: int | None
    taken_index: int | None
    taken_at: int | None
    digests: int
    messages: int
    frozen: int
    answered: int
    same_answers: int
    freed: int
    in_doubt: int
    recovered: int
    lost: int


def _facts(
    side: int, index: int, at: int, fields: dict[str, Any], other: NodeId
) -> Iterator[tuple[Any, ...]]:
    """One row for each recipient, or one where none is named."""
    event, node = fields["event"], other
    if (kind := _OF_TRANSFERS.get(event)) is not None:
        if fields.get("neighbour") != node:
            yield from _answers_to_others(side, index, at, kind, fields)
            return
        if fields.get("state") == "in-doubt":
            kind = "in-doubt"
    elif event in _OF_RECEIPTS:
        kind = "receipt"
    else:
        return
    named = [fields.get(name) for name in ("transfer", "message", "digest", "receipt", "issuer")]
    for code in fields.get("recipients") or [""]:
        yield (side, index, at, kind, *map(_text, named), _text(code))


def _answers_to_others(
    side: int, index: int, at: int, kind: str, fields: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    """What this node signed for whoever brought a document another way: the other may hold that, too."""
    if kind in {"taken", "refused"}:
        message, receipt = _text(fields.get("message")), _text(fields.get("receipt"))
        for code in fields.get("recipients") or [""]:
            yield side, index, at, "answer", None, message, None, receipt, None, _text(code)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


@contextmanager
def comparing(grace: timedelta) -> Iterator[Comparison]:
    """A comparison whose table lies in a file that is gone afterwards."""
    with scratch() as connection:
        yield Comparison(connection, grace)

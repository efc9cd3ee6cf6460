"""Operations of retention: what a message kept leaves, in steps of a bounded number of rows.

Receipts and log entries never leave. A payload leaves when every message of its bytes is done with it;
the rows of a message later, and with them the memory of duplicates. Each step stores how far it came
and what it counted in the transaction that does it, so that a crash repeats nothing and forgets nothing.

Touches: messages, deliveries, arrivals, transfers, reports, payloads, submissions, idempotency, and
         retention's own tables.
Raises:  nothing of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from relay.audit.entries import AuditEvent, entry
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.model import Digest, NodeId

SQL = load("retain")
ROWS_AT_ONCE = 100
BYTES_AT_ONCE = 2 << 20
"""Of payloads beside their rows: each of their pages costs a little to give back."""
REPEATED_LATE = timedelta(days=1)
"""After a message's expiry nobody repeats it any more, whatever their clocks and retries."""
_NEVER = -1


class Part(StrEnum):
    """What a message keeps, in the order in which it leaves."""

    PAYLOAD = "payload"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long what is kept, since the delivery's last change. None: until its state is another."""

    payload_settled: timedelta
    payload_failed: timedelta
    payload_relayed: timedelta | None
    """Taken over by the next node, which has not told of a handover."""
    payload_fetched: timedelta | None
    """Fetched here, and never acknowledged."""
    rows: timedelta

    def shortest(self, part: Part) -> timedelta:
        if part is Part.ROWS:
            return self.rows
        spans = (
            self.payload_settled,
            self.payload_failed,
            self.payload_relayed,
            self.payload_fetched,
        )
        return min(span for span in spans if span is not None)

    def ages(self, part: Part, now: datetime) -> dict[str, int]:
        """The instants before which a delivery of each kind is old enough."""
        spans = {
            "settled": self.payload_settled,
            "failed": self.payload_failed,
            "relayed": self.payload_relayed,
            "fetched": self.payload_fetched,
        }
        if part is Part.ROWS:
            spans = {kind: span and self.rows for kind, span in spans.items()}
        found = {k: _NEVER if span is None else ms(now - span) for k, span in spans.items()}
        return {**found, "repeatable": ms(now - REPEATED_LATE)}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far retention is, and what it did since its last audit entry. Stands in `meta`."""

    payload: int = 0
    """The last message that was passed, for its payload."""
    rows: int = 0
    arrivals: int = 0
    keys_due: bool = False
    """Messages left, so that submissions and idempotency keys may name none."""
    counts: dict[str, int] = field(default_factory=dict)

    def counted(self, **more: int) -> Progress:
        counts = {**self.counts, **{k: self.counts.get(k, 0) + n for k, n in more.items() if n}}
        return replace(self, counts=counts)

    def passed(self, part: Part, row: int) -> Progress:
        return replace(self, payload=row) if part is Part.PAYLOAD else replace(self, rows=row)

    def mark(self, part: Part) -> int:
        return self.payload if part is Part.PAYLOAD else self.rows


def progress_of(text: str | None) -> Progress:
    return Progress() if text is None else Progress(**json.loads(text))


def read_progress(tx: Transaction) -> Progress:
    row = tx.run(SQL["state"]).fetchone()
    return progress_of(None if row is None else row[0])


def keep_progress(tx: Transaction, progress: Progress) -> None:
    tx.run(SQL["keep_state"], json.dumps(asdict(progress)))


@dataclass(slots=True)
class _Step:
    """What one transaction has done so far."""

    rows: int = 0
    inline_bytes: int = 0
    payload_bytes: int = 0
    payloads: int = 0
    messages: int = 0
    unfinished: bool = False
    """A message has more rows than fit a step: the next one goes on with it."""
    files: list[Digest] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return self.rows >= ROWS_AT_ONCE or self.inline_bytes >= BYTES_AT_ONCE


@dataclass(frozen=True, slots=True)
class Stepped:
    last: int
    """The last message of those given that is done with, for now; 0 if none is."""
    files: tuple[Digest, ...]
    """Payload files that nothing refers to from now on."""


def step(
    tx: Transaction, part: Part, rows: Sequence[int], ages: dict[str, int], walking: bool
) -> Stepped:
    """Look at these messages, ascending, until the step is full; `walking` moves the mark to the last."""
    done, last = _Step(), 0
    keeping = {row for (row,) in tx.connection.execute(SQL["keeping"], whose(rows, ages))}
    for row in rows:
        if done.is_full:
            break
        left = row not in keeping and _leave(tx, part, row, ages, done)
        if done.unfinished:
            break
        last = row
        if not left and walking:
            _linger(tx, part, row)
    progress = read_progress(tx).counted(
        payloads=done.payloads, payload_bytes=done.payload_bytes, messages=done.messages
    )
    if walking and last:
        progress = progress.passed(part, last)
    keep_progress(tx, replace(progress, keys_due=progress.keys_due or done.messages > 0))
    return Stepped(last, tuple(done.files))


def whose(rows: Sequence[int], ages: dict[str, int]) -> dict[str, object]:
    """The values of the statement `keeping`."""
    return {"rows": json.dumps(list(rows)), **ages}


def _leave(tx: Transaction, part: Part, row: int, ages: dict[str, int], done: _Step) -> bool:
    """False when it has to stay."""
    if part is Part.PAYLOAD:
        _release(tx, row, done)
    elif not _forget(tx, row, ages, done):
        return False
    tx.run(SQL["linger_no_more"], part, row)
    return True


def _linger(tx: Transaction, part: Part, row: int) -> None:
    tx.run(SQL["linger"], part, row)
    if part is Part.PAYLOAD:
        tx.run(SQL["use_payload"], row)


def _release(tx: Transaction, row: int, done: _Step) -> None:
    """The message is done with its payload; whoever is the last to be so takes it along."""
    done.rows += 1
    found = tx.run("SELECT digest FROM messages WHERE message_row = ?", row).fetchone()
    if found is None:
        return
    digest = Digest(found[0])
    tx.run(SQL["use_payload_no_more"], digest, row)
    payload = tx.run(SQL["payload"], digest).fetchone()
    if payload is None or tx.run(SQL["is_used"], digest).fetchone():
        return
    tx.run(SQL["drop_payload"], digest)
    size, path = payload
    done.payloads += 1
    done.payload_bytes += size
    if path is None:
        done.inline_bytes += size
    else:
        done.files.append(digest)


def _forget(tx: Transaction, row: int, ages: dict[str, int], done: _Step) -> bool:
    """All rows of a message but its receipts, or as many as fit a step; False when it has to stay."""
    if tx.connection.execute(SQL["stays"], {"row": row, **ages}).fetchone()[0]:
        return False
    done.rows += tx.run(SQL["drop_deliveries"], row, ROWS_AT_ONCE).rowcount
    if tx.run("SELECT 1 FROM deliveries WHERE message_row = ? LIMIT 1", row).fetchone():
        done.unfinished = True
        return False
    for table in ("transfers", "arrivals", "reports", "messages"):
        done.rows += tx.run(f"DELETE FROM {table} WHERE message_row = ?", row).rowcount  # noqa: S608
    done.messages += 1
    return True


def forget_arrivals(tx: Transaction, rows: Sequence[int], mark: int) -> None:
    """Transfers refused whole, up to `mark`: their header and that they came. Their receipts stay."""
    tx.connection.executemany("DELETE FROM arrivals WHERE arrival_row = ?", [(r,) for r in rows])
    progress = read_progress(tx).counted(arrivals=len(rows))
    keep_progress(tx, replace(progress, arrivals=mark))


def forget_keys(tx: Transaction, statement: str, keys: Sequence[str]) -> None:
    """Submissions or idempotency keys that name nothing any more (asked again here)."""
    tx.connection.executemany(SQL[statement], [(key,) for key in keys])


def keys_forgotten(tx: Transaction) -> None:
    keep_progress(tx, replace(read_progress(tx), keys_due=False))


def count(tx: Transaction, more: dict[str, int]) -> None:
    keep_progress(tx, read_progress(tx).counted(**more))


def report(tx: Transaction, node: NodeId, at: datetime) -> dict[str, int]:
    """The audit entry of what was done since the one before, if anything was."""
    progress = read_progress(tx)
    if progress.counts:
        tx.record(entry(AuditEvent.RETENTION_SWEPT, at, node, **progress.counts))
        keep_progress(tx, replace(progress, counts={}))
    return progress.counts


def return_pages(tx: Transaction, pages: int) -> None:
    """Give so many free pages back to the disk. One at a time: a statement steps only once here."""
    for _ in range(pages):
        tx.run("PRAGMA incremental_vacuum(1)")

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
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from relay.audit.entries import AuditEvent, entry
from relay.journal.retention import Part, Progress, progress_of
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.model import Digest, NodeId

SQL = load("retain")
ROWS_AT_ONCE = 100
BYTES_AT_ONCE = 2 << 20
"""Of payloads beside their rows: each of their pages costs a little to give back."""


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
    done, last, mark = _Step(), 0, read_progress(tx).mark(part)
    keeping = {row for (row,) in tx.connection.execute(SQL["keeping"], whose(rows, ages))}
    for row in rows:
        if done.is_full:
            break
        left = row not in keeping and _leave(tx, part, row, ages, done, mark)
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


def _leave(
    tx: Transaction, part: Part, row: int, ages: dict[str, int], done: _Step, mark: int
) -> bool:
    """False when it has to stay. `mark` is the last message that was passed by now."""
    if part is Part.PAYLOAD:
        _release(tx, row, done, max(mark, row))
    elif not _forget(tx, row, ages, done):
        return False
    tx.run(SQL["linger_no_more"], part, row)
    return True


def _linger(tx: Transaction, part: Part, row: int) -> None:
    tx.run(SQL["linger"], part, row)
    if part is Part.PAYLOAD:
        tx.run(SQL["use_payload"], row)


def need_again(tx: Transaction, rows: Iterable[int]) -> None:
    """Messages that go out once more keep what they still have: those behind the mark are written down."""
    mark = read_progress(tx).payload
    for row in rows:
        if row <= mark:
            _linger(tx, Part.PAYLOAD, row)


def _release(tx: Transaction, row: int, done: _Step, mark: int) -> None:
    """The message is done with its payload; whoever is the last to be so takes it along."""
    done.rows += 1
    found = tx.run("SELECT digest FROM messages WHERE message_row = ?", row).fetchone()
    if found is None:
        return
    digest = Digest(found[0])
    tx.run(SQL["use_payload_no_more"], digest, row)
    payload = tx.run(SQL["payload"], digest).fetchone()
    if payload is None or tx.run(SQL["is_used"], digest, mark).fetchone()[0]:
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


def close_reopened(tx: Transaction, transfers: Sequence[str]) -> None:
    """A restored neighbour that was sent these again never answered; its first answer stands."""
    closed = 0
    for transfer_id in transfers:
        closed += tx.run(SQL["close_reopened"], transfer_id).rowcount
        tx.run(SQL["reopened_no_more"], transfer_id)
    keep_progress(tx, read_progress(tx).counted(reopened=closed))


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

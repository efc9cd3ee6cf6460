"""A restored node's book-keeping: whom it has asked, what came back, what it signed and has lost.

Everything here may be repeated: a page that was taken in twice, a document that is here already, a
receipt that is known change nothing, so the process may die anywhere in between.

Touches: recovery, recovery_wanted, early_receipts, lost_documents, meta, and through admitting.py and
         carrying.py what a message is stored in.
Raises:  NotFoundError, ConflictError, JournalError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from relay.audit.entries import AuditEvent, entry, moment, parse
from relay.delivery.ports import Caller
from relay.delivery.recovery.ports import Loss, Progress, Readmission, Recovery, Reminder, Step
from relay.errors import ConflictError, NotFoundError
from relay.journal import admitting, carrying, early
from relay.journal.early import RECOVERED, SQL
from relay.journal.epochs import MARK, mark_missing, meta, set_meta, turn
from relay.journal.rows import instant, maybe_instant, ms
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import Digest, NodeId, Receipt, Signed, TransferId

_LOST_UNTIL = "lost-until"
"""In meta: what this node signed up to then it may have lost, in milliseconds."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LONG = 1 << 20
"""Work for the writer's thread, not for the event loop."""


@dataclass(frozen=True, slots=True)
class RecoveryTable:
    """delivery.recovery.ports.RecoveryJournal."""

    journal: SqliteJournal
    node: NodeId

    async def prepare(self, neighbours: Sequence[NodeId], at: datetime) -> None:
        await self.journal.perform(lambda tx: prepare(tx, self.node, neighbours, at))

    async def standing(self) -> Recovery:
        marks = dict(
            await self.journal.rows(
                "SELECT name, value FROM meta WHERE name IN (?, ?)", (MARK, RECOVERED)
            )
        )
        rows = await self.journal.rows(SQL["progress"])
        since = None if MARK not in marks else instant(int(marks[MARK]))
        ended = marks.get(RECOVERED) if since is None else None
        return Recovery(
            since, None if ended is None else instant(int(ended)), tuple(map(_progress, rows))
        )

    async def lost_until(self) -> datetime | None:
        rows = await self.journal.rows("SELECT value FROM meta WHERE name = ?", (_LOST_UNTIL,))
        return instant(int(rows[0][0])) if rows else None

    async def knows(self, digest: Digest, transfer_id: TransferId | None) -> bool:
        ((known,),) = await self.journal.rows(SQL["knows"], (digest, transfer_id))
        return bool(known)

    async def accept_loss(self, digests: Sequence[Digest]) -> None:
        await self.journal.perform(lambda tx: _accept(tx, digests))

    async def roll_back(self, loss: Loss, at: datetime) -> bool:
        since = await self._last_before(loss.signed_at)
        found = await self.journal.perform(
            lambda tx: roll_back(tx, self.node, loss, since, at), _LONG
        )
        return cast("bool", found)

    async def _last_before(self, at: datetime) -> datetime:
        """When the log last grew before `at`: whatever the copy holds was there by then."""
        before = (1 << 63) - 1
        while rows := await self.journal.rows(SQL["leaves_before"], (before,)):
            for _, leaf in rows:
                written = moment(str(parse(leaf)["at"]))
                if written < at:
                    return written
            before = rows[-1][0]
        return _BEGINNING

    async def keep_own(self, receipts: Sequence[tuple[Signed, Receipt]]) -> None:
        def keeping(tx: Transaction) -> None:
            for signed, receipt in receipts:
                if not tx.run(carrying.SQL["has_receipt"], signed.digest).fetchone():
                    early.keep(tx, signed, receipt, None, receipt.at)

        await self.journal.perform(keeping, _LONG)

    async def step(self, neighbour: NodeId, step: Step, at: datetime) -> bool:
        done = ms(at) if step in {Step.ANSWERED, Step.UNSUPPORTED} else None
        moved = await self.journal.perform(
            lambda tx: tx.run(SQL["step"], neighbour, step, done).rowcount
        )
        return bool(moved)

    async def reminded(self, neighbour: NodeId, page: Reminder) -> bool:
        moved = await self.journal.perform(lambda tx: reminded(tx, neighbour, page), _LONG)
        return cast("bool", moved)

    async def wanted(self, neighbour: NodeId, limit: int) -> list[TransferId]:
        rows = await self.journal.rows(SQL["wanted"], (neighbour, limit))
        return [TransferId(row[0]) for row in rows]

    async def readmit(
        self, neighbour: NodeId, transfer_id: TransferId, again: Readmission, at: datetime
    ) -> list[NodeId]:
        hops = await self.journal.perform(
            lambda tx: readmit(tx, self.node, neighbour, transfer_id, again, at),
            len(again.admission.deliveries),
        )
        return cast("list[NodeId]", hops)

    async def give_up(
        self, neighbour: NodeId, transfer_id: TransferId, reason: str, at: datetime
    ) -> None:
        await self.journal.perform(
            lambda tx: give_up(tx, self.node, neighbour, transfer_id, reason, at)
        )

    async def skip(self, by: Caller, neighbour: NodeId, why: str, at: datetime) -> None:
        await self.journal.perform(lambda tx: skip(tx, self.node, by, neighbour, why, at))

    async def finish(self, at: datetime) -> bool:
        return cast("bool", await self.journal.perform(lambda tx: finish(tx, self.node, at)))

    async def settle_early(self, at: datetime) -> int:
        left = await self.journal.rows(SQL["count_early"])
        if not left[0][0]:
            return 0
        return cast(
            "int", await self.journal.perform(lambda tx: settle_early(tx, self.node, at), _LONG)
        )


def prepare(tx: Transaction, node: NodeId, neighbours: Sequence[NodeId], at: datetime) -> None:
    """Those of the configuration, no others: what is asked of whom is begun or goes on."""
    if meta(tx.connection, MARK) is None:
        return
    if meta(tx.connection, _LOST_UNTIL) is None:
        set_meta(tx.connection, _LOST_UNTIL, str(ms(at)))
    for (known,) in tx.run("SELECT neighbour FROM recovery").fetchall():
        if known not in neighbours:
            tx.run("DELETE FROM recovery WHERE neighbour = ?", known)
    for neighbour in neighbours:
        tx.run(SQL["expect"], neighbour)
    finish(tx, node, at)


def roll_back(tx: Transaction, node: NodeId, loss: Loss, since: datetime, at: datetime) -> bool:
    """From here on nothing is written under the present epoch's name."""
    explained = meta(tx.connection, _LOST_UNTIL)
    if explained is not None and loss.signed_at <= instant(int(explained)):
        return False
    mark_missing(tx.connection, since)
    set_meta(tx.connection, _LOST_UNTIL, str(ms(at)))
    _accept(tx, [loss.digest])
    turn(tx, node, at, "rolled-back")
    tx.record(
        entry(
            AuditEvent.ROLLBACK_FOUND,
            at,
            node,
            neighbour=loss.neighbour,
            digest=loss.digest,
            type=loss.kind,
        )
    )
    return True


def _accept(tx: Transaction, digests: Sequence[Digest]) -> None:
    for digest in digests:
        tx.run("INSERT INTO lost_documents VALUES (?) ON CONFLICT DO NOTHING", digest)


def reminded(tx: Transaction, neighbour: NodeId, page: Reminder) -> bool:
    step = Step.DOCUMENTS if page.cursor is None else Step.ASKING
    values = (page.cursor, page.receipts, page.transfers, page.gone)
    if not tx.run(SQL["reminded"], neighbour, step, *values).rowcount:
        return False
    for transfer_id in page.sent:
        tx.run(SQL["want"], neighbour, transfer_id)
    return True


def readmit(
    tx: Transaction,
    node: NodeId,
    neighbour: NodeId,
    transfer_id: TransferId,
    again: Readmission,
    at: datetime,
) -> list[NodeId]:
    """The message of one transfer, unless it is here; what it lacks of that transfer's recipients."""
    if not tx.run(SQL["fetched"], neighbour, transfer_id).rowcount:
        return []
    message, deliveries = again.admission.message, again.admission.deliveries
    found = tx.run(SQL["here"], message.message_id, message.origin).fetchone()
    if found is not None:
        have = {
            code
            for (code,) in tx.run(
                "SELECT recipient FROM deliveries WHERE message_row = ?", found[0]
            )
        }
        missing = again.carried - have
        deliveries = tuple(d for d in deliveries if d.recipient in missing)
        if not deliveries or found[1] != message.payload.digest:
            return []
    tx.run(SQL["count"], neighbour, 1, 0)
    _record(tx, node, neighbour, transfer_id, again, at)
    if found is not None:
        admitting.keep_again(tx, found[0], message)
        admitting.add_recipients(tx, node, found[0], found[2], message, deliveries, at)
    else:
        keys = [again.admission.submission_key]
        keys += [again.wider_key] if again.wider_key else []
        admitting.admit_again(tx, node, again.admission, keys, at)
    return sorted({d.next_hop for d in deliveries if d.next_hop is not None})


def _record(
    tx: Transaction,
    node: NodeId,
    neighbour: NodeId,
    transfer_id: TransferId,
    again: Readmission,
    at: datetime,
) -> None:
    message = again.admission.message
    tx.record(
        entry(
            AuditEvent.MESSAGE_RECOVERED,
            at,
            node,
            message=message.message_id,
            neighbour=neighbour,
            transfer=transfer_id,
            sender=message.sender,
            digest=message.payload.digest,
            size=message.payload.size_bytes,
            receipt=again.admission.receipt.digest,
            kind=message.message_type.value,
            count=len(again.admission.deliveries),
        )
    )


def give_up(
    tx: Transaction,
    node: NodeId,
    neighbour: NodeId,
    transfer_id: TransferId,
    reason: str,
    at: datetime,
) -> None:
    if not tx.run(SQL["fetched"], neighbour, transfer_id).rowcount:
        return
    tx.run(SQL["count"], neighbour, 0, 1)
    event = AuditEvent.MESSAGE_LOST
    tx.record(entry(event, at, node, neighbour=neighbour, transfer=transfer_id, reason=reason))


def skip(
    tx: Transaction, node: NodeId, by: Caller, neighbour: NodeId, why: str, at: datetime
) -> None:
    """Safe to repeat: the first word stands."""
    row = tx.run("SELECT step FROM recovery WHERE neighbour = ?", neighbour).fetchone()
    if row is not None and row[0] == Step.SKIPPED:
        return
    if meta(tx.connection, MARK) is None:
        raise ConflictError("the node is not recovering")
    if row is None:
        raise NotFoundError(f"no neighbour {neighbour[:64]} is asked")
    if row[0] in {Step.ANSWERED, Step.UNSUPPORTED}:
        raise ConflictError(f"{neighbour} has answered already")
    tx.run(SQL["skip"], neighbour, ms(at), by.holder, why)
    tx.run("DELETE FROM recovery_wanted WHERE neighbour = ?", neighbour)
    event = AuditEvent.RECOVERY_SKIPPED
    tx.record(entry(event, at, node, neighbour=neighbour, by=by.holder, why=why))
    finish(tx, node, at)


def finish(tx: Transaction, node: NodeId, at: datetime) -> bool:
    """The mark goes once everyone is done."""
    if meta(tx.connection, MARK) is None:
        return True
    documents, receipts, transfers, missing, skipped, left = tx.run(SQL["totals"]).fetchone()
    if left:
        return False
    tx.run("DELETE FROM meta WHERE name = ?", MARK)
    set_meta(tx.connection, RECOVERED, str(ms(at)))
    tx.record(
        entry(
            AuditEvent.RECOVERY_FINISHED,
            at,
            node,
            documents=documents,
            receipts=receipts,
            transfers=transfers,
            missing=missing,
            skipped=skipped,
        )
    )
    return True


def settle_early(tx: Transaction, node: NodeId, at: datetime) -> int:
    """What came for messages that are here by now; what is kept too long is only noted."""
    for row, message_id, origin in tx.run(SQL["early_here"]).fetchall():
        admitting.settle_early(tx, node, row, message_id, origin, at)
    if not early.expected(tx, at):
        for digest, message, neighbour in tx.run(SQL["early_all"]).fetchall():
            tx.run("DELETE FROM early_receipts WHERE digest = ?", digest)
            event, reason = AuditEvent.LATE_RECEIPT, "unknown-message"
            named = {"neighbour": neighbour or "", "message": message, "receipt": digest}
            tx.record(entry(event, at, node, **named, reason=reason))
    return int(tx.run(SQL["count_early"]).fetchone()[0])


def _progress(row: Any) -> Progress:
    return Progress(
        NodeId(row[0]),
        Step(row[1]),
        row[2],
        row[3],
        row[4],
        row[5],
        row[6],
        maybe_instant(row[7]),
        row[8],
        row[9],
    )

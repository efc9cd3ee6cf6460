"""The bridges' side of the journal: packages sent, docIds received, documents known by their business hash.

Touches: the bridge_* tables, and through admitting.py and carrying.py those of messages and receipts.
Raises:  JournalError; QuotaError where too much waits already.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from relay.audit.entries import AuditEvent, entry
from relay.delivery.bridges.answering import Due
from relay.delivery.bridges.ports import (
    BROUGHT_BY,
    Answer,
    Before,
    Entered,
    Entering,
    Followed,
    Heard,
    HereAlready,
    Outgoing,
    Package,
    ToTell,
    Turned,
    Twice,
)
from relay.delivery.ports import Acknowledgement
from relay.delivery.records import Admitted, DeliveryRow, MessageRow, NeighbourState
from relay.errors import NotFoundError, QuotaError
from relay.journal import admitting, carrying
from relay.journal.rows import findings_of, findings_text, instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Digest,
    Finding,
    MessageId,
    MessageType,
    NodeId,
    ObligationState,
    Signed,
    TransferId,
    digest_of,
    minted_ms,
)

SQL = load("bridge")
REFUSALS_KEPT = timedelta(days=90)
_TWICE = {
    Twice.NOT_LISTED: "an attempt had no answer, and its sent list does not show it",
    Twice.NOT_ASKED: "it does not show what it was sent before",
    Twice.RESTORED: "this node was restored from a backup, and its sent list does not show it",
}


@dataclass(frozen=True, slots=True)
class BridgeTable:
    """delivery.bridges.ports.BridgeJournal."""

    journal: SqliteJournal
    node: NodeId

    # ------------------------------------------------------------ out

    async def header(self, transfer_id: TransferId) -> Signed:
        rows = await self.journal.rows(SQL["header"], (transfer_id,))
        if not rows:
            raise NotFoundError(f"no transfer {transfer_id}")
        return Signed(*rows[0])

    async def outgoing(self, transfer_id: TransferId) -> Outgoing:
        found = await self.journal.rows(SQL["outgoing"], (transfer_id,))
        if not found:
            raise NotFoundError(f"no transfer {transfer_id}")
        row, sender_as, subject, notation, attempts, accepted, message_id, recovered = found[0]
        addressed = await self.journal.rows(SQL["addressed"], (row, transfer_id))
        packages = await self.journal.rows(SQL["packages"], (transfer_id,))
        return Outgoing(
            MessageRow(row),
            sender_as,
            subject,
            notation,
            attempts,
            {AgencyCode(code): written for code, written in addressed},
            {one[0]: _package(one) for one in packages},
            instant(accepted),
            recovered is not None and minted_ms(message_id) < recovered,
        )

    async def asking(
        self,
        bridge: NodeId,
        transfer_id: TransferId,
        part: str,
        row: MessageRow,
        at: datetime,
        twice: Twice | None,
    ) -> None:
        def noting(tx: Transaction) -> None:
            tx.run(SQL["asking"], transfer_id, part, bridge, row, ms(at))
            if twice is not None:
                self._note_twice(tx, bridge, transfer_id, part, row, at, twice)

        await self.journal.perform(noting)

    def _note_twice(
        self,
        tx: Transaction,
        bridge: NodeId,
        transfer_id: TransferId,
        part: str,
        row: MessageRow,
        at: datetime,
        twice: Twice,
    ) -> None:
        """A finding of the message, one for each bridge and reason, and an entry for each attempt."""
        message_id, text = tx.run(
            "SELECT message_id, findings FROM messages WHERE message_row = ?", row
        ).fetchone()
        findings = findings_of(text)
        found = Finding("perhaps-twice", f"{bridge} may have it twice: {_TWICE[twice]}", "To")
        if found not in findings:
            more = findings_text((*findings, found))
            tx.run("UPDATE messages SET findings = ? WHERE message_row = ?", more, row)
        tx.record(
            entry(
                AuditEvent.BRIDGE_REPEATED,
                at,
                self.node,
                neighbour=bridge,
                message=message_id,
                transfer=transfer_id,
                recipient=part,
                reason=twice.value,
            )
        )

    async def not_taken(self, transfer_id: TransferId, part: str) -> None:
        await self._run(SQL["not_taken"], transfer_id, part)

    async def has_it(
        self,
        transfer_id: TransferId,
        part: str,
        doc_id: str,
        facts: Mapping[str, str],
        answer: Answer,
        at: datetime,
    ) -> None:
        def noting(tx: Transaction) -> None:
            text = json.dumps(dict(facts))
            tx.run(SQL["has_it"], transfer_id, part, doc_id, text, answer.digest, ms(at))
            _keep(tx, answer, at)
            bridge = tx.run(
                "SELECT neighbour FROM transfers WHERE transfer_id = ?", transfer_id
            ).fetchone()[0]
            tx.record(
                entry(
                    AuditEvent.BRIDGE_TOOK,
                    at,
                    self.node,
                    neighbour=bridge,
                    transfer=transfer_id,
                    recipient=part,
                    code=_named(doc_id),
                    digest=answer.digest,
                )
            )

        await self.journal.perform(noting)

    async def bound(self, bridge: NodeId, doc_id: str) -> bool:
        return bool(await self.journal.rows(SQL["bound"], (bridge, doc_id)))

    async def followed(
        self, bridge: NodeId, since: datetime, behind: Followed | None, limit: int
    ) -> list[Followed]:
        last = (1 << 62, 0) if behind is None else (behind.message_row, behind.delivery_row)
        values = (bridge, ms(since), *last, limit)
        return [_followed(row) for row in await self.journal.rows(SQL["followed"], values)]

    async def hear(self, heard: Heard, at: datetime) -> set[NodeId]:
        def applying(tx: Transaction) -> set[NodeId]:
            _keep(tx, heard.answer, at)
            row = heard.followed.message_row
            return carrying.apply_receipt(tx, self.node, row, heard.signed, heard.receipt, at)

        return cast("set[NodeId]", await self.journal.perform(applying))

    # ------------------------------------------------------------ in

    async def received(self, bridge: NodeId, doc_id: str) -> Before | None:
        found = await self.journal.rows(SQL["received"], (bridge, doc_id))
        if not found:
            return None
        row, message, told, is_open, at = found[0]
        return Before(Digest(row), message is None, told, bool(is_open), instant(at))

    async def to_tell(self, bridge: NodeId, limit: int) -> list[ToTell]:
        rows = await self.journal.rows(SQL["to_tell"], (bridge, limit))
        return [ToTell(doc_id, bool(refused), told) for doc_id, refused, told in rows]

    async def tell_again(self, bridge: NodeId, doc_id: str, at: datetime) -> None:
        await self._run(SQL["tell_again"], bridge, doc_id, ms(at))

    async def told(
        self, bridge: NodeId, doc_id: str, word: Acknowledgement, *, last: bool, at: datetime
    ) -> None:
        def noting(tx: Transaction) -> None:
            tx.run(SQL["told"], bridge, doc_id, word.value, int(not last))
            tx.record(
                entry(
                    AuditEvent.BRIDGE_TOLD,
                    at,
                    self.node,
                    neighbour=bridge,
                    code=_named(doc_id),
                    state=word.value,
                )
            )

        await self.journal.perform(noting)

    async def enter(self, entering: Entering, at: datetime) -> Entered | HereAlready:
        result = await self.journal.perform(
            lambda tx: self._enter(tx, entering, at), len(entering.admission.deliveries)
        )
        if isinstance(result, QuotaError):
            raise result
        return cast("Entered | HereAlready", result)

    def _enter(
        self, tx: Transaction, entering: Entering, at: datetime
    ) -> Entered | HereAlready | QuotaError:
        bridge, business = entering.bridge, entering.business
        rows = tx.run(SQL["delivered"], bridge, business).fetchall()
        delivered = {AgencyCode(code): MessageRow(row) for code, row in rows}
        wanted = [d.recipient for d in entering.admission.deliveries]
        here = frozenset(delivered.keys() & set(wanted))
        if here and len(here) < len(set(wanted)):
            return HereAlready(here)
        if here:
            row = delivered[min(here)]
            self._note(tx, AuditEvent.BRIDGE_KNOWN, entering, row, at)
            return Entered(None, row)
        admitted = admitting.admit(tx, self.node, entering.admission, self.journal.quotas)
        if isinstance(admitted, QuotaError):
            return admitted
        if not isinstance(admitted, Admitted):
            raise TypeError("an entering message has a submission key of its own")
        for code in wanted:
            tx.run(SQL["bind_document"], bridge, business, code, admitted.message_row)
        self._note(tx, AuditEvent.BRIDGE_ENTERED, entering, admitted.message_row, at)
        return Entered(admitted, admitted.message_row)

    def _note(
        self,
        tx: Transaction,
        event: AuditEvent,
        entering: Entering,
        row: MessageRow,
        at: datetime,
    ) -> None:
        listed = entering.listed
        tx.run(
            SQL["note_received"],
            entering.bridge,
            listed.doc_id,
            listed.row,
            row,
            None,
            "",
            ms(at),
        )
        message = tx.run("SELECT message_id FROM messages WHERE message_row = ?", row).fetchone()
        tx.record(
            entry(
                event,
                at,
                self.node,
                neighbour=entering.bridge,
                message=message[0],
                code=_named(listed.doc_id),
                digest=entering.business,
            )
        )

    async def turn_away(self, turned: Turned) -> None:
        def noting(tx: Transaction) -> None:
            listed, at = turned.listed, turned.at
            tx.run(SQL["forget_refused"], ms(at - REFUSALS_KEPT))
            tx.run(
                SQL["note_received"],
                turned.bridge,
                listed.doc_id,
                listed.row,
                None,
                turned.reason,
                turned.detail,
                ms(at),
            )
            tx.record(
                entry(
                    AuditEvent.BRIDGE_TURNED_AWAY,
                    at,
                    self.node,
                    neighbour=turned.bridge,
                    code=_named(listed.doc_id),
                    reason=turned.reason.value,
                )
            )

        await self.journal.perform(noting)

    # ------------------------------------------------------------ polling

    async def poll_state(self, bridge: NodeId) -> NeighbourState | None:
        rows = await self.journal.rows(SQL["poll_state"], (bridge,))
        return NeighbourState(rows[0][0], instant(rows[0][1]), rows[0][2]) if rows else None

    async def store_poll_state(self, bridge: NodeId, state: NeighbourState) -> None:
        await self._run(
            SQL["store_poll_state"], bridge, state.failures, ms(state.retry_at), state.last_error
        )

    async def _run(self, statement: str, *values: object) -> None:
        await self.journal.perform(lambda tx: tx.run(statement, *values))


def _keep(tx: Transaction, answer: Answer, at: datetime) -> None:
    if answer.content is not None:
        tx.run(SQL["keep_answer"], answer.digest, answer.content, ms(at))


def _named(doc_id: str) -> Digest:
    """The log holds no text of a remote's."""
    return digest_of(doc_id.encode("utf-8", "surrogatepass"))


def _package(row: Any) -> Package:
    part, asked, asked_at, doc_id, facts, answer = row
    return Package(
        part, asked, instant(asked_at), doc_id, json.loads(facts) if facts else {}, answer
    )


def _followed(row: Any) -> Followed:
    return Followed(
        doc_id=row[0],
        message_row=MessageRow(row[2]),
        message_id=MessageId(row[3]),
        origin=NodeId(row[4]),
        digest=Digest(row[5]),
        size_bytes=row[6],
        message_type=MessageType(row[7]),
        recipient=AgencyCode(row[8]),
        addressed_as=row[9],
        state=DeliveryState(row[10]),
        acknowledgement=Acknowledgement(row[11]),
        delivery_row=DeliveryRow(row[12]),
        transfer_id=TransferId(row[13]),
        previous=None if row[14] is None else Digest(row[14]),
    )


@dataclass(frozen=True, slots=True)
class AnswersDue:
    """delivery.bridges.answering.AnswerBook."""

    journal: SqliteJournal

    async def due(self, limit: int) -> list[Due]:
        return [_due(row) for row in await self.journal.rows(SQL["answers_due"], (limit,))]

    async def answered(self, row: int) -> None:
        await self.journal.perform(lambda tx: tx.run(SQL["answered"], row))


def _due(row: Any) -> Due:
    return Due(
        row=row[0],
        state=ObligationState(row[1]),
        bridge=row[2].removeprefix(BROUGHT_BY),
        cause=MessageId(row[3]),
        delivery_id=DeliveryId(row[4]),
        recipient=AgencyCode(row[5]),
        sender=row[6],
        notation=row[7],
        promulgation_date=row[8],
        document_id=row[9],
    )

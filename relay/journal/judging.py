"""The book of judgements: what waits, what was found, and what of it the log and the findings say.

A message waits since the transaction that took it in (`await_judgement`), so a restart forgets none.

Touches: judging, judged, judgements; a message's findings. Raises: JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relay.audit.entries import AuditEvent, entry
from relay.delivery.judging import Judged, Unjudged, words_of
from relay.delivery.records import MessageRow, NewDelivery, NewMessage
from relay.journal.rows import findings_of, findings_text, instant, ms
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.judgement import DAMAGE, Judgement, judgement_json, read_judgement
from relay.model import (
    AgencyCode,
    Digest,
    Finding,
    MessageId,
    MessageType,
    NodeId,
    Payload,
)

if TYPE_CHECKING:
    from relay.journal.store import SqliteJournal

SQL = load("judge")
Read = Callable[[str, Sequence[object]], Awaitable[list[Any]]]
FINDING = "signatures"
"""The finding's code where policy says `warn`."""


def await_judgement(
    tx: Transaction, row: MessageRow, message: NewMessage, deliveries: Sequence[NewDelivery]
) -> None:
    """Where the document entered, and where a recipient of it is served; not at every hop."""
    if message.message_type is not MessageType.DOCUMENT:
        return
    here = any(one.next_hop is None and one.reason is None for one in deliveries)
    if here or message.submitted_by is not None:
        tx.run(SQL["wait"], row)


async def judgement_of(read: Read, row: int) -> tuple[Judgement | None, bool]:
    """What was found of a message, and whether it still waits."""
    found = await read(SQL["judged"], (row,))
    if not found:
        return None, bool(await read(SQL["waits"], (row,)))
    parts = await read(SQL["parts"], (row,))
    verdict, flaws, known_at = found[0]
    at = json.dumps(instant(known_at).isoformat())
    text = ",".join(part for (part,) in parts)
    return (
        read_judgement(
            f'{{"at":{at},"verdict":{json.dumps(verdict)},"flaws":{flaws},"parts":[{text}]}}'
        ),
        False,
    )


@dataclass(frozen=True, slots=True)
class JudgingTable:
    """delivery.judging.JudgingBook."""

    journal: SqliteJournal
    node: NodeId

    @property
    def waiting(self) -> int:
        return self.journal.waiting

    async def unjudged(self, limit: int) -> list[Unjudged]:
        return [_unjudged(row) for row in await self.journal.rows(SQL["unjudged"], (limit,))]

    async def keep(self, judged: Sequence[Judged]) -> None:
        def work(tx: Transaction) -> None:
            for one in judged:
                keep(tx, self.node, one)

        rows = sum(1 + len(one.judgement.parts) for one in judged)
        await self.journal.perform(work, rows)

    async def forget(self, rows: Sequence[MessageRow]) -> None:
        def work(tx: Transaction) -> None:
            for row in rows:
                tx.run(SQL["judged_now"], row)

        await self.journal.perform(work)

    async def was_accepted(self, submission_key: str) -> bool:
        return bool(await self.journal.rows(SQL["was_accepted"], (submission_key,)))

    async def payload(self, digest: Digest) -> Payload:
        return await self.journal.payload(digest)

    async def export(self, message_id: MessageId) -> bytes | None:
        """What was found of a message, as JSON for an evidence file; None where nothing was judged."""
        rows = await self.journal.rows(SQL["find"], (message_id, self.node))
        if not rows:
            return None
        judgement, _ = await judgement_of(self.journal.rows, rows[0][0])
        if judgement is None:
            return None
        document = {"judged_by": self.node, "message_id": message_id, **judgement_json(judgement)}
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def keep(tx: Transaction, node: NodeId, judged: Judged) -> None:
    """Once: a judgement never replaces another."""
    row, judgement = judged.of.row, judged.judgement
    if tx.run(SQL["judged_now"], row).rowcount == 0:
        return
    flaws = json.dumps(judgement.flaws)
    tx.run(SQL["keep"], row, judgement.verdict, flaws, ms(judgement.at), ms(judged.at))
    for part in judgement_json(judgement)["parts"]:
        text = json.dumps(part, ensure_ascii=False)
        tx.run(SQL["keep_part"], row, part["position"], part["verdict"], text)
    if judged.warns:
        _warn(tx, row, judgement)
    if judgement.verdict is not None or not DAMAGE.isdisjoint(judgement.words):
        _record(tx, node, judged)


def _warn(tx: Transaction, row: MessageRow, judgement: Judgement) -> None:
    found = tx.run("SELECT findings FROM messages WHERE message_row = ?", row).fetchone()
    if found is None:
        return
    findings = (*findings_of(found[0]), Finding(FINDING, words_of(judgement)))
    tx.run("UPDATE messages SET findings = ? WHERE message_row = ?", findings_text(findings), row)


def _record(tx: Transaction, node: NodeId, judged: Judged) -> None:
    one, judgement = judged.of, judged.judgement
    digests = [part.digest for part in judgement.parts if part.signatures and part.digest]
    tx.record(
        entry(
            AuditEvent.SIGNATURES_JUDGED,
            judged.at,
            node,
            message=one.message_id,
            origin=one.origin,
            digest=one.digest,
            verdict=judgement.verdict,
            flaws=list(judgement.words),
            signatures=judgement.signatures,
            files=list(dict.fromkeys(digests))[:_MOST_FILES],
        )
    )


_MOST_FILES = 100


def _unjudged(row: Sequence[Any]) -> Unjudged:
    return Unjudged(
        row=MessageRow(row[0]),
        message_id=MessageId(row[1]),
        origin=NodeId(row[2]),
        sender=AgencyCode(row[3]),
        recipients=tuple(AgencyCode(code) for code in json.loads(row[6])),
        digest=Digest(row[4]),
        accepted_at=instant(row[5]),
    )

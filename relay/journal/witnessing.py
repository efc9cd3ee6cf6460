"""The journal's side of witnesses: what was cosigned of others, alarms with their evidence, cosignatures got.

A checkpoint is judged inside the transaction that takes it for the newest: nobody else's comes between, and
nothing is answered before that is durable. If the process dies before the COMMIT, nothing was cosigned;
after it the head is held, and only the answer is lost: the log asks again with the size it is told.

Touches: witness_*, cosignatures, the log. Trusts: the journal's own rows. Raises: JournalError, NotFoundError.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, cast

from relay.audit.checkpoint import Checkpoint, head_of
from relay.audit.entries import AuditEvent, Entry, entry
from relay.audit.epochs import epoch_of
from relay.audit.tree import EMPTY_ROOT, SIZE_LIMIT
from relay.errors import NotFoundError
from relay.journal.rows import blob, instant, maybe_instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import NodeId, digest_of
from relay.witness.judging import ALARMS, Held, Known, Verdict, Word, judge, opening_head
from relay.witness.ports import Alarm, Got, Presented, Watched

SQL = load("witness")
SEEN: Final = 1000
"""Heads kept of each log, the newest; what is older is held by the newest's proof alone."""
_THIN_EVERY: Final = 64
_SHOWN: Final = 1000


@dataclass(frozen=True, slots=True)
class WitnessTable:
    """witness.ports.WitnessBook, CosignedBook, and what is read for operators."""

    journal: SqliteJournal
    node: NodeId

    async def decide(self, presented: Presented, at: datetime) -> Verdict:
        def deciding(tx: Transaction) -> Verdict:
            verdict = judge(
                presented.asked,
                presented.head,
                _known(tx, presented),
                presented.opening,
                own=presented.by == presented.log,
            )
            if verdict.word is Word.ROLLED_BACK and _is_known_to_be_back(tx, presented.log):
                verdict = replace(verdict, word=Word.CONFLICT)  # told once
            if verdict.word is Word.COSIGNED:
                _hold(tx, presented, at)
                for leaf in _goes_on(tx, self.node, presented, at):
                    tx.record(leaf)
            if verdict.word in ALARMS or verdict.word is Word.ROLLED_BACK:
                _alarm(tx, presented, verdict, at)
            for leaf in _told(self.node, presented, verdict, at):
                tx.record(leaf)
            return verdict

        return cast("Verdict", await self.journal.perform(deciding))

    async def clear(self, origin: str, by: str, why: str, at: datetime) -> int:
        def clearing(tx: Transaction) -> int:
            rows = tx.run(SQL["open_of_origin"], origin).fetchall()
            if not rows:
                raise NotFoundError("no log of that origin is in alarm here")
            ended = [tuple(row) for (log,) in rows for row in _clear(tx, log, at)]
            tx.record(
                entry(
                    AuditEvent.LOG_ALARM_CLEARED,
                    at,
                    self.node,
                    log=origin,
                    count=len(ended),
                    by=by,
                    why=why,
                )
            )
            return len(ended)

        return int(await self.journal.perform(clearing))

    async def seen(self, origin: str, size: int) -> bytes | None:
        """The root of the head of this size that was cosigned here."""
        rows = await self.journal.rows(SQL["seen"], (origin, size))
        return bytes(rows[0][2]) if rows else None

    # ------------------------------------------------------------ keys of neighbours' logs

    async def pinned(self, node: NodeId) -> tuple[bytes, tuple[bytes, ...]] | None:
        rows = await self.journal.rows(SQL["key"], (node,))
        if not rows:
            return None
        return blob(rows[0][0]), tuple(b64decode(one) for one in json.loads(rows[0][1]))

    async def pin(
        self, node: NodeId, key: bytes, certificates: Sequence[bytes], at: datetime
    ) -> None:
        """Another key than before is an entry; the one before is kept, for what it signed."""
        shown = json.dumps([b64encode(der).decode() for der in certificates])

        def pinning(tx: Transaction) -> None:
            before = tx.run(SQL["key"], node).fetchone()
            changed = before is not None and blob(before[0]) != key
            if changed:
                tx.run(SQL["put_by"], node)
            tx.run(SQL["pin"], node, key, shown, ms(at))
            if changed:
                tx.record(
                    entry(
                        AuditEvent.LOG_KEY_CHANGED,
                        at,
                        self.node,
                        neighbour=node,
                        certificate=digest_of(certificates[0]),
                    )
                )

        await self.journal.perform(pinning)

    # ------------------------------------------------------------ what others cosigned of ours

    async def cosigned_sizes(self, origin: str) -> dict[str, int]:
        rows = await self.journal.rows(SQL["sizes"], (origin,))
        return {str(witness): int(size) for witness, size in rows}

    async def keep(self, got: Got) -> None:
        values = (got.witness, got.origin, got.size, got.note, got.line, ms(got.at))
        await self.journal.perform(lambda tx: tx.run(SQL["keep"], *values))

    async def newest_cosigned(self, origin: str) -> list[Got]:
        """All of the largest size that anybody cosigned."""
        rows = await self.journal.rows(SQL["newest_cosigned"], (origin,))
        return [
            Got(witness, origin, size, blob(note), blob(line), instant(at))
            for note, line, witness, size, at in rows
        ]

    async def cosigned(self, origin: str) -> dict[str, tuple[int, datetime]]:
        rows = await self.journal.rows(SQL["cosigned"], (origin,))
        return {str(witness): (int(size), instant(at)) for witness, size, at in rows}

    async def refused_by(self, witness: str, reason: str, size: int, at: datetime) -> None:
        """A witness says of this node's log what no witness should have to say."""
        leaf = entry(
            AuditEvent.WITNESS_REFUSED, at, self.node, witness=witness, reason=reason, size=size
        )
        await self.journal.perform(lambda tx: tx.record(leaf))

    # ------------------------------------------------------------ for operators

    async def watched(self) -> list[Watched]:
        rows = await self.journal.rows(SQL["watched"], (_SHOWN,))
        return [
            Watched(log, origin, size, instant(at), blob(note))
            for log, origin, size, at, note in rows
        ]

    async def alarms(self) -> list[Alarm]:
        return [_alarm_of(row) for row in await self.journal.rows(SQL["alarms"], (_SHOWN,))]

    async def own_head(self) -> Checkpoint | None:
        rows = await self.journal.rows("SELECT note FROM log_head WHERE one = 1")
        return head_of(blob(rows[0][0])) if rows else None


def _known(tx: Transaction, presented: Presented) -> Known:
    head = presented.head
    named = None if presented.opening is None else opening_head(presented.opening)
    return Known(
        held=_held(tx.run(SQL["held"], head.origin).fetchone()),
        same_size=_held(tx.run(SQL["seen"], head.origin, head.size).fetchone()),
        newest=_held(tx.run(SQL["newest"], presented.log).fetchone()),
        named=None
        if named is None or not 0 <= named.size <= SIZE_LIMIT
        else _held(tx.run(SQL["seen"], named.origin, named.size).fetchone()),
        stopped=tx.run(SQL["stopped"], presented.log).fetchone() is not None,
    )


def _held(row: Any) -> Held | None:
    if row is None:
        return None
    origin, size, root, note = row
    return Held(Checkpoint(origin, int(size), blob(root)), blob(note))


def _hold(tx: Transaction, presented: Presented, at: datetime) -> None:
    head, note = presented.head, presented.asked.note
    epoch = epoch_of(head.origin).number
    tx.run(SQL["hold"], head.origin, presented.log, epoch, head.size, head.root, note, ms(at))
    added = tx.run(SQL["see"], head.origin, head.size, head.root, note)
    if added.rowcount and (added.lastrowid or 0) % _THIN_EVERY == 0:
        tx.run(SQL["thin"], head.origin, SEEN - 1)


def _alarm(tx: Transaction, presented: Presented, verdict: Verdict, at: datetime) -> None:
    proof = json.dumps([b64encode(one).decode() for one in _hashes(presented)])
    leaf = b"" if presented.opening is None else presented.opening.leaf
    ours = b"" if verdict.ours is None else verdict.ours.note
    tx.run(
        SQL["alarm"],
        presented.log,
        presented.head.origin,
        verdict.word.value,
        verdict.why,
        ours,
        presented.asked.note,
        proof,
        leaf,
        presented.by,
        ms(at),
    )


def _is_known_to_be_back(tx: Transaction, log: str) -> bool:
    return tx.run(SQL["rolled_back"], log).fetchone() is not None


def _goes_on(tx: Transaction, node: NodeId, presented: Presented, at: datetime) -> list[Entry]:
    """A log that was rolled back has all again that was cosigned, or said in a new epoch what it lost."""
    ended = tx.run(SQL["goes_on"], ms(at), presented.log).rowcount
    if not ended:
        return []
    event = AuditEvent.LOG_ALARM_CLEARED
    return [entry(event, at, node, log=presented.head.origin, count=ended, peer=presented.by)]


def _hashes(presented: Presented) -> tuple[bytes, ...]:
    return presented.asked.proof if presented.opening is None else presented.opening.path


def _told(node: NodeId, presented: Presented, verdict: Verdict, at: datetime) -> list[Entry]:
    """Entries: of alarms and of new epochs. A head that is cosigned is none: two nodes would never come to
    rest, each cosigning what the other wrote about it."""
    fields: dict[str, object] = {
        "log": presented.head.origin,
        "size": presented.head.size,
        "digest": digest_of(presented.asked.note),
        "peer": presented.by,
    }
    if verdict.word in ALARMS and verdict.ours is not None:
        previous = digest_of(verdict.ours.note)
        kind = verdict.word.value
        event = AuditEvent.LOG_FORKED
        return [entry(event, at, node, **fields, previous=previous, reason=kind)]
    if verdict.word is Word.ROLLED_BACK and verdict.ours is not None:
        previous = digest_of(verdict.ours.note)
        event = AuditEvent.LOG_ROLLED_BACK
        return [entry(event, at, node, **fields, previous=previous, previous_size=verdict.size)]
    if verdict.word is not Word.COSIGNED or not verdict.epoch:
        return []
    named = verdict.named
    return [
        entry(
            AuditEvent.LOG_EPOCH,
            at,
            node,
            **fields,
            previous_log=None if named is None else named.origin,
            previous_size=None if named is None else named.size,
            count=verdict.lost,
        )
    ]


def _clear(tx: Transaction, log: str, at: datetime) -> list[Any]:
    """What an operator cleared may go on: an origin that nothing was cosigned of is let in."""
    ended = tx.run(SQL["clear"], ms(at), log).fetchall()
    for (origin,) in ended:
        tx.run(SQL["let_in"], origin, log, epoch_of(origin).number, EMPTY_ROOT, ms(at))
    return ended


def _alarm_of(row: Any) -> Alarm:
    number, log, origin, kind, why, ours, theirs, proof, leaf, by, at, cleared_at = row
    return Alarm(
        number,
        log,
        origin,
        kind,
        why,
        blob(ours),
        blob(theirs),
        tuple(b64decode(one) for one in json.loads(proof)),
        blob(leaf),
        by,
        instant(at),
        maybe_instant(cleared_at),
    )

"""The journal's side of timestamps: what waits for one, and those that came.

Touches: stamps and their mark; messages and the log's head, reading. Raises: JournalError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.audit.checkpoint import head_of
from relay.delivery.stamping.ports import Due, Stamped, StampedHead, StampRow, Standing, Token
from relay.journal.rows import instant, maybe_instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import MessageId, NodeId

SQL = load("stamp")
PAGE = 200
"""Messages looked at in one transaction."""


@dataclass(frozen=True, slots=True)
class StampTable:
    """stamping.StampBook and stamping.StampReader, and what evidence takes of it."""

    journal: SqliteJournal
    node: NodeId
    stamped_bytes: Callable[[bytes], bytes]
    """Of a seal: what its timestamp covers."""
    on_request: bool = True
    """Whether a seal is to be stamped, too, once its evidence was asked for."""

    async def want_seals(self, limit: int, since: datetime, at: datetime) -> int:
        def wanting(tx: Transaction) -> int:
            wanted, mark = 0, tx.run(SQL["mark"]).fetchone()[0]
            for row, accepted_at, seal in tx.run(SQL["sealed"], mark, self.node, PAGE).fetchall():
                late = accepted_at < ms(since)
                if not late and (seal is None or wanted == limit):
                    break
                if not late:
                    self._want(tx, row, seal, at)
                    wanted += 1
                mark = row
            tx.run(SQL["keep_mark"], mark)
            return wanted

        return int(await self.journal.perform(wanting))

    def _want(self, tx: Transaction, row: int, seal: bytes, at: datetime) -> None:
        content = self.stamped_bytes(seal)
        tx.run(SQL["want"], Stamped.SEAL, str(row), row, content, ms(at))

    async def want_head(self, every: timedelta, at: datetime) -> bool:
        rows = await self.journal.rows(SQL["newest_head"])
        if rows and instant(rows[0][1]) + every > at:
            return False
        notes = await self.journal.rows("SELECT note FROM log_head WHERE one = 1")
        if not notes:
            return False
        note = bytes(notes[0][0])
        head = head_of(note)
        name = f"{head.origin}:{head.size}"
        if rows and rows[0][0] == name:
            return False
        await self._run(SQL["want"], Stamped.HEAD, name, None, note, ms(at))
        return True

    async def due(self, now: datetime, limit: int) -> list[Due]:
        rows = await self.journal.rows(SQL["due"], (ms(now), limit))
        return [Due(StampRow(row), Stamped(kind), content, n) for row, kind, content, n in rows]

    async def stamped(self, row: StampRow, token: Token) -> None:
        values = (token.authority, token.content, ms(token.gen_time), row)
        await self._run(SQL["stamped"], *values)

    async def failed(self, row: StampRow, error: str, not_before: datetime) -> None:
        await self._run(SQL["failed"], error, ms(not_before), row)

    async def of_message(
        self, origin: NodeId, message_id: MessageId, at: datetime
    ) -> tuple[bytes, ...]:
        """The tokens of its seal that are there by now; a seal without a timestamp is put first among those that wait."""
        key = (message_id, origin)
        tokens = [bytes(token) for (token,) in await self.journal.rows(SQL["of_message"], key)]
        if not tokens and self.on_request:
            found = await self.journal.rows(SQL["seal_of"], key)
            if found:
                row, stored = found[0]
                await self.journal.perform(lambda tx: self._want(tx, row, stored, at))
        return tuple(tokens)

    async def heads(self, limit: int) -> list[StampedHead]:
        rows = await self.journal.rows(SQL["heads"], (limit,))
        return [
            StampedHead(bytes(note), Token(authority, bytes(token), instant(at)))
            for note, token, authority, at in rows
        ]

    async def standing(self) -> list[Standing]:
        rows = await self.journal.rows(SQL["standing"])
        return [
            Standing(
                Stamped(kind),
                waiting,
                done,
                maybe_instant(newest),
                maybe_instant(oldest),
                error if waiting else "",
            )
            for kind, waiting, done, newest, oldest, error in rows
        ]

    async def _run(self, statement: str, *values: object) -> None:
        await self.journal.perform(lambda tx: tx.run(statement, *values))

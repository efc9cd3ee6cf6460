"""The directory beyond the configuration, as stored: each change comes into force in one transaction.

What a change brings is written before that, a few hundred records in a transaction, under a number that
is not in force yet, so that a hundred thousand of them hold up nothing else that is to be written; what
it replaced goes the same way afterwards. What an unfinished change left is removed before the next.

If the process dies before the last transaction nothing has changed; after it, all has.

Touches: directory_force, directory_own, directory_nodes, directory_documents, directory_ledger,
         directory_requests.
Trusts:  the keeper, which proved what is written; the journal's own rows.
Raises:  NotPossibleError for a request that is decided, QuotaError for too many; JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

from relay.agencies import Agency
from relay.audit.entries import AuditEvent, Entry, entry
from relay.delivery.directory.ports import Held, Request, RequestKind, RequestState, Written
from relay.errors import QuotaError
from relay.journal.directory_requests import ask, decide, request_of
from relay.journal.directory_stored import SQL, document_of, packed, read_view, tree_text
from relay.journal.rows import chunks, instant, ms
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import AgencyCode, Digest, NodeId, Signed
from relay.routing.book import Book, Row

AT_ONCE = 1000
"""Records in one transaction: some five milliseconds of the writer."""
Values = tuple[object, ...]


@dataclass(slots=True)
class DirectoryTable:
    """delivery.directory.ports.DirectoryJournal."""

    journal: SqliteJournal
    node: NodeId
    path: Path
    """Of the journal's file, for whoever reads all of it."""
    _unfinished: bool = True
    """Whether there may be records of a change that never came into force."""

    async def view(self, as_of: str) -> Book | None:
        """What was in force at the last stop, if it would be seen the same `as_of` now."""
        return await asyncio.to_thread(read_view, self.path, as_of)

    async def held(self) -> list[Held]:
        rows = await self.journal.rows(SQL["held"])
        return [Held(NodeId(r[0]), r[1], Digest(r[2]), instant(r[3])) for r in rows]

    async def write(self, written: Written) -> None:
        await self._undo()
        rows = await self.journal.rows(SQL["force"])
        change = rows[0][0] + 1
        last = await asyncio.to_thread(_last_step, self.node, written, change)
        batches = _batches(written, change)
        many = written.made.own.count + written.made.changed
        if many <= AT_ONCE:
            await self.journal.perform(partial(_whole, tuple(batches), last), many or 1)
            return
        self._unfinished, ranges = True, []
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            if await self.journal.perform(batch.put, len(batch.values)):
                ranges.append(replace(batch, values=(batch.values[0], batch.values[-1])))
        await self.journal.perform(last, AT_ONCE)
        self._unfinished = False
        for batch in ranges:
            await self.journal.perform(batch.forget, AT_ONCE)

    async def _undo(self) -> None:
        if self._unfinished:
            await self.journal.perform(_undo, AT_ONCE)
            self._unfinished = False

    async def document(self, issuer: NodeId) -> Signed | None:
        rows = await self.journal.rows(SQL["document"], (issuer,))
        if not rows:
            return None
        return Signed(await asyncio.to_thread(document_of, rows[0][0]), rows[0][1])

    async def refused(self, neighbour: NodeId, reason: str, digest: Digest, at: datetime) -> None:
        leaf = entry(
            AuditEvent.DIRECTORY_REFUSED,
            at,
            self.node,
            peer=neighbour,
            reason=reason,
            digest=digest,
        )
        await self.journal.perform(lambda tx: tx.record(leaf))

    async def ask(
        self, systemid: str, kind: RequestKind, agency: Agency, at: datetime, most: int
    ) -> Request:
        result = await self.journal.perform(
            lambda tx: ask(tx, self.node, systemid, kind, agency, at, most)
        )
        if isinstance(result, QuotaError):
            raise result
        return cast("Request", result)

    async def request(self, request_id: int) -> Request | None:
        rows = await self.journal.rows(SQL["request"], (request_id,))
        return request_of(rows[0]) if rows else None

    async def pending(self, after: int, limit: int) -> list[Request]:
        return [request_of(row) for row in await self.journal.rows(SQL["pending"], (after, limit))]

    async def reject(self, request_id: int, by: str, why: str, at: datetime) -> None:
        await self.journal.perform(
            lambda tx: decide(tx, self.node, request_id, RequestState.REJECTED, by, why, at)
        )

    async def registered(self) -> dict[str, frozenset[AgencyCode]]:
        found: dict[str, set[AgencyCode]] = {}
        for systemid, code in await self.journal.rows(SQL["registered"]):
            found.setdefault(systemid, set()).add(AgencyCode(code))
        return {systemid: frozenset(codes) for systemid, codes in found.items()}


@dataclass(frozen=True, slots=True)
class _Batch:
    """Records of one table, in the order of their codes."""

    table: str
    values: tuple[Values, ...]
    """Each begins with the code and the change."""

    def put(self, tx: Transaction) -> bool:
        """Whether there was anything between the first and the last of them before."""
        tx.connection.executemany(SQL[f"put_{self.table}"], self.values)
        return bool(tx.run(SQL[f"any_{self.table}"], *self._range).fetchone()[0])

    def forget(self, tx: Transaction) -> None:
        """What these replaced."""
        tx.run(SQL[f"forget_{self.table}"], *self._range)

    @property
    def _range(self) -> Values:
        (first, change, *_), (last, *_) = self.values[0], self.values[-1]
        return first, last, change


def _batches(written: Written, change: int) -> Iterator[_Batch]:
    made = written.made
    for values in _several((r.code, change, r.record) for r in made.own_rows()):
        yield _Batch("own", values)
    if made.changed:
        rows = made.book.rows(made.book.version - 1)
        for values in _several(_ledger_values(row, change) for row in rows):
            yield _Batch("ledger", values)


def _several(values: Iterator[Values]) -> Iterator[tuple[Values, ...]]:
    while batch := tuple(islice(values, AT_ONCE)):
        yield batch


def _ledger_values(row: Row, change: int) -> Values:
    stamp = row.number, row.version, row.modified_ms
    return (row.code, change, *stamp, row.standing, row.record)


def _undo(tx: Transaction) -> None:
    tx.run(SQL["undo_own"])
    tx.run(SQL["undo_ledger"])


def _whole(batches: Iterable[_Batch], last: Callable[[Transaction], None], tx: Transaction) -> None:
    for batch in batches:
        batch.put(tx)
        batch.forget(tx)
    last(tx)


def _last_step(node: NodeId, written: Written, change: int) -> Callable[[Transaction], None]:
    """What brings a change into force; all that takes time is done by now."""
    tree, leaves = tree_text(written.made.book), list(_entries(node, written))
    documents = [
        (
            one.head.issuer,
            one.head.version,
            one.digest,
            ms(one.head.expires_at),
            ms(written.at),
            packed(one.signed.document),
            one.signed.signature,
        )
        for one in written.documents
    ]
    nodes = [(one.node_id, one.tier, one.parent) for one in written.made.nodes]

    def step(tx: Transaction) -> None:
        tx.run(SQL["put_force"], change, written.as_of, tree)
        tx.connection.executemany(SQL["put_node"], nodes)
        tx.connection.executemany(SQL["put_document"], documents)
        if (decision := written.decision) is not None:
            about = decision.request_id, decision.state
            decide(tx, node, *about, written.by, written.why, written.at)
        tx.record(*leaves)

    return step


def _entries(node: NodeId, written: Written) -> Iterator[Entry]:
    """Every agency that looks otherwise from now on is named, and every document."""
    made = written.made
    for one in written.documents:
        received = written.heard_from is not None and one.head.issuer != node
        yield entry(
            AuditEvent.DIRECTORY_RECEIVED if received else AuditEvent.DIRECTORY_ISSUED,
            written.at,
            node,
            issuer=one.head.issuer,
            peer=written.heard_from,
            version=one.head.version,
            digest=one.digest,
            count=one.agencies,
        )
    version = made.book.version
    told = {"version": version, "by": written.by, "why": written.why}
    changed = [row.code for row in made.book.rows(version - 1)] if made.changed else []
    for codes in chunks(changed):
        yield entry(AuditEvent.DIRECTORY_CHANGED, written.at, node, agencies=codes, **told)
    for names in chunks([one.node_id for one in made.nodes]):
        yield entry(AuditEvent.DIRECTORY_CHANGED, written.at, node, nodes=names, **told)

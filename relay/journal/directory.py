"""The directory beyond the configuration, as stored: each change one transaction with its entries.

Touches: directory_own, directory_nodes, directory_documents, directory_ledger, directory_requests.
Trusts:  the keeper, which proved what is written; the journal's own rows.
Raises:  NotPossibleError for a request that is decided, QuotaError for too many; JournalError.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from relay.agencies import Agency, NodeEntry, Stamp
from relay.audit.entries import AuditEvent, entry
from relay.delivery.directory.ports import (
    LedgerRow,
    Request,
    RequestKind,
    RequestState,
    Stored,
    Written,
)
from relay.errors import NotPossibleError, QuotaError
from relay.journal.rows import chunks, instant, maybe_instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import AgencyCode, Digest, NodeId, Signed, Tier
from relay.routing.listing import stored_agency, stored_text

SQL = load("directory")


@dataclass(frozen=True, slots=True)
class DirectoryTable:
    """delivery.directory.ports.DirectoryJournal."""

    journal: SqliteJournal
    node: NodeId

    async def load(self) -> Stored:
        own = await self.journal.rows(SQL["own"])
        nodes = await self.journal.rows(SQL["nodes"])
        documents = await self.journal.rows(SQL["documents"])
        ledger = await self.journal.rows(SQL["ledger"])
        return Stored(
            tuple(stored_agency(row[0]) for row in own),
            tuple(_node(row) for row in nodes),
            tuple(Signed(row[1], row[2]) for row in documents),
            tuple(_ledger(row) for row in ledger),
        )

    async def write(self, written: Written) -> None:
        rows = len(written.ledger) + len(written.own) + 1000 * len(written.documents)
        await self.journal.perform(lambda tx: write(tx, self.node, written), rows)

    async def document(self, issuer: NodeId) -> Signed | None:
        rows = await self.journal.rows(SQL["document"], (issuer,))
        return Signed(rows[0][0], rows[0][1]) if rows else None

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
        return _request(rows[0]) if rows else None

    async def pending(self, after: int, limit: int) -> list[Request]:
        return [_request(row) for row in await self.journal.rows(SQL["pending"], (after, limit))]

    async def reject(self, request_id: int, by: str, why: str, at: datetime) -> None:
        await self.journal.perform(
            lambda tx: decide(tx, self.node, request_id, RequestState.REJECTED, by, why, at)
        )

    async def registered(self) -> dict[str, frozenset[AgencyCode]]:
        found: dict[str, set[AgencyCode]] = {}
        for systemid, code in await self.journal.rows(SQL["registered"]):
            found.setdefault(systemid, set()).add(AgencyCode(code))
        return {systemid: frozenset(codes) for systemid, codes in found.items()}


def write(tx: Transaction, node: NodeId, written: Written) -> None:
    connection = tx.connection
    connection.executemany(SQL["put_own"], [(a.code, stored_text(a)) for a in written.own])
    connection.executemany(SQL["put_node"], [(n.node_id, n.tier, n.parent) for n in written.nodes])
    connection.executemany(SQL["put_ledger"], map(_ledger_values, written.ledger))
    for branch, signed in written.documents:
        tx.run(
            SQL["put_document"],
            branch.issuer,
            branch.version,
            signed.digest,
            ms(branch.expires_at),
            ms(written.at),
            signed.document,
            signed.signature,
        )
    if written.decision is not None:
        request_id, state = written.decision.request_id, written.decision.state
        decide(tx, node, request_id, state, written.by, written.why, written.at)
    tx.record(*_entries(node, written))


def _entries(node: NodeId, written: Written) -> Iterator[bytes]:
    """Every agency that looks otherwise from now on is named, and every document."""
    for branch, signed in written.documents:
        received = written.heard_from is not None and branch.issuer != node
        yield entry(
            AuditEvent.DIRECTORY_RECEIVED if received else AuditEvent.DIRECTORY_ISSUED,
            written.at,
            node,
            issuer=branch.issuer,
            peer=written.heard_from,
            version=branch.version,
            digest=signed.digest,
            count=len(branch.agencies),
        )
    for codes in chunks([row.code for row in written.ledger]):
        yield entry(
            AuditEvent.DIRECTORY_CHANGED,
            written.at,
            node,
            version=written.version,
            agencies=codes,
            by=written.by,
            why=written.why,
        )
    if written.nodes:
        for names in chunks([one.node_id for one in written.nodes]):
            yield entry(
                AuditEvent.DIRECTORY_CHANGED,
                written.at,
                node,
                version=written.version,
                nodes=names,
                by=written.by,
                why=written.why,
            )


def ask(
    tx: Transaction,
    node: NodeId,
    systemid: str,
    kind: RequestKind,
    agency: Agency,
    at: datetime,
    most: int,
) -> Request | QuotaError:
    """A quota is no error to the writer, which would run the whole batch again for it."""
    newest = tx.run(SQL["newest_of"], systemid, agency.code).fetchone()
    if newest is not None:
        before = _request(newest)
        same = before.kind is kind and before.agency == agency
        if same and before.state is not RequestState.REJECTED:
            return before
    if tx.run(SQL["count_pending"]).fetchone()[0] >= most:
        return QuotaError(
            "registrations", f"{most} registrations wait for an operator, limit {most}"
        )
    row = tx.run(SQL["ask"], systemid, kind, agency.code, stored_text(agency), ms(at)).lastrowid
    tx.record(
        entry(
            AuditEvent.REGISTRATION_ASKED,
            at,
            node,
            by=f"system:{systemid}",
            type=kind,
            agencies=[agency.code],
            request=row,
        )
    )
    return Request(row or 0, systemid, kind, agency, RequestState.PENDING, at)


def decide(
    tx: Transaction,
    node: NodeId,
    request_id: int,
    state: RequestState,
    by: str,
    why: str,
    at: datetime,
) -> None:
    if tx.run(SQL["decide"], request_id, state, ms(at), by, why).rowcount == 0:
        raise NotPossibleError(f"request {request_id} is decided already")
    found = tx.run(SQL["request"], request_id).fetchone()
    tx.record(
        entry(
            AuditEvent.REGISTRATION_DECIDED,
            at,
            node,
            by=by,
            why=why,
            state=state,
            type=found[2],
            agencies=[found[3]],
            request=request_id,
        )
    )


def _node(row: Any) -> NodeEntry:
    return NodeEntry(NodeId(row[0]), Tier(row[1]), None if row[2] is None else NodeId(row[2]))


def _ledger(row: Any) -> LedgerRow:
    number, code, version, modified_at, standing, record = row
    return LedgerRow(code, Stamp(number, version, instant(modified_at)), standing, record)


def _ledger_values(row: LedgerRow) -> tuple[object, ...]:
    stamp = row.stamp
    return (stamp.number, row.code, stamp.version, ms(stamp.modified_at), row.standing, row.record)


def _request(row: Any) -> Request:
    request_id, systemid, kind, _, record, state, asked_at, decided_at, by, why = row
    return Request(
        request_id,
        systemid,
        RequestKind(kind),
        stored_agency(record),
        RequestState(state),
        instant(asked_at),
        maybe_instant(decided_at),
        by,
        why,
    )

"""What systems asked for with registerAgency and deleteAgency, and what became of it: inside transactions.

Touches: directory_requests. Trusts: its callers, for who may ask and decide.
Raises:  NotPossibleError for a request that is decided.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from relay.agencies import Agency
from relay.audit.entries import AuditEvent, entry
from relay.delivery.directory.ports import Request, RequestKind, RequestState
from relay.errors import NotPossibleError, QuotaError
from relay.journal.directory_stored import SQL
from relay.journal.rows import instant, maybe_instant, ms
from relay.journal.writer import Transaction
from relay.model import NodeId
from relay.routing.stored import stored_agency, stored_text


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
        before = request_of(newest)
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


def request_of(row: Any) -> Request:
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

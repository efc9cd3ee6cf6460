"""Obligations: what is asked of a recipient, decided, proven, answered. The race of a take-back is here.

A take-back meets its document in one transaction, at whichever node the two meet. Where the recipient is
served: not fetched yet, and it is taken back; fetched, and destruction is asked. On the way: taken back
only where both still wait and were sent to nobody. Else both travel on, for further on the document may
be had already. A document that was refused, expired or cancelled before it arrived has nothing to take back. What is decided is proven by a receipt afterwards (delivery/verdicts.py); elsewhere the
obligation stands as `requested` until that receipt comes.

Every state goes through lifecycle.py; all of it is a function of which messages came, in no order.

Touches: obligations, business, verdicts, deliveries that are taken back.
Raises:  nothing of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from relay import lifecycle
from relay.audit.entries import AuditEvent, entry
from relay.delivery.records import Request
from relay.journal import twins
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.lifecycle import Happening
from relay.model import (
    AgencyCode,
    DeliveryState,
    Digest,
    Evidence,
    MessageId,
    NodeId,
    ObligationKind,
    ObligationState,
    Reason,
    minted_ms,
)

SQL = load("business")
MOST_ASKED = 100
"""Requests of one agency to another about one document that are kept as obligations, and documents of
one name that a request speaks of. Beyond that a message is only carried."""
_UNSENT = frozenset({DeliveryState.SEALING, DeliveryState.QUEUED, DeliveryState.HELD})
_GIVEN_OUT = frozenset({DeliveryState.FETCHED, DeliveryState.HANDED_OVER})


class Named(Protocol):
    """How a document is told from others."""

    @property
    def document_id(self) -> str: ...
    @property
    def notation(self) -> str: ...
    @property
    def promulgation_date(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Cause:
    """The message that asks."""

    row: int
    message_id: MessageId
    origin: NodeId
    digest: Digest
    sender: AgencyCode


@dataclass(frozen=True, slots=True)
class Found:
    """A delivery of a document that is spoken of."""

    message_row: int
    delivery_row: int
    message_id: MessageId
    origin: NodeId


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a delivery stands."""

    row: int
    state: DeliveryState
    reason: Reason | None
    next_hop: str | None
    transfer_id: str | None
    delivery_id: str
    message_id: str
    recipient: str

    @property
    def waits_unsent(self) -> bool:
        """Certain that nobody further on has it: it was never frozen into a transfer (W10.5)."""
        return self.state in _UNSENT and self.transfer_id is None and self.next_hop is not None

    @property
    def is_here(self) -> bool:
        """At its recipient's node and not given out."""
        return self.next_hop is None and self.state in (
            DeliveryState.SEALING,
            DeliveryState.AVAILABLE,
        )

    @property
    def was_given_out(self) -> bool:
        """At its recipient's node, whose system has had its bytes."""
        return self.next_hop is None and self.state in _GIVEN_OUT

    @property
    def never_arrived(self) -> bool:
        return lifecycle.never_arrived(self.state, self.reason)

    @property
    def is_over(self) -> bool:
        """The recipient does not have it and will not get it."""
        return self.state is DeliveryState.TAKEN_BACK or self.never_arrived


def _spot(tx: Transaction, delivery: int) -> _Spot:
    row, state, reason, *rest = tx.run(SQL["spot"], delivery).fetchone()
    return _Spot(row, DeliveryState(state), None if reason is None else Reason(reason), *rest)


def may_speak_of(kind: str, cause: str, cause_origin: str, document: str, origin: str) -> bool:
    """A request means what was handed in before it (W10.2). Who sends a document anew under the same id after a
    take-back is not taken back again by the old one, which is kept for as long as its rows are."""
    if cause_origin != origin:
        return True  # clocks of two nodes order nothing
    return minted_ms(document) <= minted_ms(cause)


# ---------------------------------------------------------------- asked


def oblige(
    tx: Transaction,
    node: NodeId,
    cause: Cause,
    request: Request,
    found: list[Found],
    at: datetime,
    *,
    ours: bool,
) -> None:
    """Keep what is asked, and decide it where it can be decided now."""
    to = tx.run(SQL["delivery_to"], cause.row, request.recipient).fetchone()
    if to is None and not found:
        return  # neither the document nor this goes to that agency by way of here
    named = (request.document_id, cause.sender, request.recipient, MOST_ASKED)
    if tx.run(SQL["count_obligations"], *named).fetchone()[0] >= MOST_ASKED:
        return
    take_back = request.kind is ObligationKind.TAKE_BACK
    about: list[int | None] = [one.delivery_row for one in found[: MOST_ASKED if take_back else 1]]
    rows = [_add(tx, cause, request, to, delivery, ours=ours) for delivery in about or [None]]
    for row, delivery in zip(rows, about or [None], strict=True):
        _record(tx, node, AuditEvent.OBLIGATION_ASKED, row, at)
        if delivery is not None:
            _decide(tx, node, row, delivery, at)


def _add(
    tx: Transaction, cause: Cause, request: Request, to: Any, delivery: int | None, *, ours: bool
) -> int:
    """The same words again, in another message after the first came to nothing, take its place."""
    here = ours or (to is not None and to[1] is None) or _served_here(tx, delivery)
    added = tx.run(
        SQL["add_obligation"],
        request.kind,
        cause.row,
        cause.message_id,
        cause.origin,
        cause.digest,
        None if to is None else to[0],
        cause.sender,
        request.recipient,
        request.document_id,
        request.notation,
        request.promulgation_date,
        delivery,
        int(here),
        ms(request.asked_at),
        ms(request.due_at),
    )
    return int(added.fetchone()[0])


def _served_here(tx: Transaction, delivery: int | None) -> bool:
    return delivery is not None and _spot(tx, delivery).next_hop is None


def join(
    tx: Transaction, node: NodeId, obligation: int, delivery: int, at: datetime, *, unmatched: bool
) -> None:
    """A document came that was asked about before."""
    if unmatched:
        if tx.run(SQL["join_obligation"], obligation, delivery).rowcount:
            _decide(tx, node, obligation, delivery, at)
        return
    copied = tx.run(SQL["copy_obligation"], obligation, delivery)
    if copied.rowcount:
        row = copied.lastrowid or 0
        _record(tx, node, AuditEvent.OBLIGATION_ASKED, row, at)
        _decide(tx, node, row, delivery, at)


# ---------------------------------------------------------------- decided


def _decide(tx: Transaction, node: NodeId, obligation: int, delivery: int, at: datetime) -> None:
    """The race: the document and what asks for it back, in one transaction (W10.3)."""
    kind, cause_row = tx.run(
        "SELECT kind, cause_delivery_row FROM obligations WHERE obligation_row = ?", obligation
    ).fetchone()
    if kind == ObligationKind.TAKE_BACK:
        document = _spot(tx, delivery)
        cause = None if cause_row is None else _spot(tx, cause_row)
        _race(tx, node, document, cause, at)
        if cause is not None:
            _spare(tx, node, cause.row, at)
    reckon(tx, node, delivery, at)


def _race(
    tx: Transaction, node: NodeId, document: _Spot, cause: _Spot | None, at: datetime
) -> None:
    unsent = document.waits_unsent and cause is not None and cause.waits_unsent
    if document.is_here or unsent:
        for row in twins.together(tx, document.row):
            _take_back(tx, node, _spot(tx, row), at)
            _prove(tx, row, ObligationState.TAKEN_BACK)
    elif document.state is DeliveryState.TAKEN_BACK:
        _prove(tx, document.row, ObligationState.TAKEN_BACK)
    elif cause is not None and document.was_given_out:
        proof = ObligationState.DESTRUCTION_ASKED
        if _prove(tx, cause.row, proof):
            tx.run(SQL["await_proof"], cause.row, Reason.DESTRUCTION_ASKED)


def _spare(tx: Transaction, node: NodeId, cause_row: int, at: datetime) -> None:
    """A take-back goes no further once nobody is left who would have to be asked: of all that it asks for
    nothing is further on, or was given out."""
    cause = _spot(tx, cause_row)
    if not (cause.is_here or cause.waits_unsent):
        return
    asked = tx.run(SQL["asked_by"], cause_row).fetchall()
    if all(document is not None and _spot(tx, document).is_over for (document,) in asked):
        _take_back(tx, node, cause, at)


def _take_back(tx: Transaction, node: NodeId, spot: _Spot, at: datetime) -> None:
    after = lifecycle.step(spot.state, Happening.TAKEN_BACK)
    tx.run(SQL["take_back"], spot.row, after, ms(at))
    tx.run(SQL["await_proof"], spot.row, Reason.TAKEN_BACK)
    tx.record(
        entry(
            AuditEvent.DELIVERY_TAKEN_BACK,
            at,
            node,
            message=spot.message_id,
            delivery=spot.delivery_id,
            recipient=spot.recipient,
        )
    )


# ---------------------------------------------------------------- proven


def proven(
    tx: Transaction,
    node: NodeId,
    delivery: int,
    before: DeliveryState,
    state: DeliveryState,
    said: Iterable[Evidence],
    at: datetime,
) -> None:
    """A receipt moved this delivery to `state`, or said why a take-back was consigned."""
    ended = state in lifecycle.NEGATIVE
    if state is DeliveryState.TAKEN_BACK:
        _prove(tx, delivery, ObligationState.TAKEN_BACK)
    elif any(one.reason is Reason.DESTRUCTION_ASKED for one in said):
        _prove(tx, delivery, ObligationState.DESTRUCTION_ASKED)
    elif not ended and before not in lifecycle.NEGATIVE:
        return
    reckon(tx, node, delivery, at)
    for (cause,) in tx.run(SQL["causes_about"], delivery).fetchall() if ended else ():
        _spare(tx, node, cause, at)


def _prove(tx: Transaction, delivery: int, proof: ObligationState) -> bool:
    """Whether it is news for anything that was asked."""
    news = False
    for row, before in tx.run(SQL["take_backs_of"], delivery).fetchall():
        after = lifecycle.verdict(ObligationState(before), proof)
        if after != before:
            tx.run(SQL["keep_verdict"], row, after)
            news = True
    return news


# ---------------------------------------------------------------- answered


@dataclass(frozen=True, slots=True)
class _Standing:
    """A row of obligations_about."""

    row: int
    document: int | None
    cause: int | None
    verdict: ObligationState
    answer: str | None
    state: str


def reckon(tx: Transaction, node: NodeId, delivery: int, at: datetime) -> None:
    """Where everything asked about this delivery stands, from all that was said, in no order."""
    about: dict[int | None, list[_Standing]] = {}
    for row, document, cause, verdict, answer, state, *_ in tx.run(
        SQL["obligations_about"], delivery
    ).fetchall():
        one = _Standing(row, document, cause, ObligationState(verdict), answer, state)
        about.setdefault(document, []).append(one)
    for document, asked in about.items():
        newest = _reckon_document(tx, node, document, asked, at)
        if document is not None:
            tx.run(SQL["keep_obligation"], document, newest)


def _reckon_document(
    tx: Transaction, node: NodeId, document: int | None, asked: list[_Standing], at: datetime
) -> ObligationState:
    """An answer to the message that asks is of that; one about the document is of the others."""
    direct = [_direct(tx, one) for one in asked]
    open_ones = [one for one, said in zip(asked, direct, strict=True) if said is None]
    agreed, declined = (0, 0) if document is None else _said(tx, document)
    others = iter(lifecycle.answers(len(open_ones), declined, agreed=agreed > 0))
    ended = document is not None and _spot(tx, document).never_arrived
    state = ObligationState.REQUESTED
    for one, said in zip(asked, direct, strict=True):
        state = _keep(tx, node, one, said or next(others), at, never_arrived=ended)
    return state


def _direct(tx: Transaction, one: _Standing) -> ObligationState | None:
    if one.cause is None or one.cause == one.document:
        return None
    agreed, declined = _said(tx, one.cause)
    if agreed:
        return ObligationState.AGREED
    return ObligationState.DECLINED if declined else None


def _said(tx: Transaction, delivery: int) -> tuple[int, int]:
    agreed, declined = tx.run(SQL["answers_to"], delivery).fetchone()
    return agreed, declined


def _keep(
    tx: Transaction,
    node: NodeId,
    one: _Standing,
    answer: ObligationState | None,
    at: datetime,
    *,
    never_arrived: bool,
) -> ObligationState:
    state = lifecycle.obliged(one.verdict, answer, never_arrived=never_arrived)
    code = {ObligationState.AGREED: "15", ObligationState.DECLINED: "16", None: None}[answer]
    if (code, state) != (one.answer, one.state):
        open_still = state in (ObligationState.REQUESTED, ObligationState.DESTRUCTION_ASKED)
        tx.run(SQL["keep_answer"], one.row, code, state, None if open_still else ms(at))
        _record(tx, node, AuditEvent.OBLIGATION_CHANGED, one.row, at)
    return state


def _record(tx: Transaction, node: NodeId, event: AuditEvent, row: int, at: datetime) -> None:
    kind, cause, recipient, state, document = tx.run(
        "SELECT o.kind, o.cause_id, o.recipient, o.state, m.message_id FROM obligations o"
        " LEFT JOIN deliveries d ON d.delivery_row = o.delivery_row"
        " LEFT JOIN messages m ON m.message_row = d.message_row WHERE o.obligation_row = ?",
        row,
    ).fetchone()
    tx.record(
        entry(
            event,
            at,
            node,
            message=cause,
            document=document,
            recipient=recipient,
            type=kind,
            state=state,
        )
    )

"""What the journal answers to readers: rows made into the records of delivery's doors.

Reads run on read-only connections of their own and never wait for the writer.

Touches: nothing but the rows it is given. Trusts: the journal's own rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from relay.delivery.ports import (
    Acknowledgement,
    Answering,
    DeliveryView,
    InboxItem,
    MessageView,
    ObligationView,
    ReceiptView,
    SentItem,
    StatusView,
)
from relay.delivery.records import (
    ArrivalRow,
    DeliveryRow,
    HandoverFacts,
    MessageRow,
    OpenTransfer,
    Ready,
    Unsealed,
    Waiting,
)
from relay.journal.rows import findings_of, instant, maybe_instant, trace_of
from relay.journal.sql import load
from relay.model import (
    AgencyCode,
    BusinessState,
    DeliveryId,
    DeliveryState,
    Digest,
    Lane,
    MessageId,
    MessageType,
    NodeId,
    ObligationKind,
    ObligationState,
    Priority,
    Reason,
    Receipt,
    Seal,
    SealKind,
    Signed,
    TransferId,
)

Row = Sequence[Any]
SQL = load("views")
View = TypeVar("View")


def inbox_item(row: Row) -> InboxItem:
    return InboxItem(
        delivery_id=DeliveryId(row[0]),
        cursor=row[1],
        message_id=MessageId(row[2]),
        message_type=MessageType(row[3]),
        sender=row[4],
        recipient=row[5],
        subject=row[6],
        notation=row[7],
        priority=Priority(row[8]),
        digest=Digest(row[9]),
        size_bytes=row[10],
        state=DeliveryState(row[11]),
        acknowledgement=Acknowledgement(row[12]),
        available_at=instant(row[13]),
        updated_at=instant(row[14]),
        seal_kind=SealKind(row[15]),
        answering=None if row[16] is None else Answering(row[16], row[17], row[18], row[19]),
        business=BusinessState(row[20]),
        obligation=None if row[21] is None else ObligationState(row[21]),
        put_back_because=row[22],
    )


def handover_facts(row: Row) -> HandoverFacts:
    return HandoverFacts(
        item=inbox_item(row),
        origin=NodeId(row[23]),
        recipient=AgencyCode(row[24]),
        previous=Digest(row[25]),
        transfer_id=None if row[26] is None else TransferId(row[26]),
        sent_by=None if row[27] is None else NodeId(row[27]),
        batched=bool(row[28]),
        also=tuple(AgencyCode(code) for code in json.loads(row[29])),
    )


def sent_item(row: Row) -> SentItem:
    return SentItem(
        message_id=MessageId(row[0]),
        delivery_id=DeliveryId(row[1]),
        message_type=MessageType(row[2]),
        sender=row[3],
        recipient=row[4],
        subject=row[5],
        notation=row[6],
        accepted_at=instant(row[7]),
        state=DeliveryState(row[8]),
        acknowledgement=Acknowledgement(row[9]),
        settled_at=maybe_instant(row[10]),
        reason=None if row[11] is None else Reason(row[11]),
        detail=row[12],
        failed_at_node=None if row[13] is None else NodeId(row[13]),
        business=BusinessState(row[14]),
        obligation=None if row[15] is None else ObligationState(row[15]),
    )


def ready_groups(rows: Sequence[Row]) -> list[Ready]:
    """Deliveries of the same arrival share a transfer; the order of the first of each is kept."""
    groups: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row[3], row[2]), []).append(row)
    return [_ready(group) for group in groups.values()]


def _ready(group: list[Row]) -> Ready:
    row = group[0]
    return Ready(
        message_row=MessageRow(row[4]),
        arrival_row=ArrivalRow(row[3]),
        message_id=MessageId(row[5]),
        origin=NodeId(row[6]),
        message_type=MessageType(row[7]),
        sender=AgencyCode(row[8]),
        rows=tuple(DeliveryRow(r[0]) for r in group),
        recipients=tuple(AgencyCode(r[1]) for r in group),
        lane=Lane(row[2]),
        priority=Priority(row[9]),
        digest=Digest(row[10]),
        size_bytes=row[11],
        expires_at=instant(row[12]),
        trace=trace_of(row[15]),
        seal=Seal(SealKind(row[13]), row[14]),
        payload=None,
        batched=bool(row[16]),
    )


def unsealed(row: Row) -> Unsealed:
    return Unsealed(
        message_row=MessageRow(row[0]),
        message_id=MessageId(row[1]),
        origin=NodeId(row[2]),
        sender=AgencyCode(row[3]),
        digest=Digest(row[4]),
        size_bytes=row[5],
        previous=Digest(row[6]),
        served_here=tuple(AgencyCode(code) for code in json.loads(row[7])),
    )


def open_transfer(row: Row) -> OpenTransfer:
    return OpenTransfer(
        transfer_id=TransferId(row[0]),
        neighbour=NodeId(row[1]),
        message_row=MessageRow(row[2]),
        lane=Lane(row[3]),
        header=Signed(row[4], row[5]),
        attempts=row[6],
        seal=Seal(SealKind(row[7]), row[8]),
        digest=Digest(row[9]),
        expires_at=instant(row[10]),
        in_doubt=bool(row[11]),
        batched=bool(row[12]),
    )


def waiting(row: Row) -> Waiting:
    transfer = None
    if row[8] is not None:
        transfer = OpenTransfer(
            transfer_id=TransferId(row[8]),
            neighbour=NodeId(row[10]),
            message_row=MessageRow(row[1]),
            lane=Lane(row[11]),
            header=Signed(row[12], row[13]),
            attempts=row[14],
            seal=Seal(SealKind(row[15]), row[16]),
            digest=Digest(row[4]),
            expires_at=instant(row[17]),
            in_doubt=row[7] == DeliveryState.IN_DOUBT,
        )
    return Waiting(
        delivery_row=DeliveryRow(row[0]),
        message_row=MessageRow(row[1]),
        message_id=MessageId(row[2]),
        origin=NodeId(row[3]),
        digest=Digest(row[4]),
        size_bytes=row[5],
        recipient=AgencyCode(row[6]),
        state=DeliveryState(row[7]),
        transfer=transfer,
        previous=Digest(row[9]),
    )


def message_view(
    row: Row,
    deliveries: Sequence[Row],
    receipts: Sequence[tuple[Digest, Receipt]],
    reports: Sequence[Row],
    obligations: Sequence[Row],
) -> MessageView:
    by_recipient = _receipt_views(receipts)
    said = _by_delivery(reports, 7, _status)
    asked = _by_delivery(obligations, 16, obligation_view)
    return MessageView(
        message_id=MessageId(row[1]),
        origin=NodeId(row[2]),
        message_type=MessageType(row[3]),
        sender=AgencyCode(row[4]),
        subject=row[5],
        notation=row[6],
        document_id=row[7],
        priority=Priority(row[8]),
        digest=Digest(row[9]),
        size_bytes=row[10],
        accepted_at=instant(row[11]),
        expires_at=instant(row[12]),
        seal_kind=None if row[13] is None else SealKind(row[13]),
        linked_to=None if row[14] is None else MessageId(row[14]),
        findings=findings_of(row[15]),
        deliveries=tuple(_delivery_view(d, by_recipient, said, asked) for d in deliveries),
    )


def _by_delivery(
    rows: Sequence[Row], key: int, view: Callable[[Row], View]
) -> dict[str, list[View]]:
    found: dict[str, list[View]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(view(row))
    return found


def _delivery_view(
    row: Row,
    receipts: Mapping[AgencyCode, list[ReceiptView]],
    said: Mapping[str, list[StatusView]],
    asked: Mapping[str, list[ObligationView]],
) -> DeliveryView:
    recipient = AgencyCode(row[1])
    state = DeliveryState(row[3])
    waits = state in {DeliveryState.QUEUED, DeliveryState.IN_DOUBT}
    return DeliveryView(
        delivery_id=DeliveryId(row[0]),
        recipient=recipient,
        addressed_as=row[2],
        state=state,
        next_hop=None if row[4] is None else NodeId(row[4]),
        attempts=row[5],
        next_attempt_at=maybe_instant(max(row[6] or 0, row[12] or 0) or None) if waits else None,
        last_error=(row[7] or row[11]) if waits else "",
        reason=None if row[8] is None else Reason(row[8]),
        detail=row[9],
        receipts=tuple(_in_order_of_the_way(receipts.get(recipient, []))),
        statuses=tuple(said.get(row[0], ())),
        business=BusinessState(row[13]),
        obligations=tuple(asked.get(row[0], ())),
    )


def _receipt_views(
    receipts: Sequence[tuple[Digest, Receipt]],
) -> dict[AgencyCode, list[ReceiptView]]:
    """By recipient, in one pass: a circular has thousands of recipients in one receipt."""
    found: dict[AgencyCode, list[ReceiptView]] = {}
    for digest, receipt in receipts:
        for evidence in receipt.evidence:
            found.setdefault(evidence.recipient, []).append(
                ReceiptView(
                    digest=digest,
                    event=evidence.event,
                    issuer=receipt.issuer,
                    recipient=evidence.recipient,
                    at=receipt.at,
                    previous=evidence.previous,
                    transfer_id=receipt.transfer_id,
                    sent_by=receipt.sent_by,
                    reason=evidence.reason,
                    detail=evidence.detail,
                )
            )
    return found


def _in_order_of_the_way(views: list[ReceiptView]) -> list[ReceiptView]:
    """By the chain of `previous`, since clocks of different nodes do not order anything."""
    depth: dict[Digest, int] = {}
    previous = {view.digest: view.previous for view in views}

    def depth_of(digest: Digest) -> int:
        seen: set[Digest] = set()
        steps = 0
        at: Digest | None = digest
        while at is not None and at in previous and at not in seen:
            seen.add(at)
            steps += 1
            at = previous[at]
        return steps

    for view in views:
        depth[view.digest] = depth_of(view.digest)
    return sorted(views, key=lambda view: depth[view.digest])


def _status(row: Row) -> StatusView:
    return StatusView(
        message_id=MessageId(row[5]),
        status_code=row[0],
        sender=row[1],
        description=row[3],
        timestamp=row[4],
        arrived_at=instant(row[6]),
    )


def obligation_view(row: Row) -> ObligationView:
    return ObligationView(
        cursor=row[0],
        kind=ObligationKind(row[1]),
        state=ObligationState(row[2]),
        answer=row[3],
        cause=MessageId(row[4]),
        document=None if row[5] is None else MessageId(row[5]),
        delivery_id=None if row[6] is None else DeliveryId(row[6]),
        sender=AgencyCode(row[7]),
        recipient=AgencyCode(row[8]),
        document_id=row[9],
        notation=row[10],
        promulgation_date=row[11],
        asked_at=instant(row[12]),
        due_at=instant(row[13]),
        settled_at=maybe_instant(row[14]),
        reason=_reason(row),
    )


def _reason(row: Row) -> Reason | None:
    """Of a document that never arrived."""
    return Reason(row[15]) if row[2] == ObligationState.NOT_DELIVERED and row[15] else None

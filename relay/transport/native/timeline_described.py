"""A timeline as the JSON of the API, and its description.

Touches: nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from relay.delivery.ports import DeliveryView
from relay.delivery.timeline.ports import Known, Line, Source, Stay, Step, Timeline
from relay.model import DeliveryState, Reason, SealKind
from relay.transport.native.fragments import Json, in_path, json_answer, reading
from relay.transport.native.schemas import (
    DIGEST,
    INSTANT,
    TEXT,
    UUID,
    WHOLE,
    Schema,
    list_of,
    or_null,
    record,
    reference,
    word,
)
from relay.transport.native.views import stamp


def timeline_view(found: Timeline) -> Json:
    view = found.view
    return {
        "message_id": view.message_id,
        "origin": view.origin,
        "node": found.node,
        "sender": view.sender,
        "subject": view.subject,
        "notation": view.notation,
        "digest": view.digest,
        "accepted_at": stamp(view.accepted_at),
        "expires_at": stamp(view.expires_at),
        "seal_kind": view.seal_kind,
        "sealed_by": found.sealed_by,
        "deliveries": [_delivery(one) for one in view.deliveries],
        "way": [_stay(one) for one in found.way],
        "final": found.final,
        "entries_left_out": found.entries_left_out,
    }


def _delivery(one: DeliveryView) -> Json:
    return {
        "delivery_id": one.delivery_id,
        "recipient": one.recipient,
        "state": one.state,
        "reason": one.reason,
    }


def _stay(one: Stay) -> Json:
    return {
        "node": one.node,
        "known": one.known,
        "came_from": one.came_from,
        "transfer_id": one.transfer_id,
        "recipients": list(one.recipients),
        "lines": [_line(line) for line in one.lines],
        "onward": [_stay(following) for following in one.onward],
    }


def _line(one: Line) -> Json:
    return {
        "step": one.step,
        "event": one.event,
        "text": one.text,
        "at": _stamped(one.at),
        "recipients": list(one.recipients),
        "source": {
            "kind": one.source,
            "issuer": one.issuer,
            "signer": one.signer,
            "receipt": one.receipt,
            "entry": one.entry,
            "message": one.message,
        },
        "reason": one.reason,
        "waited_seconds": _seconds(one.lasted),
        "clocks_differ_seconds": _seconds(one.clocks_differ),
        "next_attempt_at": _stamped(one.until),
        "superseded_by": one.superseded_by,
    }


def _stamped(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), 3)


_SECONDS: Schema = {"type": "number", "minimum": 0}

TIMELINE_SCHEMAS: dict[str, Schema] = {
    "Timeline": record(
        "One message over all tiers, as this node knows it: a tree of stays, shared by recipients while "
        "their way is the same. `final`: every delivery has ended for good.",
        message_id=UUID,
        origin=TEXT,
        node=TEXT,
        sender=TEXT,
        subject=TEXT,
        notation=TEXT,
        digest=DIGEST,
        accepted_at=INSTANT,
        expires_at=INSTANT,
        seal_kind=or_null(word(SealKind)),
        sealed_by=TEXT,
        deliveries=list_of(
            record(
                "Where one delivery stands.",
                delivery_id=UUID,
                recipient=TEXT,
                state=word(DeliveryState),
                reason=or_null(word(Reason)),
            )
        ),
        way=list_of(reference("Stay")),
        final={"type": "boolean"},
        entries_left_out={
            "type": "boolean",
            "description": "There are more entries of this node's log about it than are looked through",
        },
    ),
    "Stay": record(
        "The message at one node. `known`: what vouches for that: a signed receipt, the header of the "
        "transfer it came with, nothing but the word of a remote without evidence, or only that the next "
        "node names it.",
        node=TEXT,
        known=word(Known),
        came_from=or_null(TEXT),
        transfer_id=or_null(UUID),
        recipients=list_of(TEXT),
        lines=list_of(reference("TimelineLine")),
        onward=list_of(reference("Stay")),
    ),
    "TimelineLine": record(
        "What happened there, by that node's clock, and where that is from. A span between two nodes that "
        "would be negative is told as the least difference of their clocks.",
        step=word(Step),
        event=TEXT,
        text=TEXT,
        at=or_null(INSTANT),
        recipients=list_of(TEXT),
        source=record(
            "receipt: signed by `issuer`, with the certificate of `signer`; log: entry `entry` of this "
            "node's log; proof: an entry of the log of `issuer`, proven; journal: this node's record; header: the transfer it came with; status: `message`, "
            "sealed on its own; word: what a remote without evidence said, in a receipt of `issuer`; "
            "nothing: not known.",
            kind=word(Source),
            issuer=or_null(TEXT),
            signer=TEXT,
            receipt=or_null(DIGEST),
            entry=or_null(WHOLE),
            message=or_null(UUID),
        ),
        reason=or_null(word(Reason)),
        waited_seconds=or_null(_SECONDS),
        clocks_differ_seconds=or_null(_SECONDS),
        next_attempt_at=or_null(INSTANT),
        superseded_by=or_null(DIGEST),
    ),
}


def timeline_paths() -> Json:
    answer = json_answer(
        "Timeline",
        "The timeline; as text/event-stream an event `timeline` with it at first and at each change, "
        "and `end` when it is final",
    )
    answer["content"]["text/event-stream"] = {"schema": TEXT}
    return {
        "/v1/messages/{id}/trace": {
            "get": reading("traceMessage", "One timeline of a message over all tiers", answer),
            "parameters": [in_path("id", UUID)],
        }
    }

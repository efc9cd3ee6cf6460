"""The JSON Schemas of operators' actions and of what they look at, beside those of schemas.py.

Touches: nothing.
"""

from __future__ import annotations

from relay.delivery.operators.inspecting import AGES, Condition, Kind
from relay.delivery.operators.orders import Action
from relay.transport.native.schemas import (
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

_WHY: Schema = {"type": "string", "minLength": 1, "maxLength": 500, "description": "For the log"}
_NODE: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
_COUNTS: Schema = {
    "type": "array",
    "items": WHOLE,
    "minItems": len(AGES) + 1,
    "maxItems": len(AGES) + 1,
    "description": "Younger than each of ages_minutes and not than the one before; the last: older",
}


def _request(description: str, required: list[str], **members: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": members,
        "required": required,
        "additionalProperties": False,
    }


OPERATING_SCHEMAS: dict[str, Schema] = {
    "Order": _request("Why; who is known by the token.", ["why"], why=_WHY),
    "CancelOrder": _request(
        "`unanswered` ends as outcome-unknown what the next node may have and does not tell.",
        ["why"],
        why=_WHY,
        unanswered={"type": "boolean", "default": False},
    ),
    "RedirectOrder": _request("Where to, and why.", ["why", "to"], why=_WHY, to=_NODE),
    "NeighbourOrder": _request(
        "For which neighbour, and why.", ["why", "neighbour"], why=_WHY, neighbour=_NODE
    ),
    "FlushOrder": _request(
        "For which neighbour (all of them where none is named), and why.",
        ["why"],
        why=_WHY,
        neighbour=_NODE,
    ),
    "Done": record(
        "What became of an order. `settled`: the neighbour, asked first, had them already. `left` "
        "stay as they were, for the `reasons`. `more`: the same order again goes on.",
        action=word(Action),
        acted=WHOLE,
        settled=WHOLE,
        left=WHOLE,
        reasons=list_of(TEXT),
        receipts=WHOLE,
        more={"type": "boolean"},
    ),
    "Neighbour": record(
        "A neighbour as delivery sees it now.",
        node=TEXT,
        bridge={"type": "boolean", "description": "It only speaks the axis dialect."},
        condition=word(Condition),
        failures=WHOLE,
        next_probe_at=or_null(INSTANT),
        window=WHOLE,
        under_way=WHOLE,
        last_error=TEXT,
        certificate=or_null(
            record(
                "Of its TLS, as the last connection showed it.",
                subject=TEXT,
                not_after=INSTANT,
                seen_at=INSTANT,
            )
        ),
    ),
    "Shape": record(
        "Deliveries by next hop and age; `neighbour` null: served here, waiting for their seal.",
        at=INSTANT,
        ages_minutes=list_of(WHOLE),
        put_back={**WHOLE, "description": "Served here, and put back (`fail`) by their recipients"},
        rows=list_of(
            record(
                "One next hop.",
                neighbour=or_null(TEXT),
                state=or_null(reference("Neighbour")),
                counts=record(
                    "Counted apart.",
                    **{
                        kind.value: record(kind.value, total=WHOLE, by_age=_COUNTS) for kind in Kind
                    },
                ),
                receipts=WHOLE,
                receipts_parked=WHOLE,
            )
        ),
    ),
    "Why": record(
        "The message (its `deliveries` left out) and each delivery asked about, explained.",
        at=INSTANT,
        message=reference("Message"),
        deliveries=list_of(
            record(
                "`because` answers in sentences; the rest is what they rest on.",
                because=list_of(TEXT),
                delivery=reference("DeliveryView"),
                came_from=or_null(TEXT),
                arrived_at=INSTANT,
                since=INSTANT,
                transfer_id=or_null(UUID),
                ahead=WHOLE,
                failed_at_node=or_null(TEXT),
                revocation={
                    **TEXT,
                    "description": "VALID, REVOKED or UNKNOWN of its seal's certificate, and why; "
                    "empty where nothing is checked",
                },
                neighbour=or_null(reference("Neighbour")),
                intervention=or_null(
                    record(
                        "The last operator's action.",
                        action=word(Action),
                        by=TEXT,
                        why=TEXT,
                        at=INSTANT,
                    )
                ),
            )
        ),
        others=WHOLE,
    ),
}

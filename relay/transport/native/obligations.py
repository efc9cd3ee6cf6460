"""Obligations by HTTP: what recipients are asked to take back, update, replace or destroy.

Touches: the door of obligations.
Trusts:  that the door shows a caller only what its agencies asked or are asked.
Raises:  RequestError, NotFoundError, and what the door raises.
"""

from __future__ import annotations

from aiohttp import web

from relay.delivery.ports import Caller, ObligationQuery
from relay.envelope.codes import normalise
from relay.errors import EnvelopeError, NotFoundError
from relay.model import AgencyCode, ObligationKind, ObligationState, Reason
from relay.transport.native.asking import LARGEST, number, one, only, word
from relay.transport.native.fragments import Json as Described
from relay.transport.native.fragments import cursor, in_query, json_answer, operation
from relay.transport.native.inside import Inside
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
)
from relay.transport.native.schemas import word as words
from relay.transport.native.views import json_response, obligation
from relay.transport.problems import RequestError

_BOOLEANS = {"true": True, "false": False}


async def listing(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """What was asked after the cursor `after`; `next` is the cursor to ask with next time."""
    only(request, "after", "limit", "agency", "state", "overdue")
    if inside.obligations is None:
        raise NotFoundError("this node keeps no obligations")
    state = word(request, "state", [state.value for state in ObligationState])
    query = ObligationQuery(
        agency=_agency(request),
        state=None if state is None else ObligationState(state),
        overdue=_BOOLEANS[word(request, "overdue", list(_BOOLEANS)) or "false"],
        after=number(request, "after", 0, 0, LARGEST),
        limit=number(request, "limit", 100, 1, 1000),
    )
    now = inside.clock()
    found = await inside.obligations.list(caller, query)
    after = found[-1].cursor if found else query.after
    return json_response({"obligations": [obligation(o, now) for o in found], "next": after})


def _agency(request: web.Request) -> AgencyCode | None:
    text = one(request, "agency")
    try:
        return None if text is None else normalise(text)
    except EnvelopeError:
        raise RequestError("agency must be an agency code", parameter="agency") from None


def obligation_paths() -> Described:
    states = [state.value for state in ObligationState]
    return {
        "/v1/obligations": {
            "get": {
                **operation(
                    "listObligations",
                    "What recipients are asked to take back, update, replace or destroy",
                    {"200": json_answer("Obligations")},
                    (400, 401, 404, 503),
                ),
                "parameters": [
                    *cursor("Cursor of the last obligation seen"),
                    in_query("agency", TEXT, "Asked by this agency, or of it"),
                    in_query("state", {"type": "string", "enum": states}, "One state only"),
                    in_query("overdue", {"type": "boolean"}, "Only what has no answer in time"),
                ],
            }
        }
    }


OBLIGATION_SCHEMAS: dict[str, Schema] = {
    "Obligation": record(
        "What one agency is asked to do with a document it was sent; `cause` is the message that asks.",
        cursor=WHOLE,
        kind=words(ObligationKind),
        state=words(ObligationState),
        answer=or_null({"type": "string", "enum": ["15", "16"]}),
        overdue={"type": "boolean"},
        cause=UUID,
        document=or_null(UUID),
        delivery_id=or_null(UUID),
        sender=TEXT,
        recipient=TEXT,
        document_id=TEXT,
        notation=TEXT,
        promulgation_date=TEXT,
        asked_at=INSTANT,
        due_at=INSTANT,
        settled_at=or_null(INSTANT),
        reason=or_null(words(Reason)),
    ),
    "Obligations": record(
        "A page; ask again with `after` set to `next`.",
        obligations=list_of(reference("Obligation")),
        next=WHOLE,
    ),
}

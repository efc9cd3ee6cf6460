"""What came of a reconciliation, as JSON for programs and as a sheet for clerks.

Touches: nothing. Trusts: nothing it shows. Raises: nothing.
"""

from __future__ import annotations

from relay.agencies import VIETNAM
from relay.delivery.reconciling.ports import AgencyLine, Difference, Report
from relay.delivery.reconciling.wording import COLUMNS, KINDS, SIDES, WHATS
from relay.sheets import sheet
from relay.transport.native.views import Json, json_bytes, stamp

CSV = "text/csv"


def as_json(report: Report) -> bytes:
    return json_bytes(
        {
            "agrees": report.agrees,
            "party": report.party,
            "since": stamp(report.since),
            "until": stamp(report.until),
            "at": stamp(report.at),
            "kept_since": stamp(report.kept_since),
            "offset_seconds": report.offset_seconds,
            "compared": {str(side): count for side, count in report.compared.items()},
            "same": report.same,
            "counts": {str(kind): count for kind, count in report.counts.items()},
            "agencies": [_agency(one) for one in report.agencies],
            "differences": [_difference(one) for one in report.differences],
            "unnamed": report.unnamed,
        }
    )


def _agency(one: AgencyLine) -> Json:
    counts = {str(kind): count for kind, count in one.counts.items()}
    return {"agency": one.agency, "same": one.same, **counts}


def _difference(one: Difference) -> Json:
    return {
        "kind": one.kind,
        "what": one.what,
        "direction": one.side,
        "where": one.where,
        "agency": one.agency,
        "sender": one.sender,
        "recipient": one.recipient,
        "message_id": one.message_id,
        "delivery_id": one.delivery_id,
        "document": one.document,
        "at": None if one.at is None else stamp(one.at),
        "ours": one.ours,
        "theirs": one.theirs,
    }


def as_sheet(report: Report) -> bytes:
    """One line for each difference that is named; times are Vietnam's."""
    text = sheet(list(COLUMNS.values()), map(_cells, report.differences), mark=True)
    return text.encode("utf-8", "backslashreplace")


def _cells(one: Difference) -> list[str]:
    at = "" if one.at is None else f"{one.at.astimezone(VIETNAM):%Y-%m-%d %H:%M:%S}"
    return [
        one.agency,
        KINDS[one.kind],
        SIDES[one.side],
        WHATS[one.what],
        one.where,
        one.sender,
        one.recipient,
        one.document,
        at,
        one.message_id,
        one.delivery_id,
        one.ours,
        one.theirs,
    ]

"""What a message answers, and the report a status message makes.

Touches: nothing. Raises: EnvelopeError for a status that answers nothing.
"""

from __future__ import annotations

from relay.envelope import statuses
from relay.envelope.dates import remark_date
from relay.envelope.elements import Element
from relay.envelope.findings import Findings, quoted
from relay.envelope.parties import remark_code
from relay.errors import EnvelopeError
from relay.model import ResponseFor, StatusReport


def read_responses(
    message: Element, *, required: bool, findings: Findings
) -> tuple[ResponseFor, ...]:
    """Every ResponseFor that says something; empty ones are common and mean nothing."""
    responses = []
    for number, element in enumerate(message.all("ResponseFor"), 1):
        where = f"ResponseFor[{number}]"
        texts = element.texts(where, findings)
        code = texts.get("Code", "") or _response_code(element, where, findings)
        if not (code or any(texts.values())):
            continue
        organ_id = texts.get("OrganId", "")
        if organ_id:
            remark_code(organ_id, where, findings)
        elif required:
            findings.add("missing-element", "no OrganId", where)
        date = texts.get("PromulgationDate", "")
        if date:
            remark_date(date, where, findings)
        responses.append(ResponseFor(organ_id, code, texts.get("DocumentId", ""), date))
    if required and not responses:
        raise EnvelopeError("status without ResponseFor", where=message.name)
    if required and len(responses) > 1:
        where = f"{message.name}/ResponseFor"
        findings.add("duplicate-element", "the first one counts", where)
    return tuple(responses)


def _response_code(element: Element, where: str, findings: Findings) -> str:
    """A number and a notation, joined as they stand in one text elsewhere."""
    parts = element.first("Code").texts(f"{where}/Code", findings)
    return "/".join(part for part in (parts.get("CodeNumber"), parts.get("CodeNotation")) if part)


def read_status(message: Element, texts: dict[str, str], findings: Findings) -> StatusReport:
    code, description = texts["StatusCode"], texts.get("Description", "")
    row = statuses.find(code)
    if row is None:
        findings.add("unknown-status", quoted(code), f"{message.name}/StatusCode")
    elif row.reason_required and not description:
        findings.add(
            "missing-reason", f"status {row.code} needs one", f"{message.name}/Description"
        )
    timestamp = texts.get("Timestamp", "")
    remark_date(timestamp, f"{message.name}/Timestamp", findings)
    staff = message.first("StaffInfo").texts(f"{message.name}/StaffInfo", findings)
    return StatusReport(
        status_code=code,
        description=description,
        timestamp=timestamp,
        department=staff.get("Department", ""),
        staff=staff.get("Staff", ""),
        mobile=staff.get("Mobile", ""),
        email=staff.get("Email", ""),
    )

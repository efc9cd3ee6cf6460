"""Who sends and who is to receive, as the document says it.

Touches: nothing. Raises: EnvelopeError for what no node could route by.
"""

from __future__ import annotations

from collections.abc import Sequence

from relay.envelope import codes
from relay.envelope.elements import Element
from relay.envelope.findings import Findings, quoted
from relay.envelope.limits import Limits
from relay.errors import EnvelopeError
from relay.model import Envelope, MessageType, Party


def read_sender(message: Element, findings: Findings) -> Party:
    element = message.only("From")
    party = _party(element, "From", findings) if element else None
    if party is None or not party.organ_id:
        raise EnvelopeError("no From/OrganId", where=message.name)
    return party


def read_recipients(message: Element, limits: Limits, findings: Findings) -> tuple[Party, ...]:
    """Every To with an OrganId, in the order written."""
    elements = message.all("To")
    if len(elements) > limits.recipients:
        raise EnvelopeError(f"{len(elements)} recipients", limit=str(limits.recipients))
    parties = []
    for number, element in enumerate(elements, 1):
        party = _party(element, f"To[{number}]", findings)
        if party.organ_id:
            parties.append(party)
        else:
            findings.add("missing-element", "no OrganId", f"To[{number}]")
    return tuple(parties)


def _party(element: Element, where: str, findings: Findings) -> Party:
    text = element.texts(where, findings).get
    code = text("OrganId", "")
    if code:
        remark_code(code, where, findings)
    return Party(
        organ_id=code,
        organ_name=text("OrganName", ""),
        organization_in_charge=text("OrganizationInCharge", ""),
        organ_add=text("OrganAdd", ""),
        email=text("Email", ""),
        telephone=text("Telephone", ""),
        fax=text("Fax", ""),
        website=text("Website", ""),
    )


def require_codes(envelope: Envelope, declared: Sequence[str] | None) -> None:
    """Raise EnvelopeError, with the element and its text, where what a submission is routed by is no
    agency code. `declared` stands for the document's own To; a status without it needs none.
    """
    written = [("From/OrganId", envelope.sender.organ_id)]
    if declared:
        written += [("the list of recipients outside the document", code) for code in declared]
    elif envelope.message_type is MessageType.DOCUMENT:
        written += [("To/OrganId", party.organ_id) for party in envelope.recipients]
    for where, code in written:
        try:
            codes.parse(code)
        except EnvelopeError as error:
            raise EnvelopeError(error.what, where=where, limit=error.limit) from None


def remark_code(code: str, where: str, findings: Findings) -> None:
    try:
        codes.parse(code)
    except EnvelopeError:
        if codes.is_connection_centre(code):
            findings.add("connection-centre", f"{quoted(code)} is no agency", f"{where}/OrganId")
        else:
            findings.add("bad-code", f"{quoted(code)} is no agency code", f"{where}/OrganId")

"""MessageHeader as lines of XML, in the order the standard gives.

Touches: nothing. Raises: EnvelopeError for a code that is none and a text that is too long.
"""

from __future__ import annotations

from datetime import date, datetime

from relay.envelope import codes
from relay.envelope.dates import VIETNAM
from relay.envelope.documents import Document, Signer, Staff
from relay.envelope.xmltext import block, field, optional, optional_block
from relay.errors import EnvelopeError
from relay.model import Party, ResponseFor


def message_header(document: Document) -> list[str]:
    return block(
        "MessageHeader",
        [
            *party_lines("From", document.sender),
            *(line for party in document.recipients for line in party_lines("To", party)),
            field("DocumentId", document.document_id),
            *block("Code", _code(document)),
            *block(
                "PromulgationInfo",
                [
                    field("Place", document.promulgation_place),
                    field("PromulgationDate", day(document.promulgation_date)),
                ],
            ),
            *block(
                "DocumentType",
                [
                    field("Type", document.type_code),
                    field("TypeDetail", document.type_detail),
                    field("TypeName", document.document_type),
                ],
            ),
            field("Subject", document.subject),
            *optional("Content", document.content),
            *_signer(document.signer),
            *optional("DueDate", day(document.due_date) if document.due_date else None),
            *block("OtherInfo", _other_info(document)),
            *(line for answered in document.response_for for line in response_lines(answered)),
            *optional("SteeringType", document.steering_type),
            *optional_block(
                "ResponseForTask", [field("TaskCode", code) for code in document.task_codes]
            ),
            *optional("ApplicationType", document.application_type),
            *optional_block("ToPlaces", [field("Place", place) for place in document.to_places]),
        ],
    )


def party_lines(name: str, party: Party) -> list[str]:
    return block(
        name,
        [
            field("OrganId", agency(party.organ_id)),
            *optional("OrganizationInCharge", party.organization_in_charge),
            field("OrganName", party.organ_name),
            *optional("OrganAdd", party.organ_add),
            *optional("Email", party.email),
            *optional("Telephone", party.telephone),
            *optional("Fax", party.fax),
            *optional("Website", party.website),
        ],
    )


def _code(document: Document) -> list[str]:
    return [
        field("CodeNumber", document.code_number),
        field("CodeNotation", document.code_notation),
    ]


def _signer(signer: Signer | None) -> list[str]:
    if signer is None:
        return []
    lines = [
        field("Competence", signer.competence),
        field("Position", signer.position),
        field("FullName", signer.full_name),
    ]
    return block("SignerInfo", lines)


def _other_info(document: Document) -> list[str]:
    direction = document.direction
    return [
        field("Priority", document.priority.value),
        *optional("SphereOfPromulgation", document.sphere_of_promulgation),
        *optional("TyperNotation", document.typer_notation),
        *optional("PromulgationAmount", document.promulgation_amount),
        *optional("PageAmount", document.page_amount),
        *optional("Direction", None if direction is None else str(direction).lower()),
        *optional_block("Appendixes", [field("Appendix", text) for text in document.appendixes]),
    ]


def response_lines(answered: ResponseFor) -> list[str]:
    lines = [
        *optional("OrganId", agency(answered.organ_id) if answered.organ_id else ""),
        *optional("Code", answered.code),
        *optional("DocumentId", answered.document_id),
        *optional("PromulgationDate", answered.promulgation_date),
    ]
    return block("ResponseFor", lines)


def staff_lines(staff: Staff | None) -> list[str]:
    if staff is None:
        return []
    lines = [
        field("Department", staff.department),
        field("Staff", staff.staff),
        field("Mobile", staff.mobile),
        field("Email", staff.email),
    ]
    return block("StaffInfo", lines)


def agency(code: str) -> str:
    """The code as given, trimmed, once it is known to be one."""
    codes.parse(code)
    return code.strip().upper()


def day(given: date) -> str:
    return f"{given.year:04}/{given:%m/%d}"


def instant(at: datetime) -> str:
    """In Vietnam's time, as edXML writes it without a zone."""
    if at.tzinfo is None:
        raise EnvelopeError("time without a zone")
    try:
        local = at.astimezone(VIETNAM)
    except OverflowError:
        raise EnvelopeError("time out of range") from None
    return f"{day(local)} {local:%H:%M:%S}"

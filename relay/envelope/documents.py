"""What the strict writer writes: documents and status messages as frozen values.

Field by field these are edXML's own elements (QCVN 102:2016). ReplyFors and ReferenceCodes are
read but not written: what stands inside them differs by vendor.

Touches: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from relay.model import Party, Priority, ResponseFor


@dataclass(frozen=True, slots=True)
class AttachmentContent:
    """One attachment with its bytes.

    `content_id` is written with "cid:" before it. `zipped` wraps the content in a ZIP of one entry
    `<entry_uuid>.<extension of name>`, as DMSs do with types the axis does not take raw;
    content_type is then application/zip. Without an entry_uuid one is made from the content.
    """

    name: str
    content_type: str
    content: bytes
    description: str = ""
    zipped: bool = False
    content_id: str = ""
    """Empty: the position, counted from 1."""
    entry_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    competence: str
    position: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Staff:
    department: str = ""
    staff: str = ""
    mobile: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One TraceHeader: who passed the document on, and when (aware; written in Vietnam's time)."""

    organ_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReceiverChange:
    """In an update: an agency that is no recipient any more, or has become one."""

    organ_id: str
    added: bool


@dataclass(frozen=True, slots=True)
class Replacement:
    """In a replacement: a document that is replaced, at these agencies."""

    document_id: str
    organ_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Business:
    """`operation`: 0 new, 1 revoke, 2 update, 3 replace."""

    operation: int
    document_id: str = ""
    reason: str = ""
    paper: bool | None = None
    """True when the paper original follows."""
    updates_document: bool = False
    updates_receivers: bool = False
    receivers: tuple[ReceiverChange, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    staff: Staff | None = None


@dataclass(frozen=True, slots=True)
class Document:
    sender: Party
    recipients: tuple[Party, ...]
    document_id: str
    code_number: str
    code_notation: str
    promulgation_place: str
    promulgation_date: date
    document_type: str
    """TypeName, such as "Công văn"."""
    subject: str
    traces: tuple[Stamp, ...]
    """At least the sender's own."""
    type_code: int = 1
    type_detail: int = 0
    content: str = ""
    signer: Signer | None = None
    due_date: date | None = None
    priority: Priority = Priority.NORMAL
    sphere_of_promulgation: str = ""
    typer_notation: str = ""
    promulgation_amount: int | None = None
    page_amount: int | None = None
    direction: bool | None = None
    appendixes: tuple[str, ...] = ()
    response_for: tuple[ResponseFor, ...] = ()
    steering_type: int | None = None
    task_codes: tuple[str, ...] = ()
    application_type: str = ""
    to_places: tuple[str, ...] = ()
    business: Business | None = None
    attachments: tuple[AttachmentContent, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """`at` is aware and written in Vietnam's time; `response_for.organ_id` is where it goes."""

    sender: Party
    response_for: ResponseFor
    status_code: str
    description: str
    at: datetime
    staff: Staff = Staff()

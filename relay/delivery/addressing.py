"""To whom: an envelope's recipients in directory codes, and what becomes of each.

Touches: the journal, only to find the other party of a status.
Trusts:  the directory; codes in documents and headers are hostile.
Raises:  EnvelopeError for text that is no code, RouteError when a status has nobody to go to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from relay.delivery.records import Journal, OtherParty, Report
from relay.errors import RouteError
from relay.model import AgencyCode, Envelope, MessageType, Priority, ResponseFor
from relay.routing.directory import Directory


@dataclass(frozen=True, slots=True)
class Addressed:
    """One recipient: the directory's code, and what the sender wrote."""

    code: AgencyCode
    written: str
    instead_of: AgencyCode | None = None
    """The closed code that was named, where this is its successor."""


@dataclass(frozen=True, slots=True)
class Address:
    recipients: tuple[Addressed, ...]
    priority: Priority
    report: Report | None


async def address(
    directory: Directory,
    journal: Journal,
    envelope: Envelope,
    sender: AgencyCode,
    declared: tuple[str, ...] | None,
) -> Address:
    """Where a submitted envelope goes: header `to`, else the document's own word for it."""
    if envelope.message_type is MessageType.DOCUMENT:
        written = declared or tuple(p.organ_id for p in envelope.recipients if p.organ_id)
        if not written:
            raise RouteError("the document names no recipient")
        return Address(_resolved(directory, written), envelope.priority, None)
    return await _address_status(directory, journal, envelope, sender, declared)


async def _address_status(
    directory: Directory,
    journal: Journal,
    envelope: Envelope,
    sender: AgencyCode,
    declared: tuple[str, ...] | None,
) -> Address:
    """Header `to`, else ResponseFor/OrganId; if that is unknown or the sender itself, the other
    party of the document it speaks of. A status goes in its document's lane."""
    about = envelope.response_for[0]
    itself = directory.aliases(sender)
    document = await journal.parties(about.document_id, about.code, about.promulgation_date, itself)
    priority = envelope.priority if document is None else document.priority
    if declared:
        recipients = _resolved(directory, declared)
    else:
        recipients = _answering(directory, about, sender, itself, document)
    return Address(recipients, priority, report_of(directory, envelope, sender, recipients))


def _answering(
    directory: Directory,
    about: ResponseFor,
    sender: AgencyCode,
    itself: frozenset[str],
    document: OtherParty | None,
) -> tuple[Addressed, ...]:
    """`itself`: every code that names the sender, for documents may have come under another of them."""
    agency = directory.find(about.organ_id)
    if agency is not None and agency.code != sender:
        return (Addressed(agency.code, about.organ_id),)
    if document is not None:
        is_ours = document.sender in itself
        others = list(document.recipients) if is_ours else [document.sender]
        if others:
            return tuple(Addressed(code, code) for code in others)
    if agency is None and about.organ_id:
        return _resolved(directory, (about.organ_id,))
    raise RouteError("the status names nobody but its sender", [sender])


def report_of(
    directory: Directory, envelope: Envelope, sender: AgencyCode, to: Iterable[Addressed]
) -> Report | None:
    """What a status message says, for matching it with its document."""
    if envelope.status is None:
        return None
    about = envelope.response_for[0]
    agency = directory.find(about.organ_id)
    other = agency.code if agency is not None else None
    if other is None or other == sender:
        other = next((one.code for one in to), sender)
    return Report(
        status_code=envelope.status.status_code,
        organ_id=other,
        document_id=about.document_id,
        notation=about.code,
        promulgation_date=about.promulgation_date,
        description=envelope.status.description,
        reported_at=envelope.status.timestamp,
    )


def _resolved(directory: Directory, written: Iterable[str]) -> tuple[Addressed, ...]:
    """Each agency once, however often and in whichever form it is named."""
    found: dict[AgencyCode, Addressed] = {}
    for text in written:
        code = directory.resolve(text)
        found.setdefault(code, Addressed(code, text.strip()))
    return tuple(found.values())

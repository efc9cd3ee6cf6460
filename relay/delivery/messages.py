"""A message as the journal is given it: what its envelope says, what it asks, whom it speaks of.

One maker for all four ways in: handed in (acceptance.py), carried here (arrivals.py), over a bridge
(bridges/entering.py), given back after a restore (recovery/readmitting.py).

Touches: nothing. Trusts: the directory; the envelope is hearsay. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from relay.delivery.addressing import Addressed
from relay.delivery.directory.succession import kin_of
from relay.delivery.records import Kin, NewMessage, Report, Stated
from relay.delivery.requests import Deadlines, requests_of
from relay.envelope.dates import read_date
from relay.envelope.document_types import document_type_of
from relay.model import (
    AgencyCode,
    Envelope,
    Finding,
    MessageId,
    NodeId,
    Payload,
    Priority,
    Seal,
)
from relay.routing.directory import Directory
from relay.routing.next_hop import Place

_FIRST_DAY = date(1970, 1, 1)


class Reading(Protocol):
    """By what an envelope is read; every desk that takes one in has it."""

    @property
    def directory(self) -> Directory: ...
    @property
    def place(self) -> Place: ...
    @property
    def deadlines(self) -> Deadlines: ...


def message_of(
    desk: Reading,
    envelope: Envelope,
    payload: Payload,
    recipients: Sequence[Addressed],
    *,
    message_id: MessageId,
    origin: NodeId,
    sender: AgencyCode,
    priority: Priority,
    accepted_at: datetime,
    expires_at: datetime,
    findings: Iterable[Finding],
    submitted_by: str | None,
    seal: Seal | None,
    report: Report | None,
    now: datetime | None = None,
) -> NewMessage:
    """`now` where it is not when it was accepted."""
    at = now or accepted_at
    return NewMessage(
        message_id=message_id,
        origin=origin,
        message_type=envelope.message_type,
        sender=sender,
        sender_as=envelope.sender.organ_id,
        payload=payload,
        priority=priority,
        accepted_at=accepted_at,
        expires_at=expires_at,
        subject=envelope.subject,
        notation=envelope.notation,
        document_id=envelope.document_id,
        promulgation_date=envelope.promulgation_date,
        findings=tuple(findings),
        submitted_by=submitted_by,
        seal=seal,
        report=report,
        requests=requests_of(desk.directory, desk.deadlines, envelope, message_id, recipients, at),
        kin=_kin(desk, sender, envelope.sender.organ_id, recipients, report),
        stated=stated_of(envelope),
    )


def stated_of(envelope: Envelope) -> Stated:
    return Stated(
        document_type_of(envelope.document_type),
        envelope.paper,
        _day(envelope.promulgation_date),
        _day(envelope.due_date),
    )


def _day(text: str) -> int | None:
    """In days since 1970; None for what is no date."""
    at = read_date(text)
    return None if at is None else (at.date() - _FIRST_DAY).days


def _kin(
    desk: Reading,
    sender: AgencyCode,
    written: str,
    recipients: Iterable[Addressed],
    report: Report | None,
) -> Kin:
    """Who stands for whom by this node's directory. A sender that it does not list is one with the code that
    its document has for it: a fuller directory above joined the two, and was believed (standing.py)."""
    named = [sender, *(one.code for one in recipients)]
    if report is not None:
        named.append(AgencyCode(report.organ_id))
    found = kin_of(desk.directory, desk.place, named)
    itself = frozenset({sender, desk.directory.resolve(written)})
    if sender in found or len(itself) == 1:
        return found
    return {**found, **dict.fromkeys(itself, itself)}

"""What a message asks of its recipients about an earlier document: take back, revoke, update, replace.

Each becomes an obligation of one agency, with a deadline that runs from when the message was accepted
at its origin, so that it is the same instant at every node of the same configuration. The message itself is
carried as any other, and but for a take-back nothing happens to the earlier one (W10.9).

Touches: nothing. Trusts: the directory; what the document says is hostile. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from relay.delivery.addressing import Addressed
from relay.delivery.records import Request
from relay.envelope.statuses import find
from relay.errors import EnvelopeError
from relay.model import (
    AgencyCode,
    BusinessInfo,
    Envelope,
    MessageId,
    ObligationKind,
    ResponseFor,
    minted_ms,
)
from relay.routing.directory import Directory

TAKE_BACK = "13"
REVOKE, UPDATE, REPLACE = 1, 2, 3
_NOTHING = ResponseFor("")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a recipient has for its answer (15 or 16)."""

    take_back: timedelta = timedelta(days=3)
    revoke: timedelta = timedelta(days=3)
    update: timedelta = timedelta(days=7)
    replace: timedelta = timedelta(days=7)

    def of(self, kind: ObligationKind) -> timedelta:
        return {
            ObligationKind.TAKE_BACK: self.take_back,
            ObligationKind.REVOKE: self.revoke,
            ObligationKind.UPDATE: self.update,
            ObligationKind.REPLACE: self.replace,
            ObligationKind.DESTROY: self.revoke,
        }[kind]


DEADLINES = Deadlines()


@dataclass(frozen=True, slots=True)
class _Asked:
    kind: ObligationKind
    recipient: AgencyCode
    about: ResponseFor


def requests_of(
    directory: Directory,
    deadlines: Deadlines,
    envelope: Envelope,
    message_id: MessageId,
    to: Iterable[Addressed],
    now: datetime,
) -> tuple[Request, ...]:
    """Each kind, agency and document once. `to` are the recipients of the message known here."""
    if envelope.status is None and envelope.business is None:
        return ()
    codes = tuple(one.code for one in to)
    asked = dict.fromkeys(_asked(directory, envelope, codes))
    seconds = min(minted_ms(message_id), int(now.timestamp() * 1000)) / 1000
    at = datetime.fromtimestamp(seconds, UTC)
    return tuple(_request(one, at, at + deadlines.of(one.kind)) for one in asked)


def _request(one: _Asked, at: datetime, due: datetime) -> Request:
    about = one.about
    return Request(
        one.kind, one.recipient, about.document_id, about.code, about.promulgation_date, at, due
    )


def _asked(
    directory: Directory, envelope: Envelope, to: tuple[AgencyCode, ...]
) -> Iterator[_Asked]:
    if envelope.status is not None:
        row = find(envelope.status.status_code)
        if row is not None and row.code == TAKE_BACK:
            about = spelt_out(envelope.response_for[0])
            yield from (_Asked(ObligationKind.TAKE_BACK, code, about) for code in to)
    elif envelope.business is not None:
        yield from _by_document(directory, envelope, envelope.business, to)


def _by_document(
    directory: Directory, envelope: Envelope, info: BusinessInfo, to: tuple[AgencyCode, ...]
) -> Iterator[_Asked]:
    about = _earlier(envelope, info.document_id)
    if envelope.operation == REVOKE:
        yield from (_Asked(ObligationKind.REVOKE, code, about) for code in to)
    elif envelope.operation == UPDATE:
        removed, added = _codes(directory, info.removed), _codes(directory, info.added)
        yield from (_Asked(ObligationKind.DESTROY, code, about) for code in removed)
        told = removed | added
        stay = (code for code in to if directory.resolve(code) not in told)
        yield from (_Asked(ObligationKind.UPDATE, code, about) for code in stay)
    elif not info.replaced:
        yield from (_Asked(ObligationKind.REPLACE, code, about) for code in to)
    else:
        for one in info.replaced:
            about = spelt_out(ResponseFor("", document_id=one.document_id))
            for code in _codes(directory, one.organ_ids):
                yield _Asked(ObligationKind.REPLACE, code, about)


def _earlier(envelope: Envelope, document_id: str) -> ResponseFor:
    """The document that is spoken of: Bussiness/DocumentId, else the first ResponseFor."""
    about = envelope.response_for[0] if envelope.response_for else _NOTHING
    if not document_id or document_id == about.document_id:
        return spelt_out(about)
    return spelt_out(ResponseFor(about.organ_id, document_id=document_id))


def spelt_out(about: ResponseFor) -> ResponseFor:
    """With number and date out of an id of the standard's form "CODE,yyyy/MM/dd,NUMBER/NOTATION"."""
    parts = about.document_id.split(",")
    if about.code or len(parts) != 3:
        return ResponseFor("", about.code, about.document_id, about.promulgation_date)
    return ResponseFor("", parts[2].strip(), about.document_id, parts[1].strip())


def _codes(directory: Directory, written: Iterable[str]) -> dict[AgencyCode, None]:
    """In the directory's form; what is no code is nobody."""
    found: dict[AgencyCode, None] = {}
    for text in written:
        try:
            found[directory.resolve(text)] = None
        except EnvelopeError:
            continue
    return found

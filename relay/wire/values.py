"""The text forms of ids, codes, digests, numbers and instants inside the wire documents.

Each is a pattern, of which the readers build the grammar of a whole document, and a check that names
what is wrong with one text. No pattern can match in two ways, so none is slow on hostile text.

Touches: nothing.
Trusts:  nothing; writers and readers go through the same checks, so what can be written can be read.
Raises:  WireError, naming the field and at most forty characters of its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar

import pybase64

from relay.errors import WireError
from relay.model import AgencyCode, Digest, Event, MessageType, NodeId, Priority, Reason

T = TypeVar("T")

NAMESPACE = "urn:truc-relay:wire:1"

NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
AGENCY_CODE = re.compile(r"(?=[A-Z0-9.]{1,35}(?![A-Z0-9.]))[A-Z0-9]+(?:\.[A-Z0-9]+)*")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
DIGEST = re.compile(r"[0-9a-f]{64}")
COUNT = re.compile(r"0|[1-9][0-9]{0,15}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
INSTANT = re.compile(_INSTANT.pattern.replace("T[0-9]{2}", "T(?:[01][0-9]|2[0-3])"))
"""Without the hour 24, which is a time to some but never written."""

DETAIL_LIMIT = 256
"""Characters of free text. With it, a receipt for the most recipients stays under its limit."""
_UNFIT_CHARACTERS = (
    "\x00-\x1f\x7f-\x9f"  # control characters: no line breaks, nothing XML forbids
    "\u2028\u2029"  # line and paragraph separators
    "\u202a-\u202e\u2066-\u2069"  # reversals of direction, which make operators read another text
    "\ud800-\udfff\ufffe\uffff"  # no characters at all
)
_UNFIT = re.compile(f"[{_UNFIT_CHARACTERS}]")
DETAIL = re.compile(
    f"(?:[^<>&{_UNFIT_CHARACTERS}]|&amp;|&lt;|&gt;){{1,{DETAIL_LIMIT}}}",
)
"""Escaped, as it stands in a document."""

EVENT_URIS = {event: event.uri for event in Event}
_EVENTS = {uri: event for event, uri in EVENT_URIS.items()}
_MESSAGE_TYPES = {word.value: word for word in MessageType}
_REASONS = {word.value: word for word in Reason}
_PRIORITIES = {str(level.value): level for level in Priority}


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words)))


EVENT = _any_of(_EVENTS)
MESSAGE_TYPE = _any_of(_MESSAGE_TYPES)
REASON = _any_of(_REASONS)
PRIORITY = _any_of(_PRIORITIES)


def element(name: str, text: re.Pattern[str]) -> str:
    """The pattern of an element with such a text, which is its one group."""
    return f"<{name}>({text.pattern})</{name}>"


def optional(name: str, text: re.Pattern[str]) -> str:
    return f"(?:{element(name, text)})?"


def shown(text: str) -> str:
    """Hostile text as it may stand in a message: short and in ASCII."""
    return ascii(text if len(text) <= 40 else text[:40] + "…")


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text) is None:
        raise WireError(f"{what} {shown(text)} is not of the required form")
    return text


def uuid7(text: str, what: str) -> str:
    return _checked(UUID7, text, what)


def node(text: str, what: str) -> NodeId:
    return NodeId(_checked(NODE_ID, text, what))


def agency(text: str, what: str) -> AgencyCode:
    return AgencyCode(_checked(AGENCY_CODE, text, what))


def digest(text: str, what: str) -> Digest:
    return Digest(_checked(DIGEST, text, what))


def count(text: str, what: str) -> int:
    """A size in bytes: decimal, no leading zero, under 10^16."""
    return int(_checked(COUNT, text, what))


def check_count(number: int, what: str) -> None:
    _checked(COUNT, str(number), what)


def instant(text: str, what: str) -> datetime:
    """RFC 3339 in UTC with exactly three decimals: 2026-11-23T04:05:06.123Z."""
    try:
        return datetime.fromisoformat(_checked(_INSTANT, text, what))
    except ValueError:
        raise WireError(f"{what} {shown(text)} is no date and time") from None


def check_instant(at: datetime, what: str) -> None:
    """Refuses naive instants and fractions of a millisecond: they would not come back equal."""
    if at.tzinfo is None or at.microsecond % 1000:
        raise WireError(f"{what} {at.isoformat()} is not an aware instant in whole milliseconds")


def instant_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat("T", "milliseconds")[:-6] + "Z"


def event(text: str) -> Event:
    return _one_of(_EVENTS, text, "Event")


def message_type(text: str) -> MessageType:
    return _one_of(_MESSAGE_TYPES, text, "MessageType")


def reason(text: str) -> Reason:
    return _one_of(_REASONS, text, "Reason")


def priority(text: str) -> Priority:
    return _one_of(_PRIORITIES, text, "Priority")


def _one_of(words: dict[str, T], text: str, what: str) -> T:
    try:
        return words[text]
    except KeyError:
        raise WireError(f"{what} {shown(text)} is not a known word") from None


def fit_detail(text: str) -> str:
    """Any text made fit for Evidence.detail: unfit characters become spaces, the rest is cut."""
    return _UNFIT.sub(" ", text[:DETAIL_LIMIT])


def detail(text: str) -> str:
    if len(text) > DETAIL_LIMIT:
        raise WireError(f"Detail has {len(text)} characters, limit {DETAIL_LIMIT}")
    if _UNFIT.search(text):
        raise WireError("Detail holds a character that is not allowed there")
    return text


def unbase64(text: bytes, what: str, limit_bytes: int) -> bytes:
    """Base64 in its one form, of no more bytes than that."""
    try:
        decoded = pybase64.b64decode(text, validate=True)
    except ValueError:
        raise WireError(f"{what} is not base64") from None
    if pybase64.b64encode(decoded) != text:
        raise WireError(f"{what} is not in canonical base64")
    if len(decoded) > limit_bytes:
        raise WireError(f"{what} of {len(decoded)} bytes, limit {limit_bytes} bytes")
    return decoded


def escaped(text: str) -> str:
    """Character data in canonical form; carriage returns never get this far."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")

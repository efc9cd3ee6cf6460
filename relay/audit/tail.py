"""One line an entry, for people who follow the log.

Touches: nothing.
Trusts:  nothing: texts in an entry may be hostile, so nothing unprintable reaches the terminal.
Raises:  AuditError for an entry without a readable time.

    2026-11-23 18:53:00.125 +07:00  message-accepted  H01.2 → H37.DN.001  0190f0a0-…  digest=9f86d081…
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final

from relay.audit.entries import AuditEvent, moment
from relay.audit.words import DIGEST, WORDS

VIETNAM: Final = timezone(timedelta(hours=7))
VALUE_LIMIT: Final = 120
LIST_LIMIT: Final = 3
EVENT_WIDTH: Final = max(map(len, AuditEvent))

_RESET, _DIM, _RED, _GREEN, _YELLOW, _CYAN = (
    f"\x1b[{code}m" for code in ("0", "2", "31", "32", "33", "36")
)
_COLOURS: Final[dict[str, str]] = {
    AuditEvent.TRANSFER_REFUSED: _RED,
    AuditEvent.DELIVERY_FAILED: _RED,
    AuditEvent.DELIVERY_EXPIRED: _RED,
    AuditEvent.CONFLICT_ALERT: _RED,
    AuditEvent.PEER_REFUSED: _YELLOW,
    AuditEvent.REFUSED_SUMMARY: _YELLOW,
    AuditEvent.TRANSFER_POSTPONED: _YELLOW,
    AuditEvent.LATE_RECEIPT: _YELLOW,
    AuditEvent.DELIVERY_AVAILABLE: _GREEN,
    AuditEvent.DELIVERY_FETCHED: _GREEN,
    AuditEvent.DELIVERY_ACKNOWLEDGED: _GREEN,
}
_SHOWN_ELSEWHERE: Final = frozenset(
    {"v", "at", "event", "node", "sender", "recipient", "recipients", "message"}
)
_DIGESTS: Final = frozenset({"digest", "receipt", "previous", "certificate", "config", *WORDS})
"""Shown by their beginning; who and why where the words beside the leaf are gone."""


def line(entry: Mapping[str, Any], colour: bool, zone: tzinfo = VIETNAM) -> str:
    """The entry on one line, without its newline: time in `zone`, event, who to whom, the rest."""
    event = _text(entry.get("event", "?"))
    parts = [
        _painted(_time(entry, zone), _DIM, colour),
        _painted(event.ljust(EVENT_WIDTH), _COLOURS.get(event, _CYAN), colour),
        *_parties(entry),
    ]
    if "message" in entry:
        parts.append(_text(entry["message"]))
    parts.extend(
        f"{_painted(_text(name) + '=', _DIM, colour)}{_field(name, entry[name])}"
        for name in sorted(entry)
        if name not in _SHOWN_ELSEWHERE
    )
    return "  ".join(parts).rstrip()


def _time(entry: Mapping[str, Any], zone: tzinfo) -> str:
    at = moment(str(entry.get("at", "")))
    try:
        at = at.astimezone(zone)
    except OverflowError:
        # The first and last hours of the calendar have no local time everywhere.
        at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} {_offset(at)}"


def _offset(at: datetime) -> str:
    return at.isoformat()[-6:]


def _parties(entry: Mapping[str, Any]) -> Iterator[str]:
    sender = entry.get("sender", "")
    recipients = entry.get("recipient", entry.get("recipients", ""))
    if sender or recipients:
        yield f"{_shown(sender)} → {_shown(recipients)}".strip()


def _field(name: str, value: object) -> str:
    shown = _shown(value)
    return f"{shown[:8]}…" if name in _DIGESTS and DIGEST.fullmatch(shown) else shown


def _shown(value: object) -> str:
    """A list by its first members and the count of the rest, each object by its fields."""
    if isinstance(value, (list, tuple)):
        more = f" +{len(value) - LIST_LIMIT}" if len(value) > LIST_LIMIT else ""
        return ",".join(_member(item) for item in value[:LIST_LIMIT]) + more
    return _text(value)


def _member(item: object) -> str:
    if not isinstance(item, Mapping):
        return _text(item)
    fields = (f"{_text(name)}={_field(name, item[name])}" for name in sorted(item, key=str))
    return f"({' '.join(fields)})"


def _text(value: object) -> str:
    """Printable and short: control characters, escapes and direction marks are written out."""
    text = str(value)
    cut = text[:VALUE_LIMIT] + "…" if len(text) > VALUE_LIMIT else text
    if cut.isprintable():
        return cut
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut
    )


def _painted(text: str, paint: str, colour: bool) -> str:
    return f"{paint}{text}{_RESET}" if colour else text

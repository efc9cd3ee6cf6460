"""The dates of edXML: kept as text, judged strictly.

Written is yyyy/MM/dd, with HH:mm:ss for an instant, in Vietnam's time without a zone. Other orders
and separators, impossible days and empty texts are met; none of them is repaired.

Touches: nothing.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from relay.envelope.findings import Findings, quoted

VIETNAM = timezone(timedelta(hours=7))

_TIME = r"(?:[ T](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2}))?"
_WRITTEN = re.compile(r"(?P<year>[0-9]{4})/(?P<month>[0-9]{2})/(?P<day>[0-9]{2})" + _TIME)
_MET = (
    re.compile(r"(?P<day>[0-9]{1,2})[/-](?P<month>[0-9]{1,2})[/-](?P<year>[0-9]{4})" + _TIME),
    re.compile(r"(?P<year>[0-9]{4})[/-](?P<month>[0-9]{1,2})[/-](?P<day>[0-9]{1,2})" + _TIME),
)


_LONGEST = len("yyyy/MM/dd HH:mm:ss")
_OF_A_DAY = 1024
"""The documents of a day state the same few dates."""


def read_date(text: str) -> datetime | None:
    """The instant a text spells in any of the forms met, in Vietnam's time; None when it fails."""
    return _read(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=_OF_A_DAY)
def _read(text: str) -> datetime | None:
    for pattern in (_WRITTEN, *_MET):
        if match := pattern.fullmatch(text):
            return _instant(match)
    return None


def date_fault(text: str) -> str | None:
    """None for a date as edXML writes it, else a finding's code."""
    return _fault(text) if len(text) <= _LONGEST else "date-unreadable"


@lru_cache(maxsize=_OF_A_DAY)
def _fault(text: str) -> str | None:
    if not text:
        return "date-empty"
    written = _WRITTEN.fullmatch(text)
    if written:
        return None if _instant(written) else "date-impossible"
    if any(pattern.fullmatch(text) for pattern in _MET):
        return "date-format" if read_date(text) else "date-impossible"
    return "date-unreadable"


def remark_date(text: str, where: str, findings: Findings) -> None:
    """Add a finding when the text is not a date as written."""
    fault = date_fault(text)
    if fault:
        findings.add(fault, quoted(text), where)


def _instant(match: re.Match[str]) -> datetime | None:
    parts = match.group("year", "month", "day", "hour", "minute", "second")
    year, month, day, hour, minute, second = [int(part or 0) for part in parts]
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=VIETNAM)
    except ValueError:
        return None

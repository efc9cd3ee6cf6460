"""The dialect's three ways of writing a time, all in Vietnamese local time (UTC+7).

Touches: nothing.
Trusts:  nothing; every text is a client's.
Raises:  nothing; a text that is no time gives None.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

from relay.model import Finding
from relay.transport.axis.systems import Freshness, FreshnessPolicy

LOCAL = timezone(timedelta(hours=7))
NO_LIMIT = datetime.min.replace(tzinfo=UTC)
"""What a list's fromDate or toDate is on the first day there is: .NET's DateTime.MinValue, which clients send
for a date that nobody chose."""

_STAMP = re.compile(r"(\d\d)(\d\d)(\d{4})T(\d\d)(\d\d)(\d\d)\+(\d{4})", re.ASCII)
_BOUND = re.compile(
    r"(?:(?P<d>\d{1,2})([/.-])(?P<m>\d{1,2})\2(?P<y>\d{4})|(?P<Y>\d{4})([/-])(?P<M>\d{1,2})\6(?P<D>\d{1,2}))"
    r"(?:[ T](?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d{1,9})?)?)?",
    re.ASCII,
)


def parse_stamp(text: str) -> datetime | None:
    """ddMMyyyyTHHmmss+SSSS: what follows the plus is milliseconds filled to four, not a zone."""
    match = _STAMP.fullmatch(text)
    if match is None:
        return None
    day, month, year, hour, minute, second, milliseconds = map(int, match.groups())
    try:
        # Once per request, and strptime is five times slower.
        local = datetime(year, month, day, hour, minute, second, milliseconds * 1000, LOCAL)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_stamp(instant: datetime) -> str:
    local = instant.astimezone(LOCAL)
    return f"{local:%d%m%YT%H%M%S}+{local.microsecond // 1000:04d}"


def parse_bound(text: str, *, end: bool) -> datetime | None:
    """A list's fromDate or toDate: dd/MM/yyyy HH:mm:ss, and as vendors write it else: the day or the year
    first, with / or -, seconds left out; the whole day where the hour is left out. NO_LIMIT on 01/01/0001."""
    found = _BOUND.fullmatch(text.strip())
    if found is None:
        return None
    last = time.max if end else time.min
    year, month, day = (int(found[big] or found[small]) for big, small in ("Yy", "Mm", "Dd"))
    bare = found["hour"] is None
    hour, minute = (last.hour, last.minute) if bare else (int(found["hour"]), int(found["minute"]))
    second = last.second if found["second"] is None else int(found["second"])
    # The client counts whole seconds: what came within the last one belongs to it.
    rest = timedelta(seconds=1, microseconds=-1) if end else timedelta()
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=LOCAL)
        return NO_LIMIT if local.date() == date.min else (local + rest).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_time(instant: datetime | None) -> str:
    """dd/MM/yyyy HH:mm:ss, empty where there is no time."""
    return "" if instant is None else f"{instant.astimezone(LOCAL):%d/%m/%Y %H:%M:%S}"


def judge(text: str | None, freshness: Freshness, now: datetime) -> Finding | None:
    """What is odd about a signed timestamp; None when it is fresh, or nobody asks (A1.6)."""
    if freshness.policy is FreshnessPolicy.OFF:
        return None
    if text is None:
        return Finding("missing-timestamp", "no signed timestamp")
    at = parse_stamp(text)
    if at is None:
        return Finding("bad-timestamp", "the timestamp is not ddMMyyyyTHHmmss+SSSS")
    age = now - at
    if abs(age) > freshness.window:
        word = "old" if age > timedelta() else "in the future"
        return Finding("stale-timestamp", f"timestamp {abs(age)} {word}, limit {freshness.window}")
    return None

"""A point in time as people type it: an instant, a local date or time, or how long ago; and a period of them.

Touches: nothing.
Raises:  CommandError.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from relay.cli.outcome import USAGE, CommandError
from relay.cli.show import moment

_SPAN = re.compile(r"((?:[0-9]{1,6}[WD])*)((?:[0-9]{1,6}[HMS])*)", re.ASCII)
_HINT = "such as 2h, 3d, 1d12h, 2026-11-23, '2026-11-23 08:30' or 2026-11-23T08:30:00+07:00"


def instant_of(option: str, text: str, now: datetime) -> datetime:
    """`now` less the span, or the instant; what has no zone is Vietnam's time, as all that is shown."""
    from relay.audit.tail import VIETNAM  # noqa: PLC0415

    try:
        span = _span(text.upper())
        at = datetime.fromisoformat(text) if span is None else now - span
        at = at if at.tzinfo is not None else at.replace(tzinfo=VIETNAM)
        return at.astimezone(UTC).astimezone(VIETNAM)  # at an end of the calendar there is no such
    except (ValueError, OverflowError):
        raise CommandError(f"{option} {text[:40]!a} is no point in time", USAGE, _HINT) from None  # fmt: skip


def period_of(since: str | None, until: str | None, now: datetime) -> dict[str, str]:
    """What `--since` and `--until` name, by these names, as a node is asked: RFC 3339, in UTC.

    From the one on and before the other: a period in which nothing can lie is a mistake, not an empty answer.
    """
    found = {
        name: instant_of(f"--{name}", text, now) for name, text in _given(since, until).items()
    }
    if len(found) == 2 and found["since"] >= found["until"]:
        raise _nothing_between(*(moment(at.isoformat()) for at in found.values()))
    return {name: at.astimezone(UTC).isoformat() for name, at in found.items()}


def days_of(since: str | None, until: str | None) -> dict[str, str]:
    """The same of days, both of which count."""
    found = {name: _day(f"--{name}", text) for name, text in _given(since, until).items()}
    if len(found) == 2 and found["since"] > found["until"]:
        raise _nothing_between(*found.values())
    return {name: day.isoformat() for name, day in found.items()}


def _given(since: str | None, until: str | None) -> dict[str, str]:
    return {name: text for name, text in (("since", since), ("until", until)) if text is not None}


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{option} {text[:40]!a} is no day", USAGE, "such as 2026-11-23"
        ) from None


def _nothing_between(since: object, until: object) -> CommandError:
    said = f"--since {since} does not come before --until {until}: nothing lies between"
    return CommandError(said, USAGE, "are they the wrong way round?")


def _span(text: str) -> timedelta | None:
    """Of ISO 8601 (P1DT12H), or the same without its P and T. None for what is no span."""
    found = _SPAN.fullmatch(text)
    if not text.startswith("P") and (found is None or not text):
        return None
    from pydantic import TypeAdapter  # noqa: PLC0415 - slow to import, seldom needed

    if found is not None:
        text = f"P{found[1]}" + (f"T{found[2]}" if found[2] else "")
    return TypeAdapter(timedelta).validate_python(text)

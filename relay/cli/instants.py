"""A point in time as people type it: an instant, a local date or time, or how long ago.

Touches: nothing.
Raises:  CommandError.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from relay.cli.outcome import USAGE, CommandError

_SPAN = re.compile(r"((?:[0-9]{1,6}[WD])*)((?:[0-9]{1,6}[HMS])*)", re.ASCII)
_HINT = "such as 2h, 3d, 1d12h, 2026-11-23, '2026-11-23 08:30' or 2026-11-23T08:30:00+07:00"


def instant_of(option: str, text: str, now: datetime) -> datetime:
    """`now` less the span, or the instant; what has no zone is Vietnam's time, as all that is shown."""
    from relay.audit.tail import VIETNAM  # noqa: PLC0415

    try:
        span = _span(text.upper())
        at = datetime.fromisoformat(text) if span is None else now - span
        return at if at.tzinfo is not None else at.replace(tzinfo=VIETNAM)
    except (ValueError, OverflowError):
        raise CommandError(f"{option} {text[:40]!a} is no point in time", USAGE, _HINT) from None  # fmt: skip


def _span(text: str) -> timedelta | None:
    """Of ISO 8601 (P1DT12H), or the same without its P and T. None for what is no span."""
    found = _SPAN.fullmatch(text)
    if not text.startswith("P") and (found is None or not text):
        return None
    from pydantic import TypeAdapter  # noqa: PLC0415 - slow to import, seldom needed

    if found is not None:
        text = f"P{found[1]}" + (f"T{found[2]}" if found[2] else "")
    return TypeAdapter(timedelta).validate_python(text)

"""The events of the log as docs/audit-log.md lists them, and a watch that no test's entry says more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "audit-log.md"
_ROW = re.compile(r"\| `([a-z-]+)` \| (.+) \| (.*)\|")
_FRAME = {"v", "at", "event", "node"}


def documented() -> dict[str, frozenset[str]]:
    """The fields of each event."""
    events = PAGE.read_text("utf-8").partition("\n## Events\n")[2].partition("\n## ")[0]
    found = [_ROW.fullmatch(line) for line in events.splitlines()]
    return {one[1]: frozenset(re.findall("`([a-z_]+)`", one[3])) for one in found if one}


def undocumented(fields: Mapping[str, object], known: Mapping[str, frozenset[str]]) -> set[str]:
    """What an entry holds and the page does not list."""
    event = str(fields["event"])
    return set(fields) - _FRAME - known[event] if event in known else {event}

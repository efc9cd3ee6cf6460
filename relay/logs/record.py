"""A log line before it is written: bounded, plain, without anything that could forge another line.

Touches: nothing.
Trusts:  nothing that a field holds: what libraries and peers say ends up in lines.
Raises:  nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

TEXT_LIMIT: Final = 1000
EXCEPTION_LIMIT: Final = 8000
MEMBERS_LIMIT: Final = 32
FIRST: Final = ("timestamp", "level", "event", "logger", "node")
"""These members every line has, in this order; fields follow."""
JOINING: Final = ("request", "message", "transfer", "delivery", "neighbour")
"""Fields by which lines are found; wherever one is known it stands under this name."""


@dataclass(frozen=True, slots=True)
class Record:
    at_ns: int
    """Since 1970, by the system's clock."""
    level: str
    number: int
    """The level as logging counts it."""
    event: str
    logger: str
    fields: Mapping[str, Any]
    exception: str = ""


def timestamp(at_ns: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    return at.isoformat("T", "microseconds")[:-6] + "Z"


def plain(value: object, depth: int = 2) -> Any:
    """The value as JSON has it, texts cut and printable."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return text(value)
    if depth and isinstance(value, Mapping):
        few = list(value.items())[:MEMBERS_LIMIT]
        return {text(str(name), 64): plain(one, depth - 1) for name, one in few}
    if depth and isinstance(value, Iterable) and not isinstance(value, bytes):
        return [plain(one, depth - 1) for _, one in zip(range(MEMBERS_LIMIT), value, strict=False)]
    return text(str(value))


def text(value: str, limit: int = TEXT_LIMIT) -> str:
    """Cut, and with every character written out that would move a cursor, end a line or turn its direction."""
    cut = value if len(value) <= limit else value[:limit] + "…"
    if cut.isprintable():
        return str.__str__(cut)
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut
    )


def members(record: Record, node: str) -> dict[str, Any]:
    """The line as one object, in the order it is written in."""
    frame = (timestamp(record.at_ns), record.level, record.event, record.logger, node)
    found = dict(zip(FIRST, frame, strict=True)) | dict(record.fields)
    if record.exception:
        found["exception"] = record.exception
    return found


def written(found: Mapping[str, Any]) -> bytes:
    """One JSON object in UTF-8, on one line, without its newline."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "backslashreplace"
    )

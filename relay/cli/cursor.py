"""Where a reader of the log goes on: the next index wanted, and of which log.

The log's name is part of it, for a node that was restored begins a new epoch: its indexes go on at a
span of their own, but a backup that was restored twice leads to two epochs of one number, which differ
in their names alone. So a cursor is looked at anew after each silence (`found_again`), and whoever
reads by it misses nothing of either.

Touches: the cursor's file, if one is kept; the node.
Trusts:  nothing in the file.
Raises:  CommandError for a file that holds no cursor, of another node, or past the end of the log; what
         the node answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from relay.cli.outcome import DATA, USAGE, CommandError

if TYPE_CHECKING:
    from relay.cli.client import NativeClient

_FILE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Cursor:
    log: str
    """The origin of the log's heads in the epoch of the entry before `next`."""
    next: int


def read_cursor(path: Path) -> Cursor | None:
    """None where there is no such file yet."""
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_FILE_BYTES))
        found = Cursor(value["log"], value["next"])
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise _no_cursor(path) from None
    if not isinstance(found.log, str) or type(found.next) is not int or found.next < 0:
        raise _no_cursor(path)
    return found


def _no_cursor(path: Path) -> CommandError:
    return CommandError(
        f"{path} holds no cursor", DATA, "another file, or none: one is begun there"
    )


def keep_cursor(path: Path, cursor: Cursor) -> None:
    """Whole or not at all, whenever the process dies."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump({"log": cursor.log, "next": cursor.next}, file)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


async def moved(client: NativeClient, cursor: Cursor, following: int) -> Cursor:
    """The cursor at another index; where that is in another epoch, with the name of its log."""
    from relay.audit.epochs import SPAN, epoch_of  # noqa: PLC0415

    if following <= cursor.next:
        return cursor
    if (following - 1) // SPAN == epoch_of(cursor.log).number:
        return replace(cursor, next=following)
    entry = await client.get(f"/v1/audit/entries/{following - 1}")
    return Cursor(str(entry["log"]), following)


async def found_again(
    client: NativeClient, cursor: Cursor | None, say: Callable[[str], None]
) -> Cursor:
    """The cursor in the log as it is now; without one, at the log's end."""
    from relay.audit.checkpoint import head_of  # noqa: PLC0415
    from relay.audit.epochs import epoch_of, first_index, size_of  # noqa: PLC0415

    note = await client.get_bytes("/v1/audit/head")
    log, size = head_of(note).origin, size_of(note)
    if cursor is None:
        return Cursor(log, size)
    was, now = epoch_of(cursor.log).number, epoch_of(log).number
    if _whose(cursor.log) != _whose(log):
        raise CommandError(f"the cursor is of {cursor.log}, this node's log is {log}", USAGE)
    if cursor.log == log and cursor.next > size:
        raise CommandError(
            f"the log ends before entry {size}, the cursor says {cursor.next}: it lost entries",
            DATA,
            "relay audit verify at the node; --after shows what there is",
        )
    if cursor.log == log or (was < now and await _leads_on(client, cursor, say)):
        return cursor
    again = first_index(min(was, now))
    say(f"the log has another history than the cursor's: shown again from entry {again}")
    first = await client.get(f"/v1/audit/entries/{again}")
    return Cursor(str(first["log"]), again)


async def _leads_on(client: NativeClient, cursor: Cursor, say: Callable[[str], None]) -> bool:
    """Whether the epoch after the cursor's names the cursor's log as the one before it."""
    from relay.audit.epochs import epoch_of, first_index  # noqa: PLC0415

    was = epoch_of(cursor.log).number
    opening = (await client.get(f"/v1/audit/entries/{first_index(was + 1)}"))["entry"]
    if opening.get("previous_log") != cursor.log:
        return False
    end = first_index(was) + int(opening.get("previous_size", 0))
    if end < cursor.next:
        say(f"the node was restored: entries {end} to {cursor.next - 1} are no longer in its log")
    return True


def _whose(log: str) -> str:
    """The log's name without its epoch."""
    from relay.audit.checkpoint import ORIGIN_PREFIX  # noqa: PLC0415

    return log.removeprefix(ORIGIN_PREFIX).partition("/")[0]

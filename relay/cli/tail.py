"""`relay audit tail`: the entries that are wanted, one a line, as the log grows.

Touches: stdout, stderr, the node, the cursor's file.
Trusts:  nothing it shows (audit/tail.py).
Raises:  CommandError, and what the node answers. While following, a connection that breaks is made again.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.cursor import Cursor, found_again, keep_cursor, moved, read_cursor
from relay.cli.instants import instant_of
from relay.cli.outcome import NO_INPUT, TEMPORARY, UNAVAILABLE, USAGE, CommandError, remark
from relay.errors import JournalError, TransportError

if TYPE_CHECKING:
    import aiohttp

    from relay.cli.client import NativeClient

_PAGE = 1000
_LINES = 20
_FIRST_AGAIN_SECONDS = 0.5
_LAST_AGAIN_SECONDS = 30.0
_EVENT_BYTES = 1 << 20
"""Over the largest leaf, however its words are written."""

Entry = dict[str, Any]
"""As a page has it: `index`, `entry` and what the node says beside them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted, and where a first run begins."""

    filters: Mapping[str, Sequence[str]]
    after: int | None
    since: datetime | None
    lines: int | None

    def begins_by(self, one: Entry) -> bool:
        """Whether it lies where the first run begins, or behind."""
        if self.since is not None:
            return datetime.fromisoformat(one["entry"]["at"]) >= self.since
        return self.after is None or one["index"] >= self.after


@reaching
def tail(
    node: Connection,
    after: Annotated[
        int | None, typer.Option(min=0, help="Index of the first entry wanted; else the last ones.")
    ] = None,
    lines: Annotated[
        int | None,
        typer.Option(
            "--lines",
            "-n",
            min=0,
            max=_PAGE,
            help=f"Only so many of the last ones; {_LINES} where nothing says where to begin.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new entries.")] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="From then on: 2h, 3d, 2026-11-23, an RFC 3339 instant."),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this event, or all that begin so (delivery); several: any of them."
        ),
    ] = None,
    agency: Annotated[
        list[str] | None, typer.Option(help="Only what names this code; several: any of them.")
    ] = None,
    message: Annotated[str | None, typer.Option(help="Only what is about this message.")] = None,
    with_node: Annotated[
        list[str] | None,
        typer.Option("--node", help="Only what names this other node; several: any of them."),
    ] = None,
    cursor: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Go on where the last run with this file ended."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print entries of the log, one a line."""
    if after is not None and since is not None:
        raise CommandError("--after and --since cannot both be given", USAGE)
    if cursor is not None and not cursor.parent.is_dir():  # it would all be shown again
        raise CommandError(f"{cursor.parent}: no such folder", NO_INPUT)
    moment = None if since is None else instant_of("--since", since, datetime.now(UTC))
    one = None if message is None else [message]
    filters = {"event": event, "agency": agency, "node": with_node, "message": one}
    given = {name: values for name, values in filters.items() if values}
    printer = Printer(as_json, colour=not as_json and _colourful())
    asyncio.run(_tail(node, Asked(given, after, moment, lines), printer, cursor, follow))


def _colourful() -> bool:
    """On a terminal that shows colours, unless its user wants none (no-color.org)."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and sys.stdout.isatty()


@dataclass(frozen=True, slots=True)
class Printer:
    as_json: bool
    colour: bool

    def show(self, entries: Sequence[Entry]) -> None:
        """On the reader's side before it returns, as far as that is ours."""
        sys.stdout.write("".join(f"{self._line(one)}\n" for one in entries))
        sys.stdout.flush()

    def _line(self, one: Entry) -> str:
        from relay.audit.tail import line  # noqa: PLC0415
        from relay.audit.words import replaced  # noqa: PLC0415

        if self.as_json:
            return json.dumps(one, ensure_ascii=False)
        shown = replaced(one["entry"], one.get("words", {}))
        return f"{one['index']:>8}  {line(shown, self.colour)}"


async def _tail(
    node: Connection, asked: Asked, printer: Printer, file: Path | None, follow: bool
) -> None:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        kept = None if file is None else read_cursor(file)
        reading = Reading(client, asked, printer, file, await found_again(client, kept, remark))
        await reading.begin(resumed=kept is not None)
        if follow:
            await reading.follow()


@dataclass(slots=True)
class Reading:
    """One reader on its way through the log; where it is, is kept after each page it has shown."""

    client: NativeClient
    asked: Asked
    printer: Printer
    file: Path | None
    cursor: Cursor
    failures: int = 0
    """To connect, in a row."""

    async def begin(self, *, resumed: bool) -> None:
        """What there is by now."""
        asked = self.asked
        start: dict[str, str] = {}
        lines = asked.lines
        if lines is None and asked.after is None and asked.since is None:
            lines = _LINES
        if not resumed and lines is not None:
            page = await self._page(last=lines)
            await self._show([one for one in page["entries"] if asked.begins_by(one)], page["next"])
            return
        if not resumed:
            self.cursor = Cursor(self.cursor.log, asked.after or 0)
            start = {} if asked.since is None else {"since": asked.since.isoformat()}
        while True:
            page = await self._page(after=self.cursor.next, limit=_PAGE, **start)
            await self._show(page["entries"], page["next"])
            start = {}
            if not page["more"]:
                return

    async def follow(self) -> None:
        """What comes. Never ends by itself; a node that is away is waited for."""
        while True:
            said = "it ended"
            try:
                await self._follow()
            except (TransportError, JournalError) as error:
                said = str(error)
            except CommandError as error:
                if error.exit_code not in {UNAVAILABLE, TEMPORARY}:
                    raise
                said = str(error)
            self.failures += 1
            if self.failures == 1:
                remark(f"the connection is lost: {said}; going on from entry {self.cursor.next}")
            await asyncio.sleep(_again_after(self.failures))

    async def _follow(self) -> None:
        if self.failures:
            self.cursor = await found_again(self.client, self.cursor, remark)
        events = {"Accept": "text/event-stream"}
        async with self.client.open(
            "/v1/audit", events, after=self.cursor.next, **self.asked.filters
        ) as response:
            self.failures = 0
            async for entries, following in _arrived(response):
                await self._show(entries, following)

    async def _page(self, **query: str | int) -> dict[str, Any]:
        return await self.client.get("/v1/audit", **query, **self.asked.filters)

    async def _show(self, entries: Sequence[Entry], following: int) -> None:
        if entries:
            self.printer.show(entries)
        before, self.cursor = self.cursor, await moved(self.client, self.cursor, following)
        if self.file is not None and (self.cursor != before or not self.file.exists()):
            keep_cursor(self.file, self.cursor)


def _again_after(failures: int) -> float:
    """Seconds; longer each time, and never the same for all who lost it together."""
    longest = min(_LAST_AGAIN_SECONDS, _FIRST_AGAIN_SECONDS * 2 ** min(failures - 1, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311


async def _arrived(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[list[Entry], int]]:
    """What came together: entries, and where to go on after them."""
    waiting, index = b"", -1
    entries: list[Entry] = []
    beside: Entry = {}
    async for chunk in response.content.iter_any():
        *complete, waiting = (waiting + chunk).split(b"\n\n")
        if len(waiting) > _EVENT_BYTES:
            raise TransportError(f"an event over {_EVENT_BYTES >> 20} MiB")
        for event in complete:
            fields = dict(line.partition(b": ")[::2] for line in event.split(b"\n"))
            if b"id" in fields:
                index = int(fields[b"id"])
            if fields.get(b"event") == b"words":
                beside = json.loads(fields[b"data"])
            elif b"data" in fields:
                entries.append({**beside, "index": index, "entry": json.loads(fields[b"data"])})
                beside = {}
        if index >= 0:
            yield entries, index + 1
            entries = []

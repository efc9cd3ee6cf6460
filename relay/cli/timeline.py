"""The timeline of a message at a terminal: a tree of nodes, under each what happened there and who says so.

Touches: stdout; the node for a live one.
Trusts:  nothing of the node's answer: it is shown printable, and a stream's events are bounded.
Raises:  UnansweredError where a live timeline breaks off, and what the node answers.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import typer

from relay.cli.connect import segment
from relay.cli.show import ZONE, local, moment, printable, show_table
from relay.errors import UnansweredError

if TYPE_CHECKING:
    from relay.cli.client import NativeClient

_SHOWN_RECIPIENTS = 3
_EVENT_BYTES = 64 << 20
Json = dict[str, Any]


def show_timeline(found: Json) -> None:
    for depth, stay in _stays(found["way"]):
        typer.echo(f"\n{_heading(stay, depth)}")
        show_table(
            (f"  AT ({ZONE})", "WHAT", "", "BY", "RECEIPT"),
            [_row(line, stay) for line in stay["lines"]],
            ids=(4,) if any(line["source"]["receipt"] for line in stay["lines"]) else (0,),
        )
    if found["entries_left_out"]:
        typer.echo("\nthere are more entries of this node's log: relay audit tail shows them")


class Following:
    """Prints of each timeline what those before it did not have."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def tell(self, found: Json) -> None:
        for _, stay in _stays(found["way"]):
            for line in stay["lines"]:
                name = json.dumps([stay["node"], stay["transfer_id"], line])
                if name not in self._seen:
                    self._seen.add(name)
                    typer.echo(_one_line(stay, line))


async def followed(client: NativeClient, message: str) -> AsyncIterator[Json]:
    """Each timeline of a live one, up to the last."""
    headers = {"Accept": "text/event-stream"}
    async with client.open(f"/v1/messages/{segment(message)}/trace", headers) as response:
        event, held = "", bytearray()
        async for chunk in response.content.iter_any():
            held += chunk
            if len(held) > _EVENT_BYTES:
                raise UnansweredError("an event of the live timeline is too large to be one")
            if b"\n" not in chunk:
                continue
            *lines, rest = bytes(held).split(b"\n")
            held = bytearray(rest)
            for line in lines:
                name, _, value = line.partition(b": ")
                if name == b"event":
                    event = value.decode("ascii", "replace")
                elif name == b"data" and event == "end":
                    return
                elif name == b"data" and event == "timeline":
                    yield json.loads(value)
    raise UnansweredError("the live timeline broke off before it was final")


def _stays(way: list[Json], depth: int = 0) -> Iterator[tuple[int, Json]]:
    for stay in way:
        yield depth, stay
        yield from _stays(stay["onward"], depth + 1)


def _heading(stay: Json, depth: int) -> str:
    known = {
        "none": ", without evidence",
        "missing": ", no receipt of its own is here",
        "header": ", by the header of the transfer that came here",
    }.get(stay["known"], "")
    branch = f"{'   ' * (depth - 1)}└─ " if depth else ""
    return f"{branch}{printable(stay['node'])}{known}, for {_codes(stay['recipients'])}"


def _codes(codes: list[str]) -> str:
    more = len(codes) - _SHOWN_RECIPIENTS
    shown = ", ".join(printable(code) for code in codes[:_SHOWN_RECIPIENTS])
    return f"{shown} and {more} more" if more > 0 else shown


def _row(line: Json, stay: Json) -> tuple[object, ...]:
    at = local(line["at"]) if line["at"] else "not known"
    return "  " + at, line["step"], _text(line, stay), _by(line), line["source"]["receipt"] or ""


def _one_line(stay: Json, line: Json) -> str:
    at = moment(line["at"]) if line["at"] else "time not known"
    receipt = line["source"]["receipt"]
    shown = f"  {receipt}" if receipt else ""
    text = f"{stay['node']}  {line['step']}  {_text(line, stay)}  [{_by(line)}]"
    return f"{at}  {printable(text)}{shown}"


def _text(line: Json, stay: Json) -> str:
    text = str(line["text"])
    if line["waited_seconds"] is not None:
        span = _span(line["waited_seconds"])
        text += f"; for {span}" if line["step"] == "waited" else f"; {span} after it came"
    if line["clocks_differ_seconds"] is not None:
        text += f"; the two clocks differ by {_span(line['clocks_differ_seconds'])} at least"
    if line["next_attempt_at"]:
        text += f"; next attempt {moment(line['next_attempt_at'])}"
    if line["superseded_by"]:
        text += f"; superseded by {str(line['superseded_by'])[:8]}…"
    if len(line["recipients"]) < len(stay["recipients"]):
        text = f"{_codes(line['recipients'])}: {text}"
    return text


def _by(line: Json) -> str:
    source = line["source"]
    entry = "" if source["entry"] is None else f"entry {source['entry']}"
    match source["kind"]:
        case "receipt":
            signed = f"{line['event']} of {source['issuer']}"
            return f"{signed}, {entry}" if entry else signed
        case "log":
            return f"own log, {entry}"
        case "proof":
            return f"proven log of {source['issuer']}"
        case "journal":
            return "own record"
        case "header":
            return f"header from {source['issuer']}"
        case "status":
            return f"message {source['message']}"
        case "word":
            return f"no evidence; told to {source['issuer']}"
        case _:
            return "not known"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = divmod(round(seconds / 60), 60)[::-1]
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"

"""The command by which a judged node's files are judged, and what it says of those that the kit makes.

All files of a kind are made and judged once for a node, in one call, for starting a program takes longer than judging
a file. A published log is a folder of them.

Touches: a folder for the files, which goes with the call; the command.
Raises:  InconclusiveError where the command says nothing of a file; FailedError where it says something else.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.conformance.drafts import packed
from relay.conformance.office import ORIGIN, Office, key_of
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, InconclusiveError, Part, require

OUTPUT_LIMIT_BYTES = 8 << 20
CALL_SECONDS = 60.0
Content = bytes | Mapping[str, bytes]
"""Of a file, or of a folder's files by their paths in it."""
Make = Callable[[Office], Content]
Option = tuple[str, str | Path]
"""What the command is told beside the files: by what they are judged."""
KEYS = {Part.VERIFY: "verify", Part.CHECK_EXPORT: "check_export", Part.CHECK_LOG: "check_log"}
"""Of the node's file, which names the command."""


@dataclass(frozen=True, slots=True)
class Said:
    """Of one file."""

    name: str
    content: bytes
    line: Mapping[str, Any]

    def must_hold(self) -> Said:
        require(self.line["holds"] is True, f"{self.name} is refused: {self.line.get('reasons')}")
        return self

    def must_be_refused(self, *words: str) -> None:
        """With one of these among its reasons, where the clause names any."""
        require(self.line["holds"] is False, f"{self.name} is said to hold")
        reasons = self.line.get("reasons")
        found = isinstance(reasons, list) and any(one in reasons for one in words)
        require(not words or found, f"{self.name} is refused for {reasons}, not {words}")

    def found(self, key: str, kind: type) -> Any:
        """What the line says under this key."""
        value = self.line.get(key)
        require(
            isinstance(value, kind), f"of {self.name} nothing is said as {key}: {value!r}"[:200]
        )
        return value

    def dicts(self, key: str) -> list[dict[str, Any]]:
        return [one for one in self.found(key, list) if isinstance(one, dict)]


def _root(office: Office, folder: Path) -> Option:
    path = folder / "root.pem"
    path.write_bytes(office.root_pem)
    return "--root", path


def _key(office: Office, _: Path) -> Option:
    return "--vkey", key_of(office.log_keys[ORIGIN])


@dataclass(slots=True)
class Shelf:
    """The files that one command judges, by the names of what makes them."""

    part: Part
    makes: dict[str, Make] = field(default_factory=dict)
    judged_by: Callable[[Office, Path], Option] = _root

    def file(self, make: Make) -> Make:
        if self.makes.setdefault(make.__name__, make) is not make:
            raise ValueError(f"two files are named {make.__name__}")
        return make

    async def said(self, stand: Stand, make: Make) -> Said:
        """What the node's command says of the file that is made so."""
        name, kept_as = make.__name__, f"what {KEYS[self.part]} said"
        judged: _Judged = stand.remembered.get(kept_as) or await self._judge(stand)
        stand.remembered[kept_as] = judged
        line = judged.lines.get(name)
        shown = json.dumps(line).encode() if line else judged.complaint
        kept = stand.exchanges.begin(
            f"{KEYS[self.part]} of {stand.subject.id}", "JUDGE", name, {}, judged.files[name]
        )
        kept.answer = shown
        if line is None or not isinstance(line.get("holds"), bool):
            said = judged.complaint.decode(errors="replace")[-300:]
            raise InconclusiveError(f"of {name} the command does not say whether it holds: {said}")
        return Said(name, judged.files[name], line)

    async def _judge(self, stand: Stand) -> _Judged:
        command: Sequence[str] = getattr(stand.subject, KEYS[self.part])
        office = Office()
        files = await asyncio.to_thread(
            lambda: {name: make(office) for name, make in self.makes.items()}
        )
        with tempfile.TemporaryDirectory(prefix="relay-files-") as folder:
            numbered = enumerate(files, start=1)
            paths = {
                name: _written(Path(folder) / f"{number:04}", files[name])
                for number, name in numbered
            }
            option = self.judged_by(office, Path(folder))
            output, complaint = await _called([*command, *option, *paths.values()])
        kept = {name: _kept(content) for name, content in files.items()}
        return _Judged(kept, _lines(output, paths), complaint)


def is_refused(
    book: Book, shelf: Shelf, clause: str, name: str, title: str, make: Make, *words: str
) -> None:
    """An assertion that the command refuses what is made so, for one of these words where there are any."""

    def file(office: Office) -> Content:
        return make(office)

    file.__name__ = f"{clause}/{name}"
    kept = shelf.file(file)

    @book.asserts(clause, name, title)
    async def refused(stand: Stand) -> None:
        (await shelf.said(stand, kept)).must_be_refused(*words)


def is_taken(book: Book, shelf: Shelf, clause: str, name: str, title: str, make: Make) -> None:
    """The same of what holds, and is on the shelf."""

    @book.asserts(clause, name, title)
    async def taken(stand: Stand) -> None:
        (await shelf.said(stand, make)).must_hold()


EVIDENCE = Shelf(Part.VERIFY)
LOGS = Shelf(Part.CHECK_EXPORT)
PUBLISHED = Shelf(Part.CHECK_LOG, judged_by=_key)


def _written(place: Path, content: Content) -> Path:
    """Where it is: the place of a folder, the same with a suffix of a file."""
    if isinstance(content, bytes):
        path = place.with_suffix(".asice")
        path.write_bytes(content)
        return path
    for name, each in content.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each)
    return place


def _kept(content: Content) -> bytes:
    """What a report keeps of it: a folder as a container."""
    return content if isinstance(content, bytes) else packed(dict(content))


@dataclass(frozen=True, slots=True)
class _Judged:
    files: Mapping[str, bytes]
    lines: Mapping[str, dict[str, Any]]
    complaint: bytes
    """What the command said beside."""


async def _called(command: Sequence[str | Path]) -> tuple[bytes, bytes]:
    """What it wrote, and what it said beside; where it does not end, that."""
    try:
        process = await asyncio.create_subprocess_exec(*map(str, command), stdout=PIPE, stderr=PIPE)
    except OSError as error:
        return b"", f"{command[0]}: {error.strerror}".encode()
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await process.communicate()
    except TimeoutError:
        return b"", f"it took over {CALL_SECONDS:g} s".encode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _lines(output: bytes, paths: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """By the name of the file; what is no such line is nothing."""
    named = {str(path): name for name, path in paths.items()}
    found = {}
    for text in output[:OUTPUT_LIMIT_BYTES].splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and isinstance(line.get("file"), str) and line["file"] in named:
            found[named[line["file"]]] = line
    return found

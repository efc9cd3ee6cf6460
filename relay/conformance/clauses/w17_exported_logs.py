"""W17: a period of a node's log in one signed file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from itertools import pairwise
from typing import Any

from relay.audit.checkpoint import head_of
from relay.audit.entries import AuditEvent, instant
from relay.audit.epochs import named_head
from relay.audit.exported import (
    ABOUT,
    FILES,
    SIGNATURE,
    checkpoint_name,
    leaves_name,
    read_about,
    words_name,
)
from relay.conformance.files import entries_of, require_step, trust_of
from relay.conformance.instants import now
from relay.conformance.peer import Answer
from relay.conformance.published import native
from relay.conformance.restored import seen
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.signing.bundle_words import Step
from relay.signing.export_steps import ExportJudge
from relay.wire import bundle

book = Book()
PARTS = (Part.NEIGHBOUR, Part.AXIS, Part.AUDITOR)
PATH = "/v1/audit/export"
RESTORED_WITHIN = timedelta(hours=1)
"""What is exported after a restore: longer than a run, and with entries of both epochs."""


@dataclass(frozen=True, slots=True)
class _Exported:
    content: bytes

    @property
    def entries(self) -> dict[str, bytes]:
        return entries_of(self.content)

    def steps(self, stand: Stand) -> list[Step]:
        return list(ExportJudge(BytesIO(self.content), trust_of(stand)).steps())


async def _asked(stand: Stand, query: str) -> Answer:
    return await native(stand, f"{PATH}?{query}")


async def _time(stand: Stand) -> str:
    """By the node's own clock."""
    found = (await stand.peer.node_document()).get("time")
    if not isinstance(found, str):
        raise InconclusiveError("the node does not say what time it is there")
    return found


async def _entries(stand: Stand) -> None:
    """The log is longer from now on."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(prepared))


async def _period(stand: Stand, *, words: bool = False) -> _Exported:
    """A period with entries in it, before it and after it."""
    await _entries(stand)
    since = await _time(stand)
    await _entries(stand)
    until = await _time(stand)
    await _entries(stand)
    query = f"since={since}&until={until}&words={'true' if words else 'false'}"
    answer = await _asked(stand, query)
    require_equal(answer.status, 200, "the status")
    return _Exported(answer.body)


@book.asserts("W17.1", "one-form", "An exported log is a container of the one form", *PARTS)
async def one_form(stand: Stand) -> None:
    exported = await _period(stand)
    require_step(exported.steps(stand), "container", "contents")
    found = list(exported.entries)
    ends = [FILES, bundle.MANIFEST, SIGNATURE]
    require_equal(found[:2], [bundle.MIMETYPE, ABOUT], "the first files")
    require_equal(found[-3:], ends, "the last files")
    epochs = [one for one in found if one.startswith("epochs/")]
    require_equal(epochs, sorted(epochs), "the files of the epochs")


@book.asserts("W17.2", "described", "`export.json` says what is in it, in its one form", *PARTS)
async def described(stand: Stand) -> None:
    exported = await _period(stand)
    require_step(exported.steps(stand), "export")
    about = read_about(exported.entries[ABOUT])
    require_equal(about.node, stand.subject.id, "the node")


@book.asserts("W17.3", "head", "Each epoch has a head that its log's key signed", *PARTS)
async def head(stand: Stand) -> None:
    require_step((await _period(stand)).steps(stand), "log-key", "head")


@book.asserts("W17.4", "range", "The entries of a range lead to the root of that head", *PARTS)
async def proven_range(stand: Stand) -> None:
    exported = await _period(stand)
    require_step(exported.steps(stand), "entries")
    first = read_about(exported.entries[ABOUT]).parts[0].proof.first
    require(first > 0, "the range begins with the log, though the period does not")


# ------------------------------------------------------------ several epochs, after a restore

RESTORED = (*PARTS, Part.RESTORE)


@dataclass(frozen=True, slots=True)
class _Epoch:
    """One of several in a file: as `export.json` has it, its head and its first leaf."""

    said: dict[str, Any]
    head: dict[str, str | int]
    """As an `epoch-started` names it."""
    opening: dict[str, Any]


async def _epochs(stand: Stand) -> list[_Epoch]:
    """Of the judged node's log, which was restored before: each is read by itself."""
    await seen(stand)
    answer = await _asked(stand, f"since={instant(now() - RESTORED_WITHIN)}&words=false")
    require_equal(answer.status, 200, "the status")
    entries = _Exported(answer.body).entries
    found = [_epoch(entries, said) for said in json.loads(entries[ABOUT])["epochs"]]
    if len(found) < 2:
        raise InconclusiveError("its log goes on in one epoch after the restore")
    return found


def _epoch(entries: dict[str, bytes], said: dict[str, Any]) -> _Epoch:
    head = named_head(head_of(entries[checkpoint_name(said["number"])]))
    leaves = entries[leaves_name(said["number"])]
    return _Epoch(said, head, json.loads(leaves.partition(b"\n")[0]))


@book.asserts("W17.5", "whole", "Every epoch but the last is there up to its head", *RESTORED)
async def whole(stand: Stand) -> None:
    for one in (await _epochs(stand))[:-1]:
        end, size = one.said["end"], one.head["previous_size"]
        require_equal((end, one.said["size"]), (size, size), f"the end of {one.said['log']}")


@book.asserts(
    "W17.5",
    "begins",
    "Every epoch but the first is there from its beginning, which names the head before",
    *RESTORED,
)
async def begins(stand: Stand) -> None:
    for before, after in pairwise(await _epochs(stand)):
        require_equal(after.said["first"], 0, f"the first entry of {after.said['log']}")
        require_equal(after.opening.get("event"), AuditEvent.EPOCH_STARTED, "what it tells of")
        named = {name: after.opening.get(name) for name in before.head}
        require_equal(named, before.head, "the head that it names")


@book.asserts("W17.5", "numbers", "The numbers of epochs follow one another", *RESTORED)
async def numbers(stand: Stand) -> None:
    found = [one.said["number"] for one in await _epochs(stand)]
    require_equal(
        found, list(range(found[0], found[0] + len(found))), "the series of their numbers"
    )


@book.asserts(
    "W17.6",
    "edges",
    "An entry before the period and one behind show that nothing is left out",
    *PARTS,
)
async def edges(stand: Stand) -> None:
    require_step((await _period(stand)).steps(stand), "period")


@book.asserts(
    "W17.8", "words", "Words are there where they are asked for, and are the leaves' own", *PARTS
)
async def words(stand: Stand) -> None:
    without = await _asked(stand, "words=false")
    require_equal(without.status, 200, "the status")
    plain = _Exported(without.body).entries
    require(not any(name.endswith("/words.jsonl") for name in plain), "words are there unasked")
    answer = await _asked(stand, "words=true")
    require_equal(answer.status, 200, "the status with words")
    exported = _Exported(answer.body)
    about = read_about(exported.entries[ABOUT])
    names = [words_name(part.number) for part in about.parts]
    if not any(exported.entries.get(name) for name in names):
        raise InconclusiveError("nothing in this log has words beside it")
    require_step(exported.steps(stand), "entries")


@book.asserts("W17.11", "node", "Every leaf names the node whose log it is", *PARTS)
async def node(stand: Stand) -> None:
    exported = await _period(stand)
    require_step(exported.steps(stand), "entries")
    entries = exported.entries
    for name, content in entries.items():
        if name.endswith("/leaves.jsonl"):
            nodes = {json.loads(line).get("node") for line in content.splitlines()}
            require_equal(nodes, {stand.subject.id}, f"the nodes named in {name}")
    certificates = [name for name in entries if name.startswith("certificates/")]
    require(len(certificates) <= 200, f"{len(certificates)} certificates")


@book.asserts(
    "W17.9", "signed", "The node whose log it is signs every other file, and lists each", *PARTS
)
async def signed(stand: Stand) -> None:
    steps = (await _period(stand)).steps(stand)
    require_step(steps, "manifest", "signature")
    said = next(one.said for one in steps if one.what == "signature")
    if not said.startswith(f"put together by {stand.subject.id},"):
        raise FailedError(said)

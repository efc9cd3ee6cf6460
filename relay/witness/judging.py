"""What a witness makes of a checkpoint: one function from what it knows to a verdict.

Touches: nothing; the note's signature was proven before, by the log's own key.
Trusts:  what is held here of the log; nothing of the request but that signature.

    | what comes                                                   | verdict          | why |
    |---|---|---|
    | `old` over the checkpoint's size                             | MALFORMED    400 | the standard |
    | a log whose alarm nobody has cleared                         | STOPPED      403 | an operator has to look first |
    | a size that was cosigned here with another root              | FORKED       409 | two signed notes: proof by themselves |
    | an epoch that a later one has ended                          | UNKNOWN      404 | nothing is added to an ended log |
    | another epoch with the number of the newest                  | TWIN         403 | a backup was restored twice: two logs go on |
    | a new epoch that does not prove how it begins                | UNPROVEN     422 | its first entry must name the head before |
    | a new epoch that names another head of a size cosigned here  | FORKED       422 | its first entry, proven, contradicts a note |
    | less than is held, from the log's own node                   | ROLLED_BACK  409 | it lost what it had signed, or shows it no more |
    | `old` is not the size held                                   | CONFLICT     409 | a repeat, a race or an old note: no fault |
    | the proof leads to this head, but from another one of `old`  | FORKED       422 | the same hashes show both: proof |
    | a proof that leads nowhere                                   | UNPROVEN     422 | a bug, damage, or a note that somebody replays |
    | everything else                                              | COSIGNED     200 | |

A smaller checkpoint, validly signed, is only CONFLICT where anybody else sends it, who may have kept one; so is a
note of the size held with the root held, under another `old`. From the log's own node it is an alarm, which
ends when that log goes on from the head held, or owns up to what it lost in a new epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from relay.audit.add_checkpoint import AddCheckpoint
from relay.audit.checkpoint import ORIGIN_PREFIX, Checkpoint
from relay.audit.entries import parse
from relay.audit.epochs import Epoch, epoch_of, log_name, named_in
from relay.audit.proofs import consistency_roots, verify_consistency, verify_inclusion
from relay.audit.tree import EMPTY_ROOT, leaf_hash
from relay.errors import AuditError
from relay.model import NodeId


class Word(StrEnum):
    COSIGNED = "cosigned"
    MALFORMED = "malformed"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    UNSIGNED = "unsigned"
    CONFLICT = "conflict"
    ROLLED_BACK = "rolled-back"
    UNPROVEN = "unproven"
    FORKED = "forked"
    TWIN = "twin"


STATUS: Final[Mapping[Word, int]] = {
    Word.COSIGNED: 200,
    Word.MALFORMED: 400,
    Word.STOPPED: 403,
    Word.UNSIGNED: 403,
    Word.UNKNOWN: 404,
    Word.CONFLICT: 409,
    Word.ROLLED_BACK: 409,
    Word.UNPROVEN: 422,
    Word.FORKED: 409,
    Word.TWIN: 403,
}
ALARMS: Final = frozenset({Word.FORKED, Word.TWIN})
"""After one of these nothing of the log is cosigned until an operator has cleared it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A head that was cosigned here. Size 0 without a note: a log an operator let in."""

    head: Checkpoint
    note: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """How a new epoch says it begins: its first leaf, and the path from it to the head presented."""

    leaf: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a log at the moment it is judged."""

    held: Held | None = None
    """The newest head cosigned of this origin."""
    same_size: Held | None = None
    """A head of this origin and of the very size presented, cosigned before."""
    newest: Held | None = None
    """Of a node's log: the newest head cosigned of its latest epoch."""
    named: Held | None = None
    """The head cosigned of the log and size that the opening names, if it was."""
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    word: Word
    size: int = 0
    """The size held: what 409 tells."""
    why: str = ""
    ours: Held | None = None
    """What a FORKED or TWIN note contradicts."""
    epoch: bool = False
    """Whether a new epoch begins with it."""
    lost: int = 0
    """Entries that were cosigned here and that the new epoch says it lost."""
    named: Checkpoint | None = None
    """The head that the new epoch names as the one before it."""

    @property
    def status(self) -> int:
        if self.word is Word.FORKED and not self.size:
            return 422
        return STATUS[self.word]


def node_of(origin: str) -> NodeId | None:
    """Whose log this is, where it is a node's and named as a node names it."""
    node = NodeId(origin.removeprefix(ORIGIN_PREFIX).partition("/")[0])
    if not node or log_name(node, epoch_of(origin)) != origin:
        return None
    return node


def opening_head(opening: Opening) -> Checkpoint | None:
    """The head that an opening names; None where it names none. Nothing of it is proven."""
    try:
        fields = parse(opening.leaf)
    except AuditError:
        return None
    return named_in(fields)


def judge(
    asked: AddCheckpoint,
    head: Checkpoint,
    known: Known,
    opening: Opening | None = None,
    *,
    own: bool = False,
) -> Verdict:
    """The verdict on a checkpoint whose signature held; `own`: it is handed in by the log's own node (W15.10)."""
    if asked.old > head.size:
        return Verdict(Word.MALFORMED, why=f"old {asked.old} is over the size {head.size}")
    if known.stopped:
        return Verdict(
            Word.STOPPED, why="cosigning of this log is stopped until an operator looked"
        )
    if known.same_size is not None and known.same_size.head.root != head.root:
        return _forked(known.same_size, known.held, f"two heads of the size {head.size}")
    if known.held is None:
        return _new(asked, head, known, opening)
    if _ended(head, known):
        return Verdict(Word.UNKNOWN, why="a later epoch of this log has begun")
    if own and head.size < known.held.head.size:
        return _rolled_back(head, known.held)
    return _next(asked, head, known.held)


def _new(asked: AddCheckpoint, head: Checkpoint, known: Known, opening: Opening | None) -> Verdict:
    """The first checkpoint of an origin (W15.6)."""
    newest, epoch = known.newest, epoch_of(head.origin)
    named = None
    if newest is not None:
        latest = epoch_of(newest.head.origin)
        if epoch.number < latest.number:
            return Verdict(Word.UNKNOWN, why="a later epoch of this log has begun")
        if epoch.number == latest.number:
            why = f"two epochs {epoch.number}: a backup was restored twice, and both logs go on"
            return Verdict(Word.TWIN, why=why, ours=newest)
        try:
            named = _proven(head, opening, epoch)
        except AuditError as error:
            return Verdict(Word.UNPROVEN, why=f"how the epoch begins is not proven: {error}")
        ours = known.named
        if ours is not None and ours.head.root != named.root:
            why = f"its first entry names another head of {named.origin} at {named.size}"
            return Verdict(Word.FORKED, why=why, ours=ours)
    if asked.old:
        return Verdict(Word.CONFLICT, 0, "nothing of this log was cosigned here")
    if asked.proof or (head.size == 0 and head.root != EMPTY_ROOT):
        return Verdict(Word.UNPROVEN, why="nothing leads from no entries to this head")
    lost = 0
    if newest is not None and named is not None and named.origin == newest.head.origin:
        lost = max(0, newest.head.size - named.size)
    return Verdict(Word.COSIGNED, epoch=newest is not None, lost=lost, named=named)


def _next(asked: AddCheckpoint, head: Checkpoint, held: Held) -> Verdict:
    before = held.head
    if asked.old != before.size:
        return Verdict(Word.CONFLICT, before.size, f"the size held is {before.size}")
    try:
        verify_consistency(before.size, before.root, head.size, head.root, asked.proof)
    except AuditError as error:
        if _shows_other(asked, head, before):
            why = f"it does not begin with the {before.size} entries that were cosigned"
            return Verdict(Word.FORKED, why=why, ours=held)
        return Verdict(Word.UNPROVEN, why=str(error))
    return Verdict(Word.COSIGNED)


def _rolled_back(head: Checkpoint, held: Held) -> Verdict:
    size = held.head.size
    why = f"its node shows {head.size} entries, {size} were cosigned"
    return Verdict(Word.ROLLED_BACK, size, why, held)


def _shows_other(asked: AddCheckpoint, head: Checkpoint, before: Checkpoint) -> bool:
    """Whether the proof is one of this very head, of another beginning: then head and held cannot be of
    one tree, and its hashes show that to anybody (W15.7)."""
    try:
        found, whole = consistency_roots(before.size, before.root, head.size, asked.proof)
    except AuditError:
        return False
    return whole == head.root and found != before.root


def _forked(ours: Held, held: Held | None, why: str) -> Verdict:
    size = ours.head.size if held is None else held.head.size
    return Verdict(Word.FORKED, size, why, ours)


def _ended(head: Checkpoint, known: Known) -> bool:
    newest = known.newest
    if newest is None:
        return False
    return epoch_of(head.origin).number < epoch_of(newest.head.origin).number


def _proven(head: Checkpoint, opening: Opening | None, epoch: Epoch) -> Checkpoint:
    if opening is None:
        raise AuditError("the first entry is not shown")
    verify_inclusion(leaf_hash(opening.leaf), 0, head.size, opening.path, head.root)
    named = named_in(parse(opening.leaf))
    if named is None or node_of(named.origin) != node_of(head.origin):
        raise AuditError("the first entry names no head of this node's log")
    if epoch_of(named.origin).number >= epoch.number:
        raise AuditError("the first entry names a head that is not of an epoch before")
    return named

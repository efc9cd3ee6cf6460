"""Check a whole log against its signed head: recompute everything, name the first misfit.

Touches: nothing; rows come from any reader, in order, once.
Trusts:  the log's public key only. Rows, stored hashes and heads are what is being judged.
Raises:  AuditError, with the index of the first entry that does not fit where it can be named.

Steps:
    1  the head's signature holds, and it is the head of this log
    2  indices run from the first one on without gap or repeat; leaves and hashes are bytes
    3  the stored leaf hash, where there is one, is of the stored leaf
    4  the leaf is canonical, and names the node whose log it is
    5  the root over the first n leaves is the root of every kept head of size n
    6  there are as many entries as the head says, and step 5 holds for it
    7  the stored right edge of the tree, where one is given, is that of these entries
and `verify_words`, of rows beside leaves that hold:
    8  the words that stand beside a leaf are those it holds the digests of; missing ones are no fault
What is odd but proves no edit (a clock that stepped back, an event of a newer release) is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from relay.audit.checkpoint import Checkpoint, Verify, verify_note
from relay.audit.diary import Diary
from relay.audit.entries import parse
from relay.audit.tree import Frontier, leaf_hash
from relay.audit.words import WordsRow, proven
from relay.errors import AuditError
from relay.model import UTC_NOW_TOLERANCE, Finding

PROGRESS_EVERY: Final = 1024

Progress = Callable[[int, int], None]
"""Entries checked, entries in all."""
EachEntry = Callable[[int, bytes, bytes], None]
"""Index, leaf and leaf hash of an entry that fits so far."""
Row = tuple[object, object, object]
"""Index, leaf, and the leaf hash stored beside it, None where none is stored: an int and two bytes,
but a stored row may hold anything."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """Whose log it is: the key's name (the log's origin), the Ed25519 public key, its check."""

    name: str
    public_key: bytes
    verify: Verify
    certified: Callable[[Sequence[bytes]], LogKey] | None = None
    """The key that certificates (DER, its own first) bind to this node's log, as another than this one may
    have signed before. Raises SignatureError. None: no other key is known."""


@dataclass(frozen=True, slots=True)
class KeptHead:
    """An older signed head of a log, and how it is called when it does not fit."""

    note: bytes
    what: str = "a kept head"


@dataclass(frozen=True, slots=True)
class LogVerdict:
    """A log that holds. Odd things found on the way are in `findings`, at most FINDINGS_LIMIT."""

    checkpoint: Checkpoint
    first_at: datetime | None
    last_at: datetime | None
    heads_checked: int
    findings: tuple[Finding, ...]
    findings_count: int


def verify_log(
    rows: Iterable[Row],
    head: bytes,
    key: LogKey,
    *,
    kept_heads: Sequence[KeptHead] = (),
    edge: bytes | None = None,
    tolerance: timedelta = UTC_NOW_TOLERANCE,
    first_index: int = 0,
    progress: Progress | None = None,
    each: EachEntry | None = None,
) -> LogVerdict:
    """The verdict on a log that holds in every step, or AuditError.

    `kept_heads` are older signed heads of the same log, from its journal or from anyone who kept
    one: each must fit, and the more there are the narrower an edit is placed. `edge` is the stored
    frontier, which the next entry would be appended to. `first_index` is where the log's indexes start
    (epochs.py). `progress` is called every now and then, `each` with every entry that fits so far.
    """
    checkpoint, kept = _heads(head, kept_heads, key)
    return verify_entries(
        rows,
        checkpoint,
        kept=kept,
        edge=edge,
        tolerance=tolerance,
        first_index=first_index,
        progress=progress,
        each=each,
    )


def verify_entries(
    rows: Iterable[Row],
    checkpoint: Checkpoint,
    *,
    kept: Sequence[Checkpoint] = (),
    edge: bytes | None = None,
    tolerance: timedelta = UTC_NOW_TOLERANCE,
    first_index: int = 0,
    progress: Progress | None = None,
    each: EachEntry | None = None,
) -> LogVerdict:
    """Steps 2 to 7, under heads whose signatures were judged."""
    pending = sorted([checkpoint, *kept], key=lambda one: one.size, reverse=True)
    heads_checked = len(pending)
    frontier = Frontier()
    diary = Diary(checkpoint.origin, tolerance)
    _compare(frontier, pending)
    for row in rows:
        index, leaf, stored_hash = _typed(row, first_index + frontier.size)
        if frontier.size >= checkpoint.size:
            raise AuditError(f"beyond the head, which covers {checkpoint.size} entries", index)
        hashed = _checked_hash(index, leaf, stored_hash)
        frontier.append(hashed)
        diary.note(index, _parsed(index, leaf))
        if each is not None:
            each(index, leaf, hashed)
        if pending[-1].size == frontier.size:
            _compare(frontier, pending)
        if progress is not None and frontier.size % PROGRESS_EVERY == 0:
            progress(frontier.size, checkpoint.size)
    if frontier.size != checkpoint.size:
        due = first_index + frontier.size
        raise AuditError(f"missing; the head covers {checkpoint.size} entries", due)
    if edge is not None and edge != frontier.to_bytes():
        raise AuditError(
            "the stored right edge of the tree is not that of the entries: it was edited"
        )
    return LogVerdict(
        checkpoint,
        diary.first_at,
        diary.last_at,
        heads_checked,
        tuple(diary.findings),
        diary.count,
    )


def verify_words(rows: Iterable[WordsRow]) -> int:
    """Step 8: how many leaves have their words beside them. `rows` are in the leaves' order, and the
    leaves are of a log that holds. Raises AuditError."""
    count = 0
    for index, leaf, salt, words in rows:
        where = index if isinstance(index, int) else None
        if not isinstance(leaf, bytes):
            raise AuditError("there are words beside an entry that does not exist", where)
        try:
            proven(parse(leaf), salt, words)
        except AuditError as error:
            raise AuditError(error.what, where) from error
        count += 1
    return count


def _heads(
    head: bytes, kept_heads: Sequence[KeptHead], key: LogKey
) -> tuple[Checkpoint, list[Checkpoint]]:
    """Step 1: the log's head, and every other one to compare with."""
    checkpoint = verify_note(head, key.name, key.public_key, key.verify)
    found = []
    for one in kept_heads:
        try:
            older = verify_note(one.note, key.name, key.public_key, key.verify)
        except AuditError as error:
            raise AuditError(f"{one.what}: {error}") from error
        if older.size > checkpoint.size:
            raise AuditError(
                f"{one.what} covers {older.size} entries, the log's head {checkpoint.size}:"
                " the log was cut back"
            )
        found.append(older)
    return checkpoint, found


def _typed(row: Row, due: int) -> tuple[int, bytes, bytes | None]:
    """Step 2."""
    index, leaf, stored_hash = row
    if not isinstance(index, int) or index != due:
        raise AuditError(f"index {str(index)[:20]} where {due} is due", due)
    if not isinstance(leaf, bytes):
        raise AuditError("the row was edited: its leaf is no BLOB", due)
    if stored_hash is not None and not isinstance(stored_hash, bytes):
        raise AuditError("the row was edited: its leaf hash is no BLOB", due)
    return index, leaf, stored_hash


def _checked_hash(index: int, leaf: bytes, stored_hash: bytes | None) -> bytes:
    """Step 3."""
    computed = leaf_hash(leaf)
    if stored_hash is not None and stored_hash != computed:
        raise AuditError(
            "the row was edited: its leaf is not what its leaf hash was made of", index
        )
    return computed


def _parsed(index: int, leaf: bytes) -> dict[str, Any]:
    """Step 4."""
    try:
        return parse(leaf)
    except AuditError as error:
        raise AuditError(error.what, index) from error


def _compare(frontier: Frontier, pending: list[Checkpoint]) -> None:
    """Step 5, for every head of this size; the root is worked out once."""
    if pending[-1].size != frontier.size:
        return
    root = frontier.root()
    while pending and pending[-1].size == frontier.size:
        if pending.pop().root != root:
            raise AuditError(
                f"the first {frontier.size} entries do not give the root of their signed head:"
                " one was edited, and its leaf hash with it"
            )

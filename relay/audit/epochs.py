"""Epochs of a log: a restored node begins a new log whose first entry names the head of the old one.

A journal that was brought back from a backup has lost entries that others may have seen. To go on
under the same name would show two histories; so the log ends there, with the head it was restored to,
and a new one begins. Indexes never come twice: those of each epoch start at a span of their own, so a
reader's cursor goes on across them.

Nor do names: an epoch's has a tag drawn at random when it begins, so that a backup that is restored
twice leads to two logs that nobody takes for one. (Epochs begun by older releases have none.)

Touches: nothing. Trusts: the log's public key only. Raises: AuditError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from relay.audit.checkpoint import ORIGIN_PREFIX, Checkpoint, head_of, origin_of
from relay.audit.entries import AuditEvent, parse
from relay.audit.verify import EachEntry, KeptHead, LogKey, LogVerdict, Progress, Row, verify_log
from relay.errors import AuditError
from relay.model import NodeId

SPAN: Final = 1 << 40
"""Indexes of one epoch; eight thousand epochs stay exact in every JSON reader."""


_NAMED = re.compile(r"(0|[1-9][0-9]{0,3})(?:-([0-9a-f]{16}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of a node's log. They count from 0; `tag` tells those of one number apart."""

    number: int = 0
    tag: str = ""


def first_index(epoch: int) -> int:
    """Of its first entry."""
    return epoch * SPAN


def log_name(node: NodeId, epoch: Epoch) -> str:
    """The origin of a node's log in this epoch, and the name of the key that signs it (W16.1)."""
    if epoch == Epoch():
        return origin_of(node)
    tag = f"-{epoch.tag}" if epoch.tag else ""
    return f"{origin_of(node)}/{epoch.number}{tag}"


def epoch_of(log: str) -> Epoch:
    """The epoch that `log_name` made this name for; the first where it made none such."""
    found = _NAMED.fullmatch(log.removeprefix(ORIGIN_PREFIX).partition("/")[2])
    return Epoch() if found is None else Epoch(int(found[1]), found[2] or "")


def folder_of(epoch: Epoch) -> str:
    """How the folder and the path of its published files are named."""
    return f"{epoch.number}-{epoch.tag}" if epoch.tag else str(epoch.number)


def is_folder(name: str) -> bool:
    """Whether `folder_of` makes such names."""
    return _NAMED.fullmatch(name) is not None


def size_of(head: bytes) -> int:
    """The index after the last entry that a signed head covers. Raises AuditError."""
    checkpoint = head_of(head)
    return first_index(epoch_of(checkpoint.origin).number) + checkpoint.size


def named_head(checkpoint: Checkpoint) -> dict[str, str | int]:
    """The fields with which a new epoch's first entry names the head before it."""
    return {
        "previous_log": checkpoint.origin,
        "previous_size": checkpoint.size,
        "previous_root": checkpoint.root.hex(),
    }


def named_in(fields: Mapping[str, Any]) -> Checkpoint | None:
    """The head that an epoch's first entry names; None where it names none."""
    origin, size, root = (fields.get(f"previous_{one}") for one in ("log", "size", "root"))
    if fields.get("event") != AuditEvent.EPOCH_STARTED or not isinstance(size, int):
        return None
    if not (isinstance(origin, str) and isinstance(root, str)) or len(root) != 64:
        return None
    try:
        return Checkpoint(origin, size, bytes.fromhex(root))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class EpochRows:
    """One epoch as stored: its number, its last signed head, its rows in order."""

    epoch: int
    head: bytes
    rows: Iterable[Row]
    edge: bytes | None = None
    """The stored frontier, in the present epoch."""
    kept: tuple[KeptHead, ...] = ()
    """Other heads of it that somebody kept."""
    opening: object = None
    """Its first leaf as it stood when the keys were worked out; None: nobody did."""
    key: LogKey | None = None
    """The key that signed it, where that is not the log's present one (log_keys.py)."""


Watch = Callable[[int], EachEntry | None]
"""Whoever wants to see the entries of an epoch, too."""


def verify_epochs(
    node: NodeId,
    stored: Sequence[EpochRows],
    key: LogKey,
    progress: Progress | None = None,
    watch: Watch = lambda _: None,
) -> list[LogVerdict]:
    """A verdict for each epoch, the present one last; each must name the head of the one before.

    `key.name` is not looked at: each epoch has its own, of which only the tag is the head's to say.
    """
    verdicts: list[LogVerdict] = []
    for due, one in enumerate(stored):
        if one.epoch != due:
            raise AuditError(f"epoch {one.epoch} where {due} is due")
        before = verdicts[-1].checkpoint if verdicts else None
        verdicts.append(verify_epoch(node, one, key, before, progress, watch(one.epoch)))
    return verdicts


def verify_epoch(
    node: NodeId,
    one: EpochRows,
    key: LogKey,
    before: Checkpoint | None,
    progress: Progress | None = None,
    each: EachEntry | None = None,
) -> LogVerdict:
    """The verdict on one epoch, which must name the head `before` it where there is one."""
    first: list[object] = []
    signed = one.key or key
    verdict = verify_log(
        _keeping_first(one.rows, first),
        one.head,
        LogKey(origin_in(node, one.epoch, one.head), signed.public_key, signed.verify),
        kept_heads=one.kept,
        edge=one.edge,
        first_index=first_index(one.epoch),
        progress=progress,
        each=each,
    )
    if one.opening is not None and first != [one.opening]:
        raise AuditError("its first entry is another than a moment ago", first_index(one.epoch))
    if before is not None:
        opening = first[0] if first else b""
        named = parse(opening) if isinstance(opening, bytes) and opening else {}
        _check_named(named, before, one.epoch)
    return verdict


def origin_in(node: NodeId, epoch: int, head: bytes) -> str:
    """What a head must be signed as: it counts only as the word of this node in this epoch."""
    return log_name(node, Epoch(epoch, epoch_of(head_of(head).origin).tag))


def _keeping_first(rows: Iterable[Row], first: list[object]) -> Iterator[Row]:
    for row in rows:
        if not first:
            first.append(row[1])
        yield row


def _check_named(entry: dict[str, Any], before: Checkpoint, epoch: int) -> None:
    expected = named_head(before)
    if entry.get("event") != AuditEvent.EPOCH_STARTED or any(
        entry.get(name) != value for name, value in expected.items()
    ):
        raise AuditError(
            f"epoch {epoch} does not begin with the head of the one before", first_index(epoch)
        )

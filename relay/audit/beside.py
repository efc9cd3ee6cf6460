"""What is kept beside a log: heads with a timestamp, cosignatures got, heads of others that were cosigned.

Touches: nothing.
Trusts:  the keys it is given; every row is what is judged.
Raises:  AuditError naming the row that does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from relay.audit.checkpoint import (
    ORIGIN_PREFIX,
    Checkpoint,
    head_of,
    read_signature,
    split_note,
    verify_note,
)
from relay.audit.cosignature import Cosigner, cosigner_name, judge_cosignatures
from relay.audit.verify import KeptHead
from relay.errors import AuditError
from relay.model import NodeId

Proves = Callable[[bytes, bytes, bytes], None]
"""(public key, signature, content): returns when the Ed25519 signature holds, else raises."""
_BLANK: Final = b"\n"


@dataclass(frozen=True, slots=True)
class Keys:
    """Whose word is known beside the log's own: what is by another key is counted, and proves nothing."""

    nodes: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    """The log keys of each node, the present one first: with them it signs its log and cosigns others'."""
    witnesses: tuple[tuple[str, bytes], ...] = ()
    """Name and key of witnesses beside: configured, or named by whoever asks."""
    logs: Mapping[str, bytes] = field(default_factory=dict)
    """The key of each log that is no node's, by origin."""

    def cosigners(self, proves: Proves) -> list[Cosigner]:
        nodes = ((cosigner_name(NodeId(one)), key) for one in self.nodes for key in self.nodes[one])
        return [_cosigner(name, key, proves) for name, key in (*nodes, *self.witnesses)]

    def of_log(self, origin: str) -> Sequence[bytes]:
        if origin in self.logs:
            return (self.logs[origin],)
        return self.nodes.get(origin.removeprefix(ORIGIN_PREFIX).partition("/")[0], ())


def keys_of(rows: Iterable[tuple[object, object]], named: Keys) -> Keys:
    """Those that the journal has proven, a node's present one first, and those that were named."""
    found: dict[str, list[bytes]] = {}
    for node, key in rows:
        if isinstance(key, bytes) and len(key) == 32:
            theirs = found.setdefault(str(node), [])
            theirs += [] if key in theirs else [key]
    return replace(named, nodes=found)


def stamped_heads(rows: Iterable[tuple[object, object]]) -> Iterable[tuple[str, KeptHead]]:
    """The log's name and the head of each."""
    for name, note in rows:
        what = f"the head with a timestamp {_shown(name)}"
        checkpoint = _head(note, what)
        if name != f"{checkpoint.origin}:{checkpoint.size}":
            raise AuditError(f"{what} is not the one its name says: the row was edited")
        yield checkpoint.origin, KeptHead(_bytes(note, what), what)


def cosigned_heads(rows: Iterable[tuple[object, ...]]) -> Iterable[tuple[str, KeptHead]]:
    """The log's name and the head of each cosignature that is kept."""
    for witness, origin, size, note, _ in rows:
        what = f"the head that {_shown(witness)} cosigned"
        checkpoint = _head(note, what)
        if (checkpoint.origin, checkpoint.size) != (origin, size):
            raise AuditError(f"{what} is not the one its row names: the row was edited")
        yield checkpoint.origin, KeptHead(_bytes(note, what), what)


def check_kept(rows: Iterable[tuple[object, ...]], keys: Keys, proves: Proves) -> tuple[int, int]:
    """How many of the cosignatures that are kept were proven, and how many are by keys not known."""
    counts = [
        check_cosigned(_cosigned_by(witness, note, line), keys, proves)
        for witness, _, _, note, line in rows
    ]
    return sum(proven for proven, _ in counts), sum(others for _, others in counts)


def check_cosigned(note: bytes, keys: Keys, proves: Proves) -> tuple[int, int]:
    """How many cosignatures a note carries that were proven, and how many lines of keys not known."""
    found = judge_cosignatures(note, keys.cosigners(proves))
    return len(found.proven), len(found.unknown)


def check_watched(rows: Iterable[tuple[object, ...]], keys: Keys, proves: Proves) -> int:
    """How many heads of others are kept, each what its row says and, where its key is known, signed."""
    count = 0
    for origin, size, root, note in rows:
        what = f"the head of {_shown(origin)} at {_shown(size)} that is kept"
        checkpoint = _head(note, what)
        if (checkpoint.origin, checkpoint.size, checkpoint.root) != (origin, size, root):
            raise AuditError(f"{what} is not the one its row names: the row was edited")
        if theirs := keys.of_log(checkpoint.origin):
            _check_head(_bytes(note, what), checkpoint.origin, theirs, proves, what)
        count += 1
    return count


def _cosigned_by(witness: object, note: object, line: object) -> bytes:
    """The head with this line alone below it, which must be the one that its row names."""
    what = f"the cosignature by {_shown(witness)}"
    body, _ = split_note(_bytes(note, what))
    cosigned = body + _BLANK + _bytes(line, what)
    if [read_signature(one)[0] for one in split_note(cosigned)[1]] != [witness]:
        raise AuditError(f"{what} is not the one its row names: the row was edited")
    return cosigned


def _cosigner(name: str, key: bytes, proves: Proves) -> Cosigner:
    return Cosigner(name, key, partial(proves, key))


def _check_head(
    note: bytes, origin: str, theirs: Sequence[bytes], proves: Proves, what: str
) -> None:
    fault: AuditError | None = None
    for key in theirs:
        try:
            verify_note(note, origin, key, partial(proves, key))
        except AuditError as error:
            fault = fault or error
        else:
            return
    raise AuditError(f"{what}: {fault}") from fault


def _head(note: object, what: str) -> Checkpoint:
    try:
        return head_of(_bytes(note, what))
    except AuditError as error:
        raise AuditError(f"{what}: {error}") from error


def _bytes(cell: object, what: str) -> bytes:
    if not isinstance(cell, bytes):
        raise AuditError(f"{what} is no BLOB: the row was edited")
    return cell


def _shown(cell: object) -> str:
    return str(cell)[:120]

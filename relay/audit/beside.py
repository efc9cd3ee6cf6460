"""What is kept beside a log: heads with a timestamp, cosignatures got, heads of others that were cosigned.

Touches: nothing.
Trusts:  the keys it is given; every row is what is judged.
Raises:  AuditError naming the row that does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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

    nodes: Mapping[str, bytes] = field(default_factory=dict)
    """The log key of each node, with which it signs its log and cosigns others'."""
    witnesses: tuple[tuple[str, bytes], ...] = ()
    """Name and key of witnesses beside: configured, or named by whoever asks."""
    logs: Mapping[str, bytes] = field(default_factory=dict)
    """The key of each log that is no node's, by origin."""

    def cosigners(self, proves: Proves) -> list[Cosigner]:
        ours = ((cosigner_name(NodeId(node)), key) for node, key in self.nodes.items())
        return [_cosigner(name, key, proves) for name, key in (*ours, *self.witnesses)]

    def of_log(self, origin: str) -> bytes | None:
        node = origin.removeprefix(ORIGIN_PREFIX).partition("/")[0]
        return self.logs.get(origin, self.nodes.get(node))


def keys_of(rows: Iterable[tuple[object, object]], named: Keys) -> Keys:
    """Those that the journal has proven, and those that were named."""
    found = {str(node): key for node, key in rows if isinstance(key, bytes) and len(key) == 32}
    return replace(named, nodes={**found, **named.nodes})


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
        if (key := keys.of_log(checkpoint.origin)) is not None:
            _check_head(_bytes(note, what), checkpoint.origin, key, proves, what)
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


def _check_head(note: bytes, origin: str, key: bytes, proves: Proves, what: str) -> None:
    try:
        verify_note(note, origin, key, lambda signature, body: proves(key, signature, body))
    except AuditError as error:
        raise AuditError(f"{what}: {error}") from error


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

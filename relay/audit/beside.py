"""What is kept beside a log: heads with a timestamp, cosignatures got, heads of others that were cosigned.

Touches: nothing.
Trusts:  the keys it is given; every row is what is judged.
Raises:  AuditError naming the row that does not hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from relay.audit.checkpoint import ORIGIN_PREFIX, Checkpoint, head_of, split_note, verify_note
from relay.audit.cosignature import Cosigner, cosignatures, cosigner_name
from relay.audit.verify import KeptHead
from relay.errors import AuditError
from relay.model import NodeId

Proves = Callable[[bytes, bytes, bytes], None]
"""(public key, signature, content): returns when the Ed25519 signature holds, else raises."""
Keys = Mapping[str, Sequence[bytes]]
"""The log keys of each node that is known, the present one first: what it signed with one before stays so."""
_BLANK: Final = b"\n"


def keys_of(rows: Iterable[tuple[object, object]]) -> Keys:
    found: dict[str, list[bytes]] = defaultdict(list)
    for node, key in rows:
        if isinstance(key, bytes) and len(key) == 32 and key not in found[str(node)]:
            found[str(node)].append(key)
    return {node: keys for node, keys in found.items() if keys}


def stamped_heads(rows: Iterable[tuple[object, object]]) -> Iterable[tuple[str, KeptHead]]:
    """The log's name and the head of each."""
    for name, note in rows:
        what = f"the head with a timestamp {_shown(name)}"
        checkpoint = _head(note, what)
        if name != f"{checkpoint.origin}:{checkpoint.size}":
            raise AuditError(f"{what} is not the one its name says: the row was edited")
        yield checkpoint.origin, KeptHead(_bytes(note, what), what)


def cosigned_heads(
    rows: Iterable[tuple[object, ...]], keys: Keys, proves: Proves
) -> Iterable[tuple[str, KeptHead]]:
    """The log's name and the head of each cosignature, which holds where its witness's key is known."""
    for witness, origin, size, note, line in rows:
        what = f"the head that {_shown(witness)} cosigned"
        checkpoint = _head(note, what)
        if (checkpoint.origin, checkpoint.size) != (origin, size):
            raise AuditError(f"{what} is not the one its row names: the row was edited")
        _check_line(str(witness), _bytes(note, what), _bytes(line, what), keys, proves)
        yield checkpoint.origin, KeptHead(_bytes(note, what), what)


def check_cosigned(note: bytes, keys: Keys, proves: Proves) -> tuple[int, int]:
    """How many cosignatures a note carries that were proven, and how many lines of keys not known."""
    proven = 0
    for node, theirs in keys.items():
        proven += sum(len(cosignatures(note, _cosigner(node, key, proves))) for key in theirs)
    others = len(split_note(note)[1]) - 1 - proven
    return proven, max(others, 0)


def check_watched(rows: Iterable[tuple[object, ...]], keys: Keys, proves: Proves) -> int:
    """How many heads of others are kept, each what its row says and, where its key is known, signed."""
    count = 0
    for origin, size, root, note in rows:
        what = f"the head of {_shown(origin)} at {_shown(size)} that is kept"
        checkpoint = _head(note, what)
        if (checkpoint.origin, checkpoint.size, checkpoint.root) != (origin, size, root):
            raise AuditError(f"{what} is not the one its row names: the row was edited")
        node = checkpoint.origin.removeprefix(ORIGIN_PREFIX).partition("/")[0]
        if theirs := keys.get(node):
            _check_head(_bytes(note, what), checkpoint.origin, theirs, proves, what)
        count += 1
    return count


def _check_line(witness: str, note: bytes, line: bytes, keys: Keys, proves: Proves) -> None:
    body, _ = split_note(note)
    cosigned = body + _BLANK + line
    split_note(cosigned)
    theirs = keys.get(witness)
    if theirs is None:
        return
    if not any(cosignatures(cosigned, _cosigner(witness, key, proves)) for key in theirs):
        raise AuditError(f"the cosignature by {_shown(witness)} is not by its key")


def _cosigner(node: str, key: bytes, proves: Proves) -> Cosigner:
    return Cosigner(
        cosigner_name(NodeId(node)),
        key,
        lambda signature, content: proves(key, signature, content),
    )


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

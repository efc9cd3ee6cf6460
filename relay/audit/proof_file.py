"""A proof file: that one entry stands in a log, as C2SP tlog-proof, with all that judging it takes.

Touches: nothing; the key's owner hands in the check of a signature.
Trusts:  the log's key; every byte of a file to be read or judged is hostile.
Raises:  AuditError for a file that is none, or does not hold.

    c2sp.org/tlog-proof@v1
    extra <base64 of what the format leaves to us>
    index 73894
    <base64 of a hash, one a line: the audit path, from the leaf's sibling up>

    <the checkpoint with its signatures, to the letter>

Whoever has the leaf and the log's key can check it with other software. `extra` spares them the looking:
a JSON object with the leaf, the log's verifier key and the certificates that bind that key to a node (DER,
the leaf first), and where it is asked for the receipt of which the entry speaks, and a newer head with
the proof that it continues the one below. Nothing in it is believed because it is there.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Final

from relay.audit.checkpoint import Checkpoint, unbase64, verify_note
from relay.audit.entries import LEAF_LIMIT_BYTES, parse
from relay.audit.proofs import PROOF_LIMIT, verify_consistency, verify_inclusion
from relay.audit.tree import HASH_BYTES, leaf_hash
from relay.audit.verify import LogKey
from relay.errors import AuditError
from relay.model import Signed

FIRST_LINE: Final = b"c2sp.org/tlog-proof@v1"
SUFFIX: Final = ".tlog-proof"
FILE_LIMIT_BYTES: Final = 64 << 20
"""Of a receipt for very many recipients; all others take a few kilobytes."""
HEAD_LINES_LIMIT: Final = PROOF_LIMIT + 3
CHAIN_LIMIT: Final = 8

_INDEX = re.compile(rb"index (0|[1-9][0-9]{0,18})")
_MEMBERS: Final = frozenset({"leaf", "vkey", "chain", "receipt", "signature", "newer"})


@dataclass(frozen=True, slots=True)
class NewerHead:
    """A later head of the same log, and the proof that its tree begins with the earlier one's."""

    note: bytes
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LogProof:
    """What a file says; proven only by `prove`."""

    index: int
    """Within its log: zero is the first entry of its epoch."""
    hashes: tuple[bytes, ...]
    note: bytes
    leaf: bytes
    vkey: str
    chain: tuple[bytes, ...]
    receipt: Signed | None = None
    newer: NewerHead | None = None


def write_proof(proof: LogProof) -> bytes:
    lines = [
        FIRST_LINE,
        b"extra " + b64encode(_extra(proof)),
        b"index %d" % proof.index,
        *map(b64encode, proof.hashes),
        b"",
        proof.note,
    ]
    return b"\n".join(lines)


def read_proof(content: bytes) -> LogProof:
    """What the file says, or AuditError for one that is not in this form."""
    if len(content) > FILE_LIMIT_BYTES:
        raise AuditError(f"proof file of {len(content)} bytes, limit {FILE_LIMIT_BYTES}")
    head, blank, note = content.partition(b"\n\n")
    lines = head.split(b"\n", HEAD_LINES_LIMIT)
    if lines[0] != FIRST_LINE or not blank:
        raise AuditError("not a proof file: its first line is not c2sp.org/tlog-proof@v1")
    if len(lines) > HEAD_LINES_LIMIT:
        raise AuditError(f"proof of more than {PROOF_LIMIT} hashes")
    if len(lines) < 3 or not lines[1].startswith(b"extra "):
        raise AuditError("proof file has no line `extra`: the leaf itself is missing")
    found = _INDEX.fullmatch(lines[2])
    if found is None:
        raise AuditError("proof file has no index in its place")
    hashes = tuple(_hash(line) for line in lines[3:])
    return _with_extra(int(found[1]), hashes, note, _unbase64(lines[1][6:], "extra"))


def prove_entry(proof: LogProof, key: LogKey) -> Checkpoint:
    """The head under which the proof's leaf stands at its index, or AuditError."""
    checkpoint = verify_note(proof.note, key.name, key.public_key, key.verify)
    verify_inclusion(
        leaf_hash(proof.leaf), proof.index, checkpoint.size, proof.hashes, checkpoint.root
    )
    return checkpoint


def prove_newer(newer: NewerHead, before: Checkpoint, key: LogKey) -> Checkpoint:
    """The newer head, proven to continue the log of `before`, or AuditError."""
    checkpoint = verify_note(newer.note, key.name, key.public_key, key.verify)
    verify_consistency(
        before.size, before.root, checkpoint.size, checkpoint.root, list(newer.hashes)
    )
    return checkpoint


def require_about(leaf: bytes, receipt: Signed) -> None:
    """Raise unless the leaf is an entry that names this receipt."""
    if parse(leaf).get("receipt") != receipt.digest:
        raise AuditError("the entry speaks of another receipt than the one in the file")


# ---------------------------------------------------------------- extra


def _extra(proof: LogProof) -> bytes:
    members: dict[str, Any] = {
        "leaf": _text(proof.leaf),
        "vkey": proof.vkey,
        "chain": [_text(one) for one in proof.chain],
    }
    if proof.receipt is not None:
        members["receipt"] = _text(proof.receipt.document)
        members["signature"] = _text(proof.receipt.signature)
    if proof.newer is not None:
        members["newer"] = {
            "note": _text(proof.newer.note),
            "hashes": [_text(one) for one in proof.newer.hashes],
        }
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def _with_extra(index: int, hashes: tuple[bytes, ...], note: bytes, extra: bytes) -> LogProof:
    try:
        members = json.loads(extra.decode())
    except (ValueError, RecursionError) as error:
        raise AuditError("extra is not JSON in UTF-8") from error
    if not isinstance(members, dict) or not members.keys() <= _MEMBERS:
        raise AuditError("extra is no object of the members known")
    vkey = members.get("vkey")
    if not isinstance(vkey, str):
        raise AuditError("extra has no vkey")
    leaf = _bytes(members.get("leaf"), "leaf")
    if len(leaf) > LEAF_LIMIT_BYTES:
        raise AuditError(f"leaf of {len(leaf)} bytes, limit {LEAF_LIMIT_BYTES}")
    proof = LogProof(
        index,
        hashes,
        note,
        leaf,
        vkey,
        _list(members.get("chain"), "chain", CHAIN_LIMIT),
        _receipt(members),
        _newer(members.get("newer")),
    )
    # One text for each value, so no two files say the same.
    if _extra(proof) != extra:
        raise AuditError("extra is not in its one form")
    return proof


def _receipt(members: dict[str, Any]) -> Signed | None:
    if "receipt" not in members and "signature" not in members:
        return None
    return Signed(
        _bytes(members.get("receipt"), "receipt"), _bytes(members.get("signature"), "signature")
    )


def _newer(found: object) -> NewerHead | None:
    if found is None:
        return None
    if not isinstance(found, dict):
        raise AuditError("newer is no object")
    hashes = _list(found.get("hashes"), "hashes of newer", PROOF_LIMIT)
    return NewerHead(_bytes(found.get("note"), "note of newer"), hashes)


def _list(found: object, what: str, limit: int) -> tuple[bytes, ...]:
    if not isinstance(found, list) or len(found) > limit:
        raise AuditError(f"{what} is no list of at most {limit}")
    return tuple(_bytes(one, what) for one in found)


def _bytes(found: object, what: str) -> bytes:
    if not isinstance(found, str):
        raise AuditError(f"extra has no {what}")
    return unbase64(found, what)


def _unbase64(line: bytes, what: str) -> bytes:
    try:
        return unbase64(line.decode("ascii"), what)
    except UnicodeDecodeError as error:
        raise AuditError(f"{what} is not base64") from error


def _hash(line: bytes) -> bytes:
    found = _unbase64(line, "hash of the proof")
    if len(found) != HASH_BYTES:
        raise AuditError(f"hash of {len(found)} bytes, not {HASH_BYTES}")
    return found


def _text(content: bytes) -> str:
    return b64encode(content).decode()

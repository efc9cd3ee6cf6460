"""The bytes of a request to a witness, `add-checkpoint` of C2SP tlog-witness, and of its word on sizes.

Touches: nothing. Trusts: nothing of what is read. Raises: AuditError.

    old 20852014
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=      hashes of the consistency proof, at most 63

    example.com/behind-the-sofa                       and the checkpoint, a signed note
    …
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.audit.checkpoint import NOTE_LIMIT_BYTES, unbase64
from relay.audit.tree import HASH_BYTES, SIZE_LIMIT
from relay.errors import AuditError

PROOF_LINES: Final = 63
SIZE_TYPE: Final = "text/x.tlog.size"
_HASH_LINE_BYTES: Final = 45
LIMIT_BYTES: Final = 32 + PROOF_LINES * _HASH_LINE_BYTES + NOTE_LIMIT_BYTES
"""Of a whole request."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """What is asked: to cosign `note`, which `proof` shows to begin with the first `old` entries."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes


def write_request(asked: AddCheckpoint) -> bytes:
    """Raises ValueError for more hashes than may be sent."""
    if len(asked.proof) > PROOF_LINES:
        raise ValueError(f"proof of {len(asked.proof)} hashes, limit {PROOF_LINES}")
    lines = [b"old %d\n" % asked.old, *(b64encode(one) + b"\n" for one in asked.proof)]
    return b"".join(lines) + b"\n" + asked.note


def read_request(body: bytes) -> AddCheckpoint:
    """The note is only cut off here; whoever judges it reads it."""
    if len(body) > LIMIT_BYTES:
        raise AuditError(f"request of {len(body)} bytes, limit {LIMIT_BYTES}")
    head, blank, note = body.partition(b"\n\n")
    if not blank or not note:
        raise AuditError("the request has no empty line and checkpoint behind it")
    if not head.isascii():
        raise AuditError("the request begins with bytes that are not ASCII")
    first, *hashes = head.decode().split("\n")
    if len(hashes) > PROOF_LINES:
        raise AuditError(f"proof of {len(hashes)} hashes, limit {PROOF_LINES}")
    if not first.startswith("old "):
        raise AuditError("the request does not begin with an old size")
    return AddCheckpoint(_size(first[4:]), read_hashes(hashes), note)


def read_hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Hashes in base64, each in its one form."""
    found = tuple(unbase64(line, "proof line") for line in lines)
    for one in found:
        if len(one) != HASH_BYTES:
            raise AuditError(f"proof line of {len(one)} bytes, not {HASH_BYTES}")
    return found


def write_size(size: int) -> bytes:
    """The body of 409: the size of the newest checkpoint that was cosigned."""
    return b"%d\n" % size


def read_size(body: bytes) -> int:
    if not body.endswith(b"\n") or not body.isascii():
        raise AuditError("the witness's size is no line")
    return _size(body[:-1].decode())


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or text != str(int(text)):
        raise AuditError("the size is not a plain number")
    if int(text) > SIZE_LIMIT:
        raise AuditError(f"size {text}, limit {SIZE_LIMIT}")
    return int(text)

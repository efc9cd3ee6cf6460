"""Signed heads of the log: C2SP tlog-checkpoint in a C2SP signed-note, with Ed25519.

Touches: nothing; the key's owner hands in `sign` and `verify`.
Trusts:  the key name and public key it is given; every byte of a note is hostile.
Raises:  AuditError for a note, checkpoint or verifier key that does not hold; ValueError where a
         caller of ours would sign what no reader accepts.

    truc-relay.example/log/tinh-h01
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — truc-relay.example/log/tinh-h01 <base64 of four bytes of key id and the signature>

The first line, the origin, is also the key's name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from relay.audit.tree import HASH_BYTES, SIZE_LIMIT
from relay.errors import AuditError
from relay.model import NodeId

ORIGIN_PREFIX: Final = "truc-relay.example/log/"
"""With the node id, the name of a node's log and of the key that signs it."""
ED25519: Final = b"\x01"
"""The kind of a key that signs the note's own text; cosignature.py has another."""
KEY_BYTES: Final = 32
NOTE_LIMIT_BYTES: Final = 256 * 1024
SIGNATURES_LIMIT: Final = 64
"""The note format asks for at least 16; witnesses may add theirs."""
_DASH: Final = "\N{EM DASH} "

Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], object]
"""(signature, message): returns when the signature holds, raises anything when it does not."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head whose signature held: the log's name, its size and the root over that many leaves."""

    origin: str
    size: int
    root: bytes


def origin_of(node: NodeId) -> str:
    """The name of a node's log."""
    return ORIGIN_PREFIX + node


def note_body(origin: str, size: int, root: bytes) -> bytes:
    """The text that is signed: three lines."""
    _check_name(origin)
    if not 0 <= size <= SIZE_LIMIT or len(root) != HASH_BYTES:
        raise ValueError(f"no checkpoint for size {size} and a root of {len(root)} bytes")
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def key_id(key_name: str, public_key: bytes, kind: bytes = ED25519) -> bytes:
    """The four bytes that, with its name, say which Ed25519 key signed, and what kind of signature."""
    return hashlib.sha256(key_name.encode() + b"\n" + kind + public_key).digest()[:4]


def sign_note(body: bytes, key_name: str, public_key: bytes, sign: Sign) -> bytes:
    """The note: `body` and one signature line."""
    _check_name(key_name)
    if len(public_key) != KEY_BYTES:
        raise ValueError(f"public key of {len(public_key)} bytes, not {KEY_BYTES}")
    if not body.endswith(b"\n"):
        raise ValueError("note text must end in a newline")
    return body + b"\n" + signature_line(key_name, key_id(key_name, public_key) + sign(body))


def signature_line(key_name: str, identified: bytes) -> bytes:
    """One signature as a note holds it: the key's name, its id and what that key signed."""
    return f"{_DASH}{key_name} {base64.b64encode(identified).decode()}\n".encode()


def verify_note(note: bytes, key_name: str, public_key: bytes, verify: Verify) -> Checkpoint:
    """The checkpoint of the log `key_name`, once its signature by that key holds.

    Signatures by other keys are passed over, as the format asks; one that names this key and does
    not hold refuses the whole note.
    """
    body, lines = split_note(note)
    wanted = (key_name, key_id(key_name, public_key))
    signed = False
    for line in lines:
        name, identifier, signature = read_signature(line)
        if (name, identifier) == wanted:
            _check_signature(signature, body, verify)
            signed = True
    if not signed:
        raise AuditError(f"head is not signed by {key_name}")
    checkpoint = _checkpoint(body)
    if checkpoint.origin != key_name:
        raise AuditError(f"head is of another log than {key_name}")
    return checkpoint


def signed_alone(note: bytes, key_name: str, public_key: bytes) -> bytes:
    """The note with the signatures of this key and no others: what is evidence, however much came with it."""
    body, lines = split_note(note)
    wanted = (key_name, key_id(key_name, public_key))
    kept = [line for line in lines if read_signature(line)[:2] == wanted]
    return body + b"\n" + b"".join(f"{line}\n".encode() for line in dict.fromkeys(kept))


def head_of(note: bytes) -> Checkpoint:
    """What a note says, without looking at its signatures: for heads that this node signed itself."""
    return _checkpoint(split_note(note)[0])


def split_note(note: bytes) -> tuple[bytes, list[str]]:
    """What is signed, and the signature lines without their newlines, at most SIGNATURES_LIMIT."""
    if len(note) > NOTE_LIMIT_BYTES:
        raise AuditError(f"note of {len(note)} bytes, limit {NOTE_LIMIT_BYTES}")
    try:
        text = note.decode()
    except UnicodeDecodeError as error:
        raise AuditError("note is not UTF-8") from error
    if any(character < " " and character != "\n" for character in text):
        raise AuditError("note holds a control character")
    body, blank, signatures = text.rpartition("\n\n")
    if not blank or not body or not signatures.endswith("\n"):
        raise AuditError("note has no text and signature lines apart from each other")
    lines = signatures[:-1].split("\n")
    if len(lines) > SIGNATURES_LIMIT:
        raise AuditError(f"note with {len(lines)} signatures, limit {SIGNATURES_LIMIT}")
    return f"{body}\n".encode(), lines


def read_signature(line: str) -> tuple[str, bytes, bytes]:
    """The key name, key id and signature of one line."""
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    raw = unbase64(encoded, "signature")
    if not line.startswith(_DASH) or not space or not name or "+" in name or len(raw) <= 4:
        raise AuditError("signature line is malformed")
    return name, raw[:4], raw[4:]


def _check_signature(signature: bytes, body: bytes, verify: Verify) -> None:
    try:
        verify(signature, body)
    except Exception as error:
        # Each library refuses in its own way, and every one of them means no.
        raise AuditError("signature of the head does not hold") from error


def _checkpoint(body: bytes) -> Checkpoint:
    # Lines after the third are extensions: allowed by the format, never written here.
    lines = body.decode()[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise AuditError("head has fewer than three lines or an empty one")
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdigit()) or len(size) > 19 or size != str(int(size)):
        raise AuditError("size of the head is not a plain number")
    if int(size) > SIZE_LIMIT:
        raise AuditError(f"size of the head is {size}, limit {SIZE_LIMIT}")
    hashed = unbase64(root, "root")
    if len(hashed) != HASH_BYTES:
        raise AuditError(f"root of {len(hashed)} bytes, not {HASH_BYTES}")
    return Checkpoint(origin, int(size), hashed)


# ---------------------------------------------------------------- verifier keys


def vkey(key_name: str, public_key: bytes, kind: bytes = ED25519) -> str:
    """The verifier key as people pass it on: name+id+key."""
    _check_name(key_name)
    encoded = base64.b64encode(kind + public_key).decode()
    return f"{key_name}+{key_id(key_name, public_key, kind).hex()}+{encoded}"


def parse_vkey(text: str, kind: bytes = ED25519) -> tuple[str, bytes]:
    """The key name and Ed25519 public key of a verifier key of this kind."""
    name, _, rest = text.partition("+")
    identifier, _, encoded = rest.partition("+")
    raw = unbase64(encoded, "verifier key")
    if not name or raw[:1] != kind or len(raw) != 1 + KEY_BYTES:
        raise AuditError("verifier key is not name+id+Ed25519 key")
    if identifier != key_id(name, raw[1:], kind).hex():
        raise AuditError("verifier key's id is not of its name and key")
    return name, raw[1:]


def _check_name(name: str) -> None:
    if not name or "+" in name or not name.isprintable() or any(map(str.isspace, name)):
        raise ValueError(f"{name!r} cannot name a log or key")


def unbase64(text: str, what: str) -> bytes:
    """Strict base64: one text for each value, so no second writing of a signature exists."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AuditError(f"{what} is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise AuditError(f"{what} is not base64 in its one form")
    return raw

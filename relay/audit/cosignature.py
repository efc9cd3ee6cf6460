"""Cosignatures: a witness's dated word that a head follows all it saw of a log (C2SP tlog-cosignature v1).

Touches: nothing; the key's owner hands in `sign` and `verify`, the caller the time.
Trusts:  the cosigner's name and key it is given; every byte of a note or an answer is hostile.
Raises:  AuditError for what does not hold; ValueError where a caller of ours would sign what no reader accepts.

    cosignature/v1
    time 1679315147
    <the text of the note>

is what is signed; the line in the note holds key id, the time in eight bytes and the Ed25519 signature.
The first line keeps it apart from whatever else the key signs: no log's name begins so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from relay.audit.checkpoint import (
    SIGNATURES_LIMIT,
    Sign,
    Verify,
    head_of,
    key_id,
    parse_vkey,
    read_signature,
    signature_line,
    split_note,
    vkey,
)
from relay.errors import AuditError
from relay.model import NodeId

WITNESS_PREFIX: Final = "truc-relay.example/witness/"
"""With the node id, the name under which a node cosigns, with the key of its log."""
COSIGNATURE: Final = b"\x04"
"""The kind of key: a timestamped Ed25519 signature of a head."""
STAMPED_BYTES: Final = 8 + 64
_LATEST: Final = 253_402_300_799
"""Seconds; the year 9999. The format allows more, no calendar of ours does."""
_ANSWER_LIMIT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Cosigner:
    """Who cosigns: the name and the Ed25519 key that are believed, and the key's check."""

    name: str
    public_key: bytes
    verify: Verify

    @property
    def vkey(self) -> str:
        return vkey(self.name, self.public_key, COSIGNATURE)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One whose signature held: who, when by the cosigner's clock, and the line as it came."""

    name: str
    at: datetime
    line: bytes


@dataclass(frozen=True, slots=True)
class CosignedNote:
    """What the lines of a note came to, but for the log's own."""

    proven: tuple[tuple[Cosigner, Cosignature], ...]
    """In the note's order, each with whose key it is by."""
    unknown: tuple[str, ...]
    """The names on lines by keys that are not known: nothing was judged of them."""


def cosigner_name(node: NodeId) -> str:
    """As whom a node cosigns."""
    return WITNESS_PREFIX + node


def parse_cosigner(text: str) -> tuple[str, bytes]:
    """The name and public key of a cosigner's verifier key (kind 0x04)."""
    return parse_vkey(text, COSIGNATURE)


def cosign(note: bytes, name: str, public_key: bytes, sign: Sign, at: datetime) -> bytes:
    """The signature line for this note's text; whoever calls has judged it."""
    body, _ = split_note(note)
    seconds = int(at.timestamp())
    if not 0 <= seconds <= _LATEST:
        raise ValueError(f"no cosignature has the time {seconds}")
    signature = sign(_message(body, seconds))
    stamped = seconds.to_bytes(8, "big") + signature
    if len(stamped) != STAMPED_BYTES:
        raise ValueError(f"signature of {len(signature)} bytes, not 64")
    return signature_line(name, key_id(name, public_key, COSIGNATURE) + stamped)


def cosignatures(note: bytes, cosigner: Cosigner) -> tuple[Cosignature, ...]:
    """Those of this cosigner among a note's lines, each proven; none where it signed none.

    Lines by others are passed over. One that names this key and does not hold refuses all of them.
    """
    body, lines = split_note(note)
    wanted = (cosigner.name, key_id(cosigner.name, cosigner.public_key, COSIGNATURE))
    return tuple(
        _proven(body, line, signature, cosigner)
        for line in lines
        for name, identifier, signature in [read_signature(line)]
        if (name, identifier) == wanted
    )


def judge_cosignatures(note: bytes, known: Iterable[Cosigner]) -> CosignedNote:
    """Every line but the log's own: proven where it names a known key, else counted apart.

    One that names a known key and does not hold refuses the whole note.
    """
    body, lines = split_note(note)
    by_key = {(one.name, key_id(one.name, one.public_key, COSIGNATURE)): one for one in known}
    proven, unknown = [], []
    for line in lines:
        name, identifier, signature = read_signature(line)
        cosigner = by_key.get((name, identifier))
        if cosigner is None:
            unknown.append(name)
        else:
            proven.append((cosigner, _proven(body, line, signature, cosigner)))
    origin = head_of(note).origin
    if origin in unknown:
        unknown.remove(origin)
    return CosignedNote(tuple(proven), tuple(unknown))


def answered(note: bytes, answer: bytes, cosigner: Cosigner) -> Cosignature:
    """The cosignature of `note` in what a witness answered (lines only), the latest where there are several."""
    if len(answer) > _ANSWER_LIMIT_BYTES:
        raise AuditError(f"answer of {len(answer)} bytes, limit {_ANSWER_LIMIT_BYTES}")
    if not answer.endswith(b"\n") or b"\n\n" in answer or answer.startswith(b"\n"):
        raise AuditError("the answer is not a sequence of signature lines")
    if answer.count(b"\n") > SIGNATURES_LIMIT:
        raise AuditError(f"the answer has more than {SIGNATURES_LIMIT} signature lines")
    body, _ = split_note(note)
    found = cosignatures(body + b"\n" + answer, cosigner)
    if not found:
        raise AuditError(f"the answer holds no cosignature by {cosigner.name}")
    return max(found, key=lambda one: one.at)


def few_cosignatures(note: bytes, first: str, most: int) -> bytes:
    """The note with at most so many lines that are not the log's own; those of `first` before others."""
    body, lines = split_note(note)
    log = body.partition(b"\n")[0].decode()
    named = [(read_signature(line)[0], line) for line in lines]
    others = sorted((one for one in named if one[0] != log), key=lambda one: one[0] != first)
    kept = {line for _, line in others[:most]}
    chosen = [line for name, line in named if name == log or line in kept]
    return body + b"\n" + "".join(f"{line}\n" for line in chosen).encode()


def _message(body: bytes, seconds: int) -> bytes:
    return b"cosignature/v1\ntime %d\n%s" % (seconds, body)


def _proven(body: bytes, line: str, stamped: bytes, cosigner: Cosigner) -> Cosignature:
    if len(stamped) != STAMPED_BYTES:
        raise AuditError(f"cosignature of {len(stamped)} bytes, not {STAMPED_BYTES}")
    seconds = int.from_bytes(stamped[:8], "big")
    if seconds > _LATEST:
        raise AuditError(f"cosignature with the time {seconds}, limit {_LATEST}")
    try:
        cosigner.verify(stamped[8:], _message(body, seconds))
    except Exception as error:
        # Each library refuses in its own way, and every one of them means no.
        raise AuditError(f"the cosignature by {cosigner.name} does not hold") from error
    return Cosignature(cosigner.name, datetime.fromtimestamp(seconds, UTC), f"{line}\n".encode())

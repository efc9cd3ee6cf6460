"""What an exported log holds and under which names: an ASiC-E container (wire format W17).

Touches: nothing.
Trusts:  nothing; a document is read only if it is exactly what would be written.
Raises:  AuditError.

    mimetype
    export.json                      whose log, which period, the range of each epoch and its proof
    epochs/0000/checkpoint           a signed head that covers the range, with cosignatures it has
    epochs/0000/leaves.jsonl         the exact leaves, one a line
    epochs/0000/words.jsonl          what stands beside them, only where it was asked for
    epochs/0000/heads/SIZE.note      signed heads of sizes within the range, witnessed or timestamped
    epochs/0000/heads/SIZE.tst       the timestamp of that note
    certificates/<sha256>.cer        of the log's key and of the exporter, with their issuers
    manifest.json                    name, size and SHA-256 of every file above
    META-INF/manifest.xml            the container's own
    META-INF/signatures001.xml       the node's, over every other file
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from relay.audit.entries import instant, moment
from relay.audit.ranges import RangeProof
from relay.audit.tree import SIZE_LIMIT
from relay.errors import AuditError
from relay.model import Digest, NodeId

FORMAT: Final = "truc-relay log export 1"
ABOUT, FILES, SIGNATURE = "export.json", "manifest.json", "META-INF/signatures001.xml"
DOCUMENT_LIMIT_BYTES: Final = 4 << 20
EPOCHS_LIMIT: Final = 1000
CERTIFICATES_LIMIT: Final = 200
"""Of the log's key, the exporter and witnesses, with their issuers."""
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEAD = re.compile(r"epochs/([0-9]{4})/heads/([1-9][0-9]{0,18})\.note", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """The range of one epoch."""

    number: int
    log: str
    proof: RangeProof


@dataclass(frozen=True, slots=True)
class About:
    """export.json. The range holds one more entry before the period and one after it, where there is
    one: they show that nothing of the period was left out at its edges."""

    node: NodeId
    since: datetime | None
    until: datetime | None
    words: bool
    log_chain: tuple[Digest, ...]
    """The certificate of the log's key and its issuers, by digest."""
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ListedFile:
    name: str
    size_bytes: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class Words:
    """A line of words.jsonl: what stands beside the entry of this index."""

    index: int
    salt: bytes
    words: dict[str, str]


def write_words(beside: Words) -> bytes:
    """The line, without its end."""
    members = {"index": beside.index, "salt": beside.salt.hex(), "words": beside.words}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def read_words(line: bytes) -> Words:
    """What write_words was given, if these bytes are exactly what it would write (W17.8)."""
    try:
        found = json.loads(line)
        words = {str(place): _text(text, 65_535) for place, text in found["words"].items()}
        beside = Words(_number(found["index"]), bytes.fromhex(found["salt"]), words)
        if write_words(beside) == line:
            return beside
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise AuditError("a line of words is none, or not in its one form")


def checkpoint_name(epoch: int) -> str:
    return f"epochs/{epoch:04}/checkpoint"


def leaves_name(epoch: int) -> str:
    return f"epochs/{epoch:04}/leaves.jsonl"


def words_name(epoch: int) -> str:
    return f"epochs/{epoch:04}/words.jsonl"


def head_names(epoch: int, size: int) -> tuple[str, str]:
    """Of a head within the range, and of its timestamp (W17.7)."""
    return f"epochs/{epoch:04}/heads/{size}.note", f"epochs/{epoch:04}/heads/{size}.tst"


def head_named(name: str) -> tuple[int, int] | None:
    """Epoch and size of a head's file."""
    found = _HEAD.fullmatch(name)
    return None if found is None else (int(found[1]), int(found[2]))


def write_files(files: Sequence[ListedFile]) -> bytes:
    rows = [{"name": one.name, "sha256": one.digest, "size_bytes": one.size_bytes} for one in files]
    return _written({"files": rows})


def write_about(about: About) -> bytes:
    return _written(
        {
            "format": FORMAT,
            "node": about.node,
            "since": None if about.since is None else instant(about.since),
            "until": None if about.until is None else instant(about.until),
            "words": about.words,
            "log_certificates": list(about.log_chain),
            "epochs": [_part(one) for one in about.parts],
        }
    )


def _part(part: Part) -> dict[str, Any]:
    proof = part.proof
    return {
        "number": part.number,
        "log": part.log,
        "first": proof.first,
        "end": proof.end,
        "size": proof.size,
        "left": [one.hex() for one in proof.left],
        "right": [one.hex() for one in proof.right],
    }


def read_about(content: bytes) -> About:
    """What write_about was given, if these bytes are exactly what it would write (W17.2)."""
    try:
        found = json.loads(content)
        about = About(
            NodeId(_text(found["node"])),
            _maybe_moment(found["since"]),
            _maybe_moment(found["until"]),
            found["words"] is True,
            tuple(Digest(_hash(one)) for one in found["log_certificates"]),
            tuple(_read_part(one) for one in found["epochs"]),
        )
        again = write_about(about)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AuditError(f"{ABOUT} is not one of an exported log") from error
    if not about.parts or len(about.parts) > EPOCHS_LIMIT or not about.log_chain:
        raise AuditError(f"{ABOUT} names {len(about.parts)} epochs, limit {EPOCHS_LIMIT}")
    if again != content:
        raise AuditError(f"{ABOUT} is not in its one form")
    if any(after.number != before.number + 1 for before, after in pairwise(about.parts)):
        raise AuditError(f"{ABOUT} does not name epochs that follow one another")
    return about


def _read_part(found: dict[str, Any]) -> Part:
    first, end, size = (_number(found[name]) for name in ("first", "end", "size"))
    left, right = (tuple(bytes.fromhex(_hash(one)) for one in found[s]) for s in ("left", "right"))
    proof = RangeProof(first, end, size, left, right)
    return Part(_number(found["number"]), _text(found["log"]), proof)


def _text(value: object, limit: int = 500) -> str:
    if not isinstance(value, str) or not value or len(value) > limit:
        raise ValueError("no text")
    return value


def _hash(value: object) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError("no hash")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= SIZE_LIMIT:
        raise ValueError("no number")
    return value


def _maybe_moment(value: object) -> datetime | None:
    return None if value is None else moment(_text(value))


def _written(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"

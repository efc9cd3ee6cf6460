"""What goes between a node and its worker, over the worker's stdin and stdout.

Each message is one frame: four bytes of length, then the bytes. To the worker: once the terms (JSON), then
for each job its heading (JSON), the file in frames of at most CHUNK_BYTES, and an empty frame. Back: `ready`
once, then a judgement (JSON) for each job.

Touches: the pipe it is given. Trusts: nothing; whoever reads bounds what it reads.
Raises:  Ended where the other side is gone, ValueError.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from relay.signing.others.limits import JudgingLimits

LENGTH = struct.Struct("!L")
CHUNK_BYTES = 256 * 1024
ANSWER_LIMIT_BYTES = 4 << 20
TERMS_LIMIT_BYTES = 64 << 20
"""Anchors, and CRLs with many thousand entries."""
READY = b"ready"
NOT_INSTALLED = b"not-installed"


class Ended(Exception):  # noqa: N818 - no failure: the other side closed the pipe
    """Nothing more will come."""


@dataclass(frozen=True, slots=True)
class Terms:
    """By what a worker judges; certificates and revocation data in DER or PEM."""

    anchors: tuple[bytes, ...]
    """Whose certificates sign documents."""
    stampers: tuple[bytes, ...] = ()
    """Of timestamp authorities."""
    helpers: tuple[bytes, ...] = ()
    """Issuing authorities that signatures leave out."""
    crls: tuple[bytes, ...] = ()
    limits: JudgingLimits = field(default_factory=JudgingLimits)


@dataclass(frozen=True, slots=True)
class Heading:
    known: datetime
    is_pdf: bool = False
    """A PDF by itself instead of an envelope."""
    name: str = ""


def frame(content: bytes) -> bytes:
    return LENGTH.pack(len(content)) + content


def read_frame(source: BinaryIO, limit_bytes: int) -> bytes:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise Ended
    (size,) = LENGTH.unpack(head)
    content = source.read(size) if size <= limit_bytes else b""
    if len(content) < size:
        raise Ended
    return content


def write_terms(terms: Terms) -> bytes:
    limits = asdict(terms.limits) | {"within": terms.limits.within.total_seconds()}
    return json.dumps(
        {
            "anchors": _texts(terms.anchors),
            "stampers": _texts(terms.stampers),
            "helpers": _texts(terms.helpers),
            "crls": _texts(terms.crls),
            "limits": limits,
        }
    ).encode()


def read_terms(content: bytes) -> Terms:
    found: dict[str, Any] = json.loads(content)
    limits = found["limits"]
    limits["within"] = timedelta(seconds=limits["within"])
    return Terms(
        _bytes(found["anchors"]),
        _bytes(found["stampers"]),
        _bytes(found["helpers"]),
        _bytes(found["crls"]),
        JudgingLimits(**limits),
    )


def write_heading(heading: Heading) -> bytes:
    return json.dumps(asdict(heading) | {"known": heading.known.isoformat()}).encode()


def read_heading(content: bytes) -> Heading:
    found: dict[str, Any] = json.loads(content)
    return Heading(datetime.fromisoformat(found["known"]), found["is_pdf"], found["name"])


def _texts(contents: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(one).decode("ascii") for one in contents]


def _bytes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(one) for one in texts)

"""One attached file: what it is by its bytes, what befell it on its way, and the signatures in it.

Touches: the file it is given. Trusts: nothing of it. Raises: MemoryError.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from relay.envelope.sniff import HEAD_BYTES, is_ruined, kind_of
from relay.envelope.zipping import UnzipLimits, unzip_one
from relay.errors import EnvelopeError
from relay.judgement import Flaw, Signature
from relay.model import Digest
from relay.signing.others.court import Court
from relay.signing.others.limits import JudgingLimits
from relay.signing.others.pades import judge_pdf

_REPLACEMENT = b"\xef\xbf\xbd"
_RUINED_EVERY_BYTES = 512
"""One replacement in so many bytes of a file that is no text is no accident."""
_UNZIPPING = {"zip opens to too much": Flaw.BOMB, "broken zip": Flaw.UNREADABLE}


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a file before its name is."""

    kind: str
    """Of the file inside, where a ZIP holds only one."""
    outer: str
    """Of the bytes as they came."""
    digest: Digest
    """Of the bytes that were judged."""
    flaws: tuple[Flaw, ...] = ()
    signatures: tuple[Signature, ...] = ()
    alone: bool = False
    """A ZIP's only entry."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a file is judged with and by."""

    court: Court
    limits: JudgingLimits
    known: datetime
    """When it existed for certain."""
    scratch: BinaryIO
    """Holds one file after another."""


class Gathering:
    """One file as its bytes come."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._sha256 = hashlib.sha256()
        self._head = b""
        self._bytes = 0
        self._replaced = 0
        bench.scratch.seek(0)
        bench.scratch.truncate()

    def feed(self, content: bytes) -> None:
        self._sha256.update(content)
        self._bytes += len(content)
        self._replaced += content.count(_REPLACEMENT)
        if len(self._head) < HEAD_BYTES:
            self._head += content[: HEAD_BYTES - len(self._head)]
        if self._bytes <= self._bench.limits.file_bytes:
            self._bench.scratch.write(content)

    def close(self, fault: str) -> Found:
        """`fault`: what ended its base64 early."""
        kind = kind_of(self._head)
        flaws = tuple(_damage(self._head, self._replaced, self._bytes))
        found = Found(kind, kind, Digest(self._sha256.hexdigest()))
        self._bench.scratch.flush()
        if fault:
            return replace(found, flaws=(*flaws, Flaw.BAD_BASE64))
        if self._bytes > self._bench.limits.file_bytes:
            return replace(found, flaws=(*flaws, Flaw.TOO_LARGE))
        if kind == "pdf":
            found = _with_pdf(found, self._bench.scratch, self._bench)
        elif kind == "zip":
            found = self._opened(found)
        return replace(found, flaws=(*flaws, *found.flaws))

    def _opened(self, found: Found) -> Found:
        """The one file that a ZIP holds; any other ZIP stays what it is."""
        limits, scratch = self._bench.limits, self._bench.scratch
        if self._bytes > limits.zip_bytes:
            return replace(found, flaws=(Flaw.TOO_LARGE,))
        scratch.seek(0)
        try:
            content = unzip_one(scratch.read(), UnzipLimits(content_bytes=limits.opened_bytes))
        except EnvelopeError as error:
            flaw = _UNZIPPING.get(error.what)
            return replace(found, flaws=() if flaw is None else (flaw,))
        return _of_entry(content, self._bench)


def _of_entry(content: bytes, bench: Bench) -> Found:
    head = content[:HEAD_BYTES]
    found = Found(kind_of(head), "zip", Digest(hashlib.sha256(content).hexdigest()), alone=True)
    flaws = tuple(_damage(head, content.count(_REPLACEMENT), len(content)))
    if found.kind == "pdf":
        found = _with_pdf(found, io.BytesIO(content), bench)
    return replace(found, flaws=(*flaws, *found.flaws))


def _with_pdf(found: Found, file: BinaryIO, bench: Bench) -> Found:
    judged = judge_pdf(file, bench.court, bench.known, bench.limits.signatures)
    return replace(found, flaws=judged.flaws, signatures=judged.signatures)


def _damage(head: bytes, replaced: int, size_bytes: int) -> Iterator[Flaw]:
    binary = bool(kind_of(head)) or b"\0" in head
    if is_ruined(head) or (binary and replaced * _RUINED_EVERY_BYTES > size_bytes):
        yield Flaw.RUINED

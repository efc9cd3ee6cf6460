"""The tolerant reader: any bytes become an Envelope or an EnvelopeError, nothing else.

It is fed as the bytes arrive, keeps the header and the findings, and lets attachments go by. How
the bytes are cut into chunks changes nothing: they are gathered into slices of one length first.

Touches: nothing. Trusts: nothing, every byte is hostile. Raises: EnvelopeError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from relay.envelope import codes
from relay.envelope.contents import Sink
from relay.envelope.elements import Element
from relay.envelope.findings import Findings
from relay.envelope.header import read_envelope
from relay.envelope.limits import DEFAULT, SLICE_BYTES, Limits, in_units
from relay.envelope.parser import EdxmlParser
from relay.errors import EnvelopeError
from relay.model import Digest, Envelope, Finding

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"


class EnvelopeReader:
    """Reads one envelope. After an error it is spent and repeats that error."""

    __slots__ = ("_digest", "_failure", "_findings", "_limits", "_parser", "_size", "_waiting")

    def __init__(self, limits: Limits = DEFAULT, sink: Sink | None = None) -> None:
        """`sink` gets the decoded attachments as they go by (see envelope/attachments.py)."""
        self._limits = limits
        self._findings = Findings(limits.findings)
        self._parser = EdxmlParser(limits, self._findings, sink)
        self._digest = hashlib.sha256()
        self._size = 0
        self._waiting = bytearray()
        self._failure: EnvelopeError | None = None

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; raises as soon as they cannot become an envelope."""
        if self._failure:
            raise self._failure
        try:
            self._gather(memoryview(chunk))
        except EnvelopeError as error:
            self._fail(error)
            raise

    def close(self) -> Envelope:
        """The envelope, once everything was fed."""
        if self._failure:
            raise self._failure
        try:
            return self._finish(memoryview(self._waiting))
        except EnvelopeError as error:
            self._failure = error
            raise
        finally:
            self._parser.release()

    def _gather(self, view: memoryview) -> None:
        while view:
            if not self._waiting and len(view) >= SLICE_BYTES:
                self._take(view[:SLICE_BYTES])
                view = view[SLICE_BYTES:]
                continue
            room = SLICE_BYTES - len(self._waiting)
            self._waiting += view[:room]
            view = view[room:]
            if len(self._waiting) == SLICE_BYTES:
                ready, self._waiting = self._waiting, bytearray()
                self._take(memoryview(ready))

    def _take(self, data: memoryview) -> None:
        self._count(data)
        try:
            self._parser.feed(data)
        except EnvelopeError as error:
            raise self._explain(error, data) from None

    def _take_last(self, data: memoryview) -> Element:
        self._count(data)
        if self._size == 0:
            raise EnvelopeError("empty envelope")
        try:
            return self._parser.close(data)
        except EnvelopeError as error:
            raise self._explain(error, data) from None

    def _count(self, data: memoryview) -> None:
        if self._size == 0:
            _check_beginning(bytes(data[:4]))
        self._size += len(data)
        if self._size > self._limits.envelope_bytes:
            limit = in_units(self._limits.envelope_bytes)
            raise EnvelopeError("envelope too large", limit=limit)
        self._digest.update(data)

    def _finish(self, last: memoryview) -> Envelope:
        root = self._take_last(last)
        return read_envelope(
            root,
            self._parser.attachments,
            digest=Digest(self._digest.hexdigest()),
            size_bytes=self._size,
            limits=self._limits,
            findings=self._findings,
        )

    def _explain(self, error: EnvelopeError, data: memoryview) -> EnvelopeError:
        """What stands before the declaration is named: expat only says that it is misplaced."""
        if self._parser.begun or self._parser.unfinished or self._size > SLICE_BYTES:
            return error
        at = bytes(data).removeprefix(_UTF8_MARK).find(b"<?xml ")
        if at > 0 and error.what.startswith("not well-formed"):
            return EnvelopeError(f"{at} bytes before the xml declaration", where="byte 0")
        return error

    def _fail(self, error: EnvelopeError) -> None:
        self._failure = error
        self._waiting = bytearray()
        self._parser.release()


def read(content: bytes, limits: Limits = DEFAULT) -> Envelope:
    """The envelope these bytes are."""
    reader = EnvelopeReader(limits)
    reader.feed(content)
    return reader.close()


def recipients_finding(
    envelope: Envelope,
    declared: Sequence[str],
    agency_of: Callable[[str], str] = codes.normalise,
) -> Finding | None:
    """A finding when a list of recipients given outside the document differs from its To.

    Compared as sets of canonical codes, or of the agencies that `agency_of` (which raises EnvelopeError
    for text that is no code) says they name. None where the document lists nobody: a status names its
    recipient in ResponseFor, and a document without To already has a finding.
    """
    inside = {_comparable(party.organ_id, agency_of) for party in envelope.recipients}
    outside = {_comparable(code, agency_of) for code in declared}
    if not inside or inside == outside:
        return None
    detail = f"{len(outside - inside)} only outside, {len(inside - outside)} only in the document"
    return Finding("recipients-differ", detail, "To")


def _comparable(code: str, agency_of: Callable[[str], str]) -> str:
    try:
        return agency_of(code)
    except EnvelopeError:
        return code.strip()


def _check_beginning(first: bytes) -> None:
    if first.startswith(_UTF16_MARKS) or b"\x00" in first:
        raise EnvelopeError("encoding other than UTF-8", where="byte 0")

"""Faults of a node that reads envelopes: too strictly, or too kindly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

from lxml import etree

from relay.agencies import Agency
from relay.delivery import arrivals
from relay.envelope import header as headers
from relay.envelope.findings import Findings
from relay.envelope.limits import Limits
from relay.envelope.parser import EdxmlParser
from relay.envelope.parties import read_recipients, read_sender
from relay.envelope.reader import EnvelopeReader, read
from relay.envelope.schema import validate
from relay.errors import EnvelopeError
from relay.model import Digest, Envelope, Party
from relay.routing.directory import Directory
from relay.transport.axis import documents
from tests.conformance.mutants import mutant, put_in


def _reading(read_whole: Any) -> None:
    """Envelopes are read as a whole, when all of one is there."""
    honest = EnvelopeReader.close
    whole: dict[int, bytes] = {}

    def feed(self: EnvelopeReader, chunk: Any) -> None:
        whole[id(self)] = whole.get(id(self), b"") + bytes(chunk)

    def close(self: EnvelopeReader) -> Envelope:
        content = whole.pop(id(self), b"")
        put_in(EnvelopeReader, "feed", honest_feed)
        put_in(EnvelopeReader, "close", honest)
        try:
            found: Envelope = read_whole(content)
            return found
        finally:
            put_in(EnvelopeReader, "feed", feed)
            put_in(EnvelopeReader, "close", close)

    honest_feed = EnvelopeReader.feed
    put_in(EnvelopeReader, "feed", feed)
    put_in(EnvelopeReader, "close", close)


@mutant(
    "takes only what is of the strict form",
    "E1.1/e-doc",
    "E1.1/soap",
    "E1.1/none",
    "E1.2/unknown",
    "E1.2/business",
    "E1.2/no-to",
)
def reads_strictly() -> None:
    def strictly(content: bytes) -> Envelope:
        validate(content)
        return read(content)

    _reading(strictly)


@mutant("goes by the order of elements", "E1.1/another-order")
def goes_by_positions() -> None:
    def recipients(message: Any, *rest: Any) -> tuple[Party, ...]:
        if next(iter(message.children), "") != "From":
            raise EnvelopeError("From is not first")
        return read_recipients(message, *rest)

    put_in(headers, "read_recipients", recipients)


@mutant("refuses comments", "E1.2/comment")
def refuses_comments() -> None:
    honest = EdxmlParser.__init__

    def begin(self: EdxmlParser, *arguments: Any) -> None:
        honest(self, *arguments)

        def comment(_: str) -> None:
            raise EnvelopeError("a comment")

        self._expat.CommentHandler = comment

    put_in(EdxmlParser, "__init__", begin)


@mutant(
    "takes every finding for a failure",
    "E1.2/unknown",
    "E1.2/impossible-date",
    "E1.2/media-type",
    "E1.2/no-to",
)
def tolerates_nothing() -> None:
    def add(self: Findings, code: str, detail: str, where: str = "") -> None:
        raise EnvelopeError(f"{code}: {detail}")

    put_in(Findings, "add", add)


@mutant("gives out blanks where there was a comment", "E1.2/comment")
def blanks_comments() -> None:
    honest = documents._proven

    async def proven(*arguments: Any) -> AsyncIterator[bytes]:
        async for chunk in honest(*arguments):
            yield chunk.replace(b"<!-- vendor -->", b" " * 15)

    put_in(documents, "_proven", proven)


@mutant("reads document types", "E1.3/doctype", "E1.3/entity", "E1.3/external")
def reads_document_types() -> None:
    put_in(EdxmlParser, "_doctype", lambda *_: None)


@mutant("mends what is not well-formed", "E1.3/not-well-formed", "E1.3/junk")
def mends() -> None:
    def mended(content: bytes) -> Envelope:
        start = max(content.find(b"<?xml"), 0)
        root = etree.fromstring(content[start:], etree.XMLParser(recover=True, no_network=True))
        digest = Digest(sha256(content).hexdigest())
        return replace(read(etree.tostring(root)), digest=digest, size_bytes=len(content))

    _reading(mended)


@mutant("takes a document of nobody", "E1.3/no-sender")
def takes_from_nobody() -> None:
    def sender(message: Any, findings: Findings) -> Party:
        return read_sender(message, findings) if "From" in message.children else Party("")

    put_in(headers, "read_sender", sender)
    put_in(arrivals, "sender_fault", lambda *_: "")


@mutant("knows an agency by one form of its code", "E1.5/either-form")
def knows_one_form() -> None:
    honest = Directory._listed

    def listed(self: Directory, form: str) -> Agency | None:
        found = honest(self, form)
        return found if found is None or found.code == form else None

    put_in(Directory, "_listed", listed)


def _limited(**bounds: Any) -> None:
    honest = EdxmlParser.__init__

    def begin(self: EdxmlParser, limits: Limits, *rest: Any) -> None:
        honest(self, replace(limits, **bounds), *rest)

    put_in(EdxmlParser, "__init__", begin)


@mutant("takes only what is small", "E1.4/sixteen-deep", "E1.4/recipients", "E1.4/attachments")
def bounds_tightly() -> None:
    _limited(depth=12, attachments=100)

    def recipients(message: Any, limits: Limits, *rest: Any) -> tuple[Party, ...]:
        return read_recipients(message, replace(limits, recipients=100), *rest)

    put_in(headers, "read_recipients", recipients)


@mutant("reads without end", "E1.4/too-deep", "E1.4/too-many", "E1.4/attributes")
def reads_without_end() -> None:
    _limited(depth=1 << 30, elements=1 << 30, attributes=1 << 30)

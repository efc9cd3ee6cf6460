"""The multipart/related body of a transfer: header, its signature, seal, and the envelope last.

The small parts come first and whole, so that who sends what is proven before the envelope is read;
the envelope streams. Order and names are fixed: transfer.xml, transfer-signature.xml, seal.xml, and
envelope.edxml unless it went ahead. Behind an envelope another transfer may begin. Every part is read by its Content-Length, never by looking for
the boundary, which only has to stand where the lengths say.

Touches: nothing. Trusts: nothing of what is read.
Raises:  WireError, TransportError when the body ends early.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp.helpers import parse_mimetype
from aiohttp.http_exceptions import HttpProcessingError

from relay.errors import TransportError, WireError
from relay.model import Signed
from relay.transport.intake_stream import IDLE

HEADER_LIMIT_BYTES = 1 << 20
SIGNATURE_LIMIT_BYTES = 64 << 10
HEAD_LIMIT_BYTES = 1 << 10
"""The header lines of one part."""
_NAMES = ("transfer.xml", "transfer-signature.xml", "seal.xml")
_LIMITS = (HEADER_LIMIT_BYTES, SIGNATURE_LIMIT_BYTES, SIGNATURE_LIMIT_BYTES)
ENVELOPE = "envelope.edxml"
BOUNDARY = "relay-transfer-part-8f0c1d5e7a3b4926"
"""A constant serves, since nobody looks for it."""
CONTENT_TYPE = f'multipart/related; boundary="{BOUNDARY}"; type="application/xml"'


@dataclass(frozen=True, slots=True)
class EnvelopePart:
    """The envelope, still to be read."""

    size_bytes: int
    """As the part says; the transfer's signed header has the last word."""
    body: Body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The envelope as it comes. One whose end is missing broke off: it may come again."""
        left = self.size_bytes
        while left:
            chunk = await self.body.some(left)
            left -= len(chunk)
            yield chunk
        await self.body.end_envelope()


@dataclass(frozen=True, slots=True)
class Parts:
    """The proven-to-be-small parts; the envelope part, if any, is still to be read."""

    header: Signed
    seal: bytes
    envelope: EnvelopePart | None


def preamble(header: Signed, seal: bytes, envelope_bytes: int | None) -> bytes:
    """Everything of the body before the envelope's first byte, or all of it where it went ahead."""
    parts = zip(_NAMES, (header.document, header.signature, seal), strict=True)
    body = b"".join(_part(name, len(content)) + content + b"\r\n" for name, content in parts)
    return body + (_END if envelope_bytes is None else _part(ENVELOPE, envelope_bytes))


def _part(name: str, size_bytes: int) -> bytes:
    return (
        f"--{BOUNDARY}\r\nContent-Type: application/xml\r\n"
        f"Content-ID: <{name}>\r\nContent-Length: {size_bytes}\r\n\r\n"
    ).encode()


_END = f"--{BOUNDARY}--\r\n".encode()
ending = b"\r\n" + _END
"""What follows the last envelope's last byte."""


def several(transfers: Sequence[tuple[Signed, bytes, bytes]]) -> bytes:
    """The whole body of these transfers: header, seal and envelope of each."""
    return (
        b"\r\n".join(
            preamble(header, seal, len(envelope)) + envelope for header, seal, envelope in transfers
        )
        + ending
    )


class Body:
    """A body on its way in, given out by counted bytes; holds little more than what is asked for."""

    __slots__ = ("_delimiter", "_have", "_stream", "more")

    def __init__(self, stream: aiohttp.StreamReader, content_type: str) -> None:
        """Raises WireError unless `content_type` is multipart/related with a boundary."""
        kind = parse_mimetype(content_type)
        boundary = kind.parameters.get("boundary", "")
        if (kind.type, kind.subtype) != ("multipart", "related"):
            raise WireError("a transfer is multipart/related")
        if not 1 <= len(boundary) <= 70 or not boundary.isascii():
            raise WireError("a transfer's Content-Type names its boundary, at most 70 bytes")
        self._stream = stream
        self._delimiter = b"--" + boundary.encode()
        self._have = bytearray()
        self.more = False
        """Whether another transfer begins here, its boundary read already."""

    async def next_part(self) -> tuple[str, int] | None:
        """Name and length of the part that begins here; None where the body is closed."""
        if self.more:
            self.more = False
            return _described(await self._head())
        opening = await self._exactly(len(self._delimiter) + 2)
        if not opening.startswith(self._delimiter):
            raise WireError("a part begins with the boundary, where the one before it ends")
        if opening.endswith(b"--"):
            return None
        if not opening.endswith(b"\r\n"):
            raise WireError("a boundary stands on a line of its own")
        return _described(await self._head())

    async def whole(self, size_bytes: int) -> bytes:
        """The content of a part that was just begun, and the line's end after it."""
        content = await self._exactly(size_bytes)
        if await self._exactly(2) != b"\r\n":
            raise WireError("a part is longer than its Content-Length")
        return content

    async def some(self, most_bytes: int) -> bytes:
        """At least one byte."""
        if not self._have:
            await self._more()
        return self._cut(min(most_bytes, len(self._have)))

    async def end_envelope(self) -> None:
        """What must follow an envelope: the body's end, or the next transfer."""
        closing = b"\r\n" + self._delimiter
        found = await self._exactly(len(closing) + 2)
        self.more = found.endswith(b"\r\n")
        if not found.startswith(closing) or not (self.more or found.endswith(b"--")):
            self.more = False
            raise TransportError("the transfer ended early or was framed wrongly")

    async def _head(self) -> bytes:
        while (at := self._have.find(b"\r\n\r\n")) < 0:
            if len(self._have) > HEAD_LIMIT_BYTES:
                break
            await self._more()
        if not 0 <= at <= HEAD_LIMIT_BYTES:
            raise WireError(f"a part's header lines are over {HEAD_LIMIT_BYTES} bytes")
        return self._cut(at + 4)[:-4]

    async def _exactly(self, size_bytes: int) -> bytes:
        while len(self._have) < size_bytes:
            await self._more()
        return self._cut(size_bytes)

    def _cut(self, size_bytes: int) -> bytes:
        content = bytes(memoryview(self._have)[:size_bytes])
        del self._have[:size_bytes]
        return content

    async def _more(self) -> None:
        try:
            chunk = self._stream.read_nowait()  # mostly it is here already, and nothing to time
            if not chunk:
                async with asyncio.timeout(IDLE.total_seconds()):
                    chunk = await self._stream.readany()
        except (OSError, HttpProcessingError, aiohttp.ClientError) as error:
            raise TransportError("the transfer ended early") from error
        if not chunk:
            raise TransportError("the transfer ended early")
        self._have += chunk


def _described(head: bytes) -> tuple[str, int]:
    """Content-ID and Content-Length; other lines do not matter."""
    found: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if found.setdefault(name.lower(), value.strip(" \t")) != value.strip(" \t"):
            raise WireError("a part says one thing twice")
    length = found.get("content-length", "")
    if not length.isascii() or not length.isdigit() or len(length) > 15:
        raise WireError("a transfer's parts say their Content-Length")
    return found.get("content-id", "").removeprefix("<").removesuffix(">"), int(length)


async def read_parts(body: Body) -> Parts:
    """The first three parts, bounded, and the fourth opened."""
    contents = [
        await _small(body, name, limit) for name, limit in zip(_NAMES, _LIMITS, strict=True)
    ]
    last = await body.next_part()
    if last is not None and last[0] != ENVELOPE:
        raise WireError(f"a transfer's fourth part is {ENVELOPE}")
    envelope = None if last is None else EnvelopePart(last[1], body)
    return Parts(Signed(contents[0], contents[1]), contents[2], envelope)


async def _small(body: Body, name: str, limit_bytes: int) -> bytes:
    part = await body.next_part()
    if part is None or part[0] != name:
        raise WireError(f"a transfer needs the part {name} here")
    if part[1] > limit_bytes:
        raise WireError(f"part {name} of {part[1]} bytes, limit {limit_bytes} bytes")
    return await body.whole(part[1])

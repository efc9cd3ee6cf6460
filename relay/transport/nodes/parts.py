"""The multipart/related body of a transfer: header, its signature, seal, and the envelope last.

The small parts come first and whole, so that who sends what is proven before the envelope is read;
the envelope streams. Order and names are fixed: transfer.xml, transfer-signature.xml, seal.xml, and
envelope.edxml unless it went ahead.

Touches: nothing. Trusts: nothing of what is read.
Raises:  WireError, TransportError when the body ends early.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from aiohttp import BodyPartReader, MultipartReader
from aiohttp.http_exceptions import HttpProcessingError

from relay.errors import TransportError, WireError
from relay.model import Signed

HEADER_LIMIT_BYTES = 1 << 20
SIGNATURE_LIMIT_BYTES = 64 << 10
CHUNK_BYTES = 1 << 18
_NAMES = ("transfer.xml", "transfer-signature.xml", "seal.xml")
_LIMITS = (HEADER_LIMIT_BYTES, SIGNATURE_LIMIT_BYTES, SIGNATURE_LIMIT_BYTES)
ENVELOPE = "envelope.edxml"
BOUNDARY = "relay-transfer-part-8f0c1d5e7a3b4926"
"""A constant serves: every part is read by its Content-Length, never by looking for this."""
CONTENT_TYPE = f'multipart/related; boundary="{BOUNDARY}"; type="application/xml"'


@dataclass(frozen=True, slots=True)
class Parts:
    """The proven-to-be-small parts; the envelope part, if any, is still to be read."""

    header: Signed
    seal: bytes
    envelope: BodyPartReader | None


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
"""What follows the envelope's last byte."""


async def read_parts(reader: MultipartReader) -> Parts:
    """The first three parts, bounded, and the fourth opened."""
    try:
        contents = [
            await _small(reader, name, limit) for name, limit in zip(_NAMES, _LIMITS, strict=True)
        ]
        envelope = await _next(reader)
    except (ValueError, HttpProcessingError, RuntimeError) as error:
        raise WireError(f"not a transfer: {str(error)[:100]}") from None
    if envelope is not None and _name(envelope) != ENVELOPE:
        raise WireError(f"a transfer's fourth part is {ENVELOPE}")
    return Parts(Signed(contents[0], contents[1]), contents[2], envelope)


async def _small(reader: MultipartReader, name: str, limit_bytes: int) -> bytes:
    part = await _next(reader)
    if part is None or _name(part) != name:
        raise WireError(f"a transfer needs the part {name} here")
    content = bytearray()
    while chunk := await part.read_chunk(CHUNK_BYTES):
        content += chunk
        if len(content) > limit_bytes:
            raise WireError(f"part {name} is over {limit_bytes} bytes")
    return bytes(content)


async def _next(reader: MultipartReader) -> BodyPartReader | None:
    try:
        part = await reader.next()
    except (aiohttp.ClientError, ConnectionError) as error:
        raise TransportError("the transfer ended early") from error
    if part is None:
        return None
    if not isinstance(part, BodyPartReader):
        raise WireError("a transfer's parts are not nested")
    if not part.headers.get("Content-Length", "").isdigit():
        raise WireError("a transfer's parts say their Content-Length")
    return part


def _name(part: BodyPartReader) -> str:
    return part.headers.get("Content-ID", "").strip("<> ")


async def chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """The envelope as it comes."""
    while chunk := await part.read_chunk(CHUNK_BYTES):
        yield chunk

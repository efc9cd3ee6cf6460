"""Receive one envelope: the body goes into its reader and its payload together, chunk by chunk.

Touches: the payload store, through its Protocol; holds one chunk and two bytes, whatever comes.
Trusts:  nothing. A declared length is refused early but never believed.
Raises:  TooLargeError, DamagedError, EnvelopeError; TransportError when the body stops coming;
         JournalError. After any of them nothing of the body is left in the store.

A body that is refused half-way is still read to its end (never past the limit): a client that
writes before it listens would otherwise see a broken connection instead of the refusal.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from functools import partial
from hmac import compare_digest
from string import hexdigits
from typing import cast

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from relay.delivery.ports import PayloadStore, Upload
from relay.envelope.limits import Limits, in_units
from relay.envelope.reader import EnvelopeReader
from relay.errors import (
    DamagedError,
    EnvelopeError,
    JournalError,
    TooLargeError,
    TransportError,
    WireError,
)
from relay.model import Envelope, Payload

SLICE_BYTES = 1 << 18
"""About a millisecond of parsing and hashing: what one body may take from the others at a time."""
IDLE = timedelta(minutes=2)
"""How long a body may stand still. Thin links stall; a link that is silent this long is gone."""
HELD_BYTES = 1 << 16

_BROKEN = (OSError, web.RequestPayloadError, HttpProcessingError, aiohttp.ClientError)
"""How a body's end comes too early."""
_DIGEST_BYTES, _START_BYTES = 32, 3
_CRLF = b"\r\n"
CRLF_BYTES = len(_CRLF)
"""What axis clients may send behind the envelope."""


def hold_little(transport: asyncio.BaseTransport | None) -> None:
    """Let a connection hold no more than this unsent. By itself one with TLS takes ten times as much
    before it makes the writer wait: a minute of a thin link, in which nothing seems to move."""
    if transport is not None:
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=HELD_BYTES)


async def receive(
    stream: AsyncIterable[bytes] | aiohttp.StreamReader,
    store: PayloadStore,
    limits: Limits,
    *,
    expected: str | None = None,
    strip_crlf: bool = False,
    declared_bytes: int | None = None,
    limit_bytes: int | None = None,
    idle: timedelta | None = IDLE,
) -> tuple[Envelope, Payload]:
    """The envelope in `stream` and its stored bytes, or an error and nothing stored. The caller
    says `store.release` once it is done with the payload, admitted or refused.

    `expected` is the sender's own text of the digest, in either form of `digest_forms`; it is
    compared, never parsed. With `strip_crlf` a CR LF or LF at the very end is left out where `expected`
    names the bytes before it. `declared_bytes` is Content-Length, where there is one. `limit_bytes`
    is under `limits.envelope_bytes`, for one envelope whose size is known. `idle` is None where the
    stream itself breaks off when it stands still.
    """
    slack = len(_CRLF) if strip_crlf else 0
    limit = limits.envelope_bytes if limit_bytes is None else limit_bytes
    refuse_over(declared_bytes, limit, slack)
    upload = store.begin(limit)
    body = _Body(upload, limits, limit, expected, slack)
    try:
        await _pour(stream, body, idle)
        envelope = body.close()
        payload = await upload.finish()
    except BaseException:
        upload.abort()
        raise
    if (payload.digest, payload.size_bytes) != (envelope.digest, envelope.size_bytes):
        await store.release(payload)
        raise JournalError("the stored bytes are not the bytes that were read")
    return envelope, payload


def digest_forms(digest: bytes) -> tuple[str, str]:
    """Hex as everyone writes it, and as axis clients do: each byte without its leading zero."""
    return digest.hex(), "".join(f"{byte:x}" for byte in digest)


def digest_starts(text: str) -> list[str]:
    """How the digest may begin that is written so in either form, as hex; nothing for what is no digest."""
    text = text.lower()
    if not _DIGEST_BYTES <= len(text) <= 2 * _DIGEST_BYTES or not set(text) <= set(hexdigits):
        return []
    if len(text) == 2 * _DIGEST_BYTES:
        return [text]
    found = [("", text)]
    for _ in range(_START_BYTES):
        one = [(f"{start}0{left[0]}", left[1:]) for start, left in found]
        two = [(start + left[:2], left[2:]) for start, left in found if left[0] != "0"]
        found = one + two
    return [start for start, _ in found]


def is_named(expected: str, digest: bytes) -> bool:
    """True when `expected` is a form of `digest`; takes as long whichever form it is."""
    given = expected.encode("utf-8", "surrogatepass").lower()
    padded, unpadded = (form.encode() for form in digest_forms(digest))
    return compare_digest(given, padded) | compare_digest(given, unpadded)


class _Body:
    """A body on its way in. The first fault wins; what follows it is only counted and hashed."""

    __slots__ = (
        "_counted",
        "_expected",
        "_fault",
        "_hash",
        "_held",
        "_limit",
        "_reader",
        "_slack",
        "_upload",
    )

    def __init__(
        self, upload: Upload, limits: Limits, limit: int, expected: str | None, slack: int
    ) -> None:
        self._upload = upload
        self._reader = EnvelopeReader(limits)
        self._limit = limit
        self._expected = expected
        self._slack = slack
        self._hash = None if expected is None else hashlib.sha256()
        self._held = b""
        self._counted = 0
        self._fault: EnvelopeError | None = None

    def write(self, chunk: bytes) -> None:
        self._counted += len(chunk)
        _refuse_over(self._counted, self._limit, self._slack)
        if self._slack:
            chunk = self._held + chunk
            self._held = chunk[-self._slack :]
            chunk = chunk[: -self._slack]
        self._take(chunk)

    def close(self) -> Envelope:
        """DamagedError first: bytes changed on their way explain whatever else is wrong with them."""
        self._settle_tail()
        if self._fault is not None:
            raise self._fault
        return self._reader.close()

    def _settle_tail(self) -> None:
        if self._expected is None or self._hash is None:
            self._take_held()
            return
        if self._held == _CRLF and is_named(self._expected, self._hash.digest()):
            return
        longer = self._hash.copy()
        longer.update(self._held[:-1])
        if self._held[-1:] == _CRLF[-1:] and is_named(self._expected, longer.digest()):
            self._held = self._held[:-1]  # some send the LF alone
        self._take_held()
        if not is_named(self._expected, self._hash.digest()):
            raise DamagedError("the bytes that came are not those the sender's digest names")

    def _take_held(self) -> None:
        """The last bytes are the envelope's own, so now they count against its limit too."""
        _refuse_over(self._counted - self._slack + len(self._held), self._limit, 0)
        self._take(self._held)

    def _take(self, chunk: bytes) -> None:
        if self._hash is not None:
            self._hash.update(chunk)
        if self._fault is None and chunk:
            try:
                self._reader.feed(chunk)
                self._upload.write(chunk)
            except EnvelopeError as fault:
                self._fault = fault
                self._upload.abort()


async def _pour(
    stream: AsyncIterable[bytes] | aiohttp.StreamReader, body: _Body, idle: timedelta | None
) -> None:
    if isinstance(stream, aiohttp.StreamReader):
        more = partial(_arrived, stream, idle)
    else:
        more = partial(_next, aiter(stream), idle)
    since_pause = 0
    while (chunk := await more()) is not None:
        for start in range(0, len(chunk), SLICE_BYTES):
            piece = chunk[start : start + SLICE_BYTES]
            body.write(piece)
            since_pause += len(piece)
            if since_pause >= SLICE_BYTES:
                since_pause = 0
                await asyncio.sleep(0)


async def while_moving(
    stream: aiohttp.StreamReader, idle: timedelta = IDLE
) -> AsyncIterator[bytes]:
    """A request's body as it comes, however slowly; TransportError once it stands still or breaks off."""
    chunks = aiter(stream.iter_any())
    while (chunk := await _next(chunks, idle)) is not None:
        yield chunk


async def small_body(request: web.Request, limit_bytes: int, what: str) -> bytes:
    """The whole of one that is no envelope, as it comes; WireError beyond the limit."""
    if (request.content_length or 0) > limit_bytes:
        raise WireError(f"{what} over {limit_bytes} bytes")
    body = bytearray()
    async for chunk in while_moving(request.content):
        body += chunk
        if len(body) > limit_bytes:
            raise WireError(f"{what} over {limit_bytes} bytes")
    return bytes(body)


async def _next(chunks: AsyncIterator[bytes], idle: timedelta | None) -> bytes | None:
    try:
        if idle is None:
            return await anext(chunks, None)
        async with asyncio.timeout(idle.total_seconds()):
            return await anext(chunks, None)
    except (TimeoutError, *_BROKEN) as error:
        raise _stopped(error, idle) from None


async def _arrived(stream: aiohttp.StreamReader, idle: timedelta | None) -> bytes | None:
    """All that is there: only a wait is timed, and a small body is mostly there already."""
    try:
        chunk = stream.read_nowait()
        if not chunk and not stream.at_eof():
            async with asyncio.timeout(None if idle is None else idle.total_seconds()):
                chunk = await stream.readany()
        return chunk or None
    except (TimeoutError, *_BROKEN) as error:
        raise _stopped(error, idle) from None


def _stopped(error: BaseException, idle: timedelta | None) -> TransportError:
    if isinstance(error, TimeoutError):
        return TransportError(f"no byte for {(idle or IDLE).total_seconds():g} s")
    return TransportError("the body ended early or was framed wrongly")


def refuse_over(declared_bytes: int | None, limit_bytes: int, slack: int = 0) -> None:
    """Refuse a body by its Content-Length alone, before it is asked for."""
    _refuse_over(declared_bytes or 0, limit_bytes, slack)


def _refuse_over(size_bytes: int, limit_bytes: int, slack: int) -> None:
    if size_bytes > limit_bytes + slack:
        raise TooLargeError(in_units(size_bytes), limit=in_units(limit_bytes))

"""Content-Digest and Repr-Digest (RFC 9530) of a body: what the sender says its bytes are, held against them.

Bodies come without coding, so both fields speak of the same bytes: the body, with all its parts where
it has several. Algorithms other than sha-256 and sha-512 are passed over, as the RFC has it.

Touches: the body's stream.
Trusts:  nothing.
Raises:  RequestError for a field that cannot be read, DamagedError for other bytes.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import web

from relay.errors import DamagedError
from relay.transport.problems import LengthError, RequestError

if TYPE_CHECKING:
    from hashlib import _Hash

FIELDS: Final = ("Content-Digest", "Repr-Digest")
_ALGORITHMS: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_MEMBER = re.compile(r"\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):(?:;[^,]*)?\s*", re.ASCII)
_HELD_BACK_BYTES: Final = 5 << 17
"""What a reader may still give back: two of its chunks, with room."""
_EPILOGUE_BYTES: Final = 1 << 16


@dataclass(slots=True)
class Digests:
    """The digests a request names, and the hashes that grow with its body."""

    expected: list[tuple[str, str, bytes]]
    """Field, algorithm, digest."""
    _hashes: dict[str, _Hash] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._hashes = {name: _ALGORITHMS[name]() for _, name, _ in self.expected}

    @property
    def sha256(self) -> str | None:
        """The one that is named, in hex."""
        return next((value.hex() for _, name, value in self.expected if name == "sha-256"), None)

    def update(self, chunk: bytes) -> None:
        for one in self._hashes.values():
            one.update(chunk)

    def check(self) -> None:
        """Once the body is whole."""
        for name, algorithm, expected in self.expected:
            if not compare_digest(self._hashes[algorithm].digest(), expected):
                raise DamagedError(f"the bytes that came are not those of {name} ({algorithm})")

    async def over(self, stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
        """The stream's chunks; at its end it must have been what was named."""
        async for chunk in stream.iter_any():
            self.update(chunk)
            yield chunk
        self.check()


def digests_of(request: web.Request) -> Digests:
    """What the request's fields name; none where it has no such field."""
    found = []
    for name in FIELDS:
        text = ",".join(request.headers.getall(name, []))
        found += [(name, *one) for one in _members(name, text)] if text.strip() else []
    return Digests(found)


def _members(name: str, text: str) -> list[tuple[str, bytes]]:
    found: dict[str, bytes] = {}
    for part in text.split(","):
        member = _MEMBER.fullmatch(part)
        if member is None:
            raise _malformed(name)
        if member[1] in _ALGORITHMS:
            found[member[1]] = _decoded(name, member[1], member[2])
    return list(found.items())


def _decoded(name: str, algorithm: str, text: str) -> bytes:
    try:
        digest = b64decode(text, validate=True)
    except binascii.Error:
        raise _malformed(name) from None
    if len(digest) != _ALGORITHMS[algorithm]().digest_size:
        raise _malformed(name)
    return digest


def _malformed(name: str) -> RequestError:
    return RequestError(
        "must be of the form sha-256=:BASE64:, of the whole digest (RFC 9530)", parameter=name
    )


class Tapped:
    """A body's stream for a multipart reader, which now and then gives back what it read too much of."""

    def __init__(self, stream: aiohttp.StreamReader, digests: Digests) -> None:
        self._stream = stream
        self._digests = digests
        self._given = bytearray()
        """Read, and perhaps yet to be given back."""

    async def read(self, size: int = -1) -> bytes:
        return self._note(await self._stream.read(size))

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        return self._note(await self._stream.readline(max_line_length=max_line_length))

    def unread_data(self, data: bytes) -> None:
        if self._digests.expected:
            del self._given[len(self._given) - len(data) :]
        self._stream.unread_data(data)

    def at_eof(self) -> bool:
        return self._stream.at_eof()

    async def finish(self) -> None:
        """Read what follows the last part, and check."""
        left = _EPILOGUE_BYTES
        while chunk := await self.read(_EPILOGUE_BYTES):
            left -= len(chunk)
            if left < 0:
                raise LengthError("bytes after the last part", limit="64 KiB")
        self._digests.update(bytes(self._given))
        self._digests.check()

    def _note(self, chunk: bytes) -> bytes:
        if not self._digests.expected:
            return chunk
        self._given += chunk
        sure = len(self._given) - _HELD_BACK_BYTES
        if sure > 0:
            self._digests.update(bytes(memoryview(self._given)[:sure]))
            del self._given[:sure]
        return chunk

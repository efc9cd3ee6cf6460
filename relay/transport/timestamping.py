"""Ask a timestamp authority over HTTP (RFC 3161 §3.4): one request, one bounded answer.

Touches: sockets.
Trusts:  nothing of an answer; whoever asked proves it.
Raises:  TransportError.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from relay.errors import TransportError
from relay.transport.posting import posted

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
ANSWER_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class AuthorityClient:
    url: str
    within: timedelta
    tls: ssl.SSLContext | None = None

    async def post(self, request: bytes) -> bytes:
        async with posted(self.url, request, QUERY, self.within, self.tls) as response:
            return await _answer(response)


async def _answer(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:
        raise TransportError(f"HTTP {response.status}")
    if response.content_type != REPLY:
        raise TransportError(f"the answer is of type {response.content_type[:60]!r}, not {REPLY}")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_LIMIT_BYTES:
            raise TransportError(f"answer over {ANSWER_LIMIT_BYTES} bytes")
    return bytes(body)

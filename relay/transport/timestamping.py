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

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
ANSWER_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class AuthorityClient:
    """A connection for each request: there are few, and minutes may lie between."""

    url: str
    within: timedelta
    tls: ssl.SSLContext | None = None

    async def post(self, request: bytes) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self.within.total_seconds(), sock_connect=30)
        connector = aiohttp.TCPConnector(ssl=self.tls or False, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=timeout,
                    connector=connector,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                ) as session,
                session.post(
                    self.url, data=request, headers={"Content-Type": QUERY}, allow_redirects=False
                ) as response,
            ):
                return await _answer(response)
        except TimeoutError:
            raise TransportError(f"no answer within {self.within}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TransportError(f"{type(error).__name__}: {error}"[:300]) from error


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

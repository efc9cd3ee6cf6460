"""Fetch revocation statements over plain HTTP, as authorities publish them: they prove themselves.

A certificate names where its statements are, and certificates are anybody's: so nothing is called but
the hosts of the configuration, no redirect is followed, no proxy of the environment asked, and size and
time are bounded.

Touches: sockets.
Trusts:  nothing of an answer; whoever asked proves it.
Raises:  TransportError.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp

from relay.errors import TransportError

_PORT = 80
_URL_LIMIT = 2000
_OCSP_REQUEST = "application/ocsp-request"


def allowed(url: str, hosts: frozenset[str]) -> bool:
    """Whether a URL is of one of these hosts ("crl.example" or "crl.example:8080"): nobody else is called (R9)."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError:
        return False
    if parts.scheme != "http" or not parts.hostname or parts.username or parts.password:
        return False
    if len(url) > _URL_LIMIT or not url.isascii() or not url.isprintable() or " " in url:
        return False
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{port}" in hosts or (port == _PORT and host in hosts)


@dataclass(slots=True)
class StatementFetcher:
    """delivery.revocation.ports.Fetcher."""

    hosts: frozenset[str]
    urls: frozenset[str]
    """That the configuration names whole."""
    within: timedelta
    _session: aiohttp.ClientSession | None = field(default=None)

    async def fetch(self, url: str, question: bytes | None, limit_bytes: int) -> bytes:
        if url not in self.urls and not allowed(url, self.hosts):
            raise TransportError(f"{url[:200]} is of no host in revocation.hosts")
        method = "GET" if question is None else "POST"
        headers = {} if question is None else {"Content-Type": _OCSP_REQUEST}
        try:
            async with self._open().request(
                method, url, data=question, headers=headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise TransportError(f"HTTP {response.status}")
                return await _bounded(response, limit_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise TransportError(f"{type(error).__name__}: {error}"[:300]) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self.within.total_seconds()),
                connector=aiohttp.TCPConnector(limit=8, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                max_line_size=4096,
                max_field_size=4096,
            )
        return self._session


async def _bounded(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    if (response.content_length or 0) > limit_bytes:
        raise TransportError(f"answer of {response.content_length} bytes, limit {limit_bytes}")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit_bytes:
            raise TransportError(f"answer over {limit_bytes} bytes")
    return bytes(body)

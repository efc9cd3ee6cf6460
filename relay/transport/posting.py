"""One request to a service that is no node: a connection for each, for there are few and minutes may lie between.

Touches: sockets. Trusts: nothing of the answer, whose reader bounds it.
Raises:  TransportError.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp

from relay.errors import TransportError

CONNECT_SECONDS = 30


@asynccontextmanager
async def posted(
    url: str, body: bytes, content_type: str, within: timedelta, tls: ssl.SSLContext | None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer, read inside; redirects are not followed, and nothing is told of this machine."""
    timeout = aiohttp.ClientTimeout(total=within.total_seconds(), sock_connect=CONNECT_SECONDS)
    connector = aiohttp.TCPConnector(ssl=tls or False, force_close=True)
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
                url, data=body, headers={"Content-Type": content_type}, allow_redirects=False
            ) as response,
        ):
            yield response
    except TimeoutError:
        raise TransportError(f"no answer within {within}") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise TransportError(f"{type(error).__name__}: {error}"[:300]) from error

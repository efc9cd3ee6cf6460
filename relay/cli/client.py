"""A small client of the native API: https, http to loopback only, or a node's control socket.

Touches: the network.
Trusts:  the node no further than its TLS: answers are bounded, and read as the API describes them.
Raises:  the error of relay.errors that the node's problem document stands for; TransportError,
         UnansweredError when there is no answer to read.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp

from relay.cli.connect import Connection
from relay.cli.outcome import CONFIG, NO_INPUT, TEMPORARY, UNAVAILABLE, USAGE, CommandError
from relay.errors import (
    AccessError,
    ConflictError,
    EnvelopeError,
    GoneError,
    JournalError,
    NotFoundError,
    OverloadError,
    PeerError,
    RelayError,
    RouteError,
    SignatureError,
    TransportError,
    UnansweredError,
)

ANSWER_BYTES = 128 << 20
CHUNK_BYTES = 1 << 18
OFFSET, PARTIAL = "Upload-Offset", "application/partial-upload"
_SILENCE_SECONDS = 180.0
_PROBLEM_BYTES = 1 << 20
_NOT_RUNNING = "is the node running? relay serve CONFIG starts it"
_PERHAPS_TLS = (
    "does the node serve TLS there? then the address begins with https://; "
    "else the same command again is safe"
)
_PERHAPS_CERTIFICATE = (
    "does the node ask for client certificates? then --client-certificate and --client-key of one "
    "that it takes; else the same command again is safe"
)

Asked = str | int | Sequence[str]
"""A parameter of a query; of a sequence, one for each."""


class NativeClient:
    """The API's calls, with one connection kept."""

    def __init__(self, session: aiohttp.ClientSession, connection: Connection) -> None:
        self._session = session
        self._connection = connection

    async def get(self, path: str, **query: Asked) -> dict[str, Any]:
        async with self._call("GET", path, params=query) as response:
            return _object(await _bounded(response))

    async def post(self, path: str, document: Mapping[str, object]) -> dict[str, Any]:
        async with self._call("POST", path, json=document) as response:
            return _object(await _bounded(response))

    async def delete(self, path: str) -> dict[str, Any]:
        async with self._call("DELETE", path) as response:
            return _object(await _bounded(response))

    async def get_bytes(self, path: str) -> bytes:
        async with self._call("GET", path) as response:
            return await _bounded(response)

    async def submit(
        self, body: Any, to: tuple[str, ...], headers: Mapping[str, str], upload: str | None = None
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """The answer, and the headers that say what is special about it."""
        query = [("to", code) for code in to]
        if upload is not None:
            query.append(("upload", upload))
        async with self._call(
            "POST", "/v1/envelopes", params=query, data=body, headers=headers, expect100=True
        ) as response:
            return _object(await _bounded(response)), response.headers

    async def upload_offset(self, digest: str) -> int | None:
        """How much of it is there; None where a node of an earlier release takes no uploads."""
        try:
            async with self._call("HEAD", f"/v1/uploads/{digest}") as response:
                return _offset(response)
        except NotFoundError:
            return None

    async def extend(self, digest: str, body: Any, offset: int, size: int) -> int:
        """Bring the rest, up to `size`; the new offset. UnansweredError for a link that was cut: it was there a moment ago."""
        length = str(size - offset)
        headers = {OFFSET: str(offset), "Content-Type": PARTIAL, "Content-Length": length}
        path = f"/v1/uploads/{digest}"
        try:
            async with self._call(
                "PATCH", path, data=body, headers=headers, expect100=True
            ) as response:
                return _offset(response)
        except CommandError as error:
            if error.exit_code != TEMPORARY:
                raise
            raise UnansweredError(str(error)) from None

    @asynccontextmanager
    async def open(
        self, path: str, headers: Mapping[str, str], **query: Asked
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A body to be read as it comes."""
        async with self._call("GET", path, headers=headers, params=query) as response:
            yield response

    @asynccontextmanager
    async def exchange(
        self, path: str, body: Any, headers: Mapping[str, str], **query: str | int
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A body handed in, if any, and an answer to be read as it comes."""
        wait = body is not None
        async with self._call(
            "POST", path, data=body, headers=headers, params=query, expect100=wait
        ) as response:
            yield response

    @asynccontextmanager
    async def _call(
        self, method: str, path: str, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, path, **more) as response:
                if response.status >= 300:
                    raise await _refusal(response)
                yield response
        except aiohttp.ClientConnectorCertificateError as error:
            reason = getattr(error.certificate_error, "verify_message", "") or "unknown issuer"
            said = f"the node's certificate does not hold: {reason}"
            raise CommandError(said, UNAVAILABLE, _about_roots(self._connection)) from None
        except aiohttp.ClientConnectorSSLError as error:
            reason = (getattr(error.os_error, "reason", None) or "no reason given").lower()
            said = f"TLS with {self._connection.url} fails: {reason.replace('_', ' ')}"
            hint = "does the node serve without TLS there? then the address begins with http://"
            raise CommandError(said, UNAVAILABLE, hint) from None
        except aiohttp.ClientConnectorError as error:
            reason = (error.os_error.strerror or str(error.os_error)).lower()
            said = f"cannot reach the node: {reason}"
            if self._connection.socket is not None:
                raise CommandError(said, UNAVAILABLE, _NOT_RUNNING) from None
            raise TransportError(said) from None
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            said = f"no answer from the node: {error or 'silence'}"
            if self._connection.socket is None and self._connection.url.startswith("http:"):
                raise CommandError(said, TEMPORARY, _PERHAPS_TLS) from None
            if self._connection.socket is None and _broke_off(error):
                raise CommandError(said, TEMPORARY, _PERHAPS_CERTIFICATE) from None
            raise UnansweredError(said) from None


@asynccontextmanager
async def reach(connection: Connection) -> AsyncIterator[NativeClient]:
    headers = {} if connection.token is None else {"Authorization": f"Bearer {connection.token}"}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_SILENCE_SECONDS)
    async with aiohttp.ClientSession(
        connection.url, connector=_connector(connection), headers=headers, timeout=timeout
    ) as session:
        yield NativeClient(session, connection)


def _connector(connection: Connection) -> aiohttp.BaseConnector:
    if connection.socket is not None:
        return aiohttp.UnixConnector(str(connection.require_socket()))
    parts = _address(connection.url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise CommandError(f"{connection.url} would send the token unprotected", USAGE, "use https")
    if parts.scheme == "http":
        return aiohttp.TCPConnector()
    return aiohttp.TCPConnector(ssl=_tls(connection))


def _address(url: str) -> SplitResult:
    """https://HOST:PORT, and nothing behind it: the API's paths begin there."""
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise _no_address(url) from None
    beyond = any((parts.path, parts.query, parts.fragment, parts.username, parts.password))
    plain = url.isascii() and url.isprintable()
    if parts.scheme not in ("https", "http") or not sound or beyond or not plain:
        raise _no_address(url)
    return parts


def _no_address(url: str) -> CommandError:
    """Without the name and password that somebody may have put into it."""
    said = f"{url.rpartition('@')[2][:200]!a} is no address of a node"
    return CommandError(said, USAGE, "such as https://node.example:8444, with nothing behind it")


def _broke_off(error: BaseException) -> bool:
    """All that a client sees by TLS 1.3 when its certificate, or that it had none, is refused."""
    ended = isinstance(error, aiohttp.ClientConnectionError | ConnectionError)
    return ended and not isinstance(error, TimeoutError)


def _about_roots(connection: Connection) -> str:
    if connection.ca is None:
        return "give the root that the node's certificate comes from: --ca root.pem (or RELAY_CA)"
    return f"is {connection.ca} the root that the node's certificate comes from?"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(connection: Connection) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=connection.ca)
    except OSError as error:
        # An SSLError, too, is an OSError: of a file that was read.
        if not isinstance(error, ssl.SSLError):
            said = f"--ca {connection.ca}: {(error.strerror or 'unreadable').lower()}"
            raise CommandError(said, NO_INPUT) from None
        raise CommandError(f"{connection.ca} holds no certificate", CONFIG) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if connection.certificate is not None and connection.key is not None:
        from relay.signing.tls import renew_own  # noqa: PLC0415 - slow to import, seldom needed

        renew_own(context, connection.certificate, connection.key)
    return context


async def _bounded(response: aiohttp.ClientResponse, limit_bytes: int = ANSWER_BYTES) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit_bytes:
            raise TransportError(f"an answer over {limit_bytes >> 20} MiB")
    return bytes(content)


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TransportError("the answer is not the native API's; is the address right?")
    return value


def _offset(response: aiohttp.ClientResponse) -> int:
    text = response.headers.get(OFFSET, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise TransportError("the answer is not the native API's; is the address right?")
    return int(text)


async def _refusal(response: aiohttp.ClientResponse) -> RelayError:
    if response.method == "HEAD":  # its refusals have no body
        said = f"status {response.status}"
        if response.status in {401, 403}:
            return AccessError(said)
        return NotFoundError(said) if response.status in {404, 405} else TransportError(said)
    if response.content_type != "application/problem+json":
        return TransportError(
            f"status {response.status} and no problem document; is the address right?"
        )
    problem = _object(await _bounded(response, _PROBLEM_BYTES))
    return refusal_of(response.status, problem)


def refusal_of(status: int, problem: Mapping[str, Any]) -> RelayError:
    """The error a problem document stands for, as the node raised it."""
    word = str(problem.get("type", "")).rpartition(":")[2]
    detail = str(problem.get("detail") or problem.get("title") or f"status {status}")
    parameter = problem.get("parameter")
    if parameter and not detail.startswith(str(parameter)):
        detail = f"{parameter}: {detail}"
    match word:
        case "unauthenticated" | "forbidden":
            return AccessError(detail)
        case "gone":
            return GoneError(detail)
        case "not-found":
            return NotFoundError(detail)
        case "conflict" | "not-possible":
            return ConflictError(detail)
        case "no-route" | "closed-recipient":
            return RouteError(detail, [str(code) for code in problem.get("codes", ())])
        case "bad-signature":
            return SignatureError(str(problem.get("reason", "")), detail)
        case "bad-envelope" | "too-large" | "damaged":
            return EnvelopeError(detail)
        case "overloaded":
            return OverloadError(detail)
        case "cannot-store":
            return JournalError(detail)
    if status >= 500:
        return TransportError(f"{detail} ({problem.get('instance', 'no request id')})")
    return PeerError(detail)

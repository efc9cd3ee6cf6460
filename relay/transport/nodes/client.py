"""Speak to neighbours: one long-lived session each, mutual TLS 1.3, never a session a transfer.

What a failure means is decided by how far the request got. Refused connection, failed handshake,
503: nothing was taken over. Anything after the first byte was sent and before a whole answer: in
doubt. Any other 4xx: the neighbour refuses this request as it is.

Touches: sockets. Trusts: the handshake, and that the certificate names the neighbour it called;
answers are only bytes until the notary proved them.
200 with an answer that cannot be read: it may have been taken over (UnprovenError).
Raises:  TransportError, UnansweredError, PeerError.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
import structlog
from aiohttp import ClientResponse, ClientSession, ClientTimeout, TCPConnector

from relay.delivery.operators.inspecting import PeerCertificate
from relay.delivery.ports import PayloadStore
from relay.errors import (
    AccessError,
    ConflictError,
    PeerError,
    RelayError,
    SignatureError,
    TransportError,
    UnansweredError,
    UnprovenError,
    WireError,
)
from relay.lines import Line
from relay.model import NodeId, Payload, Signed, TransferId
from relay.transport.intake_stream import hold_little
from relay.transport.nodes import parts
from relay.transport.nodes.certificate import shown_certificate
from relay.transport.nodes.connections import Connections
from relay.transport.nodes.moving import PIECE_BYTES, Patience, make_socket
from relay.transport.nodes.server import (
    AHEAD_BYTES,
    BATCHES_HEADER,
    BATCHES_TAKEN,
    RECEIPTS_LIMIT_BYTES,
    RECEIPTS_TYPE,
    SHARED_HEADER,
    TRANSFERS_HEADER,
)
from relay.transport.nodes.taking import TRANSFERS_A_REQUEST
from relay.wire.container import read_receipts, write_receipts

log = structlog.get_logger("relay.nodes")
CONNECT_SECONDS = 10.0
SETTLE_SECONDS = 0.5
"""After a cut: what is still on its way over the old connection may arrive, and count."""
_COME_AGAIN = frozenset({408, 421, 425, 429, 503})
"""Statuses with which a node says that it took nothing over; other 5xx leave it open."""
CHUNK_BYTES = 1 << 20
_Body = bytes | AsyncIterator[bytes]
_REFUSED_BEFORE = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
)
_REFUSED_CERTIFICATE = re.compile("ALERT_((?:UNKNOWN_CA|ACCESS_DENIED|[A-Z_]*CERTIFICATE)[A-Z_]*)")
"""Alerts (RFC 8446 §6.2) that end a handshake: in TLS 1.3 a client may send before it hears of them, and
nothing that it sent was read."""
_SSL_OBJECT = re.compile(r" ssl:<[^>]*>")


@dataclass(frozen=True, slots=True)
class NodesClient:
    """delivery.records.Wire."""

    urls: Mapping[NodeId, str]
    tls: ssl.SSLContext
    store: PayloadStore
    connections: Connections
    at_once: int
    answer_within: timedelta
    seen: Callable[[datetime], None] = lambda _: None
    """Told what time a neighbour says it is when it refuses: it may be our clock that is wrong."""
    batches: bool = True
    """Whether neighbours may sign receipts for this node in batches (W13.6)."""
    _sessions: dict[NodeId, ClientSession] = field(default_factory=dict)
    _certificates: dict[NodeId, PeerCertificate] = field(default_factory=dict)
    _together: dict[NodeId, int] = field(default_factory=dict)
    _shared: set[NodeId] = field(default_factory=set)

    def certificate(self, neighbour: NodeId) -> PeerCertificate | None:
        """What the last connection to it showed; None when there was none since the start."""
        return self._certificates.get(neighbour)

    async def carry(
        self,
        neighbour: NodeId,
        header: Signed,
        seal: bytes,
        payload: Payload,
        *,
        batched: bool = False,
    ) -> Signed:
        """One attempt; the neighbour's signed answer."""
        if payload.size_bytes > AHEAD_BYTES:
            return await self._carry_ahead(neighbour, header, seal, payload, batched=batched)
        return await self._post_transfer(
            neighbour,
            parts.preamble(header, seal, payload.size_bytes),
            payload,
            batched=batched,
        )

    def together(self, neighbour: NodeId) -> int:
        """What its last answer said (W4.13)."""
        return self._together.get(neighbour, 1)

    def takes_batches(self, neighbour: NodeId) -> bool:
        """What its last answer said (W13.9)."""
        return neighbour in self._shared

    async def carry_several(
        self,
        neighbour: NodeId,
        transfers: Sequence[tuple[Signed, bytes, Payload]],
        *,
        batched: bool = False,
    ) -> Sequence[Signed]:
        """One attempt for all; the answers to the first of them."""
        whole = [
            (header, seal, await self._content(payload)) for header, seal, payload in transfers
        ]
        headers = self._headers(batched=batched)
        try:
            return await self._post(neighbour, parts.several(whole), headers, len(whole))
        except RelayError:
            self._together.pop(neighbour, None)  # whoever answers next may be another version
            self._shared.discard(neighbour)
            raise

    def _headers(self, *, batched: bool) -> dict[str, str]:
        """Of a request with transfers; it asks for no batches where this node demands single ones."""
        headers = {"Content-Type": parts.CONTENT_TYPE}
        if batched and self.batches:
            headers[BATCHES_HEADER] = BATCHES_TAKEN
        return headers

    async def _content(self, payload: Payload) -> bytes:
        if payload.content is not None:
            return payload.content
        return b"".join([chunk async for chunk in self.store.read(payload)])

    async def _carry_ahead(
        self, neighbour: NodeId, header: Signed, seal: bytes, payload: Payload, *, batched: bool
    ) -> Signed:
        """A repeat is answered without its envelope; otherwise that goes first."""
        body = parts.preamble(header, seal, None)
        try:
            return await self._post_transfer(neighbour, body, None, batched=batched)
        except _NotAheadError:
            await self._upload(neighbour, payload)
            return await self._post_transfer(neighbour, body, None, batched=batched)

    async def _post_transfer(
        self, neighbour: NodeId, preamble: bytes, payload: Payload | None, *, batched: bool
    ) -> Signed:
        headers = self._headers(batched=batched)
        data: _Body = preamble
        if payload is not None:
            size = len(preamble) + payload.size_bytes + len(parts.ending)
            if payload.content is not None and size <= PIECE_BYTES:
                data = preamble + payload.content + parts.ending
            else:
                data = self._stream(preamble, payload)
                headers["Content-Length"] = str(size)
        return (await self._post(neighbour, data, headers, 1))[0]

    async def _post(
        self, neighbour: NodeId, data: _Body, headers: Mapping[str, str], transfers: int
    ) -> Sequence[Signed]:
        """The answers to one request with so many transfers; what it says of the next request."""
        async with self._ask(neighbour, "POST", "/axis/v1/transfers", data, headers) as response:
            self._together[neighbour] = _transfers_a_request(response)
            if response.headers.get(SHARED_HEADER) == BATCHES_TAKEN:
                self._shared.add(neighbour)
            else:
                self._shared.discard(neighbour)
            return await _answers(response, transfers)

    async def _stream(self, preamble: bytes, payload: Payload) -> AsyncIterator[bytes]:
        yield preamble
        async for chunk in self.store.read(payload):
            yield chunk
        yield parts.ending

    async def _upload(self, neighbour: NodeId, payload: Payload) -> None:
        """From where the neighbour's copy ends. A cut upload goes on at once, as long as each attempt
        brought something over; one that brought nothing is the link's failure."""
        path = f"/axis/v1/payloads/{payload.digest}"
        before = -1
        while (offset := await self._gone_ahead(neighbour, path)) < payload.size_bytes:
            if offset <= before:
                raise TransportError(f"the upload broke off at {offset} bytes")
            before = offset
            try:
                await self._append(neighbour, path, payload, offset)
            except (UnansweredError, ConflictError) as error:
                # An upload is no transfer: what came of it is no delivery, so nothing is in doubt.
                log.info(Line.UPLOAD_CUT, neighbour=neighbour, error=str(error))
                await asyncio.sleep(SETTLE_SECONDS)

    async def _gone_ahead(self, neighbour: NodeId, path: str) -> int:
        try:
            async with self._ask(neighbour, "HEAD", path) as response:
                return _offset(response)
        except UnansweredError as error:
            raise TransportError(str(error)) from error

    async def _append(self, neighbour: NodeId, path: str, payload: Payload, offset: int) -> None:
        headers = {"Upload-Offset": str(offset), "Content-Type": "application/partial-upload"}
        stream = self.store.read(payload, offset)
        async with self._ask(neighbour, "PATCH", path, stream, headers) as response:
            _offset(response)

    async def ask(self, neighbour: NodeId, transfer_id: TransferId) -> Signed | None:
        """The answer it once gave; None when it knows no such transfer."""
        try:
            async with self._ask(neighbour, "GET", f"/axis/v1/transfers/{transfer_id}") as response:
                return await _answer(response)
        except _NotAheadError:
            return None

    async def hand_back(self, neighbour: NodeId, receipts: Sequence[Signed]) -> None:
        """Returns once they are durable there."""
        headers = {"Content-Type": RECEIPTS_TYPE}
        body = write_receipts(receipts)
        async with self._ask(neighbour, "POST", "/axis/v1/receipts", body, headers) as response:
            if response.status != 204:
                raise TransportError(f"receipts answered with HTTP {response.status}")

    async def put(
        self,
        neighbour: NodeId,
        path: str,
        body: _Body,
        content_type: str,
        size_bytes: int | None = None,
    ) -> None:
        """Any other document that is durable there once it was answered with 204. Of a body that comes
        in pieces the size is to be told."""
        headers = {"Content-Type": content_type}
        if size_bytes is not None:
            headers["Content-Length"] = str(size_bytes)
        async with self._ask(neighbour, "POST", path, body, headers) as response:
            if response.status != 204:
                raise TransportError(f"{path} answered with HTTP {response.status}")

    @asynccontextmanager
    async def ask_of(
        self,
        neighbour: NodeId,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        answers: frozenset[int],
    ) -> AsyncIterator[ClientResponse]:
        """A question with a body, to which these statuses are answers, not failures (W15)."""
        async with self._ask(neighbour, "POST", path, body, headers, answers) as response:
            yield response

    @asynccontextmanager
    async def call(
        self, neighbour: NodeId, method: str, path: str, **query: str
    ) -> AsyncIterator[ClientResponse]:
        """Any other question without a body (recovering.py), with the same three failures."""
        named = f"{path}?{urlencode(query)}" if query else path
        async with self._ask(neighbour, method, named) as response:
            yield response

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @asynccontextmanager
    async def _ask(
        self,
        neighbour: NodeId,
        method: str,
        path: str,
        data: _Body | None = None,
        headers: Mapping[str, str] | None = None,
        answers: frozenset[int] = frozenset(),
    ) -> AsyncIterator[ClientResponse]:
        """The response with a good status, or one of `answers`; everything else is one of the three failures."""
        url = self.urls[neighbour].rstrip("/") + path
        patience = Patience(self.answer_within)
        if isinstance(data, bytes) and len(data) > PIECE_BYTES:
            headers = {**(headers or {}), "Content-Length": str(len(data))}
            data = _whole(data)
        if data is not None and not isinstance(data, bytes):
            data = patience.pieces(data)
        try:
            async with (
                patience.limit,
                self._session(neighbour).request(
                    method, url, data=data, headers=headers, ssl=self.tls, allow_redirects=False
                ) as response,
            ):
                if response.status >= 300 and response.status not in answers:
                    self._look_at_date(response)
                    raise await _refusal(response)
                yield response
        except RelayError:
            raise
        except _REFUSED_BEFORE as error:
            raise TransportError(_words(error)) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            if alert := _REFUSED_CERTIFICATE.search(str(error)):
                words = f"TLS: the neighbour refuses this node's certificate ({alert[1].lower()})"
                raise TransportError(words) from error
            raise UnansweredError(_words(error)) from error

    def _look_at_date(self, response: ClientResponse) -> None:
        with suppress(ValueError):
            at = parsedate_to_datetime(response.headers.get("Date", ""))
            self.seen(at if at.tzinfo else at.replace(tzinfo=UTC))

    def _session(self, neighbour: NodeId) -> ClientSession:
        session = self._sessions.get(neighbour)
        if session is None or session.closed:
            session = self._sessions[neighbour] = ClientSession(
                connector=TCPConnector(
                    ssl=_PeerIs(neighbour, self.connections, self._certificates),
                    limit=self.at_once + 2,
                    keepalive_timeout=600.0,
                    socket_factory=make_socket,
                ),
                timeout=ClientTimeout(
                    total=None,
                    sock_connect=CONNECT_SECONDS,
                    sock_read=self.answer_within.total_seconds(),
                ),
                auto_decompress=False,
                request_class=_Request,
            )
        return session


class _Request(aiohttp.ClientRequest):
    """aiohttp leaves it in a task of its own when the connection is lost over the body's last bytes, and
    complains that nobody asks for it there. The request fails by the lost connection anyway."""

    async def write_bytes(self, *arguments: Any, **named: Any) -> None:
        with suppress(OSError):
            await super().write_bytes(*arguments, **named)


class _PeerIs(aiohttp.Fingerprint):
    """Checked once on each new connection, before a byte of a request leaves: whoever answers must be
    the node that was called, not just any node of the tree (W1.2)."""

    def __init__(
        self,
        neighbour: NodeId,
        connections: Connections,
        shown: dict[NodeId, PeerCertificate],
    ) -> None:
        super().__init__(bytes(32))
        self._shown = shown
        self._neighbour = neighbour
        self._connections = connections

    def check(self, transport: asyncio.Transport) -> None:
        hold_little(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and (told := shown_certificate(tls.getpeercert())) is not None:
            self._shown[self._neighbour] = told
        node = self._named(transport)
        if node != self._neighbour:
            raise aiohttp.ServerFingerprintMismatch(
                self._neighbour.encode(), node.encode(), *transport.get_extra_info("peername")[:2]
            )

    def _named(self, transport: asyncio.Transport) -> str:
        try:
            return self._connections.node(transport)
        except (AccessError, SignatureError) as error:
            return str(error)


class _NotAheadError(PeerError):
    """404: the envelope has not gone ahead, or the transfer is unknown."""


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _refusal(response: ClientResponse) -> PeerError | TransportError:
    status = response.status
    text = (await response.content.read(4096)).decode("utf-8", "replace")
    words = f"HTTP {status} from the neighbour: {_detail(text)}"
    if status == 404:
        return _NotAheadError(words)
    if status == 403:
        return AccessError(words)
    if status == 409:
        return ConflictError(words)
    if status in _COME_AGAIN:
        return TransportError(words)
    if status >= 500:
        return UnansweredError(words)
    return PeerError(words)


def _detail(text: str) -> str:
    """The problem document's own words, in one printable line."""
    _, _, rest = text.partition('"detail": "')
    words = rest.partition('"')[0] or text
    return "".join(c if c.isprintable() else " " for c in words)[:200]


async def _answer(response: ClientResponse) -> Signed:
    return (await _answers(response, 1))[0]


async def _answers(response: ClientResponse, most: int) -> Sequence[Signed]:
    """At least one."""
    body = await response.content.read(CHUNK_BYTES)
    while chunk := await response.content.read(CHUNK_BYTES):
        body += chunk
        if len(body) > RECEIPTS_LIMIT_BYTES:
            raise UnprovenError("the answer is too large")
    try:
        receipts = read_receipts(body, RECEIPTS_LIMIT_BYTES)
    except WireError as error:
        raise UnprovenError(f"the answer cannot be read: {error}") from error
    if len(receipts) > most:
        raise UnprovenError(f"the answer holds {len(receipts)} receipts, limit {most}")
    return receipts


def _transfers_a_request(response: ClientResponse) -> int:
    """1 where nothing sensible is said."""
    text = response.headers.get(TRANSFERS_HEADER, "")
    told = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    return min(max(told, 1), TRANSFERS_A_REQUEST)


def _offset(response: ClientResponse) -> int:
    text = response.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise TransportError("the neighbour told no upload offset")
    return int(text)


def _words(error: Exception) -> str:
    """For operators; without the TLS context that aiohttp shows as an object at an address."""
    return _SSL_OBJECT.sub("", f"{type(error).__name__}: {error}")[:300]

"""A remote behind the dialect, as bridges ask it: delivery.bridges.ports.Remote over the client.

Touches: HTTP, one session for each bridge.
Trusts:  nothing that is answered. A page of HTML is no answer, wherever it comes.
Raises:  RemoteRefusalError for FAIL; UnansweredError, TransportError.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from hashlib import sha256

import aiohttp

from relay.delivery.bridges.ports import (
    Answer,
    Fetching,
    Listed,
    RemoteRefusalError,
    SentListed,
)
from relay.delivery.ports import Acknowledgement, PayloadStore
from relay.envelope.codes import normalise
from relay.errors import EnvelopeError, UnansweredError
from relay.model import Digest, MessageType, Payload
from relay.transport.axis.answered import AxisFailure, ReceivedRow, SentRow
from relay.transport.axis.client import AxisClient
from relay.transport.axis.times import parse_bound
from relay.transport.intake_stream import HELD_BYTES

KEPT_BYTES = 16 << 10
"""Raw answers up to here are kept beside the evidence that names them."""
_HTML = (b"<!doctype", b"<html", b"<head", b"<body")
_CONNECT_SECONDS = 20.0
_MOST_RECIPIENTS = 5000


class AxisRemote:
    """Closed by `close`. The signed timestamp is made anew for each call: some axes judge its age."""

    def __init__(
        self,
        url: str,
        systemid: str,
        secret: bytes,
        tls: ssl.SSLContext | None,
        store: PayloadStore,
        now: Callable[[], datetime],
        within: timedelta,
        at_once: int,
    ) -> None:
        self._url, self._systemid, self._secret = url, systemid, secret
        self._tls, self._store, self._now = tls, store, now
        self._within = within.total_seconds()
        self._at_once = at_once
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    # ------------------------------------------------------------ calls

    async def send(
        self, payload: Payload, sender: str, kind: MessageType, recipients: Sequence[str]
    ) -> tuple[str, Answer]:
        client, heard = self._client()
        small = payload.content is not None and payload.size_bytes <= HELD_BYTES
        body = payload.content if small and payload.content else self._store.read(payload)
        async with _answering(heard):
            doc_id = await client.send_stream(
                body,
                digest=bytes.fromhex(payload.digest),
                size_bytes=payload.size_bytes,
                sender=sender,
                message_type=kind,
                recipients=recipients,
            )
        return _doc_id(doc_id), heard.answer

    async def sent(
        self, kind: MessageType, doc_id: str | None = None
    ) -> tuple[Sequence[SentListed], Answer]:
        client, heard = self._client()
        async with _answering(heard):
            rows = await client.sent_list(kind, doc_id)
        return [_sent(row) for row in rows], heard.answer

    async def received(self, kind: MessageType, page: int, size: int) -> Sequence[Listed]:
        client, heard = self._client()
        async with _answering(heard):
            rows = await client.received_list(kind, pageSize=str(size), pageIndex=str(page))
        return [_listed(row) for row in rows if _word(row.messageType) in {kind.value, ""}]

    async def acknowledge(self, doc_id: str, word: Acknowledgement) -> None:
        client, heard = self._client()
        async with _answering(heard):
            await client.update_status(doc_id, word)

    def fetch(self, doc_id: str) -> AbstractAsyncContextManager[Fetching]:
        return self._fetch(doc_id)

    @contextlib.asynccontextmanager
    async def _fetch(self, doc_id: str) -> AsyncIterator[Fetching]:
        """downloadEdoc; where the remote refuses that call, getEdoc."""
        client, heard = self._client()
        async with contextlib.AsyncExitStack() as exits:
            try:
                chunks = await exits.enter_async_context(client.download(doc_id))
            except AxisFailure:
                async with _answering(heard):
                    content = await client.get(doc_id)
                yield Fetching("getEdoc", _one(content), heard.answer)
                return
            yield Fetching("downloadEdoc", _no_page(chunks), None)

    # ------------------------------------------------------------ the session

    def _client(self) -> tuple[AxisClient, _Heard]:
        heard = _Heard()
        client = AxisClient(
            self._url,
            self._systemid,
            self._secret,
            self._made(),
            now=self._now(),
            heard=heard.hear,
        )
        return client, heard

    def _made(self) -> aiohttp.ClientSession:
        """Made in the loop that uses it."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=2 * self._at_once + 4, ssl=True if self._tls is None else self._tls
            )
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECONDS, sock_read=self._within
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                trust_env=False,
                headers={"Accept-Encoding": "identity"},
            )
        return self._session


class _Heard:
    """The last JSON answer of one call."""

    def __init__(self) -> None:
        self._answer: Answer | None = None

    def hear(self, content: bytes) -> None:
        digest = Digest(sha256(content).hexdigest())
        self._answer = Answer(digest, content if len(content) <= KEPT_BYTES else None)

    @property
    def answer(self) -> Answer:
        return self._answer or Answer(Digest(sha256(b"").hexdigest()), b"")


@contextlib.asynccontextmanager
async def _answering(heard: _Heard) -> AsyncIterator[None]:
    """The dialect's FAIL as a bridge knows it."""
    try:
        yield
    except AxisFailure as error:
        raise RemoteRefusalError(
            error.code, error.text, heard.answer, passing=error.passing
        ) from error


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _no_page(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A proxy's error page with status 200 is an outage, not a broken document."""
    first = True
    async for chunk in chunks:
        if first and chunk.lstrip()[:16].lower().startswith(_HTML):
            raise UnansweredError("downloadEdoc: a page of HTML instead of the document")
        first = False
        yield chunk


# ---------------------------------------------------------------- rows


def _listed(row: ReceivedRow) -> Listed:
    facts = [row.docId, row.messageType, row.created_time, row.from_, row.to]
    digest = sha256(json.dumps(facts).encode()).hexdigest()
    return Listed(_doc_id(row.docId), row.from_, _recipients(row.to), Digest(digest))


def _doc_id(text: str) -> str:
    """In signs that a header can carry. One with others cannot be asked for: the remote will know no such
    docId, which is that package's trouble alone."""
    if text.isascii() and text.isprintable():
        return text
    return text.encode("unicode_escape").decode("ascii")


def _word(text: str) -> str:
    return text.strip().casefold()


def _recipients(text: str) -> tuple[str, ...]:
    """One code, a JSON array of them, or several with commas; empty where one of them is none."""
    stripped = text.strip()
    try:
        found = json.loads(stripped) if stripped.startswith("[") else stripped.split(",")
    except (ValueError, RecursionError):
        return ()
    codes = [str(one).strip() for one in found if str(one).strip()]
    try:
        for code in codes:
            normalise(code)
    except EnvelopeError:
        return ()
    return tuple(codes[:_MOST_RECIPIENTS])


def _sent(row: SentRow) -> SentListed:
    return SentListed(
        doc_id=_doc_id(row.senderDocId),
        message_type=_word(row.messageType),
        sender=row.fromCode,
        recipient=row.toCode,
        title=row.title,
        notation=row.notation,
        sent_at=parse_bound(row.sentTime, end=False) if row.sentTime else None,
        sending=row.sendStatus,
        sending_said=row.sendStatusDesc,
        receiving=row.receiveStatus,
        receiving_said=row.receiveStatusDesc,
    )

"""The document-management system of an office: a client of its node's axis face, nothing more.

Touches: HTTP, through the client it is given.
Trusts:  its own node, by TLS.
Raises:  AxisFailure, TransportError, UnansweredError; EnvelopeError for a document it cannot read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

from relay.delivery.ports import Acknowledgement
from relay.demo.plan import Office
from relay.envelope.reader import read
from relay.model import Digest, Envelope, MessageType, digest_of
from relay.transport.axis.client import AxisClient, ReceivedRow

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Arrived:
    """A document or status as it was fetched."""

    doc_id: str
    content: bytes = field(repr=False)
    envelope: Envelope
    at: datetime

    @property
    def digest(self) -> Digest:
        return self.envelope.digest


@dataclass(slots=True)
class Desk:
    """One office at work; `fetched` is everything it took in, by DocId."""

    office: Office
    client: AxisClient
    clock: Callable[[], datetime]
    fetched: dict[str, Arrived] = field(default_factory=dict)

    async def send(self, content: bytes, kind: MessageType = MessageType.DOCUMENT) -> str:
        """The sender's DocId. To whom is for the document to say."""
        return await self.client.send_stream(
            _chunks(content),
            digest=bytes.fromhex(digest_of(content)),
            size_bytes=len(content),
            sender=self.office.written,
            message_type=kind,
        )

    async def collect(self, kind: MessageType) -> list[Arrived]:
        """Fetch what is listed and not yet here, in the order of the list."""
        new = [row for row in await self._listed(kind) if row.docId not in self.fetched]
        return [await self._fetch(row, by_download=bool(n % 2)) for n, row in enumerate(new)]

    async def acknowledge(self, arrived: Arrived) -> None:
        """First that it is being worked on, then that it is here for good."""
        await self.client.update_status(arrived.doc_id, Acknowledgement.PROCESSING)
        await self.client.update_status(arrived.doc_id, Acknowledgement.DONE)

    async def everything(self) -> list[tuple[str, Digest]]:
        """(DocId, digest) of all that is listed, acknowledged or not, each as often as it is listed."""
        rows: list[ReceivedRow] = []
        for kind in MessageType:
            rows += await self._listed(kind)
            rows += await self._listed(kind, status=Acknowledgement.DONE.value)
        for row in rows:
            if row.docId not in self.fetched:
                await self._fetch(row, by_download=True)
        return [(row.docId, self.fetched[row.docId].digest) for row in rows]

    async def _listed(self, kind: MessageType, **filters: str) -> list[ReceivedRow]:
        rows = await self.client.received_list(kind, **filters)
        return [row for row in rows if row.to in self.office.codes]

    async def _fetch(self, row: ReceivedRow, *, by_download: bool) -> Arrived:
        """Clients know two calls for it: base64 inside JSON, and the plain stream."""
        if by_download:
            async with self.client.download(row.docId) as chunks:
                content = b"".join([chunk async for chunk in chunks])
        else:
            content = await self.client.get(row.docId)
        arrived = Arrived(row.docId, content, read(content), self.clock())
        self.fetched[row.docId] = arrived
        return arrived


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]

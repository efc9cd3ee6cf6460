"""An agency's system that speaks the axis dialect: the same work as desks.Desk, by signed calls.

Touches: HTTP.
Raises:  as desks.py: TransportError when there is no answer, or one that says to come again; PeerError
         when the node refuses what was asked for good.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from relay.delivery.ports import Acknowledgement
from relay.demo.network import RunningNode
from relay.errors import TransportError
from relay.model import MessageType
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient, AxisFailure, ReceivedRow
from relay.transport.axis.refusals import ErrorCode
from tests.acceptance.experiments.desks import ANSWER_WITHIN, PAGE, Accepted, NoAnswerError

_NOT_THERE = ErrorCode.FILE_ERROR
"""What native answers with 404: a node that recovers may not have it back yet."""


@dataclass(frozen=True, slots=True)
class AxisDesk:
    """One systemid for all agencies of a node."""

    node: str
    client: AxisClient

    async def submit(self, content: bytes, sender: str, kind: MessageType) -> Accepted:
        """The dialect has no receipt in its answer: the DocId is all of it."""
        with _answering(self.node):
            doc_id = await self.client.send(content, sender=sender, message_type=kind)
        return Accepted(doc_id, "", doc_id.encode())

    async def listed(self) -> list[ReceivedRow]:
        """What is not acknowledged as done, documents and statuses."""
        with _answering(self.node):
            return [
                row
                for kind in MessageType
                for row in await self.client.received_list(kind, pageSize=str(PAGE))
            ]

    async def fetch(self, doc_id: str, *, by_download: bool) -> bytes:
        """Clients know two calls for it: base64 inside JSON, and the plain stream."""
        with _answering(self.node, _NOT_THERE):
            if not by_download:
                return await self.client.get(doc_id)
            async with self.client.download(doc_id) as chunks:
                return b"".join([chunk async for chunk in chunks])

    async def acknowledge(self, doc_id: str) -> None:
        with _answering(self.node, _NOT_THERE):
            await self.client.update_status(doc_id, Acknowledgement.DONE)


@contextmanager
def _answering(node: str, *come_again: str) -> Iterator[None]:
    try:
        yield
    except AxisFailure as failure:
        if failure.passing or failure.code in come_again:
            raise TransportError(f"{node}: {failure}") from failure
        raise
    except TransportError as error:
        raise NoAnswerError(f"{node}: {error}") from error


@asynccontextmanager
async def axis_desk(node: RunningNode, root: Path, plain: bool = False) -> AsyncIterator[AxisDesk]:
    """Over TLS unless the node serves plain HTTP."""
    connector = aiohttp.TCPConnector(ssl=False if plain else face_client_context(root), limit=64)
    url = node.axis_url.replace("https://", "http://") if plain else node.axis_url
    async with aiohttp.ClientSession(connector=connector, timeout=ANSWER_WITHIN) as session:
        secret, now = node.secret.encode(), datetime.now(UTC)
        yield AxisDesk(node.plan.name, AxisClient(url, node.systemid, secret, session, now=now))

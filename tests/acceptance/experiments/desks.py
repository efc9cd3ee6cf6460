"""The nodes' public faces as the driver uses them: an agency's system, and the operator on the spot.

Touches: HTTP.
Raises:  TransportError when there is no answer, or one that says to come again; PeerError when the
         node refuses what was asked for good.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from relay.demo.native import at_socket
from relay.demo.network import RunningNode
from relay.errors import PeerError, TransportError
from relay.signing.tls import face_client_context

ANSWER_WITHIN = aiohttp.ClientTimeout(total=30)
PAGE = 1000
_COME_AGAIN = frozenset({404, 408, 425, 429})
"""404 because what was said to be there may be asked for while its node recovers."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An acknowledged submission; `answer` are the exact bytes of the acknowledgement."""

    message_id: str
    receipt: str
    answer: bytes


@dataclass(frozen=True, slots=True)
class Desk:
    """The document-management system of all agencies of one node, or the node's operator."""

    node: str
    session: aiohttp.ClientSession
    url: str

    async def submit(self, content: bytes) -> Accepted:
        headers = {"Content-Type": "application/xml"}
        answer = await self.ask("POST", "/v1/envelopes", data=BytesIO(content), headers=headers)
        said = json.loads(answer)
        return Accepted(said["message_id"], said["receipt"], answer)

    async def listed(self, after: int = 0) -> list[dict[str, Any]]:
        """Every delivery with a cursor beyond `after`, fetched and acknowledged ones, too."""
        found: list[dict[str, Any]] = []
        while True:
            query = f"?acknowledgement=all&limit={PAGE}&after={after}"
            page = await self._object(f"/v1/deliveries{query}")
            found += page["deliveries"]
            if len(page["deliveries"]) < PAGE:
                return found
            after = page["next"]

    async def fetch(self, delivery_id: str) -> bytes:
        return await self.ask("GET", f"/v1/deliveries/{delivery_id}/envelope")

    async def acknowledge(self, delivery_id: str) -> None:
        path = f"/v1/deliveries/{delivery_id}/ack"
        await self.ask("POST", path, json={"status": "done"})

    async def sent(self) -> list[dict[str, Any]]:
        """Every delivery of every message that was handed in here."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self._object(f"/v1/sent?limit={PAGE}&skip={len(found)}")
            found += page["sent"]
            if len(page["sent"]) < PAGE:
                return found

    async def message(self, message_id: str) -> dict[str, Any] | None:
        try:
            return await self._object(f"/v1/messages/{message_id}")
        except NotHereError:
            return None

    async def receipt(self, digest: str) -> bytes | None:
        """The container with this one receipt."""
        try:
            return await self.ask("GET", f"/v1/receipts/{digest}")
        except NotHereError:
            return None

    async def entries(self, event: str = "") -> AsyncIterator[dict[str, Any]]:
        """Every entry of the node's audit log, or of one event."""
        after, only = 0, f"&event={event}" if event else ""
        while True:
            page = await self._object(f"/v1/audit?limit={PAGE}&after={after}{only}")
            for one in page["entries"]:
                yield one["entry"]
            if page["next"] == after:
                return
            after = page["next"]

    async def _object(self, path: str) -> dict[str, Any]:
        return dict(json.loads(await self.ask("GET", path)))

    async def ask(self, method: str, path: str, **named: Any) -> bytes:
        try:
            async with self.session.request(method, self.url + path, **named) as response:
                content = await response.read()
                if response.status < 300:
                    return content
                later = response.headers.get("Retry-After")
                again = f", again after {later} s" if later else ""
                raise _failure(response.status, f"{self.node} {path}", again, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswerError(f"{self.node} {path}: {type(error).__name__}: {error}") from error


class NoAnswerError(TransportError):
    """Nobody was there, or went away."""


class NotHereError(TransportError):
    """404."""


def _failure(status: int, where: str, again: str, content: bytes) -> Exception:
    words = f"{where}: HTTP {status}{again}: {content[:300].decode('utf-8', 'replace')}"
    if status == 404:
        return NotHereError(words)
    return TransportError(words) if status in _COME_AGAIN or status >= 500 else PeerError(words)


@asynccontextmanager
async def agency_desk(node: RunningNode, root: Path, plain: bool = False) -> AsyncIterator[Desk]:
    """With a token of all the node's agencies, over TLS unless the node serves plain HTTP."""
    scopes = [f"agency:{agency.code}" for agency in node.plan.agencies]
    async with at_socket(node.control) as operator:
        token = await operator.issue_token("experiments", scopes)
    connector = aiohttp.TCPConnector(ssl=False if plain else face_client_context(root), limit=64)
    headers = {"Authorization": f"Bearer {token}"}
    url = node.native_url.replace("https://", "http://") if plain else node.native_url
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=ANSWER_WITHIN
    ) as session:
        yield Desk(node.plan.name, session, url)


@asynccontextmanager
async def operator_desk(node: RunningNode) -> AsyncIterator[Desk]:
    connector = aiohttp.UnixConnector(path=str(node.control))
    async with aiohttp.ClientSession(connector=connector, timeout=ANSWER_WITHIN) as session:
        yield Desk(node.plan.name, session, "http://node")


async def insist(call: Callable[[], Any], pause: float = 0.1) -> Any:
    """Again and again until there is an answer, as a document-management system does."""
    while True:
        try:
            return await call()
        except TransportError:
            await asyncio.sleep(pause)

"""The native face as the demo asks it: by token over TLS, or over a node's own control socket.

Touches: HTTP.
Trusts:  nothing of an answer but its shape; what is signed in it is verified elsewhere.
Raises:  TransportError when there is no answer, or another than was asked for.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from relay.errors import TransportError
from relay.signing.tls import face_client_context

ANSWER_WITHIN = aiohttp.ClientTimeout(total=15)
PAGE = 1000


@dataclass(frozen=True, slots=True)
class NativeClient:
    """One node's native face; the session knows the way and the token."""

    session: aiohttp.ClientSession
    base_url: str

    async def message(self, message_id: str) -> dict[str, Any]:
        return await self._object("GET", f"/v1/messages/{message_id}")

    async def message_seal(self, message_id: str) -> bytes:
        return await self._ask("GET", f"/v1/messages/{message_id}/seal")

    async def delivery_seal(self, delivery_id: str) -> bytes:
        return await self._ask("GET", f"/v1/deliveries/{delivery_id}/seal")

    async def receipt(self, digest: str) -> bytes:
        """The container with this one receipt."""
        return await self._ask("GET", f"/v1/receipts/{digest}")

    async def receipt_proof(self, digest: str) -> bytes:
        """That it stands in the node's log."""
        return await self._ask("GET", f"/v1/receipts/{digest}/proof")

    async def evidence(self, message_id: str) -> bytes:
        """The whole file; the demo's documents are small."""
        return await self._ask("GET", f"/v1/messages/{message_id}/evidence")

    async def every_delivery(self) -> list[dict[str, Any]]:
        """All that the node serves to anyone; an operator's call."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            query = f"?acknowledgement=all&limit={PAGE}&after={after}"
            page = await self._object("GET", f"/v1/deliveries{query}")
            found += page["deliveries"]
            if len(page["deliveries"]) < PAGE:
                return found
            after = page["next"]

    async def why(self, name: str) -> dict[str, Any]:
        return await self._object("GET", f"/v1/deliveries/{name}/why")

    async def shape(self) -> dict[str, Any]:
        return await self._object("GET", "/v1/queue/shape")

    async def knows(self, message_id: str) -> bool:
        """Whether the node took anything of it over."""
        try:
            await self.message(message_id)
        except TransportError:
            return False
        return True

    async def order(self, action: str, name: str, why: str) -> dict[str, Any]:
        """An operator's action on a message's deliveries."""
        return await self._object("POST", f"/v1/deliveries/{name}/{action}", {"why": why})

    async def issue_token(self, holder: str, scopes: Sequence[str]) -> str:
        """The secret of a new token; an operator's call."""
        body = {"holder": holder, "scopes": list(scopes)}
        answer = await self._object("POST", "/v1/tokens", body)
        return str(answer["secret"])

    async def _object(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        content = await self._ask(method, path, body)
        try:
            answer = json.loads(content)
        except ValueError:
            raise TransportError(f"{path}: the answer is not JSON") from None
        if not isinstance(answer, dict):
            raise TransportError(f"{path}: the answer is not an object")
        return answer

    async def _ask(self, method: str, path: str, body: object = None) -> bytes:
        try:
            async with self.session.request(method, self.base_url + path, json=body) as response:
                content = await response.read()
                if response.status >= 300:
                    said = content[:300].decode("utf-8", "replace")
                    raise TransportError(f"{path}: HTTP {response.status}: {said}")
                return content
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransportError(f"{path}: {type(error).__name__}") from error


@asynccontextmanager
async def at_socket(control: Path) -> AsyncIterator[NativeClient]:
    """As the operator at the node's own machine."""
    connector = aiohttp.UnixConnector(path=str(control))
    async with aiohttp.ClientSession(connector=connector, timeout=ANSWER_WITHIN) as session:
        yield NativeClient(session, "http://node")


@asynccontextmanager
async def over_tls(url: str, root: Path, token: str) -> AsyncIterator[NativeClient]:
    """As the holder of a token, from anywhere."""
    connector = aiohttp.TCPConnector(ssl=face_client_context(root))
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(
        connector=connector, timeout=ANSWER_WITHIN, headers=headers
    ) as session:
        yield NativeClient(session, url)

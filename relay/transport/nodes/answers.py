"""A neighbour's answer read whole, within a limit.

Touches: sockets, through NodesClient. Trusts: nothing of an answer.
Raises:  TransportError for one that is too long, WireError for one that is no JSON object.
"""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import ClientResponse

from relay.errors import TransportError, WireError
from relay.model import NodeId
from relay.transport.nodes.client import NodesClient

LIMIT_BYTES: Final = 4 << 20


async def whole(response: ClientResponse, limit_bytes: int = LIMIT_BYTES) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit_bytes:
            raise TransportError(f"an answer over {limit_bytes} bytes")
    return bytes(body)


async def json_object(response: ClientResponse, limit_bytes: int = LIMIT_BYTES) -> dict[str, Any]:
    try:
        told = json.loads(await whole(response, limit_bytes))
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise WireError("the neighbour's answer is not a JSON object")
    return told


async def has_capability(nodes: NodesClient, neighbour: NodeId, capability: str) -> bool:
    """Whether it says so of itself now."""
    async with nodes.call(neighbour, "GET", "/axis/v1/node") as response:
        words = (await json_object(response)).get("capabilities")
    return isinstance(words, list) and capability in words

"""A published log as one of a node's doors shows it (W16): its checkpoint, its tiles, and what they prove.

Touches: the door it is given. Trusts: the log's key; a tile counts once it leads to a signed head's root (W16.6).
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from relay.audit.checkpoint import Checkpoint, origin_of, parse_vkey, verify_note
from relay.audit.epochs import epoch_of, folder_of
from relay.audit.tiles import WIDTH, Tile, TileNodes
from relay.conformance.instants import now
from relay.conformance.peer import Answer, json_object
from relay.conformance.stand import Stand
from relay.conformance.verdicts import FailedError, InconclusiveError
from relay.conformance.witness import KEY_PATH
from relay.errors import AuditError, SignatureError
from relay.model import NodeId
from relay.signing.keys import verify_log_signature
from relay.signing.log_key import log_key_of

Value = TypeVar("Value")
Door = Callable[[str], Awaitable[Answer]]
"""Of a path within the epoch."""
SIZE_LIMIT = 1 << 24
SOON = 20.0
LOOK_SECONDS = 0.1


class _MissingError(Exception):
    def __init__(self, tile: Tile) -> None:
        self.tile = tile


@dataclass(slots=True)
class Shown:
    """One epoch's log at one door."""

    origin: str
    key: bytes
    door: Door
    tiles: dict[Tile, bytes] = field(default_factory=dict)

    async def checkpoint(self) -> tuple[bytes, Checkpoint]:
        answer = await self.door("checkpoint")
        if answer.status != 200:
            raise FailedError(f"the checkpoint is answered {answer.status}")
        head = self.proven(answer.body)
        if head.size > SIZE_LIMIT:
            raise InconclusiveError(f"a log of {head.size} entries, the kit reads {SIZE_LIMIT}")
        return answer.body, head

    def proven(self, note: bytes) -> Checkpoint:
        """A head that the log's key signed."""
        try:
            return verify_note(note, self.origin, self.key, partial(verify_log_signature, self.key))
        except AuditError as error:
            raise FailedError(f"a checkpoint of {self.origin} does not hold: {error}") from error

    async def nodes(self, head: Checkpoint) -> TileNodes:
        """The tree under a head, proven from its tiles."""
        return await self.done(lambda: TileNodes(head.size, head.root, self._read))

    async def leaves(self, nodes: TileNodes, number: int) -> list[bytes]:
        """The entries of one bundle, each proven."""
        return await self.done(partial(nodes.leaves, number))

    async def done(self, work: Callable[[], Value]) -> Value:
        """The work that needs tiles, which are fetched as they are needed."""
        while True:
            try:
                return work()
            except _MissingError as missing:
                self.tiles[missing.tile] = await self._fetched(missing.tile)
            except AuditError as error:
                raise FailedError(f"the tiles of {self.origin} do not hold: {error}") from error

    def _read(self, tile: Tile) -> bytes:
        if tile not in self.tiles:
            raise _MissingError(tile)
        return self.tiles[tile]

    async def _fetched(self, tile: Tile) -> bytes:
        answer = await self.door(tile.path)
        if answer.status != 200:
            raise FailedError(f"{tile.path} of {self.origin} is answered {answer.status}")
        return answer.body


def bundles(size: int) -> range:
    """The numbers of the bundles of a log of this size."""
    return range((size + WIDTH - 1) // WIDTH)


async def native(stand: Stand, path: str, *, token: str | None = None) -> Answer:
    """At the native face, as an auditor."""
    used = stand.subject.auditor if token is None else token
    return await stand.dms.native("GET", path, token=used)


async def every_log(stand: Stand) -> list[Shown]:
    """Every epoch's at the native face, in the order in which they are listed."""
    found = json_object(await native(stand, "/log/")).get("logs")
    if not isinstance(found, list) or not found:
        raise FailedError("`GET /log/` lists no logs")
    try:
        return [_shown(stand, one["epoch"], one["origin"], one["vkey"]) for one in found]
    except (KeyError, TypeError, AttributeError, AuditError) as error:
        raise FailedError(f"`GET /log/` lists what is no log: {error!r}") from error


def _shown(stand: Stand, epoch: str, origin: str, vkey: str) -> Shown:
    name, key = parse_vkey(vkey)
    if name != origin:
        raise FailedError(f"the key of {origin} is named {name}")

    async def door(path: str) -> Answer:
        return await native(stand, f"/log/{epoch}/{path}")

    return Shown(origin, key, door)


async def present_log(stand: Stand) -> Shown:
    """The present epoch's at the native face."""
    return (await every_log(stand))[-1]


async def log_key(stand: Stand) -> bytes:
    """The key of the node's log, as its certificates bind it (W15.2)."""
    shown = json_object(await stand.peer.get(KEY_PATH)).get("certificates")
    try:
        chain = [b64decode(one, validate=True) for one in shown or ()]
        return log_key_of(chain, NodeId(stand.subject.id), stand.trust, None, now())
    except (SignatureError, ValueError, TypeError) as error:
        raise FailedError(f"the certificates of the log's key prove nothing: {error}") from error


async def for_neighbours(stand: Stand) -> Shown:
    """The present epoch's at the listener for nodes: that of which the kit was handed in heads, else the first."""
    handed = stand.witness.handed
    origin = handed[-1].head.origin if handed else origin_of(NodeId(stand.subject.id))
    epoch = folder_of(epoch_of(origin))

    async def door(path: str) -> Answer:
        return await stand.peer.get(f"/axis/v1/log/{epoch}/{path}")

    return Shown(origin, await log_key(stand), door)


async def grown(stand: Stand, shown: Shown, seconds: float = SOON) -> tuple[bytes, Checkpoint]:
    """A later checkpoint, of a log that was made to grow."""
    _, before = await shown.checkpoint()
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(prepared))
    return await until_size(shown, before.size + 1, seconds)


async def covering(
    stand: Stand, shown: Shown, seconds: float = SOON
) -> tuple[Checkpoint, TileNodes]:
    """A checkpoint that holds whatever was in the log by now: it holds the receipt of a transfer that came after."""
    _, before = await shown.checkpoint()
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    signed, _ = stand.peer.receipts(await stand.peer.send(prepared))[0]
    head, end = before, asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        _, head = await until_size(shown, head.size + 1, seconds)
        nodes = await shown.nodes(head)
        for number in bundles(head.size)[before.size // WIDTH :]:
            if any(signed.digest.encode() in leaf for leaf in await shown.leaves(nodes, number)):
                return head, nodes
    raise InconclusiveError(f"a receipt given is in no checkpoint within {seconds:g} s")


async def until_size(shown: Shown, size: int, seconds: float = SOON) -> tuple[bytes, Checkpoint]:
    """The first checkpoint of so many entries or more."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        note, head = await shown.checkpoint()
        if head.size >= size:
            return note, head
        if asyncio.get_running_loop().time() > end:
            raise InconclusiveError(f"no checkpoint of {size} entries within {seconds:g} s")
        await asyncio.sleep(LOOK_SECONDS)

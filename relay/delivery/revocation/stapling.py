"""A signature takes along what says that its certificate is not revoked (docs/wire-format.md W12).

Before something signed goes to a neighbour that knows of statements, it is handed those on which the
signer's verdict rests here, each once: so that it need not reach a foreign responder, or be online at
all. What a neighbour hands in is proven like what is fetched, and sent on the same way. A neighbour that
cannot be told is told nothing, and the signature goes all the same. Large lists go beside what is signed,
one by one, and hold up nothing (W12.5).

Touches: the wire to neighbours, the journal.
Trusts:  nothing of what comes in until it was proven.
Raises:  nothing when telling; WireError, OverloadError when taking.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from relay.delivery.clock import Clock
from relay.delivery.records import Wire
from relay.delivery.revocation.ports import Proven, StapleJournal
from relay.errors import OverloadError, PeerError, SignatureError, TransportError
from relay.lines import Line
from relay.model import Digest, NodeId, Payload, Signed, TransferId
from relay.wire.statements import (
    CONTENT_LIMIT_BYTES,
    LARGE_CONTENT_BYTES,
    LIMIT_BYTES,
    MOST_STATEMENTS,
    Stapled,
    room_bytes,
)

CAPABILITY = "statements"
LARGE_CAPABILITY = "large-statements"
BY_HAND_CAPABILITY = "carried-statements"
"""They are taken from carry files, too (W7.9)."""
TOLD_LIMIT = 20_000
"""Statements of which is remembered that a neighbour has them."""
ASK_AGAIN_SECONDS = 600.0
"""After which a neighbour that knew nothing of statements is asked again."""
FAILED_SECONDS = 60.0
"""For which one that could not be told is left alone, unless it shows life."""
AT_ONCE = 2
WITHIN_SECONDS = 10.0
"""What a neighbour that takes its time over statements may hold up what it is sent."""
OWN_EVERY_SECONDS = 30.0
LARGE_WAITING = 16
"""Large ones that wait for a neighbour; what is beyond them it has to fetch."""
LARGE_AT_ONCE = 2
"""Being taken, from all neighbours together; one from each."""
log = structlog.get_logger("relay.revocation")


@dataclass(frozen=True, slots=True)
class Resting:
    """A signer's chain, and the statements its verdict rests on."""

    chain: tuple[bytes, ...]
    statements: tuple[Digest, ...]


class Signers(Protocol):
    """What is known here of who signed (signing)."""

    def resting(self, signature: bytes, *, looking: bool = False) -> Resting | None:
        """None where nothing is known of its signer. `looking` for one that was last met before the
        start takes a few milliseconds."""
        ...

    def own(self) -> Sequence[Resting]: ...

    def take(self, stapled: Stapled) -> Proven:
        """Raises SignatureError for one that proves nothing under this node's anchors."""
        ...


class StapleWire(Protocol):
    async def knows_statements(self, neighbour: NodeId) -> bool: ...
    async def knows_large(self, neighbour: NodeId) -> bool: ...
    async def tell_statements(self, neighbour: NodeId, found: Sequence[Stapled]) -> None: ...


@dataclass(slots=True)
class Stapler:
    """Both directions. `changed` is told when something new was proven."""

    signers: Signers
    wire: StapleWire
    journal: StapleJournal
    clock: Clock
    changed: Callable[[], None]
    neighbours: frozenset[NodeId]
    _told: dict[NodeId, OrderedDict[Digest, None]] = field(default_factory=dict)
    _mute_until: dict[NodeId, float] = field(default_factory=dict)
    _knowing: set[NodeId] = field(default_factory=set)
    _failed: set[NodeId] = field(default_factory=set)
    _taking: int = 0
    _large: dict[NodeId, OrderedDict[Digest, tuple[bytes, ...]]] = field(default_factory=dict)
    """What waits for each neighbour, with the chain it is about."""
    _large_after: dict[NodeId, float] = field(default_factory=dict)
    _large_waits: asyncio.Event = field(default_factory=asyncio.Event)
    _large_taking: set[NodeId] = field(default_factory=set)

    # ------------------------------------------------------------ telling

    async def bring(self, neighbour: NodeId, signatures: Iterable[bytes]) -> None:
        """Before these signatures go there; at once where nothing is new, as it mostly is."""
        found = (self.signers.resting(one) for one in signatures)
        await self._tell(neighbour, [one for one in found if one is not None])

    def met(self, neighbour: NodeId) -> None:
        """It shows life: what could not be told goes with the next signature."""
        if neighbour in self._failed:
            self._failed.discard(neighbour)
            self._mute_until.pop(neighbour, None)
            self._large_after.pop(neighbour, None)
            self._large_waits.set()

    async def run(self) -> None:
        """Until cancelled: every neighbour has the node's own statements, whatever it asks of it, and what is
        too large to go ahead of a signature."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_own())
            await self._tell_large(group)

    async def _tell_own(self) -> None:
        while True:
            for neighbour in sorted(self.neighbours):
                await self._tell(neighbour, self.signers.own())
            await asyncio.sleep(OWN_EVERY_SECONDS)

    async def _tell(self, neighbour: NodeId, resting: Sequence[Resting]) -> None:
        told = self._told.setdefault(neighbour, OrderedDict())
        new = {
            digest: one.chain for one in resting for digest in one.statements if digest not in told
        }
        if not new or self.clock.monotonic() < self._mute_until.get(neighbour, 0.0):
            return
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                if await self._knows(neighbour):
                    await self._send(neighbour, new)
        except (TransportError, PeerError, TimeoutError) as error:
            # The neighbour judges by what it has; it is told again with the next signature.
            log.debug(Line.STATEMENTS_NOT_TOLD, neighbour=neighbour, error=str(error)[:300])
            self._mute(neighbour, FAILED_SECONDS)
            self._failed.add(neighbour)
            return
        told.update(dict.fromkeys(new))
        while len(told) > TOLD_LIMIT:
            told.popitem(last=False)

    async def _tell_large(self, group: asyncio.TaskGroup) -> None:
        """A task for each neighbour that any wait for: a thin link takes minutes for one."""
        under_way: dict[NodeId, asyncio.Task[None]] = {}
        while True:
            self._large_waits.clear()
            for neighbour in [one for one, waiting in self._large.items() if waiting]:
                task = under_way.get(neighbour)
                if task is None or task.done():
                    under_way[neighbour] = group.create_task(self._bring_large(neighbour))
            try:
                async with asyncio.timeout(OWN_EVERY_SECONDS):
                    await self._large_waits.wait()
            except TimeoutError:
                pass

    async def _bring_large(self, neighbour: NodeId) -> None:
        waiting = self._large[neighbour]
        try:
            while waiting and self.clock.monotonic() >= self._large_after.get(neighbour, 0.0):
                if not await self.wire.knows_large(neighbour):
                    self._large_after[neighbour] = self.clock.monotonic() + ASK_AGAIN_SECONDS
                    return
                digest, chain = next(iter(waiting.items()))
                await self._bring_one(neighbour, digest, chain)
                waiting.pop(digest, None)
        except (TransportError, PeerError) as error:
            log.debug(Line.STATEMENTS_NOT_TOLD, neighbour=neighbour, error=str(error)[:300])
            self._large_after[neighbour] = self.clock.monotonic() + FAILED_SECONDS
            self._failed.add(neighbour)

    async def _bring_one(self, neighbour: NodeId, digest: Digest, chain: tuple[bytes, ...]) -> None:
        content = (await self.journal.contents([digest])).get(digest)
        if content is None:
            return  # a newer one took its place, and waits behind it
        try:
            await self.wire.tell_statements(neighbour, [Stapled(chain, content)])
        except PeerError as error:  # refused as it is: it would be each time
            log.debug(Line.STATEMENTS_NOT_TOLD, neighbour=neighbour, error=str(error)[:300])

    def _put_off(self, neighbour: NodeId, digest: Digest, chain: tuple[bytes, ...]) -> None:
        waiting = self._large.setdefault(neighbour, OrderedDict())
        waiting[digest] = chain
        while len(waiting) > LARGE_WAITING:
            waiting.popitem(last=False)
        self._large_waits.set()

    async def _knows(self, neighbour: NodeId) -> bool:
        if neighbour not in self._knowing:
            if not await self.wire.knows_statements(neighbour):
                self._mute(neighbour, ASK_AGAIN_SECONDS)
                return False
            self._knowing.add(neighbour)
        return True

    def _mute(self, neighbour: NodeId, seconds: float) -> None:
        self._mute_until[neighbour] = self.clock.monotonic() + seconds
        self._knowing.discard(neighbour)

    async def _send(self, neighbour: NodeId, new: dict[Digest, tuple[bytes, ...]]) -> None:
        contents = await self.journal.contents(list(new))
        batch: list[Stapled] = []
        size = 0
        for digest, chain in new.items():
            content = contents.get(digest)
            if content is None or len(content) > LARGE_CONTENT_BYTES:
                continue  # it has to be fetched by whoever needs it
            if len(content) > CONTENT_LIMIT_BYTES:
                self._put_off(neighbour, digest, chain)
                continue
            one = Stapled(chain, content)
            room = room_bytes(one)
            if batch and (size + room > LIMIT_BYTES // 2 or len(batch) == MOST_STATEMENTS):
                await self.wire.tell_statements(neighbour, batch)
                batch, size = [], 0
            batch.append(one)
            size += room
        if batch:
            await self.wire.tell_statements(neighbour, batch)

    # ------------------------------------------------------------ taking

    @contextmanager
    def large(self, neighbour: NodeId) -> Iterator[None]:
        """Room to read one large statement in. Raises OverloadError."""
        if neighbour in self._large_taking or len(self._large_taking) >= LARGE_AT_ONCE:
            raise OverloadError("another large statement is being read")
        self._large_taking.add(neighbour)
        try:
            yield
        finally:
            self._large_taking.discard(neighbour)

    async def take(self, neighbour: NodeId, found: Sequence[Stapled]) -> int:
        """How many were news; durable when it returns. Raises OverloadError."""
        if self._taking >= AT_ONCE:
            raise OverloadError(f"{self._taking} lists of statements are being read")
        self._taking += 1
        try:
            return await self.take_in(neighbour, found)
        finally:
            self._taking -= 1

    async def take_in(self, neighbour: NodeId, found: Sequence[Stapled]) -> int:
        """As `take`, whatever else is being taken. What proves nothing here is left out: it may be of an
        authority that only others trust."""
        news = 0
        for one in found:
            try:
                proven = await asyncio.to_thread(self.signers.take, one)
            except SignatureError as error:
                log.debug(Line.STATEMENT_LEFT_OUT, neighbour=neighbour, error=str(error)[:200])
                continue
            if proven.fresh:
                await self.journal.store(proven, self.clock.now())
                news += 1
        if news:
            self.changed()
        return news


@dataclass(frozen=True, slots=True)
class StapledWire:
    """delivery.records.Wire: another, with the statements of what it carries going ahead."""

    wire: Wire
    stapler: Stapler

    async def carry(
        self,
        neighbour: NodeId,
        header: Signed,
        seal: bytes,
        payload: Payload,
        *,
        batched: bool = False,
    ) -> Signed:
        await self.stapler.bring(neighbour, (header.signature, seal))
        return await self.wire.carry(neighbour, header, seal, payload, batched=batched)

    def together(self, neighbour: NodeId) -> int:
        return self.wire.together(neighbour)

    def takes_batches(self, neighbour: NodeId) -> bool:
        return self.wire.takes_batches(neighbour)

    async def carry_several(
        self,
        neighbour: NodeId,
        transfers: Sequence[tuple[Signed, bytes, Payload]],
        *,
        batched: bool = False,
    ) -> Sequence[Signed]:
        signatures = [one for header, seal, _ in transfers for one in (header.signature, seal)]
        await self.stapler.bring(neighbour, signatures)
        return await self.wire.carry_several(neighbour, transfers, batched=batched)

    async def ask(self, neighbour: NodeId, transfer_id: TransferId) -> Signed | None:
        return await self.wire.ask(neighbour, transfer_id)

    async def hand_back(self, neighbour: NodeId, receipts: Sequence[Signed]) -> None:
        await self.stapler.bring(neighbour, [one.signature for one in receipts])
        await self.wire.hand_back(neighbour, receipts)

"""Passes what owners of branches signed on to the neighbours that do not have it yet.

With each neighbour apart: it is asked which versions it has, and is handed what is newer here, but for
what can only have come from its own side. A tree has no other ways, so every document reaches every
node, once. What a neighbour refuses is not handed to it again until something changes; what fails is
repeated with back-off, and any sign of life ends the wait.

Touches: the wire, the keeper. Trusts: nothing of an answer.
Raises:  nothing expected; failures become waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from relay.delivery.directory.hearing import DirectoryEar
from relay.delivery.directory.ports import DirectoryWire
from relay.delivery.neighbours.retry import RetryPolicy
from relay.errors import AccessError, PeerError, TransportError
from relay.lines import Line
from relay.model import Digest, NodeId
from relay.routing.behind import lies_behind
from relay.wire.branch import binds_certificates

log = structlog.get_logger("relay.directory")
LOOK_AGAIN_SECONDS = 3600.0
_PASSING = (TransportError, AccessError)
"""What another attempt may not meet."""


@dataclass(slots=True)
class DirectoryCourier:
    node: NodeId
    neighbours: frozenset[NodeId]
    ear: DirectoryEar
    wire: DirectoryWire
    policy: RetryPolicy
    random: Callable[[], float]
    _calls: dict[NodeId, asyncio.Event] = field(default_factory=dict)
    _failing: set[NodeId] = field(default_factory=set)
    _refused: set[tuple[NodeId, Digest]] = field(default_factory=set)
    _kept_back: set[tuple[NodeId, Digest]] = field(default_factory=set)

    def look(self) -> None:
        """There is something new."""
        for call in self._calls.values():
            call.set()

    def met(self, neighbour: NodeId) -> None:
        """The neighbour shows life."""
        if neighbour in self._failing:
            self._calls[neighbour].set()

    async def run(self) -> None:
        """Until cancelled."""
        self._calls.update({neighbour: asyncio.Event() for neighbour in self.neighbours})
        async with asyncio.TaskGroup() as group:
            for neighbour in sorted(self.neighbours):
                group.create_task(self._serve(neighbour))

    async def _serve(self, neighbour: NodeId) -> None:
        failures, call = 0, self._calls[neighbour]
        while True:
            call.clear()
            try:
                await self._bring(neighbour)
            except (TransportError, PeerError) as error:
                failures += 1
                self._failing.add(neighbour)
                log.debug(Line.DIRECTORY_WAITS, neighbour=neighbour, error=str(error)[:300])
                wait = self.policy.wait(failures, self.random()).total_seconds()
            else:
                failures, wait = 0, LOOK_AGAIN_SECONDS
                self._failing.discard(neighbour)
            try:
                async with asyncio.timeout(wait):
                    await call.wait()
            except TimeoutError:
                pass

    async def _bring(self, neighbour: NodeId) -> None:
        """Everything that is newer here; and back what is newer there of our own (W9.5)."""
        there = await self.wire.held(neighbour)
        if there is None:
            return  # of an older version: nothing of directories is said to it
        await self._regain(neighbour, there)
        for held in self.ear.keeper.held():
            if lies_behind(self.ear.keeper.directory, self.node, neighbour, held.issuer):
                continue
            if there.get(held.issuer, -1) < held.version:
                await self._tell(neighbour, held.issuer, held.digest)

    async def _tell(self, neighbour: NodeId, issuer: NodeId, digest: Digest) -> None:
        if (neighbour, digest) in self._refused:
            return
        signed = await self.ear.keeper.document(issuer)
        if signed is None:
            return
        if binds_certificates(signed.document) and not self.wire.takes_certificates(neighbour):
            self._keep_back(neighbour, issuer, digest)
            return
        try:
            await self.wire.tell(neighbour, signed)
        except _PASSING:
            raise
        except PeerError as error:
            self._refused.add((neighbour, digest))
            log.warning(
                Line.DIRECTORY_NOT_TAKEN, neighbour=neighbour, issuer=issuer, error=str(error)[:300]
            )
        else:
            log.info(Line.DIRECTORY_TOLD, neighbour=neighbour, issuer=issuer)

    def _keep_back(self, neighbour: NodeId, issuer: NodeId, digest: Digest) -> None:
        """It would refuse the whole document (W11.6), and keeps the one it has until it is upgraded."""
        if (neighbour, digest) not in self._kept_back:
            self._kept_back.add((neighbour, digest))
            log.warning(Line.DIRECTORY_KEPT_BACK, neighbour=neighbour, issuer=issuer)

    async def _regain(self, neighbour: NodeId, there: dict[NodeId, int]) -> None:
        newest = there.get(self.node, 0)
        ours = next((one.version for one in self.ear.keeper.held() if one.issuer == self.node), 0)
        if newest <= ours:
            return
        try:
            await self.ear.regain(neighbour, await self.wire.ask_for(neighbour, self.node))
        except _PASSING:
            raise
        except PeerError as error:
            log.warning(Line.DIRECTORY_NOT_REGAINED, neighbour=neighbour, error=str(error)[:300])

"""Agencies' systems at work: they send, collect and acknowledge, whatever happens to the nodes.

Touches: the nodes' native faces. Trusts: nothing; what is answered goes into the ledger as it is.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from relay.errors import TransportError
from relay.model import digest_of
from tests.acceptance.experiments.city import City
from tests.acceptance.experiments.desks import Accepted, Desk, agency_desk, insist
from tests.acceptance.experiments.ledger import Ledger, Seen
from tests.acceptance.experiments.papers import LETTER_BYTES, Papers

_COLLECT_SECONDS = 0.05
_FETCHES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Relation:
    """Who writes to whom: from an agency at a node to agencies anywhere."""

    node: str
    sender: str
    recipients: tuple[str, ...]


@dataclass(slots=True)
class Traffic:
    """The systems of a city, and the ledger of what they were told."""

    city: City
    desks: dict[str, Desk]
    ledger: Ledger
    random: random.Random
    arrived: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds at which a digest was first listed to its recipient."""
    collected: set[str] = field(default_factory=set)
    """Digests that were fetched and acknowledged."""
    sent_at: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds at which a digest was handed in."""
    _papers: Papers = field(init=False)

    def __post_init__(self) -> None:
        self._papers = Papers("TN", self.random)

    # ------------------------------------------------------------ sending

    def write(self, relation: Relation, size_bytes: int = LETTER_BYTES) -> bytes:
        return self._papers.write(relation.sender, relation.recipients, size_bytes)

    async def send(self, relation: Relation, content: bytes) -> Accepted:
        """Until it is acknowledged."""
        self.ledger.offer(content)
        self.sent_at.setdefault(digest_of(content), time.monotonic())
        accepted = await insist(lambda: self.desks[relation.node].submit(content))
        return self._note(relation, content, accepted)

    async def send_once(self, relation: Relation, content: bytes) -> TransportError | None:
        """One attempt; what came instead of an acknowledgement."""
        self.ledger.offer(content)
        try:
            accepted = await self.desks[relation.node].submit(content)
        except TransportError as error:
            return error
        self._note(relation, content, accepted)
        return None

    async def send_again(self, relation: Relation, content: bytes) -> Accepted:
        """What ended badly for these recipients: another message is the right answer."""
        accepted: Accepted = await insist(lambda: self.desks[relation.node].submit(content))
        self.ledger.renewed(accepted.message_id)
        return self._note(relation, content, accepted)

    def _note(self, relation: Relation, content: bytes, accepted: Accepted) -> Accepted:
        self.ledger.acknowledge(
            accepted.message_id, relation.node, content, relation.recipients, accepted.answer
        )
        return accepted

    @asynccontextmanager
    async def load(
        self, relations: Sequence[Relation], sizes: Sequence[int], at_once: int, pause: float
    ) -> AsyncIterator[None]:
        """Documents are sent inside; at the end each that was begun is acknowledged."""
        ending = asyncio.Event()

        async def one_after_another() -> None:
            while not ending.is_set():
                relation = self.random.choice(relations)
                await self.send(relation, self.write(relation, self.random.choice(sizes)))
                await asyncio.sleep(pause * self.random.random() * 2)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_another())
            try:
                yield
            finally:
                ending.set()

    # ------------------------------------------------------------ collecting

    async def collect(self, node: str) -> None:
        """List, fetch, acknowledge, until cancelled."""
        cursor = 0
        while True:
            await asyncio.sleep(_COLLECT_SECONDS)
            found = await insist(lambda: self.desks[node].listed(cursor))  # noqa: B023
            gate = asyncio.Semaphore(_FETCHES_AT_ONCE)
            await asyncio.gather(*(self._take(node, item, gate) for item in found))
            cursor = max((item["cursor"] for item in found), default=cursor)

    async def _take(self, node: str, item: dict[str, str], gate: asyncio.Semaphore) -> None:
        delivery_id = item["delivery_id"]
        self.arrived.setdefault(item["digest"], time.monotonic())
        async with gate:
            content = await insist(lambda: self.desks[node].fetch(delivery_id))
            self.ledger.see(
                Seen(node, delivery_id, item["message_id"], item["recipient"], digest_of(content))
            )
            await insist(lambda: self.desks[node].acknowledge(delivery_id))
        self.collected.add(digest_of(content))


@asynccontextmanager
async def at_work(
    city: City, seed: int, plain: frozenset[str] = frozenset()
) -> AsyncIterator[Traffic]:
    """A system at each node that is up, collecting all the time."""
    async with AsyncExitStack() as exits:
        desks = {
            name: await exits.enter_async_context(
                agency_desk(city.node(name), city.network.root, plain=name in plain)
            )
            for name in city.running
        }
        traffic = Traffic(city, desks, Ledger(), random.Random(seed))
        collecting = [asyncio.create_task(traffic.collect(name)) for name in desks]
        try:
            yield traffic
            for task in collecting:
                if task.done():
                    task.result()
        finally:
            for task in collecting:
                task.cancel()
            await asyncio.gather(*collecting, return_exceptions=True)

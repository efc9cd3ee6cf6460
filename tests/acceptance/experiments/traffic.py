"""Agencies' systems at work: they send, collect and acknowledge, whatever happens to the nodes.

By both faces: a share of what is sent, listed, fetched and acknowledged goes the dialect's way, each
call by itself, so what was sent by one face is fetched by the other. A document is repeated by the face
it was first sent by, as the system that sent it would.

Touches: the nodes' public faces. Trusts: nothing; what is answered goes into the ledger as it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random

from relay.errors import TransportError
from relay.model import Digest, MessageType, Priority, digest_of
from tests.acceptance.experiments.axis_desk import AxisDesk, axis_desk
from tests.acceptance.experiments.city import City
from tests.acceptance.experiments.desks import Accepted, Desk, agency_desk, insist
from tests.acceptance.experiments.ledger import Ledger, Seen
from tests.acceptance.experiments.papers import LETTER_BYTES, Papers

COLLECT_SECONDS = 0.05
_FETCHES_AT_ONCE = 8
AXIS_SHARE = 0.3
"""Of all calls, by the axis face."""
STATUS_SHARE = 0.1
"""Of what a load sends, status messages."""


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
    axis: dict[str, AxisDesk]
    ledger: Ledger
    random: Random
    arrived: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds at which a digest was first listed to its recipient."""
    collected: set[str] = field(default_factory=set)
    """Digests that were fetched and acknowledged."""
    sent_at: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds at which a digest was handed in."""
    axis_share: float = AXIS_SHARE
    collect_seconds: float = COLLECT_SECONDS
    """Between a recipient's looks at its list."""
    sent_by_axis: set[Digest] = field(default_factory=set)
    """Digests of what is handed in by the dialect."""
    _statuses: set[Digest] = field(default_factory=set)
    _taken: set[str] = field(default_factory=set)
    """Deliveries that somebody listed and takes care of."""
    _papers: Papers = field(init=False)
    _dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self._papers = Papers("TN", self.random)
        self._dice = Random(self.random.random())

    def _by_axis(self) -> bool:
        return self._dice.random() < self.axis_share

    # ------------------------------------------------------------ sending

    def write(
        self,
        relation: Relation,
        size_bytes: int = LETTER_BYTES,
        priority: Priority = Priority.NORMAL,
        *,
        by_axis: bool | None = None,
    ) -> bytes:
        """By which face it is going to be sent is settled with its writing; None leaves it to chance."""
        content = self._papers.write(relation.sender, relation.recipients, size_bytes, priority)
        return self._signed_out(content, by_axis)

    def write_status(self, relation: Relation) -> bytes:
        """A status message goes to one recipient."""
        content = self._papers.status(relation.sender, relation.recipients[0])
        self._statuses.add(digest_of(content))
        return self._signed_out(content, None)

    def _signed_out(self, content: bytes, by_axis: bool | None) -> bytes:
        if self._by_axis() if by_axis is None else by_axis:
            self.sent_by_axis.add(digest_of(content))
        return content

    async def _submit(self, relation: Relation, content: bytes) -> Accepted:
        digest = digest_of(content)
        if digest not in self.sent_by_axis:
            return await self.desks[relation.node].submit(content)
        kind = MessageType.STATUS if digest in self._statuses else MessageType.DOCUMENT
        return await self.axis[relation.node].submit(content, relation.sender, kind)

    async def send(self, relation: Relation, content: bytes) -> Accepted:
        """Until it is acknowledged."""
        self.ledger.offer(content)
        self.sent_at.setdefault(digest_of(content), time.monotonic())
        accepted = await insist(lambda: self._submit(relation, content))
        return self._note(relation, content, accepted)

    async def send_once(self, relation: Relation, content: bytes) -> TransportError | None:
        """One attempt; what came instead of an acknowledgement."""
        self.ledger.offer(content)
        try:
            accepted = await self._submit(relation, content)
        except TransportError as error:
            return error
        self._note(relation, content, accepted)
        return None

    async def send_again(self, relation: Relation, content: bytes) -> Accepted:
        """What ended badly for these recipients: another message is the right answer."""
        accepted: Accepted = await insist(lambda: self._submit(relation, content))
        self.ledger.renewed(accepted.message_id)
        return self._note(relation, content, accepted)

    def _note(self, relation: Relation, content: bytes, accepted: Accepted) -> Accepted:
        self.ledger.acknowledge(
            accepted.message_id,
            relation.node,
            content,
            relation.recipients,
            accepted.answer,
            accepted.receipt,
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
                if self.random.random() < STATUS_SHARE:
                    relation = replace(relation, recipients=relation.recipients[:1])
                    await self.send(relation, self.write_status(relation))
                else:
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
            await asyncio.sleep(self.collect_seconds)
            if self._by_axis():
                rows = await insist(self.axis[node].listed)
                found = [(row.docId, row.to) for row in rows]
            else:
                items = await insist(lambda: self.desks[node].listed(cursor))  # noqa: B023
                cursor = max((item["cursor"] for item in items), default=cursor)
                found = [(item["delivery_id"], item["recipient"]) for item in items]
            await self._take_all(node, found)

    async def _take_all(self, node: str, found: Sequence[tuple[str, str]]) -> None:
        at, gate = time.monotonic(), asyncio.Semaphore(_FETCHES_AT_ONCE)

        async def take(delivery_id: str, recipient: str) -> None:
            async with gate:
                digest = await self._take(node, delivery_id, recipient)
            self.arrived.setdefault(digest, at)
            self.collected.add(digest)

        new = [one for one in found if f"{node} {one[0]}" not in self._taken]
        self._taken.update(f"{node} {delivery_id}" for delivery_id, _ in new)
        await asyncio.gather(*(take(*one) for one in new))

    async def _take(self, node: str, delivery_id: str, recipient: str) -> Digest:
        desk, axis = self.desks[node], self.axis[node]
        if self._by_axis():
            by_download = self._dice.random() < 0.5
            content = await insist(lambda: axis.fetch(delivery_id, by_download=by_download))
        else:
            content = await insist(lambda: desk.fetch(delivery_id))
        digest = digest_of(content)
        self.ledger.see(Seen(node, delivery_id, recipient, digest))
        teller = axis if self._by_axis() else desk
        await insist(lambda: teller.acknowledge(delivery_id))
        return digest


@asynccontextmanager
async def at_work(
    city: City, seed: int, plain: frozenset[str] = frozenset()
) -> AsyncIterator[Traffic]:
    """Systems at each node that is up, collecting all the time."""
    async with AsyncExitStack() as exits:
        desks, axis = {}, {}
        for name in city.running:
            place = city.node(name), city.network.root, name in plain
            desks[name] = await exits.enter_async_context(agency_desk(*place))
            axis[name] = await exits.enter_async_context(axis_desk(*place))
        traffic = Traffic(city, desks, axis, Ledger(), Random(seed))
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

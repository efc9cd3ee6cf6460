"""Two nodes over real journals and keys, with no link between them but the one a test lays.

`Post` is a node with all its desks; its wire fails until `link` names another Post, whose real desks
then answer. Envelopes are received as the transport does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.audit.words import replaced
from relay.delivery.acceptance import IntakeDesk
from relay.delivery.arrivals import TransferDesk
from relay.delivery.carry.courier import Courier
from relay.delivery.carry.ports import CarriedStatements, CarryFile, Imported
from relay.delivery.clock import Clock
from relay.delivery.dispatch import Dispatcher
from relay.delivery.inbox import InboxDesk
from relay.delivery.neighbours.channel import Channel
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.ports import (
    Acknowledgement,
    Caller,
    InboxItem,
    InboxQuery,
    SentQuery,
    Submission,
)
from relay.delivery.pressure.gate import OPEN, Gate
from relay.delivery.pressure.quota import neighbour_party
from relay.delivery.returns import ReturnDesk
from relay.envelope.limits import Limits
from relay.envelope.reader import read
from relay.envelope.writer import AttachmentContent, Document, Stamp, write_document
from relay.errors import TransportError
from relay.journal.shelf import Shelf
from relay.journal.store import SqliteJournal
from relay.model import (
    AgencyCode,
    MessageId,
    NodeId,
    Party,
    Payload,
    Priority,
    Signed,
    TransferId,
)
from relay.routing.next_hop import Place
from relay.transport.intake_stream import receive

OPERATOR = Caller("local:operator", frozenset(), operator=True)
AGENCIES = {"xa": "H01.15", "tinh": "H01"}
LIMITS = Limits(envelope_bytes=1 << 20)


@dataclass
class NoLink:
    """delivery.records.Wire: nothing gets through until there is a link."""

    own: NodeId
    link: Post | None = None
    carried: list[bytes] = field(default_factory=list)
    failing: Callable[[], Exception] = lambda: TransportError("no link")
    a_request: int = 1
    """How many transfers go together, their headers under one signature."""

    def _other(self) -> Post:
        if self.link is None:
            raise self.failing()
        return self.link

    def together(self, neighbour: NodeId) -> int:
        return self.a_request

    def takes_batches(self, neighbour: NodeId) -> bool:
        return self.a_request > 1

    async def carry_several(
        self,
        neighbour: NodeId,
        transfers: Sequence[tuple[Signed, bytes, Payload]],
        *,
        batched: bool = False,
    ) -> Sequence[Signed]:
        return [await self.carry(neighbour, *one) for one in transfers]

    async def carry(
        self,
        neighbour: NodeId,
        header: Signed,
        seal: bytes,
        payload: Payload,
        *,
        batched: bool = False,
    ) -> Signed:
        other = self._other()
        self.carried.append(header.document)
        opened = await other.transfers.open(self.own, header)
        if isinstance(opened, Signed):
            return opened
        assert payload.content is not None
        content = payload.content
        kept = Payload(payload.digest, payload.size_bytes, content, None)
        return await other.transfers.take(opened, seal, read(content), kept)

    async def ask(self, neighbour: NodeId, transfer_id: TransferId) -> Signed | None:
        return await self._other().journal.answered(self.own, transfer_id)

    async def hand_back(self, neighbour: NodeId, receipts: Sequence[Signed]) -> None:
        await self._other().returns.take(self.own, receipts)


@dataclass
class Post:
    name: NodeId
    other: NodeId
    keys: dict[str, Any]
    folder: Path
    journal: SqliteJournal
    wire: NoLink = field(init=False)
    late: timedelta = timedelta()
    _count: int = 0

    def __post_init__(self) -> None:
        directory, notary = self.keys["directory"], self.keys[self.name]
        self.clock = Clock(wall=lambda: datetime.now(UTC) + self.late)
        self.wire = NoLink(self.name)
        journal = self.journal
        policy = RetryPolicy(timedelta(milliseconds=20), timedelta(milliseconds=80))
        self.returns = ReturnDesk(
            self.name, directory, journal, notary, self.wire, self.clock, self._receipts_wait
        )
        neighbours = [self.other, NodeId("thon")] if self.name == "xa" else [self.other]
        self.dispatcher = Dispatcher(
            self.name,
            journal,
            notary,
            self.wire,
            self.returns,
            policy,
            self.clock,
            lambda: 0.0,
            {n: Channel(n, 32) for n in neighbours},
            lambda _: None,
        )
        uplink = self.other if self.name == "xa" else None
        place = Place(self.name, uplink, frozenset(neighbours))
        self.transfers = TransferDesk(
            place,
            directory,
            journal,
            notary,
            self.clock,
            timedelta(minutes=5),
            LIMITS.envelope_bytes,
            self.dispatcher.offer,
        )
        self.intake = IntakeDesk(
            place,
            directory,
            journal,
            notary,
            policy,
            self.clock,
            self.dispatcher.offer,
            lambda: None,
        )
        self.inbox = InboxDesk(self.name, journal, notary, self.clock, self._receipts_wait)
        self.carries()

    def carries(self, statements: CarriedStatements | None = None, gate: Gate = OPEN) -> None:
        """By hand, with what it knows of revocations."""
        journal = self.journal
        self.courier = Courier.of(
            self.dispatcher,
            self.transfers,
            self.keys[self.name],
            Shelf(journal, self.name),
            journal,
            lambda chunks, most: receive(chunks, journal, LIMITS, limit_bytes=most, idle=None),
            lambda neighbour, size_bytes: gate.body(neighbour_party(neighbour), size_bytes),
            statements,
        )

    def _receipts_wait(self, neighbours: Iterable[NodeId]) -> None:
        self.dispatcher.receipts_wait(neighbours)

    @property
    def caller(self) -> Caller:
        return Caller("system:test", frozenset({AgencyCode(AGENCIES[self.name])}))

    # ------------------------------------------------------------ documents

    def document(
        self, *recipients: str, priority: Priority = Priority.NORMAL, padding: bytes = b""
    ) -> bytes:
        self._count += 1
        sender = AGENCIES[self.name]
        attachments = (AttachmentContent("a.pdf", "application/pdf", padding),) if padding else ()
        return write_document(
            Document(
                sender=Party(sender, "Cơ quan gửi"),
                recipients=tuple(Party(code, "Cơ quan nhận") for code in recipients),
                document_id=f"{sender},{self._count}",
                code_number=str(self._count),
                code_notation="CV-M",
                promulgation_place="Mẫu",
                promulgation_date=date(2026, 11, 23),
                document_type="Công văn",
                subject="V/v thử nghiệm",
                traces=(Stamp(sender, datetime.now(UTC)),),
                priority=priority,
                attachments=attachments,
            )
        )

    async def submit(
        self, content: bytes, *recipients: str, priority: Priority = Priority.NORMAL
    ) -> MessageId:
        upload = self.journal.begin(1 << 30)
        upload.write(content)
        payload = await upload.finish()
        submission = Submission(
            self.caller, read(content), payload, AGENCIES[self.name], recipients
        )
        accepted = await self.intake.submit(submission)
        await self.journal.release(payload)
        return accepted.message_id

    async def send(self, recipient: str = "", **how: Any) -> MessageId:
        """A new document to the other node's agency."""
        to = recipient or AGENCIES[self.other]
        return await self.submit(self.document(to, **how), to)

    async def states(self, message_id: MessageId) -> set[str]:
        query = SentQuery(message_id=message_id, limit=1000)
        return {item.state.value for item in await self.journal.sent(None, query)}

    async def came(self) -> list[InboxItem]:
        return await self.journal.inbox(None, InboxQuery(every_state=True, limit=1000))

    async def acknowledge(self, item: InboxItem) -> None:
        await self.inbox.acknowledge(self.caller, item.delivery_id, Acknowledgement.DONE)

    # ------------------------------------------------------------ by hand

    async def export(
        self, limit_bytes: int = 1 << 30, why: str = "", *, statements: bool = True
    ) -> bytes:
        file = await self.courier.export(
            OPERATOR, self.other, limit_bytes, why, statements=statements
        )
        return await self.written(file)

    async def written(self, file: CarryFile) -> bytes:
        content = b"".join([chunk async for chunk in self.courier.write(file)])
        assert len(content) == file.size_bytes
        return content

    async def take(
        self, content: bytes, why: str = "", pieces: int = 50_000, **how: bool
    ) -> tuple[Imported, bytes | None]:
        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(content), pieces):
                yield content[start : start + pieces]

        told, file = await self.courier.take(OPERATOR, why, chunks(), **how)
        return told, None if file is None else await self.written(file)

    async def entries(self, event: str) -> list[dict[str, Any]]:
        import json

        found = [
            replaced(json.loads(e.leaf), e.words) for e in await self.journal.entries(0, 10_000)
        ]
        return [one for one in found if one["event"] == event]

    @contextlib.asynccontextmanager
    async def linked(self, other: Post) -> AsyncIterator[None]:
        """A link is laid, and the dispatcher works."""
        self.wire.link = other
        task = asyncio.create_task(self.dispatcher.run())
        try:
            yield
            assert not task.done(), "the dispatcher ended"
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.wire.link = None

    async def until(self, look: Callable[[], Any]) -> Any:
        async with asyncio.timeout(10):
            while not (found := await look()):
                await asyncio.sleep(0.005)
            return found


def _fatal(error: BaseException) -> None:
    raise AssertionError("the journal cannot write") from error


@contextlib.asynccontextmanager
async def _post(folder: Path, keys: dict[str, Any], name: str, other: str) -> AsyncIterator[Post]:
    journal = await SqliteJournal.open(
        folder / name,
        NodeId(name),
        lambda _, size, root: f"{size} {root.hex()}".encode(),
        on_fatal=_fatal,
    )
    yield Post(NodeId(name), NodeId(other), keys, folder / name, journal)
    await journal.close()


@pytest.fixture
async def xa(keys: dict[str, Any], tmp_path: Path) -> AsyncIterator[Post]:
    async with _post(tmp_path, keys, "xa", "tinh") as post:
        yield post


@pytest.fixture
async def tinh(keys: dict[str, Any], tmp_path: Path) -> AsyncIterator[Post]:
    async with _post(tmp_path, keys, "tinh", "xa") as post:
        yield post

"""Three nodes in a row with real desks, journals and keys: thon → xa → tinh, driven step by step.

Only TLS between them is left out: transfers, answers and receipts go from desk to desk as the signed
documents they are, when a test says so and not before. So every interleaving can be had on purpose.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.audit.checkpoint import note_body, sign_note
from relay.audit.entries import parse
from relay.audit.epochs import Epoch, log_name
from relay.audit.words import replaced
from relay.delivery.acceptance import IntakeDesk
from relay.delivery.arrivals import Opened, TransferDesk
from relay.delivery.clock import Clock
from relay.delivery.inbox import InboxDesk
from relay.delivery.neighbours.freezing import header_of
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.obligations import ObligationDesk
from relay.delivery.ports import (
    Accepted,
    Caller,
    InboxItem,
    InboxQuery,
    ObligationQuery,
    ObligationView,
    Submission,
)
from relay.delivery.records import Freeze, Ready
from relay.delivery.returns import ReturnDesk
from relay.delivery.verdicts import VerdictDesk
from relay.envelope.reader import read
from relay.envelope.writer import (
    Business,
    Document,
    Stamp,
    StatusMessage,
    write_document,
    write_status,
)
from relay.errors import PeerError
from relay.journal.business import ObligationTable, Verdicts
from relay.journal.store import SqliteJournal
from relay.journal.writer import HeadSigner
from relay.model import (
    AgencyCode,
    Lane,
    MessageId,
    NodeId,
    Party,
    Payload,
    ResponseFor,
    Signed,
    TransferId,
)
from relay.routing.next_hop import Place
from relay.signing.keys import LogSigner

THON, XA, TINH = NodeId("thon"), NodeId("xa"), NodeId("tinh")
SENDER, RECIPIENT = AgencyCode("H01.16"), AgencyCode("H01")
PLACES = (
    Place(THON, XA, frozenset({XA})),
    Place(XA, TINH, frozenset({TINH, THON})),
    Place(TINH, None, frozenset({XA})),
)
OPERATOR = Caller("operator:test", frozenset(), operator=True)


@dataclass
class Post:
    """One node's desks. Nothing moves by itself."""

    node: NodeId
    journal: SqliteJournal
    notary: Any
    clock: Clock
    intake: IntakeDesk
    transfers: TransferDesk
    inbox: InboxDesk
    returns: ReturnDesk
    verdicts: VerdictDesk
    obligations: ObligationDesk

    async def submit(self, sender: str, content: bytes, *to: str) -> Accepted:
        envelope = read(content)
        payload = Payload(envelope.digest, envelope.size_bytes, content, None)
        caller = Caller("system:test", frozenset({AgencyCode(sender)}))
        return await self.intake.submit(Submission(caller, envelope, payload, sender, to or None))

    async def state(self, message: MessageId, recipient: str = RECIPIENT) -> str | None:
        view = await self.journal.message(message)
        if view is None:
            return None
        return next((d.state.value for d in view.deliveries if d.recipient == recipient), None)

    async def business(self, message: MessageId, recipient: str = RECIPIENT) -> str:
        view = await self.journal.message(message)
        assert view is not None
        return next(d.business.value for d in view.deliveries if d.recipient == recipient)

    async def asked(self, message: MessageId) -> list[ObligationView]:
        """What is asked about a document."""
        view = await self.journal.message(message)
        return [] if view is None else [o for d in view.deliveries for o in d.obligations]

    async def every(self) -> list[ObligationView]:
        return await self.obligations.list(OPERATOR, ObligationQuery(limit=1000))

    async def listed(self, agency: str = RECIPIENT) -> list[InboxItem]:
        caller = Caller("system:dms", frozenset({AgencyCode(agency)}))
        return await self.inbox.list(caller, InboxQuery(limit=1000))

    async def fetch(self, message: MessageId, agency: str = RECIPIENT) -> bool:
        """Whether the recipient's system got the bytes."""
        view = await self.journal.message(message)
        if view is None:
            return False
        caller = Caller("system:dms", frozenset({AgencyCode(agency)}))
        (delivery,) = [d.delivery_id for d in view.deliveries if d.recipient == agency]
        try:
            return bool(await self.inbox.fetch(caller, delivery))
        except PeerError:
            return False

    async def events(self) -> list[dict[str, Any]]:
        return [replaced(parse(e.leaf), e.words) for e in await self.journal.entries(0, 100_000)]


@dataclass
class Row:
    """The three of them, and letters between their ends."""

    thon: Post
    xa: Post
    tinh: Post
    _count: int = 0
    _under_way: dict[tuple[NodeId, MessageId], tuple[TransferId, Signed, Ready]] = field(
        default_factory=dict
    )

    @property
    def posts(self) -> tuple[Post, Post, Post]:
        return (self.thon, self.xa, self.tinh)

    def letter(
        self, name: str = "", business: Business | None = None, to: tuple[str, ...] = ()
    ) -> bytes:
        self._count += 1
        return write_document(
            Document(
                sender=Party(SENDER, "Cơ quan gửi"),
                recipients=tuple(Party(code, "Cơ quan nhận") for code in to or (RECIPIENT,)),
                document_id=name or self.name(),
                code_number=str(self._count),
                code_notation="CV-M",
                promulgation_place="Mẫu",
                promulgation_date=date(2026, 11, 23),
                document_type="Công văn",
                subject=f"V/v thử nghiệm {self._count}",
                traces=(Stamp(SENDER, datetime.now(UTC)),),
                business=business,
            )
        )

    def name(self) -> str:
        self._count += 1
        return f"{SENDER}-{self._count}"

    def status(
        self,
        code: str,
        document_id: str,
        *,
        sender: str = RECIPIENT,
        to: str = SENDER,
        number: str = "",
    ) -> bytes:
        self._count += 1
        return write_status(
            StatusMessage(
                sender=Party(sender, "Cơ quan"),
                response_for=ResponseFor(to, number, document_id, "2026/11/23"),
                status_code=code,
                description=f"lý do {self._count}",
                at=datetime.now(UTC),
            )
        )

    def take_back(self, document_id: str) -> bytes:
        return self.status("13", document_id, sender=SENDER, to=RECIPIENT)

    async def carry(self, source: Post, target: Post, message: MessageId) -> bool:
        """One hop of one message, with its answer; False where nothing of it waits for that."""
        return await self.freeze(source, target, message) and await self.arrive(
            source, target, message
        )

    async def freeze(self, source: Post, target: Post, message: MessageId) -> bool:
        """As before a first attempt: from now on the next node may have it."""
        for lane in Lane:
            for ready in await source.journal.ready(target.node, lane, 1000):
                if ready.message_id == message:
                    await self._freeze(source, target, ready)
                    return True
        return False

    async def _freeze(self, source: Post, target: Post, ready: Ready) -> None:
        now = source.clock.now()
        named = TransferId(source.clock.mint())
        header = header_of(source.node, target.node, ready, named, now)
        signed = source.notary.sign_transfer(header, now)
        assert await source.journal.freeze([Freeze(named, target.node, ready, signed, now)]) == [
            True
        ]
        self._under_way[source.node, ready.message_id] = (named, signed, ready)

    async def arrive(self, source: Post, target: Post, message: MessageId) -> bool:
        """What was frozen is taken in, and answered; False where nothing was."""
        if (found := self._under_way.pop((source.node, message), None)) is None:
            return False
        named, signed, ready = found
        payload = await source.journal.payload(ready.digest)
        opened = await target.transfers.open(source.node, signed)
        assert isinstance(opened, Opened)
        envelope = read(payload.content or b"")
        answer = await target.transfers.take(opened, ready.seal.signature, envelope, payload)
        receipt = source.notary.check_receipt(answer, source.clock.now())
        await source.journal.settle(named, answer, receipt, source.clock.now())
        return True

    async def hand_back(self, source: Post, target: Post) -> bool:
        """All receipts that wait, in one batch."""
        waiting = await source.journal.returns(target.node, 100)
        await target.returns.take(source.node, [one.receipt for one in waiting])
        await source.journal.returned([one.return_row for one in waiting])
        return bool(waiting)

    async def settle_down(self) -> None:
        """Everything that can move moves, until nothing does."""
        pairs = [
            (self.thon, self.xa),
            (self.xa, self.tinh),
            (self.tinh, self.xa),
            (self.xa, self.thon),
        ]
        moved = True
        while moved:
            moved = False
            for post in self.posts:
                moved = bool(await post.verdicts.sweep()) or moved
            for source, target in pairs:
                moved = await self.hand_back(source, target) or moved
                for lane in Lane:
                    for ready in await source.journal.ready(target.node, lane, 1000):
                        await self.carry(source, target, ready.message_id)
                        moved = True


def _head(node: NodeId, key: LogSigner) -> HeadSigner:
    def sign(epoch: Epoch, size: int, root: bytes) -> bytes:
        name = log_name(node, epoch)
        return sign_note(note_body(name, size, root), name, key.public_key, key.sign)

    return sign


def _fatal(error: BaseException) -> None:
    raise AssertionError("the journal cannot write") from error


async def _post(place: Place, folder: Path, keys: dict[str, Any]) -> Post:
    node, directory, clock = place.node, keys["directory"], Clock()
    journal = await SqliteJournal.open(
        folder / node, node, _head(node, keys["logs"][node]), on_fatal=_fatal
    )
    notary = keys[node]
    policy = RetryPolicy(timedelta(seconds=1), timedelta(seconds=2))
    verdicts = VerdictDesk(node, Verdicts(journal, node), notary, clock, lambda _: None)
    return Post(
        node,
        journal,
        notary,
        clock,
        IntakeDesk(place, directory, journal, notary, policy, clock, lambda *_: None, lambda: None),
        TransferDesk(
            place,
            directory,
            journal,
            notary,
            clock,
            timedelta(minutes=5),
            1 << 20,
            lambda *_: None,
        ),
        InboxDesk(node, journal, notary, clock, lambda _: None),
        ReturnDesk(node, directory, journal, notary, None, clock, lambda _: None),  # type: ignore[arg-type]
        verdicts,
        ObligationDesk(ObligationTable(journal, node), clock, timedelta()),
    )


@dataclass
class Rows:
    keys: dict[str, Any]
    folder: Path
    _count: int = field(default=0)

    @asynccontextmanager
    async def open(self, folder: Path | None = None) -> AsyncIterator[Row]:
        """New ones, or those whose journals lie in `folder`."""
        self._count += 1
        place = folder or self.folder / str(self._count)
        thon, xa, tinh = posts = [await _post(one, place, self.keys) for one in PLACES]
        try:
            yield Row(thon, xa, tinh)
        finally:
            for post in posts:
                await post.journal.close()


@pytest.fixture
def rows(keys: dict[str, Any], tmp_path: Path) -> Rows:
    return Rows(keys, tmp_path)


@pytest.fixture
async def row(rows: Rows) -> AsyncIterator[Row]:
    async with rows.open() as opened:
        yield opened

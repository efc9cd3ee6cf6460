"""One node's delivery over a real journal and real keys; only the wire to its neighbours is played.

`PlayedWire` keeps the promises of delivery.records.Wire: it answers as a neighbour does, the same
bytes for a repeat, or fails with one of the three failures, as the test wishes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import note_body, sign_note
from relay.audit.epochs import Epoch, log_name
from relay.delivery.acceptance import IntakeDesk
from relay.delivery.asking import Questions
from relay.delivery.clock import Clock
from relay.delivery.dispatch import Dispatcher
from relay.delivery.expiry import ExpiryDesk
from relay.delivery.neighbours.channel import Channel
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.ports import Accepted, Caller, SentItem, SentQuery, Submission
from relay.delivery.returns import ReturnDesk
from relay.delivery.sealing import SealingDesk
from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.envelope.reader import read
from relay.envelope.writer import Document, Stamp, write_document
from relay.errors import PeerError
from relay.identity import load_keys
from relay.journal.store import SqliteJournal
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Party,
    Payload,
    Priority,
    Receipt,
    Signed,
    Tier,
    TransferHeader,
    TransferId,
)
from relay.routing.next_hop import Place
from relay.settings.reading import load
from relay.signing.notary import NodeNotary
from relay.signing.proof_shape import is_batch_proof
from relay.wire.transfer import read_transfer

PLANS = (
    NodePlan(
        "tinh",
        Tier.PROVINCE,
        None,
        "tinh-h01",
        (AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE), AgencyPlan("H01.9", "Sở", Tier.PROVINCE)),
    ),
    NodePlan(
        "xa",
        Tier.COMMUNE,
        "tinh",
        "tinh-h01",
        (
            AgencyPlan("H01.15", "UBND xã", Tier.COMMUNE, own_key=True),
            AgencyPlan("H01.18", "Trạm y tế", Tier.COMMUNE),
        ),
    ),
    NodePlan("thon", Tier.COMMUNE, "xa", "tinh-h01", (AgencyPlan("H01.16", "Xóm", Tier.COMMUNE),)),
    NodePlan("ban", Tier.COMMUNE, "tinh", "tinh-h01", (AgencyPlan("H01.17", "Bản", Tier.COMMUNE),)),
)
HERE, UP = NodeId("xa"), NodeId("tinh")
THON, BAN = NodeId("thon"), NodeId("ban")
"""Below this node, and beside it with a link of its own."""
PLACE = Place(HERE, UP, frozenset({UP, THON, BAN}))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Each node's notary, and the directory they share."""
    network = Network.build(tmp_path_factory.mktemp("keys"), PLANS, now=datetime.now(UTC))
    made: dict[str, Any] = {"pki": network.folder / "pki", "logs": {}}
    for name, node in network.nodes.items():
        settings = load(node.config)
        directory = settings.make_directory()
        found = load_keys(settings, directory)
        made["directory"] = directory
        made["logs"][name] = found.log
        made[name] = NodeNotary(
            NodeId(name), found.sign, found.agencies, found.trust, directory.aliases
        )
    return made


@dataclass
class PlayedWire:
    """A neighbour by the Protocol. `failing` says what a call raises instead of answering."""

    notaries: dict[str, Any]
    clock: Clock
    failing: Callable[[NodeId, TransferHeader], Exception | None] = lambda _n, _h: None
    spoil: Callable[[Receipt], Receipt] = lambda receipt: receipt
    signer: str = ""
    """Who signs the answers, if not the neighbour."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    carried: list[TransferHeader] = field(default_factory=list)
    documents: list[bytes] = field(default_factory=list)
    batched: list[bool] = field(default_factory=list)
    """Of each carried: whether the answer may be signed in a batch."""
    answers: dict[TransferId, Signed] = field(default_factory=dict)
    asked: list[TransferId] = field(default_factory=list)
    asking: Exception | None = None
    handed: list[Signed] = field(default_factory=list)
    handing: Callable[[Sequence[Signed]], Exception | None] = lambda _: None
    under_way: int = 0
    most_under_way: int = 0
    a_request: int = 1
    """How many transfers a request may carry."""
    shared: bool = False
    """Whether the headers of a request may share a signature."""
    refuses_shared: bool = False
    """It said so, and takes none such."""
    signatures: list[bytes] = field(default_factory=list)
    """Of the headers carried."""
    requests: list[int] = field(default_factory=list)
    """How many transfers each request of several carried."""
    left_out: Callable[[TransferHeader], bool] = lambda _: False
    """The first of several transfers that gets no answer."""

    def together(self, neighbour: NodeId) -> int:
        return self.a_request

    def takes_batches(self, neighbour: NodeId) -> bool:
        return self.shared

    async def carry_several(
        self,
        neighbour: NodeId,
        transfers: Sequence[tuple[Signed, bytes, Payload]],
        *,
        batched: bool = False,
    ) -> Sequence[Signed]:
        self.requests.append(len(transfers))
        answers: list[Signed] = []
        for header, seal, payload in transfers:
            if answers and self.left_out(read_transfer(header.document)):
                break
            answers.append(await self.carry(neighbour, header, seal, payload, batched=batched))
        return answers

    async def carry(
        self,
        neighbour: NodeId,
        header: Signed,
        seal: bytes,
        payload: Payload,
        *,
        batched: bool = False,
    ) -> Signed:
        read_header = read_transfer(header.document)
        self.carried.append(read_header)
        self.batched.append(batched)
        self.documents.append(header.document)
        self.signatures.append(header.signature)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
            if self.refuses_shared and is_batch_proof(header.signature):
                raise PeerError("HTTP 403: the signature is not of its one shape")
            if (error := self.failing(neighbour, read_header)) is not None:
                raise error
            return self.answer(neighbour, read_header)
        finally:
            self.under_way -= 1

    def answer(self, neighbour: NodeId, header: TransferHeader) -> Signed:
        """The first answer, kept."""
        if header.transfer_id not in self.answers:
            receipt = Receipt(
                issuer=neighbour,
                origin=header.origin,
                message_id=header.message_id,
                digest=header.digest,
                size_bytes=header.size_bytes,
                transfer_id=header.transfer_id,
                sent_by=header.sent_by,
                at=self.clock.now(),
                evidence=tuple(
                    Evidence(Event.RELAY_ACCEPTANCE, code, header.trace[-1].receipt)
                    for code in header.recipients
                ),
            )
            spoilt = self.spoil(receipt)
            signed = self.notaries[spoilt.issuer].sign_receipt(spoilt, spoilt.at)
            if spoilt != receipt:
                return Signed(signed.document, signed.signature)
            self.answers[header.transfer_id] = signed
        return self.answers[header.transfer_id]

    async def ask(self, neighbour: NodeId, transfer_id: TransferId) -> Signed | None:
        self.asked.append(transfer_id)
        if self.asking is not None:
            raise self.asking
        return self.answers.get(transfer_id)

    async def hand_back(self, neighbour: NodeId, receipts: Sequence[Signed]) -> None:
        if (error := self.handing(receipts)) is not None:
            raise error
        self.handed.extend(receipts)


@dataclass
class World:
    """Node `xa` with its desks; `run` lets the dispatcher work."""

    keys: dict[str, Any]
    folder: Path
    journal: SqliteJournal
    wire: PlayedWire
    policy: RetryPolicy
    late: timedelta = timedelta()
    """How far the wall clock is ahead of the real one."""
    slow_key: bool = False
    dispatcher: Dispatcher = field(init=False)
    intake: IntakeDesk = field(init=False)
    expiry: ExpiryDesk = field(init=False)
    sealing: SealingDesk = field(init=False)
    clock: Clock = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self.clock = Clock(wall=lambda: datetime.now(UTC) + self.late)
        self.wire.clock = self.clock
        self.wire.gate.set()
        self.build()

    def build(self, notary: Any = None) -> None:
        """New desks over the same journal, as after a restart."""
        notary = notary or self.keys["xa"]
        if self.slow_key:
            notary = NodeNotary(
                notary.node, notary.signer, notary.agencies, notary.trust, notary.aliases, False
            )
        directory = self.keys["directory"]
        returns = ReturnDesk(
            HERE,
            directory,
            self.journal,
            notary,
            self.wire,
            self.clock,
            lambda to: self.dispatcher.receipts_wait(to),  # noqa: PLW0108  made next
        )
        self.dispatcher = Dispatcher(
            HERE,
            self.journal,
            notary,
            self.wire,
            returns,
            self.policy,
            self.clock,
            lambda: 0.0,
            {n: Channel(n, 32) for n in (UP, THON, BAN)},
            lambda neighbour: self.expiry.met(neighbour),  # noqa: PLW0108  made next
        )
        self.sealing = SealingDesk(HERE, self.journal, notary, self.clock, self.dispatcher.look)
        questions = (directory, self.journal, notary, self.wire, self.clock, self.dispatcher)
        self.expiry = ExpiryDesk(
            HERE,
            self.journal,
            notary,
            lambda: Questions(*questions),
            self.clock,
            self.dispatcher.receipts_wait,
            timedelta(),
        )
        self.intake = IntakeDesk(
            PLACE,
            directory,
            self.journal,
            notary,
            self.policy,
            self.clock,
            self.dispatcher.offer,
            self.sealing.wake,
        )

    async def submit(
        self,
        *recipients: str,
        priority: Priority = Priority.NORMAL,
        sender: str = "H01.15",
        content: bytes | None = None,
    ) -> Accepted:
        content = content or self.document(recipients, priority, sender)
        envelope = read(content)
        payload = Payload(envelope.digest, envelope.size_bytes, content, None)
        caller = Caller("system:test", frozenset({AgencyCode(sender)}))
        return await self.intake.submit(Submission(caller, envelope, payload, sender, recipients))

    def document(self, recipients: Sequence[str], priority: Priority, sender: str) -> bytes:
        self._count += 1
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
            )
        )

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.dispatcher.run())
        try:
            yield
            assert not task.done(), "the dispatcher ended"
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def sent(self, message_id: MessageId) -> dict[str, SentItem]:
        found = await self.journal.sent(None, SentQuery(message_id=message_id, limit=1000))
        return {item.recipient: item for item in found}

    async def states(self, message_id: MessageId) -> set[str]:
        return {item.state.value for item in (await self.sent(message_id)).values()}

    async def until(self, look: Callable[[], Any]) -> Any:
        """The first true value of `look`, awaited if need be; within seconds, or it fails."""
        async with asyncio.timeout(10):
            while True:
                found = look()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.005)

    async def reach(self, message_id: MessageId, *states: str) -> None:
        async def there() -> bool:
            return await self.states(message_id) == set(states)

        await self.until(there)


@pytest.fixture
async def world(keys: dict[str, Any], tmp_path: Path) -> AsyncIterator[World]:
    journal = await SqliteJournal.open(tmp_path, HERE, _sign_head, on_fatal=_fatal)
    policy = RetryPolicy(timedelta(milliseconds=20), timedelta(milliseconds=80))
    yield World(keys, tmp_path, journal, PlayedWire(keys, Clock()), policy)
    await _require_receipts_logged(journal)
    await journal.close()


@pytest.fixture
def hasty(world: World) -> World:
    """Everything expires after three minutes."""
    world.policy = replace(
        world.policy,
        normal_expiry=timedelta(minutes=3),
        urgent_expiry=timedelta(minutes=3),
        express_expiry=timedelta(minutes=3),
    )
    world.build()
    return world


async def _require_receipts_logged(journal: SqliteJournal) -> None:
    """Whatever a test did: each receipt that is stored has its digest in a leaf."""
    stored = {digest for (digest,) in await journal.rows("SELECT digest FROM receipts")}
    leaves = await journal.rows("SELECT leaf FROM entries WHERE instr(leaf, '\"receipt\"')")
    assert stored <= {json.loads(leaf)["receipt"] for (leaf,) in leaves}


_LOG_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def _sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = log_name(HERE, epoch)
    public = _LOG_KEY.public_key().public_bytes_raw()
    return sign_note(note_body(name, size, root), name, public, _LOG_KEY.sign)


def _fatal(error: BaseException) -> None:
    raise AssertionError("the journal cannot write") from error

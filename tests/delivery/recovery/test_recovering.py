"""A restored node asks its neighbours: what it makes of their answers, and of their silence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.delivery.ports import Accepted, Caller, Submission
from relay.delivery.recovery import recovering
from relay.delivery.recovery.ports import Described, Newest, OwnReceipts, Reminder, SentBack, Step
from relay.delivery.recovery.readmitting import Readmitter
from relay.delivery.recovery.recovering import GuardedIntake, RecoveryDesk
from relay.envelope.reader import read
from relay.errors import OverloadError, PeerError, SignatureError, TransportError, WireError
from relay.journal import epochs
from relay.journal.recovering import RecoveryTable
from relay.journal.rows import instant, trace_of
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Payload,
    Priority,
    Receipt,
    Signed,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.routing.next_hop import Place
from relay.signing import evidence as signing
from relay.signing.xades import DocumentName
from relay.wire.transfer import write_transfer

HERE, UP, DOWN = NodeId("xa"), NodeId("tinh"), NodeId("thon")
SENDER, SIBLING, BELOW, PROVINCE, OFFICE = "H01.15", "H01.18", "H01.16", "H01", "H01.9"
OPERATOR = Caller("local:vanthu", frozenset(), operator=True)


@dataclass
class Lost:
    """A message that this node accepted and sent before it lost it."""

    accepted: Accepted
    sent: SentBack
    header: TransferHeader
    receipt: Signed
    content: bytes


@dataclass
class PlayedNeighbours:
    """delivery.recovery.ports.RecoveryWire: what each neighbour remembers, or how it fails."""

    capabilities: frozenset[str] = frozenset({"recovery"})
    newest: dict[NodeId, Newest] = field(default_factory=dict)
    failing: dict[NodeId, Exception] = field(default_factory=dict)
    own: dict[NodeId, list[Signed]] = field(default_factory=dict)
    documents: dict[NodeId, list[Lost]] = field(default_factory=dict)
    reminded: list[tuple[NodeId, datetime, int | None]] = field(default_factory=list)
    fetched: list[TransferId] = field(default_factory=list)
    spoil: dict[TransferId, SentBack | Exception] = field(default_factory=dict)
    speaking: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.speaking.set()

    async def describe(self, neighbour: NodeId) -> Described:
        await self.speaking.wait()
        self._fail(neighbour)
        return Described(self.capabilities, self.newest.get(neighbour, Newest(None, None)))

    async def own_receipts(
        self, neighbour: NodeId, since: datetime, cursor: int | None
    ) -> OwnReceipts:
        self._fail(neighbour)
        return OwnReceipts(tuple(self.own.get(neighbour, ())), None)

    async def remind(self, neighbour: NodeId, since: datetime, cursor: int | None) -> Reminder:
        """A document a page, the newest first."""
        self._fail(neighbour)
        self.reminded.append((neighbour, since, cursor))
        known = self.documents.get(neighbour, [])
        number = len(known) if cursor is None else cursor - 1
        if not number:
            return Reminder(0, 0, 0, (), None)
        following = number if number > 1 else None
        return Reminder(1, 2, 0, (known[number - 1].header.transfer_id,), following)

    async def sent(self, neighbour: NodeId, transfer_id: TransferId) -> SentBack:
        self._fail(neighbour)
        self.fetched.append(transfer_id)
        spoilt = self.spoil.get(transfer_id)
        if isinstance(spoilt, Exception):
            raise spoilt
        if spoilt is not None:
            return spoilt
        return next(
            lost.sent
            for lost in self.documents[neighbour]
            if lost.header.transfer_id == transfer_id
        )

    def _fail(self, neighbour: NodeId) -> None:
        if neighbour in self.failing:
            raise self.failing[neighbour]


@dataclass
class Restored:
    """The node under test, its memory lost, and its neighbours."""

    world: Any
    wire: PlayedNeighbours
    looked: list[NodeId] = field(default_factory=list)
    table: RecoveryTable = field(init=False)
    desk: RecoveryDesk = field(init=False)
    readmitter: Readmitter = field(init=False)

    def __post_init__(self) -> None:
        world = self.world
        self.table = RecoveryTable(world.journal, HERE)
        place = Place(HERE, UP, frozenset({UP, DOWN}))
        self.readmitter = Readmitter(
            place, world.keys["directory"], world.journal, world.keys["xa"], world.clock
        )
        self.desk = RecoveryDesk(
            HERE,
            frozenset({UP, DOWN}),
            self.table,
            self.wire,
            world.keys["xa"],
            world.journal,
            self.readmitter,
            world.policy,
            timedelta(minutes=5),
            world.clock,
            lambda: 0.0,
            self.looked.extend,
            lambda _: None,
        )

    async def lost(
        self, *recipients: str, named: Sequence[str] = (), carried: Sequence[str] = ()
    ) -> Lost:
        """Accept a message as intake does, freeze it as the dispatcher does, and forget all of it."""
        world = self.world
        content = world.document(named or recipients, Priority.NORMAL, SENDER)
        accepted = await world.submit(*recipients, content=content)
        receipt = (await world.journal.receipt(accepted.receipt))[0]
        (row,) = await world.journal.rows(
            "SELECT trace, seal, sender, expires_at FROM messages m JOIN arrivals USING (message_row) WHERE message_id = ?",
            (accepted.message_id,),
        )
        envelope = read(content)
        header = TransferHeader(
            transfer_id=TransferId(world.clock.mint()),
            message_id=accepted.message_id,
            origin=HERE,
            sent_by=HERE,
            sent_to=UP,
            message_type=envelope.message_type,
            sender=AgencyCode(row[2]),
            recipients=tuple(AgencyCode(code) for code in carried or recipients),
            priority=envelope.priority,
            digest=envelope.digest,
            size_bytes=envelope.size_bytes,
            created_at=world.clock.now(),
            expires_at=instant(row[3]),
            trace=trace_of(row[0]),
        )
        signed = world.keys["xa"].sign_transfer(header, header.created_at)
        payload = Payload(envelope.digest, len(content), content, None)
        for table in (
            "messages",
            "deliveries",
            "arrivals",
            "receipts",
            "submissions",
            "payloads",
            "reports",
            "figure_documents",  # behind those whose rows they count as gone
            "figure_deliveries",
        ):
            await world.journal.perform(lambda tx, t=table: tx.run(f"DELETE FROM {t}"))
        return Lost(accepted, SentBack(signed, row[1], envelope, payload), header, receipt, content)

    async def begin(self) -> None:
        """As after `relay restore`."""
        at = self.world.clock.now()
        await self.world.journal.perform(lambda tx: epochs.mark_restored(tx.connection, at))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.desk.start()
        task = asyncio.create_task(self.desk.run())
        try:
            yield
            assert not task.done(), "recovery ended"
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def steps(self) -> dict[NodeId, Step]:
        return {p.neighbour: p.step for p in (await self.table.standing()).neighbours}

    async def over(self) -> None:
        await self.world.until(lambda: not self.desk.recovering)

    async def events(self) -> list[str]:
        return [parse(e.leaf)["event"] for e in await self.world.journal.entries(0, 9999)]


@pytest.fixture
def node(world: Any) -> Restored:
    return Restored(world, PlayedNeighbours())


# ---------------------------------------------------------------- the message as it was


@pytest.mark.parametrize(
    ("accepted", "named", "carried"),
    [
        ([PROVINCE], [PROVINCE], [PROVINCE]),
        ([PROVINCE, BELOW, SIBLING], [PROVINCE, BELOW, SIBLING], [PROVINCE]),
        ([PROVINCE], [PROVINCE, BELOW, SIBLING], [PROVINCE]),
        ([PROVINCE, SIBLING], [PROVINCE, BELOW, SIBLING], [PROVINCE]),
        ([OFFICE], [PROVINCE], [OFFICE]),
    ],
    ids=["one", "several ways", "one of the named", "some of the named", "one who is not named"],
)
async def test_a_message_comes_back_for_whom_it_was_accepted(
    node: Restored, accepted: list[str], named: list[str], carried: list[str]
) -> None:
    """The receipt that was lost says it, by its digest; made again it has the same bytes, and what
    chains on to it holds."""
    lost = await node.lost(*accepted, named=named, carried=carried)

    again = await node.readmitter.prepare(UP, lost.header.transfer_id, lost.sent)

    assert sorted(d.recipient for d in again.admission.deliveries) == sorted(accepted)
    assert again.admission.receipt.document == lost.receipt.document
    assert again.admission.message.accepted_at == lost.accepted.accepted_at
    assert again.admission.trace == lost.header.trace


async def test_a_header_that_shared_its_signature_comes_back_with_its_proof(node: Restored) -> None:
    lost = await node.lost(PROVINCE)
    signer, other = node.world.keys["xa"].signer, replace(lost.header, priority=Priority.URGENT)
    signed = signing.sign_transfers([lost.header, other], signer, lost.header.created_at)[0]

    sent = replace(lost.sent, header=signed)
    again = await node.readmitter.prepare(UP, lost.header.transfer_id, sent)

    assert [one.recipient for one in again.admission.deliveries] == [PROVINCE]


async def test_a_receipt_that_cannot_be_made_again_loses_nobody(node: Restored) -> None:
    """The digest fits no choice: the message goes to all its document names, under its old id."""
    lost = await node.lost(PROVINCE, BELOW)
    step = replace(lost.header.trace[0], receipt=lost.header.digest)
    header = replace(lost.header, trace=(step,))
    signed = node.world.keys["xa"].sign_transfer(header, header.created_at)

    again = await node.readmitter.prepare(UP, header.transfer_id, replace(lost.sent, header=signed))

    assert {d.recipient for d in again.admission.deliveries} == {PROVINCE, BELOW}
    assert again.admission.message.message_id == lost.accepted.message_id


async def test_only_what_this_node_signed_and_began_comes_back(node: Restored) -> None:
    """Another's transfer, another than was asked for, one of a message that only passed here, other
    bytes, another sender: none of it is admitted."""
    lost = await node.lost(PROVINCE)
    keys, header = node.world.keys, lost.header

    def signed(by: str = "xa", **changes: Any) -> Signed:
        changed = replace(header, **changes)
        document = write_transfer(changed)
        made: Signed = signing._sign(
            document, DocumentName.TRANSFER, keys[by].signer, header.created_at
        )
        return made

    other = read(node.world.document([PROVINCE], Priority.NORMAL, SIBLING))
    for sent, error in (
        (replace(lost.sent, header=signed("tinh")), SignatureError),
        (replace(lost.sent, header=signed(transfer_id=node.world.clock.mint())), WireError),
        (replace(lost.sent, header=signed(origin=DOWN)), WireError),
        (replace(lost.sent, header=signed(sent_to=DOWN)), WireError),
        (replace(lost.sent, header=signed(trace=header.trace * 2)), WireError),
        (replace(lost.sent, header=signed(size_bytes=1)), WireError),
        (replace(lost.sent, envelope=other), WireError),
        (replace(lost.sent, seal=b"<seal/>"), SignatureError),
    ):
        with pytest.raises(error):
            await node.readmitter.prepare(UP, header.transfer_id, sent)


# ---------------------------------------------------------------- asking


async def test_everyone_is_asked_and_then_intake_opens(node: Restored) -> None:
    """Documents come back oldest first, however they are named; a repeat finds its message."""
    losses = [await node.lost(PROVINCE) for _ in range(3)]
    node.wire.documents[UP] = losses
    await node.begin()
    intake = GuardedIntake(node.world.intake, node.desk.waits_for)

    async with node.running():
        await node.over()

    assert await node.steps() == {UP: Step.ANSWERED, DOWN: Step.ANSWERED}
    assert node.wire.fetched == sorted(lost.header.transfer_id for lost in losses)
    assert UP in node.looked
    since = {asked for _, asked, _ in node.wire.reminded}
    assert len(since) == 1
    assert since.pop() < node.world.clock.now() - timedelta(minutes=4)
    for lost in losses:
        assert (await _submit(intake, lost)).message_id == lost.accepted.message_id
    assert (await node.events()).count("message-recovered") == 3


async def test_of_what_may_be_lost_nobody_is_told_that_it_was_never_seen(node: Restored) -> None:
    """While it recovers of nothing; later, for two weeks, of what was made before. What is younger than
    the loss, or no id at all, was never here."""
    world = node.world
    before = TransferId(world.clock.mint())
    await node.begin()
    await node.desk.start()
    assert node.desk.may_have_had(before)
    assert node.desk.may_have_had(TransferId("never"))
    async with node.running():
        await node.over()

    assert node.desk.may_have_had(before)
    assert not node.desk.may_have_had(TransferId("never"))
    world.late = timedelta(minutes=6)
    assert not node.desk.may_have_had(TransferId(world.clock.mint()))
    assert node.desk.may_have_had(before)
    world.late = timedelta(days=14, minutes=1)
    assert not node.desk.may_have_had(before)


async def test_a_submission_is_turned_away_until_then(node: Restored) -> None:
    """With when to come again: taken in it would be a second message."""
    lost = await node.lost(PROVINCE)
    await node.begin()
    await node.desk.start()
    intake = GuardedIntake(node.world.intake, node.desk.waits_for)

    with pytest.raises(OverloadError, match="recovering") as refused:
        await _submit(intake, lost)

    assert refused.value.retry_after_seconds > 0


async def _submit(intake: Any, lost: Lost) -> Accepted:
    envelope = lost.sent.envelope
    caller = Caller("system:test", frozenset({AgencyCode(SENDER)}))
    payload = lost.sent.payload
    submission = Submission(caller, envelope, payload, SENDER, None)
    accepted: Accepted = await intake.submit(submission)
    return accepted


async def test_silence_is_met_with_patience_and_ends_with_a_sign_of_life(node: Restored) -> None:
    """One neighbour is down: the other's documents are back meanwhile, and no longer wait than the
    first word from it is needed."""
    lost = await node.lost(PROVINCE)
    node.wire.documents[UP] = [lost]
    node.wire.failing[DOWN] = TransportError("cannot connect")
    node.world.policy = replace(node.world.policy, first=timedelta(days=1), cap=timedelta(days=1))
    node.desk.policy = node.world.policy
    await node.begin()

    async with node.running():

        async def one_is_done() -> bool:
            return await node.steps() == {UP: Step.ANSWERED, DOWN: Step.RECEIPTS}

        await node.world.until(one_is_done)
        _, errors = await node.desk.standing()
        assert errors == {DOWN: "cannot connect"}
        assert node.desk.waits_for() == "recovering"
        del node.wire.failing[DOWN]
        node.desk.met(DOWN)
        await node.over()


async def test_a_neighbour_of_another_age_counts_as_answered(node: Restored) -> None:
    """It cannot help; it is not asked what it does not know."""
    node.wire.capabilities = frozenset({"transfers"})
    await node.begin()

    async with node.running():
        await node.over()

    assert await node.steps() == {UP: Step.UNSUPPORTED, DOWN: Step.UNSUPPORTED}
    assert node.wire.reminded == []


async def test_an_operator_ends_the_wait(node: Restored) -> None:
    """Intake opens with the last neighbour that is given up."""
    node.wire.failing = {UP: TransportError("down"), DOWN: TransportError("down")}
    await node.begin()

    async with node.running():
        await node.desk.skip(OPERATOR, UP, "why")
        assert node.desk.waits_for() == "recovering"
        await node.desk.skip(OPERATOR, DOWN, "why")
        assert node.desk.waits_for() is None


@pytest.mark.parametrize("fault", ["gone", "forged"])
async def test_one_document_that_does_not_prove_holds_up_no_other(
    node: Restored, fault: str
) -> None:
    """It is written down as lost, and counted."""
    bad, good = await node.lost(PROVINCE), await node.lost(PROVINCE)
    node.wire.documents[UP] = [bad, good]
    forged = replace(bad.sent, header=good.sent.header)
    node.wire.spoil[bad.header.transfer_id] = PeerError("404") if fault == "gone" else forged
    await node.begin()

    async with node.running():
        await node.over()

    assert await node.world.states(good.accepted.message_id) == {"queued"}
    assert await node.world.journal.message(bad.accepted.message_id) is None
    progress = next(p for p in (await node.table.standing()).neighbours if p.neighbour == UP)
    assert (progress.documents, progress.missing) == (1, 1)


async def test_a_connection_that_breaks_loses_no_document(node: Restored) -> None:
    """It is fetched again at the next attempt, and what was fetched is not."""
    first, second = await node.lost(PROVINCE), await node.lost(PROVINCE)
    node.wire.documents[UP] = [first, second]
    node.wire.spoil[second.header.transfer_id] = TransportError("cut")
    await node.begin()

    async with node.running():
        await node.world.until(lambda: second.header.transfer_id in node.wire.fetched)
        node.wire.spoil.clear()
        await node.over()

    assert node.wire.fetched.count(first.header.transfer_id) == 1
    assert await node.world.states(second.accepted.message_id) == {"queued"}


async def test_only_own_acknowledgements_are_put_back(node: Restored) -> None:
    """A neighbour that returns other things of this node's, or another's word, puts back nothing."""
    keys, at = node.world.keys, node.world.clock.now()

    def receipt(issuer: str, event: Event) -> Signed:
        made = Receipt(
            NodeId(issuer), UP, MessageId(node.world.clock.mint()), digest_of(b"<edXML/>"), 8, None, UP, at,
            (Evidence(event, AgencyCode(SENDER)),),
        )  # fmt: skip
        signed: Signed = keys[issuer].sign_receipt(made, at)
        return signed

    own = receipt("xa", Event.CONTENT_HANDOVER)
    node.wire.own[UP] = [
        own,
        receipt("xa", Event.CONTENT_CONSIGNMENT),
        receipt("thon", Event.CONTENT_HANDOVER),
    ]
    await node.begin()

    async with node.running():
        await node.over()

    kept = await node.world.journal.rows("SELECT digest, neighbour FROM early_receipts")
    assert kept == [(own.digest, None)]


# ---------------------------------------------------------------- rolled back


async def test_an_unknown_document_of_ours_proves_a_rollback(node: Restored) -> None:
    """Before anything is taken from anybody: a new epoch, and everyone is asked."""
    await _log(node)
    lost = await node.lost(PROVINCE)
    node.wire.newest[UP] = Newest(None, lost.sent.header)
    node.wire.documents[UP] = [lost]

    await node.desk.start()
    assert node.desk.waits_for() == "recovering"
    async with node.running():
        await node.over()

    assert await node.world.states(lost.accepted.message_id) == {"queued"}
    assert [e for e in await node.events() if e in {"epoch-started", "rollback-found"}] == [
        "epoch-started",
        "rollback-found",
    ]
    # Told once more, by the next start, it is no news.
    await node.desk.start()
    assert node.desk.waits_for() is None
    assert (await node.events()).count("rollback-found") == 1


async def test_a_start_does_not_wait_for_a_silent_neighbour(
    node: Restored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again once the node runs, and what it shows then counts as much."""
    monkeypatch.setattr(recovering, "FIRST_LOOK_SECONDS", 0.05)
    await _log(node)
    lost = await node.lost(PROVINCE)
    node.wire.newest[UP] = Newest(None, lost.sent.header)
    node.wire.documents[UP] = [lost]
    node.wire.speaking.clear()

    await node.desk.start()
    assert node.desk.waits_for() is None
    node.wire.speaking.set()
    async with node.running():

        async def is_back() -> bool:
            return await node.world.journal.message(lost.accepted.message_id) is not None

        await node.world.until(is_back)
        await node.over()


async def test_what_is_known_or_not_ours_proves_nothing(node: Restored) -> None:
    """A receipt that is here, one another node signed, one of long ago, one that does not verify."""
    await _log(node)
    accepted = await node.world.submit(PROVINCE)
    known = (await node.world.journal.receipt(accepted.receipt))[0]
    lost = await node.lost(PROVINCE)
    await node.world.submit(PROVINCE)
    header = replace(lost.header, created_at=node.world.clock.now() - timedelta(days=40))
    old = node.world.keys["xa"].sign_transfer(header, lost.header.created_at)
    theirs = replace(lost.header, sent_by=UP, sent_to=HERE)
    foreign = node.world.keys["tinh"].sign_transfer(theirs, theirs.created_at)
    await node.world.journal.perform(
        lambda tx: tx.run(
            "INSERT INTO receipts VALUES (?, NULL, 'xa', ?, ?, 0)",
            known.digest, known.document, known.signature,
        )
    )  # fmt: skip
    for newest in (
        Newest(known, None),
        Newest(None, old),
        Newest(None, foreign),
        Newest(Signed(b"<Receipt/>", b"<signature/>"), None),
        Newest(None, replace(lost.sent.header, signature=known.signature)),
    ):
        node.wire.newest[UP] = newest
        node.desk._checked.clear()
        await node.desk.start()
        assert node.desk.waits_for() is None, newest

    assert "rollback-found" not in await node.events()


async def test_a_known_restore_explains_what_was_lost_by_it(node: Restored) -> None:
    """The neighbours still hold it, and at every later start show it: no second rollback."""
    await _log(node)
    lost = await node.lost(PROVINCE)
    node.wire.newest[UP] = Newest(None, lost.sent.header)
    await node.begin()

    async with node.running():
        await node.over()
    node.desk._checked.clear()
    await node.desk.start()

    assert "rollback-found" not in await node.events()
    assert node.desk.waits_for() is None


async def test_what_was_lost_by_a_restore_may_come_late(node: Restored) -> None:
    """A transfer made before it is taken though it expired meanwhile; one made since is not."""
    before = node.world.clock.now() - timedelta(days=3)
    await node.begin()
    await node.desk.start()

    assert node.desk.late(before)
    assert not node.desk.late(node.world.clock.now() + timedelta(minutes=1))
    node.world.late = timedelta(days=15)
    assert not node.desk.late(before)


async def _log(node: Restored) -> None:
    """An entry from before anything was lost."""
    await node.world.journal.note("node-started", node.world.clock.now(), {})

"""The archive: what may leave the journal is on the disk, signed and linked, before any of it goes."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.delivery.clock import Clock
from relay.delivery.evidence.archive_ports import ArchivePolicy, HoldKind
from relay.delivery.evidence.archived import ArchiveDesk, EverywhereDesk
from relay.delivery.evidence.archiving import Archiver
from relay.delivery.evidence.exporting import EvidenceDesk
from relay.delivery.evidence.ports import Gathered
from relay.delivery.ports import Caller
from relay.delivery.records import Admission, Admitted, NewDelivery, NewMessage
from relay.delivery.tracking import TrackingDesk
from relay.envelope.writer import Document, Stamp, write_document
from relay.errors import (
    AccessError,
    GoneError,
    JournalError,
    NotFoundError,
    PeerError,
    ReserveError,
)
from relay.journal import archive_files
from relay.journal.ahead import AheadFiles
from relay.journal.archive_files import ASIDE, ArchiveFolder, ArchiveWriting
from relay.journal.archiving import ArchiveTable
from relay.journal.retention import RetentionPolicy
from relay.journal.rows import ms
from relay.journal.store import SqliteJournal
from relay.journal.sweeping import Sweeper
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Event,
    Evidence,
    Lane,
    MessageId,
    MessageType,
    Party,
    Payload,
    Priority,
    Receipt,
    SealKind,
    TraceStep,
    digest_of,
)
from relay.signing.archives import archive_files as files_of
from relay.signing.archives import evidence_in, verify_archive, verify_next
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Outcome
from relay.signing.evidence import sign_receipt
from relay.signing.notary import NodeNotary
from relay.signing.seal import make_seal
from tests.evidence.conftest import AT, RECIPIENT, SENDER, TINH, XA

DAYS = timedelta(days=1)
POLICY = RetentionPolicy(90 * DAYS, 30 * DAYS, None, None, 730 * DAYS, archiving=True)
OPERATOR = Caller("operator", frozenset(), operator=True)
OTHER = AgencyCode("H02")


class Killed(BaseException):
    """The process is gone: nothing cleans up after it."""


class Node:
    """A journal, an archive folder, and the desks over both; `again` is the next start."""

    def __init__(self, authority: Any, folder: Path) -> None:
        self.authority, self.data, self.at = authority, folder, AT
        self.folder = folder / "archive"
        self.room: Callable[[int], None] = lambda _: None
        self.size, self.count = 1 << 30, 1000
        self._number = 0

    async def start(self) -> Node:
        self.journal = await SqliteJournal.open(
            self.data, XA, lambda *_: b"head", on_fatal=lambda _: None
        )
        clock = Clock(wall=lambda: self.at)
        signer = self.authority.signer("nodes/xa/sign")
        notary = NodeNotary(XA, signer, {}, self.authority.trust, lambda code: frozenset({code}))

        async def nothing(*_: object) -> Gathered:
            return Gathered()

        live = EvidenceDesk(
            XA, self.journal, TrackingDesk(self.journal), self.journal, notary, nothing, clock
        )
        self.table = ArchiveTable(self.journal, XA, self.folder, POLICY)
        self.disk = ArchiveFolder(self.folder, lambda size: self.room(size))  # noqa: PLW0108  it changes
        newest = await self.table.newest()
        await self.disk.tidy(newest.number if newest else 0, self.table.is_whole)
        self.archiver = Archiver(
            live, self.table, self.disk, ArchivePolicy(self.size, self.count, DAYS), clock
        )
        self.evidence = EverywhereDesk(
            live,
            self.table,
            archive_files.is_whole,
            archive_files.read,
            self.journal.note,
            clock,
        )
        self.desk = ArchiveDesk(self.table, clock, AgencyCode)
        ahead = AheadFiles(self.data / "ahead", 1 << 20, lambda: 0.0)
        hour = timedelta(hours=1)
        self.sweeper = Sweeper(
            XA, self.journal, ahead, POLICY, clock, DAYS, DAYS, hour, timedelta()
        )
        return self

    async def again(self) -> Node:
        await self.journal.close()
        return await self.start()

    async def admit(
        self, state: DeliveryState = DeliveryState.HANDED_OVER, sender: AgencyCode = SENDER
    ) -> MessageId:
        self._number += 1
        message_id = MessageId(f"019ab000-0000-7000-8000-{self._number:012}")
        content = _envelope(self._number)
        digest, size = digest_of(content), len(content)
        signer = self.authority.signer("nodes/xa/sign")
        evidence = (Evidence(Event.SUBMISSION_ACCEPTANCE, RECIPIENT),)
        receipt = Receipt(XA, XA, message_id, digest, size, None, None, AT, evidence)
        signed = sign_receipt(receipt, signer, AT)
        seal = make_seal(digest, SealKind.NODE, signer, AT)
        message = NewMessage(
            message_id=message_id,
            origin=XA,
            message_type=MessageType.DOCUMENT,
            sender=sender,
            sender_as=sender,
            payload=Payload(digest, size, content, None),
            priority=Priority.NORMAL,
            accepted_at=AT,
            expires_at=AT + timedelta(days=14),
            subject="V/v thử nghiệm",
            notation="1/CV",
            document_id="D1",
            promulgation_date="2026/11/23",
            findings=(),
            submitted_by="system:vxp.a",
            seal=seal,
            report=None,
        )
        delivery = NewDelivery(
            DeliveryId(f"00000000-0000-8000-8000-{self._number:012}"),
            RECIPIENT,
            RECIPIENT,
            DeliveryState.QUEUED,
            Lane.NORMAL,
            TINH,
        )
        trace = (TraceStep(XA, AT, signed.digest),)
        admitted = await self.journal.admit(
            Admission(message, (delivery,), signed, trace, f"k{self._number}", None, None)
        )
        assert isinstance(admitted, Admitted)
        await self.journal.perform(
            lambda tx: tx.run(
                "UPDATE deliveries SET state = ?, updated_at = ? WHERE message_row = ?",
                state,
                ms(AT),
                admitted.message_row,
            )
        )
        return message_id

    async def in_journal(self, number: int) -> bool:
        with contextlib.suppress(GoneError):
            await self.journal.payload(digest_of(_envelope(number)))
            return True
        return False

    def in_archive(self, message_id: MessageId) -> int:
        """In how many archive files."""
        return sum(evidence_in(path, message_id) is not None for path in files_of(self.folder))

    async def export(self, message_id: MessageId, caller: Caller = OPERATOR) -> bytes:
        file = await self.evidence.export(caller, message_id, "")
        content = b"".join([chunk async for chunk in self.evidence.write(file)])
        assert len(content) == file.size_bytes
        return content

    def refused(self, content: bytes) -> list[str]:
        steps = BundleJudge(BytesIO(content), self.authority.trust).steps()
        return [step.reason for step in steps if step.outcome is Outcome.REFUSED]

    async def events(self, word: str) -> list[dict[str, Any]]:
        entries = [parse(one.leaf) for one in await self.journal.entries(0, 10_000)]
        return [one for one in entries if one["event"] == word]


def _envelope(number: int) -> bytes:
    return write_document(
        Document(
            sender=Party(SENDER, "UBND xã Mẫu"),
            recipients=(Party(RECIPIENT, "UBND tỉnh Mẫu"),),
            document_id=f"D{number}",
            code_number=str(number),
            code_notation="UBND-VP",
            promulgation_place="Mẫu",
            promulgation_date=AT.date(),
            document_type="Công văn",
            subject="V/v thử nghiệm",
            traces=(Stamp(SENDER, AT),),
        )
    )


@pytest.fixture
async def node(authority: Any, tmp_path: Path) -> AsyncIterator[Node]:
    made = await Node(authority, tmp_path).start()
    yield made
    await made.journal.close()


# ---------------------------------------------------------------- leaving


async def test_what_left_the_journal_is_found_in_the_archive(node: Node) -> None:
    """Its evidence holds for a stranger with the root, and is the same as long as it is asked for."""
    first, second = await node.admit(), await node.admit()
    node.at += 91 * DAYS
    (written,) = await node.archiver.round()
    await node.sweeper.sweep()

    assert not await node.in_journal(1)
    assert written.messages == 2
    content = await node.export(first)
    assert node.refused(content) == []
    assert content == await node.export(first)
    assert b"".join(evidence_in(node.folder / written.name, second) or ()) == await node.export(
        second
    )
    (noted,) = await node.events("archive-written")
    assert (noted["digest"], noted["count"]) == (written.digest, 2)
    assert written.digest == archive_files.digest_of_file(node.folder / written.name)


async def test_nothing_leaves_before_it_is_archived(node: Node) -> None:
    """However old it is: retention waits for the archive, and for as long as it takes."""
    await node.admit()
    node.at += 1000 * DAYS

    await node.sweeper.sweep()

    assert await node.in_journal(1)


@pytest.mark.parametrize(
    ("state", "days", "goes"),
    [
        (DeliveryState.HANDED_OVER, 89, False),
        (DeliveryState.REFUSED, 31, True),
        (DeliveryState.RELAYED, 1000, False),
        (DeliveryState.QUEUED, 1000, False),
    ],
)
async def test_the_archive_takes_what_retention_would_let_go(
    node: Node, state: DeliveryState, days: int, goes: bool
) -> None:
    """By state and age; what somebody still needs stays where it is."""
    message = await node.admit(state)
    node.at += days * DAYS

    assert bool(await node.archiver.round()) is goes
    if goes:
        assert node.in_archive(message) == 1


async def test_evidence_in_the_archive_outlives_the_rows(node: Node) -> None:
    """After two years the journal knows the message no more; its evidence is found all the same."""
    message = await node.admit()
    await node.admit()
    node.at += 91 * DAYS
    await node.archiver.round()
    node.at += 1000 * DAYS
    await node.sweeper.sweep()

    assert await node.journal.message(message) is None
    assert node.refused(await node.export(message)) == []


async def test_who_may_not_have_the_document_does_not_get_it_from_the_archive(node: Node) -> None:
    """The sender and who fetched it may; an auditor and others may not; nobody learns of others'."""
    message = await node.admit(DeliveryState.REFUSED)
    node.at += 91 * DAYS
    await node.archiver.round()
    await node.sweeper.sweep()
    await node.admit()
    node.at += 1000 * DAYS
    await node.sweeper.sweep()

    assert await node.export(message, Caller("a", frozenset({SENDER})))
    for code in (RECIPIENT, OTHER):
        with pytest.raises(NotFoundError):
            await node.export(message, Caller("b", frozenset({code})))
    with pytest.raises(AccessError):
        await node.export(message, Caller("c", frozenset(), auditor=True))


async def test_files_are_of_the_size_that_is_configured(node: Node) -> None:
    """By bytes or by messages, whichever comes first; each follows on the one before."""
    node.count = 2
    await node.again()
    for _ in range(5):
        await node.admit()
    node.at += 91 * DAYS

    written = await node.archiver.round()

    assert [one.messages for one in written] == [2, 2, 1]
    assert [one.previous for one in written] == [None, written[0].digest, written[1].digest]
    node.size, node.count = 1, 1000
    await node.again()
    for _ in range(2):
        await node.admit()
    assert [one.messages for one in await node.archiver.round()] == [1, 1]


async def test_the_same_content_gives_the_same_file_but_for_signatures(
    authority: Any, tmp_path: Path
) -> None:
    """Names, order, index and evidence are decided by what is in it and when."""
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        node = await Node(authority, tmp_path / name).start()
        await node.admit()
        node.at += 91 * DAYS
        (written,) = await node.archiver.round()
        found.append(verify_archive(node.folder / written.name, authority.trust))
        await node.journal.close()
    first, second = found
    assert first.name == second.name
    held = [replace(one.index.messages[0], digest=written.digest, size_bytes=0) for one in found]
    assert held[0] == held[1]
    assert replace(first.index, messages=()) == replace(second.index, messages=())


# ---------------------------------------------------------------- legal hold


@pytest.mark.parametrize("kind", list(HoldKind))
async def test_what_is_held_never_leaves(node: Node, kind: HoldKind) -> None:
    """Neither for the archive nor by retention, payload or rows, until it is released; both audited."""
    message = await node.admit()
    await node.admit(sender=OTHER)
    name = message if kind is HoldKind.MESSAGE else SENDER
    await node.desk.hold(OPERATOR, kind, name, "inspection 7")
    await node.desk.hold(OPERATOR, kind, name, "again")
    node.at += 1000 * DAYS

    (written,) = await node.archiver.round()
    await node.sweeper.sweep()

    assert written.messages == 1
    assert await node.in_journal(1)
    assert not await node.in_journal(2)
    (placed,) = await node.events("hold-placed")
    assert placed.get("message", placed.get("agencies")) in (message, [SENDER])
    assert placed["why"]

    await node.desk.release(OPERATOR, kind, name, "done")
    assert len(await node.archiver.round()) == 1
    await node.sweeper.sweep()
    assert not await node.in_journal(1)
    (released,) = await node.events("hold-released")
    assert released["by"]


async def test_a_hold_placed_after_the_archive_keeps_what_the_journal_has(node: Node) -> None:
    """A copy in the archive is no reason to let go."""
    message = await node.admit()
    node.at += 91 * DAYS
    await node.archiver.round()
    await node.desk.hold(OPERATOR, HoldKind.MESSAGE, message, "court")
    await node.sweeper.sweep()

    assert await node.in_journal(1)
    with pytest.raises(NotFoundError):
        await node.desk.release(OPERATOR, HoldKind.AGENCY, OTHER, "nothing is held")
    unknown = message[:-1] + "9"
    with pytest.raises(NotFoundError):
        await node.desk.hold(OPERATOR, HoldKind.MESSAGE, unknown, "unknown")


# ---------------------------------------------------------------- crashes, full disks

_STEPS = ["put", "_finish:before", "_finish:after", "record:before", "record:after"]


def _dies(monkeypatch: pytest.MonkeyPatch, point: str, error: BaseException) -> None:
    """`error` where the point is reached; what would clean up after it does nothing if it is Killed."""
    name, _, when = point.partition(":")
    owner: Any = ArchiveTable if name == "record" else ArchiveWriting
    real = getattr(owner, name)

    def sync(*args: Any) -> Any:
        if when == "after":
            real(*args)
        raise error

    async def later(*args: Any) -> Any:
        if when == "after":
            await real(*args)
        raise error

    monkeypatch.setattr(owner, name, sync if name == "_finish" else later)
    if isinstance(error, Killed):

        async def nothing(*_: Any) -> None: ...

        monkeypatch.setattr(ArchiveWriting, "drop", nothing)


@pytest.mark.parametrize("point", _STEPS)
@pytest.mark.parametrize(
    "error", [Killed(), OSError(errno.ENOSPC, "No space left on device")], ids=["killed", "full"]
)
async def test_a_fault_at_any_step_loses_nothing_and_doubles_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch, point: str, error: BaseException
) -> None:
    """The message is in the journal, or in one archive file that is recorded, or both; never in neither."""
    message = await node.admit()
    node.at += 91 * DAYS
    with monkeypatch.context() as patched:
        _dies(patched, point, error)
        with pytest.raises(type(error)):
            await node.archiver.round()
    await node.again()
    await node.sweeper.sweep()
    recorded = await node.table.find(message)
    assert await node.in_journal(1) or recorded is not None

    node.at += DAYS
    await node.archiver.round()
    await node.sweeper.sweep()

    assert not await node.in_journal(1)
    assert node.in_archive(message) == 1
    assert node.refused(await node.export(message)) == []
    assert [p.name for p in node.folder.iterdir()] == [p.name for p in files_of(node.folder)]
    assert len(await node.events("archive-written")) == 1


async def test_the_reserve_of_the_disk_is_kept(node: Node) -> None:
    """Where there is no room nothing is begun for long: no file is left, and nothing leaves."""
    await node.admit()
    node.at += 91 * DAYS

    def refuse(size_bytes: int) -> None:
        raise ReserveError("no room")

    node.room = refuse
    with pytest.raises(ReserveError):
        await node.archiver.round()
    await node.sweeper.sweep()

    assert await node.in_journal(1)
    assert list(node.folder.iterdir()) == []


async def test_a_file_that_a_restored_journal_does_not_know_is_set_aside(node: Node) -> None:
    """It may be the only copy of what it holds: never removed, never taken for one of the chain."""
    await node.admit()
    node.at += 91 * DAYS
    (written,) = await node.archiver.round()
    await node.sweeper.sweep()
    await node.journal.perform(lambda tx: tx.run("DELETE FROM archived"))
    await node.journal.perform(lambda tx: tx.run("DELETE FROM archive_files"))

    await node.again()

    assert [path.name for path in node.folder.iterdir()] == [written.name + ASIDE]


# ---------------------------------------------------------------- verification


async def _three(node: Node) -> list[Path]:
    node.count = 1
    await node.again()
    for _ in range(3):
        await node.admit()
    node.at += 91 * DAYS
    await node.archiver.round()
    return files_of(node.folder)


def _first_that_does_not_fit(node: Node) -> str | None:
    before = None
    for path in files_of(node.folder):
        try:
            before = verify_next(path, before, node.authority.trust)
        except PeerError:
            return path.name
    return None


async def test_the_first_file_that_does_not_fit_is_named(node: Node) -> None:
    """A byte changed anywhere, a file taken away, two exchanged, one renamed: the first of them."""
    first, second, third = await _three(node)
    assert _first_that_does_not_fit(node) is None
    whole = second.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        second.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert _first_that_does_not_fit(node) == second.name, place
    second.write_bytes(third.read_bytes())
    assert _first_that_does_not_fit(node) == second.name
    second.unlink()
    assert _first_that_does_not_fit(node) == third.name
    second.write_bytes(whole)
    first.unlink()
    assert _first_that_does_not_fit(node) == second.name


async def test_damage_in_an_archive_file_is_told_and_never_served(node: Node) -> None:
    """Evidence is read once before a byte of it is given."""
    message = await node.admit()
    node.at += 91 * DAYS
    (written,) = await node.archiver.round()
    await node.sweeper.sweep()
    path = node.folder / written.name
    found = await node.table.find(message)
    assert found is not None
    content = bytearray(path.read_bytes())
    content[found.start + found.size_bytes // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(JournalError, match="damaged"):
        await node.export(message)
    path.unlink()
    with pytest.raises(JournalError, match="cannot be read"):
        await node.export(message)

"""What a restored journal gets back, what it reminds others of, and how an epoch ends in between."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import note_body, sign_note
from relay.audit.entries import AuditEvent, entry, parse
from relay.audit.epochs import SPAN, Epoch, log_name, verify_epochs
from relay.audit.verify import LogKey
from relay.audit.words import replaced
from relay.delivery.ports import Acknowledgement, Caller
from relay.delivery.records import Admitted, Freeze, TakeIn
from relay.delivery.recovery.ports import Loss, Readmission, Reminder, Step
from relay.errors import ConflictError, NotFoundError
from relay.journal import epochs
from relay.journal.inspect import stored_log
from relay.journal.recovering import RecoveryTable
from relay.journal.reminding import PAGE, ReminderTable
from relay.journal.reminding import SQL as REMIND
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Digest,
    Event,
    Evidence,
    Lane,
    MessageId,
    NodeId,
    Receipt,
    Signed,
    TransferHeader,
    TransferId,
)

NODE, UP, DOWN = NodeId("xa-a"), NodeId("tinh"), NodeId("thon")
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
CONTENT = b"<edXML/>"
OPERATOR = Caller("local:vanthu", frozenset(), operator=True)


def _sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = log_name(NODE, epoch)
    return sign_note(note_body(name, size, root), name, PUBLIC, PRIVATE.sign)


@pytest.fixture
async def journal(tmp_path: Path, failures: list[BaseException]) -> AsyncIterator[SqliteJournal]:
    """As elsewhere, but with heads that are really signed."""
    opened = await SqliteJournal.open(tmp_path, NODE, _sign_head, on_fatal=failures.append)
    yield opened
    await opened.close()
    assert not failures


@pytest.fixture
def table(journal: SqliteJournal) -> RecoveryTable:
    return RecoveryTable(journal, NODE)


async def _restored(journal: SqliteJournal, make: Any, *neighbours: NodeId) -> None:
    """As after `relay restore` and a start."""
    await journal.perform(lambda tx: epochs.mark_restored(tx.connection, make.at))
    await RecoveryTable(journal, NODE).prepare(neighbours, make.at)


async def _events(journal: SqliteJournal) -> list[str]:
    return [parse(e.leaf)["event"] for e in await journal.entries(0, 10_000)]


async def _states(journal: SqliteJournal) -> dict[str, str]:
    return dict(await journal.rows("SELECT recipient, state FROM deliveries"))


def _note(at: Any, word: str) -> Any:
    return lambda tx: tx.record(entry(AuditEvent.NODE_STARTED, at, NODE, release=word))


# ---------------------------------------------------------------- epochs


async def test_an_epoch_ends_within_a_batch(
    journal: SqliteJournal, make: Any, tmp_path: Path
) -> None:
    """What the batch recorded before belongs to the old log, what comes after it to the new one,
    whose first entry names the old one's head."""
    await journal.perform(_note(make.at, "first"))

    def turning(tx: Transaction) -> None:
        epochs.turn(tx, NODE, make.at, "rolled-back")
        _note(make.at, "after")(tx)

    await asyncio.gather(
        journal.perform(_note(make.at, "before")),
        journal.perform(turning),
        journal.perform(_note(make.at, "same batch")),
    )
    await journal.perform(_note(make.at, "later"))

    found = {e.index: parse(e.leaf).get("release", "opening") for e in await journal.entries(0, 99)}
    assert found == {
        0: "first",
        1: "before",
        SPAN: "opening",
        SPAN + 1: "after",
        SPAN + 2: "same batch",
        SPAN + 3: "later",
    }
    with stored_log(tmp_path) as stored:
        key = LogKey("", PUBLIC, PRIVATE.public_key().verify)
        old, new = verify_epochs(NODE, stored.epochs, key)
    assert (old.checkpoint.size, new.checkpoint.size) == (2, 4)


@pytest.mark.parametrize("logged", [True, False])
async def test_two_restores_of_one_backup_never_sign_under_one_name(
    tmp_path: Path, make: Any, failures: list[BaseException], *, logged: bool
) -> None:
    """Each draws a name of its own, keeps it over a restart, and verifies, as does one of before."""
    backup = await SqliteJournal.open(tmp_path / "a", NODE, _sign_head, on_fatal=failures.append)
    if logged:
        await backup.perform(_note(make.at, "first"))
    await backup.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "a" / "journal.sqlite")) as connection:
        epochs.mark_restored(connection, make.at)
        connection.commit()
    shutil.copytree(tmp_path / "a", tmp_path / "b")

    names: list[str] = []
    for copy in ("a", "b", "a"):
        journal = await SqliteJournal.open(
            tmp_path / copy, NODE, _sign_head, on_fatal=failures.append
        )
        await journal.recover(make.at)
        await journal.perform(_note(make.at, copy))
        await journal.close()
        with stored_log(tmp_path / copy) as stored:
            key = LogKey("", PUBLIC, PRIVATE.public_key().verify)
            *_, present = verify_epochs(NODE, stored.epochs, key)
        names.append(present.checkpoint.origin)

    assert names[0] == names[2] != names[1]
    assert log_name(NODE, Epoch()) not in names
    assert not failures


async def test_an_epoch_that_an_operation_did_not_end_after_all_goes_on(
    journal: SqliteJournal, make: Any
) -> None:
    """The operation raised: its turn is undone with the rest of it, the others' entries are not."""
    await journal.perform(_note(make.at, "first"))

    def failing(tx: Transaction) -> None:
        epochs.turn(tx, NODE, make.at, "rolled-back")
        tx.run("INSERT INTO meta VALUES ('node', 'twice')")

    results = await asyncio.gather(
        journal.perform(_note(make.at, "before")),
        journal.perform(failing),
        journal.perform(_note(make.at, "after")),
        return_exceptions=True,
    )

    assert [type(r) for r in results] == [type(None), sqlite3.IntegrityError, type(None)]
    assert [e.index for e in await journal.entries(0, 99)] == [0, 1, 2]


async def test_a_loss_begins_one_epoch_however_many_prove_it(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """Since when is what the log last grew before the lost document was signed; what is signed up to
    the discovery is explained by it, and so is any neighbour's word of it."""
    for minutes in (0, 10, 60):
        await journal.perform(_note(make.at + timedelta(minutes=minutes), f"{minutes}"))
    late = make.at + timedelta(minutes=90)
    loss = Loss(UP, Digest("a" * 64), "receipt", make.at + timedelta(minutes=30))
    other = Loss(DOWN, Digest("b" * 64), "transfer", make.at + timedelta(minutes=40))

    found = await asyncio.gather(table.roll_back(loss, late), table.roll_back(other, late))

    assert list(found) == [True, False]
    assert (await table.standing()).since == make.at + timedelta(minutes=10)
    assert await table.lost_until() == late
    assert await table.knows(loss.digest, None)
    assert [e.index for e in await journal.entries(SPAN, 99)] == [SPAN, SPAN + 1]
    assert (await _events(journal))[-2:] == ["epoch-started", "rollback-found"]


async def test_the_next_start_begins_no_further_epoch(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """The epoch of a rollback that was found has begun when it was found."""
    await journal.perform(_note(make.at, "first"))
    await table.roll_back(
        Loss(UP, Digest("a" * 64), "receipt", make.at + timedelta(seconds=1)),
        make.at + timedelta(minutes=1),
    )
    await journal.close()

    again = await SqliteJournal.open(journal._folder, NODE, _sign_head, on_fatal=lambda error: None)
    await again.perform(_note(make.at, "second start"))

    assert [e.index for e in await again.entries(SPAN + 2, 99)] == [SPAN + 2]
    await again.close()


# ---------------------------------------------------------------- receipts before their message


async def _receipt_first(journal: SqliteJournal, make: Any) -> tuple[Any, Signed]:
    """An admission not yet here, and the uplink's receipt about it, which is."""
    admission = make.admission()
    evidence = Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("G01"))
    signed, receipt = make.receipt(admission.message.message_id, CONTENT, evidence, issuer=UP)
    await journal.record_receipts(UP, [(signed, receipt)], make.at)
    return admission, signed


async def _readmit(table: RecoveryTable, make: Any, admission: Any, **more: Any) -> list[NodeId]:
    """One document fetched from the uplink."""
    transfer_id = TransferId(make.uuid())
    await table.reminded(UP, Reminder(0, 0, 0, (transfer_id,), None))
    carried = frozenset(d.recipient for d in admission.deliveries)
    again = Readmission(admission, more.get("carried", carried), more.get("wider"))
    return await table.readmit(UP, transfer_id, again, make.at)


async def _asking(table: RecoveryTable, make: Any) -> None:
    await table.step(UP, Step.ASKING, make.at)


async def test_a_receipt_that_comes_before_its_message_settles_it_when_that_comes(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """In the transaction that brings the message: it never waits for what it has already."""
    await _restored(journal, make, UP)
    await _asking(table, make)
    admission, signed = await _receipt_first(journal, make)

    await _readmit(table, make, admission)

    assert await _states(journal) == {"G01": "relayed"}
    assert (await journal.receipt(signed.digest)) is not None
    assert await table.settle_early(make.at) == 0
    assert "late-receipt" not in await _events(journal)


async def test_outside_of_recovery_such_a_receipt_is_only_noted(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """A stray is a stray: nothing is kept that no message will come for."""
    await _receipt_first(journal, make)

    assert await table.settle_early(make.at) == 0
    assert await _events(journal) == ["late-receipt"]


async def test_what_no_message_comes_for_is_noted_in_the_end(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """Fourteen days after recovery it is a stray like any other."""
    await _restored(journal, make, UP)
    await _receipt_first(journal, make)
    await table.step(UP, Step.ANSWERED, make.at)
    assert await table.finish(make.at)

    assert await table.settle_early(make.at + timedelta(days=13)) == 1
    assert await table.settle_early(make.at + timedelta(days=15)) == 0
    assert (await _events(journal))[-1] == "late-receipt"


async def test_what_a_recipient_acknowledged_is_not_offered_anew(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """This node's own receipt, fetched back before the document comes again: it is never in the list
    of what waits for its recipient."""
    await _restored(journal, make, UP)
    arrival = _arrival(make)
    evidence = Evidence(Event.CONTENT_HANDOVER, AgencyCode("G01"))
    own = make.receipt(arrival.header.message_id, CONTENT, evidence, origin=UP)
    await table.keep_own([own])

    await journal.take_in(arrival)

    assert await _states(journal) == {"G01": "handed-over"}
    ((acknowledged,),) = await journal.rows("SELECT acknowledgement FROM deliveries")
    assert acknowledged == "done"


def _arrival(make: Any) -> TakeIn:
    """A transfer of the uplink's for G01, which is served here."""
    admission = make.admission(next_hop=None, state=DeliveryState.AVAILABLE)
    message = replace(admission.message, origin=UP)
    header = TransferHeader(
        transfer_id=TransferId(make.uuid()),
        message_id=message.message_id,
        origin=UP,
        sent_by=UP,
        sent_to=NODE,
        message_type=message.message_type,
        sender=message.sender,
        recipients=(AgencyCode("G01"),),
        priority=message.priority,
        digest=message.payload.digest,
        size_bytes=message.payload.size_bytes,
        created_at=make.at,
        expires_at=message.expires_at,
        trace=(),
    )
    evidence = [
        Evidence(e, AgencyCode("G01")) for e in (Event.RELAY_ACCEPTANCE, Event.CONTENT_CONSIGNMENT)
    ]
    answer, _ = make.receipt(message.message_id, CONTENT, *evidence, origin=UP)
    return TakeIn(
        UP,
        header,
        Signed(b"<Transfer/>", b"<signature/>"),
        message,
        admission.deliveries,
        frozenset(),
        (),
        answer,
        make.at,
    )


# ---------------------------------------------------------------- messages admitted again


async def test_a_document_comes_back_once(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """Under its id and its key: fetched twice, or repeated by its sender, it is one message."""
    await _restored(journal, make, UP)
    await _asking(table, make)
    admission = make.admission(recipients=("G01", "G02"))

    hops = await _readmit(table, make, admission)
    await _asking(table, make)
    again = await _readmit(table, make, admission)
    answer = await journal.admit(
        replace(admission, message=replace(admission.message, message_id=MessageId(make.uuid())))
    )

    assert (hops, again) == ([UP], [])
    assert isinstance(answer, Admitted)
    assert answer.message_id == admission.message.message_id
    assert answer.repeated
    assert await journal.rows("SELECT count(*) FROM messages") == [(1,)]
    assert (await _events(journal)).count("message-recovered") == 1


async def test_a_later_transfer_brings_the_recipients_it_alone_proves(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """Of a message that is here by then, it adds those it was sent for and no others."""
    await _restored(journal, make, UP)
    await _asking(table, make)
    first = make.admission(recipients=("G01",))
    await _readmit(table, make, first)
    more = make.admission(recipients=("G01", "G02", "G03"), key="k2")
    more = replace(more, message=first.message)
    await _asking(table, make)

    await _readmit(table, make, more, carried=frozenset({AgencyCode("G02")}))

    assert await _states(journal) == {"G01": "queued", "G02": "queued"}


async def test_a_renewal_joins_the_family_it_renewed(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """The first message is here and was refused; the renewal that was lost is what a repeat gets."""
    first = make.admission(recipients=("G01", "G02"), key="whole")
    await journal.admit(first)
    await _restored(journal, make, UP)
    await _asking(table, make)
    renewal = make.admission(recipients=("G02",), key="part")

    await _readmit(table, make, renewal, wider="whole")

    repeat = make.admission(recipients=("G01", "G02"), key="whole")
    answer = await journal.admit(repeat)
    assert isinstance(answer, Admitted)
    assert answer.message_id == renewal.message.message_id
    rows = await journal.rows("SELECT first_row FROM messages ORDER BY message_row")
    assert rows == [(None,), (1,)]


async def test_a_document_that_does_not_come_back_is_written_down(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """By its transfer, with the reason; recovery goes on and counts it."""
    await _restored(journal, make, UP)
    await _asking(table, make)
    transfer_id = TransferId(make.uuid())
    await table.reminded(UP, Reminder(0, 0, 2, (transfer_id,), None))

    await table.give_up(UP, transfer_id, "not-proven", make.at)
    await table.give_up(UP, transfer_id, "not-proven", make.at)

    assert await table.wanted(UP, 10) == []
    (progress,) = (await table.standing()).neighbours
    assert (progress.step, progress.missing) == (Step.DOCUMENTS, 3)
    assert (await _events(journal)).count("message-lost") == 1


# ---------------------------------------------------------------- how far it is


async def test_recovery_ends_with_the_last_neighbour(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """Each answers or is given up, once; the sums are in the log."""
    await _restored(journal, make, UP, DOWN)
    await _asking(table, make)
    await table.reminded(UP, Reminder(4, 5, 0, (), None))
    assert await table.step(UP, Step.ANSWERED, make.at)
    assert not await table.finish(make.at)

    await table.skip(OPERATOR, DOWN, "cháy trạm", make.at)
    await table.skip(OPERATOR, DOWN, "again", make.at)

    standing = await table.standing()
    assert (standing.since, standing.finished_at) == (None, make.at)
    assert {(p.neighbour, p.by, p.why) for p in standing.neighbours} == {
        (UP, None, None),
        (DOWN, "local:vanthu", "cháy trạm"),
    }
    skipped, finished = (replaced(parse(e.leaf), e.words) for e in await journal.entries(0, 99))
    assert (skipped["neighbour"], skipped["by"], skipped["why"]) == (
        DOWN,
        "local:vanthu",
        "cháy trạm",
    )
    assert (finished["transfers"], finished["receipts"], finished["skipped"]) == (4, 5, 1)


async def test_only_whoever_still_owes_an_answer_is_given_up(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """Not a stranger, not one that has answered, and nobody once it is over."""
    await _restored(journal, make, UP, DOWN)
    await table.step(UP, Step.ANSWERED, make.at)

    with pytest.raises(NotFoundError):
        await table.skip(OPERATOR, NodeId("ngoai"), "why", make.at)
    with pytest.raises(ConflictError):
        await table.skip(OPERATOR, UP, "why", make.at)
    await table.skip(OPERATOR, DOWN, "why", make.at)
    with pytest.raises(ConflictError, match="not recovering"):
        await table.skip(OPERATOR, NodeId("ngoai"), "why", make.at)


async def test_what_a_skipped_neighbour_still_says_changes_nothing(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """Its page was under way when the operator decided."""
    await _restored(journal, make, UP, DOWN)
    await _asking(table, make)
    await table.skip(OPERATOR, UP, "why", make.at)

    assert not await table.reminded(UP, Reminder(1, 1, 0, (TransferId(make.uuid()),), None))
    assert not await table.step(UP, Step.ANSWERED, make.at)
    assert await table.wanted(UP, 10) == []


async def test_neighbours_are_those_of_the_configuration(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """One that is no neighbour any more holds nothing up; where there are none it ends at once."""
    await _restored(journal, make, UP, DOWN)

    await table.prepare([], make.at)

    assert (await table.standing()).since is None


async def test_a_backup_made_during_recovery_keeps_since_when(
    journal: SqliteJournal, table: RecoveryTable, make: Any
) -> None:
    """Restored in its turn, it still lacks what the first recovery was to bring; all are asked anew."""
    await _restored(journal, make, UP)
    await table.step(UP, Step.ASKING, make.at)

    later = make.at + timedelta(days=1)
    await journal.perform(lambda tx: epochs.mark_restored(tx.connection, later))
    await table.prepare([UP], later)

    standing = await table.standing()
    assert standing.since == make.at
    assert [p.step for p in standing.neighbours] == [Step.RECEIPTS]


# ---------------------------------------------------------------- reminding a neighbour


async def _answered(journal: SqliteJournal, make: Any, neighbour: NodeId = UP) -> TransferId:
    """A message of this node's that the neighbour took over."""
    await journal.admit(make.admission(key=make.uuid(), next_hop=neighbour))
    ready = (await journal.ready(neighbour, Lane.NORMAL, 9999))[-1]
    transfer = TransferId(make.uuid())
    header = Signed(f"<Transfer>{transfer}</Transfer>".encode(), b"<signature/>")
    await journal.freeze([Freeze(transfer, neighbour, ready, header, make.at)])
    evidence = Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("G01"))
    signed, receipt = make.receipt(ready.message_id, CONTENT, evidence, issuer=neighbour)
    await journal.settle(transfer, signed, receipt, make.at)
    return transfer


async def _open_transfers(
    journal: SqliteJournal, make: Any, neighbour: NodeId = UP
) -> list[TransferId]:
    found = await journal.open_transfers(neighbour, make.at, make.at + timedelta(days=1), 9999)
    return [one.transfer_id for one in found]


async def test_what_a_neighbour_answered_is_sent_again(journal: SqliteJournal, make: Any) -> None:
    """To that neighbour, to the letter, and what stands is not undone by it."""
    reminders = ReminderTable(journal, NODE)
    mine = await _answered(journal, make)
    await _answered(journal, make, DOWN)

    page = await reminders.remind(UP, make.at, None, make.at)
    again = await reminders.remind(UP, make.at, None, make.at)

    assert (page.transfers, page.receipts, page.sent, page.cursor) == (1, 0, (), None)
    assert again.transfers == 0
    assert await _open_transfers(journal, make) == [mine]
    assert await _open_transfers(journal, make, DOWN) == []
    assert set((await _states(journal)).values()) == {"relayed"}
    assert (await _events(journal))[-1] == "neighbour-reminded"


async def test_an_answer_given_before_is_no_news(journal: SqliteJournal, make: Any) -> None:
    """Only what was stored since is brought up."""
    await _answered(journal, make)

    page = await ReminderTable(journal, NODE).remind(
        UP, make.at + timedelta(milliseconds=1), None, make.at
    )

    assert page == Reminder(0, 0, 0, (), None)


async def test_a_second_answer_settles_without_harm(journal: SqliteJournal, make: Any) -> None:
    """The neighbour lost the first one and signs another: both are kept, the state stays."""
    transfer = await _answered(journal, make)
    await ReminderTable(journal, NODE).remind(UP, make.at, None, make.at)
    ((message,),) = await journal.rows("SELECT message_id FROM messages")
    evidence = Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("G01"))
    later = make.at + timedelta(hours=1)
    second, receipt = make.receipt(message, CONTENT, evidence, issuer=UP, at=later)

    await journal.settle(transfer, second, receipt, later)

    assert await _open_transfers(journal, make) == []
    assert await _states(journal) == {"G01": "relayed"}
    rows = await journal.rows("SELECT count(*) FROM receipts WHERE issuer = ?", (UP,))
    assert rows == [(2,)]


async def test_a_refused_transfer_is_not_brought_up(journal: SqliteJournal, make: Any) -> None:
    """The neighbour has lost nothing by it, and its sender may have begun anew."""
    await _answered(journal, make)
    await journal.perform(lambda tx: tx.run("UPDATE deliveries SET state = 'refused'"))

    page = await ReminderTable(journal, NODE).remind(UP, make.at, None, make.at)

    assert page.transfers == 0


async def test_receipts_and_transfers_are_those_of_the_asking_neighbour(
    journal: SqliteJournal, make: Any
) -> None:
    """About messages that came from it: queued again, the refused ones too; and its own transfers are
    named, with the bytes they came with."""
    reminders = ReminderTable(journal, NODE)
    arrival = _arrival(make)
    await journal.take_in(arrival)
    evidence = Evidence(Event.CONTENT_HANDOVER, AgencyCode("G01"))
    own = make.receipt(arrival.header.message_id, CONTENT, evidence, origin=UP)
    await journal.acknowledge(_delivery(arrival), Acknowledgement.DONE, own, OPERATOR, make.at)
    (waiting,) = await journal.returns(UP, 10)
    await journal.park_return(waiting.return_row, "refused", make.at)

    nothing = await reminders.remind(DOWN, make.at, None, make.at)
    page = await reminders.remind(UP, make.at, None, make.at)

    assert nothing == Reminder(0, 0, 0, (), None)
    assert page.sent == (arrival.header.transfer_id,)
    assert {r.receipt.digest for r in await journal.returns(UP, 10)} == {
        own[0].digest,
        arrival.answer.digest,
    }
    sent = await reminders.sent(UP, arrival.header.transfer_id)
    assert sent is not None
    assert (sent.header, sent.seal.signature) == (arrival.signed_header, b"<seal/>")
    assert await reminders.sent(DOWN, arrival.header.transfer_id) is None
    newest = await reminders.newest(UP)
    assert newest.transfer == arrival.signed_header
    assert (await reminders.newest(DOWN)).transfer is None


async def test_a_neighbours_own_words_are_its_acknowledgements(
    journal: SqliteJournal, make: Any
) -> None:
    """Not its answers: those it gives anew."""
    await _answered(journal, make)
    ((message,),) = await journal.rows("SELECT message_id FROM messages")
    evidence = Evidence(Event.CONTENT_HANDOVER, AgencyCode("G01"))
    handed: tuple[Signed, Receipt] = make.receipt(message, CONTENT, evidence, issuer=UP)
    await journal.record_receipts(UP, [handed], make.at)

    page = await ReminderTable(journal, NODE).own_receipts(UP, make.at, None)

    assert page.receipts == (handed[0],)
    assert page.cursor is None
    assert (await ReminderTable(journal, NODE).own_receipts(DOWN, make.at, None)).receipts == ()


async def test_pages_together_hold_everything_once(journal: SqliteJournal, make: Any) -> None:
    """More than a page of receipts, most of them between others: each transfer is opened, once."""
    reminders = ReminderTable(journal, NODE)
    first = await _answered(journal, make)

    def many(tx: Transaction) -> None:
        rows = [(f"{n:064x}", DOWN, b"d", b"s", 1 << 60) for n in range(2 * PAGE)]
        tx.connection.executemany("INSERT INTO receipts VALUES (?, NULL, ?, ?, ?, ?)", rows)

    await journal.perform(many, 10_000)
    last = await _answered(journal, make)
    cursor, opened, pages = None, 0, 0
    while True:
        page = await reminders.remind(UP, make.at, cursor, make.at)
        opened, pages, cursor = opened + page.transfers, pages + 1, page.cursor
        if cursor is None:
            break

    assert (opened, pages) == (2, 3)
    assert sorted(await _open_transfers(journal, make)) == sorted([first, last])


async def test_a_page_reads_its_window_and_nothing_else(journal: SqliteJournal) -> None:
    """Whatever else the journal holds: no statement of it walks through a table, or a neighbour's part."""
    values = {"neighbour": UP, "since": 0, "low": 1, "high": 9, "at": 1}
    for name in ("reopen", "gone", "return_again", "sent", "own_receipts"):
        plan = [row[3] for row in await journal.rows(f"EXPLAIN QUERY PLAN {REMIND[name]}", values)]
        assert not [step for step in plan if step.startswith("SCAN") or "(neighbour=?)" in step]
        assert "SEARCH r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in plan


def _delivery(arrival: TakeIn) -> DeliveryId:
    return arrival.deliveries[0].delivery_id

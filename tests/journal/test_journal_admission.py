"""Acceptance: once, durable, and the same answer for a repeat."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.audit.epochs import Epoch
from relay.audit.tree import Frontier, leaf_hash
from relay.delivery.ports import InboxQuery, SentQuery
from relay.delivery.records import Admitted, Renew, Report
from relay.errors import ConflictError, JournalError
from relay.journal.store import SqliteJournal
from relay.model import (
    AgencyCode,
    DeliveryState,
    Event,
    Evidence,
    Lane,
    MessageType,
    NodeId,
    Reason,
)

TINH = NodeId("tinh")


async def test_what_was_admitted_is_there_after_a_restart(
    journal: SqliteJournal, make: Any, reopen: Any
) -> None:
    """Admission means durable: another process finds message, delivery, payload and entries."""
    admission = make.admission()
    admitted = await journal.admit(admission)
    await journal.close()
    again = await reopen()

    view = await again.message(admission.message.message_id)

    assert isinstance(admitted, Admitted)
    assert view is not None
    assert [d.state for d in view.deliveries] == [DeliveryState.QUEUED]
    assert [r.event for r in view.deliveries[0].receipts] == [Event.SUBMISSION_ACCEPTANCE]
    assert (await again.payload(admission.message.payload.digest)).content == b"<edXML/>"
    assert (await again.ready(TINH, Lane.NORMAL, 10))[0].recipients == ("G01",)
    await again.close()


async def test_a_repeat_gets_the_first_answer(journal: SqliteJournal, make: Any) -> None:
    """The same submission key again stores nothing and returns the first message's answer."""
    first = await journal.admit(make.admission())
    size = await journal.log_size()
    second = await journal.admit(make.admission())

    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    assert second.repeated
    assert (second.message_id, second.receipt) == (first.message_id, first.receipt)
    assert await journal.log_size() == size


async def test_a_thousand_at_once_make_one_message(journal: SqliteJournal, make: Any) -> None:
    """However many come together, exactly one begins a message and all get its answer."""
    answers = await asyncio.gather(*(journal.admit(make.admission()) for _ in range(1000)))

    assert sum(not a.repeated for a in answers if isinstance(a, Admitted)) == 1
    assert len({a.receipt for a in answers if isinstance(a, Admitted)}) == 1
    assert len(await journal.sent(None, SentQuery())) == 1


async def test_a_repeat_after_a_refusal_starts_anew_for_the_refused_only(
    journal: SqliteJournal, make: Any
) -> None:
    """Recipients that ended badly may start a new message, linked to the first; the others not."""
    first = make.admission(recipients=("G01", "G02"))
    await journal.admit(first)
    refusal = make.receipt(
        first.message.message_id,
        b"<edXML/>",
        Evidence(Event.RELAY_REJECTION, AgencyCode("G02"), None, Reason.UNKNOWN_RECIPIENT, "no"),
        issuer=TINH,
    )
    await journal.record_receipts(TINH, [refusal], make.at)

    renew = await journal.admit(make.admission(recipients=("G01", "G02")))
    assert isinstance(renew, Renew)
    assert renew.recipients == {"G02"}
    renewal = make.admission(recipients=("G02",), follows=renew.answer.message_row)
    started = await journal.admit(renewal)
    assert isinstance(started, Admitted)
    assert not started.repeated
    again = await journal.admit(make.admission(recipients=("G01", "G02")))

    view = await journal.message(renewal.message.message_id)
    assert view is not None
    assert view.linked_to == first.message.message_id
    assert isinstance(again, Admitted)
    assert again.message_id == renewal.message.message_id


async def test_an_idempotency_key_names_one_submission(journal: SqliteJournal, make: Any) -> None:
    """Other content under a used key is refused, and nothing of it is stored."""
    await journal.admit(make.admission(idempotency_key="i1"))
    size = await journal.log_size()

    with pytest.raises(ConflictError):
        await journal.admit(make.admission(b"<other/>", key="k2", idempotency_key="i1"))

    assert await journal.log_size() == size
    assert len(await journal.sent(None, SentQuery())) == 1


async def test_local_recipients_get_ascending_cursors(journal: SqliteJournal, make: Any) -> None:
    """What becomes available here is listed in the order in which it became so."""
    for number in range(5):
        admission = make.admission(
            str(number).encode(), key=f"k{number}", next_hop=None, state=DeliveryState.AVAILABLE
        )
        await journal.admit(admission)

    items = await journal.inbox(frozenset({AgencyCode("G01")}), InboxQuery())
    rest = await journal.inbox(frozenset({AgencyCode("G01")}), InboxQuery(after=items[2].cursor))

    assert [i.cursor for i in items] == [1, 2, 3, 4, 5]
    assert [i.cursor for i in rest] == [4, 5]
    assert await journal.inbox(frozenset({AgencyCode("G02")}), InboxQuery()) == []


async def test_every_entry_is_in_the_signed_head(journal: SqliteJournal, make: Any) -> None:
    """The head covers exactly the stored entries, and its root is theirs."""
    for number in range(20):
        await journal.admit(make.admission(str(number).encode(), key=f"k{number}"))

    entries = await journal.entries(0, 1000)
    frontier = Frontier()
    for entry in entries:
        frontier.append(leaf_hash(entry.leaf))

    assert [e.index for e in entries] == list(range(len(entries)))
    assert await journal.head() == f"{len(entries)} {frontier.root().hex()}".encode()
    assert {parse(e.leaf)["event"] for e in entries} == {"message-accepted"}


async def test_an_operation_that_raises_takes_nothing_of_its_batch_along(
    journal: SqliteJournal, make: Any
) -> None:
    """Operations of a batch are apart: the one that fails leaves no row and no entry."""
    good = [make.admission(str(n).encode(), key=f"k{n}", idempotency_key="one") for n in range(3)]

    results = await asyncio.gather(*(journal.admit(one) for one in good), return_exceptions=True)

    assert [isinstance(r, ConflictError) for r in results] == [False, True, True]
    assert len(await journal.sent(None, SentQuery())) == 1


async def test_a_second_process_may_not_write_the_same_folder(
    journal: SqliteJournal, reopen: Any
) -> None:
    """The folder is locked while a node has it."""
    with pytest.raises(JournalError, match="in use"):
        await reopen()


async def test_a_commit_that_fails_stops_the_journal(
    journal: SqliteJournal, make: Any, failures: list[BaseException], monkeypatch: Any
) -> None:
    """No caller gets an acceptance from a batch that is not durable, and the node is told to end."""
    journal._writer._sign_head = _refuse

    with pytest.raises(JournalError):
        await journal.admit(make.admission())
    with pytest.raises(JournalError):
        await journal.admit(make.admission())

    assert len(failures) == 1


def _refuse(epoch: Epoch, size: int, root: bytes) -> bytes:
    raise OSError("disk")


@pytest.mark.parametrize(
    ("written", "logged"),
    [("03", "03"), ("Nguyễn Văn Mẫu, 0900000000", "unknown"), ("7" * 70_000, "unknown")],
)
@pytest.mark.parametrize("early", [False, True])
async def test_the_log_takes_no_text_from_a_status(
    journal: SqliteJournal, make: Any, written: str, logged: str, early: bool
) -> None:
    """Codes only; and no status, whenever it comes, keeps its document from being accepted."""
    document = make.admission()
    said = make.admission(b"<status/>", ("H01.1",), key="k2")
    report = Report(written, AgencyCode("H01.1"), "D1", "1/CV", "2026/11/23", "", "")
    status = replace(
        said,
        message=replace(
            said.message,
            message_type=MessageType.STATUS,
            sender=AgencyCode("G01"),
            report=report,
        ),
    )

    for one in (status, document) if early else (document, status):
        await journal.admit(one)

    entries = [parse(e.leaf) for e in await journal.entries(0, 100)]
    assert [e["status"] for e in entries if e["event"] == "status-matched"] == [logged]


async def test_a_repeat_binds_its_idempotency_key_too(journal: SqliteJournal, make: Any) -> None:
    """The second key of the same content may not name other content afterwards."""
    await journal.admit(make.admission(idempotency_key="i1"))
    await journal.admit(make.admission(idempotency_key="i2"))

    with pytest.raises(ConflictError):
        await journal.admit(make.admission(b"<other/>", key="k2", idempotency_key="i2"))

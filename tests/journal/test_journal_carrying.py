"""Carrying, as the journal keeps it: every step once, in the same transaction as its entry."""

from __future__ import annotations

import asyncio
import contextlib
import random
from datetime import timedelta
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.delivery.records import Freeze, OpenTransfer, Report
from relay.journal.carrying import SQL
from relay.journal.store import SqliteJournal
from relay.lifecycle import IllegalStepError
from relay.model import (
    AgencyCode,
    DeliveryState,
    Event,
    Evidence,
    Lane,
    MessageType,
    NodeId,
    Reason,
    Receipt,
    Signed,
    TransferId,
)

TINH, OTHER = NodeId("tinh"), NodeId("khac")
CONTENT = b"<edXML/>"


async def _frozen(journal: SqliteJournal, make: Any, *recipients: str, **more: Any) -> TransferId:
    """A message whose transfer to `tinh` is frozen."""
    await journal.admit(make.admission(recipients=recipients or ("G01",), **more))
    ready = (await journal.ready(TINH, Lane.NORMAL, 100))[-1]
    transfer = TransferId(make.uuid())
    header = Signed(f"<Transfer>{transfer}</Transfer>".encode(), b"<signature/>")
    await journal.freeze([Freeze(transfer, TINH, ready, header, make.at)])
    return transfer


async def _open(journal: SqliteJournal, make: Any) -> list[OpenTransfer]:
    return await journal.open_transfers(TINH, make.at, make.at + timedelta(minutes=5), 100)


async def _states(journal: SqliteJournal) -> list[str]:
    return [r[0] for r in await journal.rows("SELECT state FROM deliveries ORDER BY 1")]


async def _message(journal: SqliteJournal, transfer: TransferId) -> Any:
    rows = await journal.rows(
        "SELECT m.message_id FROM transfers t JOIN messages m USING (message_row)"
        " WHERE t.transfer_id = ?",
        (transfer,),
    )
    return rows[0][0]


async def _events(journal: SqliteJournal) -> list[str]:
    return [parse(e.leaf)["event"] for e in await journal.entries(0, 10_000)]


def _answer(make: Any, message: Any, *codes: str, issuer: NodeId = TINH) -> tuple[Signed, Receipt]:
    evidence = [Evidence(Event.RELAY_ACCEPTANCE, AgencyCode(code)) for code in codes]
    signed, receipt = make.receipt(message, CONTENT, *evidence, issuer=issuer)
    return signed, receipt


async def test_a_frozen_transfer_is_kept_to_the_letter(journal: SqliteJournal, make: Any) -> None:
    """Its deliveries wait no more, and it is found again as it was, sender and seal included."""
    transfer = await _frozen(journal, make, "G01", "G02")

    (found,) = await _open(journal, make)

    assert (found.transfer_id, found.attempts, found.in_doubt) == (transfer, 0, False)
    assert found.header.document == f"<Transfer>{transfer}</Transfer>".encode()
    assert found.seal.signature == b"<seal/>"
    assert await journal.ready(TINH, Lane.NORMAL, 10) == []
    assert await _states(journal) == ["in-flight", "in-flight"]


async def test_deliveries_are_frozen_once(journal: SqliteJournal, make: Any) -> None:
    """A second transfer for the same deliveries stores nothing, not even an entry."""
    await journal.admit(make.admission())
    (ready,) = await journal.ready(TINH, Lane.NORMAL, 10)
    header = Signed(b"<Transfer/>", b"<signature/>")
    await journal.freeze([Freeze(TransferId("t1"), TINH, ready, header, make.at)])
    size = await journal.log_size()

    assert await journal.freeze([Freeze(TransferId("t2"), TINH, ready, header, make.at)]) == [False]

    assert [t.transfer_id for t in await _open(journal, make)] == ["t1"]
    assert await journal.log_size() == size


async def test_what_was_in_flight_at_a_crash_is_in_doubt(
    journal: SqliteJournal, make: Any, reopen: Any
) -> None:
    """Nobody knows whether the neighbour has it; it may only be sent there again."""
    transfer = await _frozen(journal, make)
    await journal.close()
    again = await reopen()

    await again.recover(make.at)

    assert await _states(again) == ["in-doubt"]
    (found,) = await _open(again, make)
    assert (found.transfer_id, found.in_doubt) == (transfer, True)
    await again.recover(make.at)
    assert (await _events(again)).count("transfer-postponed") == 1
    await again.close()


async def test_doubt_stays_until_it_is_answered(journal: SqliteJournal, make: Any) -> None:
    """Later attempts that were certainly not taken say nothing of the first."""
    transfer = await _frozen(journal, make)
    for in_doubt, after in ((False, "queued"), (True, "in-doubt"), (False, "in-doubt")):
        await journal.resend(transfer, make.at)
        await journal.postpone(
            transfer, in_doubt=in_doubt, error="down", not_before=make.at, at=make.at
        )
        assert await _states(journal) == [after]

    signed, receipt = _answer(make, await _message(journal, transfer), "G01")
    await journal.settle(transfer, signed, receipt, make.at)
    assert await _states(journal) == ["relayed"]
    assert await _open(journal, make) == []


async def test_an_answer_settles_once(journal: SqliteJournal, make: Any) -> None:
    """A repeat of it changes nothing, and a late failure of another attempt neither."""
    transfer = await _frozen(journal, make)
    signed, receipt = _answer(make, await _message(journal, transfer), "G01")
    await journal.settle(transfer, signed, receipt, make.at)
    size = await journal.log_size()

    assert await journal.settle(transfer, signed, receipt, make.at) == set()
    await journal.postpone(transfer, in_doubt=True, error="x", not_before=make.at, at=make.at)

    assert await journal.log_size() == size
    assert await _states(journal) == ["relayed"]


async def test_a_transfer_put_off_is_due_when_its_time_comes(
    journal: SqliteJournal, make: Any
) -> None:
    """Or when the clock was set back so far that its time would never come."""
    transfer = await _frozen(journal, make)
    later, cap = make.at + timedelta(minutes=1), timedelta(minutes=5)
    await journal.postpone(transfer, in_doubt=False, error="x", not_before=later, at=make.at)

    assert await journal.open_transfers(TINH, make.at, make.at + cap, 10) == []
    assert len(await journal.open_transfers(TINH, later, later + cap, 10)) == 1
    long_ago = make.at - timedelta(days=300)
    assert len(await journal.open_transfers(TINH, long_ago, long_ago + cap, 10)) == 1
    assert await journal.next_open_transfer(TINH) == later


async def test_open_transfers_come_by_lane_then_by_what_was_due_first(
    journal: SqliteJournal, make: Any
) -> None:
    """However many of them are asked for, and where a clock was set back, too."""
    named = [await _frozen(journal, make, key=f"k{number}") for number in range(12)]
    minute = timedelta(minutes=1)
    due = [make.at + minute * away for away in (0, -9, 2, -3, 900, -1, -2, 901, -8, 3, 0, -5)]
    rows = [(n % 3, due[n], one) for n, one in enumerate(named)]
    statement = "UPDATE transfers SET lane = ?, not_before = ? WHERE transfer_id = ?"
    values = [(lane, int(at.timestamp() * 1000), one) for lane, at, one in rows]
    await journal.perform(lambda tx: tx.connection.executemany(statement, values))
    latest = make.at + 5 * minute
    waiting = [row for row in rows if not make.at < row[1] <= latest]
    expected = [one for _, _, one in sorted(waiting, key=lambda row: (-row[0], row[1]))]

    for limit in range(1, 13):
        found = await journal.open_transfers(TINH, make.at, latest, limit)
        assert [one.transfer_id for one in found] == expected[:limit]


async def test_a_look_at_open_transfers_reads_no_more_than_it_returns(
    journal: SqliteJournal,
) -> None:
    """What went out by hand may be a hundred thousand: each choice is a range of an index."""
    plan = await journal.rows(f"EXPLAIN QUERY PLAN {SQL['open_transfers']}", (TINH, 1, 2, 4))

    steps = [row[3] for row in plan]
    assert [step for step in steps if step.startswith("SCAN")] == [
        "SCAN ahead",
        "SCAN past",
        "SCAN far",
        "SCAN h",
    ]
    searched = [step for step in steps if "INDEX transfers_" in step]
    assert all("not_before" in step or "lane>" in step for step in searched)
    assert len(searched) == 3


async def test_receipts_count_from_the_neighbour_the_delivery_went_to(
    journal: SqliteJournal, make: Any
) -> None:
    """From any other, and for what is served here, they are noted and change nothing."""
    admission = make.admission()
    await journal.admit(admission)
    signed, receipt = make.receipt(
        admission.message.message_id,
        CONTENT,
        Evidence(Event.RELAY_REJECTION, AgencyCode("G01"), None, Reason.POLICY, "no"),
        issuer=OTHER,
    )

    assert await journal.record_receipts(OTHER, [(signed, receipt)], make.at) == set()

    assert await _states(journal) == ["queued"]
    assert await journal.receipt(signed.digest) is None
    assert (await _events(journal))[-1] == "late-receipt"
    await journal.record_receipts(TINH, [(signed, receipt)], make.at)
    assert await _states(journal) == ["refused"]


async def test_nobody_refuses_what_is_served_here(journal: SqliteJournal, make: Any) -> None:
    """A neighbour's rejection of a delivery that stands in this node's own inbox is not its to make."""
    admission = make.admission(next_hop=None, state=DeliveryState.AVAILABLE)
    await journal.admit(admission)
    pair = make.receipt(
        admission.message.message_id,
        CONTENT,
        Evidence(Event.RELAY_REJECTION, AgencyCode("G01"), None, Reason.POLICY, "no"),
        issuer=TINH,
    )

    await journal.record_receipts(TINH, [pair], make.at)

    assert await _states(journal) == ["available"]


async def test_a_delivery_is_given_up_once(journal: SqliteJournal, make: Any) -> None:
    """Whoever comes second finds that it waits no longer; a closed transfer is never sent again."""
    transfer = await _frozen(journal, make)
    await journal.postpone(transfer, in_doubt=True, error="x", not_before=make.at, at=make.at)
    message = await _message(journal, transfer)
    (waiting,) = await journal.overdue(make.at + timedelta(days=15), 10)
    evidence = Evidence(
        Event.RELAY_FAILURE, AgencyCode("G01"), waiting.previous, Reason.OUTCOME_UNKNOWN, "late"
    )
    signed, receipt = make.receipt(message, CONTENT, evidence)

    await journal.give_up(waiting, signed, receipt, make.at)
    with pytest.raises(IllegalStepError):
        await journal.give_up(waiting, signed, receipt, make.at)

    assert await _states(journal) == ["expired"]
    assert await _open(journal, make) == []
    assert await journal.overdue(make.at + timedelta(days=15), 10) == []


async def test_what_waits_is_never_forgotten_whatever_happens_in_which_order(
    journal: SqliteJournal, make: Any
) -> None:
    """Three hundred random steps: each delivery that is not at an end is queued for a transfer or in
    one that is still open, so something will be done about it."""
    dice = random.Random(20261123)
    transfers: list[TransferId] = []
    for step in range(300):
        match dice.randrange(6):
            case 0:
                key = f"k{step}"
                transfers.append(
                    await _frozen(journal, make, "G01", "G02", key=key, content=CONTENT)
                )
            case 1 | 2 if transfers:
                transfer = dice.choice(transfers)
                with contextlib.suppress(IllegalStepError):  # it is closed
                    await journal.resend(transfer, make.at)
                await journal.postpone(
                    transfer,
                    in_doubt=dice.random() < 0.5,
                    error="x",
                    not_before=make.at,
                    at=make.at,
                )
            case 3 if transfers:
                transfer = dice.choice(transfers)
                signed, receipt = _answer(make, await _message(journal, transfer), "G01", "G02")
                await journal.settle(transfer, signed, receipt, make.at)
            case 4:
                await journal.recover(make.at)
            case 5 if transfers:
                message = await _message(journal, dice.choice(transfers))
                pair = _answer(make, message, dice.choice(["G01", "G02"]))
                await journal.record_receipts(TINH, [pair], make.at)

    stuck = await journal.rows(
        "SELECT d.state, t.open FROM deliveries d LEFT JOIN transfers t USING (transfer_id)"
        " WHERE d.state IN ('queued', 'in-flight', 'in-doubt') AND t.open = 0"
    )
    assert stuck == []
    assert len(transfers) > 20


async def test_a_transfer_is_asked_about_until_it_is_answered(
    journal: SqliteJournal, make: Any
) -> None:
    """Receipts may overtake its answer, but that answer is evidence the origin still has to get."""
    transfer = await _frozen(journal, make, "G01", "G02")
    message = await _message(journal, transfer)

    await journal.record_receipts(TINH, [_answer(make, message, "G01")], make.at)
    assert len(await _open(journal, make)) == 1
    await journal.record_receipts(TINH, [_answer(make, message, "G02")], make.at)

    assert len(await _open(journal, make)) == 1
    signed, receipt = _answer(make, message, "G01", "G02")
    await journal.settle(transfer, signed, receipt, make.at)
    assert await _open(journal, make) == []
    assert await _states(journal) == ["relayed", "relayed"]


async def test_a_thousand_receipts_at_once_are_each_kept_once(
    journal: SqliteJournal, make: Any
) -> None:
    """The same receipt by many requests together is one receipt and one entry."""
    admission = make.admission()
    await journal.admit(admission)
    pair = _answer(make, admission.message.message_id, "G01")

    await asyncio.gather(*(journal.record_receipts(TINH, [pair], make.at) for _ in range(1000)))

    assert (await _events(journal)).count("receipt-received") == 1


# ---------------------------------------------------------------- statuses


def _report(make: Any, key: str, **names: str) -> Any:
    """A status from the ministry about a document of ours, as it comes in before that document."""
    from dataclasses import replace

    admission = make.admission(
        content=f"<status {key}/>".encode(),
        recipients=("H01.1",),
        next_hop=None,
        state=DeliveryState.AVAILABLE,
        key=key,
    )
    report = Report(
        status_code="01",
        organ_id="H01.1",
        document_id=names.get("document_id", ""),
        notation=names.get("notation", ""),
        promulgation_date="2026/11/23",
        description="",
        reported_at="",
    )
    message = replace(
        admission.message,
        message_type=MessageType.STATUS,
        sender=AgencyCode(names.get("sender", "G01")),
        report=report,
        document_id="",
        notation="",
    )
    return replace(admission, message=message)


@pytest.mark.parametrize(
    ("names", "matched"),
    [
        ({"document_id": "D1"}, True),
        ({"notation": "1/CV"}, True),
        ({"document_id": "D1", "notation": "1/CV"}, True),
        ({"document_id": "D2"}, False),
        ({"notation": "2/CV"}, False),
        ({}, False),
        ({"document_id": "D1", "sender": "G77"}, False),
    ],
)
async def test_an_early_status_meets_its_document(
    journal: SqliteJournal, make: Any, names: dict[str, str], matched: bool
) -> None:
    """By id, or by number and date, and only between the same two agencies; with an entry for it."""
    await journal.admit(_report(make, "status", **names))

    await journal.admit(make.admission(recipients=("G01",), key="document"))

    rows = await journal.rows("SELECT matched_row IS NOT NULL FROM reports")
    assert rows == [(int(matched),)]
    assert (await _events(journal)).count("status-matched") == int(matched)

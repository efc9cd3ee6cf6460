"""Retention beside restored neighbours and late recipients: what goes out once more keeps its bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.delivery.clock import Clock
from relay.delivery.records import Admitted, Freeze, NewDelivery, TakeIn
from relay.delivery.recovery.ports import Readmission, Reminder
from relay.errors import GoneError
from relay.journal import epochs
from relay.journal.ahead import AheadFiles
from relay.journal.recovering import RecoveryTable
from relay.journal.reminding import ReminderTable
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
    NodeId,
    Signed,
    TransferHeader,
    TransferId,
    digest_of,
)

S = DeliveryState
NODE, UP, DOWN = NodeId("xa-a"), NodeId("tinh"), NodeId("thon")
CONTENT = b"<edXML/>"
DAYS = timedelta(days=1)
POLICY = RetentionPolicy(90 * DAYS, 30 * DAYS, None, None, 730 * DAYS)


class Kept:
    """A journal, its sweep, and a clock that a test moves on."""

    def __init__(self, journal: SqliteJournal, folder: Path, make: Any) -> None:
        self.journal, self.make = journal, make
        self.now: datetime = make.at
        self.sweeper = Sweeper(
            NODE,
            journal,
            AheadFiles(folder / "ahead", 1 << 20, lambda: self.now.timestamp()),  # noqa: PLW0108  it moves
            POLICY,
            Clock(wall=lambda: self.now),
            orphans=DAYS,
            uploads=DAYS,
            every=timedelta(hours=1),
            grace=timedelta(),
        )

    async def after(self, days: int) -> bool:
        """Whether the bytes are still here once so many more days are over."""
        self.now += days * DAYS
        await self.sweeper.sweep()
        try:
            await self.journal.payload(digest_of(CONTENT))
        except GoneError:
            return False
        return True

    async def admit(self, state: S, *recipients: str) -> int:
        """A message of the same bytes, handed in now; it ends (or waits) at once."""
        admission = self.make.admission(CONTENT, recipients or ("G01",), key=self.make.uuid())
        message = replace(admission.message, accepted_at=self.now)
        admitted = await self.journal.admit(replace(admission, message=message))
        assert isinstance(admitted, Admitted)
        await self.end(admitted.message_row, state)
        return admitted.message_row

    async def end(self, row: int, state: S) -> None:
        await self.journal.perform(
            lambda tx: tx.run(
                "UPDATE deliveries SET state = ?, updated_at = ? WHERE message_row = ?",
                state,
                ms(self.now),
                row,
            )
        )

    async def answered(self) -> tuple[int, TransferId]:
        """A message that the neighbour took over, acknowledged at its end."""
        row = await self.admit(S.QUEUED)
        (ready,) = await self.journal.ready(UP, Lane.NORMAL, 9999)
        transfer = TransferId(self.make.uuid())
        header = Signed(b"<Transfer/>", b"<signature/>")
        await self.journal.freeze([Freeze(transfer, UP, ready, header, self.now)])
        await self.answer(transfer)
        await self.end(row, S.HANDED_OVER)
        return row, transfer

    async def answer(self, transfer: TransferId) -> None:
        ((message,),) = await self.journal.rows(
            "SELECT message_id FROM transfers JOIN messages USING (message_row)"
            " WHERE transfer_id = ?",
            (transfer,),
        )
        evidence = Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("G01"))
        signed, receipt = self.make.receipt(message, CONTENT, evidence, issuer=UP, at=self.now)
        await self.journal.settle(transfer, signed, receipt, self.now)

    async def remind(self) -> Reminder:
        """The neighbour was restored, and asks for what it had."""
        return await ReminderTable(self.journal, NODE).remind(UP, self.make.at, None, self.now)

    async def open(self) -> int:
        rows = await self.journal.rows("SELECT count(*) FROM transfers WHERE open = 1")
        return int(rows[0][0])

    async def take_in(self, *recipients: str, origin: NodeId = UP, message: Any = None) -> Any:
        """A transfer of the neighbour's; of a `message` that is here, to more recipients."""
        make = self.make
        if message is None:
            message = replace(
                make.admission(CONTENT).message,
                origin=origin,
                accepted_at=self.now,
                expires_at=self.now + 14 * DAYS,
                submitted_by=None,
            )
        codes = tuple(AgencyCode(code) for code in recipients)
        transfer = TransferId(make.uuid())
        header = TransferHeader(
            transfer, message.message_id, origin, UP, NODE, message.message_type, message.sender,
            codes, message.priority, message.payload.digest, message.payload.size_bytes,
            self.now, message.expires_at, (),
        )  # fmt: skip
        evidence = [Evidence(Event.RELAY_ACCEPTANCE, code) for code in codes]
        answer, _ = make.receipt(message.message_id, CONTENT, *evidence, at=self.now)
        answer = Signed(answer.document + transfer.encode(), answer.signature)
        taken = TakeIn(
            neighbour=UP,
            header=header,
            signed_header=Signed(transfer.encode(), b"<signature/>"),
            message=message,
            deliveries=tuple(
                NewDelivery(DeliveryId(make.uuid()), code, code, S.AVAILABLE, Lane.NORMAL, None)
                for code in codes
            ),
            known=frozenset(),
            trace=(),
            answer=answer,
            at=self.now,
            refused={},
        )
        return message, await self.journal.take_in(taken)


@pytest.fixture
def kept(journal: SqliteJournal, tmp_path: Path, make: Any) -> Kept:
    return Kept(journal, tmp_path, make)


# ---------------------------------------------------------------- transfers that are opened again


async def test_what_is_to_be_repeated_keeps_bytes_that_only_others_kept(kept: Kept) -> None:
    """Retention was done with the message; the bytes are here for another's sake, which then ends."""
    await kept.answered()
    other = await kept.admit(S.AVAILABLE, "G02")
    assert await kept.after(100)
    kept.sweeper.reopened = 1000 * DAYS

    assert (await kept.remind()).transfers == 1
    await kept.end(other, S.HANDED_OVER)

    assert await kept.after(100)
    assert await kept.open() == 1


async def test_once_answered_again_it_keeps_nothing(kept: Kept) -> None:
    """Neither the message nor its bytes stay for the sake of a repeat that is over."""
    _, transfer = await kept.answered()
    other = await kept.admit(S.AVAILABLE, "G02")
    assert await kept.after(100)
    await kept.remind()
    await kept.answer(transfer)
    await kept.end(other, S.HANDED_OVER)

    assert await kept.after(89)
    assert not await kept.after(1)


async def test_what_brought_the_bytes_anew_keeps_them_though_an_older_one_is_done(
    kept: Kept,
) -> None:
    """They had left; a message yet to be passed brought them again, and then an older one of the same
    bytes was needed for a repeat. Its end is not theirs."""
    _, transfer = await kept.answered()
    assert not await kept.after(100)
    await kept.admit(S.AVAILABLE, "G02")

    assert (await kept.remind()).transfers == 1
    await kept.answer(transfer)

    assert await kept.after(10)
    assert await kept.after(1000)


async def test_a_neighbour_that_never_answers_again_is_given_up_in_time(kept: Kept) -> None:
    """What was opened for it is closed by policy: the first answer stands, and nothing is kept for ever."""
    await kept.answered()
    kept.now += 80 * DAYS
    await kept.remind()
    assert await kept.open() == 1
    assert await kept.after(13)
    assert await kept.open() == 1

    assert not await kept.after(1)

    assert await kept.open() == 0
    swept = [parse(e.leaf) for e in await kept.journal.entries(0, 999)]
    assert [e["reopened"] for e in swept if e["event"] == "retention-swept"] == [1]
    assert await kept.journal.rows("SELECT * FROM reopened") == []


async def test_a_neighbour_that_asks_again_has_its_time_anew(kept: Kept) -> None:
    """Restored twice, or only slow: its second question opens what was closed."""
    await kept.answered()
    await kept.remind()
    assert await kept.after(14)
    assert await kept.open() == 0

    assert (await kept.remind()).transfers == 1

    assert await kept.after(13)
    assert await kept.open() == 1


# ---------------------------------------------------------------- more recipients, and readmission


async def test_a_later_recipient_brings_bytes_that_had_left(kept: Kept) -> None:
    """Of a message that retention has passed; they stay until that recipient has them, too."""
    message, first = await kept.take_in("H01.1")
    await kept.end(first.message_row, S.HANDED_OVER)
    assert not await kept.after(100)

    _, second = await kept.take_in("H01.2", message=message)
    assert second.message_row == first.message_row
    assert await kept.after(1000)

    await kept.end(first.message_row, S.HANDED_OVER)
    assert await kept.after(89)
    assert not await kept.after(1)


async def test_bytes_that_a_later_recipient_brought_do_not_leave_with_another(kept: Kept) -> None:
    """A message that came after it, and only shared them, is done with them first."""
    message, first = await kept.take_in("H01.1")
    await kept.end(first.message_row, S.HANDED_OVER)
    assert not await kept.after(100)

    await kept.take_in("H01.2", message=message)
    await kept.admit(S.REFUSED, "G02")

    assert await kept.after(31)
    assert await kept.after(1000)


async def test_a_later_recipient_keeps_bytes_that_another_message_kept(kept: Kept) -> None:
    """They were still here, but not for this message's sake."""
    message, first = await kept.take_in("H01.1")
    await kept.end(first.message_row, S.HANDED_OVER)
    other = await kept.admit(S.AVAILABLE, "G02")
    assert await kept.after(100)

    await kept.take_in("H01.2", message=message)
    await kept.end(other, S.HANDED_OVER)

    assert await kept.after(1000)


async def test_a_later_recipient_does_not_take_away_what_a_newer_message_brought(
    kept: Kept,
) -> None:
    """When it is done, the newer one still has its bytes."""
    message, first = await kept.take_in("H01.1")
    await kept.end(first.message_row, S.HANDED_OVER)
    assert not await kept.after(100)
    await kept.admit(S.AVAILABLE, "G02")

    await kept.take_in("H01.2", message=message)
    await kept.end(first.message_row, S.HANDED_OVER)

    assert await kept.after(91)
    assert await kept.after(1000)


async def test_recipients_that_come_back_after_a_restore_have_their_bytes(kept: Kept) -> None:
    """The message was here, done with, and retention had passed it; what a neighbour gave back of it
    adds a recipient."""
    await kept.journal.perform(lambda tx: epochs.mark_restored(tx.connection, kept.now))
    table = RecoveryTable(kept.journal, NODE)
    await table.prepare([UP], kept.now)
    first = kept.make.admission(CONTENT, ("G01",))
    admitted = await kept.journal.admit(first)
    assert isinstance(admitted, Admitted)
    await kept.end(admitted.message_row, S.HANDED_OVER)
    assert not await kept.after(100)
    transfer = TransferId(kept.make.uuid())
    await table.step(UP, "asking", kept.now)  # type: ignore[arg-type]
    await table.reminded(UP, Reminder(0, 0, 0, (transfer,), None))
    more = kept.make.admission(CONTENT, ("G01", "G02"), key="k2")
    again = Readmission(replace(more, message=first.message), frozenset({AgencyCode("G02")}), None)

    assert await table.readmit(UP, transfer, again, kept.now) == [UP]

    assert await kept.after(1000)
    states = dict(await kept.journal.rows("SELECT recipient, state FROM deliveries"))
    assert states == {"G01": "handed-over", "G02": "queued"}

"""What a journal lists for a reconciliation: whole transfers in bounded pages, one agency's own, by indices."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.delivery.reconciling.ports import Exchanged, Kept, Side, Standing, Window
from relay.errors import JournalError
from relay.journal import exchanged, kept
from relay.journal.doubles import DoublesTable
from relay.journal.exchanged import ExchangeTable
from relay.journal.kept import KeptTable
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.model import (
    AgencyCode,
    MessageId,
    MessageType,
    NodeId,
    TransferId,
    delivery_id_of,
    digest_of,
    mint_uuid7,
)

NODE, UP, OTHER = NodeId("xa-a"), NodeId("tinh"), NodeId("tinh-b")
AT = datetime(2026, 11, 23, 4, tzinfo=UTC)
DAY = Window(AT, AT + timedelta(days=1))
ME, THEM = AgencyCode("H01.15"), AgencyCode("H01")
DOCUMENTS = frozenset({MessageType.DOCUMENT})


def uuid(at: datetime, number: int) -> str:
    return mint_uuid7(at, (number % 65_536).to_bytes(10, "big"))


async def put(
    journal: SqliteJournal,
    number: int,
    recipients: Sequence[str] = (THEM,),
    *,
    neighbour: str = UP,
    state: str = "relayed",
    kind: str = "edoc",
    sender: str = ME,
    content: bytes = b"",
    cursor: int | None = None,
    acknowledgement: str = "initial",
    reason: str | None = None,
) -> tuple[MessageId, TransferId]:
    """Rows as a message that was handed in and sent, or that came, leaves them."""
    at = AT + timedelta(minutes=number)
    message, transfer = MessageId(uuid(at, number)), TransferId(uuid(at, number + 1000))
    digest = digest_of(content or message.encode())

    def operation(tx: Any) -> None:
        row = tx.run(
            "INSERT INTO messages (origin, message_id, message_type, sender, sender_as, digest, size_bytes,"
            " priority, accepted_at, expires_at, subject, notation, document_id, promulgation_date,"
            " findings, submitted_by) VALUES (?, ?, ?, ?, ?, ?, 1, 0, ?, ?, '', ?, ?, '2026/11/23', '[]', 'so')",
            *(
                NODE,
                message,
                kind,
                sender,
                sender,
                digest,
                ms(at),
                ms(at),
                f"{number}/CV",
                f"d{number}",
            ),
        ).lastrowid
        tx.run(
            "INSERT INTO transfers VALUES (?, ?, ?, x'', x'', 0, 0, 1, 0, '', NULL, ?)",
            *(transfer, neighbour, row, ms(at)),
        )
        for place, code in enumerate(recipients):
            tx.run(
                "INSERT INTO deliveries (delivery_id, message_row, arrival_row, recipient, addressed_as, state,"
                " lane, transfer_id, expires_at, updated_at, available_at, inbox_cursor, acknowledgement, reason)"
                " VALUES (?, ?, 0, ?, ?, ?, 0, ?, 0, ?, ?, ?, ?, ?)",
                *(delivery_id_of(NODE, message, AgencyCode(code)), row, code, code, state),
                *(transfer if cursor is None else None, ms(at), ms(at)),
                *(None if cursor is None else cursor + place, acknowledgement, reason),
            )  # fmt: skip

    await journal.perform(operation)
    return message, transfer


async def pages(table: ExchangeTable, window: Window = DAY) -> list[tuple[Exchanged, ...]]:
    found = []
    while True:
        page = await table.listing(UP, Side.SENT, window)
        found.append(page.transfers)
        if page.cursor is None:
            return found
        assert window.after is None or page.cursor > window.after
        window = replace(window, after=page.cursor)


async def test_a_transfer_is_never_cut_however_small_the_pages(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = ExchangeTable(journal, NODE)
    for number in range(7):
        await put(journal, number, [f"H{one}" for one in range(10, 13)])
    await put(journal, 9, neighbour=OTHER)
    (whole,) = await pages(table)
    assert [len(one.recipients) for one in whole] == [3] * 7
    for name, value in (
        ("ROWS", 4),
        ("RECIPIENTS", 1),
        ("TRANSFERS_AT_A_TIME", 2),
        ("SENT_LOOK", 1),
    ):
        monkeypatch.setattr(exchanged, name, value)
        several = await pages(table)
        assert tuple(one for page in several for one in page) == whole
        assert len(several) > 1 or name == "ROWS"


async def test_a_period_is_that_of_the_transfers_ids(journal: SqliteJournal) -> None:
    """From since on and before until, whatever any clock said of anything else."""
    _, transfer = await put(journal, 5)
    table = ExchangeTable(journal, NODE)
    at = AT + timedelta(minutes=5)
    one = timedelta(milliseconds=1)
    assert await pages(table, Window(at, at + one)) != [()]
    assert await pages(table, Window(at - one, at)) == [()]
    assert await pages(table, Window(at + one, at + timedelta(days=1))) == [()]
    last = await table.listing(UP, Side.SENT, replace(DAY, last=transfer))
    assert len(last.transfers) == 1


async def test_what_was_sent_to_a_neighbour_is_known_by_its_delivery(
    journal: SqliteJournal,
) -> None:
    table = ExchangeTable(journal, NODE)
    (first, _), (second, _) = await put(journal, 1), await put(journal, 2, neighbour=OTHER)
    ids = [delivery_id_of(NODE, one, THEM) for one in (first, second)]
    assert await table.sent_to(UP, ids) == {ids[0]}
    assert await table.sent_to(UP, []) == frozenset()


@pytest.mark.parametrize(
    ("state", "reason", "sent", "received"),
    [
        ("in-doubt", None, Standing.UNDER_WAY, Standing.TAKEN),
        ("held", None, Standing.UNDER_WAY, Standing.TAKEN),
        ("relayed", None, Standing.TAKEN, Standing.TAKEN),
        ("fetched", None, Standing.AVAILABLE, Standing.AVAILABLE),
        ("expired", "expired", Standing.EXPIRED, Standing.EXPIRED),
        ("expired", "outcome-unknown", Standing.UNKNOWN, Standing.UNKNOWN),
    ],
)
def test_a_state_is_told_as_the_other_end_may_know_it(
    state: str, reason: str | None, sent: Standing, received: Standing
) -> None:
    assert exchanged.standing(Side.SENT, state, reason) is sent
    assert exchanged.standing(Side.RECEIVED, state, reason) is received


async def test_the_same_bytes_to_the_same_recipient_are_met_twice(journal: SqliteJournal) -> None:
    """A delivery that both sides tell of is one; one that failed is none."""
    table, doubles = ExchangeTable(journal, NODE), DoublesTable()
    first, _ = await put(journal, 1, content=b"x")
    again, _ = await put(journal, 2, content=b"x")
    await put(journal, 3, content=b"x", state="refused")
    await put(journal, 4, ("H02",), content=b"x")
    (listed,) = await pages(table)
    for _ in range(2):
        doubles.add(Side.SENT, listed)
    (twice,) = doubles.found()
    assert (twice.message_id, twice.first, twice.recipient) == (again, first, THEM)
    doubles.close()


async def test_a_full_temporary_folder_is_our_own_disk(journal: SqliteJournal) -> None:
    await put(journal, 1)
    (listed,) = await pages(ExchangeTable(journal, NODE))
    doubles = DoublesTable()
    doubles._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(JournalError):
        doubles.add(Side.SENT, [replace(one, sender=AgencyCode("H" * 9000)) for one in listed])
    doubles.close()


# ---------------------------------------------------------------- what is kept for an agency


async def all_kept(journal: SqliteJournal, agency: AgencyCode = ME, most: int = 100) -> list[Kept]:
    return await KeptTable(journal, NODE).kept([agency], DAY.since, DAY.until, DOCUMENTS, most)


async def test_an_agency_is_told_its_own_of_the_period_and_kind(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the smallest slices, and a message to several is never cut."""
    sent, _ = await put(journal, 1, ("H01", "H02", "H03"))
    await put(journal, 2, ("H01", "H02"))
    await put(journal, 3, kind="status")
    await put(journal, 4, sender="H09")
    await put(journal, -1)
    await put(journal, 24 * 60)
    waits, _ = await put(journal, 5, (ME,), sender=THEM, state="available", cursor=1)
    done, _ = await put(
        journal, 6, (ME,), sender=THEM, state="handed-over", cursor=2, acknowledgement="done"
    )
    await put(journal, 7, (ME,), sender=THEM, state="taken-back", cursor=3)
    found = await all_kept(journal)
    assert [one.message_id for one in found][:3] == [sent] * 3
    assert {one.message_id for one in found if one.side is Side.RECEIVED} == {waits, done}
    assert (len(found), {one.agency for one in found[5:]}) == (7, {THEM})
    for name, value in (("ROWS", 4), ("SENT_AT_A_TIME", 1), ("ROWS_AT_A_TIME", 1)):
        monkeypatch.setattr(kept, name, value)
        assert sorted(map(str, await all_kept(journal))) == sorted(map(str, found))
    assert len(await all_kept(journal, most=2)) > 2
    assert await all_kept(journal, AgencyCode("H77")) == []


async def test_ids_outside_the_period_are_found_for_whose_they_are(journal: SqliteJournal) -> None:
    sent, _ = await put(journal, -60)
    got, _ = await put(journal, -50, (ME,), sender=THEM, state="handed-over", cursor=1)
    delivery = delivery_id_of(NODE, got, ME)
    table = KeptTable(journal, NODE)
    ids = [sent, got, delivery, "none"]
    found = await table.elsewhere([ME], ids)
    assert {key for key in found.kept if not key.endswith(" ")} == {
        f"sent {sent}",
        f"received {got}",
        f"received {delivery}",
    }
    assert (await table.elsewhere([AgencyCode("H77")], ids)).kept == {}


async def test_what_left_for_the_archive_is_told_to_whom_it_may_have_it(
    journal: SqliteJournal,
) -> None:
    gone = MessageId(uuid(AT, 7))

    def archive(tx: Any) -> None:
        readers = json.dumps([ME])
        tx.run(
            "INSERT INTO archived VALUES (?, 'xa-a', 1, 1, 0, 1, '', ?, '', 1, 1)", gone, readers
        )

    table = KeptTable(journal, NODE)
    assert (await table.elsewhere([ME], [gone])).archived == frozenset()
    await journal.perform(archive)
    assert (await table.elsewhere([ME], [gone])).archived == {gone}
    assert (await table.elsewhere([THEM], [gone])).archived == frozenset()


async def test_every_statement_goes_along_an_index(journal: SqliteJournal) -> None:
    """None walks a table: what is compared is a period of a journal of years."""
    asked = {
        **dict.fromkeys(("after", "before", "last", "neighbour", "agency", "kind"), "x"),
        **dict.fromkeys(("most", "at", "row", "until", "messages"), 1),
        **dict.fromkeys(("ids", "pairs", "digests"), "[]"),
    }
    for name, statement in load("reconcile").items():
        if name in {"scratch", "met", "twice"}:
            continue
        named = {one: asked[one] for one in re.findall(r":(\w+)", statement)}
        plan = await journal.rows(f"EXPLAIN QUERY PLAN {statement}", named)
        walks = {row[3] for row in plan if row[3].startswith("SCAN") and "VIRTUAL" not in row[3]}
        assert walks <= {"SCAN w"}, name  # what another step of the statement found

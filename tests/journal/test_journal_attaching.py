"""Proofs that follow receipts stand in the journal: each once, with what is to go where, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.audit.entries import AuditEvent, entry, parse
from relay.delivery.attaching.ports import Arrived, Stretch
from relay.errors import ConflictError
from relay.journal import attaching, carrying
from relay.journal.attaching import AttachTable
from relay.journal.reminding import ReminderTable
from relay.journal.store import SqliteJournal
from relay.model import AgencyCode, Digest, Event, Evidence, NodeId
from relay.wire.passage import Passage, Wait, WaitReason, passage_fields
from tests.journal.conftest import AT, NODE

FROM, OTHER = NodeId("huyen"), NodeId("ngoai")
LATER = AT + timedelta(hours=1)
LONG_AGO = AT - timedelta(days=1)


@pytest.fixture
def table(journal: SqliteJournal) -> AttachTable:
    return AttachTable(journal, NODE)


class Office:
    """Messages that came from the district, and receipts about them."""

    def __init__(self, journal: SqliteJournal, make: Any) -> None:
        self.journal, self.make, self.count = journal, make, 0

    async def came(self, code: str = "G01") -> Any:
        self.count += 1
        content = f"<edXML>{self.count}</edXML>".encode()
        admission = self.make.admission(content, (code,), key=f"k{self.count}")
        await self.journal.admit(admission)
        await self.journal.perform(
            lambda tx: tx.run(
                "UPDATE arrivals SET neighbour = ?, transfer_id = arrival_row WHERE neighbour IS NULL",
                FROM,
            )
        )
        return admission

    async def receipt(self, admission: Any, issuer: NodeId = NODE) -> tuple[Any, Any]:
        message = admission.message
        evidence = Evidence(Event.CONTENT_CONSIGNMENT, admission.deliveries[0].recipient)
        signed, receipt = self.make.receipt(
            message.message_id, message.payload.content, evidence, issuer=issuer
        )
        await self.journal.perform(
            lambda tx: carrying.apply_receipt(
                tx,
                NODE,
                tx.run("SELECT max(message_row) FROM messages").fetchone()[0],
                signed,
                receipt,
                AT,
                None if issuer == NODE else NodeId("tinh"),  # where it all went
            )
        )
        return signed, receipt

    async def handed_over(self) -> None:
        await self.journal.perform(lambda tx: tx.run("DELETE FROM returns"))

    async def size(self) -> int:
        return int((await self.journal.rows("SELECT count(*) FROM entries"))[0][0])

    async def entries(self, event: AuditEvent) -> list[dict[str, Any]]:
        leaves = await self.journal.rows("SELECT leaf FROM entries ORDER BY entry_index")
        return [one for one in (parse(leaf) for (leaf,) in leaves) if one["event"] == event]


@pytest.fixture
def office(journal: SqliteJournal, make: Any) -> Office:
    return Office(journal, make)


def _arrived(signed: Any, receipt: Any, *, cosigned: int = 1, proof: bytes = b"proof") -> Arrived:
    return Arrived(receipt, signed.digest, "truc-relay.example/log/tinh", 9, cosigned, proof)


async def test_a_receipt_of_this_nodes_is_queued_for_where_its_document_came_from(
    office: Office, table: AttachTable
) -> None:
    """Once its entry is under a head that somebody cosigned, and once."""
    signed, _ = await office.receipt(await office.came())
    await office.handed_over()
    size = await office.size()

    before = await table.gather(Stretch(0, size, size - 1), [FROM], AT, LONG_AGO)
    assert before == (size - 1, frozenset())
    assert await table.gather(Stretch(0, size, size), [FROM], AT, LONG_AGO) == (
        size,
        frozenset({FROM}),
    )
    assert await table.gather(Stretch(0, size, size), [FROM], AT, LONG_AGO) == (size, frozenset())

    (due,) = await table.due(FROM, AT, 10)
    assert (due.receipt, due.entry, due.proof) == (signed.digest, size - 1, None)
    assert await table.due(OTHER, AT, 10) == []
    await table.done([due.row])
    assert await table.due(FROM, AT, 10) == []


async def test_where_nobody_cosigns_it_is_queued_after_a_while(
    office: Office, table: AttachTable
) -> None:
    await office.receipt(await office.came())
    size = await office.size()
    assert (await table.gather(Stretch(0, size, 0), [FROM], AT, LONG_AGO))[1] == frozenset()
    assert await table.gather(Stretch(0, size, 0), [FROM], LATER, AT) == (size, frozenset({FROM}))


async def test_nothing_is_queued_for_a_neighbour_that_knows_nothing_of_proofs(
    office: Office, table: AttachTable
) -> None:
    await office.receipt(await office.came())
    size = await office.size()
    assert await table.gather(Stretch(0, size, size), [OTHER], AT, LONG_AGO) == (size, frozenset())


async def test_a_proof_does_not_go_ahead_of_its_receipt(office: Office, table: AttachTable) -> None:
    await office.receipt(await office.came())
    size = await office.size()
    await table.gather(Stretch(0, size, size), [FROM], AT, LONG_AGO)
    assert await table.due(FROM, AT, 10) == []
    await office.handed_over()
    (due,) = await table.due(FROM, AT, 10)
    await table.put_off([(due.row, LATER)])
    assert await table.due(FROM, AT, 10) == []
    assert (await table.whose(AT), await table.whose(LATER)) == ([], [FROM])
    ((again),) = await table.due(FROM, LATER, 10)
    assert again.attempts == 1


async def test_what_is_kept_is_queued_for_further_on_in_the_same_transaction(
    office: Office,
    table: AttachTable,
    journal: SqliteJournal,
    reopen: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If it fails between the two, neither is there; once it is answered as kept, both outlive the process."""
    found = await office.receipt(await office.came(), NodeId("tinh"))
    await office.handed_over()
    digest = found[0].digest
    assert await table.known({digest, Digest("0" * 64)}) == {digest: (found[0], "tinh")}

    keep = attaching._keep

    def failing(*anything: Any) -> Any:
        keep(*anything)
        raise ConflictError("too late")

    with monkeypatch.context() as patched:
        patched.setattr(attaching, "_keep", failing)
        with pytest.raises(ConflictError, match="too late"):
            await table.keep([_arrived(*found)], AT)
    assert await table.proof(found[0].digest) is None
    assert await table.due(FROM, AT, 10) == []

    assert await table.keep([_arrived(*found)], AT) == {FROM}
    await journal.close()
    again = await reopen()
    kept = AttachTable(again, NODE)
    assert await kept.proof(found[0].digest) == b"proof"
    (due,) = await kept.due(FROM, AT, 10)
    assert (due.receipt, due.entry, due.proof) == (found[0].digest, None, b"proof")
    await again.close()


async def test_the_first_proof_stays_until_one_comes_whose_head_somebody_cosigned(
    office: Office, table: AttachTable
) -> None:
    found = await office.receipt(await office.came(), NodeId("tinh"))
    await table.keep([_arrived(*found, cosigned=0, proof=b"alone")], AT)
    assert await table.keep([_arrived(*found, cosigned=0, proof=b"other")], AT) == frozenset()
    assert await table.proof(found[0].digest) == b"alone"
    assert await table.keep([_arrived(*found, proof=b"cosigned")], AT) == {FROM}
    assert await table.keep([_arrived(*found, proof=b"later")], AT) == frozenset()
    assert await table.proof(found[0].digest) == b"cosigned"


async def test_what_waits_too_long_or_is_too_much_is_dropped_and_an_entry_says_so(
    office: Office, table: AttachTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.journal.attaching._STEP", 2)
    for _ in range(5):
        await office.receipt(await office.came())
        size = await office.size()
        await table.gather(Stretch(0, size, size), [FROM], AT, LONG_AGO)
    assert await table.drop(AT, 5, AT) == []
    (dropped,) = await table.drop(LONG_AGO, 2, AT)
    assert (dropped.neighbour, dropped.count, dropped.reason) == (FROM, 3, "too-many")
    (dropped,) = await table.drop(LATER, 2, AT)
    assert (dropped.count, dropped.reason) == (2, "too-old")

    entries = await office.entries(AuditEvent.PROOFS_DROPPED)
    told = [(one["neighbour"], one["count"], one["reason"]) for one in entries]
    assert told == [(FROM, 3, "too-many"), (FROM, 2, "too-old")]


async def test_a_proof_that_was_refused_goes_no_more_and_an_entry_says_so(
    office: Office, table: AttachTable
) -> None:
    signed, _ = await office.receipt(await office.came())
    await office.handed_over()
    size = await office.size()
    await table.gather(Stretch(0, size, size), [FROM], AT, LONG_AGO)
    (due,) = await table.due(FROM, AT, 10)
    await table.refused(FROM, due, AT)
    assert await table.due(FROM, LATER, 10) == []
    (entry,) = await office.entries(AuditEvent.PEER_REFUSED)
    assert (entry["receipt"], entry["reason"]) == (signed.digest, "proof-refused")


async def test_a_restored_neighbour_is_sent_the_proofs_again_too(
    office: Office, table: AttachTable, journal: SqliteJournal
) -> None:
    """Its own receipts' entries are looked for when they go; what came from further on is there."""
    admission = await office.came()
    own, _ = await office.receipt(admission)
    came = await office.receipt(admission, NodeId("tinh"))
    bare, _ = await office.receipt(admission, NodeId("tinh2"))
    await table.keep([_arrived(*came)], AT)
    await table.done([one.row for one in await table.due(FROM, LATER, 10)])
    await journal.perform(lambda tx: tx.run("DELETE FROM attachments"))

    await ReminderTable(journal, NODE).remind(FROM, LONG_AGO, None, AT)
    await office.handed_over()

    due = {one.receipt: (one.entry, one.proof) for one in await table.due(FROM, AT, 10)}
    assert due[own.digest] == (None, None)
    assert due[came[0].digest] == (None, b"proof")
    assert bare.digest not in due


async def test_all_that_waits_for_a_neighbour_can_be_forgotten(
    office: Office, table: AttachTable, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.journal.attaching._STEP", 2)
    for _ in range(3):
        await office.receipt(await office.came())
    size = await office.size()
    await table.gather(Stretch(0, size, size), [FROM], AT, LONG_AGO)
    await table.forget(OTHER)
    assert len(await journal.rows("SELECT 1 FROM attachments")) == 3
    await table.forget(FROM)
    assert await journal.rows("SELECT 1 FROM attachments") == []


async def test_a_log_from_before_this_version_is_not_gone_through_again(
    office: Office, table: AttachTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a slice is bounded by what it reads: the mark stops where the reading did."""
    monkeypatch.setattr("relay.journal.attaching._LEAVES", 1)
    for _ in range(2):
        await office.receipt(await office.came())
    size = await office.size()
    first, queued = await table.gather(Stretch(0, size, size), [FROM], AT, LONG_AGO)
    assert first < size
    assert queued == {FROM}
    assert await table.gather(Stretch(0, size, size), [FROM], AT, LONG_AGO) == (
        size,
        frozenset({FROM}),
    )


def _passage(signed: Any, receipt: Any, minutes: int, *codes: str) -> Arrived:
    at = AT + timedelta(minutes=minutes)
    passage = Passage(
        at,
        NodeId("tinh"),
        receipt.message_id,
        receipt.origin,
        signed.digest,
        NODE,
        tuple(AgencyCode(code) for code in codes or ("G01",)),
        AT,
        "node",
        (),
        (Wait(WaitReason.HELD, AT, None),),
        0,
        None,
    )
    plain = _arrived(signed, receipt, proof=b"passage %d" % minutes)
    return replace(plain, passage=passage, leaf=b"leaf %d" % minutes)


async def test_of_the_same_recipients_the_newest_passage_stays_and_goes_further(
    office: Office, table: AttachTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the receipt's own proof; of more than a receipt may have, the oldest go, from the queue, too."""
    signed, receipt = await office.receipt(await office.came(), NodeId("tinh"))
    await office.handed_over()
    await table.keep([_arrived(signed, receipt)], AT)
    assert await table.keep([_passage(signed, receipt, 5)], AT) == frozenset({FROM})
    assert await table.keep([_passage(signed, receipt, 4)], AT) == frozenset()

    due = await table.due(FROM, AT, 10)
    assert [(one.proof, one.is_passage) for one in due] == [
        (b"proof", False),
        (b"passage 5", True),
    ]
    await table.keep([_passage(signed, receipt, 6)], AT)
    await table.done([one.row for one in due])  # the answer to what was under way meanwhile
    assert [one.proof for one in await table.due(FROM, AT, 10)] == [b"passage 6"]

    monkeypatch.setattr(attaching, "MOST_PASSAGES", 1)
    await table.keep([_passage(signed, receipt, 7, "G01", "G02")], AT)
    assert [one.proof for one in await table.due(FROM, AT, 10)] == [b"passage 7"]
    await table.forget_passages(FROM)
    assert await table.due(FROM, AT, 10) == []


async def test_a_later_passage_of_this_node_takes_the_place_of_one_that_waits(
    office: Office, table: AttachTable
) -> None:
    """For whom the document came from, and only there."""
    signed, receipt = await office.receipt(await office.came())
    await office.handed_over()
    told = _passage(signed, receipt, 1).passage
    assert told is not None
    fields = passage_fields(replace(told, came_from=FROM))
    for _ in range(2):
        await office.journal.perform(
            lambda tx: tx.record(entry(AuditEvent.PASSAGE, AT, NODE, **fields))
        )
        size = await office.size()
        await table.gather(Stretch(0, size, size), [FROM, OTHER], AT, LONG_AGO)
        due = [one for one in await table.due(FROM, AT, 10) if one.is_passage]
        assert [(one.receipt, one.entry, one.proof) for one in due] == [
            (signed.digest, size - 1, None)
        ]
    assert await table.due(OTHER, AT, 10) == []

"""Whoever may see a receipt may have the log entry it is proven by: what that tells beyond the receipt."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from relay.audit.checkpoint import note_body, origin_of, sign_note
from relay.audit.entries import AuditEvent, parse
from relay.audit.epochs import Epoch
from relay.audit.proof_file import read_proof
from relay.audit.verify import LogKey
from relay.delivery.records import Freeze, TakeIn
from relay.journal.proving import OF_RECEIPTS, Prover
from relay.journal.store import DATABASE, SqliteJournal
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    Lane,
    NodeId,
    Reason,
    Receipt,
    Signed,
    TransferHeader,
    TransferId,
)
from relay.wire.receipt import read_receipt, write_receipt
from tests.journal.conftest import AT, NODE, Make

TINH, UP = NodeId("tinh"), NodeId("uplink")
OF_EVERY_ENTRY = {"v", "at", "event", "node"}
OF_THE_DOCUMENT = {"sender", "kind", "seal", "renews"}
"""Every party has it in the document itself."""


def _sign(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = origin_of(NODE)
    return sign_note(note_body(name, size, root), name, bytes(32), lambda _: bytes(64))


def _prover(folder: Path) -> Prover:
    return Prover(folder, NODE, LogKey(origin_of(NODE), bytes(32), lambda *_: None), tuple)


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(folder, NODE, _sign, on_fatal=lambda _: None)
    try:
        yield journal
    finally:
        await journal.close()


async def _sent_and_taken(journal: SqliteJournal, make: Make) -> None:
    """Two recipients through one hop, and a transfer taken for one of two; each with its receipts."""
    admission = make.admission(recipients=("G01", "G02"))
    await journal.admit(admission)
    transfer = TransferId(make.uuid())
    ready = (await journal.ready(TINH, Lane.NORMAL, 100))[-1]
    header = Signed(b"<Transfer/>", b"<signature/>")
    await journal.freeze([Freeze(transfer, TINH, ready, header, AT)])
    content, message = b"<edXML/>", admission.message.message_id
    codes = [Evidence(Event.RELAY_ACCEPTANCE, AgencyCode(code)) for code in ("G01", "G02")]
    await journal.settle(transfer, *make.receipt(message, content, *codes, issuer=TINH), AT)
    await journal.take_in(_arrival(make))


def _arrival(make: Make) -> TakeIn:
    admission = make.admission(recipients=("H01.1", "H01.2"), next_hop=None, key="k2")
    message, codes = admission.message, (AgencyCode("H01.1"), AgencyCode("H01.2"))
    transfer = TransferId(make.uuid())
    header = TransferHeader(
        transfer_id=transfer,
        message_id=message.message_id,
        origin=UP,
        sent_by=UP,
        sent_to=NODE,
        message_type=message.message_type,
        sender=message.sender,
        recipients=codes,
        priority=message.priority,
        digest=message.payload.digest,
        size_bytes=message.payload.size_bytes,
        created_at=AT,
        expires_at=message.expires_at,
        trace=(),
    )
    evidence = (
        Evidence(Event.RELAY_ACCEPTANCE, codes[0]),
        Evidence(Event.RELAY_REJECTION, codes[1], None, Reason.POLICY, "no"),
    )
    receipt = Receipt(
        NODE,
        UP,
        message.message_id,
        header.digest,
        header.size_bytes,
        transfer,
        UP,
        AT,
        evidence,
    )
    return TakeIn(
        UP,
        header,
        Signed(b"<Transfer/>", b"<signature/>"),
        replace(message, origin=UP),
        admission.deliveries[:1],
        frozenset(),
        (),
        Signed(write_receipt(receipt), b"<signature/>"),
        AT,
        {codes[1]: Reason.POLICY},
    )


def _beyond(leaf: dict[str, Any], receipt: Receipt) -> set[str]:
    """The fields of a leaf that tell what the receipt does not."""
    evidence = receipt.evidence
    said: dict[str, set[Any]] = {
        "message": {receipt.message_id},
        "issuer": {receipt.issuer},
        "origin": {receipt.origin},
        "neighbour": {receipt.issuer, receipt.sent_by},
        "digest": {receipt.digest},
        "size": {receipt.size_bytes},
        "reason": {one.reason.value for one in evidence if one.reason},
        "type": {one.event.value for one in evidence},
        "receipt": {leaf["receipt"]},
    }
    beyond = {name for name, value in leaf.items() if value not in list(said.get(name, ()))}
    told = {one.recipient for one in evidence}
    return beyond - ({"recipients"} if set(leaf.get("recipients", ())) <= told else set())


async def test_an_entry_that_tells_of_a_receipt_names_no_recipient_that_the_receipt_does_not(
    tmp_path: Path, make: Make
) -> None:
    """Nor anything else that a party of the document does not have in it, but for the hop's id."""
    async with _opened(tmp_path) as journal:
        await _sent_and_taken(journal, make)
        rows = await journal.rows("SELECT digest, document, signature FROM receipts")
        leaves = [parse(one.leaf) for one in await journal.entries(0, 100)]
    receipts = {digest: read_receipt(document) for digest, document, _ in rows}

    seen = set()
    for leaf in leaves:
        if leaf["event"] in OF_RECEIPTS:
            seen.add(leaf["event"])
            beyond = _beyond(leaf, receipts[leaf["receipt"]])
            assert beyond - OF_EVERY_ENTRY - OF_THE_DOCUMENT <= {"transfer"}, leaf
    assert seen == {
        "message-accepted",
        "transfer-answered",
        "receipt-received",
        "transfer-received",
        "transfer-refused",
    }
    for digest, document, signature in rows:
        proof = read_proof(_prover(tmp_path).receipt(Signed(document, signature)))
        assert parse(proof.leaf)["receipt"] == digest


async def test_what_a_neighbour_said_of_a_receipt_is_not_shown_to_whoever_may_see_it(
    tmp_path: Path, make: Make
) -> None:
    """Such an entry may come first where the receipt's own is far: the proof is of the receipt's own."""
    signed = make.admission().receipt
    named = {"receipt": signed.digest}
    later = AT + timedelta(seconds=1)
    async with _opened(tmp_path) as journal:
        await journal.note(AuditEvent.PEER_REFUSED, AT, {**named, "neighbour": TINH, "reason": "x"})
        await journal.note(AuditEvent.RECEIPT_ISSUED, later, {**named, "issuer": NODE})
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        connection.execute(
            "INSERT INTO receipts (digest, issuer, document, signature, stored_at) VALUES (?, ?, ?, ?, ?)",
            (signed.digest, NODE, signed.document, signed.signature, int(AT.timestamp()) * 1000),
        )

    leaf = parse(read_proof(_prover(tmp_path).receipt(signed)).leaf)
    assert leaf["event"] == "receipt-issued"

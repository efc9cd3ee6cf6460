"""The benchmark's backlog: what is measured against must be what so many submissions would have left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench import queued
from relay.delivery.records import Admission, NewDelivery, NewMessage
from relay.journal.store import DATABASE, SqliteJournal
from relay.model import (
    AgencyCode,
    DeliveryState,
    Lane,
    MessageId,
    MessageType,
    NodeId,
    Payload,
    Priority,
    Seal,
    SealKind,
    Signed,
    TraceStep,
    delivery_id_of,
    digest_of,
    mint_uuid7,
)

NODE, UP = NodeId("tinh"), NodeId("trung-uong")
AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)
CONTENT = b"<edXML/>"
SEAL = b"<seal/>" * 100


def _admission(number: int) -> Admission:
    message_id = MessageId(mint_uuid7(AT, number.to_bytes(10, "big")))
    receipt = Signed(f"<receipt>{number}</receipt>".encode(), b"<signature/>")
    message = NewMessage(
        message_id=message_id,
        origin=NODE,
        message_type=MessageType.DOCUMENT,
        sender=AgencyCode("H01"),
        sender_as="H01",
        payload=Payload(digest_of(CONTENT), len(CONTENT), CONTENT, None),
        priority=Priority.NORMAL,
        accepted_at=AT,
        expires_at=AT + timedelta(days=14),
        subject="V/v thử nghiệm",
        notation="1/CV",
        document_id="D1",
        promulgation_date="2026/11/23",
        findings=(),
        submitted_by="token:mau",
        seal=Seal(SealKind.AGENCY, SEAL),
        report=None,
    )
    code = AgencyCode("G22")
    delivery = NewDelivery(
        delivery_id_of(NODE, message_id, code), code, code, DeliveryState.QUEUED, Lane.NORMAL, UP
    )
    trace = (TraceStep(NODE, AT, receipt.digest),)
    return Admission(message, (delivery,), receipt, trace, f"key {number}", None, None)


async def _journal(folder: Path) -> SqliteJournal:
    def ended(error: BaseException) -> None:
        raise error

    return await SqliteJournal.open(folder, NODE, lambda *_: b"head", on_fatal=ended)


async def _with_patterns(folder: Path, count: int) -> None:
    journal = await _journal(folder)
    for number in range(count):
        await journal.admit(_admission(number))
    await journal.close()


def _fill(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch, *, real_seals: bool) -> None:
    monkeypatch.setattr(queued, "AT_ONCE", 7)
    assert list(queued.fill(folder, count, real_seals=real_seals))[-1] == count


@pytest.mark.parametrize("real_seals", [True, False])
async def test_a_backlog_is_read_as_if_it_had_been_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_seals: bool
) -> None:
    """The journal finds every copy ready to be carried, each another message, oldest first."""
    await _with_patterns(tmp_path, 1)
    _fill(tmp_path, 30, monkeypatch, real_seals=real_seals)

    journal = await _journal(tmp_path)
    ready = await journal.ready(UP, Lane.NORMAL, 100)
    pattern, copies = ready[0], ready[1:]
    await journal.close()

    assert len(copies) == 30
    assert len({one.message_id for one in ready}) == 31
    assert {one.digest for one in ready} == {digest_of(CONTENT)}
    assert {one.recipients for one in ready} == {("G22",)}
    assert [one.expires_at for one in copies] == sorted({one.expires_at for one in copies})
    assert copies[-1].expires_at == pattern.expires_at
    assert all((one.seal.signature == SEAL) is real_seals for one in copies)


async def test_every_row_of_a_copy_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key is shared, every reference leads somewhere, and the log says nothing of the copies."""
    await _with_patterns(tmp_path, 1)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        entries = connection.execute("SELECT count(*) FROM entries").fetchone()
    _fill(tmp_path, 20, monkeypatch, real_seals=False)

    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        joined = connection.execute(
            "SELECT count(DISTINCT m.message_id), count(DISTINCT d.delivery_id),"
            " count(DISTINCT r.digest), count(DISTINCT s.submission_key), count(*)"
            " FROM messages m JOIN arrivals a USING (message_row)"
            " JOIN deliveries d ON d.arrival_row = a.arrival_row AND d.message_row = m.message_row"
            " JOIN receipts r ON r.digest = a.receipt AND r.message_row = m.message_row"
            " JOIN submissions s ON s.message_row = m.message_row"
        ).fetchone()
        assert joined == (21, 21, 21, 21, 21)
        assert queued.queued(connection, UP) == 21
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == entries


async def test_a_pattern_is_the_only_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that has been used is not filled: which of its messages would be copied?"""
    await _with_patterns(tmp_path, 2)

    with pytest.raises(RuntimeError, match="2 rows"):
        _fill(tmp_path, 5, monkeypatch, real_seals=False)

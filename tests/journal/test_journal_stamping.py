"""What waits for a timestamp stands in the journal: each seal once, in order, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from relay.delivery.stamping.ports import Stamped, Token
from relay.journal.stamping import StampTable
from relay.journal.store import SqliteJournal
from relay.model import DeliveryState, NodeId

HOUR = timedelta(hours=1)


@pytest.fixture
def table(journal: SqliteJournal, make: Any) -> StampTable:
    return StampTable(journal, make.node, lambda seal: b"value of " + seal)


async def _admitted(journal: SqliteJournal, make: Any, count: int) -> list[Any]:
    found = [make.admission(f"<edXML>{n}</edXML>".encode(), key=f"key {n}") for n in range(count)]
    for one in found:
        await journal.admit(one)
    return found


async def _want(table: StampTable, make: Any, limit: int = 10, **since: Any) -> int:
    return await table.want_seals(limit, since.get("since", make.at - HOUR), make.at)


async def test_each_seal_is_wanted_once_in_the_order_it_was_made(
    journal: SqliteJournal, table: StampTable, make: Any
) -> None:
    """As many as the rate allows; the next look goes on where this one ended."""
    await _admitted(journal, make, 3)

    assert [await _want(table, make, 2), await _want(table, make, 2), await _want(table, make)] == [
        2,
        1,
        0,
    ]
    due = await table.due(make.at, 10)
    assert [one.kind for one in due] == [Stamped.SEAL] * 3
    assert all(one.content.startswith(b"value of ") for one in due)


async def test_a_seal_that_is_not_made_yet_is_waited_for(
    journal: SqliteJournal, table: StampTable, make: Any
) -> None:
    """And those after it, so that none is forgotten; until it is too old to be waited for."""
    await journal.admit(make.admission(sealed=False, key="slow", state=DeliveryState.SEALING))
    await _admitted(journal, make, 1)

    assert await _want(table, make) == 0
    assert await _want(table, make, since=make.at + HOUR) == 0
    assert await table.due(make.at, 10) == []


async def test_a_failure_waits_and_a_token_ends_it(
    journal: SqliteJournal, table: StampTable, make: Any, reopen: Callable[[], Any]
) -> None:
    """Both are durable: a journal opened again knows what is due, how often it was tried, what came."""
    first, _ = await _admitted(journal, make, 2)
    await _want(table, make)
    one, other = await table.due(make.at, 10)
    await table.failed(one.row, "no answer", make.at + HOUR)
    await table.stamped(other.row, Token("tsa-1", b"token", make.at))
    await journal.close()

    again = await reopen()
    try:
        table = StampTable(again, make.node, lambda seal: seal)
        assert await table.due(make.at, 10) == []
        assert [(d.row, d.attempts) for d in await table.due(make.at + HOUR, 10)] == [(one.row, 1)]
        await table.stamped(one.row, Token("tsa-2", b"other token", make.at))
        await table.stamped(one.row, Token("tsa-2", b"a second one", make.at))
        kept = await table.of_message(make.node, first.message.message_id, make.at)
        assert kept == (b"other token",)
    finally:
        await again.close()


async def test_evidence_that_is_asked_for_makes_its_seal_wanted(
    journal: SqliteJournal, table: StampTable, make: Any
) -> None:
    """Also where no seal is stamped by itself, and once however often it is asked for."""
    (one,) = await _admitted(journal, make, 1)
    for _ in range(2):
        assert await table.of_message(make.node, one.message.message_id, make.at) == ()
    silent = StampTable(journal, make.node, lambda seal: seal, on_request=False)
    await silent.of_message(NodeId("other"), one.message.message_id, make.at)

    assert len(await table.due(make.at, 10)) == 1


async def test_a_head_is_wanted_when_it_is_time_and_the_log_grew(
    journal: SqliteJournal, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not oftener, and never the same one twice."""
    table = StampTable(journal, make.node, lambda seal: seal)
    size = 0

    def note() -> bytes:
        return f"truc-relay.example/log/x\n{size}\n{'A' * 43}=\n\n— x {'A' * 92}\n".encode()

    async def rows(statement: str, values: Any = ()) -> list[Any]:
        return [(note(),)] if "log_head" in statement else await real(statement, values)

    real = journal.rows
    monkeypatch.setattr(SqliteJournal, "rows", lambda _, s, v=(): rows(s, v))

    async def wanted(after: timedelta, grown: int) -> bool:
        nonlocal size
        size = grown
        at: datetime = make.at + after
        return await table.want_head(HOUR, at)

    assert await wanted(timedelta(), 5)
    assert not await wanted(HOUR / 2, 6)
    assert not await wanted(HOUR, 5)
    assert await wanted(HOUR, 6)
    assert [one.kind for one in await table.due(make.at + HOUR, 9)] == [Stamped.HEAD] * 2


async def test_the_timestamps_of_a_message_leave_with_it(
    journal: SqliteJournal, table: StampTable, make: Any
) -> None:
    """Retention removes rows; nothing is left that refers to them."""
    await _admitted(journal, make, 1)
    await _want(table, make)

    await journal.perform(lambda tx: tx.run("DELETE FROM messages"))

    assert await table.due(make.at, 10) == []

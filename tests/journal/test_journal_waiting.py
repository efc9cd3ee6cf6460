"""What waits of each party is counted as it moves, and bounded by quotas."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.delivery.pressure.quota import WAITING, Quotas, Waiting, caller_party, neighbour_party
from relay.delivery.records import Admitted, Renew
from relay.errors import QuotaError
from relay.journal.migrate import migrate, migrations
from relay.journal.store import SqliteJournal
from relay.journal.waiting import WaitingCounts
from relay.model import DeliveryState, NodeId

SYSTEM = caller_party("system:vxp.a")
FEW = Quotas(3, 3, 1 << 20, 1 << 20)


async def _admit(journal: SqliteJournal, make: Any, key: str, **named: Any) -> Admitted | Renew:
    return await journal.admit(make.admission(key.encode() * 30, key=key, **named))


async def test_a_circular_counts_its_recipients_and_its_bytes_once(
    journal: SqliteJournal, make: Any
) -> None:
    """300 bytes to three recipients are three deliveries of 100 bytes; what is refused at once none."""
    await journal.admit(make.admission(b"x" * 300, ("G01", "G02", "G03")))
    await _admit(journal, make, "k2", next_hop=None, state=DeliveryState.AVAILABLE)

    assert await WaitingCounts(journal.rows).waiting() == {SYSTEM: Waiting(3, 300)}


@settings(deadline=None)
@given(moves=st.lists(st.tuples(st.integers(1, 4), st.sampled_from(list(DeliveryState)))))
def test_whatever_moves_the_counts_are_what_a_scan_finds(
    moves: list[tuple[int, DeliveryState]],
) -> None:
    """Any states in any order, rows removed at the end: triggers and a count always agree."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        connection.execute("INSERT INTO waiting VALUES ('caller:a', 0, 0)")
        for row in range(1, 5):
            _insert(connection, row, "queued" if row % 2 else "refused")
        for row, state in moves:
            connection.execute(
                "UPDATE deliveries SET state = ? WHERE delivery_row = ?", (state.value, row)
            )
            _require_right(connection)
        connection.execute("DELETE FROM deliveries WHERE delivery_row < 3")
        _require_right(connection)


def _insert(connection: sqlite3.Connection, row: int, state: str) -> None:
    connection.execute(
        "INSERT INTO deliveries (delivery_id, message_row, arrival_row, recipient, addressed_as, state,"
        " lane, expires_at, updated_at, party, share_bytes) VALUES (?, ?, 1, 'H01', 'H01', ?, 0, 1, 1,"
        " 'caller:a', ?)",
        (str(row), row, state, 10 * row),
    )


def _require_right(connection: sqlite3.Connection) -> None:
    waiting = ",".join(f"'{state}'" for state in sorted(WAITING))
    scanned = connection.execute(
        f"SELECT count(*), coalesce(sum(share_bytes), 0) FROM deliveries WHERE state IN ({waiting})"
    ).fetchone()
    counted = connection.execute("SELECT deliveries, size_bytes FROM waiting").fetchone()
    assert counted == scanned


async def test_a_party_over_its_quota_is_refused_and_its_repeats_are_not(
    journal: SqliteJournal, make: Any
) -> None:
    """The fourth message is refused with the quota's name, others' are not; a repeat of the first gets
    its answer; and nothing of what was refused is kept."""
    journal.quotas = FEW
    first = await _admit(journal, make, "k1")
    for key in ("k2", "k3"):
        await _admit(journal, make, key)

    with pytest.raises(QuotaError, match=r"limit 3 \(waiting_per_system\)"):
        await _admit(journal, make, "k4")
    repeated = await _admit(journal, make, "k1")
    other = make.admission(b"other", key="k5")
    other = replace(other, message=replace(other.message, submitted_by="system:other"))

    assert isinstance(first, Admitted)
    assert isinstance(repeated, Admitted)
    assert repeated.message_id == first.message_id
    assert isinstance(await journal.admit(other), Admitted)
    assert len(await journal.rows("SELECT 1 FROM messages")) == 4
    assert len(await journal.rows("SELECT 1 FROM payloads")) == 4


async def test_a_refused_party_costs_its_batch_nothing(journal: SqliteJournal, make: Any) -> None:
    """A refusal by quota is an answer, not an error: the others' operations run once."""
    import asyncio

    journal.quotas = FEW
    for key in ("k1", "k2", "k3"):
        await _admit(journal, make, key)
    runs: list[int] = []

    results = await asyncio.gather(
        _admit(journal, make, "k4"),
        journal.perform(lambda _: runs.append(1)),
        return_exceptions=True,
    )

    assert isinstance(results[0], QuotaError)
    assert runs == [1]


def test_the_quota_by_bytes_and_for_neighbours_is_named() -> None:
    """Each of the four has its own name; at the limit it is reached, below it is not."""
    quotas = Quotas(1, 2, 10, 20)
    node = neighbour_party(NodeId("tinh"))
    found = [
        quotas.excess(SYSTEM, Waiting(1, 0)),
        quotas.excess(node, Waiting(2, 0)),
        quotas.excess(SYSTEM, Waiting(0, 10)),
        quotas.excess(node, Waiting(0, 20)),
    ]

    assert [e.quota for e in found if e] == [
        "waiting_per_system",
        "waiting_per_neighbour",
        "waiting_bytes_per_system",
        "waiting_bytes_per_neighbour",
    ]
    assert quotas.excess(node, Waiting(1, 19)) is None


def test_the_migration_counts_what_waits_already(tmp_path: Path) -> None:
    """Of a journal without counts: waiting deliveries by who handed them in, a message's bytes shared."""
    with closing(sqlite3.connect(tmp_path / "old", isolation_level=None)) as old:
        for number, text in migrations():
            if number < 4:
                old.executescript(text)
                old.execute(f"PRAGMA user_version = {number}")
        for row, by in ((1, "system:a"), (2, None)):
            old.execute(
                "INSERT INTO messages (message_row, origin, message_id, message_type, sender, sender_as,"
                " digest, size_bytes, priority, accepted_at, expires_at, subject, notation, document_id,"
                " promulgation_date, findings, submitted_by) VALUES"
                " (?, 'o', ?, 'edoc', 's', 's', 'd', 90, 0, 1, 1, '', '', '', '', '', ?)",
                (row, str(row), by),
            )
            old.execute(
                "INSERT INTO arrivals (arrival_row, message_row, neighbour, transfer_id, trace, receipt, at)"
                " VALUES (?, ?, ?, 't', '', 'r', 1)",
                (row, row, None if by else "tinh"),
            )
        for number, (row, state) in enumerate(
            [(1, "queued"), (1, "in-doubt"), (1, "refused"), (2, "sealing"), (2, "relayed")]
        ):
            old.execute(
                "INSERT INTO deliveries (delivery_id, message_row, arrival_row, recipient, addressed_as,"
                " state, lane, expires_at, updated_at) VALUES (?, ?, ?, ?, 'H', ?, 0, 1, 1)",
                (str(number), row, row, str(number), state),
            )
        migrate(old)
        assert old.execute("SELECT * FROM waiting ORDER BY party").fetchall() == [
            ("caller:system:a", 2, 60),
            ("node:tinh", 1, 45),
        ]

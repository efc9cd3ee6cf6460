"""Documents' business in the journal: what an upgrade makes of older statuses, and that nothing outlives its rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.journal.migrate import migrate, migrations


def _upgraded(path: Path, codes: list[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for number, text in migrations():
        if number < 14:
            connection.executescript(text)
            connection.execute(f"PRAGMA user_version = {number}")
    connection.execute(
        "INSERT INTO deliveries (delivery_row, delivery_id, message_row, arrival_row, recipient,"
        " addressed_as, state, lane, expires_at, updated_at) VALUES (1, 'd', 1, 1, 'R', 'R', 'fetched', 0, 5, 1)"
    )
    for row, code in enumerate(codes, 2):
        sender = "S" if code == "13" else "R"
        other = "R" if code == "13" else "S"
        connection.execute(
            "INSERT INTO reports VALUES (?, ?, ?, ?, 'D', '', '', '', '', 1)",
            (row, code, sender, other),
        )
    migrate(connection)
    return connection


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        (["01"], "arrived"),
        (["03", "01"], "accepted"),
        (["05", "06", "03"], "completed"),
        (["13"], "none"),
        (["1", "99"], "arrived"),
        ([], "none"),
    ],
)
def test_an_upgrade_reads_the_statuses_that_came_before_it(
    tmp_path: Path, codes: list[str], state: str
) -> None:
    """As if they had come now; each is still shown with its delivery."""
    with closing(_upgraded(tmp_path / "old", codes)) as connection:
        found = connection.execute("SELECT state FROM business").fetchall()
        matched = connection.execute("SELECT count(*) FROM report_matches").fetchone()[0]
    assert [row[0] for row in found] == ([] if state == "none" else [state])
    assert matched == len(codes)


def test_what_retention_removes_takes_its_business_along(tmp_path: Path) -> None:
    """Matches, states, obligations and what waits to be told, whichever end goes first."""
    with closing(_upgraded(tmp_path / "old", ["01"])) as connection:
        connection.executescript(
            "INSERT INTO verdicts VALUES (1, 'taken-back'); INSERT INTO arrived VALUES (1);"
            "INSERT INTO obligations (kind, cause_row, cause_id, cause_origin, cause_digest, sender, recipient,"
            " document_id, notation, promulgation_date, delivery_row, ours, asked_at, due_at)"
            " VALUES ('update', 9, 'c', 'o', 'x', 'S', 'R', 'D', '', '', 1, 1, 1, 1);"
            "DELETE FROM deliveries;"
        )
        for table in ("report_matches", "business", "obligations", "verdicts", "arrived"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0, table

"""Look at the nodes from outside: processor time and memory from /proc, progress and truth from
their journals, opened read-only.

Touches: /proc, the journal files.
Raises:  RuntimeError for a quantile of nothing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from relay.journal.store import DATABASE

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """A process's processor seconds since its start, and its resident memory now and at its peak."""

    cpu_seconds: float
    rss_mib: float
    rss_peak_mib: float


def usage(pid: int) -> Usage:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return Usage(
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICK,
        rss_mib=int(status["VmRSS"].split()[0]) / 1024,
        rss_peak_mib=int(status["VmHWM"].split()[0]) / 1024,
    )


@contextmanager
def journal(data: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{(data / DATABASE).as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def settled(first: sqlite3.Connection) -> int:
    """Transfers the neighbour has answered; counted without reading them all."""
    return int(
        first.execute(
            "SELECT (SELECT coalesce(max(rowid), 0) FROM transfers)"
            " - (SELECT count(*) FROM transfers WHERE open = 1)"
        ).fetchone()[0]
    )


def settle_latencies(first: sqlite3.Connection, after: int, until: int) -> list[float]:
    """Seconds from an acceptance to the neighbour's proven answer, ascending, of the messages with
    these numbers. Both instants are the first node's own."""
    rows = first.execute(
        "SELECT (d.updated_at - m.accepted_at) / 1000.0 FROM messages m"
        " JOIN deliveries d USING (message_row) WHERE m.message_row > ? AND m.message_row <= ?"
        " ORDER BY 1",
        (after, until),
    )
    return [row[0] for row in rows]


def faults(first: Path, second: Path, accepted: int) -> list[str]:
    """What is missing or too much once everything should have arrived; empty when all is well."""
    found = []
    with journal(first) as a, journal(second) as b:
        counts = {
            "messages at the first node": _count(a, "messages"),
            "deliveries settled at the first node": _count(a, "deliveries", "state = 'available'"),
            "transfers answered": _count(a, "transfers", "open = 0 AND answer IS NOT NULL"),
            "receipts at the first node (two a message)": _count(a, "receipts") / 2,
            "deliveries available at the second node": _count(
                b, "deliveries", "state = 'available'"
            ),
            "receipts at the second node": _count(b, "receipts"),
        }
        found += [f"{what}: {n:g}, not {accepted}" for what, n in counts.items() if n != accepted]
        answers = "SELECT receipt, digest FROM arrivals JOIN messages USING (message_row)"
        held = (
            "SELECT t.answer, m.digest FROM transfers t JOIN messages m USING (message_row)"
            " JOIN receipts r ON r.digest = t.answer"
        )
        if set(a.execute(held)) != set(b.execute(answers)):
            found.append("the first node's receipts are not those the second node gave")
    return found


def quantile(ascending: Sequence[float], part: float) -> float:
    """The value below which this part of them lies. Raises RuntimeError where there is none."""
    if not ascending:
        raise RuntimeError("nothing was answered in the window")
    return ascending[min(len(ascending) - 1, int(len(ascending) * part))]


def _count(connection: sqlite3.Connection, table: str, where: str = "1") -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])

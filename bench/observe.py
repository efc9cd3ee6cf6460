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
    """A process since its start: processor seconds, what it read (from the page cache too) and sent to
    the disk; its resident memory now and at its peak."""

    cpu_seconds: float
    read_mib: float
    written_mib: float
    rss_mib: float
    rss_peak_mib: float


def usage(pid: int) -> Usage:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = _words(Path(f"/proc/{pid}/status"))
    io = _words(Path(f"/proc/{pid}/io"))
    return Usage(
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICK,
        read_mib=io["rchar"] / (1 << 20),
        written_mib=io["write_bytes"] / (1 << 20),
        rss_mib=status["VmRSS"] / 1024,
        rss_peak_mib=status["VmHWM"] / 1024,
    )


def with_children(pid: int) -> float:
    """Processor seconds of a process and of those that it started and saw end."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICK


@dataclass(frozen=True, slots=True)
class Turns:
    """Of the threads that live: processor seconds to the nanosecond, and how often one was given a
    processor."""

    cpu_seconds: float
    times: int


def turns(pid: int) -> Turns:
    """What `usage` counts in hundredths of a second, too coarse for a process that hardly runs."""
    seconds, times = 0.0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        ran_ns, _, slices = task.joinpath("schedstat").read_text().split()
        seconds += int(ran_ns) / 1e9
        times += int(slices)
    return Turns(seconds, times)


def _words(path: Path) -> dict[str, int]:
    """The lines that begin with a name and a whole number."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {line[0][:-1]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdecimal()}


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


def shared(folder: Path, issuer: str) -> float:
    """How many of a node's own receipts there are for each signature that it made for them."""
    signatures = set()
    count = 0
    with journal(folder) as connection:
        statement = "SELECT signature FROM receipts WHERE issuer = ?"
        for (signature,) in connection.execute(statement, (issuer,)):
            signatures.add(hash(signature[signature.find(b"<ds:Signature ") :]))
            count += 1
    return count / max(1, len(signatures))


def quantile(ascending: Sequence[float], part: float) -> float:
    """The value below which this part of them lies. Raises RuntimeError where there is none."""
    if not ascending:
        raise RuntimeError("nothing was answered in the window")
    return ascending[min(len(ascending) - 1, int(len(ascending) * part))]


def _count(connection: sqlite3.Connection, table: str, where: str = "1") -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])

"""What the audit log costs: to append to it, to publish it, to prove an entry of it, to verify all of it.

The writer appends as a node's does, in batches of a group commit, with a real Ed25519 head over each; entries
are of the size of a hop's. Nothing is sent. The log that was appended is then published, proven from and
verified, and the verdict must name every entry.

Touches: one folder. Raises: RuntimeError, AuditError for a log that does not hold.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.observe import quantile
from relay.audit.checkpoint import Checkpoint, note_body, sign_note, verify_note
from relay.audit.entries import AuditEvent, Entry, entry
from relay.audit.epochs import Epoch, log_name
from relay.audit.verify import LogKey
from relay.journal.publishing import EpochPublisher, heads_due
from relay.journal.store import DATABASE, SqliteJournal
from relay.journal.verifying import verify_folder
from relay.journal.writer import Transaction
from relay.model import NodeId

NODE = NodeId("ward")
PER_HOP = 10
"""Entries that an envelope leaves where it is handed in (6) and where it is fetched (4), receipts included."""
_BATCH = 50
"""Operations of a group commit, about what a busy node has."""
_LOAD_BATCH = 2_000
_PROOFS = 200


@dataclass(frozen=True, slots=True)
class Log:
    entries: int
    """Published, proven from and verified."""
    appended_per_second: float
    """With a commit for every so many envelopes (`_BATCH`)."""
    entry_us: float
    """Processor time of one entry: to encode, hash and insert it, and its share of the signed head."""
    envelope_us: float
    """The same of all the entries of an envelope in a hop."""
    publish_ms: float
    """Wall time for 1,000 entries, fsyncs included, without witnesses."""
    publish_cpu_ms: float
    verify_seconds: float
    """Every entry, tile and head, on one core."""
    proof_ms: float
    """An inclusion proof from the published tiles, cold; median."""


class _Hand:
    """A log key of this run's own."""

    def __init__(self) -> None:
        private = Ed25519PrivateKey.generate()
        self.public = private.public_key().public_bytes_raw()
        self._sign = private.sign
        self._verify = private.public_key().verify

    def head(self, epoch: Epoch, size: int, root: bytes) -> bytes:
        name = log_name(NODE, epoch)
        return sign_note(note_body(name, size, root), name, self.public, self._sign)

    def believed(self, note: bytes, origin: str) -> Checkpoint:
        return verify_note(note, origin, self.public, self._verify)

    @property
    def key(self) -> LogKey:
        return LogKey("", self.public, self._verify)


async def audit_log(folder: Path, count: int, seconds: float, say: Callable[[str], None]) -> Log:
    """`seconds` of appending at a node's pace, then `count` entries to publish and verify."""
    with TemporaryDirectory(dir=folder, prefix="bench-") as place:
        data, hand = Path(place), _Hand()
        say("the audit log: appending")
        rate, cost = await _appended(data, hand, seconds)
        await _filled(data, hand, count)
        return await asyncio.to_thread(_judged, data, hand, rate, cost, say)


async def _open(data: Path, hand: _Hand) -> SqliteJournal:
    return await SqliteJournal.open(data, NODE, hand.head, on_fatal=_fatal)


async def _appended(data: Path, hand: _Hand, seconds: float) -> tuple[float, float]:
    """Entries a second, and the processor's µs for each."""
    opened = await _open(data, hand)
    try:
        before, wall, cpu, done = await opened.log_size(), _now(), time.process_time(), 0
        while _now() - wall < seconds:
            batch = [opened.perform(partial(_record, first=done + n)) for n in range(_BATCH)]
            await asyncio.gather(*batch)
            done += _BATCH
        wall, cpu = _now() - wall, time.process_time() - cpu
        added = await opened.log_size() - before
    finally:
        await opened.close()
    if added != done * PER_HOP:
        raise RuntimeError(f"{added} entries are in the log, not {done * PER_HOP}")
    return added / wall, cpu / added * 1e6


async def _filled(data: Path, hand: _Hand, count: int) -> None:
    opened = await _open(data, hand)
    try:
        while (size := await opened.log_size()) < count:
            many = min(_LOAD_BATCH, count - size)
            await opened.perform(partial(_record, first=size, many=many), many)
    finally:
        await opened.close()


def _record(tx: Transaction, first: int, many: int = PER_HOP) -> None:
    for index in range(first, first + many):
        tx.record(_entry(index))


def _entry(index: int) -> Entry:
    return entry(
        AuditEvent.RECEIPT_ISSUED,
        datetime.now(UTC),
        NODE,
        message=f"0190f0a0-0000-7000-8000-{index:012x}",
        recipients=["000.00.15.H51"],
        issuer=NODE,
        type="delivery",
        receipt=f"{index:064x}",
    )


def _judged(data: Path, hand: _Hand, rate: float, cost: float, say: Callable[[str], None]) -> Log:
    (due,) = heads_due(data / DATABASE)
    size = due.head.size
    say(f"{size:,} entries to publish")
    publisher = EpochPublisher(data / DATABASE, data / "log", due.head.origin, hand.believed)
    wall, cpu = _now(), time.process_time()
    while not publisher.write(due.head).done:
        pass
    publisher.publish(due.note)
    wall, cpu = _now() - wall, time.process_time() - cpu
    proof = _proofs(publisher, due.head)
    say(f"{size:,} entries to verify")
    at = _now()
    report = verify_folder(data, NODE, hand.key, _nobody)
    took = _now() - at
    if [one.checkpoint.size for one in report.verdicts] != [size] or report.published != {
        "0": size
    }:
        raise RuntimeError(f"not all of {size} entries were verified")
    thousands = size / 1000
    return Log(
        size,
        rate,
        cost,
        cost * PER_HOP,
        wall / thousands * 1000,
        cpu / thousands * 1000,
        took,
        proof,
    )


def _proofs(publisher: EpochPublisher, head: Checkpoint) -> float:
    took = []
    for number in range(_PROOFS):
        at = _now()
        publisher.nodes(head).inclusion(number * head.size // _PROOFS)
        took.append((_now() - at) * 1000)
    return quantile(sorted(took), 0.5)


def _nobody(*_: object) -> None:
    raise RuntimeError("nobody cosigns here")


def _now() -> float:
    return time.perf_counter()


def _fatal(error: BaseException) -> None:
    raise RuntimeError("the journal has stopped") from error

"""E9: half of what the network can take, for a long time, and nothing grows.

First the closed loop of senders and recipients runs as fast as it can for a while: that is the
throughput, in deliveries a second. Then half of it is offered at an even pace. Each node's resident
memory, open files and threads are sampled from /proc, and the tasks of its event loop from the file that
counted_node.py writes. The first third of the time is for caches to fill; between the second and the last
third the median may grow by no more than the bounds below. The journal's page cache (64 MiB) grows with the journal until it is full: that much is not counted.

Touches: a city of its own; /proc.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.acceptance.experiments.city import COMMUNE, PROVINCE, City, Launch, founded
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.papers import LETTER_BYTES
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import Relation, Traffic, at_work

TITLE = "E9 soak"
COUNTED = Path(__file__).with_name("counted_node.py")
RELATIONS = (
    Relation("xa", "H01.15.02", ("H01",)),
    Relation("tinh", "H01", ("H01.15.02",)),
)
MEASURE_SECONDS, QUICK_MEASURE_SECONDS = 10.0, 2.0
SOAK_SECONDS, QUICK_SECONDS = 75.0, 9.0
SAMPLE_SECONDS = 0.5
AT_ONCE = 16
PROVED = 500
"""Of so many messages every receipt is proved; of the others the deliveries are compared."""
MORE_BYTES = 12 << 20
PAGE_CACHE_BYTES = 72 << 20
"""64 MiB of pages with what SQLite keeps beside each."""
MORE_FILES, MORE_THREADS, MORE_TASKS = 8, 4, 32


_JOURNAL = "data/journal.sqlite*"


@dataclass(frozen=True, slots=True)
class Sample:
    rss_bytes: int
    cached_bytes: int
    """What of the journal may be in its page cache by now."""
    files: int
    threads: int
    tasks: int


@dataclass(slots=True)
class Watched:
    """A node's samples."""

    pid: int
    folder: Path
    samples: list[Sample] = field(default_factory=list)

    def take(self) -> None:
        process = Path("/proc", str(self.pid))
        words = dict(
            line.split(":", 1) for line in (process / "status").read_text("ascii").splitlines()
        )
        self.samples.append(
            Sample(
                int(words["VmRSS"].split()[0]) << 10,
                min(PAGE_CACHE_BYTES, sum(p.stat().st_size for p in self.folder.glob(_JOURNAL))),
                len(list((process / "fd").iterdir())),
                int(words["Threads"]),
                int((self.folder / "tasks").read_text("ascii")),
            )
        )

    def grown(self) -> tuple[Sample, Sample]:
        """The medians of the second and of the last third."""
        third = len(self.samples) // 3
        return _middle(self.samples[third : 2 * third]), _middle(self.samples[2 * third :])


def _middle(samples: Sequence[Sample]) -> Sample:
    return Sample(
        int(median(s.rss_bytes for s in samples)),
        int(median(s.cached_bytes for s in samples)),
        int(median(s.files for s in samples)),
        int(median(s.threads for s in samples)),
        int(median(s.tasks for s in samples)),
    )


async def run(folder: Path, quick: bool) -> Tally:
    return await soak(
        folder,
        QUICK_MEASURE_SECONDS if quick else MEASURE_SECONDS,
        QUICK_SECONDS if quick else SOAK_SECONDS,
    )


async def soak(folder: Path, measure_seconds: float, seconds: float) -> Tally:
    async with (
        founded(folder, (PROVINCE, COMMUNE), prepare=_counted) as city,
        at_work(city, seed=9) as traffic,
    ):
        rate = await _throughput(traffic, measure_seconds)
        watched = await _soak(city, traffic, rate / 2, seconds)
        sample = max(1, len(traffic.ledger.acknowledged) // PROVED)
        ended = [f"{name} ended with {code}" for name, code in city.deaths]
        tally = await judge(traffic, sample=sample)
    tally.notes.append(
        f"{rate:.0f} deliveries a second at most, {rate / 2:.0f} for {seconds:.0f} s"
    )
    tally.notes.append(f"receipts proved of one message in {sample}")
    tally.problems += ended
    for name, one in watched.items():
        _compare(tally, name, *one.grown())
    return tally


def _counted(city: City) -> None:
    for name in city.names:
        city.launch(name, Launch(script=COUNTED))


async def _throughput(traffic: Traffic, seconds: float) -> float:
    """Collected in the second half of the time, for each second of it."""
    async with traffic.load(RELATIONS, (LETTER_BYTES,), at_once=AT_ONCE, pause=0.0):
        await asyncio.sleep(seconds / 2)
        before, began = len(traffic.collected), time.monotonic()
        await asyncio.sleep(seconds / 2)
        rate = (len(traffic.collected) - before) / (time.monotonic() - began)
    return max(rate, 2.0)


async def _soak(city: City, traffic: Traffic, rate: float, seconds: float) -> dict[str, Watched]:
    watched = {n: Watched(city.node(n).pid, city.node(n).folder) for n in city.names}
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(_send_evenly(traffic, rate, seconds))
        while not sending.done():
            for one in watched.values():
                one.take()
            await asyncio.sleep(SAMPLE_SECONDS)
    return watched


async def _send_evenly(traffic: Traffic, rate: float, seconds: float) -> None:
    """One at a time each of AT_ONCE senders, together at this pace; late ones are not made up for."""
    ending = time.monotonic() + seconds

    async def sender(number: int) -> None:
        relation, step = RELATIONS[number % len(RELATIONS)], AT_ONCE / rate
        due = time.monotonic() + step * number / AT_ONCE
        while due < ending:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await traffic.send(relation, traffic.write(relation))
            due = max(due + step, time.monotonic())

    await asyncio.gather(*(sender(number) for number in range(AT_ONCE)))


def _compare(tally: Tally, name: str, second: Sample, last: Sample) -> None:
    grown = last.rss_bytes - second.rss_bytes - (last.cached_bytes - second.cached_bytes)
    tally.notes.append(
        f"{name}: {second.rss_bytes >> 20} to {last.rss_bytes >> 20} MiB, of it at most"
        f" {second.cached_bytes >> 20} to {last.cached_bytes >> 20} MiB of the journal,"
        f" files {second.files} to {last.files}, threads {second.threads} to {last.threads},"
        f" tasks {second.tasks} to {last.tasks}"
    )
    if grown > MORE_BYTES:
        tally.problems.append(f"{name} grew by {grown >> 20} MiB, limit {MORE_BYTES >> 20} MiB")
    if last.files - second.files > MORE_FILES:
        tally.problems.append(f"{name} has {last.files - second.files} files more")
    if last.threads - second.threads > MORE_THREADS:
        tally.problems.append(f"{name} has {last.threads - second.threads} threads more")
    if last.tasks - second.tasks > MORE_TASKS:
        tally.problems.append(f"{name} has {last.tasks - second.tasks} tasks more")

"""E2: each n-th write, sync, rename and open of a node fails with EIO, then kills it.

A node handles a short script again and again: a letter for an agency of its own, a scan (a payload
file) to the next node, a book (uploaded ahead) from there; collected and acknowledged. A first pass
under strace counts its calls on its journal and payloads, from the start of the process on. Then, for
each call and each n, the node is started with that one call failing, or killing, and the script goes
on: what one case broke off is recovered under the fault of the next. A node may refuse, exit or carry
on; nothing that was acknowledged may be missing in the end.

A thread's calls are counted by themselves, as strace does; of the some hundred page writes of the
busiest thread those beyond PAGES_EACH are tried one in PAGES_STEP.

Touches: a city for each lane of work. Needs: strace, allowed to trace.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from relay.errors import TransportError
from relay.model import digest_of
from tests.acceptance.experiments import tracing
from tests.acceptance.experiments.city import COMMUNE, PROVINCE, City, Launch, founded
from tests.acceptance.experiments.desks import NoAnswerError
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.papers import BOOK_BYTES, LETTER_BYTES, SCAN_BYTES
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import Relation, Traffic, at_work

TITLE = "E2 system calls"

NODE = "tinh"
SCRIPT = (
    (Relation(NODE, "H01", ("H01.151",)), LETTER_BYTES),
    (Relation(NODE, "H01", ("H01.15.02",)), SCAN_BYTES),
    (Relation("xa", "H01.15.02", ("H01",)), BOOK_BYTES),
)
CALLS = ("pwrite64", "write", "fdatasync", "fsync", "rename", "openat")
FAULTS = ("error=EIO", "signal=KILL")
LANES = 2
CASE_SECONDS = 60.0
ENDS_SECONDS = 10.0
"""A node whose commit failed is on its way out; under strace that takes a moment."""
NOT_REACHED = "not reached"
UNNOTICED = "went on after a commit that was not synced"
PAGES_EACH, PAGES_STEP = 24, 24


@dataclass(frozen=True, slots=True)
class Case:
    call: str
    fault: str
    number: int

    @property
    def options(self) -> tuple[str, ...]:
        inject = f"{self.call}:{self.fault}:when={self.number}"
        # A signal cannot be delivered at the stop that --seccomp-bpf makes of a call.
        quick = () if "signal" in self.fault else ("--seccomp-bpf",)
        return (*quick, "-y", "-e", f"trace={self.call},pwrite64", "-e", f"inject={inject}")


@dataclass(slots=True)
class Lane:
    """A city in which one case follows another while its agencies go on with the script."""

    folder: Path
    city: City
    traffic: Traffic
    outcomes: Counter[str] = field(default_factory=Counter)
    passes: int = 0
    refusals: int = 0
    _next: deque[tuple[Relation, bytes]] = field(default_factory=deque)
    _open: set[str] = field(default_factory=set)

    # ------------------------------------------------------------ the script

    def _prepare(self) -> list[str]:
        """Papers for two more passes, so that strace can be told what files they will be."""
        while len(self._next) < 2 * len(SCRIPT):
            self._next += [(r, self.traffic.write(r, size)) for r, size in SCRIPT]
        return [*self._open, *(digest_of(content) for _, content in self._next)]

    @asynccontextmanager
    async def at_it(self) -> AsyncIterator[None]:
        """Meanwhile the script is gone through again and again; the last paper is acknowledged."""
        ending = asyncio.Event()

        async def again_and_again() -> None:
            while not ending.is_set():
                for _ in SCRIPT:
                    await self._next_paper()
                self.passes += 1

        working = asyncio.create_task(again_and_again())
        try:
            yield
        finally:
            ending.set()
            await working

    async def _next_paper(self) -> None:
        self._prepare()
        relation, content = self._next.popleft()
        self._open.add(digest_of(content))
        if (error := await self.traffic.send_once(relation, content)) is not None:
            self.refusals += not isinstance(error, NoAnswerError)
            await self.traffic.send(relation, content)
        while digest_of(content) not in self.traffic.collected:
            await asyncio.sleep(0.02)
        self._open.discard(digest_of(content))

    # ------------------------------------------------------------ the cases

    async def count(self) -> Counter[str]:
        """The calls of an undisturbed pass, start included."""
        await self._start(("-e", f"trace={','.join(CALLS)}"))
        await self._passed_or_ended()
        await self.city.kill(NODE, stay_down=True)
        return tracing.most_calls(self.folder / "trace")

    async def go(self, cases: Iterator[Case]) -> None:
        for case in cases:
            self.outcomes[f"{case.call} {case.fault}: {await self._one(case)}"] += 1
        self.city.launch(NODE, Launch())
        await self.city.up(NODE)

    async def _one(self, case: Case) -> str:
        refusals = self.refusals
        await self._start(case.options)
        code = await self._passed_or_ended()
        if code is None and tracing.failed_commit(self.folder / "trace"):
            code = await self._ends()  # the fault may have come with the end of the pass
        trace = (self.folder / "trace").read_text(encoding="utf-8", errors="replace")
        await self.city.kill(NODE, stay_down=True)
        self.city.node(NODE).process = None
        if code is not None:
            return f"exit {code}"
        if "(INJECTED)" not in trace:
            return NOT_REACHED
        if self.refusals > refusals:
            return "refused"
        if not tracing.failed_commit(self.folder / "trace"):
            return "went on"
        (self.folder / "trace").rename(self.folder / f"{case.call}-{case.number}.unnoticed")
        return UNNOTICED

    async def _ends(self) -> int | None:
        """The exit code, or None when it does not end in ENDS_SECONDS."""
        process = self.city.node(NODE).process
        if process is None:
            return None
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(process.wait(), ENDS_SECONDS)
        return None

    async def _start(self, options: Sequence[str]) -> None:
        node = self.city.node(NODE)
        await self.city.kill(NODE, stay_down=True)
        (self.folder / "trace").unlink(missing_ok=True)
        narrowed = (*tracing.paths_of(node, self._prepare()), *options)
        self.city.launch(NODE, tracing.under_strace(self.folder / "trace", narrowed))
        await self.city.network.spawn(node)

    async def _passed_or_ended(self) -> int | None:
        """The exit code, or None after a whole pass with this process."""
        process, enough = self.city.node(NODE).process, self.passes + 2
        deadline = time.monotonic() + CASE_SECONDS
        while process is not None and process.returncode is None:
            if self.passes >= enough:
                return None
            if time.monotonic() > deadline:
                raise TransportError(f"no pass in {CASE_SECONDS:g} s: {self.city.told()[-2000:]}")
            await asyncio.sleep(0.02)
        return None if process is None else process.returncode


async def run(folder: Path, quick: bool) -> Tally:
    tally = Tally()
    async with AsyncExitStack() as exits:
        lanes = [await _lane(exits, folder / str(n), n) for n in range(1 if quick else LANES)]
        counted = await _go(lanes, quick)
        for lane in lanes:
            tally.add(await judge(lane.traffic))
    outcomes: Counter[str] = sum((lane.outcomes for lane in lanes), Counter())
    tally.notes.append("calls: " + ", ".join(f"{c} {n}" for c, n in sorted(counted.items())))
    tally.notes += [f"{count} × {what}" for what, count in sorted(outcomes.items())]
    tally.problems += [what for what in outcomes if UNNOTICED in what]
    tally.problems += never_came(outcomes)
    return tally


def never_came(outcomes: Mapping[str, int]) -> list[str]:
    """Kinds of faults that were ordered several times and never done: the experiment would prove
    nothing of them. That one number is passed over, for a start made fewer calls, is as it may be."""
    tried: Counter[str] = Counter()
    came: Counter[str] = Counter()
    for what, count in outcomes.items():
        kind, _, outcome = what.partition(": ")
        tried[kind] += count
        came[kind] += count if outcome != NOT_REACHED else 0
    never = [f"{kind}: none of {n} faults came" for kind, n in tried.items() if not came[kind]]
    return (
        never
        if len(never) == len(tried)
        else [one for one in never if not one.endswith("of 1 faults came")]
    )


async def _lane(exits: AsyncExitStack, folder: Path, number: int) -> Lane:
    folder.mkdir()
    city = await exits.enter_async_context(founded(folder, (PROVINCE, COMMUNE)))
    traffic = await exits.enter_async_context(at_work(city, seed=20 + number))
    return Lane(folder, city, traffic)


async def _go(lanes: Sequence[Lane], quick: bool) -> Counter[str]:
    async with AsyncExitStack() as exits:
        for lane in lanes:
            await exits.enter_async_context(lane.at_it())
        counted = await lanes[0].count()
        cases = iter(_cases(counted, quick))
        await asyncio.gather(*(lane.go(cases) for lane in lanes))
    return counted


def _cases(counted: Counter[str], quick: bool) -> list[Case]:
    if quick:
        some = [(call, max(1, counted[call] // 2)) for call in ("pwrite64", "fdatasync", "rename")]
        return [Case(call, fault, number) for call, number in some for fault in FAULTS]
    return [
        Case(call, fault, number)
        for call in CALLS
        for fault in FAULTS
        for number in _numbers(call, counted[call])
    ]


def _numbers(call: str, count: int) -> Iterator[int]:
    each = min(count, PAGES_EACH) if call == "pwrite64" else count
    yield from range(1, each + 1)
    yield from range(each + 1, count + 1, PAGES_STEP)

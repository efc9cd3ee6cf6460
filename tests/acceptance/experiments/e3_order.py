"""E3: no acknowledgement leaves a socket before the sync that covers it.

A province's node and a commune's run under strace, with both public faces in plain HTTP. One document
after another is handed in, carried and acknowledged; in between both nodes have nothing to do. Then,
for each answer that acknowledges something, from the first byte of its request to its own first byte:

    the journal's WAL was written, for what is acknowledged must have been recorded, and the first
      commit, which is this request's since the node was idle before, was synced (what is done with the
      document next may be on its way into the WAL by then)
    each payload file that was written was synced after its last write, and each rename was followed by
      a sync of its folder

Answers are the 202 to a sender, the 200 to a recipient that fetches or acknowledges, those of the dialect
that do one of these (passes go by one face and by the other in turn), and on the connections between nodes (TLS, so content is hidden) every write after a mark: connections are kept, so
their handshakes are over by then, and what the called side writes is the signed answer to a transfer or
the 204 for receipts.

The same with synchronous=OFF must go red, or the experiment could not fail.

Touches: a city for each of the two. Needs: strace, allowed to trace.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from relay.demo.network import RunningNode
from relay.model import digest_of
from relay.transport.axis.dialect import Call
from tests.acceptance.experiments import tracing
from tests.acceptance.experiments.city import COMMUNE, PROVINCE, City, founded
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.papers import LETTER_BYTES, SCAN_BYTES
from tests.acceptance.experiments.quiet import quiesce
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.tracing import Step
from tests.acceptance.experiments.traffic import Relation, Traffic, at_work

TITLE = "E3 order"

NODES = ("tinh", "xa")
SCRIPT = (
    (Relation("tinh", "H01", ("H01.151",)), LETTER_BYTES),
    (Relation("tinh", "H01", ("H01.151",)), SCAN_BYTES),
    (Relation("xa", "H01.15.02", ("H01",)), LETTER_BYTES),
    (Relation("xa", "H01.15.02", ("H01",)), SCAN_BYTES),
)
PASSES = 8
IDLE_SECONDS = 0.3
MARK = "/v1/openapi.json"
_TRACED = "read,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fdatasync,fsync,rename"
_SAYS = ("/ack ", "/envelope ")
_AXIS_SAYS = tuple(f"/{c.value} " for c in (Call.SEND, Call.GET, Call.DOWNLOAD, Call.UPDATE))


async def run(folder: Path, quick: bool) -> Tally:
    passes = 2 if quick else PASSES
    tally, seen, early = await _traced(folder / "full", passes, {})
    tally.problems += early
    tally.problems += [f"no {kind} was seen" for kind in KINDS if not seen[kind]]
    tally.notes.append("answers: " + ", ".join(f"{kind} {seen[kind]}" for kind in KINDS))
    _, _, red = await _traced(folder / "off", 1, {"CARELESS": "1"})
    tally.notes.append(f"with synchronous=OFF {len(red)} answers were early")
    if not red:
        tally.problems.append("with synchronous=OFF nothing was early: the experiment cannot fail")
    return tally


KINDS = ("202 to a sender", "200 to a recipient", "answer between nodes", "200 by the axis face")


async def _traced(
    folder: Path, passes: int, environment: dict[str, str]
) -> tuple[Tally, Counter[str], list[str]]:
    folder.mkdir()

    def prepare(city: City) -> None:
        for name in NODES:
            _plain(city, name)
            options = ("--seccomp-bpf", "-y", "-yy", "-s", "96", "-e", f"trace={_TRACED}")
            city.launch(
                name, tracing.under_strace(folder / f"{name}.trace", options, **environment)
            )

    async with (
        founded(folder, (PROVINCE, COMMUNE), prepare=prepare) as city,
        at_work(city, seed=3, plain=frozenset(NODES)) as traffic,
    ):
        await _pass(traffic)
        for name in NODES:
            await traffic.desks[name].ask("GET", MARK)
        for number in range(passes):
            traffic.axis_share = float(number % 2)
            await _pass(traffic)
        for name in NODES:
            (folder / f"{name}.trace").rename(folder / f"{name}.done")
        tally = Tally() if environment else await judge(traffic)
    seen: Counter[str] = Counter()
    early: list[str] = []
    for name in NODES:
        watch = Watch(city.node(name))
        watch.read(tracing.steps(folder / f"{name}.done"))
        seen += watch.seen
        early += watch.early
    return tally, seen, early


def _plain(city: City, name: str) -> None:
    config = city.node(name).config
    text = config.read_text(encoding="utf-8")
    text = text.replace("[listen]\n", "[listen]\nplain_http = true\n")
    text = text.replace("[log]\n", '[log]\npublish_every = "PT1H"\n')
    config.write_text(text, encoding="utf-8")


async def _pass(traffic: Traffic) -> None:
    for relation, size in SCRIPT:
        content = traffic.write(relation, size)
        await traffic.send(relation, content)
        while digest_of(content) not in traffic.collected:
            await asyncio.sleep(0.02)
        await quiesce(traffic)
        await asyncio.sleep(IDLE_SECONDS)


@dataclass(slots=True)
class _Request:
    """What is under way on a connection."""

    since: int
    said: str


@dataclass(slots=True)
class Watch:
    """Reads a node's trace and finds answers that came too early."""

    on: RunningNode
    seen: Counter[str] = field(default_factory=Counter)
    early: list[str] = field(default_factory=list)
    _written: dict[str, int] = field(default_factory=dict)
    """File or folder → line at which it was last changed."""
    _synced: dict[str, int] = field(default_factory=dict)
    """The same → line at which the last sync that has succeeded began."""
    _commits: list[int] = field(default_factory=list)
    """Lines at which the WAL was written."""
    _requests: dict[str, _Request] = field(default_factory=dict)
    _marked: bool = False

    def read(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.where.startswith("TCP:"):
                self._on_line(step)
            elif step.result >= 0:
                self._on_disk(step)

    def _on_disk(self, step: Step) -> None:
        if step.call == "rename":
            self._renamed(step)
        elif not self._kept(step.where):
            return
        elif step.call in {"fsync", "fdatasync"}:
            self._synced[step.where] = step.began
        elif step.call in {"write", "pwrite64"}:
            self._written[step.where] = step.ended
            if step.where == self._wal:
                self._commits.append(step.ended)

    @property
    def node(self) -> str:
        return self.on.plan.name

    @property
    def data(self) -> str:
        return str(self.on.folder / "data")

    @property
    def _wal(self) -> str:
        return f"{self.data}/journal.sqlite-wal"

    def _kept(self, path: str) -> bool:
        """The WAL and the payloads; the main database is written later, from a WAL that is safe."""
        inside = path.removeprefix(self.data)
        return inside != path and inside.startswith(("/journal.sqlite-wal", "/payloads"))

    def _renamed(self, step: Step) -> None:
        before, _, after = step.rest.replace('"', "").partition(", ")
        if self._kept(after):
            for known in (self._written, self._synced):
                if before in known:
                    known[after] = known.pop(before)
            self._written[after.rpartition("/")[0]] = step.ended

    def _on_line(self, step: Step) -> None:
        port = int(step.where[5:].partition("->")[0].rpartition(":")[2])
        faces = {self.on.axis_port, self.on.native_port, self.on.nodes_port}
        if port not in faces or step.result <= 0:
            return
        if step.call.startswith(("read", "recv")):
            self._marked = self._marked or MARK in step.rest
            self._requests.setdefault(step.where, _Request(step.began, step.rest))
        elif request := self._requests.pop(step.where, None):
            self._answered(port, request, step)

    def _answered(self, port: int, request: _Request, step: Step) -> None:
        kind = self._kind(port, request, step)
        if not self._marked or kind is None:
            return
        self.seen[kind] += 1
        first = bisect_right(self._commits, request.since)
        if first == len(self._commits):
            self.early.append(f"{self.node}: {kind} with nothing recorded, line {step.began}")
        elif self._synced.get(self._wal, -1) < self._commits[first]:
            self.early.append(
                f"{self.node}: {kind} before its commit was synced, line {step.began}"
            )
        for path, changed in self._written.items():
            late = changed > request.since and self._synced.get(path, -1) < changed
            if late and path != self._wal:
                shown = path.removeprefix(self.data)
                self.early.append(
                    f"{self.node}: {kind} before {shown} was synced, line {step.began}"
                )

    def _kind(self, port: int, request: _Request, step: Step) -> str | None:
        if port == self.on.nodes_port:
            return KINDS[2]
        if port == self.on.axis_port:
            return KINDS[3] if any(text in request.said for text in _AXIS_SAYS) else None
        if "HTTP/1.1 202" in step.rest:
            return KINDS[0]
        acknowledges = any(text in request.said for text in _SAYS)
        return KINDS[1] if acknowledges and "HTTP/1.1 200" in step.rest else None

"""Judge both nodes: each assertion about each of them, one after another, and what becomes of it.

The two nodes' own assertions go on side by side; those about the way between them come after, alone, then
those for which something was begun before all others, and those that restore a node at last.

Touches: what the parts of the kit touch.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic

from relay.conformance.controls import answers_transfers
from relay.conformance.credentials import Authority
from relay.conformance.instants import now
from relay.conformance.link import Way, Weather
from relay.conformance.peer import UnreachableError
from relay.conformance.stand import Restoring, Stand, standing, taking
from relay.conformance.subject import Subject
from relay.conformance.verdicts import (
    Assertion,
    FailedError,
    InconclusiveError,
    Judged,
    NotClaimedError,
    Part,
    Verdict,
    shown,
)
from relay.errors import RelayError, WireError
from relay.wire.values import instant

LIMIT_SECONDS = 120.0
"""For one assertion: beyond it the node is taken to hang."""
CONTROL_SECONDS = 30.0
BESIDE_SECONDS = 240.0
"""For what was begun before all others, once those are judged."""
CLOCKS = timedelta(minutes=2)
"""Further apart than any assertion bears: what a node refuses then it may refuse rightly (W4.9)."""
SILENT, GONE_SECONDS = 3, 30.0
"""After so many assertions in a row without an answer, and so long, a node is asked nothing more."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
Told = Callable[[Judged], None]
Crash = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Run:
    """Two nodes and what is judged of them."""

    subjects: tuple[Subject, Subject]
    authority: Authority
    assertions: Sequence[Assertion]
    keep: Path
    """Where the bytes of what did not hold are kept."""
    keep_all: bool = False
    told: Told = lambda _: None
    crashes: Mapping[str, Crash] = field(default_factory=dict)
    """By node, where it is another way than the command in its file."""
    restores: Mapping[str, Restoring] = field(default_factory=dict)
    """Likewise."""
    versions: dict[str, str] = field(default_factory=dict)
    """What each node says that it is, once it was asked."""
    found: list[Judged] = field(default_factory=list)
    """As it was found."""

    async def judge(self) -> list[Judged]:
        """In the order of the assertions, node by node."""
        first, second = self.subjects
        async with AsyncExitStack() as open_ways:
            ways = [
                await _way(open_ways, one, other)
                for one, other in ((first, second), (second, first))
            ]
            stands = [
                await open_ways.enter_async_context(
                    standing(
                        one, other, self.authority, way, self._crash(one), self._restoring(one)
                    )
                )
                for (one, other), way in zip(((first, second), (second, first)), ways, strict=True)
            ]
            stands[0].beside, stands[1].beside = stands[1], stands[0]
            last = [one for one in self.assertions if Part.RESTORE in one.needs]
            between = [one for one in self.assertions if Part.LINK in one.needs]
            begun = [one for one in self.assertions if one.begins]
            behind = [*last, *between, *begun]
            alone = [one for one in self.assertions if one not in behind]
            for stand in stands:
                await self._begin(stand, begun)
            await self._side_by_side(stands, alone)
            for stand in stands:
                await self._all(stand, between)
            await asyncio.gather(*(stand.settle(BESIDE_SECONDS) for stand in stands))
            await self._side_by_side(stands, begun)
            for stand in stands:
                await self._all(stand, last)
        return self.in_order()

    async def _side_by_side(self, stands: Sequence[Stand], assertions: Sequence[Assertion]) -> None:
        async with asyncio.TaskGroup() as both:
            for stand in stands:
                both.create_task(self._all(stand, assertions))

    def in_order(self) -> list[Judged]:
        """What was found; what a run that ended before did not come to is INCONCLUSIVE."""
        by_name = {(one.assertion.full_name, one.node): one for one in self.found}
        return [
            by_name.get((one.full_name, subject.id)) or _not_come_to(one, subject)
            for one in self.assertions
            for subject in self.subjects
        ]

    def _crash(self, subject: Subject) -> Crash | None:
        if subject.id in self.crashes:
            return self.crashes[subject.id]
        return partial(_commanded, subject.crash) if subject.crash else None

    def _restoring(self, subject: Subject) -> Restoring | None:
        if subject.id in self.restores:
            return self.restores[subject.id]
        commands = [partial(_commanded, one) for one in (subject.backup, subject.restore) if one]
        return Restoring(*commands) if len(commands) == 2 else None

    async def _begin(self, stand: Stand, assertions: Sequence[Assertion]) -> None:
        await self._look(stand)
        for one in assertions:
            if one.begins and _unasked(stand, one) is None:
                stand.begin(one.begins)

    async def _all(self, stand: Stand, assertions: Sequence[Assertion]) -> None:
        await self._look(stand)
        silent = 0
        for assertion in assertions:
            judged = await self._one(stand, assertion)
            self.found.append(judged)
            self.told(judged)
            untold = judged.verdict is Verdict.INCONCLUSIVE and stand.exchanges.silent
            silent = silent + 1 if untold else 0
            if silent == SILENT and not stand.gone:
                silent, stand.gone = 0, not await stand.answers_at_all(GONE_SECONDS)

    async def _look(self, stand: Stand) -> None:
        """What the node says it can, for what it must then do; nothing where it is not reached."""
        if Part.AXIS in stand.subject.parts:
            stand.unknown = await stand.dms.unknown_there()
        if Part.NEIGHBOUR not in stand.subject.parts:
            return
        try:
            found = await stand.peer.node_document()
        except (FailedError, InconclusiveError, UnreachableError):
            stand.unheard = True
            return  # whoever judges W1 says why
        stand.apart = _apart(found.get("time"))
        capabilities = found.get("capabilities")
        if isinstance(capabilities, list):
            stand.capabilities = frozenset(map(str, capabilities))
        self.versions[stand.subject.id] = shown(str(found.get("version", "")))[:100]

    async def _one(self, stand: Stand, assertion: Assertion) -> Judged:
        stand.exchanges.clear()
        began = monotonic()
        verdict, detail = await _verdict(stand, assertion)
        if stand.way is not None:
            stand.way.become(Weather.CLEAR)
        kept = ""
        if self.keep_all or verdict in {Verdict.FAIL, Verdict.INCONCLUSIVE}:
            folder = self.keep / _UNSAFE.sub("-", f"{assertion.full_name}-{stand.subject.id}")
            try:
                await asyncio.to_thread(stand.exchanges.write, folder)
                kept = str(folder)
            except OSError as error:  # a full disk: what was found is told all the same
                detail = f"{detail} (its bytes are not kept: {error.strerror})".strip()
        took = monotonic() - began
        return Judged(assertion, stand.subject.id, verdict, shown(detail), took, kept)


async def _failed(stand: Stand, assertion: Assertion, error: FailedError) -> tuple[Verdict, str]:
    if abs(stand.apart) > CLOCKS:
        return Verdict.INCONCLUSIVE, f"{_off(stand.apart)}: {error}"
    if Part.LINK in assertion.needs and (fault := await _of_the_other(stand)):
        return Verdict.INCONCLUSIVE, f"{error}; but the other node is at fault itself: {fault}"
    return Verdict.FAIL, str(error)


async def _of_the_other(stand: Stand) -> str:
    """What the other node does not do of what is needed between the two; empty where nothing is known against it."""
    if stand.beside is None:
        return ""
    try:
        async with asyncio.timeout(CONTROL_SECONDS):
            await answers_transfers(stand.beside)
    except FailedError as error:
        return str(error)
    except (InconclusiveError, NotClaimedError, UnreachableError, TimeoutError, RelayError):
        return ""
    return ""


def _apart(time: object) -> timedelta:
    """Nothing where the node does not tell, or not as it must."""
    try:
        return instant(str(time), "time") - now()
    except WireError:
        return timedelta()


def _off(apart: timedelta) -> str:
    side = "ahead of" if apart > timedelta() else "behind"
    return f"its clock is {abs(apart).total_seconds():.0f} s {side} the kit's, and one of them is wrong"


def _not_come_to(assertion: Assertion, subject: Subject) -> Judged:
    return Judged(assertion, subject.id, Verdict.INCONCLUSIVE, "the run ended before", 0.0)


def _unasked(stand: Stand, assertion: Assertion) -> tuple[Verdict, str] | None:
    """Why nothing need be sent; None where it must be."""
    if not stand.subject.claims(assertion):
        return Verdict.NOT_CLAIMED, "the node's file or the profile says so"
    if missing := assertion.needs - stand.subject.parts:
        return Verdict.NOT_CLAIMED, f"not configured: {', '.join(sorted(missing))}"
    if assertion.capability and stand.unheard:
        return Verdict.INCONCLUSIVE, "the node did not tell its capabilities (W1.4)"
    if assertion.capability and assertion.capability not in stand.capabilities:
        return Verdict.NOT_CLAIMED, f"no capability {assertion.capability}"
    if stand.unknown and Part.AXIS in assertion.needs:
        return (
            Verdict.INCONCLUSIVE,
            "its axis face refuses the systemid and secret of its file (15)",
        )
    if stand.gone:
        return Verdict.INCONCLUSIVE, "not asked: the node has answered nothing for too long"
    return None


async def _verdict(stand: Stand, assertion: Assertion) -> tuple[Verdict, str]:
    if (unasked := _unasked(stand, assertion)) is not None:
        return unasked
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await assertion.judge(stand)
            await _controlled(stand, assertion)
    except FailedError as error:
        return await _failed(stand, assertion, error)
    except NotClaimedError as error:
        return Verdict.NOT_CLAIMED, str(error)
    except InconclusiveError as error:
        return Verdict.INCONCLUSIVE, str(error)
    except UnreachableError as error:
        return Verdict.INCONCLUSIVE, f"no answer: {error}"
    except TimeoutError:
        return Verdict.INCONCLUSIVE, f"not told within {LIMIT_SECONDS:g} s"
    except RelayError as error:
        return Verdict.INCONCLUSIVE, f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - whatever a node answers, the others are judged all the same
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return Verdict.INCONCLUSIVE, f"the kit could not: {type(error).__name__}: {error} ({place})"
    return Verdict.PASS, ""


async def _controlled(stand: Stand, assertion: Assertion) -> None:
    """It passed: now the honest one of its kind must, once for all of the kind. INCONCLUSIVE where it does not."""
    control = assertion.control
    if control is None or control in stand.controlled:
        return
    try:
        await control(stand)
    except NotClaimedError:
        return  # the kit is not let in where it could see that
    except FailedError as error:
        raise InconclusiveError(f"nor does it do this as it must: {error}") from error
    stand.controlled.add(control)


async def _way(open_ways: AsyncExitStack, subject: Subject, other: Subject) -> Way | None:
    """The proxy between a node and the other, where its file says it goes through one."""
    if subject.kit is None or subject.kit.via is None or other.nodes is None:
        return None
    host, _, port = other.nodes.removeprefix("https://").rpartition(":")
    way = Way(host.strip("[]"), int(port))
    here, _, own_port = subject.kit.via.rpartition(":")
    with taking(f"via = {subject.kit.via}"):
        await way.listen(here.strip("[]"), int(own_port))
    open_ways.push_async_callback(way.close)
    return way


async def _commanded(command: Sequence[str]) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=PIPE)
    _, said = await process.communicate()
    if process.returncode:
        raise InconclusiveError(f"the command {command[0]} failed: {said[-300:]!r}")

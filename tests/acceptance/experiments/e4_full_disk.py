"""E4: the disk of a node fills and is freed again, its bytes and then its inodes, under load.

The province's data folder is a small tmpfs, while documents come in from three sides and go out. A filler
takes half of the node's reserve: now it must refuse new work by either face and say when to come again,
and finish what it has accepted, which waits for a neighbour that comes back only now. Then the filler takes
all that is left, to the last byte; the node may exit and be started again by its supervisor as often as it
takes. After a while the filler is removed. The same with files of no size; and in every other round
everything is taken at once.

Touches: a city of its own; mounts a tmpfs. Needs: root, or the right to mount.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from relay.errors import TransportError
from tests.acceptance.experiments.city import COMMUNE, OTHER_COMMUNE, PROVINCE, City, founded
from tests.acceptance.experiments.desks import insist
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.papers import LETTER_BYTES, SCAN_BYTES
from tests.acceptance.experiments.quiet import ENDED
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import Relation, Traffic, at_work

TITLE = "E4 full disk"

PLANS = (PROVINCE, COMMUNE, OTHER_COMMUNE)
NODE = "tinh"
RELATIONS = (
    Relation("xa", "H01.15.02", ("H01.16", "H01")),
    Relation("xb", "H01.16", ("H01.15.02",)),
    Relation(NODE, "H01", ("H01.15.02", "H01.16", "H01.151")),
)
WAITS, WAITED_FOR, WAITING = Relation(NODE, "H01", ("H01.16",)), "xb", 12
SIZES = (*(LETTER_BYTES,) * 8, SCAN_BYTES)
DISK_BYTES, DISK_INODES = 192 << 20, 4096
"""Several times what the load of a run needs: only the filler fills it."""
RESERVE_BYTES, RESERVE_INODES = 16 << 20, 64
RESERVE = f"[limits]\nreserve_bytes = {RESERVE_BYTES}\nreserve_inodes = {RESERVE_INODES}\n"
"""What a node on so small a disk is given; the filler takes it, too."""
ROUNDS, QUICK_ROUNDS = 4, 1
FULL_SECONDS, FREE_SECONDS = 5.0, 4.0
PATIENCE_SECONDS = 30.0
_BLOCK = bytes(1 << 20)


def available() -> bool:
    """Whether a tmpfs may be mounted here."""
    with tempfile.TemporaryDirectory() as place:
        if _mount(Path(place)):
            _unmount(Path(place))
            return True
    return False


async def run(folder: Path, quick: bool) -> Tally:
    with contextlib.ExitStack() as mounts:

        def prepare(city: City) -> None:
            data = city.node(NODE).folder / "data"
            data.mkdir(mode=0o700)
            if not _mount(data):
                raise PermissionError(f"no tmpfs can be mounted at {data}")
            mounts.callback(_unmount, data)

        async with (
            founded(folder, PLANS, extra=RESERVE, prepare=prepare) as city,
            at_work(city, seed=4) as traffic,
        ):
            siege = Siege(traffic, quick)
            async with traffic.load(RELATIONS, SIZES, at_once=4, pause=0.25):
                for number in range(QUICK_ROUNDS if quick else ROUNDS):
                    await siege.lay(Bytes(siege.data), in_steps=number % 2 == 0)
                    await siege.lay(Inodes(siege.data), in_steps=number % 2 == 1)
            ends = Counter(city.deaths)
            tally = await judge(traffic)
    told = ", ".join(f"{n} with {c} {k} times" for (n, c), k in sorted(ends.items())) or "none"
    tally.notes += [f"under the reserve {siege.finished} deliveries finished", f"ends: {told}"]
    tally.problems += siege.problems
    tally.problems += [f"{name} ended with {code}" for name, code in ends if code not in ALLOWED]
    return tally


ALLOWED = frozenset({74})
"""Of a disk that is full to the last byte."""


@dataclass(slots=True)
class Siege:
    """The node's disk is filled in two steps, and freed."""

    traffic: Traffic
    quick: bool
    finished: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def city(self) -> City:
        return self.traffic.city

    @property
    def data(self) -> Path:
        return self.city.node(NODE).folder / "data"

    async def lay(self, filler: Filler, *, in_steps: bool) -> None:
        with filler:
            if in_steps:
                await self._short(filler)
            filler.fill(0)
            await asyncio.sleep(FULL_SECONDS / 2 if self.quick else FULL_SECONDS)
        await self.city.ready(NODE)
        await asyncio.sleep(FREE_SECONDS / 4 if self.quick else FREE_SECONDS)

    async def _short(self, filler: Filler) -> None:
        """It says so, refuses, ends what it began, and lives."""
        ends = len(self.city.deaths)
        await self.city.kill(WAITED_FOR, stay_down=True)
        for _ in range(WAITING):
            await self.traffic.send(
                WAITS, self.traffic.write(WAITS, self.traffic.random.choice(SIZES))
            )
        filler.fill(filler.reserve // 2)
        await self._until(self._says_so, f"{NODE} does not say that it is short of {filler.what}")
        begun = await self._waiting()
        for by_axis in (False, True):
            await self._refuses(by_axis)
        await self.city.up(WAITED_FOR)

        async def done() -> bool:
            return not begun & await self._waiting()

        await self._until(done, f"{NODE} did not finish what it had, short of {filler.what}")
        self.finished += len(begun)
        if any(name == NODE for name, _ in self.city.deaths[ends:]):
            self.problems.append(f"{NODE} ended while it had half of its reserve of {filler.what}")

    async def _until(self, holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await holds():
            if time.monotonic() > deadline:
                self.problems.append(f"{otherwise} in {PATIENCE_SECONDS:g} s")
                return
            await asyncio.sleep(0.1)

    async def _says_so(self) -> bool:
        try:
            await self.traffic.desks[NODE].ask("GET", "/readyz")
        except TransportError as error:
            return "free " in str(error)
        return False

    async def _waiting(self) -> set[str]:
        """Deliveries accepted here that have not ended."""
        rows = await insist(self.traffic.desks[NODE].sent)
        return {row["delivery_id"] for row in rows if row["state"] not in ENDED}

    async def _refuses(self, by_axis: bool) -> None:
        content = self.traffic.write(WAITS, by_axis=by_axis)
        error = await self.traffic.send_once(WAITS, content)
        if not any(said in str(error) for said in REFUSALS[by_axis]):
            self.problems.append(f"under its reserve {NODE} answered: {error}")


REFUSALS = {False: ("HTTP 503, again after",), True: ("code 20",)}


class Filler:
    """Takes what is free of a disk; inside `with`, and gives it back at the end."""

    what: str
    reserve: int

    def __init__(self, data: Path) -> None:
        self.data = data

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError

    def fill(self, leave: int) -> None:
        """Until no more than this is left."""
        raise NotImplementedError


class Bytes(Filler):
    what, reserve = "space", RESERVE_BYTES

    def fill(self, leave: int) -> None:
        size = len(_BLOCK)
        with (self.data / "filler").open("ab", buffering=0) as file:
            while size and (size_left := self._left(leave)) > 0:
                size = min(size, size_left)
                try:
                    file.write(_BLOCK[:size])
                except OSError:
                    size //= 2

    def _left(self, leave: int) -> int:
        """May be taken; to the last byte, whatever the system says is free."""
        found = os.statvfs(self.data)
        return found.f_bavail * found.f_frsize - leave if leave else len(_BLOCK)

    def __exit__(self, *_: object) -> None:
        (self.data / "filler").unlink(missing_ok=True)


class Inodes(Filler):
    what, reserve = "inodes", RESERVE_INODES

    def fill(self, leave: int) -> None:
        folder = self.data / "fillers"
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):
            while os.statvfs(folder).f_favail > leave or not leave:
                (folder / secrets.token_hex(8)).touch()

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.data / "fillers")


def _mount(place: Path) -> bool:
    options = f"size={DISK_BYTES},nr_inodes={DISK_INODES},mode=700,uid={os.getuid()}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=True)

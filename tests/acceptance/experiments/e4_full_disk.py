"""E4: the disk of a node fills and is freed again, its bytes and then its inodes, under load.

The province's data folder is a small tmpfs. A filler takes all that is left, to the last byte, while
documents come in from three sides and go out; the node may refuse, or exit and be started again by its
supervisor as often as it takes. After a while the filler is removed. The same with files of no size.

Touches: a city of its own; mounts a tmpfs. Needs: root, or the right to mount.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.acceptance.experiments.city import COMMUNE, OTHER_COMMUNE, PROVINCE, City, founded
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.papers import LETTER_BYTES, SCAN_BYTES
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import Relation, at_work

TITLE = "E4 full disk"

PLANS = (PROVINCE, COMMUNE, OTHER_COMMUNE)
NODE = "tinh"
RELATIONS = (
    Relation("xa", "H01.15.02", ("H01.16", "H01")),
    Relation("xb", "H01.16", ("H01.15.02",)),
    Relation(NODE, "H01", ("H01.15.02", "H01.16", "H01.151")),
)
SIZES = (*(LETTER_BYTES,) * 8, SCAN_BYTES)
DISK_BYTES, DISK_INODES = 192 << 20, 4096
"""Several times what the load of a run needs: only the filler fills it."""
RESERVE = "[limits]\nreserve_bytes = 16777216\nreserve_inodes = 64\n"
"""What a node on so small a disk is given; the filler takes it, too."""
ROUNDS, QUICK_ROUNDS = 4, 1
FULL_SECONDS, FREE_SECONDS = 6.0, 5.0
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
            async with traffic.load(RELATIONS, SIZES, at_once=4, pause=0.25):
                for _ in range(QUICK_ROUNDS if quick else ROUNDS):
                    await _full(city, _fill_bytes, quick)
                    await _full(city, _fill_inodes, quick)
            ends = Counter(city.deaths)
            tally = await judge(traffic)
    tally.notes.append(
        "ends: "
        + (", ".join(f"{n} with {c} {k} times" for (n, c), k in sorted(ends.items())) or "none")
    )
    tally.problems += [f"{name} ended with {code}" for name, code in ends if code not in ALLOWED]
    return tally


Filler = Callable[[Path], AbstractContextManager[None]]
ALLOWED = frozenset({1, 70, 74, 75})
"""Whatever it ends with, nothing may be lost; a signal would be another matter."""


async def _full(city: City, fill: Filler, quick: bool) -> None:
    data = city.node(NODE).folder / "data"
    with fill(data):
        await asyncio.sleep(FULL_SECONDS / 2 if quick else FULL_SECONDS)
    await city.ready(NODE)
    await asyncio.sleep(FREE_SECONDS / 5 if quick else FREE_SECONDS)


@contextlib.contextmanager
def _fill_bytes(data: Path) -> Iterator[None]:
    """To the last byte, and again what the node sets free meanwhile."""
    filler = data / "filler"
    with filler.open("wb", buffering=0) as file:
        size = len(_BLOCK)
        while size:
            try:
                file.write(_BLOCK[:size])
            except OSError:
                size //= 2
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def _fill_inodes(data: Path) -> Iterator[None]:
    folder = data / "fillers"
    folder.mkdir()
    count = 0
    with contextlib.suppress(OSError):
        while True:
            (folder / str(count)).touch()
            count += 1
    try:
        yield
    finally:
        for number in range(count):
            (folder / str(number)).unlink()
        folder.rmdir()


def _mount(place: Path) -> bool:
    options = f"size={DISK_BYTES},nr_inodes={DISK_INODES},mode=700,uid={os.getuid()}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=True)

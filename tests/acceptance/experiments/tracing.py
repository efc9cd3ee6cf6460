"""strace around a node: how it is started under it, and what it wrote down.

Touches: a trace file; `available` runs strace once.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from relay.demo.network import RunningNode
from tests.acceptance.experiments.city import Launch

WATCHED = Path(__file__).with_name("watched_node.py")
MOST_UPLOADS = 8
_WHOLE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
_BEGUN = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_ENDED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)")
_HANDLE = re.compile(r"^\d+<(TCP:\[[^\]]*\]|[^>]*)>(?:, (.*))?")
_CALL = re.compile(r"^(\d+) +(\w+)\(")
_NAMES = ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "lock", "payloads", "ahead")


def available() -> bool:
    """Whether strace is here and may trace."""
    if which("strace") is None:
        return False
    run = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, check=False
    )
    return run.returncode == 0


def under_strace(trace: Path, options: Sequence[str], **environment: str) -> Launch:
    """With -D the tracer is the grandchild, and the node itself the process that was started."""
    before = ("strace", "-D", "-f", "-qq", "-o", str(trace), *options)
    return Launch(script=WATCHED, before=before, environment=environment)


def paths_of(node: RunningNode, digests: Iterable[str]) -> list[str]:
    """Options that narrow a trace to what the node keeps: its journal and these payloads."""
    data = node.folder / "data"
    found = [data / name for name in _NAMES]
    coming = data / "payloads" / "coming"
    found += [coming, *(coming / str(number) for number in range(MOST_UPLOADS))]
    for digest in digests:
        folder = data / "payloads" / digest[:2]
        found += [folder, folder / digest]
        found += [data / "ahead" / "xa", data / "ahead" / "xa" / digest]
    return [option for path in dict.fromkeys(found) for option in ("-P", str(path))]


def most_calls(trace: Path) -> Counter[str]:
    """How often the busiest thread made each call: strace counts for each thread by itself."""
    made = Counter(
        (found[1], found[2])
        for line in trace.read_text(encoding="utf-8", errors="replace").splitlines()
        if (found := _CALL.match(line))
    )
    most: Counter[str] = Counter()
    for (_, call), count in made.items():
        most[call] = max(most[call], count)
    return most


@dataclass(frozen=True, slots=True)
class Step:
    """One call; `began` and `ended` are lines of the trace, which is in the order of events."""

    began: int
    ended: int
    call: str
    where: str
    """What its first argument is open on: a path, or "TCP:[local->remote]"."""
    rest: str
    result: int


def steps(trace: Path) -> list[Step]:
    """Every finished call, as it ended."""
    found: list[Step] = []
    open_: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(trace.read_text(encoding="utf-8", errors="replace").splitlines()):
        if whole := _WHOLE.match(line):
            found.append(_step(number, number, whole[2], whole[3], int(whole[4])))
        elif begun := _BEGUN.match(line):
            open_[begun[1]] = (number, begun[3])
        elif (ended := _ENDED.match(line)) and ended[1] in open_:
            began, arguments = open_.pop(ended[1])
            found.append(_step(began, number, ended[2], arguments + ended[3], int(ended[4])))
    return found


def _step(began: int, ended: int, call: str, arguments: str, result: int) -> Step:
    handle = _HANDLE.match(arguments)
    where, rest = (handle[1], handle[2] or "") if handle else ("", arguments)
    return Step(began, ended, call, where, rest, result)


def failed_commit(trace: Path) -> bool:
    """Whether a sync of the WAL failed that had something new to make safe.

    Before a checkpoint SQLite syncs the WAL once more, with nothing written since its last commit: if
    that fails nothing is lost, and the checkpoint is tried again later.
    """
    fresh = False
    for step in steps(trace):
        if not step.where.endswith("-wal"):
            continue
        if step.call == "pwrite64":
            fresh = True
        elif step.result < 0:
            return fresh
        else:
            fresh = False
    return False

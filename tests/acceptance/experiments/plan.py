"""Which experiments there are, and what each needs that may be missing here.

Touches: looks for strace, libfaketime and the right to mount.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.experiments import (
    clocks,
    e1_sigkill,
    e2_syscalls,
    e3_order,
    e4_full_disk,
    e5_line,
    e6_clocks,
    e7_duplicates,
    e8_lost_answers,
    e9_soak,
    tracing,
)
from tests.acceptance.experiments.tally import Tally


def _always() -> bool:
    return True


def _faketime() -> bool:
    return clocks.library() is not None


@dataclass(frozen=True, slots=True)
class Experiment:
    title: str
    run: Callable[[Path, bool], Awaitable[Tally]]
    """In a folder of its own; True for the quick form."""
    needs: str = ""
    available: Callable[[], bool] = _always

    @property
    def name(self) -> str:
        return self.title.partition(" ")[0].lower()


_STRACE = ("strace, allowed to trace", tracing.available)
_MOUNT = ("mount of a tmpfs", e4_full_disk.available)
_FAKETIME = ("libfaketime", _faketime)
EXPERIMENTS = (
    Experiment(e1_sigkill.TITLE, e1_sigkill.run),
    Experiment(e2_syscalls.TITLE, e2_syscalls.run, *_STRACE),
    Experiment(e3_order.TITLE, e3_order.run, *_STRACE),
    Experiment(e4_full_disk.TITLE, e4_full_disk.run, *_MOUNT),
    Experiment(e5_line.TITLE, e5_line.run),
    Experiment(e6_clocks.TITLE, e6_clocks.run, *_FAKETIME),
    Experiment(e7_duplicates.TITLE, e7_duplicates.run),
    Experiment(e8_lost_answers.TITLE, e8_lost_answers.run),
    Experiment(e9_soak.TITLE, e9_soak.run),
)

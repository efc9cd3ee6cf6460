"""A node that kills itself at a named point: `python crashing_node.py CONFIG`.

The point stands in the file `crash-at` beside the configuration. Whoever reaches it removes the file
and sends itself SIGKILL, so nothing is flushed, answered or closed, and the next start runs on. The
points wrap methods of the real parts; the product knows nothing of them.

    OPERATION:uncommitted   the operation ran inside the transaction, which is not committed
    OPERATION:committed     it is durable; the caller has not been told yet
    step:uncommitted        a step of retention ran, which is not committed
    drop:begin              it is durable; the payload's file is still there
    CALL:begin              before a byte leaves for the neighbour
    CALL:answered           the neighbour's answer is here, and nothing was done with it

Those of the audit log are in crashing_log.py. Behind a point may stand an error, as in `put:done EIO`: then
the call fails with it instead, once, and the process decides by itself what becomes of it. SQLITE is what
SQLite says of a disk that fails.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from relay.cli.outcome import code_of, complain
from relay.errors import RelayError
from relay.journal import admitting, business, carrying, handing, recovering, retaining
from relay.journal.business import Verdicts
from relay.journal.payloads import PayloadFiles
from relay.journal.recovering import RecoveryTable
from relay.journal.store import SqliteJournal
from relay.node import process
from relay.transport.nodes.client import NodesClient

OPERATIONS = {
    admitting: ("admit", "take_in"),
    carrying: (
        "freeze",
        "settle",
        "postpone",
        "record_receipts",
        "returned",
        "store_seal",
        "give_up",
    ),
    handing: ("acknowledge", "mark_fetched"),
}
RECOVERY = ("reminded", "readmit")
CALLS = ("carry", "hand_back")


class Crash:
    """Where this process is to die, if anywhere."""

    def __init__(self, order: Path) -> None:
        self._order = order

    def at(self, point: str) -> None:
        try:
            wanted = self._order.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        wanted, _, error = wanted.partition(" ")
        if wanted != point:
            return
        self._order.unlink()
        if error == "SQLITE":
            raise sqlite3.OperationalError("disk I/O error, injected")
        if error:
            raise OSError(getattr(errno, error), "injected")
        os.kill(os.getpid(), signal.SIGKILL)


def arm(crash: Crash) -> None:
    for module, names in OPERATIONS.items():
        for name in names:
            setattr(module, name, _uncommitted(crash, name, getattr(module, name)))
            setattr(SqliteJournal, name, _committed(crash, name, getattr(SqliteJournal, name)))
    business.prove = _uncommitted(crash, "prove", business.prove)
    Verdicts.prove = _committed(crash, "prove", Verdicts.prove)  # type: ignore[method-assign]
    for name in RECOVERY:
        setattr(recovering, name, _uncommitted(crash, name, getattr(recovering, name)))
        setattr(RecoveryTable, name, _committed(crash, name, getattr(RecoveryTable, name)))
    for owner, name, wrap in SWEEPS:
        setattr(owner, name, wrap(crash, name, getattr(owner, name)))
    for name in CALLS:
        setattr(NodesClient, name, _call(crash, name, getattr(NodesClient, name)))


def _uncommitted(crash: Crash, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def operation(*args: Any, **named: Any) -> Any:
        result = real(*args, **named)
        crash.at(f"{name}:uncommitted")
        return result

    return operation


def _committed(crash: Crash, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    async def operation(*args: Any, **named: Any) -> Any:
        result = await real(*args, **named)
        crash.at(f"{name}:committed")
        return result

    return operation


def _call(crash: Crash, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    async def call(*args: Any, **named: Any) -> Any:
        crash.at(f"{name}:begin")
        result = await real(*args, **named)
        crash.at(f"{name}:answered")
        return result

    return call


SWEEPS: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (retaining, "step", _uncommitted),
    (PayloadFiles, "drop", _call),
)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.acceptance.crashing_log import arm_log

    config = Path(sys.argv[1])
    crash = Crash(config.with_name("crash-at"))
    arm(crash)
    arm_log(crash.at, config.parent)
    try:
        sys.exit(process.serve(config))
    except RelayError as error:  # as `relay serve` ends
        complain(str(error))
        sys.exit(code_of(error))

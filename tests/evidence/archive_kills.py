"""`python -m tests.evidence.archive_kills PKI FOLDER POINT…`: a process for each point that archives a message in
FOLDER/POINT, lets retention sweep, and sends itself SIGKILL when it gets there.

    put:after       an entry is in the part that is being written
    _close:before   all is written; nothing was fsynced
    _close:after    fsynced, under the name that nothing looks for
    announce:after  the journal knows of which digest a file is about to get its name
    _name:after     it has its name, and no record
    _record:after   the record ran inside the transaction, which is not committed
    record:after    it is durable; nothing has left
    step:after      a step of retention let the payload go, and is not committed
    sweep:after     the payload is gone

Forked from one process, so that the program is loaded once. Exit code 1 where a process ended otherwise.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from relay.journal import archiving, retaining
from relay.journal.archive_files import ArchiveWriting
from relay.journal.archiving import ArchiveTable
from relay.journal.sweeping import Sweeper
from tests.evidence.archive_node import Node
from tests.evidence.conftest import Pki

OWNERS: dict[str, Any] = {
    "put": ArchiveWriting,
    "_close": ArchiveWriting,
    "announce": ArchiveTable,
    "_name": ArchiveWriting,
    "_record": archiving,
    "record": ArchiveTable,
    "step": retaining,
    "sweep": Sweeper,
}


def arm(point: str) -> None:
    name, _, when = point.partition(":")
    real = getattr(OWNERS[name], name)

    def before() -> None:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)

    def after(result: Any) -> Any:
        if when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    async def later(*args: Any, **named: Any) -> Any:
        before()
        return after(await real(*args, **named))

    def now(*args: Any, **named: Any) -> Any:
        before()
        return after(real(*args, **named))

    setattr(OWNERS[name], name, later if inspect.iscoroutinefunction(real) else now)


async def archive(authority: Pki, folder: Path) -> None:
    node = await Node(authority, folder).start()
    await node.admit()
    node.at += timedelta(days=91)
    await node.archiver.round()
    await node.sweeper.sweep()


def main(pki: Path, folder: Path, points: list[str]) -> int:
    for point in points:
        if (child := os.fork()) == 0:
            (folder / point).mkdir()
            arm(point)
            asyncio.run(archive(Pki(pki), folder / point))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))

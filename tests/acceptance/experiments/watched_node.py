"""A node for experiments under strace: `python watched_node.py CONFIG`.

Uploads under way get numbers for names, so that strace can be told their paths before they exist. With
CARELESS=1 in the environment the journal is opened with synchronous=OFF: the fault that E3 must find.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

from relay.cli.main import run
from relay.journal import store
from relay.journal.payloads import PayloadFiles

NUMBERS = itertools.count()


def _numbered(files: PayloadFiles) -> Path:
    return files._coming / str(next(NUMBERS))


if __name__ == "__main__":
    PayloadFiles.coming = _numbered  # type: ignore[method-assign, assignment]
    if os.environ.get("CARELESS"):
        store._PRAGMAS = (*store._PRAGMAS, "PRAGMA synchronous = OFF")  # type: ignore[assignment]
    sys.argv = ["relay", "serve", sys.argv[1]]
    run()

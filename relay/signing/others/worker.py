"""The process that judges: it reads hostile files and does nothing else.

It has no key, no journal and no configuration; the environment is empty. Once its libraries are loaded it
gives up what it will not need: memory beyond its bound, new files and with them every socket, children,
core dumps, privileges by execution. It may write to the one scratch file it was born with, up to a bound.
Whatever it does wrong ends this process and is UNKNOWN at the node.

Touches: stdin, stdout, the scratch file on SCRATCH_FD. Trusts: the terms it is given.
Raises:  nothing; ends with an exit code.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from relay.judgement import write_judgement
from relay.signing.others.protocol import (
    CHUNK_BYTES,
    NOT_INSTALLED,
    READY,
    TERMS_LIMIT_BYTES,
    Ended,
    Terms,
    frame,
    read_frame,
    read_heading,
    read_terms,
)

SCRATCH_FD = 3
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS
_LEAST_IMPORTANT = 19
_SPARE = timedelta(seconds=5)
"""After the node's own patience the process ends itself: the node may be gone."""


def main() -> int:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    os.nice(_LEAST_IMPORTANT)
    try:
        terms = read_terms(read_frame(source, TERMS_LIMIT_BYTES))
        try:
            from relay.signing.others.jobs import Jobs  # noqa: PLC0415  the libraries may be absent
            from relay.signing.others.loading import load_all, load_no_more  # noqa: PLC0415

            load_all()
            jobs = Jobs(terms, os.fdopen(SCRATCH_FD, "w+b"))
        except ImportError:
            sink.write(frame(NOT_INSTALLED))
            sink.flush()
            return 0
        load_no_more()
        give_up_privileges(terms)
        sink.write(frame(READY))
        sink.flush()
        while True:
            heading = read_heading(read_frame(source, CHUNK_BYTES))
            signal.setitimer(signal.ITIMER_REAL, (terms.limits.within + _SPARE).total_seconds())
            judgement = jobs.judge(heading, source)
            signal.setitimer(signal.ITIMER_REAL, 0)
            sink.write(frame(write_judgement(judgement)))
            sink.flush()
    except (Ended, BrokenPipeError):
        return 0


def give_up_privileges(terms: Terms) -> None:
    """From here on nothing is opened, connected, started or dumped."""
    limits = terms.limits
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, limits.file_bytes + CHUNK_BYTES)
    _limit(resource.RLIMIT_AS, limits.memory_bytes)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, _lowest_free())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _lowest_free() -> int:
    """The limit under which no descriptor is free: one past the highest in use, the gaps closed."""
    used = {int(name.name) for name in Path("/proc/self/fd").iterdir()}
    highest = max(fd for fd in used if _is_open(fd))
    null = os.open(os.devnull, os.O_RDONLY)
    while null < highest:
        null = os.dup(null)
    os.close(null)
    return highest + 1


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def run() -> None:
    sys.exit(main())

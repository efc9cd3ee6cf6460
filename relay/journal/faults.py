"""What a failed write to a file means: no room is a refusal for now, anything else ends the process.

A disk that is full, or a process out of file handles, refuses one body cleanly; nothing was acknowledged
and the rest goes on. After any other failure (EIO, a disk gone read-only) nobody knows what the kernel
has dropped, so nothing more is promised: `fatal` ends the node, which recovers from its journal.

Touches: nothing. Raises: nothing; gives the error to raise.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from relay.errors import JournalError, ReserveError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})


def write_fault(
    what: str, error: OSError, fatal: Callable[[BaseException], None] | None = None
) -> JournalError:
    """The error for a write to `what` that failed so. `fatal` is told when it is no mere lack of room."""
    told = f"{what} cannot be written: {error.strerror}"
    if error.errno in _NO_ROOM:
        return ReserveError(told)
    if fatal is not None:
        fatal(error)
    return JournalError(told)

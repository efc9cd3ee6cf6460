"""The three streams as a command may take them for granted: there, and able to write Vietnamese.

Touches: stdin, stdout and stderr of the process. Raises: nothing.
"""

from __future__ import annotations

import io
import os
import sys

_NAMES = ("stdin", "stdout", "stderr")


def make_ready() -> None:
    """Once, before anything is opened."""
    for number, name in enumerate(_NAMES):
        _require_open(number, name)
    for stream in (sys.stdout, sys.stderr):
        # What a locale of another encoding cannot write is still what was asked for: as UTF-8.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")


def _require_open(number: int, name: str) -> None:
    """Where the shell closed it nothing is read and written, and no file or socket gets its number."""
    try:
        os.fstat(number)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    if getattr(sys, name) is None:
        mode = "w" if number else "r"
        setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def silence_stdout() -> None:
    """Whoever read it has enough (`relay inbox | head`); what is unwritten goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def log_to_stderr() -> None:
    """The lines of a node's rooms that a command uses are no data of the command's."""
    import structlog  # noqa: PLC0415 - slow to import, seldom needed

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

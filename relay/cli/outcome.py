"""The one table from a failure to an exit code (sysexits.h), and the two lines that explain it.

Touches: stderr.
Trusts:  nothing it says: files and nodes have their words in it, so nothing unprintable reaches the terminal.
Raises:  typer.Exit, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import typer

from relay.cli.show import printable
from relay.cli.streams import silence_stdout
from relay.errors import (
    AccessError,
    AuditError,
    InUseError,
    JournalError,
    NoFileError,
    NotFoundError,
    OverloadError,
    PeerError,
    RelayError,
    SettingsError,
    TransportError,
    UnansweredError,
)

USAGE, DATA, NO_INPUT, UNAVAILABLE, INTERNAL = 64, 65, 66, 69, 70
INTERRUPTED = 130
"""By Ctrl-C, as shells have it."""
CANNOT_CREATE, IO, TEMPORARY, NO_PERMISSION, CONFIG = 73, 74, 75, 77, 78


PIPE = 141
"""The reader of a verdict went away before it was told: by SIGPIPE, as shells have it."""


def verdict(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, whose exit code is what it found. Of what nobody read to its end 0 would be too much."""

    @wraps(command)
    def told(*args: Any, **given: Any) -> None:
        try:
            command(*args, **given)
        except BrokenPipeError:
            silence_stdout()
            raise typer.Exit(PIPE) from None

    told.is_verdict = True  # type: ignore[attr-defined]
    return told


class CommandError(RelayError):
    """A command that cannot go on, for a reason of the terminal's own: a file, an option."""

    def __init__(self, message: str, exit_code: int, hint: str = "") -> None:
        self.exit_code = exit_code
        self.hint = hint
        super().__init__(message)


EXIT_CODES: dict[type[BaseException], int] = {
    PeerError: DATA,
    AccessError: NO_PERMISSION,
    NotFoundError: NO_INPUT,
    TransportError: UNAVAILABLE,
    UnansweredError: TEMPORARY,
    JournalError: IO,
    OverloadError: TEMPORARY,
    InUseError: TEMPORARY,
    AuditError: DATA,
    SettingsError: CONFIG,
    NoFileError: NO_INPUT,
    FileNotFoundError: NO_INPUT,
    IsADirectoryError: NO_INPUT,
    NotADirectoryError: NO_INPUT,
    FileExistsError: CANNOT_CREATE,
    PermissionError: NO_PERMISSION,
    OSError: IO,
    Exception: INTERNAL,
}
"""Looked up along the class's own ancestry."""

_HINTS: dict[type[BaseException], str] = {
    AccessError: "is --token (or RELAY_TOKEN) the one issued for this agency or role?",
    UnansweredError: "the answer was lost, not necessarily the request; the same command again is safe",
    OverloadError: "come again in a moment",
    InUseError: "is the node running already? one process at a time",
}


def code_of(error: BaseException) -> int:
    if isinstance(error, CommandError):
        return error.exit_code
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def fail(error: RelayError | OSError) -> NoReturn:
    """Say what went wrong and what may help, on stderr, and leave with the error's exit code."""
    for line in _lines(error):
        complain(line)
    hint = str(getattr(error, "hint", "")) or next(
        (_HINTS[kind] for kind in type(error).__mro__ if kind in _HINTS), ""
    )
    if hint:
        suggest(hint)
    raise typer.Exit(code_of(error))


def complain(line: str) -> None:
    typer.echo(f"relay: error: {printable(line)}", err=True)


def suggest(line: str) -> None:
    typer.echo(f"relay: hint: {printable(line)}", err=True)


def remark(line: str) -> None:
    """What is neither data nor trouble."""
    typer.echo(f"relay: {printable(line)}", err=True)


def _lines(error: RelayError | OSError) -> tuple[str, ...]:
    if isinstance(error, SettingsError):
        return error.problems
    if isinstance(error, OSError) and error.strerror:
        return (f"{error.filename or 'file'}: {error.strerror.lower()}",)
    return (str(error),)

"""Evidence out of the archive's files, without a node: of a message the newest that can be read.

Touches: the archive's files, reading; the file named, and the one beside it with `.part`.
Trusts:  nothing in them; `relay archive verify` and `relay evidence verify` judge.
Raises:  CommandError, OSError.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from relay.cli.outcome import DATA, NO_INPUT, CommandError, complain
from relay.errors import DamagedError, PeerError


def take_out(place: Path, message: str, target: Path) -> bool:
    """The newest evidence there is of the message, to `target`.

    A file that is damaged, or fails while it is read, is named and passed over. False where one was: what is
    at `target` is sound, and there may be newer evidence in the file that was not.
    """
    whole = True
    for path in _newest_first(place):
        try:
            if _copy(path, message, target):
                return whole
        except PeerError as error:
            whole = False
            complain(f"{path.name} is passed over: {error}")
    if whole:
        raise CommandError(f"no message {message} in {place}", NO_INPUT)
    raise CommandError(f"no message {message} in what can be read of {place}", DATA)


def _newest_first(place: Path) -> list[Path]:
    from relay.signing.archives import archive_files  # noqa: PLC0415

    return [place] if place.is_file() else archive_files(place)[::-1]


def _copy(path: Path, message: str, target: Path) -> bool:
    """Whether it is in there. Damage shows only on the way: `target` gets its name once all of it held."""
    from relay.signing.archives import evidence_in  # noqa: PLC0415

    try:
        chunks = evidence_in(path, message)
    except OSError as error:
        raise _unreadable(error) from None
    if chunks is not None:
        _write(_read(chunks), target)
    return chunks is not None


def _read(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """So that a disk that cannot be read is told from one that cannot be written."""
    try:
        yield from chunks
    except OSError as error:
        raise _unreadable(error) from None


def _unreadable(error: OSError) -> DamagedError:
    return DamagedError(f"it cannot be read: {(error.strerror or str(error)).lower()}")


def _write(chunks: Iterator[bytes], target: Path) -> None:
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.rename(target)

"""What a journal holds of revocation, read from outside, whether its node runs or not.

Touches: DATA/journal.sqlite, never writing.
Raises:  JournalError where it cannot be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from relay.delivery.revocation.ports import Kind, Noted, Proven
from relay.errors import JournalError
from relay.journal.inspect import read_only
from relay.journal.revocation import SQL, noted_of, proven_of
from relay.journal.store import DATABASE

About = tuple[Kind, str]
"""As statements are stored: by the digest of a certificate (OCSP), or the id of an issuer (CRL)."""


@dataclass(frozen=True, slots=True)
class Stated:
    """As of one moment: of each thing asked for the newest statements, and every revocation noted."""

    statements: tuple[Proven, ...] = ()
    """As they were proven when they came."""
    noted: tuple[Noted, ...] = ()


def stated(folder: Path, asked: Iterable[About]) -> Stated:
    """Nothing of a node that has no journal yet."""
    path = folder / DATABASE
    if not path.is_file():
        return Stated()
    try:
        with closing(read_only(path)) as connection:
            connection.execute("BEGIN")
            rows = [
                row
                for about in dict.fromkeys(asked)
                for row in connection.execute(SQL["newest_about"], about)
            ]
            noted = connection.execute(SQL["noted"]).fetchall()
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {folder} cannot be read: {error}") from error
    return Stated(tuple(map(proven_of, rows)), tuple(map(noted_of, noted)))

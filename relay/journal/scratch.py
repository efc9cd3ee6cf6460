"""Tables for one comparison, in a file of the system's temporary folder that is gone afterwards.

Touches: a temporary file. Trusts: nothing. Raises: sqlite3.Error where the disk is full.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager


def open_scratch() -> sqlite3.Connection:
    """Used by one thread at a time, not always the same one."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA temp_store = FILE")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA cache_size = -65536")
    return connection


@contextmanager
def scratch() -> Iterator[sqlite3.Connection]:
    with closing(open_scratch()) as connection:
        yield connection

"""The certificates of this node's log keys as kept in the journal, and the key of each epoch by them.

Touches: log_certificates; entries, reading.
Trusts:  no row: which certificate counts say the first entries of the epochs (audit/log_keys.py).
Raises:  JournalError where the log was signed by a key that nothing here names; sqlite3.Error.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relay.audit.checkpoint import head_of, verify_note
from relay.audit.epochs import first_index
from relay.audit.log_keys import EpochKeys
from relay.audit.verify import LogKey
from relay.errors import AuditError, JournalError, SignatureError
from relay.model import digest_of

Chain = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LogHolder:
    """With what a node signs its log, and signed it before."""

    key: LogKey
    chain: Chain
    before: tuple[Chain, ...] = ()
    """Certificates of earlier keys that the configuration names."""


def keep(connection: sqlite3.Connection, chain: Sequence[bytes]) -> None:
    """Those of a key that is in use from now on. Safe to repeat."""
    shown = json.dumps([b64encode(der).decode() for der in chain])
    connection.execute(
        "INSERT OR IGNORE INTO log_certificates (digest, certificates) VALUES (?, ?)",
        (digest_of(chain[0]), shown),
    )


def kept(connection: sqlite3.Connection) -> list[Chain]:
    """All that are kept, the newest first; a journal of an older release has none."""
    there = "SELECT 1 FROM sqlite_master WHERE name = 'log_certificates'"
    if not connection.execute(there).fetchone():
        return []
    rows = connection.execute(
        "SELECT certificates FROM log_certificates ORDER BY certificate_row DESC"
    )
    return [chain for (text,) in rows.fetchall() if (chain := _chain(text))]


def _chain(text: object) -> Chain:
    """Empty where the row was edited: then it is no certificate of anything."""
    try:
        return tuple(b64decode(one, validate=True) for one in json.loads(str(text)))
    except (ValueError, TypeError, RecursionError):
        return ()


def openings(connection: sqlite3.Connection, epochs: Iterable[int]) -> dict[int, object]:
    """The first leaf of each epoch."""
    found = {}
    for epoch in epochs:
        row = connection.execute(
            "SELECT leaf FROM entries WHERE entry_index = ?", (first_index(epoch),)
        ).fetchone()
        found[epoch] = None if row is None else row[0]
    return found


def epoch_keys(connection: sqlite3.Connection, epochs: Iterable[int], present: LogKey) -> EpochKeys:
    return EpochKeys(present, openings(connection, epochs), kept(connection))


def change(connection: sqlite3.Connection, note: bytes, holder: LogHolder) -> dict[str, str]:
    """The certificates that a new epoch must name, where another key than the present one signed this
    head, the last of the log; empty where it was this one."""
    origin = head_of(note).origin
    if _signed(note, origin, holder.key):
        return {}
    for chain in (*kept(connection), *holder.before):
        if _signed_under(note, origin, holder.key, chain):
            return {"certificate": digest_of(holder.chain[0]), "previous": digest_of(chain[0])}
    raise JournalError(
        "the head of the log was signed by another key than keys.log, and no certificate of that key is"
        " kept: name it in keys.log_certificates_before, or start with it once more"
    )


def _signed_under(note: bytes, origin: str, key: LogKey, chain: Chain) -> bool:
    try:
        return key.certified is not None and _signed(note, origin, key.certified(chain))
    except SignatureError:
        return False


def _signed(note: bytes, origin: str, key: LogKey) -> bool:
    try:
        verify_note(note, origin, key.public_key, key.verify)
    except AuditError:
        return False
    return True

"""The log's epochs as stored: which one this is, how the ones before it ended, and a new one's begin.

A restore leaves a mark in the journal. The next start ends the epoch with the head it was restored to
and begins a new one, whose first entry names that head (audit/epochs.py). So does a start with another log
key than signed that head, for a log has one key: then the entry names the certificates of both
(audit/log_keys.py). If the process dies between the two, the mark that is left makes the start after it
do the rest. Each new epoch draws a tag for its
name, for the same backup may be restored once more, elsewhere. A rollback that nobody announced is
found while the node runs: then the epoch turns within one transaction (`turn`), because from the moment
it is known nothing may be written under the old one's name.

Touches: meta, epochs, log_head, log_certificates. Trusts: the journal's own rows, but for what is judged.
Raises:  sqlite3.Error; AuditError for heads that cannot be any; JournalError.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from datetime import datetime

from relay.audit.checkpoint import head_of
from relay.audit.entries import AuditEvent, Entry, entry
from relay.audit.epochs import Epoch, named_head
from relay.audit.log_keys import CHANGED
from relay.errors import AuditError
from relay.journal import log_keys
from relay.journal.log_keys import LogHolder
from relay.journal.rows import instant, ms
from relay.journal.writer import Transaction
from relay.model import NodeId

MARK = "restored"
"""In meta: since when neighbours must be asked, as milliseconds, from the restore on until they were."""
_TAG = "epoch-tag"
_OPENING = "epoch-opening"
"""In meta: the fields of a new epoch's first entry, until it is there."""
_CERTIFICATES = frozenset({"certificate", "previous"})


def new_tag() -> str:
    """Which no other restore of the same backup draws."""
    return secrets.token_hex(8)


def present(connection: sqlite3.Connection, holder: LogHolder | None = None) -> Epoch:
    """The present epoch; a new one where the journal was restored since the last start, or where
    `holder` signs with another key than before. JournalError where that key is not known.

    `connection` is in autocommit mode.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        epoch = _present(connection, holder)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return epoch


def _present(connection: sqlite3.Connection, holder: LogHolder | None) -> Epoch:
    epoch = Epoch(int(meta(connection, "epoch") or 0), meta(connection, _TAG) or "")
    head = connection.execute("SELECT note FROM log_head WHERE one = 1").fetchone()
    changed = {} if holder is None else _changed(connection, holder)
    restored = _is_restored(connection, epoch)
    if head is not None and (restored or changed):
        opening, epoch = _close(connection, epoch.number, head[0], new_tag())
        reason = "restored" if restored else CHANGED
        set_meta(connection, _OPENING, json.dumps({**opening, **changed, "reason": reason}))
    elif head is None:
        if restored:  # nothing was logged: the same number, and yet a name of its own
            epoch = Epoch(epoch.number, new_tag())
            set_meta(connection, _TAG, epoch.tag)
        _mend_opening(connection, changed)
    if restored or changed:
        set_meta(connection, "restored-epoch", str(epoch.number))
    return epoch


def _mend_opening(connection: sqlite3.Connection, changed: dict[str, str]) -> None:
    """The start before this one ended before the epoch's first entry; the key may be another again."""
    pending = meta(connection, _OPENING)
    if pending is not None:
        opening = {k: v for k, v in json.loads(pending).items() if k not in _CERTIFICATES}
        set_meta(connection, _OPENING, json.dumps({**opening, **changed}))


def _is_restored(connection: sqlite3.Connection, epoch: Epoch) -> bool:
    marked = meta(connection, MARK) is not None
    return marked and meta(connection, "restored-epoch") != str(epoch.number)


def _changed(connection: sqlite3.Connection, holder: LogHolder) -> dict[str, str]:
    """The certificates to name where the log's last head is by another key; all are kept from now on."""
    last = connection.execute(
        "SELECT note FROM (SELECT note, 1 AS present, 0 AS epoch FROM log_head"
        " UNION ALL SELECT note, 0, epoch FROM epochs) ORDER BY present DESC, epoch DESC LIMIT 1"
    ).fetchone()
    changed = {} if last is None else log_keys.change(connection, _blob(last[0], "note"), holder)
    for chain in (*holder.before, holder.chain):
        log_keys.keep(connection, chain)
    return changed


def _close(
    connection: sqlite3.Connection, number: int, note: bytes, tag: str
) -> tuple[dict[str, str | int], Epoch]:
    """Keep how the epoch ended and count on; how the next one's first entry names it, and the next."""
    connection.execute("INSERT INTO epochs VALUES (?, ?)", (number, note))
    connection.execute("DELETE FROM log_head")
    following = Epoch(number + 1, tag)
    set_meta(connection, "epoch", str(following.number))
    set_meta(connection, _TAG, tag)
    return named_head(head_of(note)), following


def turn(tx: Transaction, node: NodeId, at: datetime, reason: str) -> None:
    """A new epoch begins with what this transaction records from here on."""

    def close(connection: sqlite3.Connection, epoch: int) -> tuple[Entry, Epoch]:
        (note,) = connection.execute("SELECT note FROM log_head WHERE one = 1").fetchone()
        named, following = _close(connection, epoch, note, new_tag())
        set_meta(connection, "restored-epoch", str(following.number))
        return entry(AuditEvent.EPOCH_STARTED, at, node, **named, reason=reason), following

    tx.end_epoch(close)


def open_epoch(tx: Transaction, node: NodeId, at: datetime) -> bool:
    """The first entry of a new epoch, where one is due; it must come before any other."""
    opening = meta(tx.connection, _OPENING)
    if opening is None:
        return False
    tx.record(entry(AuditEvent.EPOCH_STARTED, at, node, **json.loads(opening)))
    tx.run("DELETE FROM meta WHERE name = ?", _OPENING)
    return True


def mark_restored(connection: sqlite3.Connection, since: datetime) -> None:
    """What was exchanged since then may be missing here."""
    mark_missing(connection, since)
    gone = "('restored-epoch', 'lost-until', 'archive-announced')"
    connection.execute(f"DELETE FROM meta WHERE name IN {gone}")  # noqa: S608


def mark_missing(connection: sqlite3.Connection, since: datetime) -> None:
    """What was exchanged since then may be missing: every neighbour is to be asked, anew if need be.

    Where a recovery was under way already, what it was to bring is still missing, too.
    """
    before = meta(connection, MARK)
    if before is not None:
        since = min(since, instant(int(before)))
    set_meta(connection, MARK, str(ms(since)))
    connection.execute("DELETE FROM recovery")
    connection.execute("DELETE FROM recovery_wanted")


def heads(connection: sqlite3.Connection) -> dict[int, bytes]:
    """The last signed head of each epoch, in order, the present one last if it has any entry."""
    found = {
        int(epoch): _blob(note, "note")
        for epoch, note in connection.execute("SELECT epoch, note FROM epochs ORDER BY epoch")
    }
    head = connection.execute("SELECT note FROM log_head").fetchone()
    if head is not None:
        found[_number(connection)] = _blob(head[0], "note")
    return found


def edge(connection: sqlite3.Connection, epoch: int) -> bytes | None:
    """The right edge to which the next entry would be appended; None in an epoch that has ended."""
    row = connection.execute("SELECT frontier FROM log_head").fetchone()
    if row is None or epoch != _number(connection):
        return None
    return _blob(row[0], "frontier")


def _number(connection: sqlite3.Connection) -> int:
    text = meta(connection, "epoch") or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > 4:
        raise AuditError("the journal no longer says which epoch of its log this is")
    return int(text)


def _blob(cell: object, column: str) -> bytes:
    if not isinstance(cell, bytes):
        raise AuditError(f"the row of the signed head was edited: its {column} is no BLOB")
    return cell


def meta(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def set_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute(
        "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
        (name, value),
    )

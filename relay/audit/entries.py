"""Write and read audit entries: the final leaf bytes of the log.

A leaf is one JSON object in canonical form (RFC 8785 restricted): UTF-8, keys sorted, no white
space, only texts, integers, lists and objects, nothing empty, what is absent left out. Equal
entries are equal bytes, so a leaf can be read, written again and compared. Every leaf has

    v      2, the version of this page; 1 in leaves of older releases
    at     when, RFC 3339 in UTC with milliseconds
    event  one of AuditEvent
    node   the node whose log this is

and the fields of its event. The words for those are: message, delivery, transfer, entry (a
message's own log entry), origin, peer, sender, recipient, recipients, digest (of the envelope),
size, receipt and previous (digests), state, priority, type, reason, code, attempts, seconds,
count, days, documents, transfers, receipts, missing and skipped (counts), face (of the node: axis, native,
nodes), refusals, expires, deliveries (ids), by (token,
local user, system or node), why (an operator's own words), holder, token, scopes, system (its systemid),
certificate (digest), added and removed (digests by list), config (digest), release, issuer, version, agencies and successors (codes),
nodes (ids), request and number (numbers), verdict and flaws (words of relay/judgement.py), signatures (count), files
(digests), log (the name of one), witness (the name of one), previous_log and previous_size (of a head), since and until
(of a period), doubled and different (counts), arrived and departed (times), seal (its kind), findings (codes), waits
(each with reason, since and until).
Never a subject, a name, an address or a secret: in a leaf of version 2 by, why and holder are
salted digests of the words that stand beside it (words.py); in one of version 1 they are the words.
An entry without any needs no salt, and nothing stands beside it.

The fields of each event are listed in docs/audit-log.md.

Touches: the system's randomness, for salts.
Trusts:  callers of `entry` to pass digests, ids and codes only; nothing that `parse` is given.
Raises:  ValueError from `entry` (a bug of ours), AuditError from `parse`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from json.encoder import encode_basestring as quoted
from typing import Any, Final

from relay.audit import words as beside
from relay.errors import AuditError
from relay.model import NodeId, utc

VERSION: Final = 2
_VERSIONS: Final = (1, 2)
LEAF_LIMIT_BYTES: Final = 65_535
"""A leaf stays under 64 KiB, the size a C2SP tlog-tiles entry bundle can carry."""
DEPTH_LIMIT: Final = 4
INTEGER_LIMIT: Final = 2**53 - 1
"""Integers beyond this are not the same number to every JSON reader."""

_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_RESERVED = frozenset({"v", "at", "event", "node"})


class AuditEvent(StrEnum):
    """What an entry says happened, durable in the same transaction as the entry."""

    NODE_STARTED = "node-started"
    """The process opened its journal; `release`, and `config`, the digest of its settings: they are read
    at a start only."""
    NODE_STOPPED = "node-stopped"
    """It drained and closed in order. A start without a stop before it was a crash."""
    MESSAGE_ACCEPTED = "message-accepted"
    """An envelope was handed in by a DMS and is durable."""
    MESSAGE_SEALED = "message-sealed"
    """Its seal is stored; nothing leaves before."""
    TRANSFER_FROZEN = "transfer-frozen"
    """A hop's header and recipients are fixed, before the first attempt."""
    TRANSFER_ANSWERED = "transfer-answered"
    """The neighbour's signed answer is stored."""
    TRANSFER_POSTPONED = "transfer-postponed"
    """The first failed attempt, and each change to in-doubt."""
    TRANSFER_RECEIVED = "transfer-received"
    """A neighbour's transfer was verified and taken over here."""
    TRANSFER_REFUSED = "transfer-refused"
    """A neighbour's transfer was refused to these recipients, for `reason`, with a signed receipt."""
    RECEIPT_RECEIVED = "receipt-received"
    """A receipt travelling back was verified and settled its delivery."""
    RECEIPT_ISSUED = "receipt-issued"
    """This node signed a receipt."""
    DELIVERY_AVAILABLE = "delivery-available"
    """At the disposal of the recipient's system."""
    DELIVERY_FETCHED = "delivery-fetched"
    """Fetched by the recipient's system; `by`."""
    DELIVERY_ACKNOWLEDGED = "delivery-acknowledged"
    """Acknowledged by the recipient's system; `by`, `state`, and `why` where an operator did."""
    DELIVERY_EXPIRED = "delivery-expired"
    """Its time ran out; a negative receipt travels back."""
    DELIVERY_FAILED = "delivery-failed"
    """It ended without the recipient having it, for the `reason` given."""
    STATUS_MATCHED = "status-matched"
    """A business status found its document."""
    REFUSED_SUMMARY = "refused-summary"
    """Refusals of callers that never authenticated, and those beyond a caller's share of entries:
    `count` in the last `seconds`, in `refusals` by `face`, `reason` and, where known, `by`."""
    PEER_REFUSED = "peer-refused"
    """An authenticated system or token holder (`by`) or neighbour was refused, for `reason`."""
    CARRY_EXPORTED = "carry-exported"
    """Transfers and receipts were written to a carry file; `digest` is its manifest's."""
    CARRY_IMPORTED = "carry-imported"
    """A neighbour's carry file was read, with its counts; `reason` where it broke off."""
    CARRY_REFUSED = "carry-refused"
    """A carry file that proved nothing was handed in by an operator, for the `reason` given."""
    TOKEN_ISSUED = "token-issued"  # noqa: S105 (the name of an event)
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 (the name of an event)
    SYSTEM_ADDED = "system-added"
    """A document-management `system` was added by an operator; with it its first secret."""
    SYSTEM_ROTATED = "system-rotated"
    """A `system` has a new secret; those before it end."""
    SYSTEM_REVOKED = "system-revoked"
    """No secret of a `system` works any more; `by`, `why`."""
    SYSTEMS_RESEALED = "systems-resealed"
    """The node's key changed: so many secrets (`count`) are sealed under the present one."""
    CONFLICT_ALERT = "conflict-alert"
    """Other bytes came under an identity already taken."""
    EPOCH_STARTED = "epoch-started"
    """The first entry of a new log: the head of the one before it, and `reason`."""
    ROLLBACK_FOUND = "rollback-found"
    """A `neighbour` holds what this node signed and does not know (`digest`, `type`): it was rolled back."""
    NEIGHBOUR_REMINDED = "neighbour-reminded"
    """A restored `neighbour` asked: `transfers` to it were opened and `receipts` queued again, so many
    `documents` of its own were named to it."""
    MESSAGE_RECOVERED = "message-recovered"
    """A message of this node's own was fetched back and admitted again."""
    MESSAGE_LOST = "message-lost"
    """The message of a `transfer` of this node's own did not come back, for the `reason` given."""
    RECOVERY_SKIPPED = "recovery-skipped"
    """An operator gave up asking a `neighbour`; `by`, `why`."""
    RECONCILED = "reconciled"
    """What a `neighbour`, or the system of one of the `agencies`, believes was exchanged from `since` on and
    before `until` was compared with what stands here: of `count` deliveries so many are `missing`, `doubled`,
    `different`; `by`, `why`."""
    RECOVERY_FINISHED = "recovery-finished"
    """All neighbours have answered (but those `skipped`): `documents` of ours came back, `transfers` to
    us and `receipts` were sent again, so many are `missing`."""
    CERTIFICATE_ENDS = "certificate-ends"
    """One of the node's own (`type`: tls, sign, log, gateway, a code), of an issuer above those (issuer), or of
    those it trusts (trust.roots, listen.native_clients, by its list) ends in so many `days`."""
    CERTIFICATE_RENEWED = "certificate-renewed"
    """An operator (`by`) put another `certificate` in the `previous` one's place; used from now on."""
    CLOCK_JUMPED = "clock-jumped"
    """The system's clock went its own way by so many `seconds` (0: it is back); not followed."""
    CLOCK_DOUBTED = "clock-doubted"
    """Every neighbour that was asked contradicts the node's clock, which is so many `seconds` ahead of
    theirs (0: one agrees again, or none is heard of); meanwhile no document is accepted."""
    RESERVE_REACHED = "reserve-reached"
    """New work is refused from now on: of the `type` (space, inodes) only `count` is left."""
    RESERVE_REGAINED = "reserve-regained"
    """There is room again; new work is taken."""
    DELIVERY_HELD = "delivery-held"
    """An operator's doing, as the following are: `by`, `why`, `deliveries`. Not sent until released."""
    DELIVERY_RELEASED = "delivery-released"
    DELIVERY_REQUEUED = "delivery-requeued"
    """Queued anew, back-off forgotten, its way decided again; `count` receipts that were parked."""
    DELIVERY_REDIRECTED = "delivery-redirected"
    """Goes to another `neighbour`."""
    DELIVERY_CANCELLED = "delivery-cancelled"
    """Ended; this node's signed negative receipt travels back. `state` is what it ended as."""
    TRANSFER_FREED = "transfer-freed"
    """The neighbour does not have it: its deliveries may go another way."""
    QUEUE_FLUSHED = "queue-flushed"
    """What waits for the `neighbour` (all of them where none is named) is tried at once."""
    RETENTION_SWEPT = "retention-swept"
    """What left by policy since the entry before: `payloads`, `payload_bytes`, `messages`, `arrivals`,
    `orphans` and `uploads`, files that nothing refers to, and `reopened`, transfers that a restored
    neighbour was sent again and never answered."""
    BRIDGE_TOOK = "bridge-took"
    """A remote without evidence (`neighbour`) is known to have a `transfer`; `code` is the digest of its
    DocId, `digest` that of the raw answer."""
    BRIDGE_ENTERED = "bridge-entered"
    """A package of a remote became a `message`; `code` is the digest of its docId, `digest` the business hash."""
    BRIDGE_KNOWN = "bridge-known"
    """It was here already: nothing was delivered again."""
    BRIDGE_TURNED_AWAY = "bridge-turned-away"
    """It was refused, for `reason`."""
    BRIDGE_REPEATED = "bridge-repeated"
    """A package was sent that the remote may have already, for `reason`: not-listed, not-asked or restored."""
    BRIDGE_TOLD = "bridge-told"
    """The remote was told what became of it: `state` processing, done or fail."""
    DIRECTORY_CHANGED = "directory-changed"
    """These `agencies` (codes) or `nodes` look otherwise as of `version`; `by` whom, `why`."""
    DIRECTORY_ISSUED = "directory-issued"
    """This node signed what it says of its branch: `version`, `digest`, `count` of agencies."""
    DIRECTORY_RECEIVED = "directory-received"
    """What the `issuer` of a branch signed came from `peer`, was proven and is in force."""
    DIRECTORY_REFUSED = "directory-refused"
    """What `peer` handed in as a directory was not taken, for `reason`."""
    REGISTRATION_ASKED = "registration-asked"
    """A system (`by`) asked to register or delete an agency: `type`, `agencies`, `request`."""
    REGISTRATION_DECIDED = "registration-decided"
    """It was approved or rejected (`state`): `by`, `why`."""
    RECIPIENT_SUCCEEDED = "recipient-succeeded"
    """Deliveries for `recipients` that are closed go to these `successors`, in the same order."""
    PASSAGE = "passage"
    """What waited here on its way from a neighbour, and why: codes and times (relay/wire/passage.py). Its proof
    travels back."""
    PROOFS_DROPPED = "proofs-dropped"
    """Proofs of receipts waited too long for a neighbour, or too many did."""
    EVIDENCE_EXPORTED = "evidence-exported"
    """An evidence file about a `message` was written: `digest` of its exporter's signature, `count` of
    files, `size`, `by`, `why`. It holds the document."""
    ARCHIVE_WRITTEN = "archive-written"
    """An archive file is on the disk: its `number`, `digest`, that of the one before (`previous`), `size`,
    and the `count` of messages whose evidence it holds."""
    HOLD_PLACED = "hold-placed"
    """An operator's legal hold (`by`, `why`) on a `message` or on all of the `agencies`: it leaves neither the
    journal nor the node until released."""
    HOLD_RELEASED = "hold-released"
    LOG_EXPORTED = "log-exported"
    """A range of this log was written to an archive: `first` index and `last`, `count` of entries,
    `digest` of its exporter's signature, `size`, `type` (leaves, words), `by`, `why`."""
    OBLIGATION_ASKED = "obligation-asked"
    """A `message` asks `recipient` to do something (`type`) with an earlier `document`."""
    OBLIGATION_CHANGED = "obligation-changed"
    """Proven or answered: `state`."""
    OBLIGATION_OVERDUE = "obligation-overdue"
    """Its deadline passed without an answer; told once."""
    DELIVERY_TAKEN_BACK = "delivery-taken-back"
    """Before its recipient had it; a signed receipt follows."""
    CERTIFICATE_REVOKED = "certificate-revoked"
    """An authority says so of a `certificate` met here (`type`, `agencies` or `nodes`), for `reason`."""
    CERTIFICATE_RESTORED = "certificate-restored"
    """The same authority took a hold of it back."""
    SIGNATURES_JUDGED = "signatures-judged"
    """What was found about the `signatures` others made in a `message` and its `files`: `verdict`, `flaws`."""
    TRUST_CHANGED = "trust-changed"
    """Certificates were `added` to whom the node trusts or `removed`: digests, by the list they stand in;
    `by`, `why`. In force from the commit of this entry on."""
    TRUST_REFUSED = "trust-refused"
    """What lies in the files of trusted certificates does not serve (`count` problems); nothing changed."""
    LOG_EPOCH = "log-epoch"
    """A neighbour's `log` began a new epoch, whose first entry names `previous_log` and `previous_size`; so
    many entries (`count`) that this node had cosigned are not in it."""
    LOG_FORKED = "log-forked"
    """An alarm: a `log` signed a head (`digest` of its note, handed in by `peer`) that contradicts another
    (`previous`), `reason` forked or twin. Both are kept; nothing of it is cosigned until an operator clears it."""
    LOG_ROLLED_BACK = "log-rolled-back"
    """An alarm: the node of a `log` shows a head (`digest`, `size`) shorter than one that was cosigned here
    (`previous`, `previous_size`). It ends by itself when the log goes on from there or says what it lost."""
    LOG_KEY_CHANGED = "log-key-changed"
    """A `neighbour`'s log is signed with another key from now on, proven by its `certificate`."""
    LOG_ALARM_CLEARED = "log-alarm-cleared"
    """So many alarms (`count`) of a `log` end, and it is cosigned again: an operator looked (`by`, `why`), or the
    log, rolled back, went on (`peer`)."""
    WITNESS_REFUSED = "witness-refused"
    """A `witness` finds this node's log, `size` entries long, not to be the one it cosigned, for `reason`."""
    WORDS_FORGOTTEN = "words-forgotten"
    """An operator had the words beside `count` entries removed, of a holder or of an age (`type`)."""
    LATE_RECEIPT = "late-receipt"
    """A receipt changed an outcome that was given as unknown, expired or failed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, about to be recorded: its leaf, and what stands beside it."""

    leaf: bytes
    salt: bytes = b""
    """Of this entry alone; none where there are no words."""
    words: str = ""
    """A JSON object, place in the leaf → text; empty where there are none."""


def instant(at: datetime) -> str:
    """`at` as every time in the log is written: 2026-11-23T04:53:00.125Z, cut to milliseconds."""
    return utc(at).isoformat("T", "milliseconds")[:-6] + "Z"


def moment(text: str) -> datetime:
    """The instant an entry's `at` names. Raises AuditError unless it is written as `instant` does."""
    try:
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC)
    except ValueError:
        pass
    raise AuditError("time is not an RFC 3339 instant in UTC with milliseconds")


def entry(event: AuditEvent, at: datetime, node: NodeId, **fields: object) -> Entry:
    """The entry of one event. Fields that are None or empty are left out, 0 is kept.

    Callers pass plain words; in the leaf they are salted digests. Raises ValueError for a field that no
    leaf may hold or a leaf over the limit.
    """
    if not _RESERVED.isdisjoint(fields):
        raise ValueError("v, at, event and node are not free fields")
    present = {name: value for name, value in fields.items() if value or value == 0}
    words = beside.take_out(present) if _may_hold_words(present) else {}
    salt = b""
    if words:
        salt = os.urandom(beside.SALT_BYTES)
        digests = {place: beside.digest_of(place, text, salt) for place, text in words.items()}
        present = beside.replaced(present, digests)
    present["v"] = VERSION
    present["at"] = instant(at)
    present["event"] = event
    present["node"] = node
    return Entry(_encode(present), salt, _words_text(words) if words else "")


def _may_hold_words(fields: Mapping[str, object]) -> bool:
    """Nearly no entry of a document's way does: that is found out fast."""
    return not beside.WORDS.isdisjoint(fields) or "refusals" in fields


def _words_text(words: Mapping[str, str]) -> str:
    text = json.dumps(words, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if len(text.encode()) > beside.WORDS_LIMIT_BYTES:
        raise ValueError(f"words of {len(text)} characters, limit {beside.WORDS_LIMIT_BYTES} bytes")
    return text


def parse(leaf: bytes) -> dict[str, Any]:
    """The fields of a leaf, which must be canonical to the byte, or AuditError.

    An event this release does not know is let through: an older verifier can check a newer log.
    """
    if len(leaf) > LEAF_LIMIT_BYTES:
        raise AuditError(f"leaf of {len(leaf)} bytes, limit {LEAF_LIMIT_BYTES}")
    try:
        fields = json.loads(leaf.decode())
    except (ValueError, RecursionError) as error:
        raise AuditError("leaf is not JSON in UTF-8") from error
    if not isinstance(fields, dict):
        raise AuditError("leaf is not an object")
    _check_frame(fields)
    # Writing what was read is the whole test of canonical form: repeated keys, white space,
    # other escapes, other number forms and misplaced keys all give other bytes.
    try:
        again = _encode(fields)
    except ValueError as error:
        raise AuditError(f"leaf is not canonical: {error}") from error
    if again != leaf:
        raise AuditError("leaf is not canonical")
    return fields


def _check_frame(fields: Mapping[str, Any]) -> None:
    version = fields.get("v")
    if version not in _VERSIONS or isinstance(version, bool):
        raise AuditError(f"leaf version is {str(version)[:20]!r}, this release reads 1 and 2")
    for name in ("at", "event", "node"):
        if not isinstance(fields.get(name), str):
            raise AuditError(f"leaf has no {name}")
    if not _WORD.fullmatch(fields["event"]):
        raise AuditError("event is not a word in lower case")
    moment(fields["at"])
    if version == VERSION and _may_hold_words(fields):
        _check_no_words(fields)


def _check_no_words(fields: Mapping[str, Any]) -> None:
    try:
        words = beside.take_out(fields)
    except ValueError as error:
        raise AuditError(f"leaf is not canonical: {error}") from error
    for place, text in words.items():
        if not beside.DIGEST.fullmatch(text):
            raise AuditError(f"leaf holds words where their digest is due: {place[:40]!r}")


def _encode(fields: Mapping[str, object]) -> bytes:
    leaf = _object(fields, DEPTH_LIMIT).encode()
    if len(leaf) > LEAF_LIMIT_BYTES:
        raise ValueError(f"leaf of {len(leaf)} bytes, limit {LEAF_LIMIT_BYTES}")
    return leaf


_known_keys: dict[str, str] = {}
"""Well-formed keys as they are written; the vocabulary is small, so this stays small."""
_KNOWN_KEYS_LIMIT: Final = 512


def _key(name: str) -> str:
    if not _KEY.fullmatch(name):
        raise ValueError(f"key {name[:40]!r} is not a word in lower case")
    text = f'"{name}":'
    if len(_known_keys) < _KNOWN_KEYS_LIMIT:
        _known_keys[name] = text
    return text


def _value(value: object, depth: int) -> str:
    if isinstance(value, str) and value:
        return quoted(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not -INTEGER_LIMIT <= value <= INTEGER_LIMIT:
            raise ValueError(f"integer beyond {INTEGER_LIMIT}")
        return int.__repr__(value)
    if not isinstance(value, (dict, list, tuple)):
        raise ValueError(f"a leaf holds no {type(value).__name__}" if value else "empty value")
    if not value:
        raise ValueError("empty value")
    if depth == 0:
        raise ValueError(f"nested deeper than {DEPTH_LIMIT}")
    if isinstance(value, dict):
        return _object(value, depth - 1)
    return "[" + ",".join([_value(item, depth - 1) for item in value]) + "]"


def _object(fields: Mapping[str, object], depth: int) -> str:
    members = []
    for name in sorted(fields):
        value = fields[name]
        # Nearly every value is a plain text under a known key: that way is kept short.
        key = _known_keys.get(name) or _key(name)
        members.append(
            key + (quoted(value) if type(value) is str and value else _value(value, depth))
        )
    return "{" + ",".join(members) + "}"

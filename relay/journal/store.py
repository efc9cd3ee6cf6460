"""The journal on SQLite: one writing connection with group commit, read-only ones for readers.

WAL with synchronous=FULL: a COMMIT returns after its fsync. Older SQLite can corrupt a WAL that two
connections reset, so only the writer checkpoints, and whoever else opens the file does so read-only.
The folder is locked while a process writes (`lock`), so a second node on it refuses to start.

Touches: DATA/journal.sqlite, DATA/payloads, DATA/lock.
Raises:  JournalError; what the operations raise passes through.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiosqlite

from relay.delivery.aside import MANY_RECIPIENTS, aside
from relay.delivery.ports import (
    Acknowledgement,
    Caller,
    InboxItem,
    InboxQuery,
    LogEntry,
    LogEntryWhole,
    LogPage,
    MessageView,
    SentItem,
    SentQuery,
    TokenView,
)
from relay.delivery.pressure.quota import Quotas
from relay.delivery.records import (
    Admission,
    Admitted,
    AlreadyHere,
    Answered,
    Freeze,
    HandoverFacts,
    MessageRow,
    NeighbourState,
    OpenTransfer,
    OtherParty,
    Ready,
    Renew,
    ReturnRow,
    TakeIn,
    TakenIn,
    Unsealed,
    Waiting,
    WaitingReturn,
)
from relay.delivery.turns import EVERY, Stretch
from relay.delivery.wanted import Wanted
from relay.errors import (
    ConflictError,
    GoneError,
    InUseError,
    JournalError,
    NotFoundError,
    QuotaError,
)
from relay.journal import (
    admitting,
    carrying,
    epochs,
    handing,
    judging,
    lists,
    logged,
    obliging,
    views,
    wording,
)
from relay.journal.log_keys import LogHolder
from relay.journal.migrate import migrate_aside
from relay.journal.payloads import PayloadFiles, PayloadUpload
from relay.journal.rows import instant, ms
from relay.journal.writer import HeadSigner, Transaction, Writer
from relay.lifecycle import IllegalStepError
from relay.model import (
    AgencyCode,
    DeliveryId,
    Digest,
    Lane,
    MessageId,
    MessageType,
    NodeId,
    Payload,
    Priority,
    Receipt,
    Seal,
    SealKind,
    Signed,
    TransferId,
)
from relay.wire.receipt import read_receipt

DATABASE = "journal.sqlite"
VIEWS = views.SQL
_READER_CACHE_KIB = 16_384
"""Lists of a large journal come back to the same pages; without it each is read anew."""
_UNKNOWN = sys.maxsize
"""Rows of an operation that may touch any number, and is not on the way of a document that goes well."""
_PRAGMAS = (
    "PRAGMA auto_vacuum = INCREMENTAL",  # of a new journal; before anything is written
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = OFF",  # the operations keep the references; the tests check them
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",  # a WAL that once had to grow gives its room back
    "PRAGMA cache_size = -65536",
    "PRAGMA temp_store = MEMORY",
)


def _raise_first(outcomes: Iterable[object]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


def _writing_connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    return connection


def lock(folder: Path) -> int:
    """Take the folder for this process; the handle keeps it until closed or the process ends."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise InUseError(f"{folder} is in use by another process") from None
    return handle


class SqliteJournal:
    """delivery.records.Journal and delivery.ports.PayloadStore on one folder."""

    def __init__(
        self, folder: Path, node: NodeId, writer: Writer, files: PayloadFiles, lock_handle: int
    ) -> None:
        self._folder = folder
        self._node = node
        self._writer = writer
        self._files = files
        self._lock = lock_handle
        self.quotas: Quotas | None = None
        """What may wait here of one party; none when None."""
        self._exits = AsyncExitStack()
        self._reader: aiosqlite.Connection

    @classmethod
    async def open(
        cls,
        folder: Path,
        node: NodeId,
        sign_head: HeadSigner,
        *,
        on_fatal: Callable[[BaseException], None],
        on_commit: Callable[[int], None] = lambda _: None,
        room: Callable[[int], None] = lambda _: None,
        holder: LogHolder | None = None,
    ) -> SqliteJournal:
        """Lock, migrate and open. Raises JournalError for another node's or a newer journal, AuditError for
        one whose head cannot be any.

        `room` is asked before so many bytes of a payload are written to a file. `holder` is whose key
        `sign_head` signs with: where it is another than before a new epoch of the log begins.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # noqa: ASYNC240  before anything is served
        handle = lock(folder)
        with ExitStack() as undone:
            undone.callback(os.close, handle)
            try:
                connection = _writing_connection(folder / DATABASE)
                undone.callback(connection.close)
                await migrate_aside(connection)
                _claim(connection, node)
                epoch = epochs.present(connection, holder)
            except sqlite3.Error as error:
                raise JournalError(f"the journal in {folder} cannot be opened: {error}") from error
            undone.pop_all()
        files = PayloadFiles(folder / "payloads", room=room, fault=on_fatal)
        files.forget_unfinished()
        writer = Writer(connection, sign_head, epoch=epoch, on_fatal=on_fatal, on_commit=on_commit)
        journal = cls(folder, node, writer, files, handle)
        await journal._open_reader()
        return journal

    async def _open_reader(self) -> None:
        uri = f"{(self._folder / DATABASE).absolute().as_uri()}?mode=ro"
        self._reader = await self._exits.enter_async_context(aiosqlite.connect(uri, uri=True))
        await self._reader.execute("PRAGMA query_only = ON")
        await self._reader.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")

    async def close(self) -> None:
        """Finish what waits and close; safe to repeat."""
        await self._exits.aclose()
        await self._writer.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def files(self) -> PayloadFiles:
        return self._files

    @property
    def waiting(self) -> int:
        """Operations that wait for the writer."""
        return self._writer.waiting

    def before_next(self, work: Callable[[], None]) -> None:
        """See Writer.before_next."""
        self._writer.before_next(work)

    async def perform(self, operation: Callable[[Transaction], Any], rows: int = 1) -> Any:
        """`rows`: about how many deliveries it touches; many are no work for the event loop."""
        return await self._writer.perform(operation, long=rows > MANY_RECIPIENTS)

    async def rows(
        self, statement: str, values: Sequence[object] | dict[str, object] = ()
    ) -> list[Any]:
        """In one go: a statement left open holds every later read to the state it began with."""
        try:
            return list(await self._reader.execute_fetchall(statement, values))
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be read: {error}") from error

    # ------------------------------------------------------------ acceptance

    async def admit(self, admission: Admission) -> Admitted | Renew:
        result = await self.perform(
            lambda tx: admitting.admit(tx, self._node, admission, self.quotas),
            len(admission.deliveries),
        )
        return cast("Admitted | Renew", _taken(result))

    async def take_in(self, arrival: TakeIn) -> TakenIn | AlreadyHere:
        result = await self.perform(
            lambda tx: admitting.take_in(tx, self._node, arrival, self.quotas),
            len(arrival.header.recipients),
        )
        return cast("TakenIn | AlreadyHere", _taken(result))

    async def answered(
        self, neighbour: NodeId, transfer_id: TransferId, header: bytes | None = None
    ) -> Signed | None:
        rows = await self.rows(
            "SELECT r.document, r.signature, a.header FROM arrivals a JOIN receipts r ON r.digest = a.receipt"
            " WHERE a.neighbour = ? AND a.transfer_id = ?",
            (neighbour, transfer_id),
        )
        if not rows:
            return None
        if header is not None and rows[0][2] != header:
            raise ConflictError(f"transfer {transfer_id} came before with another header")
        return Signed(rows[0][0], rows[0][1])

    async def parties(
        self, document_id: str, notation: str, date: str, one: Collection[str]
    ) -> OtherParty | None:
        rows = await self.rows(VIEWS["parties"], (document_id, notation, date, json.dumps([*one])))
        if not rows:
            return None
        recipients = await self.rows(
            "SELECT recipient FROM deliveries WHERE message_row = ?", (rows[0][0],)
        )
        return OtherParty(
            AgencyCode(rows[0][1]),
            tuple(AgencyCode(r[0]) for r in recipients),
            Priority(rows[0][2]),
        )

    # ------------------------------------------------------------ sealing and carrying

    async def unsealed(self, limit: int, without: Collection[AgencyCode] = ()) -> list[Unsealed]:
        rows = await self.rows(carrying.SQL["unsealed"], (json.dumps(sorted(without)), limit))
        return [views.unsealed(row) for row in rows]

    async def store_seal(
        self,
        message_row: MessageRow,
        seal: Seal,
        consigned: tuple[Signed, Receipt] | None,
        at: datetime,
    ) -> list[NodeId]:
        result = await self.perform(
            lambda tx: carrying.store_seal(tx, self._node, message_row, seal, consigned, at),
            _UNKNOWN,
        )
        return cast("list[NodeId]", result)

    async def ready(self, neighbour: NodeId, lane: Lane, limit: int) -> list[Ready]:
        rows = await self.rows(carrying.SQL["ready"], (neighbour, int(lane), limit))
        if (
            len(rows) == limit
        ):  # the last message may have more recipients, and they share its transfer
            row, _, _, arrival, message, *_ = rows[-1]
            rest = (message, arrival, row, neighbour, int(lane))
            rows = [*rows, *await self.rows(carrying.SQL["ready_rest"], rest)]
        return views.ready_groups(rows)

    async def open_transfers(
        self, neighbour: NodeId, now: datetime, latest: datetime, limit: int
    ) -> list[OpenTransfer]:
        rows = await self.rows(
            carrying.SQL["open_transfers"], (neighbour, ms(now), ms(latest), limit)
        )
        return [views.open_transfer(row) for row in rows]

    async def next_open_transfer(self, neighbour: NodeId) -> datetime | None:
        rows = await self.rows(
            "SELECT min(not_before) FROM transfers WHERE open = 1 AND neighbour = ?", (neighbour,)
        )
        return instant(rows[0][0]) if rows[0][0] is not None else None

    async def freeze(self, freezes: Sequence[Freeze]) -> list[bool]:
        outcomes = await self._writer.perform_all(
            [partial(carrying.freeze, node=self._node, request=freeze) for freeze in freezes],
            long=any(len(freeze.ready.rows) > MANY_RECIPIENTS for freeze in freezes),
        )
        _raise_first(one for one in outcomes if not isinstance(one, IllegalStepError))
        return [outcome is None for outcome in outcomes]

    async def resend(self, transfer_id: TransferId, at: datetime) -> None:
        await self.perform(lambda tx: carrying.resend(tx, transfer_id, at), _UNKNOWN)

    async def thaw(
        self, transfer_id: TransferId, at: datetime, *, never_seen: bool, reason: str
    ) -> None:
        work = partial(carrying.thaw, never_seen=never_seen, reason=reason)
        await self.perform(lambda tx: work(tx, self._node, transfer_id, at), _UNKNOWN)

    async def settle(
        self, transfer_id: TransferId, signed: Signed, receipt: Receipt, at: datetime
    ) -> set[NodeId]:
        back = await self.perform(
            lambda tx: carrying.settle(tx, self._node, transfer_id, signed, receipt, at),
            len(receipt.evidence),
        )
        return cast("set[NodeId]", back)

    async def settle_all(self, answered: Sequence[Answered], at: datetime) -> set[NodeId]:
        outcomes = await self._writer.perform_all(
            [
                partial(
                    carrying.settle,
                    node=self._node,
                    transfer_id=one.transfer_id,
                    signed=one.signed,
                    receipt=one.receipt,
                    at=at,
                )
                for one in answered
            ]
        )
        _raise_first(outcomes)
        return set().union(*outcomes)

    async def postpone(
        self,
        transfer_id: TransferId,
        *,
        in_doubt: bool,
        error: str,
        not_before: datetime,
        at: datetime,
    ) -> None:
        await self.perform(
            lambda tx: carrying.postpone(
                tx,
                self._node,
                transfer_id,
                in_doubt=in_doubt,
                error=error,
                not_before=not_before,
                at=at,
            ),
            _UNKNOWN,
        )

    async def recover(self, at: datetime) -> None:
        """The first operation after a start: a new epoch where one is due, doubt where an attempt was
        cut off."""

        def recovering(tx: Transaction) -> None:
            epochs.open_epoch(tx, self._node, at)
            carrying.recover(tx, self._node, at)

        await self.perform(recovering, _UNKNOWN)

    async def overdue(self, now: datetime, limit: int) -> list[Waiting]:
        rows = await self.rows(carrying.SQL["overdue"], (ms(now), limit))
        return [views.waiting(row) for row in rows]

    async def unknown_outcomes(
        self, neighbour: NodeId, limit: int, within: Stretch = EVERY
    ) -> list[Waiting]:
        rows = await self.rows(carrying.SQL["unknown_outcomes"], (neighbour, *within, limit))
        return [views.waiting(row) for row in rows]

    async def neighbours_of_unknown_outcomes(self) -> list[NodeId]:
        rows = await self.rows("SELECT DISTINCT neighbour FROM transfers WHERE open = -1")
        return [NodeId(row[0]) for row in rows]

    async def give_up(
        self, waiting: Waiting, signed: Signed, receipt: Receipt, at: datetime
    ) -> set[NodeId]:
        back = await self.perform(
            lambda tx: carrying.give_up(tx, self._node, waiting, signed, receipt, at)
        )
        return cast("set[NodeId]", back)

    async def neighbour_state(self, neighbour: NodeId) -> NeighbourState | None:
        rows = await self.rows(
            "SELECT failures, retry_at, last_error FROM neighbours WHERE node_id = ?", (neighbour,)
        )
        return NeighbourState(rows[0][0], instant(rows[0][1]), rows[0][2]) if rows else None

    async def store_neighbour_state(self, neighbour: NodeId, state: NeighbourState) -> None:
        await self.perform(
            lambda tx: tx.run(
                "INSERT INTO neighbours VALUES (?1, ?2, ?3, ?4) ON CONFLICT (node_id) DO UPDATE"
                " SET failures = ?2, retry_at = ?3, last_error = ?4",
                neighbour,
                state.failures,
                ms(state.retry_at),
                state.last_error,
            )
        )

    # ------------------------------------------------------------ receipts on their way back

    async def record_receipts(
        self, neighbour: NodeId, receipts: Sequence[tuple[Signed, Receipt]], at: datetime
    ) -> set[NodeId]:
        back = await self.perform(
            lambda tx: carrying.record_receipts(tx, self._node, neighbour, receipts, at),
            sum(len(receipt.evidence) for _, receipt in receipts),
        )
        return cast("set[NodeId]", back)

    async def returns(self, neighbour: NodeId, limit: int) -> list[WaitingReturn]:
        rows = await self.rows(carrying.SQL["returns"], (neighbour, limit))
        return [WaitingReturn(ReturnRow(r[0]), Signed(r[1], r[2])) for r in rows]

    async def returned(self, rows: Sequence[ReturnRow]) -> None:
        await self.perform(lambda tx: carrying.returned(tx, rows))

    async def park_return(self, row: ReturnRow, error: str, at: datetime) -> None:
        await self.perform(lambda tx: carrying.park_return(tx, self._node, row, error, at))

    # ------------------------------------------------------------ the recipient's and sender's side

    async def inbox(
        self, agencies: frozenset[AgencyCode] | None, query: InboxQuery
    ) -> list[InboxItem]:
        return await lists.inbox(self.rows, agencies, query)

    async def inbox_count(self, agencies: frozenset[AgencyCode], kind: MessageType) -> int:
        rows = await self.rows(
            VIEWS["inbox_count"], {"agencies": json.dumps(sorted(agencies)), "kind": kind}
        )
        return int(rows[0][0])

    async def inbox_item(self, delivery_id: DeliveryId) -> HandoverFacts | None:
        rows = await self.rows(VIEWS["inbox_item"], (delivery_id,))
        return views.handover_facts(rows[0]) if rows else None

    async def mark_fetched(self, delivery_id: DeliveryId, by: Caller, at: datetime) -> None:
        await self.perform(lambda tx: handing.mark_fetched(tx, self._node, delivery_id, by, at))

    async def acknowledge(
        self,
        delivery_id: DeliveryId,
        acknowledgement: Acknowledgement,
        proof: tuple[Signed, Receipt] | None,
        by: Caller,
        at: datetime,
        why: str = "",
    ) -> set[NodeId]:
        back = await self.perform(
            lambda tx: handing.acknowledge(
                tx, self._node, delivery_id, acknowledgement, proof, by, at, why
            )
        )
        return cast("set[NodeId]", back)

    async def sent(
        self, agencies: frozenset[AgencyCode] | None, query: SentQuery
    ) -> list[SentItem]:
        return await lists.sent(self.rows, agencies, query)

    async def message(self, message_id: MessageId) -> MessageView | None:
        rows = await self.rows(VIEWS["message"], (message_id, self._node))
        if not rows:
            return None
        key = (rows[0][0],)
        deliveries = await self.rows(VIEWS["message_deliveries"], key)
        receipts = await self.rows(VIEWS["message_receipts"], key)
        reports = await self.rows(VIEWS["message_reports"], key)
        asked = await self.rows(obliging.SQL["of_message"], key)
        many = len(deliveries) > MANY_RECIPIENTS
        view = await aside(many, _message_view, rows[0], deliveries, receipts, reports, asked)
        judgement, waits = await judging.judgement_of(self.rows, rows[0][0])
        return replace(view, judgement=judgement, judging=waits)

    async def receipt(self, digest: Digest) -> tuple[Signed, frozenset[AgencyCode]] | None:
        rows = await self.rows(
            "SELECT document, signature, message_row FROM receipts WHERE digest = ?", (digest,)
        )
        if not rows:
            return None
        parties = await self.rows(VIEWS["agencies"], (rows[0][2],))
        return Signed(rows[0][0], rows[0][1]), frozenset(AgencyCode(code) for (code,) in parties)

    async def message_seal(self, message_id: MessageId) -> Seal | None:
        return _seal(await self.rows(VIEWS["message_seal"], (message_id, self._node)))

    async def delivery_seal(self, delivery_id: DeliveryId) -> Seal | None:
        return _seal(await self.rows(VIEWS["delivery_seal"], (delivery_id,)))

    # ------------------------------------------------------------ the log

    async def entries(self, after: int, limit: int) -> list[LogEntry]:
        return [wording.log_entry(*row) for row in await self.rows(wording.PAGE, (after, limit))]

    async def log_page(self, wanted: Wanted, after: int, limit: int) -> LogPage:
        return await logged.page(self.rows, wanted, after, limit)

    async def log_last(self, wanted: Wanted, limit: int) -> LogPage:
        return await logged.last(self.rows, wanted, limit)

    async def log_since(self, at: datetime, after: int) -> int:
        return await logged.since(self.rows, at, after)

    async def log_entry(self, index: int) -> LogEntryWhole:
        return await logged.whole(self.rows, index)

    async def head(self) -> bytes:
        rows = await self.rows("SELECT note FROM log_head WHERE one = 1")
        if not rows:
            raise NotFoundError("the log is empty")
        return bytes(rows[0][0])

    async def log_size(self) -> int:
        rows = await self.rows("SELECT coalesce(max(entry_index) + 1, 0) FROM entries")
        return int(rows[0][0])

    async def note(self, event: str, at: datetime, fields: Mapping[str, object]) -> None:
        await self.perform(lambda tx: handing.note(tx, self._node, event, at, fields))

    # ------------------------------------------------------------ tokens

    async def store_token(self, by: Caller, view: TokenView, secret_hash: str) -> None:
        await self.perform(lambda tx: handing.store_token(tx, self._node, by, view, secret_hash))

    async def revoke_token(self, by: Caller, token_id: str, at: datetime) -> TokenView:
        result = await self.perform(
            lambda tx: handing.revoke_token(tx, self._node, by, token_id, at)
        )
        return cast("TokenView", result)

    async def tokens(self) -> list[TokenView]:
        rows = await self.rows("SELECT * FROM tokens ORDER BY created_at, token_id")
        return [handing.token_view(row) for row in rows]

    async def token(self, secret_hash: str) -> TokenView | None:
        rows = await self.rows("SELECT * FROM tokens WHERE secret = ?", (secret_hash,))
        return handing.token_view(rows[0]) if rows else None

    # ------------------------------------------------------------ payloads

    def begin(self, limit_bytes: int) -> PayloadUpload:
        return self._files.begin(limit_bytes)

    def read(self, payload: Payload, start_bytes: int = 0) -> AsyncIterator[bytes]:
        return self._files.read(payload, start_bytes)

    async def check_payload(self, payload: Payload, *, thorough: bool) -> None:
        await self._files.check(payload, thorough=thorough)

    async def release(self, payload: Payload) -> None:
        await self._files.release(payload, self._is_referred)

    async def _is_referred(self, digest: Digest) -> bool:
        return bool(await self.rows("SELECT 1 FROM payloads WHERE digest = ?", (digest,)))

    async def payload(self, digest: Digest) -> Payload:
        rows = await self.rows(
            "SELECT size_bytes, content, path FROM payloads WHERE digest = ?", (digest,)
        )
        if not rows:
            raise GoneError("the envelope left this node by its retention policy")
        size, content, name = rows[0]
        return Payload(digest, size, content, None if name is None else self._files.path(name))


def _claim(connection: sqlite3.Connection, node: NodeId) -> None:
    """A journal belongs to one node for good: its ids stand in receipts."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'node'").fetchone()
    if row is None:
        connection.execute("INSERT INTO meta VALUES ('node', ?)", (node,))
    elif row[0] != node:
        raise JournalError(f"the journal belongs to node {row[0]}, not {node}")


def _taken(result: object) -> object:
    """A quota is no error to the writer, which would run the whole batch again for it."""
    if isinstance(result, QuotaError):
        raise result
    return result


def _seal(rows: Sequence[Any]) -> Seal | None:
    return Seal(SealKind(rows[0][0]), rows[0][1]) if rows else None


def _message_view(
    row: Any, deliveries: list[Any], receipts: list[Any], reports: list[Any], asked: list[Any]
) -> MessageView:
    read = [(Digest(digest), read_receipt(document)) for digest, document in receipts]
    return views.message_view(row, deliveries, read, reports, asked)

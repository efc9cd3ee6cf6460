"""What a node has on its disk, and what watches over it: journal, reserve, quotas, retention.

Touches: the data folder; ends the process when the journal cannot write.
Raises:  JournalError, SettingsError.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import structlog

from relay import logs
from relay.audit.checkpoint import note_body, sign_note
from relay.audit.epochs import Epoch, log_name
from relay.delivery.clock import Clock
from relay.delivery.pressure.gate import Pressure
from relay.delivery.pressure.quota import Quotas
from relay.identity import certificates_before
from relay.journal.ahead import AheadFiles
from relay.journal.log_keys import LogHolder
from relay.journal.retention import RetentionPolicy
from relay.journal.space import Reserve, free_in
from relay.journal.store import SqliteJournal
from relay.journal.sweeping import Sweeper
from relay.lines import Line
from relay.model import NodeId
from relay.settings.sections import LimitsSection
from relay.settings.settings import Settings
from relay.signing.keys import LogSigner
from relay.signing.log_key import key_of_log

log = structlog.get_logger("relay.node")
EXIT_DISK = 74
"""sysexits EX_IOERR: the journal could not commit; start again to recover from it."""


async def open_journal(
    settings: Settings, signer: LogSigner, grown: Callable[[], None], room: Callable[[int], None]
) -> SqliteJournal:
    node = NodeId(settings.node.id)

    def sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
        name = log_name(node, epoch)
        return sign_note(note_body(name, size, root), name, signer.public_key, signer.sign)

    return await SqliteJournal.open(
        settings.node.data_dir,
        node,
        sign_head,
        on_fatal=_die,
        on_commit=lambda _: grown(),
        room=room,
        holder=LogHolder(
            key_of_log(node, signer.public_key),
            signer.chain,
            tuple(
                certificates_before(path, node) for path in settings.keys.log_certificates_before
            ),
        ),
    )


def make_reserve(settings: Settings) -> Reserve:
    """The data folder must be there."""
    limits, folder = settings.limits, settings.node.data_dir
    return Reserve(limits.reserve_bytes, limits.reserve_inodes, lambda: free_in(folder))


def make_pressure(limits: LimitsSection, reserve: Reserve, journal: SqliteJournal) -> Pressure:
    """Gives the journal its quotas too, for it looks again when it admits."""
    quotas = journal.quotas = _quotas(limits)
    return Pressure(reserve, quotas, limits.bodies_at_once, limits.bodies_at_once_each)


def make_ahead(settings: Settings, clock: Clock, reserve: Reserve) -> AheadFiles:
    """Uploads that go ahead of their transfers."""
    limits = settings.limits
    return AheadFiles(
        settings.node.data_dir / "ahead",
        max(limits.uploads_ahead_bytes, limits.envelope_bytes),  # or the largest would never come
        lambda: clock.now().timestamp(),
        room=reserve.require,
        fault=_die,
    )


def make_sweeper(
    settings: Settings,
    journal: SqliteJournal,
    ahead: AheadFiles,
    clock: Clock,
    grace: timedelta,
    doubted: Callable[[], bool],
) -> Sweeper:
    found = settings.retention
    return Sweeper(
        NodeId(settings.node.id),
        journal,
        ahead,
        retention_of(settings),
        clock,
        orphans=found.orphans,
        uploads=found.uploads,
        every=found.every,
        grace=grace,
        reopened=found.reopened,
        doubted=doubted,
    )


def _quotas(limits: LimitsSection) -> Quotas:
    return Quotas(
        limits.waiting_per_system,
        limits.waiting_per_neighbour,
        limits.waiting_bytes_per_system,
        limits.waiting_bytes_per_neighbour,
    )


def retention_of(settings: Settings) -> RetentionPolicy:
    found = settings.retention
    return RetentionPolicy(
        found.payload_settled,
        found.payload_failed,
        found.payload_relayed,
        found.payload_fetched,
        found.rows,
        settings.archive.enabled,
    )


def _die(error: BaseException) -> None:
    """A failed commit cannot be tried again: whoever waits got no answer, the journal recovers."""
    log.critical(Line.JOURNAL_CANNOT_WRITE, error=str(error))
    logs.flush()
    os._exit(EXIT_DISK)

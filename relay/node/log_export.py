"""Export the running node's log: planned and signed off the loop, noted in the log, written as a stream.

Touches: the journal, reading in threads, but for one audit entry; the node's key.
Raises:  NotFoundError, AuditError, JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from relay.audit.exporting import ExportedLog, Period, plan_export, write_export
from relay.delivery.clock import Clock
from relay.delivery.ports import Caller
from relay.delivery.records import Journal
from relay.journal.exporting import journal_log
from relay.journal.nodes import Believed
from relay.signing.log_key import key_named, key_of_log
from relay.signing.notary import NodeNotary
from relay.signing.trust import certificates_of


@dataclass(frozen=True, slots=True)
class LogExportDesk:
    """transport.native.log_export.LogExporter."""

    folder: Path
    journal: Journal
    notary: NodeNotary
    log_certificate: Path
    """Read anew for each export, for it may have been renewed."""
    believed: Believed
    """What its published tiles are proven by, for speed."""
    clock: Clock

    async def export(self, caller: Caller, period: Period, why: str) -> ExportedLog:
        export = await asyncio.to_thread(self._plan, period)
        at = self.clock.now()
        try:
            await self.journal.note("log-exported", at, noted(export, period, caller.holder, why))
        except BaseException:
            export.close()
            raise
        return export

    def _plan(self, period: Period) -> ExportedLog:
        sign = partial(self.notary.sign_bundle, at=self.clock.now())
        log_chain = certificates_of(self.log_certificate.read_bytes())
        with journal_log(self.folder, self.believed) as source:
            node = self.notary.node
            before = source.chains_before(key_of_log(node, key_named(log_chain, node)))
            own = self.notary.own_certificates()
            return plan_export(source, period, log_chain, own, sign, before=before)

    async def write(self, export: ExportedLog) -> AsyncIterator[bytes]:
        """A chunk at a time: a thread reads it, and the loop is free meanwhile."""
        with journal_log(self.folder) as source:
            chunks = write_export(source, export)
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                if chunk:
                    yield chunk


def noted(export: ExportedLog, period: Period, by: str, why: str) -> dict[str, str | int]:
    """The fields of the export's own entry."""
    return {
        "first": export.first,
        "last": export.last,
        "count": export.count,
        "digest": export.signature,
        "size": export.size_bytes,
        "type": "words" if period.words else "leaves",
        "by": by,
        "why": why,
    }

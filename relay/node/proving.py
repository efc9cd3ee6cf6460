"""The log's prover in threads, a few at a time: a proof reads files and rows.

Touches: the data folder through journal/proving.py.
Raises:  NotFoundError, AuditError, JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from relay.journal.proving import Prover
from relay.model import Signed
from relay.offline import log_key_of
from relay.settings.settings import Settings
from relay.signing.keys import LogSigner

AT_ONCE = 2
"""Proofs made at the same time; beyond what is published each may read many rows."""


@dataclass(frozen=True, slots=True)
class ProofDesk:
    """delivery.operators.proving.Proofs."""

    prover: Prover
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def entry(self, index: int, *, newer: bool) -> bytes:
        async with self._room:
            return await asyncio.to_thread(self.prover.entry, index, newer=newer)

    async def receipt(self, signed: Signed, *, newer: bool) -> bytes:
        async with self._room:
            return await asyncio.to_thread(self.prover.receipt, signed, newer=newer)


def make_proof_desk(
    settings: Settings, log: LogSigner, chain: Callable[[], Sequence[bytes]]
) -> ProofDesk:
    """`chain` are the certificates of the log's key as they are in use."""
    return ProofDesk(
        Prover(settings.node.data_dir, log.node, log_key_of(log.node, log.public_key), chain)
    )

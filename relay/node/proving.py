"""The log's prover in threads, a few at a time, for a bounded number of callers: a proof reads files and rows.

Touches: the data folder through journal/proving.py.
Raises:  NotFoundError, AuditError, JournalError; OverloadError where as many as may wait already do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from relay.errors import OverloadError
from relay.journal.proving import Prover
from relay.model import Signed
from relay.settings.settings import Settings
from relay.signing.keys import LogSigner
from relay.signing.log_key import key_of_log

AT_ONCE = 2
"""Proofs made at the same time; beyond what is published each may read many rows."""


ASKED = 32
"""Proofs asked for and not answered yet, those being made among them; each holds a connection."""


@dataclass(slots=True)
class ProofDesk:
    """delivery.operators.proving.Proofs."""

    prover: Prover
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _asked: int = 0

    async def entry(self, index: int, *, newer: bool) -> bytes:
        return await self._made(lambda: self.prover.entry(index, newer=newer))

    async def receipt(self, signed: Signed, *, newer: bool) -> bytes:
        return await self._made(lambda: self.prover.receipt(signed, newer=newer))

    async def _made(self, proof: Callable[[], bytes]) -> bytes:
        if self._asked >= ASKED:
            raise OverloadError(f"{self._asked} proofs are being made, limit {ASKED}")
        self._asked += 1
        try:
            async with self._room:
                return await asyncio.to_thread(proof)
        finally:
            self._asked -= 1


def make_proof_desk(
    settings: Settings, log: LogSigner, chain: Callable[[], Sequence[bytes]]
) -> ProofDesk:
    """`chain` are the certificates of the log's key as they are in use."""
    return ProofDesk(
        Prover(settings.node.data_dir, log.node, key_of_log(log.node, log.public_key), chain)
    )

"""The log's prover in threads, a few at a time, for a bounded number of callers: a proof reads files and rows.

Touches: the data folder through journal/proving.py.
Raises:  NotFoundError, AuditError, JournalError; OverloadError where as many as may wait already do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from relay.audit.checkpoint import read_signature, split_note
from relay.audit.cosignature import WITNESS_PREFIX
from relay.audit.proof_file import read_proof
from relay.errors import OverloadError
from relay.journal.proving import Prover
from relay.journal.witnessing import WitnessTable
from relay.model import NodeId, Signed
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


@dataclass(frozen=True, slots=True)
class LogOfEvidence:
    """delivery.evidence.ports.EvidenceLog."""

    proofs: ProofDesk
    table: WitnessTable

    async def proof(self, signed: Signed) -> bytes:
        return await self.proofs.receipt(signed, newer=False)

    async def witnesses(self, proofs: Sequence[bytes]) -> Mapping[NodeId, tuple[bytes, ...]]:
        found: dict[NodeId, tuple[bytes, ...]] = {}
        for node in await asyncio.to_thread(_cosigners, proofs):
            pinned = await self.table.pinned(node)
            if pinned is not None:
                found[node] = pinned[1]
        return found


def _cosigners(proofs: Iterable[bytes]) -> list[NodeId]:
    """Neighbours that cosigned a head of these; a witness that is named by its key only has no certificate."""
    notes = {read_proof(one).note for one in proofs}
    names = {read_signature(line)[0] for note in notes for line in split_note(note)[1]}
    return sorted(
        NodeId(one.removeprefix(WITNESS_PREFIX)) for one in names if one.startswith(WITNESS_PREFIX)
    )


def make_proof_desk(
    settings: Settings, log: LogSigner, chain: Callable[[], Sequence[bytes]]
) -> ProofDesk:
    """`chain` are the certificates of the log's key as they are in use."""
    return ProofDesk(
        Prover(settings.node.data_dir, log.node, key_of_log(log.node, log.public_key), chain)
    )

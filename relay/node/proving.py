"""The log's prover in threads, a few at a time, for a bounded number of callers: a proof reads files and rows.

Touches: the data folder through journal/proving.py.
Raises:  NotFoundError, AuditError, JournalError; OverloadError where as many as may wait already do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from relay.audit.checkpoint import read_signature, split_note
from relay.audit.cosignature import WITNESS_PREFIX
from relay.audit.entries import parse
from relay.audit.proof_file import read_proof, write_proof
from relay.errors import OverloadError
from relay.journal.attaching import AttachTable
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
    attached: AttachTable

    async def proof(self, signed: Signed) -> bytes:
        return await self.proofs.receipt(signed, newer=False)

    async def returned(self, signed: Signed) -> bytes | None:
        kept = await self.attached.proof(signed.digest)
        if kept is None:
            return None
        return await asyncio.to_thread(_with_receipt, kept, signed)

    async def witnesses(self, proofs: Sequence[bytes]) -> Mapping[NodeId, tuple[bytes, ...]]:
        """Of this node, of neighbours, and of nodes whose log one of the proofs is of."""
        found: dict[NodeId, tuple[bytes, ...]] = {}
        cosigners, shown = await asyncio.to_thread(_cosigners, proofs)
        prover = self.proofs.prover
        for node in cosigners:
            pinned = await self.table.pinned(node)
            if node == prover.node:
                found[node] = tuple(prover.chain())
            elif pinned is not None:
                found[node] = pinned[1]
            elif node in shown:
                found[node] = shown[node]
        return found


def _with_receipt(kept: bytes, signed: Signed) -> bytes:
    """It is kept and travels without the receipt that stands beside it."""
    return write_proof(replace(read_proof(kept), receipt=signed))


def _cosigners(
    proofs: Iterable[bytes],
) -> tuple[list[NodeId], dict[NodeId, tuple[bytes, ...]]]:
    """Nodes that cosigned a head of these, and the certificates of those whose logs they are of. A witness that
    is named by its key only has no certificate."""
    read = [read_proof(one) for one in proofs]
    names = {read_signature(line)[0] for one in read for line in split_note(one.note)[1]}
    cosigners = sorted(
        NodeId(one.removeprefix(WITNESS_PREFIX)) for one in names if one.startswith(WITNESS_PREFIX)
    )
    return cosigners, {NodeId(parse(one.leaf)["node"]): one.chain for one in read}


def make_proof_desk(
    settings: Settings, log: LogSigner, chain: Callable[[], Sequence[bytes]]
) -> ProofDesk:
    """`chain` are the certificates of the log's key as they are in use."""
    return ProofDesk(
        Prover(settings.node.data_dir, log.node, key_of_log(log.node, log.public_key), chain)
    )

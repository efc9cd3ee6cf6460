"""Statements for carry files, and from them: what the stapler does by wire, by hand (W7.9).

Touches: the journal.
Trusts:  nothing of what comes in until it was proven.
Raises:  JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from relay.delivery.revocation.stapling import Stapler
from relay.model import Digest, NodeId
from relay.wire.statements import Stapled


@dataclass(frozen=True, slots=True)
class StatementsByHand:
    """carry.ports.CarriedStatements. One file is read at a time, so it waits for no room."""

    stapler: Stapler

    async def resting(self, signatures: Sequence[bytes]) -> dict[Digest, tuple[bytes, ...]]:
        return await asyncio.to_thread(self._resting, signatures)

    def _resting(self, signatures: Sequence[bytes]) -> dict[Digest, tuple[bytes, ...]]:
        signers = self.stapler.signers
        found = [*signers.own(), *(signers.resting(one, looking=True) for one in signatures)]
        return {digest: one.chain for one in found if one is not None for digest in one.statements}

    async def contents(self, digests: Sequence[Digest]) -> dict[Digest, bytes]:
        return await self.stapler.journal.contents(digests)

    async def take(self, neighbour: NodeId, found: Sequence[Stapled]) -> int:
        return await self.stapler.take_in(neighbour, found)

"""Show witnesses each new head of this node's log, at most every so often.

Touches: the journal, reading. Trusts: its own head. Raises: JournalError.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from relay.audit.checkpoint import head_of
from relay.audit.epochs import epoch_of, first_index
from relay.audit.proofs import consistency_proof, over_leaves
from relay.audit.tree import leaf_hash
from relay.delivery.ports import LogEntry
from relay.witness.asking import Cosigners

_PAGE: Final = 1000


class LogSource(Protocol):
    async def head(self) -> bytes: ...
    async def entries(self, after: int, limit: int) -> list[LogEntry]: ...


@dataclass(slots=True)
class HeadShower:
    log: LogSource
    cosigners: Cosigners
    every_seconds: float
    _shown: bytes = b""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.show()
            await asyncio.sleep(self.every_seconds)

    async def show(self) -> None:
        """One round; nothing where all have cosigned the log as it is."""
        note = await self.log.head()
        if note == self._shown:
            return
        hashes: list[bytes] = []
        head = head_of(note)
        first = first_index(epoch_of(head.origin).number)

        async def consistency(old: int) -> list[bytes]:
            while len(hashes) < head.size:
                page = await self.log.entries(first + len(hashes), _PAGE)
                hashes.extend(leaf_hash(one.leaf) for one in page[: head.size - len(hashes)])
            return await asyncio.to_thread(
                lambda: consistency_proof(old, head.size, over_leaves(hashes.__getitem__))
            )

        lines = await self.cosigners.cosign(note, consistency)
        if len(lines) == len(self.cosigners.witnesses):
            self._shown = note

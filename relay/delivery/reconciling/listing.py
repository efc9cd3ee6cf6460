"""What was exchanged with a neighbour, told to that neighbour and to nobody else. Reading only (W21.2).

Touches: the journal. Trusts: the neighbour's authentication. Raises: JournalError.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from relay.delivery.clock import Clock
from relay.delivery.reconciling.ports import ExchangeJournal, Side, Told, Window
from relay.model import NodeId


@dataclass(frozen=True, slots=True)
class ListingDesk:
    exchanges: ExchangeJournal
    memory: timedelta
    """How long rows are kept at the least."""
    clock: Clock

    async def listing(self, neighbour: NodeId, side: Side, window: Window) -> Told:
        page = await self.exchanges.listing(neighbour, side, window)
        now = self.clock.now()
        return Told(page, now, now - self.memory)

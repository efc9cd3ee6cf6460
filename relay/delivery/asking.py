"""Ask a neighbour what became of a transfer it never answered.

Whatever would end or move a delivery in doubt asks first: the neighbour may have it.

Touches: the wire, the notary, the journal. Trusts: nothing of an answer until proven.
Raises:  JournalError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from relay.delivery.answers import require_answer
from relay.delivery.clock import Clock
from relay.delivery.records import Journal, Notary, OpenTransfer, Wire
from relay.errors import PeerError, TransportError
from relay.model import NodeId
from relay.routing.directory import Directory
from relay.wire.transfer import read_transfer


class Outcome(Enum):
    SETTLED = "settled"
    """It answered, and the answer is durable here."""
    NEVER_SEEN = "never-seen"
    SILENT = "silent"
    """It cannot be reached."""
    UNUSABLE = "unusable"
    """It answered with something that proves nothing."""


@dataclass(frozen=True, slots=True)
class AskingDesk:
    directory: Directory
    journal: Journal
    notary: Notary
    wire: Wire
    clock: Clock
    receipts_wait: Callable[[Iterable[NodeId]], None]

    async def ask(self, transfer: OpenTransfer) -> Outcome:
        """Once, now. An answer that holds settles the transfer before this returns."""
        try:
            answer = await self.wire.ask(transfer.neighbour, transfer.transfer_id)
            if answer is None:
                return Outcome.NEVER_SEEN
            receipt = self.notary.check_receipt(answer)
            require_answer(self.directory, receipt, read_transfer(transfer.header.document))
        except TransportError:
            return Outcome.SILENT
        except PeerError:
            return Outcome.UNUSABLE
        back = await self.journal.settle(transfer.transfer_id, answer, receipt, self.clock.now())
        self.receipts_wait(back)
        return Outcome.SETTLED

"""Ask a neighbour what became of a transfer it was sent: the only way out of doubt (W22.7).

While it is asked no attempt is made (`dispatcher.reserve`): "never seen" would mean nothing of a
transfer that is just arriving there.

Touches: the wire, the notary, the journal for an answer that settles.
Trusts:  nothing of an answer until the notary proved it.
Raises:  JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto

from relay.delivery.clock import Clock
from relay.delivery.dispatch import Dispatcher
from relay.delivery.records import Journal, Notary, OpenTransfer, Wire
from relay.errors import PeerError, TransportError
from relay.model import NodeId, TransferId
from relay.routing.directory import Directory
from relay.wire.transfer import read_transfer

ASK_WITHIN = timedelta(seconds=15)
"""An operator waits for it."""


class Word(Enum):
    """What the neighbour says of a transfer."""

    ANSWERED = auto()
    """It had it; its answer is stored and the deliveries are settled."""
    NEVER_SEEN = auto()
    SILENT = auto()
    """Not to be asked now, or what it says proves nothing."""


@dataclass(frozen=True, slots=True)
class Questions:
    """`silent` holds the neighbours that did not answer once: they are not asked again by this one."""

    directory: Directory
    journal: Journal
    notary: Notary
    wire: Wire
    clock: Clock
    dispatcher: Dispatcher
    within: timedelta = ASK_WITHIN
    silent: set[NodeId] = field(default_factory=set)

    @asynccontextmanager
    async def alone_with(self, transfer_id: TransferId | None) -> AsyncIterator[bool]:
        """No attempt of it is made inside; False while one is under way (W4.12)."""
        if transfer_id is None:
            yield True
        elif not self.dispatcher.reserve(transfer_id):
            yield False
        else:
            try:
                yield True
            finally:
                self.dispatcher.restore(transfer_id)

    async def ask_alone(self, transfer: OpenTransfer) -> Word:
        """`ask` inside `alone_with`; SILENT while an attempt is under way."""
        async with self.alone_with(transfer.transfer_id) as alone:
            return await self.ask(transfer) if alone else Word.SILENT

    async def ask(self, transfer: OpenTransfer) -> Word:
        """Call it inside `alone_with`."""
        neighbour = transfer.neighbour
        if neighbour in self.silent or neighbour not in self.dispatcher.channels:
            return Word.SILENT
        try:
            async with asyncio.timeout(self.within.total_seconds()):
                answer = await self.wire.ask(neighbour, transfer.transfer_id)
            if answer is None:
                return Word.NEVER_SEEN
            receipt = self.notary.check_receipt(answer, self.clock.now())
            self.dispatcher.require_answer(receipt, read_transfer(transfer.header.document))
        except (TransportError, TimeoutError):
            self.silent.add(neighbour)
            return Word.SILENT
        except PeerError:
            return Word.SILENT
        at = self.clock.now()
        back = await self.journal.settle(transfer.transfer_id, answer, receipt, at)
        self.dispatcher.receipts_wait(back)
        return Word.ANSWERED

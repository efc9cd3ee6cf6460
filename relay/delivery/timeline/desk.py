"""The timeline of a message for those who may see the message.

Touches: the journal, reading only.
Raises:  NotFoundError, JournalError, AuditError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relay.delivery.aside import MANY_RECIPIENTS, aside
from relay.delivery.ports import Caller, Tracking
from relay.delivery.timeline.assembling import assemble
from relay.delivery.timeline.ports import SignerOf, Timeline, TimelineJournal
from relay.delivery.tracking import shown_to
from relay.errors import SignatureError
from relay.model import Digest, MessageId, NodeId


@dataclass(frozen=True, slots=True)
class TimelineDesk:
    """timeline.ports.TimelineDoor."""

    node: NodeId
    tracking: Tracking
    journal: TimelineJournal
    signer_of: SignerOf

    async def timeline(self, caller: Caller, message_id: MessageId) -> Timeline:
        view = shown_to(caller, await self.tracking.message(caller, message_id))
        records = await self.journal.records(view)
        digests = list(records.signatures)
        signatures = [records.seal or b"", *records.signatures.values()]
        sealed_by, *names = await asyncio.to_thread(self._names, signatures)
        signers: Mapping[Digest, str] = dict(zip(digests, names, strict=True))
        many = len(view.deliveries) > MANY_RECIPIENTS or len(records.entries) > MANY_RECIPIENTS
        return await aside(many, assemble, view, records, self.node, signers, sealed_by)

    def _names(self, signatures: Sequence[bytes]) -> list[str]:
        return [self._name(one) for one in signatures]

    def _name(self, signature: bytes) -> str:
        """They were proven when they were stored; one that cannot be read names nobody."""
        try:
            return self.signer_of(signature) if signature else ""
        except (SignatureError, ValueError):
            return ""

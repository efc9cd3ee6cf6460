"""What lies beside a message's seal and receipts: their certificates, and what was said of revocation then.

They stay as long as the receipts do (R12). The stored signatures are never rewritten; whoever exports evidence joins the two (`beside`). Of each
certificate that signed, the last statement made before the time it claims and the first one after: the
one was in force, the other proves that it had not been revoked by then.

Touches: the journal, reading.
Raises:  JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.delivery.ports import Beside, Kept
from relay.delivery.revocation.ports import Kind
from relay.model import Digest, MessageId

MOST_SIGNATURES = 5_000
"""A circular has thousands of receipts; most are by few signers."""


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Of one signature: its certificates, and what statements about them are filed under."""

    certificates: tuple[bytes, ...]
    about: tuple[tuple[Kind, str], ...]
    at: datetime
    """As it claims."""


class BesideJournal(Protocol):
    async def signatures(self, message_id: MessageId, limit: int) -> list[bytes]:
        """The seal, then the receipts."""
        ...

    async def as_of(self, kind: Kind, about: str, at: datetime) -> list[Kept]:
        """The last before that, the first from it on."""
        ...


@dataclass(frozen=True, slots=True)
class BesideDesk:
    journal: BesideJournal
    read: Callable[[bytes], SignedBy | None]
    """None for a signature without a path under the present anchors."""

    async def beside(self, message_id: MessageId) -> Beside:
        """Empty for a message that is unknown here, or without signatures."""
        signatures = await self.journal.signatures(message_id, MOST_SIGNATURES)
        signers = await asyncio.to_thread(self._signers, signatures)
        certificates: dict[bytes, None] = {}
        statements: dict[Digest, Kept] = {}
        for one in signers:
            certificates.update(dict.fromkeys(one.certificates))
            for kind, about in one.about:
                for kept in await self.journal.as_of(kind, about, one.at):
                    statements[kept.digest] = kept
        return Beside(tuple(certificates), tuple(statements.values()))

    def _signers(self, signatures: Sequence[bytes]) -> list[SignedBy]:
        """Of several signatures by one signer in one second the first will do."""
        found = (self.read(one) for one in signatures)
        different = {(one.certificates, one.at): one for one in found if one is not None}
        return list(different.values())

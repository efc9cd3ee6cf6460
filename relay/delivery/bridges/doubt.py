"""Whether a remote has a package whose answer was lost: looked for in its sent list.

Its docId is unknown, so rows are matched by type, sender, recipients, title, notation and time; a
document that the remote gives out under that docId settles it by the business hash, either way.

Touches: the remote, the payload store.
Trusts:  nothing of the list beyond what it is: the remote's word.
Raises:  UnansweredError, TransportError: then nothing is known, and nothing may be repeated.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from relay.delivery.bridges.ports import (
    Answer,
    BridgeJournal,
    Outgoing,
    Package,
    Remote,
    RemoteRefusalError,
    SentListed,
)
from relay.envelope.business import BusinessReader
from relay.errors import EnvelopeError
from relay.model import AgencyCode, Digest, NodeId, Payload, TransferHeader

CLOCKS_APART = timedelta(minutes=15)
"""How much later its clock may be than the remote's."""
MOST_FETCHED = 5
Read = Callable[[Payload], AsyncIterator[bytes]]
_SLICE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Sought:
    """A package that the remote may have."""

    header: TransferHeader
    outgoing: Outgoing
    package: Package
    recipients: tuple[AgencyCode, ...]
    payload: Payload


@dataclass(frozen=True, slots=True)
class Found:
    doc_id: str
    match: str
    """`content` where the business hash says so, `title` where only the list does."""
    answer: Answer


@dataclass(frozen=True, slots=True)
class Search:
    bridge: NodeId
    remote: Remote
    journal: BridgeJournal
    read: Read
    forms: Callable[[str], frozenset[str]]
    """Every code that names the same agency."""

    async def look(self, sought: Sought) -> Found | None:
        """None: the remote's list is whole and does not show it."""
        rows, answer = await self.remote.sent(sought.header.message_type)
        named = [
            doc_id
            for doc_id in self._candidates(rows, sought)
            if not await self.journal.bound(self.bridge, doc_id)
        ]
        unsure: list[str] = []
        own: Digest | None = None
        for doc_id in named[:MOST_FETCHED]:
            own = own or await business_hash(self.read(sought.payload))
            theirs = await self._business(doc_id)
            if theirs == own:
                return Found(doc_id, "content", answer)
            if theirs is None:
                unsure.append(doc_id)
        if unsure and sought.outgoing.subject:
            return Found(unsure[0], "title", answer)
        return None

    def _candidates(self, rows: Sequence[SentListed], sought: Sought) -> list[str]:
        """DocIds whose rows are all of this package, the oldest first."""
        people: dict[str, set[str]] = {}
        for row in rows:
            if self._fits(row, sought):
                people.setdefault(row.doc_id, set()).update(self.forms(row.recipient))
        return [
            doc_id for doc_id, codes in people.items() if all(r in codes for r in sought.recipients)
        ]

    def _fits(self, row: SentListed, sought: Sought) -> bool:
        outgoing = sought.outgoing
        same = (
            row.message_type == sought.header.message_type
            and sought.header.sender in self.forms(row.sender)
            and _seen(row.title) == _seen(outgoing.subject)
            and _seen(row.notation) == _seen(outgoing.notation)
        )
        first = sought.package.asked_at - CLOCKS_APART
        return same and (row.sent_at is None or row.sent_at >= first)

    async def _business(self, doc_id: str) -> Digest | None:
        """None where the remote does not give its sender the document."""
        try:
            async with self.remote.fetch(doc_id) as fetching:
                return await business_hash(fetching.chunks)
        except (RemoteRefusalError, EnvelopeError):
            return None


async def business_hash(chunks: AsyncIterator[bytes]) -> Digest:
    """In constant memory, and in slices that leave the event loop its turns. Raises EnvelopeError."""
    reader = BusinessReader()
    async for chunk in chunks:
        for start in range(0, len(chunk), _SLICE_BYTES):
            await asyncio.to_thread(reader.feed, chunk[start : start + _SLICE_BYTES])
    _, business = await asyncio.to_thread(reader.close)
    return business.digest


def _seen(text: str) -> str:
    """As a list in ASCII shows it: without marks, capitals and double spaces."""
    bare = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    kept = "".join(char for char in bare if not unicodedata.combining(char))
    return " ".join("".join(c if " " <= c <= "~" else "?" for c in kept).casefold().split())

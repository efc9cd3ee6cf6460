"""Tell who is beyond a bridge what became of a take-back that came in over it, by a status 15.

The dialect has no word for "taken back": no receipt goes there, and the recipient, who never had the
document, will not answer. So where a 13 that a bridge brought is settled without the recipient (taken
back here or further on, or its document ended before it arrived), the node says a 15 to its sender, in the
recipient's name and marked as the relay's (saying.py, adr/0025). What was fetched is the recipient's to
answer.

Touches: the journal's book of answers that are due; the intake, through the speaker.
Trusts:  the journal's own words. Raises: JournalError.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog

from relay.delivery.saying import AT_ONCE, LOOK_SECONDS, Saying, Speaker
from relay.errors import OverloadError
from relay.lines import Line
from relay.model import AgencyCode, DeliveryId, MessageId, ObligationState, ResponseFor

AGREED = "15"
_WORDS = {
    ObligationState.TAKEN_BACK: (
        "Văn bản đã được lấy lại trước khi đơn vị nhận lấy về",
        "the document was taken back before the recipient had it",
    ),
    ObligationState.NOT_DELIVERED: (
        "Văn bản không đến được đơn vị nhận nên không còn gì để lấy lại",
        "the document never reached the recipient, there is nothing to take back",
    ),
}
log = structlog.get_logger("relay.bridge")


@dataclass(frozen=True, slots=True)
class Due:
    """A take-back from beyond a bridge that was settled; texts as its document has them."""

    row: int
    state: ObligationState
    bridge: str
    cause: MessageId
    delivery_id: DeliveryId
    recipient: AgencyCode
    sender: str
    notation: str
    promulgation_date: str
    document_id: str


class AnswerBook(Protocol):
    async def due(self, limit: int) -> list[Due]: ...
    async def answered(self, row: int) -> None: ...


@dataclass(frozen=True, slots=True)
class AnsweringDesk:
    bridges: frozenset[str]
    """Those whose remotes are told."""
    book: AnswerBook
    speaker: Speaker

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if await self.sweep() < AT_ONCE:
                await asyncio.sleep(LOOK_SECONDS)

    async def sweep(self) -> int:
        """Answer what is due; how many were looked at; 0 while nothing is taken in."""
        found = await self.book.due(AT_ONCE)
        for one in found:
            if one.bridge in self.bridges and one.state in _WORDS:
                try:
                    await self.speaker.say(_saying(one))
                except OverloadError as error:
                    log.info(Line.ANSWERS_WAIT, error=str(error))
                    return 0
            await self.book.answered(one.row)
        return len(found)


def _saying(due: Due) -> Saying:
    about = ResponseFor(
        organ_id=due.sender,
        code=due.notation,
        promulgation_date=due.promulgation_date,
        document_id=due.document_id,
    )
    key = f"taken-back:{due.cause}:{due.delivery_id}"
    return Saying(due.recipient, about, AGREED, *_WORDS[due.state], key)

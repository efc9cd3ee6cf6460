"""Say status 01 for recipients whose systems cannot: only for agencies the node is set to do so for.

Once such a recipient's system acknowledged a document `done`, and said nothing of it by a status of its
own, the node says a status 01 in the recipient's name (saying.py).

Touches: the book of arrivals; the intake, through the speaker. Trusts: the journal's own words. Raises: JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from relay.delivery.records import DeliveryRow
from relay.delivery.saying import AT_ONCE, LOOK_SECONDS, Saying, Speaker
from relay.errors import OverloadError
from relay.lines import Line
from relay.model import AgencyCode, BusinessState, DeliveryId, ResponseFor

ARRIVED = "01"
WORDS = (
    "Văn bản đã đến hệ thống của đơn vị nhận",
    "the recipient's system has taken the document over",
)
log = structlog.get_logger("relay.arrived")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document that an agency's system acknowledged; texts as the document has them."""

    row: DeliveryRow
    delivery_id: DeliveryId
    recipient: AgencyCode
    addressed_as: str
    sender: str
    notation: str
    promulgation_date: str
    document_id: str
    business: BusinessState


class ArrivalBook(Protocol):
    async def speak_for(self, agencies: frozenset[AgencyCode]) -> None:
        """From now on only these agencies' acknowledgements are waiting to be told of."""
        ...

    async def waiting(self, limit: int) -> list[Arrival]: ...
    async def told(self, row: DeliveryRow) -> None: ...


@dataclass(frozen=True, slots=True)
class ArrivalDesk:
    agencies: Mapping[AgencyCode, AgencyCode]
    """Served here, and told for by the node: by every form of their codes, for a document may come under any."""
    book: ArrivalBook
    speaker: Speaker

    async def run(self) -> None:
        """Until cancelled."""
        await self.book.speak_for(frozenset(self.agencies))
        if not self.agencies:
            await asyncio.Event().wait()
        while True:
            if await self.sweep() < AT_ONCE:
                await asyncio.sleep(LOOK_SECONDS)

    async def sweep(self) -> int:
        """Tell what waits to be told; how many were looked at; 0 while nothing is taken in."""
        waiting = await self.book.waiting(AT_ONCE)
        for arrival in waiting:
            if arrival.business is BusinessState.NONE and arrival.recipient in self.agencies:
                try:
                    await self.speaker.say(self._saying(arrival))
                except OverloadError as error:
                    log.info(Line.ARRIVALS_WAIT, error=str(error))
                    return 0
            await self.book.told(arrival.row)
        return len(waiting)

    def _saying(self, arrival: Arrival) -> Saying:
        about = ResponseFor(
            organ_id=arrival.sender,
            code=arrival.notation,
            promulgation_date=arrival.promulgation_date,
            document_id=arrival.document_id,
        )
        agency = self.agencies[arrival.recipient]
        return Saying(agency, about, ARRIVED, *WORDS, f"arrived:{arrival.delivery_id}")

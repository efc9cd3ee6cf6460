"""What happens in the demo, in order: sent, killed in the middle, carried all the same, answered.

Touches: the nodes, as their document-management systems and as an operator; one process by SIGKILL.
Trusts:  nothing is verified here: see checks.py.
Raises:  TransportError when a step does not come true in time; AxisFailure when a node refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp

from relay.demo import documents, plan
from relay.demo.documents import Written
from relay.demo.native import at_socket
from relay.demo.network import Network
from relay.demo.offices import Arrived, Desk
from relay.demo.plan import Office
from relay.demo.waiting import NotYetError, until
from relay.errors import TransportError
from relay.model import DeliveryState, Event, MessageType
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient

STATUSES = ("01", "03", "06")
_HTTP = aiohttp.ClientTimeout(total=20)

Tell = Callable[[str], None]
Clock = Callable[[], datetime]


@dataclass(slots=True)
class Journey:
    """One document on its way to one recipient, as its two offices saw it."""

    document: Written
    receiver: Office
    message_id: str
    """The sender's DocId."""
    arrived: Arrived | None = None
    statuses: list[Arrived] = field(default_factory=list)
    """As they came back to the sender."""


@dataclass(slots=True)
class Tale:
    """All that happened."""

    sender: Desk
    receivers: list[Desk]
    journeys: list[Journey] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    """DocIds of a first send and of its repeat."""

    def of_receiver(self, desk: Desk) -> list[Journey]:
        return [j for j in self.journeys if j.receiver is desk.office]

    @property
    def message_ids(self) -> list[str]:
        return list(dict.fromkeys(journey.message_id for journey in self.journeys))


class Story:
    """The demo's steps on a running network; `play` goes through them."""

    def __init__(
        self,
        network: Network,
        exits: AsyncExitStack,
        clock: Clock,
        tell: Tell,
        cast: plan.Cast = plan.PLAIN,
    ) -> None:
        self._network = network
        self._receivers = cast.receivers
        self._exits = exits
        self._clock = clock
        self._tell = tell

    async def play(self) -> Tale:
        tale = await self._offices()
        await self._send(tale, documents.letter)
        province = self._network.nodes[plan.PROVINCE]
        await self._network.kill(province)
        self._tell(f"{plan.PROVINCE} killed with SIGKILL, the letter being on its way")
        await self._send(tale, documents.report)
        await self._repeat(tale)
        await self._tried_in_vain(tale)
        await self._network.spawn(province)
        await self._network.ready(province)
        self._tell(f"{plan.PROVINCE} started again")
        for desk in tale.receivers:
            await self._receive(tale, desk)
        for desk in tale.receivers:
            await self._answer(tale, desk)
        await self._statuses_arrive(tale)
        await self._receipts_arrive(tale)
        return tale

    async def _offices(self) -> Tale:
        session = await self._exits.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=face_client_context(self._network.root)),
                timeout=_HTTP,
            )
        )
        sender, *receivers = (
            self._desk(office, session) for office in (plan.SENDER, *self._receivers)
        )
        return Tale(sender, receivers)

    def _desk(self, office: Office, session: aiohttp.ClientSession) -> Desk:
        node = self._network.nodes[office.node]
        secret = node.secret.encode()
        client = AxisClient(node.axis_url, node.systemid, secret, session, now=self._clock())
        return Desk(office, client, self._clock)

    # ------------------------------------------------------------ there

    async def _send(self, tale: Tale, write: Callable[..., Written]) -> None:
        written = write(plan.SENDER, self._receivers, self._clock())
        message_id = await tale.sender.send(written.content)
        tale.journeys += [Journey(written, office, message_id) for office in self._receivers]
        self._tell(
            f"{written.name} of {len(written.content):,} bytes accepted at {plan.SENDER.node}"
            f" for {' and '.join(office.written for office in self._receivers)}"
        )

    async def _repeat(self, tale: Tale) -> None:
        """What a client does that is not sure whether its document arrived."""
        first = tale.journeys[0]
        again = await tale.sender.send(first.document.content)
        tale.repeated.append((first.message_id, again))
        self._tell(f"{first.document.name} sent a second time, as an unsure client does")

    async def _tried_in_vain(self, tale: Tale) -> None:
        """The last document waits below the gap, after an attempt that failed."""
        message_id = tale.journeys[-1].message_id

        async def look() -> dict[str, Any]:
            message = await district.message(message_id)
            for delivery in message["deliveries"]:
                if delivery["next_hop"] == plan.PROVINCE and delivery["last_error"]:
                    return dict(delivery)
            raise NotYetError(f"{plan.DISTRICT} has no failed attempt to tell of")

        async with at_socket(self._network.nodes[plan.DISTRICT].control) as district:
            waiting = await until("an attempt in vain", look, self._network.check_alive)
        self._tell(f"{plan.DISTRICT} keeps it and tries again: {waiting['last_error']}")

    async def _receive(self, tale: Tale, desk: Desk) -> None:
        wanted = {j.document.content: j for j in tale.of_receiver(desk)}

        async def look() -> None:
            for arrived in await desk.collect(MessageType.DOCUMENT):
                journey = _journey_of(wanted.values(), arrived)
                if journey is not None and journey.arrived is None:
                    journey.arrived = arrived
            missing = [j.document.name for j in wanted.values() if j.arrived is None]
            if missing:
                raise NotYetError(f"not listed at {desk.office.node}: {', '.join(missing)}")

        await until(f"documents for {desk.office.written}", look, self._network.check_alive)
        self._tell(f"{desk.office.agency.name} listed and fetched {len(wanted)} documents")

    # ------------------------------------------------------------ and back

    async def _answer(self, tale: Tale, desk: Desk) -> None:
        for journey in tale.of_receiver(desk):
            arrived = journey.arrived
            if arrived is None:
                raise TransportError(f"{journey.document.name} is not at {desk.office.written}")
            await desk.acknowledge(arrived)
            for code in STATUSES:
                status = documents.status(desk.office, arrived.envelope, code, self._clock())
                await desk.send(status, MessageType.STATUS)
        self._tell(f"{desk.office.agency.name} acknowledged and answered {' '.join(STATUSES)}")

    async def _statuses_arrive(self, tale: Tale) -> None:
        wanted = len(STATUSES) * len(tale.journeys)

        async def look() -> None:
            for status in await tale.sender.collect(MessageType.STATUS):
                await tale.sender.acknowledge(status)
                _file(tale, status)
            found = sum(len(journey.statuses) for journey in tale.journeys)
            if found < wanted:
                raise NotYetError(f"{found} of {wanted} at {plan.SENDER.node}")

        await until("statuses back at the sender", look, self._network.check_alive)
        self._tell(f"{wanted} statuses arrived at {tale.sender.office.agency.name}")

    async def _receipts_arrive(self, tale: Tale) -> None:
        async def look() -> None:
            for message_id in tale.message_ids:
                _require_handed_over(await origin.message(message_id))

        async with at_socket(self._network.nodes[plan.SENDER.node].control) as origin:
            await until("receipts of the handovers", look, self._network.check_alive)
        self._tell(f"every handover is receipted at {plan.SENDER.node}")


def _require_handed_over(message: dict[str, Any]) -> None:
    for delivery in message["deliveries"]:
        events = {receipt["event"] for receipt in delivery["receipts"]}
        if delivery["state"] != DeliveryState.HANDED_OVER or Event.CONTENT_HANDOVER not in events:
            raise NotYetError(
                f"{message['notation']} for {delivery['recipient']} is {delivery['state']}"
            )


def _journey_of(journeys: Iterable[Journey], arrived: Arrived) -> Journey | None:
    """By what the document calls itself; whether its bytes are the same is judged later."""
    return next(
        (j for j in journeys if arrived.envelope.document_id.encode() in j.document.content), None
    )


def _file(tale: Tale, status: Arrived) -> None:
    """With the document it speaks of, at the office it comes from."""
    about = status.envelope.response_for[0]
    for journey in tale.journeys:
        told = status.envelope.sender.organ_id in journey.receiver.codes
        if told and about.document_id.encode() in journey.document.content:
            journey.statuses.append(status)
            return

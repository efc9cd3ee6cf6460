"""A package of a remote's becomes a message of this node, or is refused with a reason.

Recipients are those of the list's row, else the document's own. The sender must be one that this
bridge leads to: a remote speaks for nobody else. The same document under other bytes is known by its
business hash and delivered once.

Touches: the journal and the notary; tells the dispatcher what goes on.
Trusts:  nothing of the package: every byte and every code is hostile.
Raises:  OverloadError, JournalError, SignatureError (no gateway key).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.delivery.acceptance import new_delivery
from relay.delivery.addressing import Address, Addressed, address
from relay.delivery.bridges.ports import (
    BROUGHT_BY,
    BridgeJournal,
    Entered,
    Entering,
    Listed,
    Turned,
)
from relay.delivery.clock import Clock
from relay.delivery.directory.succession import findings_of, succeeded
from relay.delivery.judging import JudgingDesk
from relay.delivery.messages import message_of
from relay.delivery.neighbours.grouping import ready_groups
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.records import (
    Admission,
    Admitted,
    Journal,
    NewDelivery,
    NewMessage,
    Notary,
    Ready,
)
from relay.delivery.requests import DEADLINES, TAKE_BACK, Deadlines, spelt_out
from relay.envelope.statuses import find
from relay.errors import EnvelopeError, OverloadError, RouteError, SignatureError
from relay.model import (
    AgencyCode,
    DeliveryState,
    Digest,
    Envelope,
    Event,
    Evidence,
    Lane,
    MessageId,
    NodeId,
    Payload,
    Reason,
    Receipt,
    Seal,
    TraceStep,
)
from relay.routing.directory import Directory
from relay.routing.next_hop import Hop, NoRoute, Place, Via, next_hop, where
from relay.wire.remote_word import RemoteWord, write_word
from relay.wire.values import fit_detail


class GatewayNotary(Notary, Protocol):
    """A notary with the key of a gateway."""

    def seal_entered(self, digest: Digest, at: datetime) -> Seal: ...


class RefusedHereError(Exception):
    """Why a package is not taken in."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A package as it lies here, durable or about to be."""

    listed: Listed
    envelope: Envelope
    payload: Payload
    business: Digest
    call: str
    answer: Digest
    """Of the raw answer it came in."""


@dataclass(frozen=True, slots=True)
class EntryDesk:
    bridge: NodeId
    place: Place
    directory: Directory
    journal: Journal
    bridges: BridgeJournal
    notary: GatewayNotary
    policy: RetryPolicy
    clock: Clock
    offer: Callable[[NodeId, Ready], None]
    deadlines: Deadlines = DEADLINES
    asked: Callable[[], None] = lambda: None
    """Told when something was asked of a recipient (verdicts.py)."""
    judging: JudgingDesk | None = None
    """Signatures made by others; None: not looked at here."""

    async def take(self, fetched: Fetched) -> Entered | Turned:
        """Durable when it returns, either way."""
        at = self.clock.now()
        try:
            sender = self._sender(fetched.envelope)
            to = succeeded(self.directory, self.place, await self._address(fetched, sender))
            hops = await self._judged(fetched, sender, self._hops(to.recipients))
        except RefusedHereError as why:
            return await self.turn_away(fetched.listed, why.reason, why.detail)
        recipients = tuple(one for one in to.recipients if one.code in hops)
        while True:
            entering, deliveries = await self._prepare(fetched, sender, to, recipients, hops, at)
            outcome = await self.bridges.enter(entering, at)
            if isinstance(outcome, Entered):
                break
            recipients = tuple(r for r in recipients if r.code not in outcome.recipients)
        if outcome.admitted is not None:
            self._hand_on(entering.admission, outcome.admitted, deliveries)
        return outcome

    async def overtakes(self, envelope: Envelope) -> bool:
        """Whether it takes back a document that is not here."""
        row = None if envelope.status is None else find(envelope.status.status_code)
        if row is None or row.code != TAKE_BACK:
            return False
        about = spelt_out(envelope.response_for[0])
        try:
            sender = self.directory.resolve(envelope.sender.organ_id)
        except EnvelopeError:
            return False  # refused as that
        named = (about.document_id, about.code, about.promulgation_date)
        return await self.journal.parties(*named, self.directory.aliases(sender)) is None

    async def turn_away(self, listed: Listed, reason: Reason, detail: str) -> Turned:
        turned = Turned(self.bridge, listed, reason, fit_detail(detail), self.clock.now())
        await self.bridges.turn_away(turned)
        return turned

    # ------------------------------------------------------------ who, to whom

    def _sender(self, envelope: Envelope) -> AgencyCode:
        written = envelope.sender.organ_id
        try:
            sender = self.directory.resolve(written)
        except EnvelopeError as error:
            raise RefusedHereError(Reason.BAD_ENVELOPE, f"From: {error}") from None
        if where(self.directory, self.place, sender) != Via(self.bridge):
            raise RefusedHereError(
                Reason.POLICY, f"{sender} is not reached over {self.bridge}, which speaks for it"
            )
        return sender

    async def _address(self, fetched: Fetched, sender: AgencyCode) -> Address:
        """The row's own word, else the document's."""
        envelope, listed = fetched.envelope, fetched.listed
        try:
            if listed.recipients:
                return await address(
                    self.directory, self.journal, envelope, sender, listed.recipients
                )
            return await address(self.directory, self.journal, envelope, sender, None)
        except RouteError as error:
            raise RefusedHereError(Reason.UNKNOWN_RECIPIENT, str(error)) from None
        except EnvelopeError as error:
            raise RefusedHereError(Reason.BAD_ENVELOPE, f"To: {error}") from None

    def _hops(self, recipients: Sequence[Addressed]) -> dict[AgencyCode, Hop]:
        """Without those that lie behind the remote itself: they are its own business."""
        hops = {r.code: next_hop(self.directory, self.place, r.code) for r in recipients}
        ours = {code: hop for code, hop in hops.items() if hop != Via(self.bridge)}
        if not ours:
            raise RefusedHereError(
                Reason.UNREACHABLE, "its recipients lie behind the remote itself"
            )
        lost = [hop for hop in ours.values() if isinstance(hop, NoRoute)]
        if len(lost) == len(ours):
            raise RefusedHereError(lost[0].reason, "; ".join(hop.detail for hop in lost[:3]))
        return ours

    async def _judged(
        self, fetched: Fetched, sender: AgencyCode, hops: dict[AgencyCode, Hop]
    ) -> dict[AgencyCode, Hop]:
        """Without the way to those for whom policy refuses the document by its signatures."""
        if self.judging is None:
            return hops
        refused = await self.judging.refused(fetched.envelope, fetched.payload, sender, hops)
        found = hops | {code: NoRoute(Reason.POLICY, why) for code, why in refused.items()}
        if refused and all(isinstance(hop, NoRoute) for hop in found.values()):
            raise RefusedHereError(Reason.POLICY, next(iter(refused.values())))
        return found

    # ------------------------------------------------------------ the message

    async def _prepare(
        self,
        fetched: Fetched,
        sender: AgencyCode,
        to: Address,
        recipients: Sequence[Addressed],
        hops: Mapping[AgencyCode, Hop],
        at: datetime,
    ) -> tuple[Entering, tuple[NewDelivery, ...]]:
        message_id = MessageId(self.clock.mint())
        lane = Lane.of(to.priority)
        deliveries = tuple(
            new_delivery(self.place.node, message_id, one, hops[one.code], lane, sealed=True)
            for one in recipients
        )
        receipt = await self.notary.issue_receipt(
            self._receipt(fetched, message_id, deliveries, at), at, batched=True
        )
        seal = await asyncio.to_thread(self._sealed, fetched, at)
        admission = Admission(
            message=self._message(fetched, message_id, sender, to, recipients, seal, at),
            deliveries=deliveries,
            receipt=receipt,
            trace=(TraceStep(self.place.node, at, receipt.digest),),
            submission_key=hashlib.sha256(f"{self.bridge}\n{message_id}".encode()).hexdigest(),
            idempotency_key=None,
            follows=None,
        )
        entering = Entering(self.bridge, fetched.listed, fetched.business, admission)
        return entering, deliveries

    def _message(
        self,
        fetched: Fetched,
        message_id: MessageId,
        sender: AgencyCode,
        to: Address,
        recipients: Sequence[Addressed],
        seal: Seal,
        at: datetime,
    ) -> NewMessage:
        return message_of(
            self,
            fetched.envelope,
            fetched.payload,
            recipients,
            message_id=message_id,
            origin=self.place.node,
            sender=sender,
            priority=to.priority,
            accepted_at=at,
            expires_at=at + self.policy.expiry(Lane.of(to.priority)),
            findings=(*fetched.envelope.findings, *findings_of(to.recipients)),
            submitted_by=holder(self.bridge),
            seal=seal,
            report=to.report,
        )

    def _sealed(self, fetched: Fetched, at: datetime) -> Seal:
        """A gateway's certificate that was revoked is no fault of the package's: it stays at the remote."""
        try:
            return self.notary.seal_entered(fetched.envelope.digest, at)
        except SignatureError as error:
            raise OverloadError(f"nothing can be sealed here: {error}", 60) from error

    def _receipt(
        self,
        fetched: Fetched,
        message_id: MessageId,
        deliveries: Sequence[NewDelivery],
        at: datetime,
    ) -> Receipt:
        """ReceivedFromNonERDS stands where a submission has its acceptance."""
        word = RemoteWord(
            self.bridge,
            fetched.call,
            fetched.listed.doc_id,
            fetched.answer,
        )
        detail = write_word(word)
        evidence: list[Evidence] = []
        for one in deliveries:
            evidence.append(Evidence(Event.RECEIVED_FROM_NON_ERDS, one.recipient, detail=detail))
            if one.state is DeliveryState.AVAILABLE:
                evidence.append(Evidence(Event.CONTENT_CONSIGNMENT, one.recipient))
            elif one.reason is not None:
                why = fit_detail(one.detail)
                evidence.append(
                    Evidence(Event.RELAY_FAILURE, one.recipient, reason=one.reason, detail=why)
                )
        return Receipt(
            issuer=self.place.node,
            origin=self.place.node,
            message_id=message_id,
            digest=fetched.envelope.digest,
            size_bytes=fetched.envelope.size_bytes,
            transfer_id=None,
            sent_by=None,
            at=at,
            evidence=tuple(evidence),
        )

    def _hand_on(
        self, admission: Admission, admitted: Admitted, deliveries: tuple[NewDelivery, ...]
    ) -> None:
        if admission.message.requests:
            self.asked()
        if self.judging is not None:
            self.judging.wake()
        for neighbour, ready in ready_groups(
            admission.message,
            admitted.message_row,
            admitted.arrival_row,
            admission.trace,
            deliveries,
            admitted.rows,
            batched=True,
        ):
            self.offer(neighbour, ready)


def holder(bridge: NodeId) -> str:
    """The name under which what a bridge brings in is counted and logged."""
    return f"{BROUGHT_BY}{bridge}"

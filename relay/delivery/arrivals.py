"""A neighbour's transfer comes in: verified first, then durable, then answered with a receipt.

1. `open`: the header's signature, who sent it to whom, the clock.
2. the transport streams the envelope to disk and reads it, bounded by the header's signed size.
3. `take`: payload against header, envelope, seal, loop and hops, then each recipient's route. The
   answer is one signed receipt with an acceptance or a typed refusal for each recipient; a repeat
   gets its first answer.

What fails in 1 gets no evidence, for nothing is proven yet; what fails in 3 gets a signed refusal.
A refusal that a later attempt may not meet (clock, disk, load) is no evidence either: the neighbour
tries again.

Touches: the journal and the notary; tells the dispatcher what goes on.
Trusts:  that the transport authenticated the neighbour; every byte of the transfer is hostile.
Raises:  SignatureError, WireError, AccessError, ConflictError, OverloadError, TransportError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog

from relay.delivery.addressing import Addressed, report_of
from relay.delivery.aside import LONG_DOCUMENT_BYTES, MANY_RECIPIENTS, aside
from relay.delivery.clock import Clock
from relay.delivery.directory.succession import heir_of
from relay.delivery.judging import JudgingDesk
from relay.delivery.messages import message_of
from relay.delivery.neighbours.grouping import ready_groups
from relay.delivery.neighbours.standing import origin_fault, seal_fault, sender_fault
from relay.delivery.records import (
    AlreadyHere,
    Journal,
    NewDelivery,
    NewMessage,
    Notary,
    Ready,
    TakeIn,
    TakenIn,
)
from relay.delivery.requests import DEADLINES, Deadlines
from relay.errors import (
    AccessError,
    EnvelopeError,
    OverloadError,
    SignatureError,
    TooLargeError,
    TransportError,
    UncertainError,
)
from relay.lines import Line
from relay.model import (
    AgencyCode,
    DeliveryState,
    Envelope,
    Event,
    Evidence,
    Lane,
    NodeId,
    Payload,
    Reason,
    Receipt,
    Seal,
    Signed,
    TraceStep,
    TransferHeader,
    delivery_id_of,
)
from relay.routing.directory import Directory
from relay.routing.next_hop import Here, Hop, NoRoute, Place, Via, next_hop
from relay.wire.values import fit_detail

log = structlog.get_logger("relay.arrivals")
MOST_HOPS = 16
"""The sixteenth may end at its recipient; a seventeenth is neither taken in nor made."""
MOST_WAITING = 4096
CheckTransfer: TypeAlias = Callable[[Signed, NodeId, datetime], TransferHeader]


class ClockSkewError(TransportError):
    """The neighbour's clock is too far ahead of ours: try again once one of them is set right."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A transfer whose header is proven; what remains is its envelope."""

    neighbour: NodeId
    header: TransferHeader
    signed: Signed
    batched: bool = False
    """Whether its sender takes receipts signed in batches (W13.6)."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class _Content:
    """What of the transfer is sound: all that a message needs."""

    envelope: Envelope
    payload: Payload
    seal: Seal


@dataclass(frozen=True, slots=True)
class TransferDesk:
    """Takes transfers in."""

    place: Place
    directory: Directory
    journal: Journal
    notary: Notary
    clock: Clock
    tolerance: timedelta
    envelope_limit_bytes: int
    offer: Callable[[NodeId, Ready], None]
    late: Callable[[datetime], bool] = lambda _: False
    """Whether a transfer made then may come late by our own fault: lost by a restore (recovery/)."""
    doubted: Callable[[], bool] = lambda: False
    """Whether this node's own clock may be wrong (agreeing.py)."""
    deadlines: Deadlines = DEADLINES
    asked: Callable[[], None] = lambda: None
    """Told when something was asked of a recipient (verdicts.py)."""
    judging: JudgingDesk | None = None
    """Signatures made by others; None: not looked at here."""

    async def open(
        self,
        neighbour: NodeId,
        signed: Signed,
        *,
        batched: bool = False,
        check: CheckTransfer | None = None,
    ) -> Opened | Signed:
        """The proven header; or the answer it got before, where it can be judged no further. `check` is the
        one of all that came in the same request."""
        if self.journal.waiting > MOST_WAITING:
            raise OverloadError(f"{self.journal.waiting} operations wait, limit {MOST_WAITING}")
        now = self.clock.now()
        long = len(signed.document) > LONG_DOCUMENT_BYTES
        check = check or self.notary.check_transfer
        header = await aside(long, check, signed, neighbour, now)
        self.clock.seen(header.created_at)
        if header.sent_to != self.place.node:
            raise AccessError(f"this transfer is for {header.sent_to}, not {self.place.node}")
        if header.created_at > now + self.tolerance:
            return await self._from_the_future(neighbour, signed, header, now)
        return Opened(neighbour, header, signed, batched)

    async def _from_the_future(
        self, neighbour: NodeId, signed: Signed, header: TransferHeader, now: datetime
    ) -> Signed:
        """The answer it got before, when our clock was another; else it was not taken."""
        answer = await self.journal.answered(neighbour, header.transfer_id, signed.document)
        if answer is not None:
            return answer
        ahead = int((header.created_at - now).total_seconds())
        limit = round(self.tolerance.total_seconds())
        raise ClockSkewError(f"clock-skew: {ahead} s ahead, limit {limit} s")

    async def first_answer(self, opened: Opened) -> Signed | None:
        """The answer if this very transfer was here before; asked when its envelope is costly."""
        return await self.journal.answered(
            opened.neighbour, opened.header.transfer_id, opened.signed.document
        )

    async def take(
        self,
        opened: Opened,
        seal: bytes,
        envelope: Envelope | EnvelopeError,
        payload: Payload | None,
    ) -> Signed:
        """The signed answer, durable (W4.4)."""
        header = opened.header
        with structlog.contextvars.bound_contextvars(
            message=header.message_id, transfer=header.transfer_id
        ):
            answer = await self._take(opened, seal, envelope, payload)
            log.debug(Line.TRANSFER_RECEIVED, recipients=len(header.recipients))
            return answer

    async def _take(
        self,
        opened: Opened,
        seal: bytes,
        envelope: Envelope | EnvelopeError,
        payload: Payload | None,
    ) -> Signed:
        now = self.clock.now()
        verdict = self._examine(opened, seal, envelope, payload, now)
        unwanted = await self._judged(opened, verdict)
        now = self.clock.now()
        known: frozenset[AgencyCode] = frozenset()
        while True:
            arrival = await self._prepare(opened, verdict, unwanted, known, now)
            outcome = await self.journal.take_in(arrival)
            if isinstance(outcome, TakenIn):
                break
            known, verdict = self._look_again(outcome, verdict)
        if not outcome.repeated:
            _tell(arrival, verdict)
            self._hand_on(arrival, outcome)
        return outcome.answer

    async def _judged(
        self, opened: Opened, verdict: _Content | _Refusal
    ) -> Mapping[AgencyCode, _Refusal]:
        """Recipients served here for whom policy refuses the document by its signatures."""
        if self.judging is None or isinstance(verdict, _Refusal):
            return {}
        header = opened.header
        here = [
            code
            for code in header.recipients
            if isinstance(next_hop(self.directory, self.place, code), Here)
        ]
        found = await self.judging.refused(verdict.envelope, verdict.payload, header.sender, here)
        return {code: _Refusal(Reason.POLICY, why) for code, why in found.items()}

    def _look_again(
        self, found: AlreadyHere, verdict: _Content | _Refusal
    ) -> tuple[frozenset[AgencyCode], _Content | _Refusal]:
        if found.same_bytes:
            return found.recipients, verdict
        detail = "other bytes stand here under this message id"
        return frozenset(), _Refusal(Reason.CONFLICT, detail)

    def _examine(
        self,
        opened: Opened,
        seal: bytes,
        envelope: Envelope | EnvelopeError,
        payload: Payload | None,
        now: datetime,
    ) -> _Content | _Refusal:
        """What is wrong with the whole transfer, the first fault that is found; else its content."""
        header = opened.header
        if header.size_bytes > self.envelope_limit_bytes:
            detail = f"{header.size_bytes} bytes, limit {self.envelope_limit_bytes}"
            return _Refusal(Reason.TOO_LARGE, detail)
        if isinstance(envelope, TooLargeError):
            return _Refusal(Reason.BAD_TRANSFER, "the envelope is longer than its header says")
        if isinstance(envelope, EnvelopeError):
            return _Refusal(Reason.BAD_ENVELOPE, str(envelope))
        if payload is None or payload.digest != header.digest:
            return _Refusal(Reason.BAD_TRANSFER, "the envelope's digest is not the header's")
        if fault := self._mismatch(opened, envelope):
            return _Refusal(Reason.BAD_TRANSFER, fault)
        if self.place.node == header.origin or any(s.node == self.place.node for s in header.trace):
            return _Refusal(Reason.LOOP, f"the trace names {self.place.node} already")
        if len(header.trace) > MOST_HOPS:
            return _Refusal(Reason.TOO_MANY_HOPS, f"{len(header.trace)} hops, limit {MOST_HOPS}")
        if header.expires_at <= now and not self.late(header.created_at):
            if self.doubted():
                raise ClockSkewError("clock-skew: this node doubts its own clock")
            return _Refusal(Reason.EXPIRED, f"expired at {header.expires_at.isoformat()}")
        proven = self._proven(seal, header, now)
        if isinstance(proven, _Refusal):
            return proven
        way = (self.directory, self.place.node, opened.neighbour, header)
        if fault := origin_fault(*way):
            return _Refusal(Reason.BAD_TRANSFER, fault)
        if fault := seal_fault(*way, proven):
            return _Refusal(Reason.BAD_SEAL, fault)
        return _Content(envelope, payload, proven)

    def _proven(self, seal: bytes, header: TransferHeader, now: datetime) -> Seal | _Refusal:
        """Raises UncertainError, which is no evidence: the neighbour keeps it, and it comes again (W12.4)."""
        try:
            return self.notary.check_carried_seal(
                seal, header.digest, header.sender, header.origin, now
            )
        except UncertainError:
            raise
        except SignatureError as error:
            return _Refusal(_reason_of(error), f"{error.reason}: {error}")

    def _mismatch(self, opened: Opened, envelope: Envelope) -> str:
        """Where the signed header contradicts the envelope or the way it came; empty when nowhere (W4.7)."""
        header = opened.header
        if envelope.message_type is not header.message_type:
            return f"the envelope is of type {envelope.message_type}, not {header.message_type}"
        if not header.trace or header.trace[-1].node != header.sent_by:
            return "the trace does not end at its sender"
        if header.trace[0].node != header.origin:
            return "the trace does not begin at its origin"
        way = (self.directory, self.place.node, opened.neighbour, header)
        return sender_fault(*way, envelope)

    async def _prepare(
        self,
        opened: Opened,
        verdict: _Content | _Refusal,
        unwanted: Mapping[AgencyCode, _Refusal],
        known: frozenset[AgencyCode],
        now: datetime,
    ) -> TakeIn:
        header = opened.header
        many = len(header.recipients) > MANY_RECIPIENTS
        hops, receipt = await aside(many, self._judge, opened, verdict, unwanted, now)
        answer = await self.notary.issue_receipt(receipt, now, batched=opened.batched)
        trace = (*header.trace, TraceStep(self.place.node, now, answer.digest))
        message = None
        if isinstance(verdict, _Content) and any(
            not isinstance(h, _Refusal) for h in hops.values()
        ):
            message = self._message(header, verdict, now)
        return TakeIn(
            neighbour=opened.neighbour,
            header=header,
            signed_header=opened.signed,
            message=message,
            deliveries=self._deliveries(header, hops, known, _written(self.directory, verdict)),
            known=known,
            trace=trace,
            answer=answer,
            at=now,
            refused={code: hop.reason for code, hop in hops.items() if isinstance(hop, _Refusal)},
            batched=opened.batched,
        )

    def _judge(
        self,
        opened: Opened,
        verdict: _Content | _Refusal,
        unwanted: Mapping[AgencyCode, _Refusal],
        now: datetime,
    ) -> tuple[dict[AgencyCode, Hop | _Refusal], Receipt]:
        """Where each recipient goes, and the receipt that says so."""
        header = opened.header
        hops = {
            code: unwanted.get(code) or self._hop(opened, verdict, code)
            for code in header.recipients
        }
        return hops, self._receipt(header, hops, now)

    def _hop(
        self, opened: Opened, verdict: _Content | _Refusal, code: AgencyCode
    ) -> Hop | _Refusal:
        if isinstance(verdict, _Refusal):
            return verdict
        hop = next_hop(self.directory, self.place, code)
        if isinstance(hop, NoRoute):
            return _Refusal(hop.reason, hop.detail)
        if isinstance(hop, Via) and len(opened.header.trace) >= MOST_HOPS:
            return _Refusal(Reason.TOO_MANY_HOPS, f"{MOST_HOPS} hops, limit {MOST_HOPS}")
        if isinstance(hop, Via) and hop.neighbour == opened.neighbour:
            return _Refusal(Reason.UNREACHABLE, f"the way from here leads back to {hop.neighbour}")
        return hop

    def _receipt(
        self, header: TransferHeader, hops: dict[AgencyCode, Hop | _Refusal], now: datetime
    ) -> Receipt:
        previous = header.trace[-1].receipt if header.trace else None
        evidence: list[Evidence] = []
        for code, hop in hops.items():
            if isinstance(hop, _Refusal):
                evidence.append(
                    Evidence(
                        Event.RELAY_REJECTION, code, previous, hop.reason, fit_detail(hop.detail)
                    )
                )
                continue
            evidence.append(Evidence(Event.RELAY_ACCEPTANCE, code, previous))
            if isinstance(hop, Here):
                evidence.append(Evidence(Event.CONTENT_CONSIGNMENT, code, previous))
        return Receipt.about(
            header,
            issuer=self.place.node,
            at=now,
            transfer_id=header.transfer_id,
            sent_by=header.sent_by,
            evidence=tuple(evidence),
        )

    def _message(self, header: TransferHeader, content: _Content, now: datetime) -> NewMessage:
        envelope = content.envelope
        to = [Addressed(code, code) for code in header.recipients]
        return message_of(
            self,
            envelope,
            content.payload,
            to,
            message_id=header.message_id,
            origin=header.origin,
            sender=header.sender,
            priority=header.priority,
            accepted_at=now,
            expires_at=header.expires_at,
            findings=(*envelope.findings, *content.seal.findings),
            submitted_by=None,
            seal=content.seal,
            report=report_of(self.directory, envelope, header.sender, to),
        )

    def _deliveries(
        self,
        header: TransferHeader,
        hops: dict[AgencyCode, Hop | _Refusal],
        known: frozenset[AgencyCode],
        written: Mapping[AgencyCode, str],
    ) -> tuple[NewDelivery, ...]:
        """What is taken over here: neither refused nor here already."""
        return tuple(
            NewDelivery(
                delivery_id=delivery_id_of(header.origin, header.message_id, code),
                recipient=code,
                addressed_as=written.get(code, code),
                state=DeliveryState.AVAILABLE if isinstance(hop, Here) else DeliveryState.QUEUED,
                lane=Lane.of(header.priority),
                next_hop=hop.neighbour if isinstance(hop, Via) else None,
                succession=self._succession(code),
            )
            for code, hop in hops.items()
            if isinstance(hop, Here | Via) and code not in known
        )

    def _succession(self, code: AgencyCode) -> tuple[AgencyCode, AgencyCode] | None:
        heir = heir_of(self.directory, self.place, code)
        return None if heir is None else (code, heir)

    def _hand_on(self, arrival: TakeIn, taken: TakenIn) -> None:
        if arrival.message is None or taken.message_row is None or taken.arrival_row is None:
            return
        if arrival.message.requests:
            self.asked()
        if self.judging is not None:
            self.judging.wake()
        for neighbour, ready in ready_groups(
            arrival.message,
            taken.message_row,
            taken.arrival_row,
            arrival.trace,
            arrival.deliveries,
            taken.rows,
            batched=arrival.batched,
        ):
            self.offer(neighbour, ready)


def _tell(arrival: TakeIn, verdict: _Content | _Refusal) -> None:
    """One line for the operator of what was refused; the sender has the receipt."""
    if not arrival.refused:
        return
    log.warning(
        Line.TRANSFER_REFUSED,
        neighbour=arrival.neighbour,
        message=arrival.header.message_id,
        reason=" ".join(sorted(set(arrival.refused.values()))),
        recipients=len(arrival.refused),
        detail=fit_detail(verdict.detail) if isinstance(verdict, _Refusal) else "",
    )


def _reason_of(error: SignatureError) -> Reason:
    """A revoked certificate has a reason of its own: what was sealed may be sealed anew."""
    revoked = error.reason == Reason.REVOKED_CERTIFICATE.value
    return Reason.REVOKED_CERTIFICATE if revoked else Reason.BAD_SEAL


def _written(directory: Directory, verdict: _Content | _Refusal) -> dict[AgencyCode, str]:
    """Each recipient's code as the document writes it: how its own system knows itself."""
    if isinstance(verdict, _Refusal):
        return {}
    envelope = verdict.envelope
    texts = [party.organ_id for party in envelope.recipients]
    texts += [about.organ_id for about in envelope.response_for]  # a status has no To
    return {
        form: text
        for text in reversed(texts)  # of several for one agency the first
        if (agency := directory.find(text)) is not None
        for form in (agency.code, agency.old_code)
        if form is not None
    }

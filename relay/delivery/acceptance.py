"""Intake: a DMS hands in an envelope, and gets an answer once it is durable.

The only place where a message begins. Everything is prepared first (recipients, routes, seal, the
signed SubmissionAcceptance), then one journal operation makes all of it durable or finds that the
same submission was here before. If the process dies before that, the sender got no answer and
repeats; after it, the repeat gets the first answer.

Touches: the journal and the notary; tells the dispatcher what is ready.
Trusts:  the caller's authentication; the envelope is hearsay.
Raises:  AccessError, RouteError, EnvelopeError, SignatureError, ConflictError, OverloadError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from relay.delivery.addressing import Address, Addressed, address
from relay.delivery.aside import MANY_RECIPIENTS, aside
from relay.delivery.clock import Clock
from relay.delivery.directory.succession import findings_of, succeeded
from relay.delivery.judging import JudgingDesk
from relay.delivery.messages import message_of
from relay.delivery.neighbours.grouping import ready_groups
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.ports import Accepted, Submission
from relay.delivery.records import (
    Admission,
    Admitted,
    Journal,
    MessageRow,
    NewDelivery,
    NewMessage,
    Notary,
    Ready,
)
from relay.delivery.requests import DEADLINES, Deadlines
from relay.delivery.submissions import idempotency_key_of, key_of
from relay.envelope.reader import recipients_finding
from relay.errors import (
    AccessError,
    ClosedRecipientError,
    OverloadError,
    RecipientError,
    RouteError,
    SignatureError,
)
from relay.lines import Line
from relay.model import (
    AgencyCode,
    DeliveryState,
    Digest,
    Event,
    Evidence,
    Finding,
    Lane,
    MessageId,
    NodeId,
    Reason,
    Receipt,
    Seal,
    TraceStep,
    delivery_id_of,
)
from relay.routing.directory import Directory
from relay.routing.next_hop import Here, Hop, NoRoute, Place, Via, next_hop
from relay.wire.values import fit_detail

MOST_WAITING = 4096
"""Operations that may wait for the journal before new work is turned away."""


log = structlog.get_logger("relay.acceptance")


@dataclass(frozen=True, slots=True)
class IntakeDesk:
    """delivery.ports.Intake."""

    place: Place
    directory: Directory
    journal: Journal
    notary: Notary
    policy: RetryPolicy
    clock: Clock
    offer: Callable[[NodeId, Ready], None]
    unsealed: Callable[[], None]
    deadlines: Deadlines = DEADLINES
    asked: Callable[[], None] = lambda: None
    """Told when something was asked of a recipient (verdicts.py)."""
    judging: JudgingDesk | None = None
    """Signatures made by others; None: not looked at here."""

    async def submit(self, submission: Submission) -> Accepted:
        """See delivery.ports.Intake.submit."""
        if self.journal.waiting > MOST_WAITING:
            raise OverloadError(f"{self.journal.waiting} operations wait, limit {MOST_WAITING}")
        sender, to, hops = await self.parties(submission)
        hops = await self._judged(submission, sender, to, hops)
        at = self.clock.now()
        seal = self._seal(submission, sender, at)
        recipients, follows = to.recipients, None
        while True:
            admission, order = await self._prepare(
                submission, sender, to, recipients, hops, seal, follows, at
            )
            outcome = await self.journal.admit(admission)
            if isinstance(outcome, Admitted):
                break
            recipients = tuple(r for r in to.recipients if r.code in outcome.recipients)
            if all(isinstance(hops[r.code], NoRoute) for r in recipients):
                return accepted(outcome.answer)  # a renewal would end as the first did
            follows = outcome.answer.message_row
        log.info(
            Line.MESSAGE_ACCEPTED,
            message=outcome.message_id,
            recipients=len(recipients),
            repeated=outcome.repeated,
        )
        if not outcome.repeated:
            self._hand_on(admission, outcome, order)
        return accepted(outcome)

    async def parties(
        self, submission: Submission
    ) -> tuple[AgencyCode, Address, dict[AgencyCode, Hop]]:
        """Who sends it, to whom, and which way. Raises AccessError, RouteError and what `address` raises."""
        sender = self._sender(submission)
        to = await address(
            self.directory, self.journal, submission.envelope, sender, submission.declared_to
        )
        to = succeeded(self.directory, self.place, to)
        return sender, to, self._routes(to.recipients)

    def _sender(self, submission: Submission) -> AgencyCode:
        """The agency that sends: the caller's own, in the header as in the document."""
        written = submission.envelope.sender.organ_id
        sender = self.directory.resolve(written)
        if submission.declared_from is not None:
            declared = self.directory.resolve(submission.declared_from)
            if declared != sender:
                raise AccessError(
                    f"the document is from {written}, the request from {submission.declared_from}"
                )
        if sender not in submission.caller.agencies:
            raise AccessError(f"{written} is not an agency of {submission.caller.holder}")
        return sender

    def _routes(self, recipients: tuple[Addressed, ...]) -> dict[AgencyCode, Hop]:
        hops = {r.code: next_hop(self.directory, self.place, r.code) for r in recipients}
        lost = [hop for hop in hops.values() if isinstance(hop, NoRoute)]
        if len(lost) == len(hops):
            raise _no_way(lost, tuple(hops))
        return hops

    async def _judged(
        self, submission: Submission, sender: AgencyCode, to: Address, hops: dict[AgencyCode, Hop]
    ) -> dict[AgencyCode, Hop]:
        """Without the way to those for whom policy refuses the document by its signatures.

        Raises SignatureError where nobody is left; but a repeat of what was accepted gets its answer.
        """
        if self.judging is None:
            return hops
        envelope, codes = submission.envelope, [r.code for r in to.recipients]
        refused = await self.judging.refused(envelope, submission.payload, sender, codes)
        if not refused:
            return hops
        found = hops | {code: NoRoute(Reason.POLICY, why) for code, why in refused.items()}
        if all(isinstance(hop, NoRoute) for hop in found.values()):
            key = key_of(submission, sender, to.recipients)
            if not await self.judging.was_accepted(key):
                raise SignatureError("refused-by-policy", next(iter(refused.values())))
        return found

    def _seal(self, submission: Submission, sender: AgencyCode, at: datetime) -> Seal | None:
        digest = submission.envelope.digest
        if submission.seal is not None:
            return self.notary.check_supplied_seal(submission.seal, digest, sender, at)
        at_once = self.notary.sealed_at_once(sender)
        return self.notary.seal(digest, sender, at) if at_once else None

    async def _prepare(
        self,
        submission: Submission,
        sender: AgencyCode,
        to: Address,
        recipients: tuple[Addressed, ...],
        hops: dict[AgencyCode, Hop],
        seal: Seal | None,
        follows: MessageRow | None,
        at: datetime,
    ) -> tuple[Admission, tuple[NewDelivery, ...]]:
        message, deliveries, said = await aside(
            len(recipients) > MANY_RECIPIENTS,
            self._draft,
            submission,
            sender,
            to,
            recipients,
            hops,
            seal,
            at,
        )
        # It never leaves this node, so whoever reads it knows batches.
        receipt = await self.notary.issue_receipt(said, at, batched=True)
        key = submission.idempotency_key
        admission = Admission(
            message=message,
            deliveries=deliveries,
            receipt=receipt,
            trace=(TraceStep(self.place.node, at, receipt.digest),),
            submission_key=key_of(submission, sender, to.recipients),
            idempotency_key=None if key is None else idempotency_key_of(submission.caller, key),
            follows=follows,
        )
        return admission, deliveries

    def _draft(
        self,
        submission: Submission,
        sender: AgencyCode,
        to: Address,
        recipients: tuple[Addressed, ...],
        hops: dict[AgencyCode, Hop],
        seal: Seal | None,
        at: datetime,
    ) -> tuple[NewMessage, tuple[NewDelivery, ...], Receipt]:
        """The message, where its deliveries begin, and what the receipt says of it."""
        message_id = MessageId(self.clock.mint())
        lane = Lane.of(to.priority)
        deliveries = tuple(
            new_delivery(
                self.place.node, message_id, one, hops[one.code], lane, sealed=seal is not None
            )
            for one in recipients
        )
        receipt = acceptance_receipt(
            self.place.node,
            message_id,
            submission.envelope.digest,
            submission.envelope.size_bytes,
            deliveries,
            at,
        )
        message = self._message(submission, message_id, sender, to, seal, at)
        return message, deliveries, receipt

    def _message(
        self,
        submission: Submission,
        message_id: MessageId,
        sender: AgencyCode,
        to: Address,
        seal: Seal | None,
        at: datetime,
    ) -> NewMessage:
        return message_of(
            self,
            submission.envelope,
            submission.payload,
            to.recipients,
            message_id=message_id,
            origin=self.place.node,
            sender=sender,
            priority=to.priority,
            accepted_at=at,
            expires_at=at + self.policy.expiry(Lane.of(to.priority)),
            findings=(
                *self._findings(submission),
                *findings_of(to.recipients),
                *(() if seal is None else seal.findings),
            ),
            submitted_by=submission.caller.holder,
            seal=seal,
            report=to.report,
        )

    def _findings(self, submission: Submission) -> tuple[Finding, ...]:
        written, declared = submission.envelope, submission.declared_to
        if declared is None or not written.recipients:
            return written.findings
        odd = recipients_finding(written, declared, self.directory.resolve)
        return written.findings if odd is None else (*written.findings, odd)

    def _hand_on(
        self, admission: Admission, admitted: Admitted, order: tuple[NewDelivery, ...]
    ) -> None:
        """Tell the dispatcher at once, so that the way of a document needs no reading back."""
        if admission.message.requests:
            self.asked()
        if self.judging is not None:
            self.judging.wake()
        if admission.message.seal is None:
            self.unsealed()
            return
        for neighbour, ready in ready_groups(
            admission.message,
            admitted.message_row,
            admitted.arrival_row,
            admission.trace,
            order,
            admitted.rows,
            batched=True,
        ):
            self.offer(neighbour, ready)


def _no_way(lost: Sequence[NoRoute], codes: tuple[AgencyCode, ...]) -> RouteError:
    """What helps most: what the directory says of each code, where it says something of all."""
    troubles = [hop.trouble for hop in lost if hop.trouble is not None]
    if len(troubles) < len(lost):
        return RouteError("; ".join(hop.detail for hop in lost[:3]), codes)
    if any(trouble.kind != "unknown" for trouble in troubles):
        return ClosedRecipientError(troubles, codes)
    return RecipientError(troubles, codes)


def new_delivery(
    origin: NodeId, message_id: MessageId, one: Addressed, hop: Hop, lane: Lane, *, sealed: bool
) -> NewDelivery:
    """Where a recipient's delivery begins at the origin."""
    waiting = DeliveryState.QUEUED if sealed else DeliveryState.SEALING
    state, towards, reason, detail = waiting, None, None, ""
    if isinstance(hop, Via):
        towards = hop.neighbour
    elif isinstance(hop, Here):
        state = DeliveryState.AVAILABLE if sealed else waiting
    else:
        state, reason, detail = DeliveryState.REFUSED, hop.reason, hop.detail
    return NewDelivery(
        delivery_id=delivery_id_of(origin, message_id, one.code),
        recipient=one.code,
        addressed_as=one.written,
        state=state,
        lane=lane,
        next_hop=towards,
        reason=reason,
        detail=detail,
        succession=None if one.instead_of is None else (one.instead_of, one.code),
    )


def acceptance_receipt(
    origin: NodeId,
    message_id: MessageId,
    digest: Digest,
    size_bytes: int,
    deliveries: tuple[NewDelivery, ...],
    at: datetime,
) -> Receipt:
    """The SubmissionAcceptance. The same message gives the same bytes (recovery/)."""
    evidence = [Evidence(Event.SUBMISSION_ACCEPTANCE, d.recipient) for d in deliveries]
    for delivery in deliveries:
        if delivery.state is DeliveryState.AVAILABLE:
            evidence.append(Evidence(Event.CONTENT_CONSIGNMENT, delivery.recipient))
        elif delivery.reason is not None:
            evidence.append(
                Evidence(
                    Event.RELAY_FAILURE,
                    delivery.recipient,
                    reason=delivery.reason,
                    detail=fit_detail(delivery.detail),
                )
            )
    return Receipt(
        issuer=origin,
        origin=origin,
        message_id=message_id,
        digest=digest,
        size_bytes=size_bytes,
        transfer_id=None,
        sent_by=None,
        at=at,
        evidence=tuple(evidence),
    )


def accepted(admitted: Admitted) -> Accepted:
    """What its sender is told."""
    return Accepted(admitted.message_id, admitted.accepted_at, admitted.receipt, admitted.repeated)

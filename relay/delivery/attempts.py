"""An attempt: transfers are frozen, sent to a neighbour, and what it answers is proven and settled.

A transfer is frozen (header signed, recipients fixed, stored) before its first attempt and repeated
to the letter until it is answered. Where the process may die:

    before the freeze commits    nothing was sent; the deliveries still wait
    after it, before an answer   in doubt: repeated to the same neighbour, which answers as before
    after the answer, before     as above
      settle commits

Touches: the journal, the wire, the notary.
Trusts:  nothing of an answer until the notary proved it.
Raises:  nothing expected; failures become waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.clock import Clock
from relay.delivery.neighbours.channel import Channel
from relay.delivery.neighbours.freezing import header_of
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.records import (
    Answered,
    Freeze,
    Journal,
    NeighbourState,
    Notary,
    OpenTransfer,
    Outgoing,
    Ready,
    Wire,
)
from relay.errors import (
    LostPayloadError,
    PeerError,
    TransportError,
    UnansweredError,
    UnprovenError,
)
from relay.lifecycle import IllegalStepError
from relay.lines import Line
from relay.model import NodeId, Payload, Receipt, Signed, TransferHeader, TransferId
from relay.wire.transfer import read_transfer

log = structlog.get_logger("relay.dispatch")


@dataclass(slots=True)
class Attempts:
    """Of a node, to all its neighbours; which transfer and when is the dispatcher's."""

    node: NodeId
    journal: Journal
    notary: Notary
    wire: Wire
    policy: RetryPolicy
    clock: Clock
    random: Callable[[], float]
    tolerance: timedelta
    """How far into the future a header may be dated for a neighbour to take it."""
    require_answer: Callable[[Receipt, TransferHeader], None]
    """Raises SignatureError for what does not answer this transfer."""
    met: Callable[[NodeId], None]
    """Told whenever a neighbour shows life."""
    receipts_wait: Callable[[Iterable[NodeId]], None]
    """Told for whom receipts were queued."""
    under_way: set[TransferId] = field(default_factory=set)

    def reserve(self, transfer_id: TransferId) -> bool:
        """Nobody makes an attempt of this transfer until `restore`; False while one is under way."""
        if transfer_id in self.under_way:
            return False
        self.under_way.add(transfer_id)
        return True

    def restore(self, transfer_id: TransferId) -> None:
        self.under_way.discard(transfer_id)

    async def carry(self, channel: Channel, batch: Sequence[Ready]) -> None:
        """Freeze new transfers and make their first attempt, all in one request."""
        now = self.clock.now()
        freezes = await self._sign(channel, batch, now)
        named = {freeze.transfer_id for freeze, _ in freezes}
        self.under_way |= named  # from the freeze on the journal shows them as open
        try:
            frozen = await self.journal.freeze([freeze for freeze, _ in freezes])
            if not all(frozen):
                self._left(channel, [r for r, done in zip(batch, frozen, strict=True) if not done])
            going = [out for (_, out), done in zip(freezes, frozen, strict=True) if done]
            if len(going) == 1:
                await self._attempt(channel, going[0])
            elif going:
                await self._attempt_all(channel, going)
        finally:
            for ready in batch:
                channel.lanes.frozen(ready)
            self.under_way -= named

    def _left(self, channel: Channel, batch: Sequence[Ready]) -> None:
        """Ended or taken another way meanwhile, all or some of it: what still waits is read again, now and
        not when the others of the request are answered."""
        for ready in batch:
            channel.lanes.frozen(ready)
        channel.lanes.look_again()
        channel.signal.set()

    async def _sign(
        self, channel: Channel, batch: Sequence[Ready], now: datetime
    ) -> list[tuple[Freeze, Outgoing]]:
        neighbour = channel.neighbour
        headers = [
            header_of(self.node, neighbour, ready, TransferId(self.clock.mint()), now)
            for ready in batch
        ]
        shared = self.wire.takes_batches(neighbour) and not self._singly(channel)
        signed = await self.notary.issue_transfers(headers, now, batched=shared)
        return [
            (
                Freeze(header.transfer_id, neighbour, ready, one, now),
                Outgoing(header, one, ready.seal, ready.payload, batched=ready.batched),
            )
            for header, one, ready in zip(headers, signed, batch, strict=True)
        ]

    def _singly(self, channel: Channel) -> bool:
        return self.clock.monotonic() < channel.singly_until

    async def repeat(self, channel: Channel, transfer: OpenTransfer) -> None:
        """Another attempt, to the letter and by itself (W4.3)."""
        if not self.reserve(transfer.transfer_id):
            return  # an operator's action has it
        try:
            header = read_transfer(transfer.header.document)
            if await self._was_frozen_wrongly(channel, transfer, header):
                return
            if await self._may_go(transfer):
                out = Outgoing(
                    header,
                    transfer.header,
                    transfer.seal,
                    None,
                    transfer.attempts,
                    transfer.batched,
                )
                await self._attempt(channel, out)
        finally:
            self.restore(transfer.transfer_id)

    async def _was_frozen_wrongly(
        self, channel: Channel, transfer: OpenTransfer, header: TransferHeader
    ) -> bool:
        """By a clock that was ahead: it names a time to come, before which no neighbour takes it (docs/adr/0010).
        Or with a signature that it shares, and this one takes none such (docs/adr/0044); or by a certificate that
        has a successor here and was refused there (docs/adr/0045). Where none has it, for certain, it goes anew."""
        now = self.clock.now()
        reason = self._why_anew(channel, header, now)
        if reason is None:
            return False
        try:
            if transfer.in_doubt:
                answer = await self.wire.ask(channel.neighbour, transfer.transfer_id)
                if answer is not None:
                    await self._answered(channel, header, answer)
                    channel.goes_no_more(transfer.transfer_id)
                    return True
            await self.journal.thaw(
                transfer.transfer_id, now, never_seen=transfer.in_doubt, reason=reason
            )
        except (TransportError, PeerError, IllegalStepError):
            return False  # as any other repeat: it is still due
        channel.goes_no_more(transfer.transfer_id)
        log.warning(
            Line.TRANSFER_THAWED,
            neighbour=channel.neighbour,
            transfer=header.transfer_id,
            message=header.message_id,
        )
        channel.lanes.look_again()
        return True

    def _why_anew(self, channel: Channel, header: TransferHeader, now: datetime) -> str | None:
        """In a word for the log; None: it is as it should be."""
        if header.transfer_id in channel.unshared:
            return "shared-signature"
        if header.transfer_id in channel.outdated:
            return "certificate"
        return "clock" if header.created_at > now + self.tolerance else None

    async def _may_go(self, transfer: OpenTransfer) -> bool:
        try:
            await self.journal.resend(transfer.transfer_id, self.clock.now())
        except IllegalStepError:
            return False  # answered, freed or held since it was read
        return True

    async def _attempt(self, channel: Channel, out: Outgoing) -> None:
        try:
            whole = await self._whole(out)
            answer = await self.wire.carry(channel.neighbour, *whole, batched=out.batched)
            await self._answered(channel, out.header, answer)
        except LostPayloadError as error:
            await self._lost(channel, out, error)
        except (TransportError, PeerError) as error:
            await self._failed(channel, out, error)

    async def _lost(self, channel: Channel, out: Outgoing, error: Exception) -> None:
        """What the neighbour took before the document was lost here it can still answer."""
        try:
            answer = None
            if out.attempts > 0:
                answer = await self.wire.ask(channel.neighbour, out.header.transfer_id)
            if answer is not None:
                await self._answered(channel, out.header, answer)
                return
        except (TransportError, PeerError) as unanswered:
            error = unanswered
        await self._failed(channel, out, error)

    async def _answered(self, channel: Channel, header: TransferHeader, answer: Signed) -> None:
        check = self.notary.checker(self.clock.now())
        receipt = await self._prove(header, answer, check)
        await self.succeeded(channel)
        back = await self.journal.settle(header.transfer_id, answer, receipt, self.clock.now())
        self.receipts_wait(back)

    async def _attempt_all(self, channel: Channel, batch: Sequence[Outgoing]) -> None:
        """One attempt for several. What the neighbour leaves unanswered goes again by itself: then it
        says what is wrong with it."""
        try:
            whole = [await self._whole(out) for out in batch]
            # One of them that must be answered singly is enough: the request speaks for all.
            batched = all(out.batched for out in batch)
            answers = await self.wire.carry_several(channel.neighbour, whole, batched=batched)
        except (TransportError, PeerError, LostPayloadError) as error:
            for out in batch:
                await self._failed(channel, out, error)
            return
        await self.succeeded(channel, len(answers))
        answered = await self._proven(channel, batch, answers)
        if answered:
            self.receipts_wait(await self.journal.settle_all(answered, self.clock.now()))
        for out in batch[len(answers) :]:
            await self._unanswered(channel, out.header.transfer_id)

    async def _whole(self, out: Outgoing) -> tuple[Signed, bytes, Payload]:
        """Raises LostPayloadError. What was tried before is looked at to the byte: it may have failed for that."""
        payload = out.payload or await self.journal.payload(out.header.digest)
        await self.journal.check_payload(payload, thorough=out.attempts > 0)
        return out.signed, out.seal.signature, payload

    async def _proven(
        self, channel: Channel, batch: Sequence[Outgoing], answers: Sequence[Signed]
    ) -> list[Answered]:
        answered = []
        check = self.notary.checker(self.clock.now())
        for out, answer in zip(batch, answers, strict=False):
            transfer_id = out.header.transfer_id
            try:
                receipt = await self._prove(out.header, answer, check)
            except PeerError as error:
                await self._failed(channel, out, error)
            else:
                answered.append(Answered(transfer_id, answer, receipt))
            await asyncio.sleep(0)
        return answered

    async def _prove(
        self, header: TransferHeader, answer: Signed, check: Callable[[Signed], Receipt]
    ) -> Receipt:
        """Raises UnprovenError: whoever answers may have taken it, whatever the answer is worth."""
        long = len(answer.document) > LONG_DOCUMENT_BYTES
        log.debug(
            Line.TRANSFER_ANSWERED,
            neighbour=header.sent_to,
            transfer=header.transfer_id,
            message=header.message_id,
        )
        try:
            receipt = await aside(long, check, answer)
            self.clock.seen(receipt.at)
            self.require_answer(receipt, header)
        except PeerError as error:
            raise UnprovenError(str(error)) from error
        return receipt

    async def _unanswered(self, channel: Channel, transfer_id: TransferId) -> None:
        now = self.clock.now()
        channel.failing = True
        error = "the neighbour answered only those before it in the same request"
        await self.journal.postpone(transfer_id, in_doubt=True, error=error, not_before=now, at=now)

    async def _failed(self, channel: Channel, out: Outgoing, error: Exception) -> None:
        """Unreachable: the channel waits. Refused without evidence, or lost by our own disk: only this
        transfer waits (W22.3)."""
        now, header = self.clock.now(), out.header
        channel.failing = True
        lost = isinstance(error, LostPayloadError)
        if lost:
            log.error(Line.PAYLOAD_DAMAGED, digest=header.digest, size_bytes=header.size_bytes)
        in_doubt = isinstance(error, UnansweredError | UnprovenError)
        if isinstance(error, TransportError):
            wait = await self.block(channel, error, now)
            not_before = now  # due as soon as the channel opens again
        else:
            wait = self.policy.wait(out.attempts + 1, self.random())
            not_before = now + wait
            if not in_doubt and not lost:
                self._refused(channel, out)
        log.warning(
            Line.TRANSFER_POSTPONED,
            neighbour=channel.neighbour,
            transfer=header.transfer_id,
            message=header.message_id,
            error=str(error),
            in_doubt=in_doubt,
            seconds=round(wait.total_seconds(), 1),
        )
        await self.journal.postpone(
            header.transfer_id,
            in_doubt=in_doubt,
            error=str(error)[:500],
            not_before=not_before,
            at=now,
        )

    def _refused(self, channel: Channel, out: Outgoing) -> None:
        """Nobody has it: what it was signed with may be why."""
        signature, transfer_id = out.signed.signature, out.header.transfer_id
        if not self.notary.signs_as(signature):
            channel.refused_outdated(transfer_id)
        elif self.notary.batch_of(signature) is not None:
            channel.refused_shared(transfer_id, self.clock.monotonic())

    async def block(self, channel: Channel, error: Exception, now: datetime) -> timedelta:
        """The neighbour as a whole is left alone for a while; those under way fail only once."""
        monotonic = self.clock.monotonic()
        if channel.blocked_until > monotonic:
            return timedelta(seconds=channel.blocked_until - monotonic)
        wait = self.policy.wait(channel.failures + 1, self.random())
        channel.failed(monotonic + wait.total_seconds())
        await self.journal.store_neighbour_state(
            channel.neighbour, NeighbourState(channel.failures, now + wait, str(error)[:500])
        )
        return wait

    async def succeeded(self, channel: Channel, transfers: int = 1) -> None:
        failed_before = channel.failures > 0
        channel.succeeded(transfers)
        self.met(channel.neighbour)
        if failed_before:
            await self.journal.store_neighbour_state(
                channel.neighbour, NeighbourState(0, self.clock.now(), "")
            )

"""From a transfer that this node once sent, the message as it was accepted then.

The transfer is signed by this very node and its trace names the digest of the SubmissionAcceptance that
was lost. That receipt says to whom the message was accepted, and a receipt's bytes follow from what it
says: so recipients are tried, the document's own first, until the receipt made for them has that digest.
Then the message is again what it was to the last byte of its receipt, and whatever chains on to that
receipt (`previous`) holds. Where none fits, because the directory changed since or recipients were named
outside the document that it does not name, the message goes to all its document names and to those of
the transfer, with a receipt of its own.

Touches: the journal, only to find the other party of a status.
Trusts:  this node's own signature; the envelope is hearsay.
Raises:  PeerError when the transfer is not ours, or not whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations

from relay.delivery.acceptance import acceptance_receipt, new_delivery
from relay.delivery.addressing import Addressed, address, report_of
from relay.delivery.clock import Clock
from relay.delivery.directory.succession import succeeded
from relay.delivery.messages import message_of
from relay.delivery.records import Admission, Journal, NewDelivery, NewMessage, Notary
from relay.delivery.recovery.ports import Readmission, SentBack
from relay.delivery.requests import DEADLINES, Deadlines
from relay.delivery.submissions import submission_key
from relay.errors import PeerError, WireError
from relay.model import (
    Lane,
    NodeId,
    Receipt,
    Seal,
    TraceStep,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.routing.directory import Directory
from relay.routing.next_hop import Place, next_hop
from relay.wire.receipt import write_receipt

MOST_TRIED = 8
"""Recipients of the document that the transfer does not name: with more, not every choice is tried."""
Recipients = tuple[Addressed, ...]


@dataclass(frozen=True, slots=True)
class Readmitter:
    place: Place
    directory: Directory
    journal: Journal
    notary: Notary
    clock: Clock
    deadlines: Deadlines = DEADLINES

    async def prepare(
        self, neighbour: NodeId, transfer_id: TransferId, sent: SentBack
    ) -> Readmission:
        """What to admit again, with the receipt of then signed anew."""
        header = self._proven(neighbour, transfer_id, sent)
        now = self.clock.now()
        seal = self.notary.check_carried_seal(
            sent.seal, header.digest, header.sender, header.origin, now
        )
        named = await self._named(sent, header)
        recipients = self._accepted(header, named)
        deliveries = tuple(self._delivery(header, one) for one in recipients)
        receipt = await self.notary.issue_receipt(
            _receipt(header, deliveries), now, batched=True, patient=True
        )
        kind, digest = header.message_type, header.digest
        codes = [r.code for r in recipients]
        key = submission_key(header.sender, codes, kind, digest)
        wider = submission_key(header.sender, [r.code for r in named], kind, digest)
        accepted = header.trace[0].at
        admission = Admission(
            message=self._message(neighbour, sent, header, seal, recipients),
            deliveries=deliveries,
            receipt=receipt,
            trace=(TraceStep(self.place.node, accepted, receipt.digest),),
            submission_key=key,
            idempotency_key=None,
            follows=None,
        )
        carried = frozenset(header.recipients)
        return Readmission(admission, carried, wider if named and wider != key else None)

    def _proven(self, neighbour: NodeId, transfer_id: TransferId, sent: SentBack) -> TransferHeader:
        """The header, signed by this node, about this envelope, of a message that began here (W8.5)."""
        node = self.place.node
        header = self.notary.check_transfer(sent.header, node, self.clock.now())
        named = (header.transfer_id, header.origin, header.sent_to)
        if named != (transfer_id, node, neighbour):
            raise WireError("the transfer is another one than was asked for")
        if len(header.trace) != 1 or header.trace[0].node != node:
            raise WireError("the transfer's way did not begin here")
        content = (sent.payload.digest, sent.payload.size_bytes, sent.envelope.message_type)
        if content != (header.digest, header.size_bytes, header.message_type):
            raise WireError("the envelope is not the one the transfer names")
        if self.directory.resolve(sent.envelope.sender.organ_id) != header.sender:
            raise WireError("the envelope's From is not the header's")
        return header

    async def _named(self, sent: SentBack, header: TransferHeader) -> Recipients:
        """Whom the document itself names."""
        try:
            to = await address(self.directory, self.journal, sent.envelope, header.sender, None)
        except PeerError:
            return ()
        return succeeded(self.directory, self.place, to).recipients

    def _accepted(self, header: TransferHeader, named: Recipients) -> Recipients:
        """To whom it was accepted: whose receipt has the digest that the trace names."""
        everyone = _in_order(header, named)
        for recipients in _choices(header, everyone):
            deliveries = tuple(self._delivery(header, one) for one in recipients)
            document = write_receipt(_receipt(header, deliveries))
            if header.trace[0].receipt == digest_of(document):
                return recipients
        return everyone

    def _delivery(self, header: TransferHeader, one: Addressed) -> NewDelivery:
        hop = next_hop(self.directory, self.place, one.code)
        lane = Lane.of(header.priority)
        return new_delivery(header.origin, header.message_id, one, hop, lane, sealed=True)

    def _message(
        self,
        neighbour: NodeId,
        sent: SentBack,
        header: TransferHeader,
        seal: Seal,
        recipients: Recipients,
    ) -> NewMessage:
        envelope = sent.envelope
        return message_of(
            self,
            envelope,
            sent.payload,
            recipients,
            message_id=header.message_id,
            origin=header.origin,
            sender=header.sender,
            priority=header.priority,
            accepted_at=header.trace[0].at,
            expires_at=header.expires_at,
            findings=envelope.findings,
            submitted_by=f"recovered:{neighbour}",
            seal=seal,
            report=report_of(self.directory, envelope, header.sender, recipients),
            now=self.clock.now(),
        )


def _in_order(header: TransferHeader, named: Recipients) -> Recipients:
    """Whom the document names, in its order, and those of the transfer that it does not name."""
    codes = {one.code for one in named}
    return (*named, *(Addressed(c, c) for c in header.recipients if c not in codes))


def _choices(header: TransferHeader, everyone: Recipients) -> Iterator[Recipients]:
    """Who may have been meant, always with the transfer's recipients; everyone first."""
    carried = frozenset(header.recipients)
    others = [one.code for one in everyone if one.code not in carried]
    sizes = range(len(others), -1, -1) if len(others) <= MOST_TRIED else (len(others), 0)
    for chosen in chain.from_iterable(combinations(others, size) for size in sizes):
        yield tuple(one for one in everyone if one.code in carried or one.code in chosen)


def _receipt(header: TransferHeader, deliveries: tuple[NewDelivery, ...]) -> Receipt:
    return acceptance_receipt(
        header.origin,
        header.message_id,
        header.digest,
        header.size_bytes,
        deliveries,
        header.trace[0].at,
    )

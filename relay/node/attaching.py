"""Proofs that follow receipts, joined: this node's published log, whose certificates count, the wire.

Touches: DATA/log and the journal, reading in threads.
Raises:  AuditError, JournalError from the log; SignatureError, WireError from judging.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from relay.audit.add_checkpoint import AddCheckpoint, write_request
from relay.audit.checkpoint import head_of, split_note
from relay.audit.cosignature import cosigner_name, few_cosignatures
from relay.audit.epochs import SPAN, epoch_of, first_index
from relay.delivery.attaching.keeping import ProofKeeper
from relay.delivery.attaching.ports import Arrived, Bounds, Stretch
from relay.delivery.attaching.sending import ProofCourier
from relay.delivery.passing.watching import PassageWatcher
from relay.errors import AuditError, NotFoundError, WireError
from relay.journal.attaching import AttachTable
from relay.journal.passing import PassTable
from relay.journal.proving import Prover
from relay.journal.witnessing import WitnessTable
from relay.model import Digest, Event, NodeId, Receipt, Signed
from relay.node.ground import Ground
from relay.signing.attached import AttachedJudge, OpenedProof, open_proof
from relay.transport.nodes.attaching_client import AttachClient
from relay.transport.nodes.client import NodesClient
from relay.wire.passage import EVENT as PASSAGE
from relay.wire.passage import Passage, read_passage
from relay.wire.receipt import read_receipt
from relay.witness.desk import WitnessDesk

MOST_COSIGNATURES = 8
"""That go along with a proof, the receiving neighbour's own among them: each is 150 bytes of every proof."""


@dataclass(frozen=True, slots=True)
class OwnPublishedLog:
    """delivery.attaching.ports.OwnLog."""

    prover: Prover
    table: WitnessTable
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def stretches(self) -> Sequence[Stretch]:
        found: list[Stretch] = []
        for head, note in await asyncio.to_thread(self.prover.published):
            first = first_index(epoch_of(head.origin).number)
            published = 0 if note is None else head_of(note).size
            cosigned = await self._cosigned(head.origin, note)
            under = 0 if cosigned is None else head_of(cosigned).size
            found.append(Stretch(first, first + published, first + under))
            if published < head.size:
                break
        return found

    async def entry_of(self, receipt: Digest) -> int | None:
        try:
            return await asyncio.to_thread(self.prover.entry_of, receipt)
        except NotFoundError:
            return None

    async def prove(self, entries: Sequence[int], to: NodeId) -> Mapping[int, bytes]:
        found: dict[int, bytes] = {}
        async with self._room:
            notes = await asyncio.to_thread(self.prover.published)
            for head, note in notes:
                epoch = epoch_of(head.origin).number
                places = [one - first_index(epoch) for one in entries if one // SPAN == epoch]
                if places:
                    cosigned = await self._cosigned(head.origin, note)
                    few = partial(few_cosignatures, first=cosigner_name(to), most=MOST_COSIGNATURES)
                    made = await asyncio.to_thread(self._made, places, epoch, cosigned, few)
                    found |= {first_index(epoch) + place: proof for place, proof in made.items()}
        return found

    def _made(
        self,
        places: Sequence[int],
        epoch: int,
        cosigned: bytes | None,
        few: Callable[[bytes], bytes],
    ) -> dict[int, bytes]:
        try:
            return self.prover.several(places, epoch, cosigned, few)
        except NotFoundError as error:  # a row of the log that was there is gone
            raise AuditError(str(error)) from error

    async def _cosigned(self, origin: str, published: bytes | None) -> bytes | None:
        """The published head where somebody cosigned it, else the largest that anybody did."""
        if published is not None and len(split_note(published)[1]) > 1:
            return published
        newest = await self.table.newest_cosigned(origin)
        return newest[0].note + b"".join(one.line for one in newest) if newest else None


@dataclass(frozen=True, slots=True)
class ReceiptProofs:
    """delivery.attaching.ports.AttachJudge."""

    judges: AttachedJudge

    def open(self, proof: bytes) -> OpenedHere:
        return OpenedHere(self.judges, open_proof(proof))


@dataclass(frozen=True, slots=True)
class OpenedHere:
    """delivery.attaching.ports.Opened."""

    judges: AttachedJudge
    proof: OpenedProof

    @property
    def about(self) -> Digest:
        return self.proof.about

    def judge(self, receipt: Signed, issuer: NodeId, now: datetime) -> Arrived:
        proven = self.judges.prove(self.proof, receipt, issuer, now)
        about = read_receipt(receipt.document)
        passage = told_in(self.proof.fields, about)
        return Arrived(
            about,
            receipt.digest,
            proven.head.origin,
            proven.head.size,
            proven.cosigned,
            self.proof.content,
            self.proof.read.note,
            passage,
            b"" if passage is None else self.proof.read.leaf,
        )


def told_in(fields: Mapping[str, Any], receipt: Receipt) -> Passage | None:
    """What the fields of an entry tell beyond the receipt that it names. Raises WireError where that is not of its
    form, or of another message or recipient than the receipt took over."""
    if fields["event"] != PASSAGE:
        return None
    passage = read_passage(fields)
    taken = {one.recipient for one in receipt.evidence if one.event is Event.RELAY_ACCEPTANCE}
    if (passage.message, passage.origin) != (receipt.message_id, receipt.origin):
        raise WireError("the passage is of another message than the receipt it names")
    if not taken.issuperset(passage.recipients):
        raise WireError("the passage is of recipients that its receipt did not take over")
    return passage


@dataclass(frozen=True, slots=True)
class WitnessedHeads:
    """delivery.attaching.ports.Heads."""

    table: WitnessTable
    desk: WitnessDesk | None

    async def contradicts(self, note: bytes, by: NodeId) -> bool:
        head = head_of(note)
        root = await self.table.seen(head.origin, head.size)
        if root is None or root == head.root:
            return False
        if self.desk is not None:  # it keeps both notes and rings
            request = write_request(AddCheckpoint(head.size, (), note))
            await self.desk.add_checkpoint(request, by)
        return True


@dataclass(frozen=True, slots=True)
class Attaching:
    courier: ProofCourier
    keeper: ProofKeeper
    watcher: PassageWatcher


def make_attaching(
    ground: Ground, nodes: NodesClient, prover: Prover, desk: WitnessDesk | None
) -> Attaching | None:
    """None where the settings want none."""
    section, notary = ground.settings.log, ground.notary
    if not section.attach_proofs:
        return None
    table = AttachTable(ground.journal, ground.node)
    witnessed = WitnessTable(ground.journal, ground.node)
    courier = ProofCourier(
        ground.neighbours,
        table,
        OwnPublishedLog(prover, witnessed),
        AttachClient(nodes),
        ground.clock,
        random.SystemRandom().random,
        Bounds(section.attach_uncosigned_after, section.attach_for, section.attach_waiting),
    )
    judge = ReceiptProofs(AttachedJudge(notary.trust, notary.binding))
    heads = WitnessedHeads(witnessed, desk)
    keeper = ProofKeeper(ground.node, table, judge, heads, ground.clock, courier.waiting)
    watcher = PassageWatcher(ground.node, PassTable(ground.journal, ground.node), ground.clock)
    return Attaching(courier, keeper, watcher)

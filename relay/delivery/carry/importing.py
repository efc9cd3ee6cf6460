"""Take a neighbour's carry file in: the same checks, answers and idempotence as over the wire.

1. The manifest's signature: of a neighbour, for this node. Until then nothing of the file is used.
2. Statements of revocation (stating.py): by what they say, too, the manifest's signer is judged again,
   and all that follows (W7.9).
3. Receipts: answers settle this node's transfers, others are kept and sent on.
4. Each payload and its transfers (transfers.py).

A damaged entry costs its own transfers only, a broken frame all behind it; what was taken stays, and
what was not is still the sender's. Reading the file again repeats no effect.

Touches: the journal, the notary; tells the dispatcher what goes on and back.
Trusts:  nothing of the file until proven; its manifest only for who wrote it and what is in it.
Raises:  PeerError before anything was used; OverloadError, JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.carry.containers import contained
from relay.delivery.carry.exporting import CarryExporter
from relay.delivery.carry.ports import CarriedStatements, CarryFile, CarryNotary, Imported, Shelf
from relay.delivery.carry.reading import CarryReader
from relay.delivery.carry.stating import MOST_BYTES, Along, take_in
from relay.delivery.carry.tally import Tally
from relay.delivery.carry.transfers import CarriedIn
from relay.delivery.carry.writing import CarryWriter
from relay.delivery.clock import Clock
from relay.delivery.neighbours.answers import require_answer
from relay.delivery.ports import Caller
from relay.delivery.records import Journal, Notary
from relay.delivery.returns import ReturnDesk
from relay.delivery.several import Several
from relay.errors import (
    NotFoundError,
    OverloadError,
    PeerError,
    SignatureError,
    TransportError,
    UncertainError,
)
from relay.model import NodeId, Signed
from relay.wire import carry
from relay.wire.carry import CarriedContainer, Manifest
from relay.wire.container import read_receipts
from relay.wire.transfer import read_transfer

AT_ONCE = 32
"""Transfers or answers that are judged side by side; their commits are shared."""


@dataclass(frozen=True, slots=True)
class CarryImporter:
    node: NodeId
    neighbours: frozenset[NodeId]
    journal: Journal
    shelf: Shelf
    notary: Notary
    carry_notary: CarryNotary
    returns: ReturnDesk
    transfers: CarriedIn
    exporter: CarryExporter
    writer: CarryWriter
    clock: Clock
    receipts_wait: Callable[[Iterable[NodeId]], None]
    statements: CarriedStatements | None = None
    """None where nothing is checked for revocation."""
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(
        self, by: Caller, why: str, chunks: AsyncIterator[bytes], *, statements: bool = False
    ) -> tuple[Imported, CarryFile | None]:
        """See carry.CarryDesk."""
        if self._one.locked():
            raise OverloadError("another carry file is being read, limit 1", 30)
        async with self._one:
            reader = CarryReader(chunks)
            try:
                tally = await self._open(reader)
            except PeerError as error:
                await self._note_refused(by, why, error)
                raise
            try:
                await self._read(reader, tally)
            except (PeerError, TransportError, OverloadError) as error:
                tally.breaks(error)
            await self._note(by, why, tally)
            along = self.writer.along(statements or bool(tally.manifest.statements))
            return tally.told(), await self._answer_file(tally, along)

    async def _open(self, reader: CarryReader) -> Tally:
        """Proven to be a neighbour's, for this node. It stands for the handshake of a connection (W7.4)."""
        document = await reader.small(carry.MANIFEST, carry.LIMIT_BYTES)
        signature = await reader.small(carry.SIGNATURE, carry.SIGNATURE_LIMIT_BYTES)
        signed = Signed(document, signature)
        try:
            manifest, certain = await self._proven(signed), True
        except UncertainError:  # what came along may say whether its signer is revoked
            manifest, certain = await self._proven(signed, revocation=False), False
        tally = Tally(manifest, signed.digest)
        await take_in(reader, tally, self.statements)
        if tally.statements or not certain:
            await self._proven(signed)
        return tally

    async def _proven(self, signed: Signed, *, revocation: bool = True) -> Manifest:
        long = len(signed.document) > LONG_DOCUMENT_BYTES
        check = partial(self.carry_notary.check_carry, revocation=revocation)
        manifest = await aside(long, check, signed, self.clock.now())
        if manifest.sent_to != self.node:
            said = f"this carry file is for {manifest.sent_to}, not {self.node}"
            raise SignatureError("wrong-node", said)
        if manifest.sent_by not in self.neighbours:
            said = f"this carry file is of {manifest.sent_by}, no neighbour of {self.node}"
            raise SignatureError("wrong-node", said)
        return manifest

    async def _read(self, reader: CarryReader, tally: Tally) -> None:
        manifest = tally.manifest
        if manifest.taken:
            await self.shelf.handed_over(tally.neighbour, manifest.taken)
        async with Several(AT_ONCE) as several:
            for index, container in enumerate(manifest.answers):
                name = carry.answers_name(index)
                for signed in await _receipts(reader, name, container, tally):
                    await several.begin(self._settle, signed, tally)
            for index, container in enumerate(manifest.receipts):
                name = carry.receipts_name(index)
                await self._keep(await _receipts(reader, name, container, tally), tally)
            for payload in manifest.payloads:
                await self.transfers.take(reader, payload, tally, several)
        await reader.end()

    # ------------------------------------------------------------ receipts

    async def _settle(self, signed: Signed, tally: Tally) -> None:
        """As the dispatcher does with what comes back on the wire."""
        try:
            long = len(signed.document) > LONG_DOCUMENT_BYTES
            receipt = await aside(long, self.notary.check_receipt, signed, self.clock.now())
            if receipt.transfer_id is None:
                raise SignatureError("wrong-receipt", "the answer names no transfer")
            found = await self.shelf.frozen(tally.neighbour, receipt.transfer_id)
            if found is None:
                raise NotFoundError(f"no transfer {receipt.transfer_id} to {tally.neighbour}")
            header = read_transfer(found[0].document)
            require_answer(self.returns.directory, receipt, header)
        except UncertainError:  # it may be judged another time
            tally.put_off += 1
            return
        except PeerError:
            tally.stray += 1
            return
        back = await self.journal.settle(header.transfer_id, signed, receipt, self.clock.now())
        self.receipts_wait(back)
        tally.settled += 1

    async def _keep(self, receipts: Sequence[Signed], tally: Tally) -> None:
        """As those handed in on the wire; one that proves nothing does not stand in the others' way."""
        try:
            await self.returns.take(tally.neighbour, receipts)
        except (PeerError, TransportError):  # one whose signer cannot be judged now comes again
            for one in receipts:
                await self._keep_one(one, tally)
        else:
            tally.taken += (one.digest for one in receipts)

    async def _keep_one(self, signed: Signed, tally: Tally) -> None:
        try:
            await self.returns.take(tally.neighbour, [signed])
        except TransportError:
            tally.put_off += 1
        except PeerError:
            tally.stray += 1
        else:
            tally.taken.append(signed.digest)

    # ------------------------------------------------------------ what goes back

    async def _answer_file(self, tally: Tally, along: Along | None) -> CarryFile | None:
        """The answers, which of the receipts are durable here, and what waits to travel back there (W7.8).
        Whoever wrote no statements may read none (W7.9), unless an operator knows better."""
        if not tally.answers and not tally.taken:
            return None
        answers = await self.writer.boxes(tally.answers, along)
        receipts = await self.exporter.receipts(tally.neighbour, along)
        return await self.writer.decide(
            tally.neighbour,
            answers=answers[: carry.CONTAINER_LIMIT],
            receipts=receipts,
            taken=tuple(tally.taken[: carry.TAKEN_LIMIT]),
            statements=() if along is None else await along.boxes(MOST_BYTES),
        )

    async def _note(self, by: Caller, why: str, tally: Tally) -> None:
        told = tally.told()
        fields: dict[str, str | int] = {
            "neighbour": told.neighbour,
            "carry": told.carry_id,
            "digest": told.digest,
            "transfers": told.transfers,
            "answered": told.answered,
            "refused": told.refused,
            "left": told.unproven + told.put_off + told.damaged,
            "settled": told.settled,
            "receipts": told.receipts,
            "stray": told.stray,
            "statements": told.statements,
            "reason": "broken-off" if told.broken else "",
            "by": by.holder,
            "why": why,
        }
        await self.journal.note("carry-imported", self.clock.now(), fields)

    async def _note_refused(self, by: Caller, why: str, error: PeerError) -> None:
        reason = error.reason if isinstance(error, SignatureError) else type(error).__name__
        fields: dict[str, str | int] = {"reason": reason, "by": by.holder, "why": why}
        await self.journal.note("carry-refused", self.clock.now(), fields)


async def _receipts(
    reader: CarryReader, name: str, container: CarriedContainer, tally: Tally
) -> Sequence[Signed]:
    limit = carry.CONTAINER_LIMIT_BYTES
    read = partial(read_receipts, limit_bytes=limit)
    return await contained(reader, name, container, tally, limit, read)

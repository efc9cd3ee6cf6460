"""Choose what goes into a carry file: the highest lane and the oldest first, as far as there is room.

What was never exported goes before what is only unanswered, so that a second file takes up where the
first was full. New transfers are frozen as the dispatcher freezes them; all are in doubt before a
byte of the file leaves. Where the process may die:

    before a freeze commits      the delivery still waits
    after it                     in doubt: by wire or in the next file, to the letter
    while the file is written    as above; what is written of it is no whole file

Statements of revocation about the signers go along (stating.py). A share of the room is kept for them,
but for the first document, which goes whether they fit beside it or not; they may also have what the
documents leave.

Touches: the journal, the notary; tells the dispatcher.
Raises:  NotFoundError, JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from relay.delivery.carry.ports import Box, CarryFile, Shelf, StatementBox
from relay.delivery.carry.stating import Along
from relay.delivery.carry.writing import CarryWriter, Sizes
from relay.delivery.clock import Clock
from relay.delivery.neighbours.freezing import header_of
from relay.delivery.ports import Caller
from relay.delivery.records import DeliveryRow, Freeze, Journal, Notary, Ready
from relay.errors import LostPayloadError, NotFoundError
from relay.lines import Line
from relay.model import Digest, Lane, NodeId, TransferId, digest_of
from relay.wire.carry import CONTAINER_LIMIT, TRANSFER_LIMIT, CarriedPayload, CarriedTransfer
from relay.wire.transfer import read_transfer

log = structlog.get_logger("relay.carry")
PAGE = 256
"""Deliveries or transfers read from the journal at once."""
AT_ONCE = 64
"""Freezes that share a commit."""
MOST_RECEIPTS = 5_000
MOST_PASSED_OVER = 256
"""After so many that found no room nobody looks for a smaller one."""
_FRAME_BYTES = 72 * 1024
"""Manifest without its lists, its signature, the end of the archive."""
_PER_TRANSFER_BYTES, _PER_PAYLOAD_BYTES, _PER_RECEIPT_BYTES = 1_100, 700, 160
"""What each adds beside its contents: heads, names, its place in manifest or container."""
STATEMENTS_SHARE = 8
STATEMENTS_BYTES = 16 << 20
"""An eighth of the file is kept for statements, and no more than this."""
_HIGHEST_FIRST = tuple(sorted(Lane, reverse=True))


@dataclass(frozen=True, slots=True)
class CarryExporter:
    node: NodeId
    neighbours: frozenset[NodeId]
    journal: Journal
    shelf: Shelf
    notary: Notary
    writer: CarryWriter
    clock: Clock
    exported: Callable[[NodeId], None]
    """Told that the journal holds more in doubt for this neighbour."""

    async def export(
        self, by: Caller, neighbour: NodeId, limit_bytes: int, why: str, *, statements: bool = True
    ) -> CarryFile:
        """See carry.CarryDesk."""
        if neighbour not in self.neighbours:
            raise NotFoundError(f"{neighbour[:64]} is not a neighbour of {self.node}")
        load = _load(limit_bytes, self.writer.along(statements))
        receipts = await self.receipts(neighbour, load.along, load)
        await self._fill(neighbour, load)
        if not load.sizes and not receipts:
            raise NotFoundError(_nothing(neighbour, limit_bytes, load))
        file = await self.writer.decide(
            neighbour,
            answers=(),
            receipts=receipts,
            payloads=load.carried(),
            sizes=load.sizes,
            statements=await load.statements(),
            more=load.more,
        )
        for batch in _in_batches(list(load.sizes)):
            await self.shelf.exported(batch, self.clock.now())
        self.exported(neighbour)
        await self._note(by, why, file)
        return file

    async def receipts(
        self, neighbour: NodeId, along: Along | None, load: _Load | None = None
    ) -> tuple[Box, ...]:
        """Containers of what waits to travel back there. It waits on until the neighbour says, by
        wire or by hand, that it has it."""
        waiting = await self.shelf.returns(neighbour, MOST_RECEIPTS)
        if load is not None:
            waiting = [one for one in waiting if load.takes_receipt(one[1])]
        return (await self.writer.boxes(waiting, along))[:CONTAINER_LIMIT]

    async def _fill(self, neighbour: NodeId, load: _Load) -> None:
        for lane in _HIGHEST_FIRST:
            await self._add_frozen(neighbour, lane, load, exported=False)
            await self._add_new(neighbour, lane, load)
        for lane in _HIGHEST_FIRST:
            await self._add_frozen(neighbour, lane, load, exported=True)

    async def _add_frozen(
        self, neighbour: NodeId, lane: Lane, load: _Load, *, exported: bool
    ) -> None:
        after = ""
        while page := await self.shelf.unanswered(
            neighbour, lane, exported=exported, after=after, limit=PAGE
        ):
            after = page[-1].transfer_id
            for one in page:
                if load.full:
                    load.more = True
                    return
                header = read_transfer(one.header.document)
                document, signature = one.header.document, one.header.signature
                sizes = (len(document), len(signature), len(one.seal.signature))
                carried = CarriedTransfer(one.transfer_id, one.header.digest)
                if not await self._is_here(header.digest, header.size_bytes):
                    continue
                if load.takes(carried, header.digest, header.size_bytes, sizes):
                    load.signed(signature, one.seal.signature)
                await asyncio.sleep(0)
            await load.rests_on()

    async def _add_new(self, neighbour: NodeId, lane: Lane, load: _Load) -> None:
        after = DeliveryRow(0)
        while page := await self.shelf.waiting(neighbour, lane, after, PAGE):
            after = max(row for ready in page for row in ready.rows)
            for start in range(0, len(page), AT_ONCE):
                if load.full:
                    load.more = True
                    return
                await self._freeze(neighbour, page[start : start + AT_ONCE], load)

    async def _freeze(self, neighbour: NodeId, batch: Sequence[Ready], load: _Load) -> None:
        """Those for which there is room, in one commit; what was taken another way meanwhile is left (W7.5)."""
        chosen = []
        for ready in batch:
            if not await self._is_here(ready.digest, ready.size_bytes):
                continue
            freeze = await self._signed(neighbour, ready)
            header = freeze.header
            sizes = (len(header.document), len(header.signature), len(ready.seal.signature))
            carried = CarriedTransfer(freeze.transfer_id, digest_of(header.document))
            if load.takes(carried, ready.digest, ready.size_bytes, sizes):
                chosen.append(freeze)
                load.signed(header.signature, ready.seal.signature)
            await asyncio.sleep(0)
        await load.rests_on()
        frozen = await self.journal.freeze(chosen)
        for freeze, done in zip(chosen, frozen, strict=True):
            if not done:
                load.drop(freeze.transfer_id, freeze.ready.digest)

    async def _is_here(self, digest: Digest, size_bytes: int) -> bool:
        """A file that the disk has lost would end the carry file in its middle, and every later one: it waits on."""
        try:
            payload = await self.journal.payload(digest)
            await self.journal.check_payload(payload, thorough=False)
        except LostPayloadError:
            log.error(Line.PAYLOAD_DAMAGED, digest=digest, size_bytes=size_bytes)
            return False
        return True

    async def _signed(self, neighbour: NodeId, ready: Ready) -> Freeze:
        now = self.clock.now()
        header = header_of(self.node, neighbour, ready, TransferId(self.clock.mint()), now)
        (signed,) = await self.notary.issue_transfers([header], now)
        return Freeze(header.transfer_id, neighbour, ready, signed, now)

    async def _note(self, by: Caller, why: str, file: CarryFile) -> None:
        manifest = file.manifest
        fields: dict[str, str | int] = {
            "neighbour": manifest.sent_to,
            "carry": manifest.carry_id,
            "digest": file.signed.digest,
            "transfers": sum(1 for _ in manifest.transfer_ids),
            "receipts": sum(len(box.receipts) for box in file.receipts),
            "size": file.size_bytes,
            "by": by.holder,
            "why": why,
        }
        await self.journal.note("carry-exported", self.clock.now(), fields)


@dataclass(slots=True)
class _Load:
    """What is in the file so far, and how much room is left."""

    room_bytes: int
    kept_bytes: int = 0
    """Of the room, for statements."""
    along: Along | None = None
    sizes: dict[TransferId, Sizes] = field(default_factory=dict)
    more: bool = False
    _payloads: dict[Digest, tuple[int, list[CarriedTransfer]]] = field(default_factory=dict)
    _passed_over: int = 0
    _begun: bool = False
    _signatures: list[bytes] = field(default_factory=list)
    """Whose signers' statements were not looked for yet."""

    @property
    def full(self) -> bool:
        return len(self.sizes) >= TRANSFER_LIMIT or self._passed_over >= MOST_PASSED_OVER

    def takes(
        self, transfer: CarriedTransfer, digest: Digest, size_bytes: int, sizes: Sizes
    ) -> bool:
        """Put it in, its payload once, if there is room."""
        if transfer.transfer_id in self.sizes:
            return False
        cost = sum(sizes) + _PER_TRANSFER_BYTES
        if digest not in self._payloads:
            cost += size_bytes + _PER_PAYLOAD_BYTES
        if self.full or not self._has_room(cost):
            self.more = True
            self._passed_over += 1
            return False
        self.sizes[transfer.transfer_id] = sizes
        self._payloads.setdefault(digest, (size_bytes, []))[1].append(transfer)
        return True

    def takes_receipt(self, size_bytes: int) -> bool:
        cost = size_bytes * 4 // 3 + _PER_RECEIPT_BYTES
        if not self._has_room(cost):
            self.more = True
            return False
        return True

    def _has_room(self, cost: int) -> bool:
        """And it is taken. What comes first may have the room that is kept for statements."""
        if cost > self.room_bytes - (self.kept_bytes if self._begun else 0):
            return False
        self.room_bytes -= cost
        self._begun = True
        return True

    def signed(self, *signatures: bytes) -> None:
        if self.along is not None:
            self._signatures += signatures

    async def rests_on(self) -> None:
        """Look for the statements about who signed what was put in."""
        if self.along is not None:
            signatures, self._signatures = self._signatures, []
            await self.along.rests_on(signatures)

    async def statements(self) -> tuple[StatementBox, ...]:
        return () if self.along is None else await self.along.boxes(self.room_bytes)

    def drop(self, transfer_id: TransferId, digest: Digest) -> None:
        """It is not to go after all. Its room is not given to others."""
        del self.sizes[transfer_id]
        size_bytes, transfers = self._payloads.pop(digest)
        if left := [one for one in transfers if one.transfer_id != transfer_id]:
            self._payloads[digest] = (size_bytes, left)

    def carried(self) -> tuple[CarriedPayload, ...]:
        return tuple(
            CarriedPayload(digest, size_bytes, tuple(transfers))
            for digest, (size_bytes, transfers) in self._payloads.items()
        )


def _load(limit_bytes: int, along: Along | None) -> _Load:
    room = limit_bytes - _FRAME_BYTES
    kept = 0 if along is None else min(room // STATEMENTS_SHARE, STATEMENTS_BYTES)
    return _Load(room, kept, along)


def _in_batches(transfers: Sequence[TransferId]) -> Iterator[Sequence[TransferId]]:
    return (transfers[start : start + PAGE] for start in range(0, len(transfers), PAGE))


def _nothing(neighbour: NodeId, limit_bytes: int, load: _Load) -> str:
    if load.more:
        return f"nothing that waits for {neighbour} fits into {limit_bytes} bytes"
    return f"nothing waits for {neighbour}"

"""The transfers of a carry file, each payload with those that carry it, into the desk of arrivals.

Touches: the payload store, the journal through the desk.
Trusts:  that the file's manifest is proven to be of this neighbour; not that the bytes are whole.
Raises:  WireError when the file cannot be read on; OverloadError when nothing new is taken in; JournalError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from relay.delivery.arrivals import TransferDesk
from relay.delivery.carry.ports import Receive, Room, Shelf
from relay.delivery.carry.reading import CarryReader, LargeEntry
from relay.delivery.carry.tally import Tally
from relay.delivery.ports import PayloadStore
from relay.delivery.several import Several
from relay.envelope.limits import in_units
from relay.errors import (
    DamagedError,
    EnvelopeError,
    PeerError,
    TooLargeError,
    TransportError,
    UncertainError,
    WireError,
)
from relay.model import Envelope, NodeId, Payload, Signed, TransferId
from relay.wire.carry import (
    SIGNATURE_LIMIT_BYTES,
    CarriedPayload,
    CarriedTransfer,
    payload_name,
    transfer_names,
)
from relay.wire.transfer import LIMIT_BYTES as HEADER_LIMIT_BYTES


@dataclass(slots=True)
class _Content:
    """An envelope that came whole: read, or why it cannot be."""

    envelope: Envelope | EnvelopeError
    payload: Payload | None = None
    holders: int = 1
    """Who still needs the payload: its reader, and each transfer that is being judged."""


@dataclass(frozen=True, slots=True)
class CarriedIn:
    desk: TransferDesk
    store: PayloadStore
    shelf: Shelf
    receive: Receive
    room: Room

    async def take(
        self, reader: CarryReader, carried: CarriedPayload, tally: Tally, several: Several
    ) -> None:
        """A payload, and all transfers that carry it, which are judged side by side."""
        name = payload_name(carried.digest)
        entry = await reader.large(name, carried.size_bytes)
        content = await self._content(entry, carried, tally.neighbour)
        try:
            for one in carried.transfers:
                parts = await self._parts(reader, one)
                if parts is None:
                    tally.damaged += 1
                    continue
                _hold(content)
                try:
                    await several.begin(self._judge, one.transfer_id, *parts, content, tally)
                except BaseException:
                    await self._let_go(content)
                    raise
        finally:
            await self._let_go(content)

    async def _let_go(self, content: _Content | None) -> None:
        if content is None or content.payload is None:
            return
        content.holders -= 1
        if content.holders == 0:
            await self.store.release(content.payload)

    async def _content(
        self, entry: LargeEntry, carried: CarriedPayload, neighbour: NodeId
    ) -> _Content | None:
        """None where the bytes are damaged, or not needed: every transfer was answered before."""
        limit = self.desk.envelope_limit_bytes
        if await self.shelf.known(neighbour, [one.transfer_id for one in carried.transfers]):
            content = None
        elif carried.size_bytes > limit:
            fault = TooLargeError(in_units(carried.size_bytes), limit=in_units(limit))
            content = _Content(fault)
        else:
            with self.room(neighbour, carried.size_bytes):
                content = await self._received(entry.chunks(), carried.size_bytes)
        try:
            await entry.drain(carried.digest)
        except BaseException as error:
            await self._let_go(content)
            if isinstance(error, DamagedError):
                return None
            raise
        return content

    async def _received(self, chunks: AsyncIterator[bytes], size_bytes: int) -> _Content:
        try:
            return _Content(*await self.receive(chunks, size_bytes))
        except EnvelopeError as error:
            return _Content(error)

    async def _judge(
        self,
        named: TransferId,
        header: Signed,
        seal: bytes,
        content: _Content | None,
        tally: Tally,
    ) -> None:
        try:
            answer = await self._answer(tally.neighbour, named, header, seal, content)
        except (TransportError, UncertainError):
            tally.put_off += 1
        except PeerError:
            tally.unproven += 1
        else:
            if answer is None:
                tally.damaged += 1
            else:
                tally.answer(named, answer)
        finally:
            await self._let_go(content)

    async def _parts(
        self, reader: CarryReader, carried: CarriedTransfer
    ) -> tuple[Signed, bytes] | None:
        """All three entries are read, so that the next one follows; None where one is damaged."""
        header_name, signature_name, seal_name = transfer_names(carried.transfer_id)
        found = []
        for name, limit, digest in (
            (header_name, HEADER_LIMIT_BYTES, carried.header),
            (signature_name, SIGNATURE_LIMIT_BYTES, None),
            (seal_name, SIGNATURE_LIMIT_BYTES, None),
        ):
            try:
                found.append(await reader.small(name, limit, digest=digest))
            except DamagedError:
                continue
        return (Signed(found[0], found[1]), found[2]) if len(found) == 3 else None

    async def _answer(
        self,
        neighbour: NodeId,
        named: TransferId,
        header: Signed,
        seal: bytes,
        content: _Content | None,
    ) -> Signed | None:
        """None where there is no answer from before and no envelope to judge."""
        opened = await self.desk.open(neighbour, header)
        if isinstance(opened, Signed):
            return opened
        if opened.header.transfer_id != named:
            raise WireError(f"transfer {opened.header.transfer_id} stands under the name {named}")
        answer = await self.desk.first_answer(opened)
        if answer is not None or content is None:
            return answer
        return await self.desk.take(opened, seal, content.envelope, content.payload)


def _hold(content: _Content | None) -> None:
    if content is not None:
        content.holders += 1

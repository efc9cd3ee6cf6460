"""Decide on a carry file's containers and size, and write it out as a stream.

Touches: the journal, for what was decided on; it is stored for good, so each reading gives the same.
Raises:  JournalError.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from relay.delivery.aside import LONG_DOCUMENT_BYTES, MANY_RECIPIENTS, aside
from relay.delivery.carry.ports import (
    Box,
    CarriedStatements,
    CarryFile,
    CarryNotary,
    Shelf,
    StatementBox,
)
from relay.delivery.carry.stating import Along, content_of
from relay.delivery.clock import Clock
from relay.delivery.ports import PayloadStore
from relay.delivery.records import Journal
from relay.delivery.returns import BATCH, BATCH_BYTES
from relay.errors import JournalError
from relay.model import Digest, NodeId, Signed, TransferId, digest_of
from relay.wire.archive import Archive, Head
from relay.wire.carry import (
    MANIFEST,
    SIGNATURE,
    CarriedContainer,
    CarriedPayload,
    CarryId,
    Manifest,
    answers_name,
    payload_name,
    receipts_name,
    statements_name,
    transfer_names,
)
from relay.wire.container import write_receipts

Sizes = tuple[int, int, int]
"""Bytes of a transfer's header, the header's signature and the seal."""


@dataclass(frozen=True, slots=True)
class CarryWriter:
    node: NodeId
    journal: Journal
    store: PayloadStore
    shelf: Shelf
    notary: CarryNotary
    clock: Clock
    statements: CarriedStatements | None = None
    """None where nothing is checked for revocation: then there are none."""

    def along(self, wanted: bool) -> Along | None:
        """For one file: what its signers' statements are found with."""
        return Along(self.statements) if wanted and self.statements is not None else None

    async def boxes(
        self, receipts: Iterable[tuple[Digest, int]], along: Along | None
    ) -> tuple[Box, ...]:
        """Containers of these receipts (digest and size), each as large as one request may be."""
        return tuple([await self._box(batch, along) for batch in _batches(receipts)])

    async def _box(self, receipts: tuple[Digest, ...], along: Along | None) -> Box:
        found = await self._found(receipts)
        if along is not None:
            await along.rests_on([one.signature for one in found])
        content = await self._container(found)
        return Box(receipts, digest_of(content), len(content))

    async def _found(self, receipts: tuple[Digest, ...]) -> Sequence[Signed]:
        found = await self.shelf.receipts(receipts)
        if len(found) != len(receipts):
            raise JournalError(f"{len(receipts) - len(found)} receipts are gone from the journal")
        return found

    async def _container(self, receipts: Sequence[Signed]) -> bytes:
        return await aside(len(receipts) > MANY_RECIPIENTS, write_receipts, receipts)

    async def decide(
        self,
        neighbour: NodeId,
        *,
        answers: tuple[Box, ...],
        receipts: tuple[Box, ...],
        taken: tuple[Digest, ...] = (),
        payloads: tuple[CarriedPayload, ...] = (),
        sizes: dict[TransferId, Sizes] | None = None,
        statements: tuple[StatementBox, ...] = (),
        more: bool = False,
    ) -> CarryFile:
        """The signed manifest of all this, and how large the file will be."""
        now = self.clock.now()
        manifest = Manifest(
            carry_id=CarryId(self.clock.mint()),
            sent_by=self.node,
            sent_to=neighbour,
            created_at=now,
            answers=_containers(answers),
            receipts=_containers(receipts),
            taken=taken,
            payloads=payloads,
            statements=_containers(statements),
        )
        many = len(payloads) + len(taken) > MANY_RECIPIENTS
        signed = await aside(many or self.notary.slow, self.notary.sign_carry, manifest, now)
        size = await aside(many, _size, manifest, signed, sizes or {})
        return CarryFile(manifest, signed, answers, receipts, size, more, statements)

    async def write(self, file: CarryFile) -> AsyncIterator[bytes]:
        """The file's bytes, in order."""
        archive = Archive()
        yield archive.entry(MANIFEST, file.signed.document)
        yield archive.entry(SIGNATURE, file.signed.signature)
        for index, one in enumerate(file.statements):
            content = await content_of(one, self.statements)
            yield await _entry(archive, statements_name(index), content)
        for name, boxes in ((answers_name, file.answers), (receipts_name, file.receipts)):
            for index, box in enumerate(boxes):
                content = await self._container(await self._found(box.receipts))
                yield archive.entry(name(index), content)
        for payload in file.manifest.payloads:
            async for chunk in self._payload(archive, payload):
                yield chunk
            for transfer in payload.transfers:
                yield await self._transfer(archive, file.manifest.sent_to, transfer.transfer_id)
        yield await aside(len(file.signed.document) > LONG_DOCUMENT_BYTES, archive.ending)

    async def _payload(self, archive: Archive, carried: CarriedPayload) -> AsyncIterator[bytes]:
        """Read twice when it is a file: its checksum stands before it."""
        payload = await self.journal.payload(carried.digest)
        crc = 0
        async for chunk in self.store.read(payload):
            crc = zlib.crc32(chunk, crc)
        yield archive.head(payload_name(carried.digest), Head(payload.size_bytes, crc))
        async for chunk in self.store.read(payload):
            yield chunk

    async def _transfer(
        self, archive: Archive, neighbour: NodeId, transfer_id: TransferId
    ) -> bytes:
        found = await self.shelf.frozen(neighbour, transfer_id)
        if found is None:
            raise JournalError(f"transfer {transfer_id} is gone from the journal")
        header, seal = found
        contents = (header.document, header.signature, seal)
        names = transfer_names(transfer_id)
        return b"".join(archive.entry(n, c) for n, c in zip(names, contents, strict=True))


async def _entry(archive: Archive, name: str, content: bytes) -> bytes:
    return await aside(len(content) > LONG_DOCUMENT_BYTES, archive.entry, name, content)


def _containers(boxes: Iterable[Box | StatementBox]) -> tuple[CarriedContainer, ...]:
    return tuple(CarriedContainer(one.digest, one.size_bytes) for one in boxes)


def _batches(receipts: Iterable[tuple[Digest, int]]) -> Iterable[tuple[Digest, ...]]:
    batch: list[Digest] = []
    total = 0
    for digest, size_bytes in receipts:
        if batch and (len(batch) == BATCH or total + size_bytes > BATCH_BYTES):
            yield tuple(batch)
            batch, total = [], 0
        batch.append(digest)
        total += size_bytes
    if batch:
        yield tuple(batch)


def _size(manifest: Manifest, signed: Signed, sizes: dict[TransferId, Sizes]) -> int:
    archive = Archive()
    for name, size_bytes in _entries(manifest, signed, sizes):
        archive.head(name, Head(size_bytes, 0))
    return archive.position + len(archive.ending())


def _entries(
    manifest: Manifest, signed: Signed, sizes: dict[TransferId, Sizes]
) -> Iterable[tuple[str, int]]:
    yield MANIFEST, len(signed.document)
    yield SIGNATURE, len(signed.signature)
    yield from ((statements_name(i), one.size_bytes) for i, one in enumerate(manifest.statements))
    yield from ((answers_name(i), one.size_bytes) for i, one in enumerate(manifest.answers))
    yield from ((receipts_name(i), one.size_bytes) for i, one in enumerate(manifest.receipts))
    for payload in manifest.payloads:
        yield payload_name(payload.digest), payload.size_bytes
        for one in payload.transfers:
            yield from zip(transfer_names(one.transfer_id), sizes[one.transfer_id], strict=True)

"""Put a message's evidence into one ASiC-E container that a stranger can judge (wire format W14).

Planned first, so that the exporter's signature covers every file and the length is known; then written
as a stream. Large parts are read once for their checksum and once to be written, and are stored for good
under their digest, so both readings give the same.

Touches: the journal, reading, but for one audit entry; the notary.
Raises:  NotFoundError, AccessError, GoneError, TakenBackError, JournalError.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field, replace

from relay.delivery.aside import LONG_DOCUMENT_BYTES, MANY_RECIPIENTS, aside
from relay.delivery.clock import Clock
from relay.delivery.evidence.around import Around
from relay.delivery.evidence.ports import (
    EvidenceFile,
    EvidenceLog,
    EvidenceNotary,
    Gather,
    Gathered,
    Left,
    PlannedFile,
    ReceiptPart,
)
from relay.delivery.ports import Caller, MessageView, PayloadStore, Tracking
from relay.delivery.records import Journal
from relay.envelope.reader import EnvelopeReader
from relay.errors import (
    TAKEN_BACK,
    AccessError,
    AuditError,
    EnvelopeError,
    JournalError,
    NotPossibleError,
    PeerError,
    TakenBackError,
)
from relay.model import (
    AgencyCode,
    DeliveryState,
    Digest,
    Envelope,
    MessageId,
    NodeId,
    Payload,
    Seal,
    Signed,
    digest_of,
)
from relay.wire import bundle
from relay.wire.archive import Archive, Head

_HAD_IT = frozenset({DeliveryState.FETCHED, DeliveryState.HANDED_OVER})


@dataclass(frozen=True, slots=True)
class EvidenceDesk:
    """evidence.EvidenceDoor."""

    node: NodeId
    journal: Journal
    tracking: Tracking
    store: PayloadStore
    notary: EvidenceNotary
    gather: Gather
    clock: Clock
    log: EvidenceLog | None = None
    """None: no receipt is proven to stand in it."""
    payload: Payload | None = field(default=None, kw_only=True)
    """The document's bytes where the journal has them no more."""
    left: Left | None = field(default=None, kw_only=True)
    """Where the archive has what was said of the document. None: there is no archive."""

    async def export(self, caller: Caller, message_id: MessageId, why: str) -> EvidenceFile:
        view, file = await self.plan(caller, message_id)
        await self._note(caller, why, view, file)
        return file

    async def plan(self, caller: Caller, message_id: MessageId) -> tuple[MessageView, EvidenceFile]:
        """The file, signed, of what is known of the message now; nothing is noted."""
        view = await self.tracking.message(caller, message_id)
        _require_had(caller, view)
        await aside(len(view.deliveries) > MANY_RECIPIENTS, _require_room, view)
        seal = await self.tracking.seal(caller, message_id)
        payload = self.payload
        if payload is None or payload.digest != view.digest:
            payload = await self.journal.payload(view.digest)
        at = self.clock.now()
        kept = _few(await self.gather(view, at))
        around = self._around()
        files = [file async for file in self._files(payload, seal, view, kept, around, caller)]
        pairs = [(one.name, one.digest) for one in files]
        many = len(pairs) > MANY_RECIPIENTS
        signature = await asyncio.to_thread(self.notary.sign_bundle, pairs, at)  # maybe by a token
        files.append(await aside(many, _small, bundle.EXPORT, bundle.wrapped(signature)))
        size = await aside(many, _size, files)
        return view, EvidenceFile(message_id, at, tuple(files), size, digest_of(signature))

    async def write(self, file: EvidenceFile) -> AsyncIterator[bytes]:
        archive = Archive()
        for one in file.files:
            yield archive.head(one.name, Head(one.size_bytes, one.crc))
            async for chunk in self._content(one):
                yield chunk
        yield await aside(len(file.files) > MANY_RECIPIENTS, archive.ending)

    # ------------------------------------------------------------ what is in it

    def _around(self) -> Around:
        return Around(
            self.node,
            self.journal,
            self.tracking,
            self.store,
            self.log,
            _require_had,
            left=self.left,
        )

    async def _files(
        self,
        payload: Payload,
        seal: Seal,
        view: MessageView,
        kept: Gathered,
        around: Around,
        caller: Caller,
    ) -> AsyncIterator[PlannedFile]:
        """All but the exporter's signature, in the order of the container."""
        names: list[str] = []
        certificates = {*self.notary.own_certificates(), *kept.certificates}
        certificates.update(self.notary.certificates_of(seal.signature))
        async for file in self._stored(payload, view, certificates, around):
            names.append(file.name)
            yield file
        await around.gather(caller, view)
        certificates.update(around.certificates())
        for file in _beside(certificates, kept):
            names.append(file.name)
            yield file
        stamped = self.notary.seal_for_export(
            seal.signature, replace(kept, certificates=tuple(sorted(certificates)))
        )
        async for name, content in around.files(view):
            names.append(name)
            yield _small(name, content)
        if (summary := await self._summary(around, view, stamped)) is not None:
            names.append(bundle.SUMMARY)
            yield _small(bundle.SUMMARY, summary)
        manifest = await aside(len(names) > MANY_RECIPIENTS, bundle.write_manifest, names)
        yield _small(bundle.MANIFEST, manifest)
        yield _small(bundle.SEAL, bundle.wrapped(stamped))

    async def _stored(
        self, payload: Payload, view: MessageView, certificates: set[bytes], around: Around
    ) -> AsyncIterator[PlannedFile]:
        """The envelope, the receipts, their batches; `certificates` gets those of the receipts' signers."""
        yield _small(bundle.MIMETYPE, bundle.MIMETYPE_CONTENT)
        crc, reading, long = 0, _Reading(), payload.size_bytes > LONG_DOCUMENT_BYTES
        async for chunk in self.store.read(payload):
            crc = zlib.crc32(chunk, crc)
            await aside(long, reading.feed, chunk)
        around.envelope = reading.close()
        yield PlannedFile(bundle.ENVELOPE, payload.digest, payload.size_bytes, crc, payload)
        receipts = await aside(len(view.deliveries) > MANY_RECIPIENTS, _receipts, view)
        batches: dict[Digest, Signed] = {}
        for number, digest in enumerate(receipts, start=1):
            signed = await self._receipt(digest)
            certificates.update(self.notary.certificates_of(signed.signature))
            await around.add(number, signed)
            document, signature = bundle.receipt_names(number)
            batch = self.notary.batch_of(signed.signature)
            if batch is not None and len(batches) < bundle.MOST_BATCHES:
                batches[digest_of(batch.document + batch.signature)] = batch
            part = ReceiptPart(digest, signature=False)
            large = len(signed.document) > LONG_DOCUMENT_BYTES
            yield await aside(large, _planned, document, signed.document, part)
            yield _planned(signature, signed.signature, ReceiptPart(digest, signature=True))
        for file in _batches(batches.values()):
            yield file

    async def _summary(self, around: Around, view: MessageView, seal: bytes) -> bytes | None:
        """In a thread: seals are proven once more. What does not hold here now is left to who judges."""
        telling = around.telling(view, seal)
        if telling is None:
            return None
        try:
            return await asyncio.to_thread(self.notary.summary, telling)
        except (PeerError, AuditError):
            return None

    async def _receipt(self, digest: Digest) -> Signed:
        found = await self.journal.receipt(digest)
        if found is None:
            raise JournalError(f"receipt {digest} is gone from the journal")
        return found[0]

    async def _content(self, file: PlannedFile) -> AsyncIterator[bytes]:
        source = file.source
        if isinstance(source, bytes):
            yield source
        elif isinstance(source, Payload):
            async for chunk in self.store.read(source):
                yield chunk
        else:
            signed = await self._receipt(source.receipt)
            yield signed.signature if source.signature else signed.document

    async def _note(self, by: Caller, why: str, view: MessageView, file: EvidenceFile) -> None:
        fields: dict[str, str | int] = {
            "message": view.message_id,
            "origin": view.origin,
            "digest": file.signature,
            "size": file.size_bytes,
            "count": len(file.files),
            "by": by.holder,
            "why": why,
        }
        await self.journal.note("evidence-exported", file.exported_at, fields)


class _Reading:
    """The document as it says of itself, read along as its bytes go by."""

    def __init__(self) -> None:
        self._reader: EnvelopeReader | None = EnvelopeReader()

    def feed(self, chunk: bytes) -> None:
        if self._reader is not None:
            try:
                self._reader.feed(chunk)
            except EnvelopeError:
                self._reader = None

    def close(self) -> Envelope | None:
        try:
            return None if self._reader is None else self._reader.close()
        except EnvelopeError:
            return None


def _require_had(caller: Caller, view: MessageView) -> None:
    """An evidence file holds the document: it must not be a way round fetching it."""
    if caller.operator or view.sender in caller.agencies:
        return
    own = [one for one in view.deliveries if one.recipient in caller.agencies]
    if any(one.state in _HAD_IT for one in own):
        return
    if any(one.state is DeliveryState.TAKEN_BACK for one in own):
        raise TakenBackError(TAKEN_BACK)
    raise AccessError("evidence holds the document: it is for its sender, and for who fetched it")


def who_may_have_all(view: MessageView) -> frozenset[AgencyCode]:
    """The agencies that may have all that an operator's file holds: who sent the document, and who fetched
    it, where nobody but they themselves said anything about it."""
    had = {one.recipient for one in view.deliveries if one.state in _HAD_IT}
    told = {one.recipient for one in view.deliveries if one.statuses or one.obligations}
    return frozenset({view.sender, *(code for code in had if told <= {code})})


def _few(kept: Gathered) -> Gathered:
    """No more statements than a reader takes."""
    crls = kept.crls[: bundle.MOST_STATEMENTS]
    return replace(kept, crls=crls, ocsps=kept.ocsps[: bundle.MOST_STATEMENTS - len(crls)])


def _require_room(view: MessageView) -> None:
    """What no reader would take is not begun."""
    count = len(_receipts(view))
    if count > bundle.MOST_RECEIPTS:
        raise NotPossibleError(f"{count} receipts, an evidence file holds {bundle.MOST_RECEIPTS}")


def _receipts(view: MessageView) -> list[Digest]:
    """Each receipt once, the oldest first: one may speak of several deliveries."""
    found = {one.digest: one for delivery in view.deliveries for one in delivery.receipts}
    ordered = sorted(found.values(), key=lambda one: (one.at, one.digest))
    return [one.digest for one in ordered]


def _batches(batches: Iterable[Signed]) -> Iterator[PlannedFile]:
    """Each once, so that software of others finds what was signed and its signature as files."""
    for number, batch in enumerate(batches, start=1):
        document, signature = bundle.batch_names(number)
        yield _small(document, batch.document)
        yield _small(signature, batch.signature)


def _beside(certificates: Iterable[bytes], kept: Gathered) -> Iterator[PlannedFile]:
    for folder, suffix, contents in (
        ("certificates", "cer", certificates),
        ("revocation", "crl", kept.crls),
        ("revocation", "ocsp", kept.ocsps),
    ):
        named = {f"{folder}/{digest_of(one)}.{suffix}": one for one in contents}
        for name in sorted(named):
            yield _small(name, named[name])


def _small(name: str, content: bytes) -> PlannedFile:
    return _planned(name, content, content)


def _planned(name: str, content: bytes, source: bytes | ReceiptPart) -> PlannedFile:
    return PlannedFile(name, digest_of(content), len(content), zlib.crc32(content), source)


def _size(files: Iterable[PlannedFile]) -> int:
    archive = Archive()
    for one in files:
        archive.head(one.name, Head(one.size_bytes, one.crc))
    return archive.position + len(archive.ending())

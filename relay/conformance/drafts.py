"""An evidence file while it is put together: what of it is changed, the exporter signs all the same.

Touches: nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from relay.conformance import papers
from relay.conformance.certificates import Made
from relay.conformance.office import NEXT, ORIGIN, RECIPIENT, SENDER, WITNESS, Log, Office
from relay.envelope.reader import EnvelopeReader
from relay.judgement import Judgement
from relay.model import (
    AgencyCode,
    Digest,
    Envelope,
    Event,
    Evidence,
    Finding,
    MessageId,
    NodeId,
    Reason,
    Receipt,
    ResponseFor,
    Signed,
    digest_of,
    mint_uuid7,
)
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundles import certificates_of_signature, sign_bundle
from relay.signing.stamped import Unsigned, imprint_of, with_unsigned
from relay.signing.xades import DocumentName, build
from relay.wire import bundle
from relay.wire.archive import Archive
from relay.wire.bundle_list import VERSION, ContentsList, ListedStatus, write_list
from relay.wire.receipt import write_receipt


@dataclass(slots=True)
class Status:
    """Of the recipient, about the document: as it stands in the file."""

    listed: ListedStatus
    content: bytes
    seal: bytes


@dataclass
class Draft:
    """An honest file as it is made: sealed and exported by the origin, with three receipts."""

    office: Office
    sealed_by: Made | None = None
    exported_by: Made | None = None
    received_by: Made | None = None
    """Who signs the receipts of the next node."""
    tokens: list[bytes] = field(default_factory=list)
    crls: list[bytes] = field(default_factory=list)
    responses: list[bytes] = field(default_factory=list)
    """Of OCSP."""
    more: dict[str, bytes] = field(default_factory=dict)
    """Files of other kinds, before META-INF."""
    covering: Callable[[list[CoveredFile]], list[CoveredFile]] = list
    """What of the files its exporter signs; all of them, in their order."""
    other_names: dict[str, str] = field(default_factory=dict)
    """In the place of names that belong there."""

    def __post_init__(self) -> None:
        self.at = self.office.at
        self.message = MessageId(mint_uuid7(self.at, secrets.token_bytes(10)))
        self.content = papers.letter(SENDER, [RECIPIENT], self.at)
        self.seal = self.signature(DocumentName.ENVELOPE, self.content, self.sealed_by)
        first = self.said(ORIGIN, 0, Evidence(Event.SUBMISSION_ACCEPTANCE, AgencyCode(RECIPIENT)))
        second = self.said(NEXT, 2, self.about(Event.RELAY_ACCEPTANCE, first))
        third = self.said(NEXT, 3600, self.about(Event.CONTENT_HANDOVER, second))
        self.receipts = [first, second, third]
        self.batches: list[Signed] = []
        """Of receipts that share a signature."""

    def signature(self, name: DocumentName, content: bytes, by: Made | None = None) -> bytes:
        """Of these bytes, when the document was sealed; by the origin where nobody is named."""
        signer = (by or self.office.origin).signer()
        return build(name, digest_of(content), "node", signer, self.at)

    @property
    def imprint(self) -> Digest:
        """What a timestamp of the seal is of."""
        return imprint_of(self.seal)

    def stamped(self, at: datetime, imprint: Digest | None = None, by: Made | None = None) -> bytes:
        return self.office.stamp(imprint or self.imprint, at, by)

    # ------------------------------------------------------------ receipts

    def about(
        self, event: Event, previous: Signed, reason: Reason | None = None, detail: str = ""
    ) -> Evidence:
        """Of the recipient, after that receipt."""
        return Evidence(event, AgencyCode(RECIPIENT), previous.digest, reason, detail)

    def said(self, issuer: NodeId, seconds: float, *evidence: Evidence) -> Signed:
        """A receipt of that node, so long after the seal."""
        at = self.at + timedelta(seconds=seconds)
        receipt = Receipt(
            issuer=issuer,
            origin=ORIGIN,
            message_id=self.message,
            digest=digest_of(self.content),
            size_bytes=len(self.content),
            transfer_id=None,
            sent_by=None,
            at=at,
            evidence=evidence,
        )
        document = write_receipt(receipt)
        next_node = self.received_by or self.office.next
        made = self.office.origin if issuer == ORIGIN else next_node
        signature = build(DocumentName.RECEIPT, digest_of(document), "node", made.signer(), at)
        return Signed(document, signature)

    # ------------------------------------------------------------ the file

    def file(self) -> bytes:
        return packed(self.files())

    def files(self) -> dict[str, bytes]:
        """Signed by the exporter, whatever is in it."""
        files = {self.other_names.get(name, name): one for name, one in self._members()}
        files[bundle.MANIFEST] = bundle.write_manifest([*files, bundle.MANIFEST, bundle.SEAL])
        sealed = with_unsigned(self.seal, Unsigned(tuple(self.tokens)))
        files[bundle.SEAL] = bundle.wrapped(sealed)
        every = [CoveredFile(name, digest_of(content)) for name, content in files.items()]
        exporter = (self.exported_by or self.office.origin).signer()
        signature = sign_bundle(self.covering(every), exporter, self.at + timedelta(hours=3))
        return {**files, bundle.EXPORT: bundle.wrapped(signature)}

    def _members(self) -> Iterator[tuple[str, bytes]]:
        yield bundle.MIMETYPE, bundle.MIMETYPE_CONTENT
        yield bundle.ENVELOPE, self.content
        for number, one in enumerate(self.receipts, start=1):
            document, signature = bundle.receipt_names(number)
            yield document, one.document
            yield signature, one.signature
        for number, one in enumerate(self.batches, start=1):
            yield from zip(bundle.batch_names(number), (one.document, one.signature), strict=True)
        for der in sorted({*self.certificates()}):
            yield f"certificates/{digest_of(der)}.cer", der
        for der in self.crls:
            yield f"{bundle.REVOCATION}{digest_of(der)}.crl", der
        for der in self.responses:
            yield f"{bundle.REVOCATION}{digest_of(der)}.ocsp", der
        yield from self.around()
        yield from self.more.items()

    def certificates(self) -> Iterator[bytes]:
        """Of everyone who signed any of it."""
        for signature in (self.seal, *(one.signature for one in self.receipts)):
            yield from certificates_of_signature(signature)
        yield from (self.exported_by or self.office.origin).ders

    def around(self) -> Iterator[tuple[str, bytes]]:
        """What files of version 2 have beside; this one is of version 1."""
        yield from ()


@dataclass
class Told(Draft):
    """The same of version 2: with proofs, statuses, and the list of it all."""

    findings: tuple[Finding, ...] = ()
    verdicts: Judgement | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        office = self.office
        self.log = self.logged(ORIGIN, self.receipts)
        """The exporter's."""
        self.next_log = self.logged(NEXT, self.receipts[1:])
        self.line = office.cosignature(self.log.note)
        """The witness's, on the exporter's head."""
        self.next_line = office.cosignature(self.next_log.note)
        self.witnesses = {WITNESS: office.log_keys[WITNESS].chain}
        self.unproven: dict[Digest, str] = {}
        self.statuses: list[Status] = []
        self.followed = self.receipts[1:]
        """The receipts of which the file holds a proof from the log of who signed them."""
        self.other_proofs: dict[str, bytes] = {}
        """In the place of those that belong there."""
        self.listing: Callable[[ContentsList], ContentsList] = lambda listed: listed
        self.list_bytes: Callable[[bytes], bytes] = lambda text: text

    def logged(self, node: NodeId, receipts: Sequence[Signed]) -> Log:
        return self.office.log(node, receipts, self.message)

    @property
    def envelope(self) -> Envelope:
        reader = EnvelopeReader()
        reader.feed(self.content)
        return reader.close()

    @property
    def named(self) -> ResponseFor:
        """The document, as a status names it."""
        read = self.envelope
        return ResponseFor(SENDER, read.notation, read.document_id, read.promulgation_date)

    def status(self, about: ResponseFor) -> Status:
        """01 of the recipient, sealed by its node."""
        content = papers.status(RECIPIENT, about, "01", self.at)
        listed = ListedStatus(
            MessageId(mint_uuid7(self.at, secrets.token_bytes(10))), digest_of(content)
        )
        seal = self.signature(DocumentName.ENVELOPE, content, self.office.next)
        return Status(listed, content, seal)

    def certificates(self) -> Iterator[bytes]:
        yield from super().certificates()
        for chain in self.witnesses.values():
            yield from chain

    def around(self) -> Iterator[tuple[str, bytes]]:
        yield bundle.LIST, self.list_bytes(write_list(self.listing(self._list())))
        for name, proof in self._proofs():
            yield name, self.other_proofs.get(name, proof)
        for number, one in enumerate(self.statuses, start=1):
            document, seal = bundle.status_names(number)
            yield document, one.content
            yield seal, one.seal

    def _proofs(self) -> Iterator[tuple[str, bytes]]:
        for place, one in enumerate(self.receipts):
            if one.digest not in self.unproven:
                proof = self.log.proof(place, one, self.log.note + self.line)
                yield bundle.proof_name(place + 1), proof
        for one in self.followed:
            place = self.receipts.index(one)
            note = self.next_log.note + self.next_line
            yield bundle.issuer_proof_name(place + 1), self.next_log.proof(place - 1, one, note)

    def _list(self) -> ContentsList:
        return ContentsList(
            VERSION,
            ORIGIN,
            self.message,
            ORIGIN,
            self.unproven,
            tuple(one.listed for one in self.statuses),
            {},
            {node: tuple(map(digest_of, chain)) for node, chain in self.witnesses.items()},
            self.findings,
            self.verdicts,
            tuple(one.digest for one in self.followed),
        )


def packed(files: dict[str, bytes]) -> bytes:
    """A container of exactly these."""
    archive = Archive()
    body = b"".join(archive.entry(name, content) for name, content in files.items())
    return body + archive.ending()

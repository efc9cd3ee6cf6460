"""An office with a journal in memory, whose evidence files are really signed; made when the tests run."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from relay.delivery.clock import Clock
from relay.delivery.evidence.exporting import EvidenceDesk
from relay.delivery.evidence.ports import Gathered
from relay.delivery.ports import Caller, DeliveryView, MessageView, ReceiptView
from relay.envelope.writer import Document, Stamp, write_document
from relay.errors import GoneError
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Digest,
    Event,
    Evidence,
    MessageId,
    MessageType,
    NodeId,
    Party,
    Payload,
    Priority,
    Receipt,
    Seal,
    SealKind,
    Signed,
    digest_of,
)
from relay.signing import pki
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Outcome, Step
from relay.signing.bundles import sign_bundle
from relay.signing.evidence import sign_receipt
from relay.signing.keys import Signer
from relay.signing.notary import NodeNotary
from relay.signing.pki_tsa import TimestampResponder
from relay.signing.pki_words import KeyType
from relay.signing.seal import make_seal
from relay.signing.timestamps import TimestampTrust, ask
from relay.signing.trust import TrustStore
from relay.wire import bundle
from relay.wire.archive import Archive

ISSUED = datetime(2026, 11, 1, tzinfo=UTC)
AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)
STAMPED = AT + timedelta(minutes=2)
XA, TINH = NodeId("xa"), NodeId("tinh")
SENDER, RECIPIENT = AgencyCode("H01.15.02"), AgencyCode("H01")
MESSAGE = MessageId("019ab000-0000-7000-8000-000000000001")
DELIVERY = DeliveryId("00000000-0000-8000-8000-000000000001")


@dataclass
class Pki:
    """A folder of certificates, and the signers of two nodes and an agency."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root" / "root.pem"

    def signer(self, name: str) -> Signer:
        return Signer.load(self.folder / f"{name}.pem", self.folder / f"{name}.key.pem")

    def stamp(self, content: bytes, at: datetime = STAMPED, name: str = "tsa-1") -> bytes:
        """A token of these bytes."""
        responder = TimestampResponder.load(self.folder / "tsa" / f"{name}.pem", lambda: at)
        request = ask(content)
        trust = TimestampTrust(self.trust)
        return trust.answered(responder.answer(request.content), request)[0]

    def crl(
        self, name: str, at: datetime = STAMPED, revoked: str = "", since: datetime = AT
    ) -> bytes:
        """A CRL of an authority, in DER, with one certificate in it or none."""
        certificate = x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes())
        key: Any = load_pem_private_key((self.folder / f"{name}.key.pem").read_bytes(), None)
        builder = x509.CertificateRevocationListBuilder(
            certificate.subject, at, at + timedelta(days=7)
        )
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        builder = builder.add_extension(x509.CRLNumber(1), critical=False)
        if revoked:
            leaf = x509.load_pem_x509_certificate((self.folder / f"{revoked}.pem").read_bytes())
            entry = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(since).build())
        return builder.sign(key, SHA256()).public_bytes(Encoding.DER)

    @property
    def trust(self) -> TrustStore:
        return TrustStore([self.root.read_bytes()])


def make_authority(folder: Path) -> Pki:
    """A root, a branch, two nodes, an agency and two timestamp authorities."""
    pki.init(folder, name="Cơ quan Mẫu", key=KeyType.P256, now=ISSUED, days=3650)
    pki.issue_branch(folder, "mau", key=KeyType.P256, now=ISSUED, days=3000)
    for node in (XA, TINH):
        pki.issue_node(folder, node, "mau", key=KeyType.P256, now=ISSUED, days=700)
    pki.issue_agency(folder, [SENDER], "mau", key=KeyType.RSA2048, now=ISSUED, days=700)
    for name, kind in (("tsa-1", KeyType.P256), ("tsa-2", KeyType.RSA2048)):
        pki.issue_tsa(folder, name, "mau", key=kind, now=ISSUED, days=2000)
    return Pki(folder)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_authority(tmp_path_factory.mktemp("pki") / "pki")


def envelope() -> bytes:
    return write_document(
        Document(
            sender=Party(SENDER, "UBND xã Mẫu"),
            recipients=(Party(RECIPIENT, "UBND tỉnh Mẫu"),),
            document_id="H01.15.02,2026/11/23,101/UBND-VP",
            code_number="101",
            code_notation="UBND-VP",
            promulgation_place="Mẫu",
            promulgation_date=AT.date(),
            document_type="Công văn",
            subject="V/v thử nghiệm",
            traces=(Stamp(SENDER, AT),),
        )
    )


@dataclass
class Office:
    """What EvidenceDesk asks of journal, tracking and store, for one message."""

    authority: Pki
    content: bytes = field(default_factory=envelope)
    kind: SealKind = SealKind.AGENCY
    state: DeliveryState = DeliveryState.HANDED_OVER
    beside: Gathered = field(default_factory=Gathered)
    at: datetime = AT
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    gone: bool = False

    def __post_init__(self) -> None:
        digest = digest_of(self.content)
        keys = {SealKind.AGENCY: f"agencies/{SENDER}", SealKind.NODE: "nodes/xa/sign"}
        self.sealed = make_seal(digest, self.kind, self.authority.signer(keys[self.kind]), AT)
        self.payload_ = Payload(digest, len(self.content), self.content, None)
        accepted = self.receipt_of(XA, AT, Event.SUBMISSION_ACCEPTANCE, None)
        relayed = self.receipt_of(
            TINH, AT + timedelta(seconds=2), Event.RELAY_ACCEPTANCE, accepted.digest
        )
        handed = self.receipt_of(
            TINH, AT + timedelta(hours=1), Event.CONTENT_HANDOVER, relayed.digest
        )
        self.receipts = {one.digest: one for one in (accepted, relayed, handed)}

    def receipt_of(
        self, issuer: NodeId, at: datetime, event: Event, previous: Digest | None, **other: Any
    ) -> Signed:
        values: dict[str, Any] = {
            "issuer": issuer,
            "origin": XA,
            "message_id": MESSAGE,
            "digest": digest_of(self.content),
            "size_bytes": len(self.content),
            "transfer_id": None,
            "sent_by": None,
            "at": at,
            "evidence": (Evidence(event, RECIPIENT, previous),),
        } | other
        signer = self.authority.signer(f"nodes/{values['issuer']}/sign")
        return sign_receipt(Receipt(**values), signer, at)

    # what the desk asks

    async def message(self, caller: Caller, message_id: MessageId) -> MessageView:
        from relay.wire.receipt import read_receipt

        read = [(digest, read_receipt(one.document)) for digest, one in self.receipts.items()]
        receipts = tuple(
            ReceiptView(
                digest,
                one.evidence[0].event,
                one.issuer,
                RECIPIENT,
                one.at,
                one.evidence[0].previous,
                None,
                None,
                None,
                "",
            )
            for digest, one in read
        )
        delivery = DeliveryView(
            DELIVERY, RECIPIENT, RECIPIENT, self.state, None, 0, None, "", None, "", receipts, ()
        )
        return MessageView(
            MESSAGE,
            XA,
            MessageType.DOCUMENT,
            SENDER,
            "",
            "",
            "",
            Priority.NORMAL,
            digest_of(self.content),
            len(self.content),
            AT,
            AT,
            self.kind,
            None,
            (),
            (delivery,),
        )

    async def seal(self, caller: Caller, message_id: MessageId) -> Seal:
        return self.sealed

    async def receipt(self, digest: Digest) -> tuple[Signed, frozenset[AgencyCode]] | None:
        found = self.receipts.get(digest)
        return None if found is None else (found, frozenset({SENDER}))

    async def payload(self, digest: Digest) -> Payload:
        if self.gone:
            raise GoneError("the envelope left this node by its retention policy")
        return self.payload_

    def read(self, payload: Payload, start_bytes: int = 0) -> AsyncIterator[bytes]:
        async def chunks() -> AsyncIterator[bytes]:
            for place in range(0, len(self.content), 1000):
                yield self.content[place : place + 1000]

        return chunks()

    async def note(self, event: str, at: datetime, fields: Any) -> None:
        self.notes.append((event, dict(fields)))

    async def gather(self, *_: object) -> Gathered:
        return self.beside

    @property
    def desk(self) -> EvidenceDesk:
        signer = self.authority.signer("nodes/tinh/sign")
        notary = NodeNotary(TINH, signer, {}, self.authority.trust, lambda code: frozenset({code}))
        anything: Any = self
        clock = Clock(wall=lambda: self.at)
        return EvidenceDesk(TINH, anything, anything, anything, notary, anything.gather, clock)

    def export(self, caller: Caller | None = None) -> bytes:
        """The whole file."""
        who = caller or Caller("operator", frozenset(), operator=True)

        async def made() -> bytes:
            desk = self.desk
            file = await desk.export(who, MESSAGE, "")
            content = b"".join([chunk async for chunk in desk.write(file)])
            assert len(content) == file.size_bytes
            return content

        return asyncio.run(made())


@pytest.fixture
def office(authority: Pki) -> Office:
    return Office(authority)


@pytest.fixture
def make_office(authority: Pki) -> Callable[..., Office]:
    return lambda **options: Office(authority, **options)


@dataclass
class Judged:
    steps: list[Step]

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Which steps refuse, and the word of each."""
        return [(s.what, s.reason) for s in self.steps if s.outcome is Outcome.REFUSED]

    def said(self, what: str) -> str:
        return " | ".join(step.said for step in self.steps if step.what == what)


@pytest.fixture
def judge(authority: Pki) -> Callable[..., Judged]:
    def judged(content: bytes, root: bytes | None = None) -> Judged:
        roots = [root or authority.root.read_bytes()]
        judge = BundleJudge(BytesIO(content), TrustStore(roots))
        return Judged(list(judge.steps()))

    return judged


Entries = dict[str, bytes]


def entries_of(content: bytes) -> Entries:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(entries: Entries | Sequence[tuple[str, bytes]]) -> bytes:
    """A container of exactly these, in the canonical form."""
    archive = Archive()
    pairs = entries.items() if isinstance(entries, dict) else entries
    body = b"".join(archive.entry(name, content) for name, content in pairs)
    return body + archive.ending()


def signed_anew(entries: Entries, signer: Signer) -> bytes:
    """With a manifest and an export signature that fit: what a hostile exporter could do."""
    left = {name: one for name, one in entries.items() if name != bundle.EXPORT}
    if bundle.LIST in left:
        own = f'"node":"{signer.identity.node}","message"'.encode()
        left[bundle.LIST] = left[bundle.LIST].replace(b'"node":"tinh","message"', own)
    left[bundle.MANIFEST] = bundle.write_manifest(left)
    files = [CoveredFile(name, digest_of(one)) for name, one in left.items()]
    left[bundle.EXPORT] = bundle.wrapped(sign_bundle(files, signer, AT))
    return packed(left)


@pytest.fixture
def taken_apart() -> Callable[[bytes], Entries]:
    return entries_of


@pytest.fixture
def put_together() -> Callable[..., bytes]:
    return packed


@pytest.fixture
def exported_by_other(authority: Pki) -> Callable[[Entries], bytes]:
    """What a node of the tree would export that lies as far as it can."""
    return lambda entries: signed_anew(entries, authority.signer("nodes/xa/sign"))

"""The little world of the vectors: a root, two generations of issuers, signers, documents of each kind.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.agencies import Agency, NodeEntry
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    Reason,
    Receipt,
    SealKind,
    Tier,
    TraceStep,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.signing.certificates import Purpose
from relay.signing.keys import Signer
from relay.signing.seal import make_seal
from relay.signing.xades import DocumentName, build
from relay.wire.batch import Batch, write_batch
from relay.wire.branch import Branch, write_branch
from relay.wire.carry import CarriedPayload, CarriedTransfer, CarryId, Manifest, write_carry
from relay.wire.receipt import write_receipt
from relay.wire.transfer import write_transfer
from tests.vectors.signing.forging.keys import AT, certificate, derived, derived_rsa, signer

TINH, TW = NodeId("tinh-h01"), NodeId("tw")
NODE_SIGN = "urn:truc-relay:node:tinh-h01:sign"
H01 = ["urn:truc-relay:agency:H01", "urn:truc-relay:agency:000.00.00.H01"]

ROOT = certificate("Root", "Root", ca=True, pathlen=1)
ISSUING = certificate("Issuing", "Root", ca=True, pathlen=0)
RSA_KEY = derived_rsa("tinh-h01")

NODE_DER = certificate("tinh-h01", "Issuing", [NODE_SIGN])
NODE = signer(NODE_DER, ISSUING, key=derived("tinh-h01"))
RSA_DER = certificate("tinh-h01 rsa", "Issuing", [NODE_SIGN], key=RSA_KEY)
RSA = signer(RSA_DER, ISSUING, key=RSA_KEY)
AGENCY = signer(
    certificate("H01", "Issuing", H01), ISSUING, key=derived("H01"), purpose=Purpose.AGENCY
)
GATEWAY = signer(
    certificate("gateway", "Issuing", ["urn:truc-relay:gateway:tw"]),
    ISSUING,
    key=derived("gateway"),
    purpose=Purpose.GATEWAY,
)

ENVELOPE = "<edXML>Công văn mẫu của Nguyễn Văn Mẫu</edXML>".encode()
MESSAGE = "019ab000-0000-7000-8000-000000000001"
HEADER = TransferHeader(
    transfer_id=TransferId("019ab000-0000-7000-8000-000000000002"),
    message_id=MessageId(MESSAGE),
    origin=TINH,
    sent_by=TINH,
    sent_to=TW,
    message_type=MessageType.DOCUMENT,
    sender=AgencyCode("H01"),
    recipients=(AgencyCode("H36.02"), AgencyCode("000.00.00.G22")),
    priority=Priority.URGENT,
    digest=digest_of(ENVELOPE),
    size_bytes=len(ENVELOPE),
    created_at=AT,
    expires_at=AT + timedelta(days=3),
    trace=(TraceStep(TINH, AT, digest_of(b"submission receipt")),),
)
RECEIPT = Receipt(
    issuer=TINH,
    origin=TW,
    message_id=MessageId(MESSAGE),
    digest=digest_of(ENVELOPE),
    size_bytes=len(ENVELOPE),
    transfer_id=HEADER.transfer_id,
    sent_by=TW,
    at=AT,
    evidence=(
        Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("H01.02"), digest_of(b"previous")),
        Evidence(
            Event.RELAY_REJECTION,
            AgencyCode("H01.99"),
            reason=Reason.UNKNOWN_RECIPIENT,
            detail="không có trong danh bạ <H01.99>",
        ),
    ),
)
CARRY = Manifest(
    carry_id=CarryId("019ab000-0000-7000-8000-000000000009"),
    sent_by=TINH,
    sent_to=TW,
    created_at=AT,
    payloads=(
        CarriedPayload(
            HEADER.digest,
            HEADER.size_bytes,
            (CarriedTransfer(HEADER.transfer_id, digest_of(write_transfer(HEADER))),),
        ),
    ),
)
BRANCH = Branch(
    issuer=TINH,
    version=7,
    issued_at=AT,
    expires_at=AT + timedelta(days=30),
    nodes=(NodeEntry(NodeId("xa"), Tier.COMMUNE, TINH),),
    agencies=(
        Agency(AgencyCode("H01"), "Tỉnh Mẫu", Tier.PROVINCE, TINH),
        Agency(AgencyCode("H01.15"), "Xã Mẫu & lân cận", Tier.COMMUNE, NodeId("xa")),
    ),
)

BATCH = Batch(TINH, AT, 7, digest_of(b"root of a batch"))

LETTER = """<?xml version="1.0" encoding="UTF-8"?>
<edXML:edXML xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
<edXML:edXMLEnvelope><edXML:edXMLHeader><edXML:MessageHeader>
<edXML:From><edXML:OrganId>H01</edXML:OrganId></edXML:From>
<edXML:To><edXML:OrganId>H36.02</edXML:OrganId></edXML:To>
<edXML:DocumentId>H01,2026/11/23,1/UBND</edXML:DocumentId>
<edXML:Code><edXML:CodeNumber>1</edXML:CodeNumber><edXML:CodeNotation>UBND</edXML:CodeNotation></edXML:Code>
<edXML:PromulgationInfo><edXML:Place>Mẫu</edXML:Place><edXML:PromulgationDate>2026/11/23</edXML:PromulgationDate></edXML:PromulgationInfo>
<edXML:DocumentType><edXML:Type>1</edXML:Type><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
<edXML:Subject>Công văn mẫu của Nguyễn Văn Mẫu</edXML:Subject>
</edXML:MessageHeader></edXML:edXMLHeader>
<edXML:edXMLBody><edXML:edXMLManifest>
<edXML:Reference><edXML:ContentId>cid:one</edXML:ContentId><edXML:ContentType>text/plain</edXML:ContentType></edXML:Reference>
<edXML:Reference><edXML:ContentId>cid:two</edXML:ContentId><edXML:ContentType>text/plain</edXML:ContentType></edXML:Reference>
</edXML:edXMLManifest></edXML:edXMLBody></edXML:edXMLEnvelope>
<edXML:AttachmentEncoded>
<edXML:Attachment><edXML:ContentType>text/plain</edXML:ContentType><edXML:ContentId>cid:one</edXML:ContentId><edXML:AttachmentName>mot.txt</edXML:AttachmentName><edXML:ContentTransferEncoded>c8O0IHRp4buBbjogMTAw</edXML:ContentTransferEncoded></edXML:Attachment>
<edXML:Attachment><edXML:ContentType>text/plain</edXML:ContentType><edXML:ContentId>cid:two</edXML:ContentId><edXML:AttachmentName>hai.txt</edXML:AttachmentName><edXML:ContentTransferEncoded>c8O0IHRp4buBbjogOTAw</edXML:ContentTransferEncoded></edXML:Attachment>
</edXML:AttachmentEncoded></edXML:edXML>
""".encode()
"""A letter with two attachments, for what is wrong inside an envelope."""


@dataclass(frozen=True)
class Kind:
    """What is signed: the usual document of this kind, in which role, and by whom."""

    name: DocumentName
    document: bytes
    role: str = "node"


KINDS = {
    "seal": Kind(DocumentName.ENVELOPE, ENVELOPE),
    "transfer": Kind(DocumentName.TRANSFER, write_transfer(HEADER)),
    "receipt": Kind(DocumentName.RECEIPT, write_receipt(RECEIPT)),
    "carry": Kind(DocumentName.CARRY, write_carry(CARRY)),
    "batch": Kind(DocumentName.BATCH, write_batch(BATCH)),
    "directory": Kind(DocumentName.DIRECTORY, write_branch(BRANCH)),
}
"""Another kind of signed document is one more row here: it is then wrapped, swapped and fuzzed like
the others."""


def signed(
    kind: str,
    by: Signer = NODE,
    *,
    role: str = "",
    document: bytes | None = None,
    name: DocumentName | None = None,
    at: datetime = AT,
) -> bytes:
    """The signature of a document as its kind; whatever is given otherwise makes it a lie."""
    usual = KINDS[kind]
    digest = digest_of(usual.document if document is None else document)
    return build(name or usual.name, digest, role or usual.role, by, at)


def seal(by: Signer = NODE, kind: SealKind = SealKind.NODE, at: datetime = AT) -> bytes:
    return make_seal(digest_of(ENVELOPE), kind, by, at).signature


def cut(text: str, start: str, end: str) -> tuple[str, str, str]:
    """What is before, between and after these two marks; the marks stay outside."""
    head, _, rest = text.partition(start)
    middle, _, tail = rest.partition(end)
    return head + start, middle, end + tail

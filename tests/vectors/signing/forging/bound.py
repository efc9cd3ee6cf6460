"""Good signatures by someone who may not say this, and documents that are not what they seem.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from dataclasses import replace

from relay.model import NodeId
from relay.signing.certificates import Purpose
from relay.wire.batch import write_batch
from relay.wire.branch import write_branch
from relay.wire.carry import write_carry
from relay.wire.receipt import write_receipt
from relay.wire.transfer import write_transfer
from tests.vectors.signing.forging.keys import AT, certificate, derived, signer
from tests.vectors.signing.forging.originals import (
    AGENCY,
    BATCH,
    BRANCH,
    CARRY,
    GATEWAY,
    HEADER,
    ISSUING,
    KINDS,
    LETTER,
    RECEIPT,
    TW,
    signed,
)
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off

TW_NODE = signer(
    certificate("tw", "Issuing", ["urn:truc-relay:node:tw:sign"]), ISSUING, key=derived("tw")
)
OTHER = signer(
    certificate("H02", "Issuing", ["urn:truc-relay:agency:H02"]),
    ISSUING,
    key=derived("H02"),
    purpose=Purpose.AGENCY,
)


def bound() -> Vectors:
    yield from _nodes()
    yield from _seals()
    yield from _letters()
    yield from _not_canonical()


def _nodes() -> Vectors:
    """The document names one node, its signer's certificate another."""
    documents = {
        "transfer": write_transfer(replace(HEADER, sent_by=TW, sent_to=NodeId("tinh-h01"))),
        "receipt": write_receipt(replace(RECEIPT, issuer=TW)),
        "carry": write_carry(replace(CARRY, sent_by=TW, sent_to=NodeId("tinh-h01"))),
        "directory": write_branch(replace(BRANCH, issuer=TW)),
        "batch": write_batch(replace(BATCH, issuer=TW)),
    }
    for kind, document in documents.items():
        what = "the document says another node than signed it"
        yield Vector("wrong-node", "other-signer", kind, what, signed(kind, document=document), document)
        by_other = signed(kind, TW_NODE)
        yield Vector("wrong-node", "by-another", kind, "signed by another node than it says", by_other)
    similar = signer(
        certificate("tinh-h01.", "Issuing", ["urn:truc-relay:node:tinh-h01.:sign"]),
        ISSUING,
        key=derived("tinh-h01."),
    )
    yield Vector("wrong-node", "similar-name", "receipt", "a node whose name begins alike", signed("receipt", similar))


def _seals() -> Vectors:
    """As the node judges them: for the sender H01, from the origin tinh-h01."""
    yield Vector("wrong-agency", "other", "carried", "another agency's seal", signed("seal", OTHER, role="agency"), control="agency.carried", holds_as=("seal",))
    yield Vector("wrong-agency", "other-supplied", "supplied", "another agency's seal, handed in beside", signed("seal", OTHER, role="agency-supplied"), control="agency.supplied", holds_as=("seal",))
    yield Vector("wrong-node", "not-the-origin", "carried", "the seal of a node that is not the origin", signed("seal", TW_NODE), control="node.carried", holds_as=("pinned", "seal"))
    yield Vector("wrong-node", "other-gateway", "carried", "the seal of another node's gateway", signed("seal", GATEWAY, role="gateway"), control="node.carried", holds_as=("pinned", "seal"))
    yield Vector("wrong-kind", "node-supplied", "supplied", "a node's seal handed in as the agency's own", signed("seal"), control="agency.supplied", holds_as=("carried", "pinned", "seal"))
    yield Vector("wrong-kind", "agency-supplied", "supplied", "a seal that was made at the node", signed("seal", AGENCY, role="agency"), control="agency.supplied", holds_as=("carried", "seal"))
    for fault, case, year in (("expired-certificate", "after", 2046), ("not-yet-valid-certificate", "before", 2006)):
        outside = signed("seal", AGENCY, role="agency-supplied", at=AT.replace(year=year))
        yield Vector(fault, f"supplied-{case}", "supplied", f"made {case} the days of its certificate, as it says", outside, control="agency.supplied")

    official = signer(certificate("Nguyễn Văn Mẫu", "Issuing"), ISSUING, key=derived("Nguyễn Văn Mẫu"))
    yield Vector("wrong-agency", "official", "carried", "an official's certificate that the directory binds to no agency", signed("seal", official, role="agency"), control="agency.carried", holds_as=("seal",))


def _letters() -> Vectors:
    """The seal of a letter, and a letter that was changed afterwards."""
    seal = signed("seal", document=LETTER)

    def letter(case: str, what: str, *pairs: tuple[bytes, bytes]) -> Vector:
        changed = LETTER
        for old, new in pairs:
            if old not in changed:
                raise AssertionError(f"{case}: nothing to change")
            changed = changed.replace(old, new)
        return Vector("digest-mismatch", case, "seal", what, seal, changed, control="letter.seal", holds_as=("letter",))

    yield letter("attachments-swapped", "two attachments exchanged by their ContentId", (b"cid:one</edXML:ContentId><edXML:AttachmentName>", b"cid:x</edXML:ContentId><edXML:AttachmentName>"), (b"cid:two</edXML:ContentId><edXML:AttachmentName>", b"cid:one</edXML:ContentId><edXML:AttachmentName>"), (b"cid:x<", b"cid:two<"))
    yield letter("references-swapped", "two references exchanged", (b"cid:one</edXML:ContentId><edXML:ContentType>", b"cid:x</edXML:ContentId><edXML:ContentType>"), (b"cid:two</edXML:ContentId><edXML:ContentType>", b"cid:one</edXML:ContentId><edXML:ContentType>"), (b"cid:x<", b"cid:two<"))
    yield letter("attachment-replaced", "another amount in an attachment", (b"MTAw", b"OTAw"))
    header = LETTER[LETTER.index(b"<edXML:MessageHeader>") : LETTER.index(b"</edXML:edXMLHeader>")]
    yield letter("second-message-header", "a second MessageHeader before the first", (header, header.replace(b"H36.02", b"H37.01") + header))
    yield letter("recipient-added", "one more To", (b"<edXML:DocumentId>", b"<edXML:To><edXML:OrganId>H37</edXML:OrganId></edXML:To><edXML:DocumentId>"))
    yield letter("line-ends", "the same XML with other line ends", (b"\n", b"\r\n"))
    yield letter("comment", "a comment inside a field", ("Nguyễn".encode(), "Nguyễn<!-- -->".encode()))
    yield letter("normalised", "the same letters, composed otherwise", ("ẫ".encode(), "a\u0302\u0303".encode()))
    yield letter("declaration", "the same XML without its declaration", (b'<?xml version="1.0" encoding="UTF-8"?>\n', b""))
    second = LETTER.replace(header, header + header.replace(b"H36.02", b"H37.01"))
    what = "a sealed letter with two MessageHeaders: which one is read?"
    yield Vector("envelope", "second-message-header", "letter", what, signed("seal", document=second), second, control="letter.letter", says="second MessageHeader", holds_as=("carried", "pinned", "seal"))
    entity = LETTER.replace(b"<edXML:edXML ", b"<!DOCTYPE e><edXML:edXML ", 1)
    yield Vector("envelope", "doctype", "letter", "a sealed letter with a document type", signed("seal", document=entity), entity, control="letter.letter", says="document type declaration", holds_as=("carried", "pinned", "seal"))


def _not_canonical() -> Vectors:
    """Documents written otherwise, by the very node that may sign them: no other reading is possible."""
    changes = {
        "transfer": (b"<Priority>", b"<Priority >"),
        "receipt": (b"<EvidenceList>", b"<EvidenceList><!-- -->"),
        "carry": (b"</Carry>", b"</Carry>\n"),
        "directory": (b"<Version>7", b"<Version>07"),
        "batch": (b"<Count>7", b"<Count>07"),
    }
    for kind, (old, new) in changes.items():
        document = KINDS[kind].document.replace(old, new, 1)
        what = "well signed, and not in the one form"
        yield Vector("wire", "not-canonical", kind, what, signed(kind, document=document), document)
    doubled = {
        "transfer": (b"<To>H36.02</To>", b"<To>H36.02</To><To>H36.02</To>"),
        "receipt": (b"<Issuer>tinh-h01</Issuer>", b"<Issuer>tinh-h01</Issuer><Issuer>tw</Issuer>"),
        "carry": (b"<SentTo>tw</SentTo>", b"<SentTo>tw</SentTo><SentTo>xa</SentTo>"),
        "directory": (b"<Issuer>tinh-h01</Issuer>", b"<Issuer>tinh-h01</Issuer><Issuer>tw</Issuer>"),
        "batch": (b"<Count>7</Count>", b"<Count>7</Count><Count>9</Count>"),
    }
    for kind, (old, new) in doubled.items():
        document = KINDS[kind].document.replace(old, new, 1)
        yield Vector("wire", "said-twice", kind, "well signed, and one thing said twice", signed(kind, document=document), document)

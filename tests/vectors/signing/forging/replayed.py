"""Good receipts at the wrong place: for another message, recipient, hop; and heads of other logs.

The answer that is waited for is tinh-h01's to the transfer QUESTION of its neighbour tw. Every receipt here
verifies; what refuses it is what it is about.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relay.agencies import Agency, NodeEntry
from relay.audit.checkpoint import note_body, origin_of, sign_note, vkey
from relay.model import (
    AgencyCode,
    Digest,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Reason,
    Receipt,
    Tier,
    TransferId,
)
from relay.routing.directory import Directory
from relay.signing.keys import Signer
from relay.wire.receipt import write_receipt
from tests.vectors.signing.forging.bound import TW_NODE
from tests.vectors.signing.forging.keys import certificate, derived, signer
from tests.vectors.signing.forging.originals import HEADER, ISSUING, NODE, RECEIPT, TINH, TW, signed
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off

XA = NodeId("xa")
XA_NODE = signer(certificate("xa", "Issuing", ["urn:truc-relay:node:xa:sign"]), ISSUING, key=derived("xa"))
RECIPIENTS = (AgencyCode("H01.02"), AgencyCode("H01.99"))
QUESTION = replace(HEADER, origin=TW, sent_by=TW, sent_to=TINH, recipients=RECIPIENTS, trace=())
DIRECTORY = Directory(
    [NodeEntry(TW, Tier.CENTRAL), NodeEntry(TINH, Tier.PROVINCE, TW), NodeEntry(XA, Tier.COMMUNE, TINH)],
    [Agency(RECIPIENTS[0], "Sở Mẫu", Tier.PROVINCE, TINH), Agency(AgencyCode("H01.15"), "Xã Mẫu", Tier.COMMUNE, XA)],
)
HANDED_OVER = replace(RECEIPT, transfer_id=None, sent_by=None, evidence=(Evidence(Event.CONTENT_HANDOVER, RECIPIENTS[0]),))
OTHER_MESSAGE = "019ab000-0000-7000-8000-0000000000ff"


def replayed() -> Vectors:
    yield from _answers()
    yield from _returns()
    yield from _heads()


def _answers() -> Vectors:
    def answer(case: str, what: str, receipt: Receipt, fault: str = "wrong-receipt", by: Signer = NODE) -> Vector:
        document = write_receipt(receipt)
        signature = signed("receipt", by, document=document)
        holds_as = ("receipt", *(() if case == "consigned-for-another" else ("returned",)))
        return Vector(fault, case, "answer", what, signature, document, holds_as=holds_as)

    accepted, rejected = RECEIPT.evidence
    other = AgencyCode("H36.02")
    yield answer("other-message", "the receipt of another message", replace(RECEIPT, message_id=MessageId(OTHER_MESSAGE)))
    yield answer("other-transfer", "the receipt of another transfer of the same message", replace(RECEIPT, transfer_id=TransferId(OTHER_MESSAGE)))
    yield answer("no-transfer", "a receipt of the message, of no transfer", replace(RECEIPT, transfer_id=None, sent_by=None))
    yield answer("other-hop", "the receipt that another neighbour got", replace(RECEIPT, sent_by=XA))
    yield answer("other-origin", "the same message id of another origin", replace(RECEIPT, origin=XA))
    yield answer("other-bytes", "the receipt of other bytes", replace(RECEIPT, digest=Digest("0" * 64)))
    yield answer("other-size", "the receipt of bytes of another size", replace(RECEIPT, size_bytes=RECEIPT.size_bytes + 1))
    yield answer("other-recipient", "the receipt for another recipient", replace(RECEIPT, evidence=(accepted, replace(rejected, recipient=other))))
    yield answer("one-more", "a word on a recipient that was not asked about", replace(RECEIPT, evidence=(accepted, rejected, replace(accepted, recipient=other))))
    yield answer("one-left-out", "no word on one of the recipients", replace(RECEIPT, evidence=(accepted,)))
    yield answer("no-verdict", "neither accepted nor rejected", replace(RECEIPT, evidence=tuple(replace(one, event=Event.CONTENT_CONSIGNMENT, reason=None, detail="") for one in RECEIPT.evidence)))
    yield answer("too-much-said", "said to be handed over at once", replace(RECEIPT, evidence=(*RECEIPT.evidence, Evidence(Event.CONTENT_HANDOVER, RECIPIENTS[0]))))
    yield answer("by-another", "another node answers in its own name", replace(RECEIPT, issuer=XA), by=XA_NODE)
    consigned = Evidence(Event.CONTENT_CONSIGNMENT, AgencyCode("H01.15"))
    yield answer("consigned-for-another", "another node's agency is said to have it", replace(RECEIPT, evidence=(*RECEIPT.evidence, consigned)))


def _returns() -> Vectors:
    """As tw takes them from tinh-h01's hand."""
    def returned(case: str, what: str, receipt: Receipt, by: Signer) -> Vector:
        document = write_receipt(receipt)
        return Vector("wrong-node", case, "returned", what, signed("receipt", by, document=document), document, holds_as=("receipt",))

    strange = signer(certificate("bo", "Issuing", ["urn:truc-relay:node:bo:sign"]), ISSUING, key=derived("bo"))
    yield returned("from-nowhere", "by a node that the directory does not list", replace(HANDED_OVER, issuer=NodeId("bo")), strange)
    rejected = Evidence(Event.RELAY_REJECTION, RECIPIENTS[0], reason=Reason.POLICY)
    yield returned("rejected-from-nowhere", "a rejection by a node that the directory does not list", replace(HANDED_OVER, issuer=NodeId("bo"), evidence=(rejected,)), strange)
    yield returned("our-own", "this node's own receipt, brought back", replace(HANDED_OVER, issuer=TW), TW_NODE)
    yield returned("not-the-server", "handed over, says a node that does not serve the agency", replace(HANDED_OVER, issuer=XA), XA_NODE)
    failed = Evidence(Event.CONTENT_HANDOVER_FAILURE, RECIPIENTS[0], reason=Reason.REJECTED_BY_RECIPIENT)
    yield returned("failed-elsewhere", "not handed over, says a node that does not serve it", replace(HANDED_OVER, issuer=XA, evidence=(failed,)), XA_NODE)


# ---------------------------------------------------------------- heads of logs

LOG = origin_of(TINH)


def _log_key(label: str) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest())


def _public(label: str) -> bytes:
    return _log_key(label).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def head(name: str = LOG, label: str = "log", *, origin: str = LOG, size: int = 7, body: bytes = b"") -> bytes:
    return sign_note(body or note_body(origin, size, bytes(range(32))), name, _public(label), _log_key(label).sign)


def log_verifier() -> str:
    """What people pass on of tinh-h01's log."""
    return vkey(LOG, _public("log"))


def _heads() -> Vectors:
    good = head()
    body, _, line = good.partition(b"\n\n")
    tw = origin_of(TW)

    def note(case: str, what: str, content: bytes, says: str) -> Vector:
        return Vector("audit", case, "head", what, content, says=says)

    def edited(case: str, what: str, edit: Callable[[bytes], bytes]) -> Vector:
        return note(case, what, edit(good), "does not hold")

    yield note("other-node", "another node's head", head(tw, "log tw", origin=tw), "not signed by")
    yield note("other-key", "another key under the right name", head(label="log tw"), "not signed by")
    yield note("other-log", "another log's head, signed with this log's key", head(origin=tw), "of another log")
    relabelled = body + b"\n\n" + head(tw, "log tw", origin=tw).partition(b"\n\n")[2].replace(tw.encode(), LOG.encode())
    yield note("relabelled", "another node's signature line under this name", relabelled, "not signed by")
    yield edited("edited-size", "another size", lambda text: text.replace(b"\n7\n", b"\n8\n"))
    yield edited("edited-root", "another root", lambda text: text.replace(b"AAEC", b"AAED"))
    yield edited("edited-origin", "another log's name put in", lambda text: text.replace(LOG.encode() + b"\n7", tw.encode() + b"\n7"))
    yield edited("extended", "a line added", lambda text: text.replace(b"\n\n", b"\nmore\n\n"))
    yield note("unsigned", "no signature line", body + b"\n\n", "signature line")
    yield note("no-signature", "an empty signature", body + b"\n\n" + line.rsplit(b" ", 1)[0] + b" AAAAAA==\n", "malformed")
    zeros = sign_note(body + b"\n", LOG, _public("log"), lambda _: bytes(64))
    yield note("zero-signature", "a signature of zeros", zeros, "does not hold")
    yield note("bad-beside-good", "a signature by this key that does not hold, a good one beside it", good + zeros.partition(b"\n\n")[2], "does not hold")
    yield note("size-with-zero", "the size 07, well signed", head(body=good.partition(b"\n\n")[0].replace(b"\n7\n", b"\n07\n") + b"\n"), "plain number")
    yield note("short-root", "a root of three bytes, well signed", head(body=f"{LOG}\n7\nAAAA\n".encode()), "root of 3 bytes")
    yield note("carriage-returns", "line ends of Windows", good.replace(b"\n", b"\r\n"), "control character")
    yield note("cut", "cut off", good[:-10], "apart from each other")

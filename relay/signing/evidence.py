"""Sign and prove what nodes tell each other: transfer headers, receipts, manifests of carry files,
directories of branches.

Touches: nothing.
Trusts:  the trust store; documents and signatures are the peer's.
Raises:  SignatureError; WireError for a document whose signature holds but whose shape does not.

A document is read only after its signature was proven, so a stranger's bytes never reach the parser.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from relay.errors import SignatureError
from relay.model import NodeId, Receipt, Signed, TransferHeader, digest_of
from relay.signing.batches import ProvenBatches, prove_in_batch, sign_batch
from relay.signing.binding import Bound
from relay.signing.certificates import Identity, Purpose
from relay.signing.faults import Fault
from relay.signing.keys import Signer
from relay.signing.proof_shape import is_batch_proof
from relay.signing.trust import TrustStore
from relay.signing.verifier import prove
from relay.signing.xades import DocumentName, build
from relay.wire.branch import BranchHead, read_head
from relay.wire.carry import Manifest, read_carry, write_carry
from relay.wire.receipt import read_receipt, write_receipt
from relay.wire.transfer import read_transfer, write_transfer

_ROLE = "node"
_ROLES = {_ROLE: Purpose.SIGN}


def sign_transfer(header: TransferHeader, signer: Signer, at: datetime) -> Signed:
    """The header's canonical bytes and their signature; the signer must be `sent_by`."""
    _require_node(signer.identity, header.sent_by, "the transfer is sent by")
    return _sign(write_transfer(header), DocumentName.TRANSFER, signer, at)


def sign_transfers(headers: Sequence[TransferHeader], signer: Signer, at: datetime) -> list[Signed]:
    """Headers of transfers that go in one request: one alone is signed by itself, several share a batch (W13.9)."""
    if len(headers) == 1:
        return [sign_transfer(headers[0], signer, at)]
    for header in headers:
        _require_node(signer.identity, header.sent_by, "the transfer is sent by")
    documents = [write_transfer(header) for header in headers]
    return sign_batch(documents, headers[0].sent_by, signer, at, DocumentName.TRANSFER)


def verify_transfer(
    signed: Signed,
    trust: TrustStore,
    at: datetime | None,
    neighbour: NodeId,
    bound: Bound | None = None,
    latest: datetime | None = None,
    proven: ProvenBatches | None = None,
) -> TransferHeader:
    """The header, proven to be of the neighbour the connection belongs to (W3.5), signed by itself or in a
    batch (W13.10). `at` and `latest` as of a seal; `proven` as for a receipt."""
    kind = DocumentName.TRANSFER
    if is_batch_proof(signed.signature):
        known = {} if proven is None else proven
        signed_by = prove_in_batch(signed, trust, at, bound, known, kind, latest)
        _require_same(signed_by, neighbour, "the connection is of", "the batch")
        header = read_transfer(signed.document)
        _require_same(signed_by, header.sent_by, "the transfer is sent by", "the batch")
        return header
    identity = _prove(signed, kind, trust, at, bound, latest)
    _require_node(identity, neighbour, "the connection is of")
    header = read_transfer(signed.document)
    _require_node(identity, header.sent_by, "the transfer is sent by")
    return header


def receipt_document(receipt: Receipt, signer: Signer) -> bytes:
    """The receipt's canonical bytes, about to be signed; the signer must be the issuer."""
    _require_node(signer.identity, receipt.issuer, "the receipt is issued by")
    return write_receipt(receipt)


def sign_receipt(receipt: Receipt, signer: Signer, at: datetime) -> Signed:
    """The receipt's canonical bytes and their signature; the signer must be the issuer."""
    return _sign(receipt_document(receipt, signer), DocumentName.RECEIPT, signer, at)


def sign_receipts(
    documents: Sequence[bytes], issuer: NodeId, signer: Signer, at: datetime
) -> list[Signed]:
    """Receipts of one issuer, as receipt_document made them: one alone is signed by itself, several
    share a batch."""
    if len(documents) == 1:
        return [_sign(documents[0], DocumentName.RECEIPT, signer, at)]
    return sign_batch(documents, issuer, signer, at)


def verify_receipt(
    signed: Signed,
    trust: TrustStore,
    at: datetime | None,
    bound: Bound | None = None,
    proven: ProvenBatches | None = None,
    latest: datetime | None = None,
) -> Receipt:
    """The receipt, proven to be its issuer's, signed by itself or in a batch (W13.7). `at` None judges
    certificates at the claimed time, `latest` as of a seal. Batches in `proven` were proven so a moment ago; new
    ones join."""
    if is_batch_proof(signed.signature):
        known = {} if proven is None else proven
        issuer = prove_in_batch(signed, trust, at, bound, known, latest=latest)
        receipt = read_receipt(signed.document)
        _require_same(issuer, receipt.issuer, "the receipt is issued by", "the batch")
        return receipt
    identity = _prove(signed, DocumentName.RECEIPT, trust, at, bound, latest)
    receipt = read_receipt(signed.document)
    _require_node(identity, receipt.issuer, "the receipt is issued by")
    return receipt


def sign_carry(manifest: Manifest, signer: Signer, at: datetime) -> Signed:
    """The manifest's canonical bytes and their signature; the signer must be `sent_by`."""
    _require_node(signer.identity, manifest.sent_by, "the carry file is written by")
    return _sign(write_carry(manifest), DocumentName.CARRY, signer, at)


def verify_carry(
    signed: Signed, trust: TrustStore, at: datetime | None, bound: Bound | None = None
) -> Manifest:
    """The manifest, proven to be of the node it says; who that is to be is for the caller.

    It stands for the handshake of a connection, so `at` is now, as it is there.
    """
    identity = _prove(signed, DocumentName.CARRY, trust, at, bound)
    manifest = read_carry(signed.document)
    _require_node(identity, manifest.sent_by, "the carry file is written by")
    return manifest


def sign_branch(head: BranchHead, content: bytes, signer: Signer, at: datetime) -> Signed:
    """The directory that `write_branch` wrote, with this head; the signer must be the issuer."""
    _require_node(signer.identity, head.issuer, "the directory is issued by")
    return _sign(content, DocumentName.DIRECTORY, signer, at)


def verify_branch(
    signed: Signed,
    trust: TrustStore,
    at: datetime | None,
    bound: Bound | None = None,
    latest: datetime | None = None,
) -> BranchHead:
    """The head of a directory whose every byte is proven to be of the node that it says. The records are
    still to be read, and what they may speak of is for whoever reads them. `at` and `latest` as of a seal."""
    identity = _prove(signed, DocumentName.DIRECTORY, trust, at, bound, latest)
    head = read_head(signed.document)
    _require_node(identity, head.issuer, "the directory is issued by")
    return head


def _sign(document: bytes, name: DocumentName, signer: Signer, at: datetime) -> Signed:
    return Signed(document, build(name, digest_of(document), _ROLE, signer, at))


def _prove(
    signed: Signed,
    name: DocumentName,
    trust: TrustStore,
    at: datetime | None,
    bound: Bound | None,
    latest: datetime | None = None,
) -> Identity:
    digest = digest_of(signed.document)
    path = prove(signed.signature, name, digest, trust, at=at, roles=_ROLES, latest=latest).path
    if bound is not None:
        bound(path)
    return path.leaf.identity


def _require_same(signed_by: NodeId, node: NodeId, what: str, by: str) -> None:
    if signed_by != node:
        raise SignatureError(Fault.WRONG_NODE, f"{what} {node}, {by} by {signed_by}")


def _require_node(identity: Identity, node: NodeId, what: str) -> None:
    """A node's own signing certificate, and that very node."""
    if identity.purpose is not Purpose.SIGN:
        raise SignatureError(
            Fault.WRONG_PURPOSE, f"{what} {node}, the certificate is for {identity.purpose.value}"
        )
    if identity.node != node:
        raise SignatureError(
            Fault.WRONG_NODE, f"{what} {node}, the certificate is of {identity.node}"
        )

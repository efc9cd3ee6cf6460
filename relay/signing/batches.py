"""One signature for many receipts, or for the headers of transfers that go in one request: a Merkle tree
over their bytes, and the proof each travels with.

Touches: nothing.
Trusts:  the trust store; every byte of a proof is hostile.
Raises:  SignatureError; WireError for a batch that was signed and is none.

A proof stands where a document signed by itself has its ds:Signature (W13.4):

    <BatchProof xmlns="urn:truc-relay:wire:1">
      <Index/> <Path> <Hash/>* </Path>  the document batch.xml  its ds:Signature
    </BatchProof>

The tree is that of RFC 6962 but for its leaves, which begin with a byte of their own and the name of the
kind: what is a leaf here is neither an inner node nor a leaf of any log, and a receipt is no header.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, MutableMapping, Sequence
from datetime import datetime
from typing import TypeAlias

from relay.audit.proofs import verify_inclusion
from relay.audit.tree import node_hash
from relay.errors import AuditError, SignatureError, WireError
from relay.model import Digest, NodeId, Signed, digest_of
from relay.signing.binding import Bound
from relay.signing.certificates import Purpose
from relay.signing.faults import Fault
from relay.signing.keys import Signer
from relay.signing.proof_shape import CLOSE, OPEN, parts_of, read_proof
from relay.signing.trust import TrustStore
from relay.signing.verifier import prove
from relay.signing.xades import DocumentName, build
from relay.wire.batch import Batch, read_batch, write_batch

_ROLE = "node"
_ROLES = {_ROLE: Purpose.SIGN}

ProvenBatches: TypeAlias = MutableMapping[bytes, Batch]
"""Batch documents with their signatures that were proven a moment ago, by the same trust store."""


def leaf_of(document: bytes, kind: DocumentName = DocumentName.RECEIPT) -> bytes:
    """SHA-256 over 0x02, the name of the kind, a line feed and the document (W13.3, W13.9)."""
    return hashlib.sha256(b"\x02%b\n" % kind.encode() + document).digest()


# ---------------------------------------------------------------- making


def sign_batch(
    documents: Sequence[bytes],
    issuer: NodeId,
    signer: Signer,
    at: datetime,
    kind: DocumentName = DocumentName.RECEIPT,
) -> list[Signed]:
    """Each with its proof, all under one signature of the issuer's; 2 to 4096 of one kind."""
    levels = _levels([leaf_of(document, kind) for document in documents])
    root = Digest(levels[-1][0].hex())
    batch = write_batch(Batch(issuer, _milliseconds(at), len(documents), root))
    tail = batch + build(DocumentName.BATCH, digest_of(batch), _ROLE, signer, at) + CLOSE
    written = [[b"<Hash>%b</Hash>" % one.hex().encode() for one in level] for level in levels]
    return [Signed(one, _proof(index, written, tail)) for index, one in enumerate(documents)]


def _milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """From the leaves to the root; one without a sibling rises unchanged (RFC 6962 §2.1)."""
    levels = [leaves]
    while len(below := levels[-1]) > 1:
        level = [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        levels.append([*level, below[-1]] if len(below) & 1 else level)
    return levels


def _proof(index: int, levels: list[list[bytes]], tail: bytes) -> bytes:
    path = b"".join(_siblings(index, levels))
    return b"%b<Index>%d</Index><Path>%b</Path>%b" % (OPEN, index, path, tail)


def _siblings(index: int, levels: list[list[bytes]]) -> Iterator[bytes]:
    for level in levels[:-1]:
        if (index ^ 1) < len(level):
            yield level[index ^ 1]
        index >>= 1


# ---------------------------------------------------------------- proving


def prove_in_batch(
    signed: Signed,
    trust: TrustStore,
    at: datetime | None,
    bound: Bound | None,
    proven: ProvenBatches,
    kind: DocumentName = DocumentName.RECEIPT,
    latest: datetime | None = None,
) -> NodeId:
    """The node that signed a batch with this document in it. `at` and `latest` as for prove(); what is in
    `proven` is not proven again."""
    # 1. The proof has the one shape.
    index, path, ending = read_proof(signed.signature)
    document, signature = parts_of(ending)
    # 2. Its batch is one, by its words.
    batch = _read_unproven(document)
    # 3. The document stands at that index under that root, by a path exactly as long as must be.
    try:
        verify_inclusion(
            leaf_of(signed.document, kind), index, batch.count, path, bytes.fromhex(batch.root)
        )
    except AuditError as error:
        raise SignatureError(Fault.NOT_IN_BATCH, f"not in this batch: {error}") from None
    # 4. The batch is signed, as a batch, by the one verifier; 5. and by the node it names.
    if ending not in proven:
        proven[ending] = verify_batch(Signed(document, signature), trust, at, bound, latest)
    # 6. Whether the document is the issuer's is for the caller, who reads it only now.
    return batch.issuer


def verify_batch(
    signed: Signed,
    trust: TrustStore,
    at: datetime | None,
    bound: Bound | None = None,
    latest: datetime | None = None,
) -> Batch:
    """The batch by itself, proven to be its issuer's; what is in it only the proofs show (W13.1)."""
    digest = digest_of(signed.document)
    proof = prove(
        signed.signature, DocumentName.BATCH, digest, trust, at=at, latest=latest, roles=_ROLES
    )
    if bound is not None:
        bound(proof.path)
    batch = read_batch(signed.document)
    if proof.leaf.identity.node != batch.issuer:
        raise SignatureError(
            Fault.WRONG_NODE,
            f"the batch is issued by {batch.issuer}, the certificate is of "
            f"{proof.leaf.identity.node}",
        )
    return batch


def _read_unproven(document: bytes) -> Batch:
    """A few dozen bytes of one pattern, so that what leads nowhere costs no curve operation."""
    try:
        return read_batch(document)
    except WireError as error:
        raise SignatureError(Fault.SHAPE, f"the batch proof's batch: {error}") from None

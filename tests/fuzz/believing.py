"""Tries at whatever believes someone: signatures, certificates, connections, heads of logs.

Touches: nothing. Trusts: the accepted vectors. Raises: AssertionError for a false accept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from relay.audit import checkpoint
from relay.errors import AuditError, RelayError
from relay.model import NodeId
from relay.signing.keys import verify_log_signature
from relay.signing.seal import ProvenSeal
from relay.signing.tls import NodePeers
from relay.signing.trust import TrustStore
from tests.fuzz.attempt import ACCEPTED, Try, require
from tests.fuzz.mutator import Mutator
from tests.fuzz.originals import Original, Originals
from tests.fuzz.rewriting import rewritten
from tests.fuzz.spoiling import spoilt
from tests.fuzz.spoiling_bytes import BYTES
from tests.fuzz.spoiling_der import CERTIFICATES
from tests.fuzz.spoiling_xml import XML
from tests.vectors.signing.forging.honest import signed_again
from tests.vectors.signing.forging.keys import AT, certificate, derived, signer
from tests.vectors.signing.forging.originals import ISSUING, KINDS, NODE_DER, ROOT, TINH, signed
from tests.vectors.signing.forging.resigned import TLS_USES
from tests.vectors.signing.judging import word_of


def signatures(originals: Originals, entry: str) -> Try:
    """A signature, its document or both spoilt, exchanged, or taken from the corpus of refused ones."""
    judge, good = originals.entries[entry], originals.of(entry)

    def attempt(m: Mutator) -> str:
        one, other = m.random.choice(good), m.random.choice(originals.all)
        signature, document = _input(m, one, other, originals.spoilt)
        try:
            proven = judge(signature, document)
        except RelayError as error:
            return word_of(error)
        originals.require_right(entry, document, proven)
        return ACCEPTED

    return attempt


def _input(
    m: Mutator, one: Original, other: Original, refused: Sequence[bytes]
) -> tuple[bytes, bytes]:
    chance = m.random.random()
    if chance < 0.08:
        return rewritten(m, one.signature), one.document
    if chance < 0.16:
        return spoilt(m, m.random.choice(refused), one.signature), one.document
    if chance < 0.24:
        return one.signature, spoilt(m, one.document, other.document)
    if chance < 0.28:
        return other.signature, m.random.choice((one.document, other.document))
    if chance < 0.34:
        return spoilt(m, other.signature, one.signature), other.document
    return spoilt(m, one.signature, other.signature), one.document


def insider(originals: Originals) -> Try:
    """A spoilt seal, signed again for what it then says by the node that made it: whatever that is, it
    stays this node's word as a node, and of these bytes."""
    good, judge = originals.of("seal")[0], originals.entries["seal"]
    right = judge(good.signature, good.document)

    def attempt(m: Mutator) -> str:
        text = spoilt(m, good.signature, m.random.choice(originals.spoilt), XML)
        with contextlib.suppress(etree.LxmlError, ValueError):
            text = signed_again(text.decode(), good.document)
        try:
            proven = judge(text, good.document)
        except RelayError as error:
            return word_of(error)
        assert isinstance(right, ProvenSeal)
        assert isinstance(proven, ProvenSeal)
        require(replace(proven, signed_at=right.signed_at) == right, f"{proven} is proven")
        return ACCEPTED

    return attempt


def certificates(originals: Originals) -> Try:
    """Certificates of the chain spoilt, by someone who has the leaf's key and signs for what they say."""
    key, judge = derived("tinh-h01"), originals.entries["seal"]

    def attempt(m: Mutator) -> str:
        leaf, above = NODE_DER, [ISSUING]
        if m.random.random() < 0.7:
            leaf = spoilt(m, NODE_DER, ISSUING, CERTIFICATES)
        else:
            above = [
                spoilt(m, m.random.choice((ISSUING, ROOT)), NODE_DER, CERTIFICATES)
                for _ in range(m.random.randint(1, 3))
            ]
        signature = signed("seal", signer(leaf, *above, key=key))
        try:
            proven = judge(signature, KINDS["seal"].document)
        except RelayError as error:
            return word_of(error)
        originals.require_right("seal", KINDS["seal"].document, proven)
        return ACCEPTED

    return attempt


def handshakes() -> Try:
    """The chain of a connection spoilt: no certificate but the node's own makes anybody that node."""
    root = x509.load_der_x509_certificate(ROOT).public_bytes(Encoding.PEM)
    leaf = certificate(
        "tls", "Issuing", ["urn:truc-relay:node:tinh-h01:tls"], vouching=False, uses=TLS_USES
    )
    judge = NodePeers(TrustStore([root]), lambda: AT)
    require(judge([leaf, ISSUING]) == TINH, "the handshake that is right is refused")

    def attempt(m: Mutator) -> str:
        chain = [leaf, ISSUING, ROOT]
        spoilt_one = m.random.choice((0, 0, 0, 1))
        other = m.random.choice((NODE_DER, ISSUING))
        chain[spoilt_one] = spoilt(m, chain[spoilt_one], other, CERTIFICATES)
        try:
            judge(chain)
        except RelayError as error:
            return word_of(error)
        require(chain[0] == leaf, "another certificate is this node's")
        return ACCEPTED

    return attempt


def standings(originals: Originals) -> Try:
    """A seal whose certificate is revoked stays refused, whatever becomes of the statements that say so."""
    seal = originals.of("seal")[0].signature

    def attempt(m: Mutator) -> str:
        one = m.random.choice(originals.revoking)  # parts of two of them could clear it rightly
        statements = spoilt(m, one, one)
        judge = m.random.choice(list(originals.by_statements.values()))
        try:
            judge(statements, seal)
        except RelayError as error:
            return word_of(error)
        raise AssertionError("a revoked certificate is taken for one that is not")

    return attempt


def heads() -> Try:
    """A signed head of the log; nobody else's key makes one, and nothing in it may change."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    name = checkpoint.origin_of(NodeId("tinh-h01"))
    heads = [
        checkpoint.sign_note(checkpoint.note_body(name, size, bytes(32)), name, public, key.sign)
        for size in (7, 8)
    ]

    def verify(signature: bytes, content: bytes) -> None:
        verify_log_signature(public, signature, content)

    right = [checkpoint.verify_note(head, name, public, verify) for head in heads]

    def attempt(m: Mutator) -> str:
        one = m.random.randrange(2)
        note = spoilt(m, heads[one], heads[1 - one], BYTES)
        try:
            found = checkpoint.verify_note(note, name, public, verify)
        except AuditError:
            return "audit"
        require(found in right, f"a head that nobody signed: {found}")
        return ACCEPTED

    return attempt

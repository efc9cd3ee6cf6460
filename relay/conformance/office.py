"""Where the kit makes files for others to judge: nodes of its own below a root of its own, some weeks ago.

The root is made for one run and pinned by `--root` alone, so that the past in which it all happened needs no
node's trust, and what is wrong in a file is wrong in that file alone.

Touches: nothing.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from relay.audit.checkpoint import note_body, sign_note, vkey
from relay.audit.cosignature import cosign, cosigner_name
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, log_name
from relay.audit.proof_file import LogProof, write_proof
from relay.audit.proofs import inclusion_proof, over_leaves
from relay.audit.tree import Frontier, leaf_hash
from relay.conformance import tokens
from relay.conformance.certificates import Issuing, Made, log_of, sign_of, stamping
from relay.conformance.instants import now
from relay.model import Digest, MessageId, NodeId, Signed
from relay.signing import pki_profiles
from relay.signing.keys import LogSigner
from relay.signing.pki_profiles import Issuer, Profile, Span
from relay.signing.pki_words import KeyType

ORIGIN, NEXT, WITNESS = NodeId("kit-origin"), NodeId("kit-next"), NodeId("kit-witness")
"""The exporter, where the document was handed in; the node it was carried to; and who cosigns their logs."""
SENDER, RECIPIENT = "H98.11.93", "H98.94"
AGO, BEFORE, AFTER = timedelta(days=30), timedelta(days=10), timedelta(days=700)


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one of these nodes: an entry for each receipt that it names."""

    signer: LogSigner
    leaves: tuple[bytes, ...]
    note: bytes
    """Its signed head; cosignatures are lines behind."""

    def proof(self, place: int, signed: Signed, note: bytes | None = None) -> bytes:
        """That the entry of this place, which names the receipt, stands there."""
        hashes = inclusion_proof(
            place, len(self.leaves), over_leaves(lambda one: leaf_hash(self.leaves[one]))
        )
        key = key_of(self.signer)
        leaf, chain = self.leaves[place], self.signer.chain
        return write_proof(
            LogProof(place, tuple(hashes), note or self.note, leaf, key, chain, signed)
        )


def log_of_leaves(name: str, leaves: Sequence[bytes], signer: LogSigner) -> Log:
    """Of that name, under a head of all of them."""
    frontier = Frontier()
    for one in leaves:
        frontier.append(leaf_hash(one))
    body = note_body(name, frontier.size, frontier.root())
    return Log(signer, tuple(leaves), sign_note(body, name, signer.public_key, signer.sign))


def key_of(signer: LogSigner) -> str:
    """The verifier key of that node's log."""
    return vkey(log_name(signer.node, Epoch()), signer.public_key)


@dataclass
class Office:
    """Its certificates are made when they are first needed."""

    at: datetime = field(default_factory=lambda: now() - AGO)
    """When the document was sealed."""

    @cached_property
    def span(self) -> Span:
        at = self.at.replace(microsecond=0)
        return Span(at - BEFORE, at + AFTER)

    @cached_property
    def root(self) -> Issuing:
        key = pki_profiles.generate(KeyType.P256)
        return Issuing(Issuer(pki_profiles.root("Conformance kit", key, self.span), key))

    @property
    def root_pem(self) -> bytes:
        return self.root.issuer.certificate.public_bytes(Encoding.PEM)

    @cached_property
    def branch(self) -> Issuing:
        """Of all these nodes."""
        made = self.root.below([ORIGIN, NEXT, WITNESS], self.span)
        return Issuing(made.issuer)

    def make(self, profile: Profile, span: Span | None = None) -> Made:
        """Of the branch: its chain has no root."""
        return self.branch.make(profile, span or self.span)

    @cached_property
    def origin(self) -> Made:
        return self.make(sign_of(ORIGIN))

    @cached_property
    def next(self) -> Made:
        return self.make(sign_of(NEXT))

    @cached_property
    def authority(self) -> Made:
        """For timestamps."""
        return self.make(stamping())

    def certified_again(self, made: Made) -> Made:
        """An authority's key under another certificate."""
        issuer = self.branch.issuer
        again = pki_profiles.end_entity(stamping(), made.key, issuer, self.span)
        return Made((again, issuer.certificate), made.key)

    def stamp(
        self, imprint: Digest, at: datetime, by: Made | None = None, exact_to_seconds: int = 1
    ) -> bytes:
        """A token of what has this digest."""
        stamping_then = tokens.responder(
            by or self.authority, at, exact_to_seconds=exact_to_seconds
        )
        return bytes(stamping_then.token(tokens.imprint(imprint), None).dump())

    # ------------------------------------------------------------ logs

    def log_key(
        self, node: str, profile: Profile | None = None, span: Span | None = None
    ) -> LogSigner:
        """A new key, with a certificate of the profile."""
        key, issuer = ed25519.Ed25519PrivateKey.generate(), self.branch.issuer
        made = pki_profiles.end_entity(profile or log_of(node), key, issuer, span or self.span)
        leaf = made.public_bytes(Encoding.DER)
        above = self.branch.issuer.certificate.public_bytes(Encoding.DER)
        public = key.public_key().public_bytes_raw()
        return LogSigner(NodeId(node), public, (leaf, above), key.sign)

    @cached_property
    def log_keys(self) -> dict[NodeId, LogSigner]:
        return {node: self.log_key(node) for node in (ORIGIN, NEXT, WITNESS)}

    def log(
        self,
        node: NodeId,
        receipts: Sequence[Signed],
        message: MessageId,
        by: LogSigner | None = None,
    ) -> Log:
        """The log of that node with an entry for each of these, a second apart, cosigned by nobody yet."""
        event, at = AuditEvent.RECEIPT_RECEIVED, self.at + timedelta(hours=1)
        leaves = [
            entry(
                event, at + timedelta(seconds=place), node, message=message, receipt=one.digest
            ).leaf
            for place, one in enumerate(receipts)
        ]
        return log_of_leaves(log_name(node, Epoch()), leaves, by or self.log_keys[node])

    def cosignature(self, note: bytes, node: str = WITNESS, by: LogSigner | None = None) -> bytes:
        """A line in that node's name."""
        signer = by or self.log_keys[NodeId(node)]
        name, at = cosigner_name(NodeId(node)), self.at + timedelta(hours=2)
        return cosign(note, name, signer.public_key, signer.sign, at)


def spoilt(line: bytes) -> bytes:
    """The same cosignature, its last byte another."""
    head, _, coded = line.rstrip(b"\n").rpartition(b" ")
    content = bytearray(b64decode(coded))
    content[-1] ^= 1
    return head + b" " + b64encode(bytes(content)) + b"\n"

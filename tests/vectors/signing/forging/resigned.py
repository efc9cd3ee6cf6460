"""Signatures that hold as such, but not for this document, in this role or by this certificate.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from relay.model import Digest, digest_of
from relay.signing.xades import build
from tests.vectors.signing.forging.keys import AT, certificate, certificates_xml, derived, signer
from tests.vectors.signing.forging.originals import (
    AGENCY,
    ENVELOPE,
    GATEWAY,
    ISSUING,
    KINDS,
    NODE,
    NODE_DER,
    NODE_SIGN,
    RSA,
    RSA_KEY,
    signed,
)
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off

TLS_USES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


def resigned() -> Vectors:
    yield from _other_kinds()
    yield from _other_bytes()
    yield from _other_certificates()
    yield from _roles()
    yield from _purposes()


def _other_kinds() -> Vectors:
    """The right bytes, each signed as every other kind; a seal may be over any bytes."""
    for kind, usual in KINDS.items():
        for other, its in KINDS.items():
            if other != kind:
                what = f"a {kind}'s document signed as a {other}'s"
                signature = build(its.name, digest_of(usual.document), usual.role, NODE, AT)
                holds_as = ("carried", "pinned", "seal") if other == "seal" else ()
                yield Vector("wrong-document", f"signed-as-{other}", kind, what, signature, holds_as=holds_as)


def _other_bytes() -> Vectors:
    for kind, usual in KINDS.items():
        more = build(usual.name, digest_of(usual.document + b" "), usual.role, NODE, AT)
        yield Vector("digest-mismatch", "one-byte-more", kind, "signed with one byte more", more)
    nothing = build(KINDS["seal"].name, digest_of(b""), "node", NODE, AT)
    yield Vector("digest-mismatch", "of-nothing", "seal", "the digest of no bytes", nothing)
    zero = build(KINDS["receipt"].name, Digest("0" * 64), "node", NODE, AT)
    yield Vector("digest-mismatch", "zero", "receipt", "a digest of zeros", zero)
    good = signed("seal").decode()
    digest = base64.b64encode(hashlib.sha256(ENVELOPE).digest()).decode()
    in_hex = hashlib.sha256(ENVELOPE).hexdigest()
    yield Vector("digest-mismatch", "hexadecimal", "seal", "the digest in hexadecimal", good.replace(digest, in_hex).encode())
    yield Vector("digest-mismatch", "exchanged", "seal", "a digest exchanged after signing", good.replace(digest, base64.b64encode(bytes(32)).decode()).encode())


def _other_certificates() -> Vectors:
    """The certificate is part of what is signed: none can be put in its place."""
    again = certificate("tinh-h01", "Issuing", ["urn:truc-relay:node:tw:sign"])

    def swapped(*chain: bytes) -> bytes:
        return signed("seal", replace(NODE, certificates_xml=certificates_xml(*chain)))

    def other(case: str, what: str, *chain: bytes) -> Vector:
        return Vector("wrong-certificate", case, "seal", what, swapped(*chain))

    yield other("same-key", "another certificate of the same key and name, for another node", again, ISSUING)
    agency = certificate("tinh-h01", "Issuing", ["urn:truc-relay:agency:H01"])
    yield other("same-key-agency", "another certificate of the same key, an agency's", agency, ISSUING)
    renewed = certificate("tinh-h01", "Issuing", [NODE_SIGN], days=(-1, 3650))
    yield other("renewed", "the renewed certificate of the same key and node", renewed, ISSUING)
    yield other("another-first", "another's certificate first, the signer's second", AGENCY.chain[0], NODE_DER, ISSUING)
    yield other("another", "another's certificate", AGENCY.chain[0], ISSUING)
    yield Vector("bad-certificate", "issuer-first", "seal", "the issuer before the signer", swapped(ISSUING, NODE_DER))
    for kind in KINDS:
        forged = signed(kind, signer(NODE_DER, ISSUING, key=derived("mallory")))
        yield Vector("bad-signature", "other-key", kind, "the value is of a key that no certificate names", forged)
    rsa = signed("seal", signer(RSA.chain[0], ISSUING, key=derived("mallory")))
    yield Vector("algorithm", "ecdsa-by-another-key", "seal", "an ECDSA value under an RSA certificate", rsa, control="rsa.seal")
    mixed = signed("seal", replace(signer(NODE_DER, ISSUING, key=RSA_KEY)))
    yield Vector("algorithm", "rsa-by-another-key", "seal", "an RSA value under a P-256 certificate", mixed)


def _roles() -> Vectors:
    def role(kind: str, case: str, by: object, claimed: str, what: str) -> Vector:
        return Vector("wrong-role", case, kind, what, signed(kind, by, role=claimed))  # type: ignore[arg-type]

    yield role("seal", "boss", NODE, "boss", "a role that nobody has")
    yield role("seal", "batch", NODE, "witness", "a role of later versions")
    for kind in KINDS:
        if kind != "seal":
            yield role(kind, "agency", AGENCY, "agency", "an agency speaks as itself where nodes speak")
            yield role(kind, "gateway", GATEWAY, "gateway", "a gateway speaks as itself where nodes speak")


def _purposes() -> Vectors:
    def purpose(case: str, kind: str, what: str, signature: bytes) -> Vector:
        return Vector("wrong-purpose", case, kind, what, signature)

    for role in ("agency", "agency-supplied", "gateway"):
        yield purpose(f"node-as-{role}", "seal", f"a node claims the role {role}", signed("seal", NODE, role=role))
    for role in ("node", "gateway"):
        yield purpose(f"agency-as-{role}", "seal", f"an agency claims the role {role}", signed("seal", AGENCY, role=role))
    for role in ("node", "agency", "agency-supplied"):
        yield purpose(f"gateway-as-{role}", "seal", f"a gateway claims the role {role}", signed("seal", GATEWAY, role=role))
    tls = certificate("tls", "Issuing", ["urn:truc-relay:node:tinh-h01:tls"], vouching=False, uses=TLS_USES)
    by_tls = signer(tls, ISSUING, key=derived("tls"))
    log_key = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"log").digest())
    log = certificate("log", "Issuing", ["urn:truc-relay:node:tinh-h01:log"], key=log_key, vouching=False)
    by_log = signer(log, ISSUING, key=derived("log"))
    for kind in KINDS:
        yield purpose("tls", kind, "by the node's certificate for TLS", signed(kind, by_tls))
        yield purpose("log", kind, "by the node's certificate for its log", signed(kind, by_log))
        if kind != "seal":
            yield purpose("agency-as-node", kind, "by an agency's certificate", signed(kind, AGENCY))
            yield purpose("gateway-as-node", kind, "by a gateway's certificate", signed(kind, GATEWAY))

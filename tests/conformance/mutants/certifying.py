"""Faults in whose word a certificate is."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Any

from cryptography.x509 import Certificate
from cryptography.x509.oid import ObjectIdentifier, SignatureAlgorithmOID

from relay.delivery import arrivals
from relay.errors import SignatureError
from relay.model import AgencyCode, Digest, NodeId, Seal, SealKind
from relay.signing import certificates, evidence, notary, seal, tls, verifier
from relay.signing.algorithms import CERTIFICATE_SIGNATURES
from relay.signing.binding import Binding
from relay.signing.certificates import Identity
from relay.signing.notary import NodeNotary
from relay.signing.profiles import branches_of
from relay.signing.seal import ProvenSeal
from relay.signing.trust import path, search, store
from relay.transport.nodes.directory_client import DirectoryClient
from tests.conformance.mutants import mutant, put_in

NO_CHECK_TIME = 0x200000
"""Of OpenSSL: X509_V_FLAG_NO_CHECK_TIME."""


def _nothing(*_: Any) -> None:
    return None


@mutant(
    "believes an issuer about every branch",
    "W11.4/header",
    "W11.4/receipt",
    "W11.4/directory",
    "W11.4/unlisted",
    "W11.4/seal",
    "W11.4/connection",
    "W11.5/wrong-branch",
)
def believes_any_branch() -> None:
    put_in(Binding, "_require", _nothing)


@mutant(
    "believes no issuer of a branch below the top", "W11.4/branch", "W11.5/agency", "W11.7/gateway"
)
def believes_the_top_alone() -> None:
    def certifies(self: Binding, top: NodeId, _: Any) -> bool:
        return self.directory.nodes[top].parent is None

    put_in(Binding, "_certifies", certifies)


@mutant(
    "looks at no certificate's dates",
    *(f"W11.1/{when}-{what}" for when in ("expired", "early") for what in ("header", "seal", "receipt", "connection")),
)  # fmt: skip
def looks_at_no_dates() -> None:
    honest = tls._mutual

    def mutual(context: ssl.SSLContext, *arguments: Any) -> None:
        honest(context, *arguments)
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)

    put_in(tls, "_mutual", mutual)
    put_in(path, "_check_time", _nothing)


@mutant("judges what was signed as of now alone", "W11.1/as-of-signing", "W9.2/as-of-signing")
def judges_as_of_now() -> None:
    honest = verifier.prove_parts

    def prove_parts(*arguments: Any, at: datetime | None, **how: Any) -> Any:
        return honest(*arguments, at=datetime.now(UTC), **how)

    put_in(verifier, "prove_parts", prove_parts)


@mutant(
    "takes a certificate for whatever it is used for",
    "W11.1/purpose-header",
    "W11.1/purpose-seal",
    "W11.1/purpose-connection",
    "W11.7/as-node",
    "W11.7/as-agency",
    "W11.7/by-a-node",
)
def confuses_purposes() -> None:
    put_in(verifier, "require_purpose", _nothing)
    put_in(store, "require_purpose", _nothing)

    def require_node(identity: Identity, node: NodeId, what: str) -> None:
        if identity.node != node:
            raise SignatureError("wrong-node", f"{what} {node}")

    put_in(evidence, "_require_node", require_node)


@mutant(
    "takes what is signed of the future by its own word",
    "W3.8/from-the-future",
    "W3.8/header-from-the-future",
)
def believes_in_the_future() -> None:
    honest = verifier.prove_parts

    def prove_parts(*arguments: Any, **how: Any) -> Any:
        return honest(*arguments, **how | {"latest": None})

    put_in(verifier, "prove_parts", prove_parts)


def _branches_of(issuer: Certificate) -> frozenset[NodeId]:
    try:
        return branches_of(issuer)
    except SignatureError:
        return frozenset()


@mutant(
    "takes any way to a root",
    "W11.2/path-too-long",
    "W11.2/path-length",
    "W11.2/name-constraint",
    "W11.2/issuer-purpose",
    "W11.2/critical-extension",
    "W11.2/algorithm",
    "W11.2/no-issuer",
)
def takes_any_way() -> None:
    put_in(path, "check_names", _nothing)
    put_in(path, "check_issued_use", _nothing)
    put_in(search, "check_issuer", _nothing)
    put_in(search, "ISSUER_LIMIT", 9)
    put_in(path, "branches_of", _branches_of)
    known = {*CERTIFICATE_SIGNATURES, SignatureAlgorithmOID.ECDSA_WITH_SHA224}
    put_in(search, "CERTIFICATE_SIGNATURES", known)
    also = certificates._UNDERSTOOD | {ObjectIdentifier("1.3.6.1.4.1.55555.1")}
    put_in(certificates, "_UNDERSTOOD", also)


@mutant("needs no anchor for a seal", "W11.1/untrusted-seal")
def needs_no_anchor() -> None:
    honest = NodeNotary.check_carried_seal

    def check_carried_seal(self: NodeNotary, signature: bytes, *arguments: Any) -> Seal:
        try:
            return honest(self, signature, *arguments)
        except SignatureError as error:
            if error.reason != "untrusted":
                raise
            return Seal(SealKind.NODE, signature)

    put_in(NodeNotary, "check_carried_seal", check_carried_seal)
    put_in(arrivals, "seal_fault", lambda *_: "")


@mutant(
    "takes any node's word for any other's",
    "W11.3/receipt",
    "W11.3/seal",
    "W11.3/sent-by",
    "W9.2/another-signer",
)
def confuses_nodes() -> None:
    put_in(evidence, "_require_node", _nothing)

    def require_bound(self: NodeNotary, proven: ProvenSeal, sender: AgencyCode, _: NodeId) -> None:
        if proven.node is None:
            self._require_agency(proven, sender)

    put_in(NodeNotary, "_require_bound", require_bound)


@mutant("takes any agency's word for any other's", "W11.5/wrong-agency", "W11.6/unbound")
def confuses_agencies() -> None:
    put_in(notary, "require_sealed_by", _nothing)


@mutant("takes no seal of an agency's own", "W11.5/agency", "W11.5/supplied", "W11.6/bound")
def takes_no_agencies() -> None:
    def require_agency(*_: Any) -> None:
        raise SignatureError("wrong-agency", "nodes vouch here")

    put_in(NodeNotary, "_require_agency", require_agency)


@mutant("does not look for bound certificates", "W11.6/bound")
def looks_for_no_bonds() -> None:
    def certificates_of(self: Binding, _: AgencyCode) -> frozenset[Digest]:
        return frozenset()

    put_in(Binding, "certificates_of", certificates_of)


@mutant("sends what binds certificates to everyone", "W11.6/not-sent")
def sends_bonds_to_all() -> None:
    put_in(DirectoryClient, "takes_certificates", lambda *_: True)


@mutant("takes no seal of a gateway", "W11.7/gateway")
def takes_no_gateways() -> None:
    roles = {role: purpose for role, purpose in seal._ROLES.items() if role != "gateway"}
    put_in(seal, "_ROLES", roles)

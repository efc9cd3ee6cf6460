"""W11.1 to W11.3: whose word a certificate is, and when."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from relay.conformance.certificates import (
    Issuing,
    agency_of,
    issuing,
    past,
    root,
    sign_of,
    tls_of,
    to_come,
)
from relay.conformance.certified import (
    a_transfer,
    connection_refused,
    header_refused,
    own_issuer,
    seal_refused,
)
from relay.conformance.controls import takes_transfers
from relay.conformance.credentials import stranger
from relay.conformance.instants import now
from relay.conformance.judging import (
    accepted,
    refused,
)
from relay.conformance.resigned import handover
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part
from relay.model import SealKind, Signed, digest_of
from relay.signing.keys import Signer
from relay.signing.xades import DocumentName, build

book = Book(control=takes_transfers)


# ------------------------------------------------------------ W11.1: one purpose, one time


@book.asserts(
    "W11.1", "untrusted-seal", "A seal under no anchor of its role is refused", Part.NEIGHBOUR
)
async def untrusted_seal(stand: Stand) -> None:
    with tempfile.TemporaryDirectory(prefix="relay-stranger-") as folder:
        signer = stranger(Path(folder), stand.peer.node, now()).signer()
    await seal_refused(stand, SealKind.NODE, signer, "untrusted")


_TIMES = {
    "expired": ("ended", past, "expired-certificate"),
    "early": ("is not valid yet", to_come, "not-yet-valid-certificate"),
}


def _about_times(name: str, said: str, span: Callable[..., object], word: str) -> None:
    def made(stand: Stand) -> Signer:
        return own_issuer(stand).make(sign_of(stand.peer.node), span()).signer()  # type: ignore[arg-type]

    @book.asserts(
        "W11.1",
        f"{name}-header",
        f"A header by a certificate that {said} is refused",
        Part.NEIGHBOUR,
    )
    async def header(stand: Stand) -> None:
        await header_refused(stand, made(stand), word)

    @book.asserts(
        "W11.1", f"{name}-seal", f"A seal by a certificate that {said} is refused", Part.NEIGHBOUR
    )
    async def seal(stand: Stand) -> None:
        await seal_refused(stand, SealKind.NODE, made(stand), word)

    @book.asserts(
        "W11.1",
        f"{name}-receipt",
        f"A receipt by a certificate that {said} is refused",
        Part.NEIGHBOUR,
    )
    async def receipt(stand: Stand) -> None:
        refused(await stand.peer.hand_back(handover(stand, made(stand))), word)

    @book.asserts(
        "W11.1",
        f"{name}-connection",
        f"A connection with a certificate that {said} is refused",
        Part.NEIGHBOUR,
    )
    async def connection(stand: Stand) -> None:
        issued = own_issuer(stand).make(tls_of(stand.peer.node), span())  # type: ignore[arg-type]
        await connection_refused(stand, issued, "")


for _name, _about in _TIMES.items():
    _about_times(_name, *_about)


@book.asserts(
    "W11.1",
    "as-of-signing",
    "What was signed in time is taken though the certificate ended since",
    Part.NEIGHBOUR,
)
async def as_of_signing(stand: Stand) -> None:
    signer = own_issuer(stand).make(sign_of(stand.peer.node), past(20)).signer()
    prepared = a_transfer(stand)
    before = now() - timedelta(seconds=40)
    signature = build(
        DocumentName.TRANSFER, digest_of(prepared.signed.document), "node", signer, before
    )
    seal = build(DocumentName.ENVELOPE, prepared.header.digest, "node", signer, before)
    header = Signed(prepared.signed.document, signature)
    accepted(stand.peer, await stand.peer.send(replace(prepared, signed=header, seal=seal)))


@book.asserts(
    "W11.1", "purpose-header", "A header by a `tls` certificate is refused", Part.NEIGHBOUR
)
async def purpose_header(stand: Stand) -> None:
    signer = own_issuer(stand).make(tls_of(stand.peer.node)).signer()
    await header_refused(stand, signer, "wrong-purpose")


@book.asserts(
    "W11.1", "purpose-seal", "A node's seal by its `tls` certificate is refused", Part.NEIGHBOUR
)
async def purpose_seal(stand: Stand) -> None:
    signer = own_issuer(stand).make(tls_of(stand.peer.node)).signer()
    await seal_refused(stand, SealKind.NODE, signer, "wrong-purpose")


@book.asserts(
    "W11.1",
    "purpose-connection",
    "A connection with a node's `sign` certificate is refused",
    Part.NEIGHBOUR,
)
async def purpose_connection(stand: Stand) -> None:
    await connection_refused(
        stand, own_issuer(stand).make(sign_of(stand.peer.node)), "wrong-purpose"
    )


# ------------------------------------------------------------ W11.2: paths


@book.asserts("W11.2", "path-too-long", "A path of three issuing CAs is refused", Part.NEIGHBOUR)
async def path_too_long(stand: Stand) -> None:
    lowest = own_issuer(stand).below().below()
    await header_refused(stand, lowest.make(sign_of(stand.peer.node)).signer(), "path-too-long")


@book.asserts(
    "W11.2",
    "path-length",
    "A path over an issuer that may have no issuer below it is refused",
    Part.NEIGHBOUR,
)
async def path_length(stand: Stand) -> None:
    lower = own_issuer(stand).below()
    await header_refused(stand, lower.make(sign_of(stand.peer.node)).signer(), "path-too-long")


def _names_elsewhere(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    elsewhere = [x509.UniformResourceIdentifier("elsewhere.example")]
    return builder.add_extension(x509.NameConstraints(elsewhere, None), critical=True)


def _for_timestamps(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    return builder.add_extension(usage, critical=True)


def _not_understood(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    return builder.add_extension(unknown, critical=True)


@book.asserts(
    "W11.2",
    "name-constraint",
    "A certificate whose names its issuer may not give is refused",
    Part.NEIGHBOUR,
)
async def name_constraint(stand: Stand) -> None:
    limited = issuing(stand.authority, [stand.subject.id], change=_names_elsewhere)
    await header_refused(stand, limited.make(sign_of(stand.peer.node)).signer(), "name-constraint")


@book.asserts(
    "W11.2",
    "issuer-purpose",
    "A certificate of another purpose than its issuer's is refused",
    Part.NEIGHBOUR,
)
async def issuer_purpose(stand: Stand) -> None:
    limited = issuing(stand.authority, [stand.subject.id], change=_for_timestamps)
    await header_refused(stand, limited.make(sign_of(stand.peer.node)).signer(), "")


@book.asserts(
    "W11.2",
    "critical-extension",
    "A certificate with a critical extension that nobody knows is refused",
    Part.NEIGHBOUR,
)
async def critical_extension(stand: Stand) -> None:
    issued = own_issuer(stand).make(sign_of(stand.peer.node), change=_not_understood)
    await header_refused(stand, issued.signer(), "")


@book.asserts(
    "W11.2",
    "algorithm",
    "A certificate signed with another algorithm than those of clause 1.1 is refused",
    Part.NEIGHBOUR,
)
async def algorithm(stand: Stand) -> None:
    issued = own_issuer(stand).make(sign_of(stand.peer.node), algorithm=hashes.SHA224())
    await header_refused(stand, issued.signer(), "algorithm")


@book.asserts(
    "W11.2",
    "no-issuer",
    "A certificate that an end entity issued is refused",
    Part.NEIGHBOUR,
)
async def no_issuer(stand: Stand) -> None:
    """Whoever has a certificate has a key to sign others with."""
    entity = own_issuer(stand).make(agency_of(stand.peer.agency))
    issuer = replace(root(stand.authority).issuer, certificate=entity.chain[0], key=entity.key)
    below = Issuing(issuer, entity.chain[1:])
    await header_refused(stand, below.make(sign_of(stand.peer.node)).signer(), "")


# ------------------------------------------------------------ W11.3: the node that is named


@book.asserts(
    "W11.3", "receipt", "A receipt signed by another node than its issuer is refused", Part.SECOND
)
async def receipt_of_another(stand: Stand) -> None:
    refused(await stand.peer.hand_back(handover(stand, stand.second.signer)), "wrong-node")


@book.asserts(
    "W11.3", "seal", "A node's seal by another node than the origin is refused", Part.SECOND
)
async def seal_of_another(stand: Stand) -> None:
    await seal_refused(stand, SealKind.NODE, stand.second.signer, "wrong-node")


@book.asserts(
    "W11.3",
    "sent-by",
    "A header signed by another node than its SentBy is refused",
    Part.SECOND,
)
async def sent_by_another(stand: Stand) -> None:
    await header_refused(stand, stand.second.signer, "wrong-node")

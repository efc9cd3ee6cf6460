"""W11: whose word a certificate is, and when, and in which branch."""

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
    Made,
    agency_of,
    gateway_of,
    issuing,
    official,
    past,
    root,
    sign_of,
    tls_of,
    to_come,
)
from relay.conformance.credentials import stranger
from relay.conformance.instants import now
from relay.conformance.judging import (
    accepted,
    connected_with,
    refused,
    rejected,
    told_of,
)
from relay.conformance.peer import Prepared
from relay.conformance.resigned import handover, headed, sealed
from relay.conformance.stand import Stand
from relay.conformance.tree import (
    BINDING,
    CAPABILITY,
    branch,
    entry,
    hand_in,
    handed_in,
    hearing,
    kit_agency,
    signed,
    sub_node,
)
from relay.conformance.verdicts import Book, Part, require
from relay.model import Reason, SealKind, Signed, digest_of
from relay.signing.keys import Signer
from relay.signing.xades import DocumentName, build
from relay.wire.branch import write_branch

book = Book()


def _prepared(stand: Stand) -> Prepared:
    return stand.peer.transfer(stand.letter_in(), [stand.subject.agency])


async def _header_refused(stand: Stand, signer: Signer, word: str) -> None:
    refused(await stand.peer.send(headed(_prepared(stand), signer)), word)


async def _seal_refused(stand: Stand, kind: SealKind, signer: Signer, word: str) -> None:
    answer = await stand.peer.send(sealed(_prepared(stand), kind, signer))
    rejected(stand.peer, answer, Reason.BAD_SEAL, word)


async def _seal_accepted(stand: Stand, kind: SealKind, issued: Made, by: Issuing) -> None:
    """Where the node asks for it, it is told first that nobody revoked the certificate."""
    await told_of(stand, issued, by)
    accepted(stand.peer, await stand.peer.send(sealed(_prepared(stand), kind, issued.signer())))


def _own(stand: Stand) -> Issuing:
    """An issuer of the judged node's branch, in which the kit lies."""
    return issuing(stand.authority, [stand.subject.id])


# ------------------------------------------------------------ W11.1: one purpose, one time


@book.asserts(
    "W11.1", "untrusted-seal", "A seal under no anchor of its role is refused", Part.NEIGHBOUR
)
async def untrusted_seal(stand: Stand) -> None:
    with tempfile.TemporaryDirectory(prefix="relay-stranger-") as folder:
        signer = stranger(Path(folder), stand.peer.node, now()).signer()
    await _seal_refused(stand, SealKind.NODE, signer, "untrusted")


_TIMES = {
    "expired": ("ended", past, "expired-certificate"),
    "early": ("is not valid yet", to_come, "not-yet-valid-certificate"),
}


def _about_times(name: str, said: str, span: Callable[..., object], word: str) -> None:
    def made(stand: Stand) -> Signer:
        return _own(stand).make(sign_of(stand.peer.node), span()).signer()  # type: ignore[arg-type]

    @book.asserts(
        "W11.1",
        f"{name}-header",
        f"A header by a certificate that {said} is refused",
        Part.NEIGHBOUR,
    )
    async def header(stand: Stand) -> None:
        await _header_refused(stand, made(stand), word)

    @book.asserts(
        "W11.1", f"{name}-seal", f"A seal by a certificate that {said} is refused", Part.NEIGHBOUR
    )
    async def seal(stand: Stand) -> None:
        await _seal_refused(stand, SealKind.NODE, made(stand), word)

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
        issued = _own(stand).make(tls_of(stand.peer.node), span())  # type: ignore[arg-type]
        await _connection_refused(stand, issued, "")


async def _connection_refused(stand: Stand, issued: Made, word: str) -> None:
    """In the handshake, or by 403 or 422 with the word."""
    answer = await connected_with(stand, issued)
    if answer is None:
        return
    require(answer.status in {403, 422}, f"answered {answer.status} over that connection")
    require(word.encode() in answer.body, f"the problem document does not say {word}")


for _name, _about in _TIMES.items():
    _about_times(_name, *_about)


@book.asserts(
    "W11.1",
    "as-of-signing",
    "What was signed in time is taken though the certificate ended since",
    Part.NEIGHBOUR,
)
async def as_of_signing(stand: Stand) -> None:
    signer = _own(stand).make(sign_of(stand.peer.node), past(20)).signer()
    prepared = _prepared(stand)
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
    signer = _own(stand).make(tls_of(stand.peer.node)).signer()
    await _header_refused(stand, signer, "wrong-purpose")


@book.asserts(
    "W11.1", "purpose-seal", "A node's seal by its `tls` certificate is refused", Part.NEIGHBOUR
)
async def purpose_seal(stand: Stand) -> None:
    signer = _own(stand).make(tls_of(stand.peer.node)).signer()
    await _seal_refused(stand, SealKind.NODE, signer, "wrong-purpose")


@book.asserts(
    "W11.1",
    "purpose-connection",
    "A connection with a node's `sign` certificate is refused",
    Part.NEIGHBOUR,
)
async def purpose_connection(stand: Stand) -> None:
    await _connection_refused(stand, _own(stand).make(sign_of(stand.peer.node)), "wrong-purpose")


# ------------------------------------------------------------ W11.2: paths


@book.asserts("W11.2", "path-too-long", "A path of three issuing CAs is refused", Part.NEIGHBOUR)
async def path_too_long(stand: Stand) -> None:
    lowest = _own(stand).below().below()
    await _header_refused(stand, lowest.make(sign_of(stand.peer.node)).signer(), "path-too-long")


@book.asserts(
    "W11.2",
    "path-length",
    "A path over an issuer that may have no issuer below it is refused",
    Part.NEIGHBOUR,
)
async def path_length(stand: Stand) -> None:
    lower = _own(stand).below()
    await _header_refused(stand, lower.make(sign_of(stand.peer.node)).signer(), "path-too-long")


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
    await _header_refused(stand, limited.make(sign_of(stand.peer.node)).signer(), "name-constraint")


@book.asserts(
    "W11.2",
    "issuer-purpose",
    "A certificate of another purpose than its issuer's is refused",
    Part.NEIGHBOUR,
)
async def issuer_purpose(stand: Stand) -> None:
    limited = issuing(stand.authority, [stand.subject.id], change=_for_timestamps)
    await _header_refused(stand, limited.make(sign_of(stand.peer.node)).signer(), "")


@book.asserts(
    "W11.2",
    "critical-extension",
    "A certificate with a critical extension that nobody knows is refused",
    Part.NEIGHBOUR,
)
async def critical_extension(stand: Stand) -> None:
    issued = _own(stand).make(sign_of(stand.peer.node), change=_not_understood)
    await _header_refused(stand, issued.signer(), "")


@book.asserts(
    "W11.2",
    "algorithm",
    "A certificate signed with another algorithm than those of clause 1.1 is refused",
    Part.NEIGHBOUR,
)
async def algorithm(stand: Stand) -> None:
    issued = _own(stand).make(sign_of(stand.peer.node), algorithm=hashes.SHA224())
    await _header_refused(stand, issued.signer(), "algorithm")


@book.asserts(
    "W11.2",
    "no-issuer",
    "A certificate that an end entity issued is refused",
    Part.NEIGHBOUR,
)
async def no_issuer(stand: Stand) -> None:
    """Whoever has a certificate has a key to sign others with."""
    entity = _own(stand).make(agency_of(stand.peer.agency))
    issuer = replace(root(stand.authority).issuer, certificate=entity.chain[0], key=entity.key)
    below = Issuing(issuer, entity.chain[1:])
    await _header_refused(stand, below.make(sign_of(stand.peer.node)).signer(), "")


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
    await _seal_refused(stand, SealKind.NODE, stand.second.signer, "wrong-node")


@book.asserts(
    "W11.3",
    "sent-by",
    "A header signed by another node than its SentBy is refused",
    Part.SECOND,
)
async def sent_by_another(stand: Stand) -> None:
    await _header_refused(stand, stand.second.signer, "wrong-node")


# ------------------------------------------------------------ W11.4: the branch


def _elsewhere(stand: Stand) -> Issuing:
    """An issuer of a branch in which the kit's first node does not lie."""
    return issuing(stand.authority, [stand.second.node])


@book.asserts(
    "W11.4", "branch", "A header by an issuer that names the node's branch is taken", Part.NEIGHBOUR
)
async def own_branch(stand: Stand) -> None:
    signer = _own(stand).make(sign_of(stand.peer.node)).signer()
    accepted(stand.peer, await stand.peer.send(headed(_prepared(stand), signer)))


@book.asserts("W11.4", "header", "A header by an issuer of another branch is refused", Part.SECOND)
async def branch_of_header(stand: Stand) -> None:
    signer = _elsewhere(stand).make(sign_of(stand.peer.node)).signer()
    await _header_refused(stand, signer, "wrong-branch")


@book.asserts(
    "W11.4", "seal", "A node's seal by an issuer of another branch is refused", Part.SECOND
)
async def branch_of_seal(stand: Stand) -> None:
    signer = _elsewhere(stand).make(sign_of(stand.peer.node)).signer()
    await _seal_refused(stand, SealKind.NODE, signer, "wrong-branch")


@book.asserts(
    "W11.4", "receipt", "A receipt by an issuer of another branch is refused", Part.SECOND
)
async def branch_of_receipt(stand: Stand) -> None:
    signer = _elsewhere(stand).make(sign_of(stand.peer.node)).signer()
    refused(await stand.peer.hand_back(handover(stand, signer)), "wrong-branch")


@book.asserts(
    "W11.4",
    "directory",
    "A directory by an issuer of another branch is refused",
    Part.SECOND,
    capability=CAPABILITY,
)
async def branch_of_directory(stand: Stand) -> None:
    signer = _elsewhere(stand).make(sign_of(stand.peer.node)).signer()
    found = signed(write_branch(branch(stand, kit_agency(stand))), signer)
    refused(await hand_in(stand.peer, found), "wrong-branch")


@book.asserts(
    "W11.4",
    "connection",
    "A connection with a certificate by an issuer of another branch is refused",
    Part.SECOND,
)
async def branch_of_connection(stand: Stand) -> None:
    issued = _elsewhere(stand).make(tls_of(stand.peer.node))
    await _connection_refused(stand, issued, "wrong-branch")


# ------------------------------------------------------------ W11.5: the agencies that are named


@book.asserts(
    "W11.5", "agency", "An agency's seal by a certificate that names it is taken", Part.NEIGHBOUR
)
async def agency(stand: Stand) -> None:
    by = _own(stand)
    await _seal_accepted(stand, SealKind.AGENCY, by.make(agency_of(stand.peer.agency)), by)


@book.asserts(
    "W11.5", "supplied", "A seal that was made at the agency is taken likewise", Part.NEIGHBOUR
)
async def supplied(stand: Stand) -> None:
    by = _own(stand)
    issued = by.make(agency_of("G99.99", stand.peer.agency))
    await _seal_accepted(stand, SealKind.AGENCY_SUPPLIED, issued, by)


@book.asserts(
    "W11.5",
    "wrong-agency",
    "An agency's seal by a certificate that names another agency is refused",
    Part.NEIGHBOUR,
)
async def wrong_agency(stand: Stand) -> None:
    by = _own(stand)
    issued = by.make(agency_of(stand.subject.agency))
    await told_of(stand, issued, by)
    await _seal_refused(stand, SealKind.AGENCY, issued.signer(), "wrong-agency")


@book.asserts(
    "W11.5",
    "wrong-branch",
    "An agency's seal by an issuer of another branch is refused",
    Part.SECOND,
)
async def branch_of_agency(stand: Stand) -> None:
    by = _elsewhere(stand)
    issued = by.make(agency_of(stand.peer.agency))
    await told_of(stand, issued, by)
    await _seal_refused(stand, SealKind.AGENCY, issued.signer(), "wrong-branch")


# ------------------------------------------------------------ W11.6: bound by the directory


@book.asserts(
    "W11.6",
    "bound",
    "A seal by a certificate that the directory binds to the agency is taken",
    Part.NEIGHBOUR,
    capability=BINDING,
)
async def bound(stand: Stand) -> None:
    by = _own(stand)
    issued = by.make(official())
    await handed_in(stand, branch(stand, kit_agency(stand, digest_of(issued.ders[0]))))
    await _seal_accepted(stand, SealKind.AGENCY_SUPPLIED, issued, by)


@book.asserts(
    "W11.6",
    "unbound",
    "A seal by a certificate that names nobody and is bound to nobody is refused",
    Part.NEIGHBOUR,
    capability=BINDING,
)
async def unbound(stand: Stand) -> None:
    by = _own(stand)
    issued = by.make(official())
    await handed_in(stand, branch(stand, kit_agency(stand)))
    await told_of(stand, issued, by)
    await _seal_refused(stand, SealKind.AGENCY_SUPPLIED, issued.signer(), "wrong-agency")


@book.asserts(
    "W11.6",
    "not-sent",
    "What binds certificates is not sent to a neighbour that does not say that it reads it",
    Part.SECOND,
    capability=BINDING,
)
async def not_sent(stand: Stand) -> None:
    """A document without any comes behind it, by which it is seen that the neighbour was thought of."""
    by, sub = _own(stand), sub_node(stand)
    with hearing(stand.second_listener) as heard:
        binding = kit_agency(stand, digest_of(b"a certificate"))
        under = entry(sub, stand.peer.node)
        first = await handed_in(stand, branch(stand, binding, nodes=[under]))
        signer = by.make(sign_of(sub)).signer()
        second = await handed_in(stand, branch(stand, issuer=sub), signer)
        await stand.second_listener.until(lambda: second in heard, 10, "the directory behind it")
    require(first not in heard, "the directory with a certificate was sent")


# ------------------------------------------------------------ W11.7: gateways


@book.asserts("W11.7", "gateway", "The origin's gateway seals as `gateway`", Part.NEIGHBOUR)
async def gateway(stand: Stand) -> None:
    by = _own(stand)
    await _seal_accepted(stand, SealKind.GATEWAY, by.make(gateway_of(stand.peer.node)), by)


def _no_gateway(kind: SealKind) -> None:
    @book.asserts(
        "W11.7", f"as-{kind}", f"A gateway's certificate does not seal as `{kind}`", Part.NEIGHBOUR
    )
    async def refused_as(stand: Stand) -> None:
        by = _own(stand)
        issued = by.make(gateway_of(stand.peer.node))
        await told_of(stand, issued, by)
        await _seal_refused(stand, kind, issued.signer(), "wrong-purpose")


for _kind in (SealKind.NODE, SealKind.AGENCY):
    _no_gateway(_kind)


@book.asserts(
    "W11.7",
    "by-a-node",
    "A node's `sign` certificate does not seal as `gateway`",
    Part.NEIGHBOUR,
)
async def by_a_node(stand: Stand) -> None:
    await _seal_refused(stand, SealKind.GATEWAY, stand.peer.signer, "wrong-purpose")

"""W11.4 to W11.7: in which branch, for which agencies, and as what."""

from __future__ import annotations

from relay.conformance.certificates import (
    Issuing,
    agency_of,
    gateway_of,
    issuing,
    official,
    sign_of,
    tls_of,
)
from relay.conformance.certified import (
    a_transfer,
    connection_refused,
    header_refused,
    own_issuer,
    seal_accepted,
    seal_refused,
)
from relay.conformance.controls import takes_transfers
from relay.conformance.judging import (
    accepted,
    refused,
    told_of,
)
from relay.conformance.resigned import handover, headed
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
from relay.model import SealKind, digest_of
from relay.wire.branch import write_branch

book = Book(control=takes_transfers)


# ------------------------------------------------------------ W11.4: the branch


def _elsewhere(stand: Stand) -> Issuing:
    """An issuer of a branch in which the kit's first node does not lie."""
    return issuing(stand.authority, [stand.second.node])


@book.asserts(
    "W11.4", "branch", "A header by an issuer that names the node's branch is taken", Part.NEIGHBOUR
)
async def own_branch(stand: Stand) -> None:
    signer = own_issuer(stand).make(sign_of(stand.peer.node)).signer()
    accepted(stand.peer, await stand.peer.send(headed(a_transfer(stand), signer)))


@book.asserts("W11.4", "header", "A header by an issuer of another branch is refused", Part.SECOND)
async def branch_of_header(stand: Stand) -> None:
    signer = _elsewhere(stand).make(sign_of(stand.peer.node)).signer()
    await header_refused(stand, signer, "wrong-branch")


@book.asserts(
    "W11.4", "seal", "A node's seal by an issuer of another branch is refused", Part.SECOND
)
async def branch_of_seal(stand: Stand) -> None:
    signer = _elsewhere(stand).make(sign_of(stand.peer.node)).signer()
    await seal_refused(stand, SealKind.NODE, signer, "wrong-branch")


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
    "unlisted",
    "A node that is not listed is in no branch within the verifier's own",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def unlisted(stand: Stand) -> None:
    unheard = f"{stand.peer.node}-unheard"
    signer = own_issuer(stand).make(sign_of(unheard)).signer()
    found = signed(write_branch(branch(stand, issuer=unheard)), signer)
    refused(await hand_in(stand.peer, found), "wrong-branch")


@book.asserts(
    "W11.4",
    "connection",
    "A connection with a certificate by an issuer of another branch is refused",
    Part.SECOND,
)
async def branch_of_connection(stand: Stand) -> None:
    issued = _elsewhere(stand).make(tls_of(stand.peer.node))
    await connection_refused(stand, issued, "wrong-branch")


# ------------------------------------------------------------ W11.5: the agencies that are named


@book.asserts(
    "W11.5", "agency", "An agency's seal by a certificate that names it is taken", Part.NEIGHBOUR
)
async def agency(stand: Stand) -> None:
    by = own_issuer(stand)
    await seal_accepted(stand, SealKind.AGENCY, by.make(agency_of(stand.peer.agency)), by)


@book.asserts(
    "W11.5", "supplied", "A seal that was made at the agency is taken likewise", Part.NEIGHBOUR
)
async def supplied(stand: Stand) -> None:
    by = own_issuer(stand)
    issued = by.make(agency_of("G99.99", stand.peer.agency))
    await seal_accepted(stand, SealKind.AGENCY_SUPPLIED, issued, by)


@book.asserts(
    "W11.5",
    "wrong-agency",
    "An agency's seal by a certificate that names another agency is refused",
    Part.NEIGHBOUR,
)
async def wrong_agency(stand: Stand) -> None:
    by = own_issuer(stand)
    issued = by.make(agency_of(stand.subject.agency))
    await told_of(stand, issued, by)
    await seal_refused(stand, SealKind.AGENCY, issued.signer(), "wrong-agency")


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
    await seal_refused(stand, SealKind.AGENCY, issued.signer(), "wrong-branch")


# ------------------------------------------------------------ W11.6: bound by the directory


@book.asserts(
    "W11.6",
    "bound",
    "A seal by a certificate that the directory binds to the agency is taken",
    Part.NEIGHBOUR,
    capability=BINDING,
)
async def bound(stand: Stand) -> None:
    by = own_issuer(stand)
    issued = by.make(official())
    await handed_in(stand, branch(stand, kit_agency(stand, digest_of(issued.ders[0]))))
    await seal_accepted(stand, SealKind.AGENCY_SUPPLIED, issued, by)


@book.asserts(
    "W11.6",
    "unbound",
    "A seal by a certificate that names nobody and is bound to nobody is refused",
    Part.NEIGHBOUR,
    capability=BINDING,
)
async def unbound(stand: Stand) -> None:
    by = own_issuer(stand)
    issued = by.make(official())
    await handed_in(stand, branch(stand, kit_agency(stand)))
    await told_of(stand, issued, by)
    await seal_refused(stand, SealKind.AGENCY_SUPPLIED, issued.signer(), "wrong-agency")


@book.asserts(
    "W11.6",
    "not-sent",
    "What binds certificates is not sent to a neighbour that does not say that it reads it",
    Part.SECOND,
    capability=BINDING,
)
async def not_sent(stand: Stand) -> None:
    """A document without any comes behind it, by which it is seen that the neighbour was thought of."""
    by, sub = own_issuer(stand), sub_node(stand)
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
    by = own_issuer(stand)
    await seal_accepted(stand, SealKind.GATEWAY, by.make(gateway_of(stand.peer.node)), by)


def _no_gateway(kind: SealKind) -> None:
    @book.asserts(
        "W11.7", f"as-{kind}", f"A gateway's certificate does not seal as `{kind}`", Part.NEIGHBOUR
    )
    async def refused_as(stand: Stand) -> None:
        by = own_issuer(stand)
        issued = by.make(gateway_of(stand.peer.node))
        await told_of(stand, issued, by)
        await seal_refused(stand, kind, issued.signer(), "wrong-purpose")


for _kind in (SealKind.NODE, SealKind.AGENCY):
    _no_gateway(_kind)


@book.asserts(
    "W11.7",
    "by-a-node",
    "A node's `sign` certificate does not seal as `gateway`",
    Part.NEIGHBOUR,
)
async def by_a_node(stand: Stand) -> None:
    await seal_refused(stand, SealKind.GATEWAY, stand.peer.signer, "wrong-purpose")

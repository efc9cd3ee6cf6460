"""Which issuers may certify whom, by the directory as a node knows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from cryptography import x509

from relay.agencies import Agency, NodeEntry
from relay.errors import SignatureError
from relay.model import AgencyCode, NodeId, Tier
from relay.routing.directory import Directory
from relay.signing.binding import Binding
from relay.signing.certificates import Purpose, read_chain
from relay.signing.trust import Path

N, C = NodeId, AgencyCode
NODES = (
    NodeEntry(N("tw"), Tier.CENTRAL),
    NodeEntry(N("h01"), Tier.PROVINCE, N("tw")),
    NodeEntry(N("h02"), Tier.PROVINCE, N("tw")),
    NodeEntry(N("xa"), Tier.COMMUNE, N("h01")),
    NodeEntry(N("xb"), Tier.COMMUNE, N("h01")),
)
AGENCIES = (
    Agency(C("H01"), "Tỉnh", Tier.PROVINCE, N("h01")),
    Agency(C("H01.15"), "Xã", Tier.COMMUNE, N("xa")),
    Agency(C("H02"), "Tỉnh khác", Tier.PROVINCE, N("h02")),
)


@pytest.fixture(scope="module")
def binding() -> Binding:
    """As the province `h01` sees the tree."""
    return Binding(Directory(NODES, AGENCIES), N("h01"))


@pytest.fixture(scope="module")
def path_under(pki: Any, now: datetime) -> Any:
    """The path of a certificate whose issuer names these branches."""

    def make(uri: str, *tops: str, purpose: Purpose = Purpose.SIGN) -> Path:
        names = [x509.UniformResourceIdentifier(f"urn:truc-relay:branch:{top}") for top in tops]
        issuer = pki.issue(issuer=pki.root, label="CA", ca=True, pathlen=0, names=names)
        leaf = pki.issue(f"urn:truc-relay:{uri}", issuer=issuer)
        path: Path = pki.trust.path(read_chain([leaf.der, issuer.der]), now, purpose)
        return path

    return make


def _held(work: Any, *arguments: Any) -> bool:
    try:
        work(*arguments)
    except SignatureError as error:
        return error.reason != "wrong-branch"
    return True


@pytest.mark.parametrize(
    ("node", "tops", "may"),
    [
        ("xa", ["h01"], True),
        ("xa", ["xa"], True),
        ("xa", ["tw"], True),
        ("xa", ["xb", "xa"], True),
        ("xa", ["xb"], False),
        ("h01", ["xa"], False),
        ("tw", ["h01"], False),
        ("h02", ["h01"], False),
        ("xa", ["nowhere"], False),
        ("unlisted", ["h01"], False),
        ("unlisted", ["xa"], False),
        ("unlisted", ["h02"], True),
        ("unlisted", ["nowhere"], True),
    ],
)
def test_an_issuer_certifies_nodes_of_its_branches(
    binding: Binding, path_under: Any, node: str, tops: list[str], may: bool
) -> None:
    """What is listed must lie below a top; what is not lies outside this node's branch, as its issuer."""
    assert _held(binding.require_node, path_under(f"node:{node}:sign", *tops)) is may


@pytest.mark.parametrize(
    ("code", "top", "may"),
    [
        ("H01.15", "xa", True),
        ("H01.15", "h01", True),
        ("H01", "xa", False),
        ("H02", "h01", False),
        ("H77", "h02", True),
        ("H77", "h01", False),
    ],
)
def test_an_issuer_certifies_agencies_served_in_its_branches(
    binding: Binding, path_under: Any, code: str, top: str, may: bool
) -> None:
    """An agency lies where the node that serves it does."""
    path = path_under(f"agency:{code}", top, purpose=Purpose.AGENCY)

    assert _held(binding.require_agency, path, C(code)) is may


@pytest.mark.parametrize("unlimited", [True, False])
def test_an_issuer_that_names_no_branch_is_a_choice(path_under: Any, unlimited: bool) -> None:
    """`issuers_without_branch` accepts or refuses it."""
    binding = Binding(Directory(NODES, AGENCIES), N("h01"), unlimited)

    assert _held(binding.require_node, path_under("node:xa:sign")) is unlimited


def test_an_issuer_names_branches_and_nothing_else(pki: Any, now: datetime) -> None:
    """A CA that also claims to be a node issues nothing."""
    names = [x509.UniformResourceIdentifier("urn:truc-relay:node:tw:sign")]
    issuer = pki.issue(issuer=pki.root, label="CA", ca=True, pathlen=0, names=names)
    chain = read_chain([pki.node("tw", issuer=issuer).der, issuer.der])

    with pytest.raises(SignatureError, match="no path"):
        pki.trust.path(chain, now, Purpose.SIGN)

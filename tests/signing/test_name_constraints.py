"""Name constraints: what an issuer may certify below itself (RFC 5280 §4.2.1.10)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from relay.errors import SignatureError
from relay.signing.certificates import Purpose, read_chain
from relay.signing.constraints import check_names
from relay.signing.trust import TrustStore


def _dns(text: str) -> x509.GeneralName:
    return x509.DNSName(text)


def _ip(text: str) -> x509.GeneralName:
    return x509.IPAddress(ip_network(text) if "/" in text else ip_address(text))


def _uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def _mail(text: str) -> x509.GeneralName:
    return x509.RFC822Name(text)


def _directory(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.GeneralName:
    return x509.DirectoryName(x509.Name([x509.NameAttribute(oid, one) for oid, one in attributes]))


def _verdict(
    pki: Any,
    certify: Any,
    name: x509.GeneralName,
    *,
    permitted: list[x509.GeneralName] | None = None,
    excluded: list[x509.GeneralName] | None = None,
) -> str:
    """Of a certificate with this name below an issuer with these constraints; empty when it may."""
    limits = x509.NameConstraints(permitted, excluded)
    issuer = pki.issue(issuer=pki.root, label="Limited", ca=True, extra=limits)
    leaf = certify("Leaf", pki.issuing.key, issuer=issuer, names=[name])
    try:
        check_names(issuer.certificate, leaf.certificate)
    except SignatureError as error:
        return error.reason
    return ""


CASES = [
    (_dns, "a.example.vn", "example.vn", True),
    (_dns, "example.vn", "example.vn", True),
    (_dns, "EXAMPLE.vn", "example.VN", True),
    (_dns, "badexample.vn", "example.vn", False),
    (_dns, "example.vn", ".example.vn", False),
    (_dns, "a.example.vn", ".example.vn", True),
    (_dns, "*.example.vn", "example.vn", True),
    (_dns, "*.vn", "example.vn", False),
    (_ip, "10.1.2.3", "10.1.0.0/16", True),
    (_ip, "10.2.2.3", "10.1.0.0/16", False),
    (_ip, "2001:db8::1", "10.1.0.0/16", False),
    (_ip, "2001:db8::1", "2001:db8::/32", True),
    (_mail, "a@example.vn", "example.vn", True),
    (_mail, "a@b.example.vn", "example.vn", False),
    (_mail, "a@b.example.vn", ".example.vn", True),
    (_mail, "a@example.vn", "a@example.vn", True),
    (_mail, "b@example.vn", "a@example.vn", False),
    (_uri, "https://example.vn/x", "example.vn", True),
    (_uri, "https://a.example.vn/x", "example.vn", False),
    (_uri, "https://a.example.vn/x", ".example.vn", True),
    (_uri, "urn:truc-relay:agency:H01", "example.vn", False),
    (_uri, "https://10.0.0.1/", "example.vn", False),
]


@pytest.mark.parametrize(("kind", "name", "tree", "inside"), CASES)
def test_what_is_permitted(
    pki: Any, certify: Any, kind: Any, name: str, tree: str, inside: bool
) -> None:
    """Only names inside the permitted subtree of their form."""
    found = _verdict(pki, certify, kind(name), permitted=[kind(tree)])

    assert found == ("" if inside else "name-constraint")


@pytest.mark.parametrize(("kind", "name", "tree", "inside"), CASES)
def test_what_is_excluded(
    pki: Any, certify: Any, kind: Any, name: str, tree: str, inside: bool
) -> None:
    """What lies inside is refused; so is a name of which it cannot be told."""
    found = _verdict(pki, certify, kind(name), excluded=[kind(tree)])

    untold = name == "*.vn" or (kind is _uri and ("urn:" in name or "10.0" in name))
    assert found == ("name-constraint" if inside or untold else "")


def test_a_constraint_says_nothing_of_other_forms(pki: Any, certify: Any) -> None:
    """An issuer limited in its DNS names may certify any address."""
    assert _verdict(pki, certify, _ip("10.1.2.3"), permitted=[_dns("example.vn")]) == ""


@pytest.mark.parametrize(
    ("subject", "inside"),
    [
        ("Bộ  mẫu", True),
        ("bộ MẪU", True),
        ("Bộ khác", False),
    ],
)
def test_directory_names_are_compared_as_people_read_them(
    pki: Any, certify: Any, subject: str, inside: bool
) -> None:
    """Case and white space do not tell names apart; the subject is what is limited."""
    limits = x509.NameConstraints([_directory((NameOID.COMMON_NAME, "Bộ mẫu"))], None)
    issuer = pki.issue(issuer=pki.root, label="Limited", ca=True, extra=limits)
    leaf = certify(subject, pki.issuing.key, issuer=issuer)
    try:
        check_names(issuer.certificate, leaf.certificate)
        held = True
    except SignatureError:
        held = False

    assert held is inside


def test_they_bind_the_whole_path_below(pki: Any, certify: Any, now: Any) -> None:
    """Not only what the issuer itself signed: a subordinate cannot shed them."""
    limits = x509.NameConstraints(None, [_dns("secret.example.vn")])
    root = pki.issue(issuer=None, label="Wide", ca=True, extra=limits)
    below = pki.issue(issuer=root, label="Below", ca=True)
    store = TrustStore([root.pem])
    good = pki.node("tw", "tls", issuer=below, names=[_dns("open.example.vn")])
    bad = pki.node("tw", "tls", issuer=below, names=[_dns("secret.example.vn")])

    store.judge(read_chain([good.der, below.der]), now, Purpose.TLS)
    with pytest.raises(SignatureError) as caught:
        store.judge(read_chain([bad.der, below.der]), now, Purpose.TLS)

    assert caught.value.reason == "name-constraint"


def test_an_issuer_that_limits_an_unknown_form_issues_nothing(pki: Any, now: Any) -> None:
    """What cannot be judged is refused."""
    limits = x509.NameConstraints([x509.RegisteredID(NameOID.COMMON_NAME)], None)
    issuer = pki.issue(issuer=pki.root, label="Odd", ca=True, extra=limits)
    chain = read_chain([pki.node("tw", issuer=issuer).der, issuer.der])

    with pytest.raises(SignatureError) as caught:
        pki.trust.judge(chain, now, Purpose.SIGN)

    assert caught.value.reason == "untrusted"

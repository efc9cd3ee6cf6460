"""Our paths against pyhanko-certvalidator's, over a family of good and bad chains: we never accept what it
refuses; where it accepts what we refuse, it is a rule of ours that is listed here.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathBuildingError, PathValidationError, ValidationError

from relay.errors import SignatureError
from relay.signing.certificates import Purpose, read_chain
from relay.signing.trust import TrustStore

CHAINS = 300
STRICTER = {
    "algorithm": "SHA-224 is not of the allow-list",
    "weak-key": "P-521 is not of the allow-list",
    "wrong-purpose": "an issuer's extended key usage limits what it issues",
    "path-too-long": "at most three issuers, however long a path they allow",
    "untrusted": "an issuer's constraints and usage are critical, key ids agree, forms are understood",
    "name-constraint": "an anchor's constraints bind as well; a URI without a host is outside them",
    "expired-certificate": "an anchor's own dates bind as well",
    "not-yet-valid-certificate": "the same",
    "bad-certificate": "the profile of a leaf: its usage is critical and names nonRepudiation",
}


@dataclass
class Wish:
    """What a certificate of a chain is made with."""

    options: dict[str, Any] = field(default_factory=dict)
    kind: str = "p256"


def _odd_issuer(pick: random.Random, now: datetime) -> Wish:
    limits: list[x509.GeneralName] = [
        x509.DNSName(pick.choice(["example.vn", "other.vn"])),
        x509.IPAddress(ip_network(pick.choice(["10.0.0.0/8", "192.0.2.0/24"]))),
        x509.UniformResourceIdentifier("example.vn"),
        x509.DirectoryName(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, pick.choice(["Leaf", "Other"]))])
        ),
    ]
    several = pick.sample(limits, k=pick.randint(1, 2))
    return pick.choice(
        [
            Wish({"pathlen": pick.choice([0, 1])}),
            Wish({"ca": False}),
            Wish({"usage": {"crl_sign": True}}),
            Wish({"usage_critical": False}),
            Wish({"not_after": now - timedelta(days=1)}),
            Wish({"not_before": now + timedelta(days=1)}),
            Wish({"extra": x509.NameConstraints(several, None)}),
            Wish({"extra": x509.NameConstraints(None, several)}),
            Wish({"uses": [ExtendedKeyUsageOID.SERVER_AUTH]}),
            Wish({"extra": x509.InhibitAnyPolicy(0)}),
            Wish({"hash_algorithm": hashes.SHA384()}, "p384"),
            Wish({}, "p384"),
        ]
    )


def _odd_leaf(pick: random.Random, now: datetime) -> Wish:
    return pick.choice(
        [
            Wish({"not_after": now - timedelta(days=1)}),
            Wish({"not_before": now + timedelta(days=1)}),
            Wish({"usage": {"digital_signature": True}}),
            Wish({"usage_critical": False}),
            Wish({"hash_algorithm": hashes.SHA224()}),
            Wish({"extra": x509.OCSPNoCheck()}),
            Wish({"ca": True, "usage": {"digital_signature": True, "content_commitment": True}}),
            Wish({"names": [x509.DNSName("a.example.vn")]}),
            Wish({"names": [x509.DNSName("a.other.vn")]}),
        ]
    )


def _chain(pki: Any, pick: random.Random, now: datetime) -> tuple[Any, list[Any]]:
    """The root, and the chain from the leaf up; one to three things of it may be odd."""
    depth = pick.choice([1, 1, 1, 2, 2, 3])
    odd = set(pick.sample(range(depth + 2), k=pick.choice([0, 1, 1, 1, 2])))
    wishes = [_odd_issuer(pick, now) if place in odd else Wish() for place in range(depth + 1)]
    made = [_issuer(pki, None, "Root", wishes[0])]
    for place in range(1, depth + 1):
        made.append(_issuer(pki, made[-1], f"CA {place}", wishes[place]))
    wish = _odd_leaf(pick, now) if depth + 1 in odd else Wish()
    names = [x509.UniformResourceIdentifier("urn:truc-relay:node:tw:sign")]
    names += wish.options.pop("names", [])
    leaf = pki.issue(label="Leaf", issuer=made[-1], names=names, kind=wish.kind, **wish.options)
    if pick.random() < 0.1:  # another key under the issuer's name
        made[-1] = _issuer(pki, made[-2] if depth else None, f"CA {depth}", Wish())
    return made[0], [leaf, *reversed(made[1:])]


def _issuer(pki: Any, issuer: Any, label: str, wish: Wish) -> Any:
    return pki.issue(label=label, kind=wish.kind, **({"ca": True, "issuer": issuer} | wish.options))


def _ours(root: Any, chain: list[Any], now: datetime) -> str:
    """Why it is refused; empty when it is not."""
    try:
        store = TrustStore([root.pem])
    except Exception:  # noqa: BLE001 - a root that is none is refused when it is pinned
        return "no-root"
    try:
        store.judge(read_chain([one.der for one in chain]), now, Purpose.SIGN)
    except SignatureError as error:
        return error.reason
    return ""


def _theirs(root: Any, chain: list[Any], now: datetime) -> str:
    leaf, *above = (asn1.Certificate.load(one.der) for one in chain)
    context = ValidationContext(
        trust_roots=[asn1.Certificate.load(root.der)],
        moment=now,
        allow_fetching=False,
        revocation_mode="soft-fail",
    )
    validator = CertificateValidator(leaf, intermediate_certs=above, validation_context=context)
    try:
        asyncio.run(validator.async_validate_usage({"digital_signature"}))
    except (PathBuildingError, PathValidationError, ValidationError) as error:
        return type(error).__name__
    return ""


@pytest.mark.filterwarnings("ignore")
def test_we_accept_nothing_that_certvalidator_refuses(pki: Any, now: datetime) -> None:
    """Chains with nothing, one thing or two things odd; every disagreement is a stricter rule of ours."""
    pick, met = random.Random(5280), Counter[tuple[bool, bool]]()
    for number in range(CHAINS):
        root, chain = _chain(pki, pick, now)
        ours, theirs = _ours(root, chain, now), _theirs(root, chain, now)
        met[not ours, not theirs] += 1

        assert ours or not theirs, f"chain {number}: we accept, certvalidator says {theirs}"
        if ours and not theirs and ours != "no-root":
            assert ours in STRICTER, f"chain {number}: {ours} is no rule that is listed"

    assert met[True, True] > CHAINS / 10
    assert met[False, False] > CHAINS / 10

"""Paths from a certificate to a root."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from relay.errors import SettingsError, SignatureError
from relay.signing.certificates import Chain, Purpose, read_chain
from relay.signing.trust import TrustStore
from relay.signing.trust import store as store_module


def _chain(*entities: Any) -> Chain:
    return read_chain([entity.der for entity in entities])


def _reason(store: TrustStore, chain: Chain, at: datetime, purpose: Purpose = Purpose.SIGN) -> str:
    with pytest.raises(SignatureError) as caught:
        store.judge(chain, at, purpose)
    return caught.value.reason


def test_a_leaf_under_its_issuer_is_trusted(pki: Any, now: datetime) -> None:
    """Leaf and issuing authority lead to the root."""
    node = pki.node("tw")

    assert pki.trust.judge(_chain(node, pki.issuing), now, Purpose.SIGN).identity.node == "tw"


def test_a_root_may_issue_a_leaf(pki: Any, now: datetime) -> None:
    """An issuing authority between them is usual, not required."""
    leaf = pki.node("tw", issuer=pki.root)

    assert pki.trust.judge(_chain(leaf), now, Purpose.SIGN).identity.node == "tw"


def test_a_known_intermediate_fills_the_gap(pki: Any, now: datetime) -> None:
    """Signers that send their own certificate alone are found through the store's intermediates."""
    leaf = _chain(pki.node("tw"))

    TrustStore([pki.root.der], [pki.issuing.pem]).judge(leaf, now, Purpose.SIGN)
    assert _reason(pki.trust, leaf, now) == "untrusted"


def test_an_intermediate_is_no_anchor(pki: Any, now: datetime, make_pki: Any) -> None:
    """A helping intermediate whose root is unknown proves nothing."""
    other = make_pki("rsa2048")

    store = TrustStore([other.root.pem], [pki.issuing.pem])

    assert _reason(store, _chain(pki.node("tw")), now) == "untrusted"


def test_several_roots_are_told_apart(pki: Any, make_pki: Any, now: datetime) -> None:
    """Roots of the same name do not hide each other."""
    other = make_pki("rsa2048")
    store = TrustStore([other.root.pem + pki.root.pem])

    store.judge(_chain(pki.node("tw"), pki.issuing), now, Purpose.SIGN)
    store.judge(_chain(other.node("tw"), other.issuing), now, Purpose.SIGN)


@pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.SIGN])
def test_a_certificate_serves_one_purpose(pki: Any, now: datetime, purpose: Purpose) -> None:
    """A signing certificate is nothing else."""
    assert _reason(pki.trust, _chain(pki.node("tw"), pki.issuing), now, purpose) == "wrong-purpose"


def test_a_log_certificate_is_judged_too(pki: Any, now: datetime) -> None:
    """The log's Ed25519 key is bound to its node by the same authority."""
    log = _chain(pki.node("tw", "log"), pki.issuing)

    assert pki.trust.judge(log, now, Purpose.LOG).identity.node == "tw"


def test_both_ends_of_validity_are_inside(pki: Any, now: datetime) -> None:
    """RFC 5280: the period includes its first and its last second."""
    first, last = now.replace(microsecond=0), now.replace(microsecond=0) + timedelta(days=1)
    chain = _chain(pki.node("tw", not_before=first, not_after=last), pki.issuing)

    for inside in (first, last):
        pki.trust.judge(chain, inside, Purpose.SIGN)
    second = timedelta(seconds=1)
    assert _reason(pki.trust, chain, first - second) == "not-yet-valid-certificate"
    assert _reason(pki.trust, chain, last + second) == "expired-certificate"


def test_a_remembered_verdict_ends_with_the_certificate(pki: Any, now: datetime) -> None:
    """Having been right once does not make a path right for ever."""
    chain = _chain(pki.node("tw", not_after=now + timedelta(days=1)), pki.issuing)

    for _ in range(2):
        pki.trust.judge(chain, now, Purpose.SIGN)
        assert _reason(pki.trust, chain, now + timedelta(days=2)) == "expired-certificate"


def test_a_remembered_verdict_is_of_the_whole_chain(pki: Any, now: datetime) -> None:
    """The same leaf without its issuer is judged anew."""
    node = pki.node("tw")
    store = TrustStore([pki.root.pem])

    store.judge(_chain(node, pki.issuing), now, Purpose.SIGN)

    assert _reason(store, _chain(node), now) == "untrusted"


def test_an_expired_issuer_may_have_a_renewed_twin(pki: Any, certify: Any, now: datetime) -> None:
    """Of several paths the one that is valid at the instant counts."""
    renewed = pki.issue(issuer=pki.root, label="Renewed", ca=True, pathlen=0)
    expired = certify(
        "Renewed",
        renewed.key,
        issuer=pki.root,
        ca=True,
        pathlen=0,
        not_after=now - timedelta(days=1),
    )
    leaf = pki.node("tw", issuer=renewed)

    pki.trust.judge(_chain(leaf, expired, renewed), now, Purpose.SIGN)
    assert _reason(pki.trust, _chain(leaf, expired), now) == "expired-certificate"


def test_memory_is_bounded(pki: Any, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """More signers than there is room for push the oldest verdict out."""
    monkeypatch.setattr(store_module, "CACHE_LIMIT", 2)
    store = TrustStore([pki.root.pem])

    for _ in range(4):
        store.judge(_chain(pki.node("tw"), pki.issuing), now, Purpose.SIGN)

    assert len(store._book.paths) == 2


def test_an_authority_within_its_path_length(pki: Any, now: datetime) -> None:
    """An issuer that allows none below itself cannot be made to."""
    middle = pki.issue(issuer=pki.root, label="Middle", ca=True)
    lower = pki.issue(issuer=middle, label="Lower", ca=True)
    leaf = pki.node("tw", issuer=lower)

    assert _reason(pki.trust, _chain(leaf, lower, middle), now) == "path-too-long"


def test_two_authorities_pass_where_allowed(pki: Any, now: datetime) -> None:
    """A root without a limit takes two levels below it, and no third."""
    root = pki.issue(issuer=None, label="Wide", ca=True)
    one = pki.issue(issuer=root, label="One", ca=True)
    two = pki.issue(issuer=one, label="Two", ca=True)
    three = pki.issue(issuer=two, label="Three", ca=True)
    store = TrustStore([root.pem])

    store.judge(_chain(pki.node("tw", issuer=two), two, one), now, Purpose.SIGN)
    deep = _chain(pki.node("tw", issuer=three), three, two, one)
    assert _reason(store, deep, now) == "path-too-long"


def _weak_issuers(pki: Any) -> Sequence[Any]:
    return [
        pki.issue(issuer=pki.root, label="No CA", usage={"key_cert_sign": True}),
        pki.issue(issuer=pki.root, label="No keyCertSign", ca=True, usage={"crl_sign": True}),
        pki.issue(issuer=pki.root, label="Not critical", ca=True, usage_critical=False),
    ]


@pytest.mark.parametrize("index", range(3))
def test_an_issuer_must_be_one(pki: Any, now: datetime, index: int) -> None:
    """CA flag, keyCertSign and their being critical are all needed."""
    issuer = _weak_issuers(pki)[index]

    assert _reason(pki.trust, _chain(pki.node("tw", issuer=issuer), issuer), now) == "untrusted"


def test_certificates_signed_with_sha1_lead_nowhere(pki: Any, now: datetime) -> None:
    """Only SHA-2 signatures count on certificates, too."""
    leaf = pki.node("tw", hash_algorithm=hashes.SHA224())

    assert _reason(pki.trust, _chain(leaf, pki.issuing), now) == "algorithm"


@pytest.mark.parametrize(
    "key",
    [
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
        lambda: rsa.generate_private_key(public_exponent=3, key_size=2048),
        lambda: ec.generate_private_key(ec.SECP521R1()),
        lambda: ec.generate_private_key(ec.SECP256K1()),
    ],
    ids=["rsa-1024", "exponent-3", "p521", "secp256k1"],
)
def test_weak_and_odd_keys_are_refused(pki: Any, certify: Any, key: Any) -> None:
    """A certificate for a key that is not on the allow-list cannot even be read."""
    entity = certify("Weak", key(), issuer=pki.issuing, uris=["urn:truc-relay:node:tw:sign"])

    with pytest.raises(SignatureError) as caught:
        read_chain([entity.der])

    assert caught.value.reason == "weak-key"


def test_roots_must_be_authorities(pki: Any) -> None:
    """A configuration that trusts a leaf, garbage or nothing does not start."""
    for roots in ([], [pki.node("tw").pem], [b"garbage"], [b"-----BEGIN CERTIFICATE-----\n"]):
        with pytest.raises(SettingsError):
            TrustStore(roots)


def test_no_certificates_are_refused_by_a_word() -> None:
    """Whoever hands in an empty list has handed in no chain."""
    with pytest.raises(SignatureError, match="there is no certificate") as caught:
        read_chain([])
    assert caught.value.reason == "bad-certificate"

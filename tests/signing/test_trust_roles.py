"""Whom anchors are pinned for, what each profile demands, and what a hostile chain may cost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Use

from relay.errors import SettingsError, SignatureError
from relay.model import AgencyCode, NodeId, digest_of
from relay.signing.certificates import Chain, Purpose, read_chain
from relay.signing.notary import NodeNotary
from relay.signing.revocation.aims import Plan
from relay.signing.revocation.asof import judge_signature
from relay.signing.revocation.checking import RevocationCheck
from relay.signing.revocation.held import HeldStatements
from relay.signing.revocation.signers import KnownSigners, signed_by
from relay.signing.revocation.verdicts import Freshness, RevocationState
from relay.signing.seal import verify_seal
from relay.signing.trust import Role, TrustStore, read_anchors
from relay.signing.trust.search import SIGNATURE_LIMIT, Search

PLAN = Plan(lambda _: False, Freshness(), timedelta(hours=1), lambda: 0.5)


def _chain(*entities: Any) -> Chain:
    return read_chain([entity.der for entity in entities])


def _reason(store: TrustStore, chain: Chain, at: datetime, purpose: Purpose) -> str:
    with pytest.raises(SignatureError) as caught:
        store.judge(chain, at, purpose)
    return caught.value.reason


@pytest.fixture(scope="module")
def other(make_pki: Any) -> Any:
    return make_pki("rsa2048")


# ---------------------------------------------------------------- roles


def test_a_pinned_role_has_its_own_anchors_only(pki: Any, other: Any, now: datetime) -> None:
    """Whoever may issue for nodes may not seal for agencies, and the other way round."""
    store = TrustStore([pki.root.pem], pinned={Role.AGENCY: [other.root.pem]})

    store.judge(_chain(pki.node("tw"), pki.issuing), now, Purpose.SIGN)
    store.judge(_chain(pki.gateway("tw"), pki.issuing), now, Purpose.GATEWAY)
    store.judge(_chain(other.agency("H01"), other.issuing), now, Purpose.AGENCY)
    strange = _chain(pki.agency("H01"), pki.issuing)
    assert _reason(store, strange, now, Purpose.AGENCY) == "untrusted"
    assert _reason(store, _chain(other.node("tw"), other.issuing), now, Purpose.SIGN) == "untrusted"


def test_a_seal_by_a_certificate_that_names_nobody_stands_under_the_anchors_of_agencies(
    pki: Any, other: Any, now: datetime
) -> None:
    """Wherever it is judged: a certificate that is bound to an agency signs no papers of an official here,
    and has nothing to do with whom officials' signatures are judged by."""
    store = TrustStore([pki.root.pem], pinned={Role.OFFICIAL: [other.root.pem]})
    clerk = pki.issue(label="Văn thư").signer
    check = RevocationCheck(HeldStatements(PLAN), {}, lambda: now)
    code, digest = AgencyCode("H01"), digest_of(b"letter")
    notary = NodeNotary(
        NodeId("h01"), clerk, {code: clerk}, store, lambda _: frozenset(), revocation=check
    )

    seal = notary.seal(digest, code, now)

    verify_seal(seal.signature, digest, store, None)
    assert signed_by(seal.signature, store) is not None
    assert judge_signature(seal.signature, [], store, now).state is RevocationState.UNKNOWN
    assert KnownSigners(store, check).resting(seal.signature, looking=True) is None  # no statement
    assert check.path_of(digest_of(clerk.chain[0])) is not None


def test_what_comes_into_force_replaces_everything(pki: Any, other: Any, now: datetime) -> None:
    """Verdicts that were remembered are gone with the anchors that they stood on."""
    store = TrustStore([pki.root.pem])
    ours, theirs = _chain(pki.node("tw"), pki.issuing), _chain(other.node("tw"), other.issuing)
    store.judge(ours, now, Purpose.SIGN)

    store.become(read_anchors([other.root.pem]))

    assert _reason(store, ours, now, Purpose.SIGN) == "untrusted"
    store.judge(theirs, now, Purpose.SIGN)


def test_a_path_names_each_certificate_with_its_issuer(pki: Any, now: datetime) -> None:
    """From the leaf up to the anchor: what revocation is judged by."""
    node = pki.node("tw")

    path = pki.trust.path(_chain(node, pki.issuing), now, Purpose.SIGN)

    assert list(path.steps()) == [
        (node.certificate, pki.issuing.certificate),
        (pki.issuing.certificate, pki.root.certificate),
    ]
    assert path.window.holds(now)


def test_every_unusable_anchor_is_told_at_once(pki: Any) -> None:
    """With the list it stands in."""
    with pytest.raises(SettingsError) as caught:
        read_anchors([pki.node("tw").pem], [b"no PEM"], {Role.NODE: [b"nor this"]})

    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "trusted certificate (node)",
        "trusted certificate (roots)",
        "trusted certificate (intermediates)",
    ]


# ---------------------------------------------------------------- profiles

SIGNS = {"digital_signature": True}
VOUCHES = {"digital_signature": True, "content_commitment": True}
PROFILES: list[tuple[Purpose, dict[str, Any], str]] = [
    (Purpose.OFFICIAL, {"usage": VOUCHES}, ""),
    (Purpose.OFFICIAL, {"usage": VOUCHES, "kind": "p384"}, ""),
    (Purpose.OFFICIAL, {"usage": SIGNS}, "bad-certificate"),
    (Purpose.OFFICIAL, {"usage": {"key_encipherment": True}}, "bad-certificate"),
    (Purpose.TIMESTAMP, {"usage": SIGNS, "extra": x509.ExtendedKeyUsage([Use.TIME_STAMPING])}, ""),
    (Purpose.TIMESTAMP, {"usage": SIGNS, "uses": [Use.TIME_STAMPING]}, "bad-certificate"),
    (
        Purpose.TIMESTAMP,
        {"usage": SIGNS, "extra": x509.ExtendedKeyUsage([Use.TIME_STAMPING, Use.CLIENT_AUTH])},
        "bad-certificate",
    ),
    (Purpose.TIMESTAMP, {"usage": VOUCHES}, "wrong-purpose"),
    (Purpose.OCSP, {"usage": SIGNS, "uses": [Use.OCSP_SIGNING]}, ""),
    (
        Purpose.OCSP,
        {"usage": SIGNS, "uses": [Use.OCSP_SIGNING, Use.SERVER_AUTH]},
        "bad-certificate",
    ),
    (Purpose.OCSP, {"usage": VOUCHES, "uses": [Use.SERVER_AUTH]}, "wrong-purpose"),
]


@pytest.mark.parametrize(("purpose", "options", "refused"), PROFILES)
def test_profiles_of_those_who_are_not_of_the_relay(
    pki: Any, now: datetime, purpose: Purpose, options: dict[str, Any], refused: str
) -> None:
    """Officials, timestamp authorities and OCSP responders are known by usage, not by a name."""
    entity = pki.issue(**options)

    assert _verdict(pki, entity, now, purpose) == refused


def _verdict(pki: Any, entity: Any, now: datetime, purpose: Purpose) -> str:
    try:
        leaf = pki.trust.judge(_chain(entity, pki.issuing), now, purpose)
    except SignatureError as error:
        return error.reason
    return "" if (leaf.identity.purpose, leaf.identity.node) == (purpose, None) else "another's"


@pytest.mark.parametrize("use", [Use.TIME_STAMPING, Use.OCSP_SIGNING])
def test_a_nodes_certificate_is_nothing_beside(pki: Any, use: Any) -> None:
    """One that could also issue timestamps or revocation answers is refused."""
    with pytest.raises(SignatureError, match="stands alone"):
        _chain(pki.node("tw", uses=[use]))


def test_p384_issues_and_speaks_tls_but_seals_nothing(
    pki: Any, certify: Any, now: datetime
) -> None:
    """P-384 with SHA-384 above; documents are signed with P-256 or RSA (W3.1)."""
    key = ec.generate_private_key(ec.SECP384R1())
    issuer = certify("Big", key, issuer=pki.root, ca=True, pathlen=0)
    tls = pki.node("tw", "tls", kind="p384", issuer=issuer, hash_algorithm=hashes.SHA384())

    pki.trust.judge(_chain(tls, issuer), now, Purpose.TLS)
    with pytest.raises(SignatureError) as caught:
        _chain(pki.node("tw", kind="p384", issuer=issuer))
    assert caught.value.reason == "weak-key"


def test_an_issuer_for_some_uses_issues_for_no_other(pki: Any, now: datetime) -> None:
    """Its extended key usage binds what hangs below it."""
    uses = [Use.SERVER_AUTH, Use.CLIENT_AUTH]
    web = pki.issue(issuer=pki.root, label="Web", ca=True, pathlen=0, uses=uses)

    pki.trust.judge(_chain(pki.node("tw", "tls", issuer=web), web), now, Purpose.TLS)
    sign = _chain(pki.node("tw", issuer=web), web)
    assert _reason(pki.trust, sign, now, Purpose.SIGN) == "wrong-purpose"


# ---------------------------------------------------------------- what it may cost


def _twins(pki: Any, count: int, issuer: Any) -> Sequence[Any]:
    """Authorities of one name without key ids, each with a key of its own."""
    return [pki.issue(issuer=issuer, label="Twin", ca=True) for _ in range(count)]


def test_a_chain_made_to_be_costly_costs_a_handful_of_signatures(pki: Any, now: datetime) -> None:
    """Forty issuers of the right name, none of which issued the leaf."""
    strange = pki.issue(issuer=None, label="Strange", ca=True)
    twins = _twins(pki, 40, strange)
    leaf = pki.node("tw", issuer=pki.issue(issuer=strange, label="Twin", ca=True))
    nameless = [_without_key_id(one) for one in twins]
    search = Search((pki.root.certificate,), tuple(nameless))

    found = list(search.ways((_without_key_id(leaf),)))

    assert found == []
    assert search.left == 0
    assert search.fault().reason == "untrusted"
    assert str(SIGNATURE_LIMIT) in str(search.fault())


def test_another_generations_key_costs_no_signature(pki: Any) -> None:
    """Issuers of the right name whose key id is not the one that the leaf names are passed over."""
    strange = pki.issue(issuer=None, label="Strange", ca=True)
    search = Search(
        (pki.root.certificate,), tuple(one.certificate for one in _twins(pki, 3, strange))
    )
    leaf = pki.node("tw", issuer=pki.issue(issuer=strange, label="Twin", ca=True))

    assert list(search.ways((leaf.certificate,))) == []
    assert search.left == SIGNATURE_LIMIT


def _without_key_id(entity: Any) -> x509.Certificate:
    """Signed by itself anew, so that only its name says who issued it."""
    old = entity.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(entity.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for one in old.extensions:
        kinds = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
        if not isinstance(one.value, kinds):
            builder = builder.add_extension(one.value, one.critical)
    return builder.sign(entity.key, hashes.SHA256())


def test_a_circle_leads_nowhere(pki: Any, certify: Any, now: datetime) -> None:
    """Two authorities that certified each other, and no anchor above them."""
    one = pki.issue(issuer=None, label="One", ca=True)
    two = certify("Two", pki.issuing.key, issuer=one, ca=True)
    back = certify("One", one.key, issuer=two, ca=True)

    chain = _chain(pki.node("tw", issuer=two), two, back, one)

    assert _reason(pki.trust, chain, now, Purpose.SIGN) == "untrusted"


def test_any_bytes_in_a_chain_are_a_refusal_and_never_a_fault(pki: Any, now: datetime) -> None:
    """One to three bytes changed, put in or taken out, anywhere in the leaf or its issuer: nothing but a
    SignatureError, unless the chain is the sound one."""
    limits = x509.NameConstraints([x509.DNSName("example.vn"), x509.RFC822Name("example.vn")], None)
    issuer = pki.issue(issuer=pki.root, label="CA", ca=True, pathlen=0, extra=limits)
    names = [x509.DNSName("a.example.vn"), x509.RFC822Name("a@example.vn")]
    sound = [pki.node("tw", issuer=issuer, names=names).der, issuer.der]
    pki.trust.judge(read_chain(sound), now, Purpose.SIGN)
    pick = random.Random(1)

    for _ in range(1500):
        broken = [_broken(pick, der) if pick.random() < 0.6 else der for der in sound]
        if broken != sound:
            with pytest.raises(SignatureError):
                pki.trust.judge(read_chain(broken), now, Purpose.SIGN)


def _broken(pick: random.Random, der: bytes) -> bytes:
    found = bytearray(der)
    for _ in range(pick.randint(1, 3)):
        at = pick.randrange(len(found))
        match pick.randrange(3):
            case 0:
                found[at] ^= pick.randrange(1, 256)
            case 1:
                found.insert(at, pick.randrange(256))
            case _:
                del found[at]
    return bytes(found)

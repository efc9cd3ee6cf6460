"""Seals: what each kind proves, and that nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.errors import SignatureError
from relay.model import AgencyCode, NodeId, Seal, SealKind, digest_of
from relay.signing.seal import ProvenSeal, make_seal, require_sealed_by, verify_seal
from relay.signing.shape import LIMIT_BYTES

ENVELOPE = b"<edXML>envelope</edXML>"
DIGEST = digest_of(ENVELOPE)


def _refused(*args: Any) -> str:
    with pytest.raises(SignatureError) as caught:
        verify_seal(*args)
    return caught.value.reason


@pytest.fixture(scope="module")
def node_seal(pki: Any, now: datetime) -> Seal:
    return make_seal(DIGEST, SealKind.NODE, pki.node("tinh-h01").signer, now)


@pytest.mark.parametrize("kind", ["p256", "rsa2048", "rsa3072"])
def test_an_agency_seal_proves_its_agencies(make_pki: Any, now: datetime, kind: str) -> None:
    """All codes of the certificate, the signing time in whole seconds, and which certificate."""
    pki = make_pki(kind)
    agency = pki.agency("H01.151", "000.00.15.H01")
    seal = make_seal(DIGEST, SealKind.AGENCY, agency.signer, now)

    proven = verify_seal(seal.signature, DIGEST, pki.trust, now)

    assert proven == ProvenSeal(
        kind=SealKind.AGENCY,
        agencies=frozenset({AgencyCode("H01.151"), AgencyCode("000.00.15.H01")}),
        node=None,
        signed_at=now.replace(microsecond=0),
        path=proven.path,
    )
    assert proven.certificate_sha256 == digest_of(agency.der)
    assert proven.subject == "CN=Leaf"
    assert (proven.path.issuers, proven.path.anchor) == (
        (pki.issuing.certificate,),
        pki.root.certificate,
    )


def test_node_and_gateway_seals_prove_a_node(pki: Any, now: datetime, node_seal: Seal) -> None:
    """They vouch for no agency."""
    gateway = make_seal(DIGEST, SealKind.GATEWAY, pki.gateway("tw").signer, now)

    node_proof = verify_seal(node_seal.signature, DIGEST, pki.trust, now)
    gateway_proof = verify_seal(gateway.signature, DIGEST, pki.trust, now)

    assert (node_proof.kind, node_proof.node) == (SealKind.NODE, NodeId("tinh-h01"))
    assert (gateway_proof.kind, gateway_proof.node) == (SealKind.GATEWAY, NodeId("tw"))
    assert not node_proof.agencies | gateway_proof.agencies


def test_a_seal_is_the_same_each_time(pki: Any, now: datetime) -> None:
    """Signing draws on no randomness: the same inputs give the same bytes."""
    signer = pki.node("tinh-h01").signer

    assert make_seal(DIGEST, SealKind.NODE, signer, now) == make_seal(
        DIGEST, SealKind.NODE, signer, now
    )


def test_the_signing_time_is_utc(pki: Any, now: datetime) -> None:
    """A local time of signing is written as UTC."""
    local = now.astimezone(timezone(timedelta(hours=7)))
    seal = make_seal(DIGEST, SealKind.NODE, pki.node("tinh-h01").signer, local)

    assert b">2026-11-23T04:05:06Z<" in seal.signature
    assert verify_seal(seal.signature, DIGEST, pki.trust, local).signed_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("maker", "kind"),
    [
        ("node", SealKind.AGENCY),
        ("node", SealKind.GATEWAY),
        ("agency", SealKind.NODE),
        ("gateway", SealKind.AGENCY_SUPPLIED),
    ],
)
def test_a_key_makes_only_seals_of_its_kind(
    pki: Any, now: datetime, maker: str, kind: SealKind
) -> None:
    """The mistake is refused where it is made, not at the next node."""
    signer = getattr(pki, maker)("H01").signer

    with pytest.raises(SignatureError) as caught:
        make_seal(DIGEST, kind, signer, now)

    assert caught.value.reason == "wrong-purpose"


def test_other_bytes_are_refused(pki: Any, now: datetime, node_seal: Seal) -> None:
    """One more byte of envelope and the seal does not hold."""
    assert _refused(node_seal.signature, digest_of(ENVELOPE + b" "), pki.trust, now) == (
        "digest-mismatch"
    )


@settings(max_examples=300)
@given(position=st.integers(0, 8 * len(ENVELOPE) - 1))
def test_any_flipped_bit_of_the_envelope_is_refused(
    pki: Any, now: datetime, node_seal: Seal, position: int
) -> None:
    """The seal covers every bit of the document."""
    flipped = bytearray(ENVELOPE)
    flipped[position // 8] ^= 1 << position % 8

    assert _refused(node_seal.signature, digest_of(bytes(flipped)), pki.trust, now) == (
        "digest-mismatch"
    )


def test_any_flipped_bit_of_the_signature_is_refused(
    pki: Any, now: datetime, node_seal: Seal
) -> None:
    """Every byte of a signature matters, signed or not: there is no room to change it unseen."""
    for index in range(len(node_seal.signature)):
        flipped = bytearray(node_seal.signature)
        flipped[index] ^= 1 << index % 8

        assert _refused(bytes(flipped), DIGEST, pki.trust, now)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_clearly(pki: Any, now: datetime, content: bytes) -> None:
    """Arbitrary bytes are a SignatureError and nothing else."""
    assert _refused(content, DIGEST, pki.trust, now) in {
        "malformed",
        "doctype",
        "shape",
        "many-signatures",
    }


@given(data=st.data())
def test_any_edit_of_a_signature_is_refused_or_harmless(
    pki: Any, now: datetime, node_seal: Seal, data: st.DataObject
) -> None:
    """Pieces moved, dropped or doubled: refused, or still the same proof."""
    good = node_seal.signature
    cuts = sorted(data.draw(st.integers(0, len(good))) for _ in range(4))
    pieces = [good[a:b] for a, b in zip([0, *cuts], [*cuts, len(good)], strict=True)]
    edited = b"".join(data.draw(st.lists(st.sampled_from(pieces), max_size=7)))

    try:
        proven = verify_seal(edited, DIGEST, pki.trust, now)
    except SignatureError:
        return
    assert proven == verify_seal(good, DIGEST, pki.trust, now)


def test_a_large_signature_is_not_read(pki: Any, now: datetime, node_seal: Seal) -> None:
    """The limit is judged before anything else, and named."""
    padded = node_seal.signature + b" " * LIMIT_BYTES

    with pytest.raises(SignatureError, match="limit 65536 bytes") as caught:
        verify_seal(padded, DIGEST, pki.trust, now)

    assert caught.value.reason == "too-large"


def test_a_seal_of_the_past_is_judged_at_its_own_time(pki: Any, now: datetime) -> None:
    """With no instant given, an expired certificate still proves what it signed while valid."""
    agency = pki.agency("H01", not_after=now + timedelta(days=1))
    seal = make_seal(DIGEST, SealKind.AGENCY, agency.signer, now)

    assert verify_seal(seal.signature, DIGEST, pki.trust, None).signed_at.year == 2026
    assert _refused(seal.signature, DIGEST, pki.trust, now + timedelta(days=2)) == (
        "expired-certificate"
    )
    assert _refused(seal.signature, DIGEST, pki.trust, now - timedelta(days=4000)) == (
        "not-yet-valid-certificate"
    )


def test_an_agency_seals_for_itself_alone(pki: Any, now: datetime) -> None:
    """The sender, or another code of the sender, must be in the certificate."""
    signer = pki.agency("H01.151", "000.00.15.H01").signer
    seal = make_seal(DIGEST, SealKind.AGENCY_SUPPLIED, signer, now)
    proven = verify_seal(seal.signature, DIGEST, pki.trust, now)

    require_sealed_by(proven, AgencyCode("H01.151"), ())
    require_sealed_by(proven, AgencyCode("H01.151.9"), ["000.00.15.H01"])
    with pytest.raises(SignatureError) as caught:
        require_sealed_by(proven, AgencyCode("H01"), ["000.00.00.H01", "H01.15"])
    assert caught.value.reason == "wrong-agency"


def test_a_node_seal_names_no_agency_to_compare(pki: Any, now: datetime, node_seal: Seal) -> None:
    """Whether a node's word is enough is policy, not proof."""
    proven = verify_seal(node_seal.signature, DIGEST, pki.trust, now)

    require_sealed_by(proven, AgencyCode("H99"), ())

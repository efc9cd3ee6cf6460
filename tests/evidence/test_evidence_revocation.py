"""Evidence of signers whose certificates were revoked, judged by what lies in the file, as of then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.delivery.evidence.ports import Gathered
from relay.signing.evidence import sign_receipt
from relay.signing.stamped import stamped_bytes
from relay.wire.receipt import read_receipt

AGENCY, NODE = "agencies/H01.15.02", "nodes/tinh/sign"


def _with_crls(office: Any, revoked: str = "", hours: float = 0) -> bytes:
    """The branch's CRL says so since then; the root's is empty."""
    since = office.at + timedelta(hours=hours)
    at = max(since, office.at) + timedelta(hours=2)
    crls = (
        office.authority.crl("branches/mau/ca", at, revoked, since),
        office.authority.crl("root/root", at),
    )
    office.beside = Gathered(crls=crls)
    return bytes(office.export())


def test_what_was_not_revoked_is_known_offline(office: Any, judge: Callable[..., Any]) -> None:
    """By CRLs in the file, for the exporter, the seal and every receipt."""
    found = judge(_with_crls(office))

    assert found.refused == []
    assert found.steps[-1].outcome == "holds"
    assert found.said("revocation").startswith("of 5 signatures 5 by certificates that were not")


@pytest.mark.parametrize(
    ("revoked", "hours", "refused"),
    [
        (AGENCY, -1, [("seal", "revoked-certificate")]),
        (AGENCY, 1, []),
        (NODE, 0.5, [("receipt", "revoked-certificate")]),
        (NODE, -1, [("export", "revoked-certificate")]),
    ],
    ids=["seal", "seal-later", "a-receipt", "exporter"],
)
def test_what_was_revoked_by_then_is_refused(
    office: Any, judge: Callable[..., Any], revoked: str, hours: float, refused: Any
) -> None:
    """And what was revoked later stands: it is judged as of its time."""
    assert judge(_with_crls(office, revoked, hours)).refused == refused


def test_a_receipt_that_waited_for_its_key_is_judged_as_of_when_it_was_signed(
    office: Any, judge: Callable[..., Any]
) -> None:
    """What it tells of happened before its signer's certificate began, or before that was revoked."""
    last = office.receipts.popitem()[1]
    told = read_receipt(last.document)
    before = replace(told, at=office.at - timedelta(days=4000))
    signer = office.authority.signer("nodes/tinh/sign")
    waited = sign_receipt(before, signer, told.at)
    office.receipts[waited.digest] = waited

    assert judge(_with_crls(office)).refused == []
    assert judge(_with_crls(office, NODE, 0.5)).refused == [("receipt", "revoked-certificate")]


def test_a_crl_of_nobody_says_nothing(
    office: Any, judge: Callable[..., Any], taken_apart: Callable[..., Any]
) -> None:
    """UNKNOWN is no refusal, and never taken for not revoked."""
    office.beside = Gathered(crls=(b"no crl",))
    found = judge(office.export())

    assert found.refused == []
    assert [s.outcome for s in found.steps if s.what == "revocation"] == ["unknown"]
    assert "0 by certificates" in found.said("revocation")


def test_a_timestamp_by_an_authority_that_was_revoked_is_refused(
    office: Any, judge: Callable[..., Any]
) -> None:
    """By what the file says of it; and with it the seal whose time rests on it."""
    token = office.authority.stamp(stamped_bytes(office.sealed.signature))
    crl = office.authority.crl("branches/mau/ca", office.at + timedelta(hours=2), "tsa/tsa-1")
    office.beside = Gathered((token,), crls=(crl,))

    assert judge(office.export()).refused == [
        ("seal", "revoked-certificate"),
        ("timestamp", "revoked-certificate"),
    ]

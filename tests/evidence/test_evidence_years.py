"""An evidence file in later years: its certificates have ended, the exporter's keys are others, its log began anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from relay.delivery.evidence.ports import Gathered
from relay.model import NodeId, digest_of
from relay.signing import pki
from relay.signing.keys import LogSigner
from relay.signing.pki_words import KeyType
from relay.signing.stamped import stamped_bytes
from relay.signing.trust import TrustStore
from tests.evidence import conftest, test_evidence_around
from tests.evidence.conftest import TINH, XA, Pki, make_authority
from tests.evidence.test_evidence_around import Log, Told

LONG_AGO = datetime(2010, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> datetime:
    for module in (conftest, test_evidence_around):
        monkeypatch.setattr(module, "AT", LONG_AGO)
    monkeypatch.setattr(conftest, "ISSUED", LONG_AGO - timedelta(days=20))
    return LONG_AGO


def _ends(authority: Pki) -> list[datetime]:
    files = [one for one in authority.folder.rglob("*.pem") if not one.name.endswith(".key.pem")]
    return [
        one.not_valid_after_utc
        for file in files
        for one in x509.load_pem_x509_certificates(file.read_bytes())
    ]


def test_it_holds_when_every_certificate_has_ended(
    long_ago: datetime, tmp_path: Path, judge: Callable[..., Any]
) -> None:
    """The root's as well: each signature is judged as of when it was made, the seal as of its timestamp."""
    authority = make_authority(tmp_path / "pki")
    told = Told(authority, at=long_ago)
    assert max(_ends(authority)) < datetime.now(UTC)

    token = authority.stamp(stamped_bytes(told.sealed.signature), long_ago + timedelta(minutes=1))
    told.beside = Gathered((token,), (), (authority.crl("branches/mau/ca", long_ago),))
    found = judge(told.export(), authority.root.read_bytes())

    assert found.refused == []
    assert [s.facts["cosigned_by"] for s in found.steps if s.what == "proof"] == ["xa"] * 3
    assert "2010-11-23" in found.said("timestamp")


def test_a_signature_made_after_its_certificate_ended_is_not_among_them(
    long_ago: datetime, tmp_path: Path, judge: Callable[..., Any]
) -> None:
    """Or anyone who finds an old key could make evidence with it."""
    authority = make_authority(tmp_path / "pki")
    told = Told(authority, at=long_ago + timedelta(days=701))

    assert judge(told.export(), authority.root.read_bytes()).refused == [
        ("export", "expired-certificate")
    ]


@pytest.fixture
def rotated(long_ago: datetime, tmp_path: Path) -> Told:
    """Sealed and receipted under keys that were replaced since, all of them: sign, log, the agency's."""
    authority = make_authority(tmp_path / "pki")
    told = Told(authority, at=long_ago + timedelta(days=30))
    for node in (XA, TINH):
        _renew(authority, node)
    told.log = Log(told)
    return told


def _renew(authority: Pki, node: NodeId) -> None:
    folder = authority.folder / "nodes" / node
    folder.rename(folder.with_name(f"{node}-before"))
    later = conftest.AT + timedelta(days=20)
    pki.issue_node(authority.folder, node, "mau", key=KeyType.P256, now=later, days=700)


def test_it_holds_after_the_keys_of_all_nodes_were_renewed(
    rotated: Told, judge: Callable[..., Any]
) -> None:
    """What was signed before brings its own certificates; the log's head and its cosignature are by the
    keys of today, over entries of then."""
    content = rotated.export()
    found = judge(content, rotated.authority.root.read_bytes())

    assert found.refused == []
    (export,) = [one for one in found.steps if one.what == "export"]
    new = rotated.authority.signer("nodes/tinh/sign").chain[0]
    old = rotated.authority.signer("nodes/tinh-before/sign").chain[0]
    assert export.facts["certificate_sha256"] == digest_of(new)
    assert old in content
    assert [s.facts["cosigned_by"] for s in found.steps if s.what == "proof"] == ["xa"] * 3


def test_a_new_key_of_a_log_without_its_own_certificate_proves_nothing(
    rotated: Told, judge: Callable[..., Any]
) -> None:
    """A key that signs a head under the certificate of the one before."""
    signer, before = rotated.log.signer, rotated.authority.folder / "nodes" / "tinh-before"
    old = LogSigner.load(before / "log.pem", before / "log.key.pem")
    rotated.log.signer = replace(signer, chain=old.chain)
    refused = judge(rotated.export(), rotated.authority.root.read_bytes()).refused

    assert {what for what, _ in refused} == {"proof"}


def test_a_root_of_today_that_is_another_than_then_is_not_enough(
    long_ago: datetime, tmp_path: Path, judge: Callable[..., Any]
) -> None:
    """Whoever judges needs the root of then: it is not in the file, and must not be believed if it were."""
    authority = make_authority(tmp_path / "pki")
    told = Told(authority, at=long_ago)
    today = make_authority(tmp_path / "today")
    assert TrustStore([today.root.read_bytes()])

    assert judge(told.export(), today.root.read_bytes()).refused == [("export", "untrusted")]

"""A seal with timestamps: XAdES-T in the export, judged by third parties' words, which may be wrong."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from relay.delivery.evidence.ports import Gathered
from relay.signing.stamped import stamped_bytes


def _stamped(office: Any, *tokens: bytes) -> bytes:
    office.beside = Gathered(seal_tokens=tokens)
    return bytes(office.export())


def test_a_stamped_seal_holds_and_says_since_when(office: Any, judge: Callable[..., Any]) -> None:
    """Two authorities; the seal is still there to the letter, beside what vouches for its time."""
    covered = stamped_bytes(office.sealed.signature)
    tokens = [office.authority.stamp(covered, name=name) for name in ("tsa-1", "tsa-2")]
    content = _stamped(office, *tokens)

    found = judge(content)

    assert found.refused == []
    assert [step.outcome for step in found.steps if step.what == "timestamp"] == ["holds"] * 2
    assert "2026-11-23 11:07:07 +07:00 at the latest" in found.said("timestamp")
    assert office.sealed.signature.split(b"</xades:QualifyingProperties>")[0] in content


def test_revocation_data_goes_into_the_seal_and_beside_it(
    office: Any, judge: Callable[..., Any], taken_apart: Callable[..., Any]
) -> None:
    """XAdES-LT where there is a timestamp; as files in any case."""
    crls = (office.authority.crl("branches/mau/ca"), office.authority.crl("root/root"))
    token = office.authority.stamp(stamped_bytes(office.sealed.signature))
    for tokens, inside in (((token,), True), ((), False)):
        office.beside = Gathered(seal_tokens=tokens, crls=crls)
        content = office.export()
        entries = taken_apart(content)

        assert judge(content).refused == []
        assert (b"EncapsulatedCRLValue" in entries["META-INF/signatures001.xml"]) == inside
        assert {one for one in entries.values() if one in crls} == set(crls)


@pytest.mark.parametrize("name", ["signatures001.xml", "signatures002.xml"])
def test_xmlsec1_still_verifies_the_stamped_seal(
    xmlsec1: str, office: Any, tmp_path: Path, name: str
) -> None:
    """Unsigned properties change nothing of what was signed."""
    token = office.authority.stamp(stamped_bytes(office.sealed.signature))
    with zipfile.ZipFile(BytesIO(_stamped(office, token))) as archive:
        archive.extractall(tmp_path)
    command = [xmlsec1, "--verify", "--trusted-pem", str(office.authority.root)]
    command += ["--verification-time", "2026-11-23 04:05:06", f"META-INF/{name}"]

    found = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert found.returncode == 0, found.stderr.decode()


def test_a_timestamp_of_something_else_is_refused(office: Any, judge: Callable[..., Any]) -> None:
    """Of the document, say, which proves nothing of when it was sealed."""
    token = office.authority.stamp(office.content)

    assert judge(_stamped(office, token)).refused == [
        ("seal", "wrong-imprint"),
        ("timestamp", "wrong-imprint"),
    ]


def test_a_timestamp_from_before_the_seal_is_refused(
    office: Any, judge: Callable[..., Any]
) -> None:
    """One of the two lies about the time, and nobody can tell which."""
    covered = stamped_bytes(office.sealed.signature)
    token = office.authority.stamp(covered, at=office.at - timedelta(hours=1))

    assert judge(_stamped(office, token)).refused == [("seal", "wrong-time")]


def test_a_seal_that_was_stamped_after_its_certificate_ended_is_refused(
    office: Any, judge: Callable[..., Any]
) -> None:
    """A key that outlived its certificate cannot claim an earlier time once there is a timestamp."""
    covered = stamped_bytes(office.sealed.signature)
    late = office.authority.stamp(covered, at=office.at + timedelta(days=690))

    assert judge(_stamped(office, late)).refused == [("seal", "expired-certificate")]

"""An evidence file: what is in it, and what a stranger with the root finds."""

from __future__ import annotations

import asyncio
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from signxml.algorithms import SignatureMethod
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

from relay.delivery.ports import Caller
from relay.errors import AccessError, GoneError, TakenBackError
from relay.model import AgencyCode, DeliveryState, SealKind, digest_of
from tests.evidence.conftest import MESSAGE, envelope

KINDS = [SealKind.AGENCY, SealKind.NODE]


def test_a_stranger_finds_that_all_of_it_holds(office: Any, judge: Callable[..., Any]) -> None:
    """Each step holds, in order; what nothing in the file claims is unknown, and no more than that."""
    found = judge(office.export())

    assert found.refused == []
    assert [step.what for step in found.steps] == [
        *("container", "contents", "manifest", "export", "document", "seal", "timestamp"),
        *["receipt"] * 3,
        *("message", "list", "hop proof", "findings", "hops", "revocation", "summary"),
    ]
    assert [step.number for step in found.steps] == list(range(1, 18))
    assert [step.what for step in found.steps if step.outcome == "unknown"] == [
        "timestamp",
        "hop proof",
        "revocation",
    ]
    assert "put together by tinh" in found.said("export")
    assert "ContentHandover for H01, by tinh" in found.said("receipt")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (SealKind.AGENCY, "vouched for by the agency"),
        (SealKind.NODE, "vouched for by the node alone"),
    ],
)
def test_it_says_what_the_seal_vouches_for(
    make_office: Callable[..., Any], judge: Callable[..., Any], kind: SealKind, said: str
) -> None:
    """A node's seal is never taken for the agency's."""
    assert said in judge(make_office(kind=kind).export()).said("seal")


def test_the_container_is_what_asic_asks_for(office: Any) -> None:
    """mimetype first, stored, without extra field; the seal to the letter; every file stored once."""
    content = office.export()
    with zipfile.ZipFile(BytesIO(content)) as archive:
        infos = archive.infolist()
        seal = archive.read("META-INF/signatures001.xml")

        assert archive.testzip() is None
    assert content[30:66] == b"mimetypeapplication/vnd.etsi.asic-e+"
    assert infos[0].filename == "mimetype"
    assert {one.compress_type for one in infos} == {zipfile.ZIP_STORED}
    assert not any(one.extra for one in infos)
    assert office.sealed.signature in seal


def test_the_same_inputs_give_the_same_bytes(office: Any, taken_apart: Callable[..., Any]) -> None:
    """Apart from the exporter's signature and its time."""
    first = office.export()
    assert first == office.export()

    office.at += timedelta(seconds=1)
    later = taken_apart(office.export())
    before = taken_apart(first)
    assert [name for name in before if before[name] != later[name]] == [
        "META-INF/signatures002.xml"
    ]


def test_memory_holds_a_chunk_whatever_the_document(make_office: Callable[..., Any]) -> None:
    """Neither planning nor writing gathers what the store gives piece by piece."""
    office = make_office(content=envelope() + b" " * (8 << 20))
    desk, operator = office.desk, Caller("operator", frozenset(), operator=True)

    async def written() -> int:
        file = await desk.export(operator, MESSAGE, "")
        return sum([len(chunk) async for chunk in desk.write(file)])

    tracemalloc.start()
    try:
        assert asyncio.run(written()) > 8 << 20
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_an_export_is_in_the_audit_log(office: Any) -> None:
    """It holds the document, so who took it and why is recorded."""
    office.export()

    event, fields = office.notes[0]
    assert event == "evidence-exported"
    assert (fields["by"], fields["message"]) == ("operator", "019ab000-0000-7000-8000-000000000001")


def _caller(code: str, **more: bool) -> Caller:
    codes = frozenset({AgencyCode(code)}) if code else frozenset[AgencyCode]()
    return Caller("someone", codes, **more)


def test_evidence_is_no_way_round_fetching(make_office: Callable[..., Any]) -> None:
    """The sender and who fetched it may have it; before that, and after a take-back, the recipient may not."""
    fetched = make_office(state=DeliveryState.FETCHED)
    waiting = make_office(state=DeliveryState.AVAILABLE)
    taken_back = make_office(state=DeliveryState.TAKEN_BACK)

    assert fetched.export(_caller("H01"))
    assert waiting.export(_caller("H01.15.02"))
    with pytest.raises(AccessError):
        waiting.export(_caller("H01"))
    with pytest.raises(AccessError):
        fetched.export(_caller("", auditor=True))
    with pytest.raises(TakenBackError):
        taken_back.export(_caller("H01"))


def test_what_left_by_retention_is_gone(office: Any) -> None:
    """Without the document there is no evidence file."""
    office.gone = True
    with pytest.raises(GoneError):
        office.export()


@pytest.mark.parametrize("name", ["signatures001.xml", "signatures002.xml"])
@pytest.mark.parametrize("kind", KINDS)
def test_xmlsec1_verifies_both_signatures(
    xmlsec1: str, make_office: Callable[..., Any], tmp_path: Path, name: str, kind: SealKind
) -> None:
    """Unpacked, the program accepts them as they are, and no longer once a file is changed."""
    office = make_office(kind=kind)
    with zipfile.ZipFile(BytesIO(office.export())) as archive:
        archive.extractall(tmp_path)
    command = [xmlsec1, "--verify", "--trusted-pem", str(office.authority.root)]
    command += ["--verification-time", "2026-11-23 04:05:06", f"META-INF/{name}"]

    good = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    with (tmp_path / "envelope.edxml").open("ab") as file:
        file.write(b" ")
    bad = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert good.returncode == 0, good.stderr.decode()
    assert bad.returncode != 0


@pytest.mark.parametrize("name", ["signatures001.xml", "signatures002.xml"])
def test_signxml_verifies_both_signatures(
    office: Any, taken_apart: Callable[..., Any], name: str
) -> None:
    """As XAdES, with every reference resolved: two of the seal, all files and the properties of the other."""
    entries = taken_apart(office.export())
    expected = 2 if name == "signatures001.xml" else len(entries)
    configuration = XAdESSignatureConfiguration(
        location="./",
        expect_references=expected,
        require_x509=True,
        signature_methods=frozenset({SignatureMethod.RSA_SHA256, SignatureMethod.ECDSA_SHA256}),
    )

    found = XAdESVerifier().verify(
        entries[f"META-INF/{name}"],
        uri_resolver=entries.get,
        ca_pem_file=str(office.authority.root),
        expect_config=configuration,
    )

    assert len(found) == expected


def test_the_receipts_are_files_that_verify_by_themselves(
    office: Any, taken_apart: Callable[..., Any]
) -> None:
    """Their exact bytes, the oldest first."""
    entries = taken_apart(office.export())

    documents = [entries[f"receipts/000{n}/receipt.xml"] for n in (1, 2, 3)]
    assert [digest_of(one) for one in documents] == list(office.receipts)

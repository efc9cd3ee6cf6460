"""Our signatures in the hands of others, and theirs in ours."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from signxml.algorithms import SignatureMethod
from signxml.exceptions import InvalidDigest
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    Receipt,
    SealKind,
    Signed,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.signing.evidence import sign_receipt, sign_transfer
from relay.signing.seal import make_seal, verify_seal
from relay.signing.shape import CERTIFICATE, SIGNATURE, read_parts, signed_properties

KINDS = ["p256", "rsa2048", "rsa3072"]
ENVELOPE = "Kính gửi Nguyễn Văn Mẫu".encode()
ID = "019ab000-0000-7000-8000-000000000001"
NODE = NodeId("tinh-h01")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
RECEIPT = Receipt(
    issuer=NODE,
    origin=NODE,
    message_id=MessageId(ID),
    digest=digest_of(ENVELOPE),
    size_bytes=len(ENVELOPE),
    transfer_id=None,
    sent_by=None,
    at=AT,
    evidence=(Evidence(Event.SUBMISSION_ACCEPTANCE, AgencyCode("H36.02")),),
)
HEADER = TransferHeader(
    transfer_id=TransferId(ID),
    message_id=MessageId(ID),
    origin=NODE,
    sent_by=NODE,
    sent_to=NodeId("tw"),
    message_type=MessageType.STATUS,
    sender=AgencyCode("H01"),
    recipients=(AgencyCode("H36.02"),),
    priority=Priority.NORMAL,
    digest=digest_of(ENVELOPE),
    size_bytes=len(ENVELOPE),
    created_at=AT,
    expires_at=AT,
    trace=(),
)


def _signed(name: str, signer: Any) -> Signed:
    if name == "transfer.xml":
        return sign_transfer(HEADER, signer, AT)
    if name == "receipt.xml":
        return sign_receipt(RECEIPT, signer, AT)
    return Signed(ENVELOPE, make_seal(digest_of(ENVELOPE), SealKind.NODE, signer, AT).signature)


NAMES = ["envelope.edxml", "transfer.xml", "receipt.xml"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_xmlsec1_verifies_ours(
    xmlsec1: str, make_pki: Callable[[str], Any], tmp_path: Path, kind: str, name: str
) -> None:
    """The program accepts the signature beside its document, and refuses it beside another one."""
    pki = make_pki(kind)
    signed = _signed(name, pki.node("tinh-h01").signer)
    (tmp_path / "root.pem").write_bytes(pki.root.pem)
    (tmp_path / "signature.xml").write_bytes(signed.signature)
    command = [xmlsec1, "--verify", "--trusted-pem", "root.pem"]
    command += ["--verification-time", "2026-11-23 04:05:06", "signature.xml"]

    (tmp_path / name).write_bytes(signed.document)
    good = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    (tmp_path / name).write_bytes(signed.document + b" ")
    bad = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert good.returncode == 0, good.stderr.decode()
    assert bad.returncode != 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_signxml_verifies_ours(
    make_pki: Callable[[str], Any], tmp_path: Path, kind: str, name: str
) -> None:
    """The library accepts the signature as XAdES, and refuses it beside another document."""
    pki = make_pki(kind)
    signed = _signed(name, pki.node("tinh-h01").signer)
    root = tmp_path / "root.pem"
    root.write_bytes(pki.root.pem)
    expected = XAdESSignatureConfiguration(
        location="./",
        expect_references=2,
        require_x509=True,
        signature_methods=frozenset({SignatureMethod.RSA_SHA256, SignatureMethod.ECDSA_SHA256}),
    )

    def verify(document: bytes) -> Any:
        return XAdESVerifier().verify(
            signed.signature,
            uri_resolver=lambda uri: document if uri == name else None,
            ca_pem_file=str(root),
            expect_config=expected,
        )

    assert len(verify(signed.document)) == 2
    with pytest.raises(InvalidDigest):
        verify(signed.document + b" ")


@pytest.mark.parametrize("kind", KINDS)
def test_we_verify_what_xmlsec1_signs(
    xmlsec1: str, make_pki: Callable[[str], Any], tmp_path: Path, kind: str
) -> None:
    """A template of the shape, signed by the program, is a seal like our own."""
    agency = make_pki(kind).agency("H01", "000.00.00.H01")
    signer = agency.signer
    template = SIGNATURE.format(
        method=signer.method,
        name="envelope.edxml",
        document_digest="",
        properties_digest="",
        value="",
        certificates=signer.certificates_xml,
        signed_at="2026-11-23T04:05:06Z",
        certificate_digest=signer.certificate_digest,
        role="agency-supplied",
    )
    (tmp_path / "template.xml").write_text(template)
    (tmp_path / "envelope.edxml").write_bytes(ENVELOPE)
    key = tmp_path / "agency.pem"
    key.write_bytes(agency.key_pem)

    subprocess.run(
        [xmlsec1, "--sign", "--privkey-pem", key, "--output", "seal.xml", "template.xml"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )

    seal = (tmp_path / "seal.xml").read_bytes()
    assert seal.startswith(b"<?xml")
    proven = verify_seal(seal, digest_of(ENVELOPE), make_pki(kind).trust, None)
    assert proven.kind is SealKind.AGENCY_SUPPLIED
    assert proven.agencies == {"H01", "000.00.00.H01"}


def test_the_templates_are_what_canonicalisation_gives(pki: Any) -> None:
    """lxml's exclusive c14n of the signed parts gives the very bytes that we sign and digest."""
    signature = _signed("receipt.xml", pki.node("tinh-h01").signer).signature
    root = etree.fromstring(signature)
    parts = read_parts(signature)

    def alone(element: etree._Element) -> bytes:
        return etree.tostring(element, method="c14n", exclusive=True)

    assert alone(root[0]) == parts.signed_info()
    assert alone(root[3][0][0]) == signed_properties(
        parts.signed_at, parts.certificate_digest, parts.role
    )
    assert alone(root) == signature


def test_canonicalisation_keeps_white_space_inside_base64(pki: Any) -> None:
    """A digest broken over lines is digested as it stands, as other verifiers do."""
    signature = _signed("receipt.xml", pki.node("tinh-h01").signer).signature.decode()
    digest = read_parts(signature.encode()).document_digest
    broken = signature.replace(digest, f"{digest[:20]}\r\n {digest[20:]}").encode()

    root = etree.fromstring(broken)

    assert read_parts(broken).signed_info() == etree.tostring(
        root[0], method="c14n", exclusive=True
    )


def test_the_chain_goes_along_without_the_root(pki: Any) -> None:
    """KeyInfo holds the leaf and the issuing authority, never the root."""
    entity = pki.node("tinh-h01")
    with_root = replace(entity, issuers=(*entity.issuers, pki.root.certificate))

    certificates = read_parts(_signed("receipt.xml", with_root.signer).signature).certificates

    assert certificates.count(CERTIFICATE.partition("{")[0]) == 2

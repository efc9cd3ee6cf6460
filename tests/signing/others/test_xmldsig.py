"""The document's own Signature: judged where it is one, recognised where it is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree
from signxml import SignatureMethod
from signxml.xades import XAdESSigner

from relay.judgement import ENVELOPE, Cover, Flaw, Judgement, Part, Signature, SignerKind, Verdict
from relay.signing.others.limits import JudgingLimits
from tests.signing.others.conftest import Judge
from tests.signing.others.papers import (
    DS,
    LONG,
    ORGANISATION,
    PERSON,
    Hierarchy,
    attached,
    envelope,
    issue,
    name,
    pdf,
    sign_xml,
)

DUMMY = """<Signature><SignedInfo><CanonicalizationMethod
 Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/><SignatureMethod
 Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/><Reference URI=""><DigestMethod
 Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/><DigestValue>FwgIqsSYJshUS2+wlOM61L+q7Aw=</DigestValue>
</Reference></SignedInfo><SignatureValue>AAAA</SignatureValue></Signature>"""


def tree(content: bytes) -> Any:
    return etree.fromstring(content)


def document(judgement: Judgement) -> Part:
    return next(part for part in judgement.parts if part.position == ENVELOPE)


def signature(judgement: Judgement) -> Signature:
    (one,) = document(judgement).signatures
    return one


def test_an_enveloped_signature_over_the_document_is_valid(judge: Judge, hall: Hierarchy) -> None:
    signed = sign_xml(envelope(attached(pdf())), hall.organisation)
    judgement = judge(signed, envelope=True)
    one = signature(judgement)
    assert one.verdict is Verdict.VALID
    assert one.covers is Cover.WHOLE_FILE
    assert one.signer is not None
    assert one.signer.kind is SignerKind.ORGANISATION
    assert one.algorithm == "ecdsa-sha256"


def test_a_xades_signature_is_valid_and_says_when(judge: Judge, hall: Hierarchy) -> None:
    """The library that signs has no other time than now."""
    person = issue(name(cn=PERSON, o=ORGANISATION), hall.issuing, ends=LONG)
    root = tree(envelope())
    signed = XAdESSigner(signature_algorithm=SignatureMethod.ECDSA_SHA256).sign(
        root, key=person.key, cert=[person.certificate]
    )
    now = datetime.now(UTC)
    one = signature(judge(etree.tostring(signed), envelope=True, known=now, crls=hall.crls(at=now)))
    assert one.verdict is Verdict.VALID
    assert one.flaws == (Flaw.NO_TIMESTAMP,)
    assert one.covers is Cover.WHOLE_FILE
    assert one.signed_at is not None
    assert abs(one.signed_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_changed_text_is_invalid(judge: Judge, hall: Hierarchy) -> None:
    signed = sign_xml(envelope(), hall.organisation).replace(
        "V/v thử nghiệm".encode(), "V/v thử khác".encode()
    )
    one = signature(judge(signed, envelope=True))
    assert one.verdict is Verdict.INVALID
    assert Flaw.CHANGED in one.flaws


def test_a_signature_broken_by_reserialising_is_told_from_a_changed_document(
    judge: Judge, hall: Hierarchy
) -> None:
    compact = tree(envelope())
    for element in compact.iter():
        element.tail = None
        if len(element):
            element.text = None
    signed = tree(sign_xml(etree.tostring(compact), hall.organisation))
    etree.indent(signed, space="   ")
    one = signature(judge(etree.tostring(signed), envelope=True))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.RESERIALISED in one.flaws
    assert not {Flaw.CHANGED, Flaw.BAD_SIGNATURE} & set(one.flaws)


def test_the_vendors_fill_in_signature_is_recognised_as_none(judge: Judge) -> None:
    filled = envelope().replace(b"</edXML:edXMLHeader>", f"{DUMMY}</edXML:edXMLHeader>".encode(), 1)
    judgement = judge(filled, envelope=True)
    assert judgement.verdict is None
    assert document(judgement).flaws == (Flaw.DUMMY,)
    assert document(judgement).signatures == ()


def test_a_signature_that_is_moved_beside_what_it_signs_is_invalid(
    judge: Judge, hall: Hierarchy
) -> None:
    """Wrapping: the signed document hangs somewhere, another is shown."""
    inner = tree(sign_xml(envelope(), hall.organisation))
    info = inner.find(f".//{DS}Signature")
    outer = tree(envelope().replace(b"H01.15,1", b"H01.15,2"))
    reference = info.find(f".//{DS}Reference")
    reference.set("URI", "#goc")
    inner.set("Id", "goc")
    header = outer.find(".//{*}edXMLHeader")
    header.append(info)
    holder = etree.SubElement(info, f"{DS}Object")
    holder.append(inner)
    one = signature(judge(etree.tostring(outer), envelope=True))
    assert one.verdict is Verdict.INVALID
    assert Flaw.WRAPPED in one.flaws


def test_a_signature_over_a_part_of_the_document_is_invalid(judge: Judge, hall: Hierarchy) -> None:
    root = tree(envelope(attached(pdf())))
    root.find("{*}edXMLEnvelope").set("Id", "phan")
    signed = sign_xml(etree.tostring(root), hall.organisation)
    partial = signed.replace(b'URI=""', b'URI="#phan"')
    one = signature(judge(partial, envelope=True))
    assert one.verdict is Verdict.INVALID
    assert Flaw.PART_ONLY in one.flaws


def test_a_shared_secret_is_no_signature(judge: Judge) -> None:
    signed = sign_xml(envelope(), None, hmac_key=b"bi mat")
    one = signature(judge(signed, envelope=True))
    assert one.verdict is Verdict.INVALID
    assert Flaw.KEYED_HASH in one.flaws


@pytest.mark.parametrize(
    "uri", ["http://example.gov.vn/van-ban.xml", "file:///etc/passwd", "van-ban.xml"]
)
def test_what_lies_outside_is_never_fetched(judge: Judge, hall: Hierarchy, uri: str) -> None:
    signed = sign_xml(envelope(), hall.organisation).replace(b'URI=""', f'URI="{uri}"'.encode())
    one = signature(judge(signed, envelope=True))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.EXTERNAL_REFERENCE in one.flaws


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/2000/09/xmldsig#base64",
    ],
)
def test_transforms_that_compute_are_not_run(judge: Judge, hall: Hierarchy, algorithm: str) -> None:
    enveloped = b"http://www.w3.org/2000/09/xmldsig#enveloped-signature"
    signed = sign_xml(envelope(), hall.organisation).replace(enveloped, algorithm.encode(), 1)
    one = signature(judge(signed, envelope=True))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.TRANSFORM in one.flaws


def test_a_signature_without_a_certificate_names_nobody(judge: Judge, hall: Hierarchy) -> None:
    root = tree(sign_xml(envelope(), hall.organisation))
    info = root.find(f".//{DS}KeyInfo")
    info.getparent().remove(info)
    one = signature(judge(etree.tostring(root), envelope=True))
    assert one.verdict is Verdict.UNKNOWN
    assert Flaw.NO_CERTIFICATE in one.flaws


def test_one_id_on_two_elements_is_ambiguous(judge: Judge, hall: Hierarchy) -> None:
    root = tree(envelope())
    root.set("Id", "x")
    root.find("{*}edXMLEnvelope").set("Id", "x")
    signed = sign_xml(etree.tostring(root), hall.organisation).replace(b'URI=""', b'URI="#x"')
    one = signature(judge(signed, envelope=True))
    assert one.verdict is Verdict.INVALID


def test_a_document_over_the_bound_is_unknown_only_if_it_is_signed(
    judge: Judge, hall: Hierarchy
) -> None:
    small = JudgingLimits(xml_bytes=1000)
    signed = judge(sign_xml(envelope(), hall.organisation), envelope=True, limits=small)
    assert (document(signed).verdict, document(signed).flaws) == (
        Verdict.UNKNOWN,
        (Flaw.TOO_LARGE,),
    )
    assert judge(envelope(), envelope=True, limits=small).verdict is None


def test_a_document_type_is_refused_before_anything(judge: Judge, hall: Hierarchy) -> None:
    signed = sign_xml(envelope(), hall.organisation)
    cut = signed.index(b"<edXML")
    judgement = judge(signed[:cut] + b"<!DOCTYPE edXML []>" + signed[cut:], envelope=True)
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.flaws == (Flaw.UNREADABLE,)

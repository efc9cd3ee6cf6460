"""The document's own Signature elements (XML-DSig, XAdES), judged with signxml.

What is allowed is looked at before anything is computed: one document, no DTD, references to this document
only, no transform but the enveloped signature's and canonicalization, a certificate's public key. Nothing
is fetched. The vendors' fill-in element, which is in edXML's namespace, is told from a signature.

Touches: nothing. Trusts: nothing. Raises: nothing that XML can cause but MemoryError.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import signxml
from asn1crypto import x509
from cryptography.x509 import load_der_x509_certificate
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidSignature

from relay.judgement import Cover, Flaw, Form, Signature, verdict_of
from relay.signing.others.court import Court, RevocationData, digest_flaws
from relay.signing.others.seen import Seen, in_order, nameless
from relay.signing.others.signers import signer_of
from relay.signing.others.times import signing_time

DS = "http://www.w3.org/2000/09/xmldsig#"
_SIGNATURE = f"{{{DS}}}Signature"
_XADES = "http://uri.etsi.org/01903/v1.3.2#"
_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
_ENVELOPED = f"{DS}enveloped-signature"
_C14N = frozenset(
    {
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/2006/12/xml-c14n11#WithComments",
        "http://www.w3.org/2001/10/xml-exc-c14n#",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    }
)
_IDS = ("Id", "ID", "id")
_MOST_REFERENCES = 10
_MOST_CERTIFICATES = 10
_CERTIFICATE_CHARS = 32 * 1024
_INDENTS = ("  ", "    ", "\t")
_BROKEN = (
    etree.LxmlError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    AssertionError,
    NotImplementedError,
)


@dataclass(frozen=True, slots=True)
class _Referred:
    """One Reference, read and allowed."""

    target: Any
    """The element it names; None for the signature's own properties."""
    digest: str


def judge_xml(content: bytes, court: Court, known: datetime, most: int) -> Seen:
    """Every Signature of the document, at most `most`."""
    try:
        root = _parse(content)
    except _BROKEN:
        return Seen((Flaw.UNREADABLE,))
    if root.getroottree().docinfo.doctype:
        return Seen((Flaw.DOCTYPE,))
    dummies = any(_is_dummy(one) for one in root.iter("{*}Signature"))
    found = [one for one in root.iter(_SIGNATURE) if not _is_inside_another(one)]
    flaws = [Flaw.DUMMY] if dummies else []
    if len(found) > most:
        flaws.append(Flaw.TOO_MANY)
    signatures = tuple(_judged(root, one, court, known) for one in found[:most])
    return Seen(tuple(flaws), signatures)


def _parse(content: bytes) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=True,
    )
    return etree.fromstring(content, parser)


def _is_dummy(element: Any) -> bool:
    """Shaped like a signature, in a namespace where it is none."""
    name = etree.QName(element)
    return name.namespace != DS and element.find("{*}SignedInfo") is not None


def _is_inside_another(element: Any) -> bool:
    return any(above.tag == _SIGNATURE for above in element.iterancestors())


def _judged(root: Any, signature: Any, court: Court, known: datetime) -> Signature:
    try:
        return _judge(root, signature, court, known)
    except _BROKEN:
        return nameless(Form.XML, {Flaw.UNREADABLE})


def _judge(root: Any, signature: Any, court: Court, known: datetime) -> Signature:
    info = signature.find(f"{{{DS}}}SignedInfo")
    method = info.find(f"{{{DS}}}SignatureMethod").get("Algorithm")
    algorithm = method.rpartition("#")[2][:60]
    if "hmac" in algorithm.lower():
        return nameless(Form.XML, {Flaw.KEYED_HASH}, algorithm)
    flaws, referred = _references(root, signature, info)
    covers = _cover(root, signature, referred)
    if covers is not Cover.WHOLE_FILE and not flaws:
        flaws.append(Flaw.WRAPPED if covers is None else Flaw.PART_ONLY)
    certificates = _certificates(signature)
    if not certificates:
        return nameless(Form.XML, {*flaws, Flaw.NO_CERTIFICATE}, algorithm, covers)
    certificate = certificates[0]
    if not flaws:
        flaws += _value(root, signature, certificate, len(referred))
    flaws += _digest_flaws(algorithm, referred)
    time = signing_time(_claimed(signature), None, known)
    flaws += time.flaws
    flaws += court.of_signer(certificate, certificates[1:], known, RevocationData())
    found = in_order(flaws)
    return Signature(
        form=Form.XML,
        verdict=verdict_of(found),
        flaws=found,
        signer=signer_of(certificate),
        algorithm=algorithm,
        claimed_at=time.claimed_at,
        signed_at=time.signed_at,
        stamped=False,
        covers=covers,
        field="",
    )


# ---------------------------------------------------------------- what it refers to


def _references(root: Any, signature: Any, info: Any) -> tuple[list[Flaw], list[_Referred]]:
    """What it signs; or what of it is not computed here."""
    elements = info.findall(f"{{{DS}}}Reference")
    if not 0 < len(elements) <= _MOST_REFERENCES:
        return [Flaw.UNSUPPORTED], []
    if info.find(f"{{{DS}}}CanonicalizationMethod").get("Algorithm") not in _C14N:
        return [Flaw.UNSUPPORTED], []
    flaws: list[Flaw] = []
    referred = []
    for element in elements:
        uri = element.get("URI")
        if uri is None or (uri and not uri.startswith("#")):
            flaws.append(Flaw.EXTERNAL_REFERENCE)
        elif not _only_plain_transforms(element):
            flaws.append(Flaw.TRANSFORM)
        else:
            found = _named(root, uri)
            if found is None:
                flaws.append(Flaw.WRAPPED)
                continue
            own = found is not root and signature in found.iterancestors()
            digest = element.find(f"{{{DS}}}DigestMethod").get("Algorithm").rpartition("#")[2]
            referred.append(_Referred(None if own else found, digest))
    return list(dict.fromkeys(flaws)), referred


def _only_plain_transforms(reference: Any) -> bool:
    transforms = [one.get("Algorithm") for one in reference.iter(f"{{{DS}}}Transform")]
    return all(one == _ENVELOPED or one in _C14N for one in transforms)


def _named(root: Any, uri: str) -> Any:
    """The one element of that Id; None where there is none, or another with the same."""
    if not uri:
        return root
    name = uri[1:]
    found = [one for one in root.iter("{*}*") if any(one.get(key) == name for key in _IDS)]
    return found[0] if len(found) == 1 else None


def _cover(root: Any, signature: Any, referred: Sequence[_Referred]) -> Cover | None:
    """None where it signs something beside the document it stands in."""
    targets = [one.target for one in referred if one.target is not None]
    if any(target is root for target in targets):
        return Cover.WHOLE_FILE
    above = list(signature.iterancestors())
    return Cover.PART if any(target in above for target in targets) else None


# ---------------------------------------------------------------- the value


def _value(root: Any, signature: Any, certificate: x509.Certificate, references: int) -> list[Flaw]:
    flaw = _verified(root, signature, certificate, references)
    if flaw is None:
        return []
    if _inherits_xml_attributes(signature):
        return [Flaw.UNSUPPORTED]  # inclusive canonicalization of a part loses them in lxml
    again = _verified_as_signed(root, signature, certificate, references)
    return [Flaw.RESERIALISED if again else flaw]


def _verified(
    root: Any, signature: Any, certificate: x509.Certificate, references: int
) -> Flaw | None:
    config = signxml.SignatureConfiguration(
        location=_location(signature),
        expect_references=references,
        signature_methods=frozenset(SignatureMethod),
        digest_algorithms=frozenset(DigestAlgorithm),
        verification_time=certificate.not_valid_before + timedelta(seconds=1),
    )
    try:
        signxml.XMLVerifier().verify(
            root,
            x509_cert=load_der_x509_certificate(certificate.dump()),
            validate_schema=False,
            expect_config=config,
        )
    except InvalidDigest:
        return Flaw.CHANGED
    except InvalidSignature:
        return Flaw.BAD_SIGNATURE
    except (signxml.exceptions.SignXMLException, *_BROKEN):
        return Flaw.UNSUPPORTED
    return None


def _location(signature: Any) -> str:
    """The exact way to this Signature, by names and numbers."""
    steps = []
    for element in [*reversed(list(signature.iterancestors()))][1:]:
        above = element.getparent()
        number = [one for one in above if one.tag == element.tag].index(element) + 1
        steps.append(f"{element.tag}[{number}]")
    return "/".join((".", *steps, ""))


def _inherits_xml_attributes(signature: Any) -> bool:
    space = "{http://www.w3.org/XML/1998/namespace}"
    return any(key.startswith(space) for above in signature.iterancestors() for key in above.attrib)


def _verified_as_signed(
    root: Any, signature: Any, certificate: x509.Certificate, references: int
) -> bool:
    """Whether it holds once the white space between elements is what a signer may have written: none, or
    an indentation. Then only a serialiser came between, and the content is what was signed."""
    place = list(root.iter(_SIGNATURE)).index(signature)
    for indent in (None, *_INDENTS):
        bare = _without_white_space(root)
        if indent is not None:
            etree.indent(bare, space=indent)
        again = list(bare.iter(_SIGNATURE))[place]
        if _verified(bare, again, certificate, references) is None:
            return True
    return False


def _without_white_space(root: Any) -> Any:
    copied = _parse(etree.tostring(root))
    for element in copied.iter():
        if element.text is not None and not element.text.strip() and len(element):
            element.text = None
        if element.tail is not None and not element.tail.strip():
            element.tail = None
    return copied


# ---------------------------------------------------------------- who, when, how


def _certificates(signature: Any) -> list[x509.Certificate]:
    found = []
    for text in _texts(signature):
        try:
            certificate = x509.Certificate.load(
                base64.b64decode("".join(text.split())), strict=True
            )
            _ = certificate.native
            found.append(certificate)
        except (binascii.Error, ValueError, TypeError, KeyError):
            break
    return found


def _texts(signature: Any) -> Iterator[str]:
    way = f"{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate"
    for element in signature.findall(way)[:_MOST_CERTIFICATES]:
        if element.text and len(element.text) <= _CERTIFICATE_CHARS:
            yield element.text


def _claimed(signature: Any) -> datetime | None:
    """XAdES' SigningTime."""
    element = signature.find(f".//{{{_XADES}}}SigningTime")
    try:
        found = datetime.fromisoformat(element.text.strip()) if element is not None else None
    except _BROKEN:
        return None
    return found if found is None or found.tzinfo is not None else found.replace(tzinfo=UTC)


def _digest_flaws(algorithm: str, referred: Sequence[_Referred]) -> list[Flaw]:
    names = [algorithm.rpartition("-")[2], *(one.digest for one in referred)]
    return [flaw for name in names for flaw in digest_flaws(name)]

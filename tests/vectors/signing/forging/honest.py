"""Sign a dishonest shape honestly: digests and value are right, so nothing but the shape can refuse it.

An attacker may hold a valid key, or find someone who signs whatever is put before him; a vector whose
signature is broken as well would be refused by a verifier that looks at nothing else.

Touches: nothing. Trusts: nothing. Raises: nothing of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from relay.signing import algorithms
from relay.signing.algorithms import EXCLUSIVE_C14N, SHA256_DIGEST
from tests.vectors.signing.forging.keys import derived

DSIG = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
INCLUSIVE_11 = "http://www.w3.org/2006/12/xml-c14n11"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XPATH_FILTER = "http://www.w3.org/2002/06/xmldsig-filter2"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
BASE64 = DSIG + "base64"
ENVELOPED = DSIG + "enveloped-signature"
COMMENTS = "WithComments"

_DIGESTS = {SHA256_DIGEST: "sha256", DSIG + "sha1": "sha1", MORE + "md5": "md5",
            "http://www.w3.org/2001/04/xmlenc#sha512": "sha512"}  # fmt: skip
_HASHES: dict[str, Any] = {
    DSIG + "rsa-sha1": hashes.SHA1(),
    MORE + "rsa-md5": hashes.MD5(),
    MORE + "rsa-sha256": hashes.SHA256(),
    MORE + "rsa-sha512": hashes.SHA512(),
}
_DS = f"{{{DSIG}}}"


def signed_again(text: str, document: bytes, key: Any = None) -> bytes:
    """The signature that this text is, every digest and the value made anew for what it says.

    `document` is what a reference to anything outside speaks of.
    """
    root = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False))
    for reference in root.iter(f"{_DS}Reference"):
        _digest(root, reference, document)
    for reference in root.iterfind(f"{_DS}SignedInfo/{_DS}Reference"):
        _digest(root, reference, document)  # once more: they may be over the ones above
    info = next(root.iter(f"{_DS}SignedInfo"), None)
    value = root.find(f".//{_DS}SignatureValue")
    if info is not None and value is not None:
        value.text = base64.b64encode(_value(info, key or derived("tinh-h01"))).decode()
    return etree.tostring(root, method="c14n", with_comments=True)


def _digest(root: etree._Element, reference: etree._Element, document: bytes) -> None:
    value, method = reference.find(f"{_DS}DigestValue"), reference.find(f"{_DS}DigestMethod")
    if value is None or method is None:
        return
    name = _DIGESTS.get(method.get("Algorithm", ""))
    content = _referred(root, reference, document)
    if name and content is not None:
        value.text = base64.b64encode(hashlib.new(name, content).digest()).decode()


def _referred(root: etree._Element, reference: etree._Element, document: bytes) -> bytes | None:
    """None for what cannot be resolved."""
    uri = reference.get("URI")
    transforms = [t.get("Algorithm", "") for t in reference.iter(f"{_DS}Transform")]
    if uri is None:
        return None
    if not uri.startswith("#") and uri:
        if BASE64 in transforms:
            return base64.b64decode(document)
        if EXCLUSIVE_C14N in transforms:
            return etree.tostring(etree.fromstring(document), method="c14n", exclusive=True)
        return document
    found = [e for e in root.iter("*") if uri[1:] in (e.get("Id"), e.get("ID"))] if uri else [root]
    if not found:
        return None
    element = found[0]
    if BASE64 in transforms:
        return base64.b64decode("".join(str(text) for text in element.itertext()))
    if ENVELOPED in transforms:
        element = _without_signature(element)
    return _canonical(element, next((t for t in transforms if "c14n" in t), INCLUSIVE))


def _without_signature(element: etree._Element) -> etree._Element:
    copy = etree.fromstring(etree.tostring(element))
    for signature in list(copy.iter(f"{_DS}Signature")):
        above = signature.getparent()
        if above is not None:
            above.remove(signature)
    return copy


def _canonical(element: etree._Element, algorithm: str) -> bytes:
    exclusive = algorithm.startswith(EXCLUSIVE_C14N)
    comments = algorithm.endswith(COMMENTS)
    return etree.tostring(
        element, method="c14n", exclusive=exclusive, with_comments=comments, with_tail=False
    )


def _value(info: etree._Element, key: Any) -> bytes:
    c14n, method = info.find(f"{_DS}CanonicalizationMethod"), info.find(f"{_DS}SignatureMethod")
    content = _canonical(info, "" if c14n is None else c14n.get("Algorithm", ""))
    name = "" if method is None else method.get("Algorithm", "")
    if "hmac" in name:
        digest = "sha1" if name.endswith("sha1") else "sha256"
        return hmac.new(public_key_bytes(key), content, digest).digest()
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), _HASHES.get(name, hashes.SHA256()))
    return algorithms.sign(key, content)


def public_key_bytes(key: Any) -> bytes:
    """What everybody has: as a shared secret it proves nothing."""
    content: bytes = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return content

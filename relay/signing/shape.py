"""The one shape of a signature, as a template that is filled to sign and matched to verify.

Touches: nothing.
Trusts:  nothing; every signature is hostile until it matched.
Raises:  SignatureError (too-large, malformed, doctype and what diagnosis.py names).

The template is canonical XML. To verify, the bytes are matched against it as a pattern; if they are
the same XML written otherwise (an XML declaration, <a/> for <a></a>), they are canonicalised first.
What matches is this shape to the last character, so the canonical forms of its signed parts follow
from the values found, and there is nowhere to wrap, hide or repeat anything. White space is let
through inside base64 alone.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

import pybase64
from lxml import etree

from relay.errors import SignatureError
from relay.signing.algorithms import ECDSA_SHA256, EXCLUSIVE_C14N, RSA_SHA256, SHA256_DIGEST
from relay.signing.diagnosis import diagnose
from relay.signing.faults import Fault
from relay.wire.tree import parser

LIMIT_BYTES = 64 * 1024
CERTIFICATE_LIMIT = 4
MARKUP_LIMIT = 256
"""Tags, and quotes of attributes, each; the shape has 70 and 32 at most. Canonicalising more would be
slow: seconds for 64 KiB of nested namespace declarations."""

DS = ' xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
XADES = ' xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"'
DIGEST_METHOD = f'DigestMethod Algorithm="{SHA256_DIGEST}"></ds:DigestMethod>'

CERTIFICATE = "<ds:X509Certificate>{}</ds:X509Certificate>"


def info_template(references: str) -> str:
    """SignedInfo over these references and the signed properties, standing alone, as exclusive
    canonicalisation leaves it: these bytes are signed."""
    return (
        f"<ds:SignedInfo{DS}>"
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
        '<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>'
        f"{references}"
        '<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties" URI="#signed-properties">'
        f'<ds:Transforms><ds:Transform Algorithm="{EXCLUSIVE_C14N}"></ds:Transform></ds:Transforms>'
        f"<ds:{DIGEST_METHOD}<ds:DigestValue>{{properties_digest}}</ds:DigestValue>"
        "</ds:Reference>"
        "</ds:SignedInfo>"
    )


def properties_template(formats: str) -> str:
    """SignedProperties with these DataObjectFormats, likewise: these bytes are digested into SignedInfo."""
    return (
        f'<xades:SignedProperties{XADES} Id="signed-properties">'
        "<xades:SignedSignatureProperties>"
        "<xades:SigningTime>{signed_at}</xades:SigningTime>"
        "<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        f"<ds:{DIGEST_METHOD.replace(' ', DS + ' ', 1)}"
        f"<ds:DigestValue{DS}>{{certificate_digest}}</ds:DigestValue>"
        "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2>"
        "<xades:SignerRoleV2><xades:ClaimedRoles>"
        "<xades:ClaimedRole>{role}</xades:ClaimedRole>"
        "</xades:ClaimedRoles></xades:SignerRoleV2>"
        "</xades:SignedSignatureProperties>"
        f"<xades:SignedDataObjectProperties>{formats}</xades:SignedDataObjectProperties>"
        "</xades:SignedProperties>"
    )


def signature_template(info: str, properties: str) -> str:
    """The whole signature, with the two in the places where they lose their own declarations."""
    return (
        f'<ds:Signature{DS} Id="signature">{info.replace(DS, "")}'
        "<ds:SignatureValue>{value}</ds:SignatureValue>"
        "<ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo>"
        f'<ds:Object><xades:QualifyingProperties{XADES} Target="#signature">'
        f"{properties.replace(DS, '').replace(XADES, '')}"
        "</xades:QualifyingProperties></ds:Object>"
        "</ds:Signature>"
    )


SIGNED_INFO = info_template(
    '<ds:Reference Id="document" URI="{name}">'
    f"<ds:{DIGEST_METHOD}<ds:DigestValue>{{document_digest}}</ds:DigestValue>"
    "</ds:Reference>"
)
SIGNED_PROPERTIES = properties_template(
    '<xades:DataObjectFormat ObjectReference="#document">'
    "<xades:MimeType>application/xml</xades:MimeType>"
    "</xades:DataObjectFormat>"
)
SIGNATURE = signature_template(SIGNED_INFO, SIGNED_PROPERTIES)

SIGNED_AT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z"
"""Without the hour 24, of which one release of Python makes the next day and another nothing."""
_BASE64 = r"[A-Za-z0-9+/=\n\t ]"
_VALUES = {
    "method": f"(?:{re.escape(RSA_SHA256)}|{re.escape(ECDSA_SHA256)})",
    "name": r"[a-z.]{1,32}",
    "document_digest": _BASE64 + "{44,80}",
    "properties_digest": _BASE64 + "{44,80}",
    "value": _BASE64 + "+",
    "certificates": f"(?:{CERTIFICATE.format(_BASE64 + '+')}){{1,{CERTIFICATE_LIMIT}}}",
    "signed_at": SIGNED_AT,
    "certificate_digest": _BASE64 + "{44,80}",
    "role": r"[a-z-]{1,32}",
}


def _pattern(template: str) -> re.Pattern[str]:
    text = ""
    for literal, field, _, _ in Formatter().parse(template):
        text += re.escape(literal)
        if field is not None:
            text += f"(?P<{field}>{_VALUES[field]})"
    return re.compile(text)


def _literals(template: str) -> list[str]:
    """What stands between the fields of a template: to join costs a tenth of format()."""
    return [literal for literal, _, _, _ in Formatter().parse(template)]


_SHAPE = _pattern(SIGNATURE)
_SIGNED_INFO = _literals(SIGNED_INFO)
_SIGNED_PROPERTIES = _literals(SIGNED_PROPERTIES)
_SIGNATURE = _literals(SIGNATURE)
_DECLARATION = re.compile(
    rb"<\?xml version=(?:\"1\.0\"|'1\.0')(?: encoding=(?:\"UTF-8\"|'UTF-8'))?\?>[ \t\r\n]*"
)
"""With the white space of XML behind it, which is less than that of Python: what is taken off here,
no parser gets to refuse."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a signature of the shape says; texts as found, base64 perhaps with white space in it.

    In the order of the shape.
    """

    method: str
    name: str
    document_digest: str
    properties_digest: str
    value: str
    certificates: str
    """The X509Certificate elements, the signer's own first."""
    signed_at: str
    certificate_digest: str
    role: str

    def signed_info(self) -> bytes:
        """SignedInfo in exclusive canonical form."""
        return signed_info(self.method, self.name, self.document_digest, self.properties_digest)

    def signed_properties_digest(self) -> str:
        """Of SignedProperties in exclusive canonical form: SHA-256 in base64."""
        return signed_properties_digest(self.signed_at, self.certificate_digest, self.role)


def signed_info(method: str, name: str, document_digest: str, properties_digest: str) -> bytes:
    """SignedInfo of these values in exclusive canonical form."""
    a, b, c, d, e = _SIGNED_INFO
    return f"{a}{method}{b}{name}{c}{document_digest}{d}{properties_digest}{e}".encode()


def signed_properties(signed_at: str, certificate_digest: str, role: str) -> bytes:
    """SignedProperties of these values, likewise."""
    a, b, c, d = _SIGNED_PROPERTIES
    return f"{a}{signed_at}{b}{certificate_digest}{c}{role}{d}".encode()


@lru_cache(maxsize=1024)
def signed_properties_digest(signed_at: str, certificate_digest: str, role: str) -> str:
    """The SHA-256 of those, in base64: the same for all that one signer signs within a second."""
    properties = signed_properties(signed_at, certificate_digest, role)
    return pybase64.b64encode(hashlib.sha256(properties).digest()).decode()


def whole(
    *,
    method: str,
    name: str,
    document_digest: str,
    properties_digest: str,
    value: str,
    certificates: str,
    signed_at: str,
    certificate_digest: str,
    role: str,
) -> bytes:
    """The signature of these values."""
    a, b, c, d, e, f, g, h, i, j = _SIGNATURE
    return (
        f"{a}{method}{b}{name}{c}{document_digest}{d}{properties_digest}{e}{value}"
        f"{f}{certificates}{g}{signed_at}{h}{certificate_digest}{i}{role}{j}"
    ).encode()


def read_parts(signature: bytes) -> Parts:
    """The parts of a signature of exactly this shape (W3.3)."""
    return Parts(*_matched(signature).groups())


def written(signature: bytes) -> bytes:
    """The same signature as the shape writes it: to the letter, if it is ours."""
    return _matched(signature).string.encode()


def _matched(signature: bytes) -> re.Match[str]:
    if len(signature) > LIMIT_BYTES:
        raise SignatureError(
            Fault.TOO_LARGE, f"signature of {len(signature)} bytes, limit {LIMIT_BYTES} bytes"
        )
    try:
        text = signature.decode("ascii")
    except UnicodeDecodeError:
        raise SignatureError(Fault.MALFORMED, "the signature is not ASCII text") from None
    match = _SHAPE.fullmatch(text) or _SHAPE.fullmatch(_canonical(signature))
    if match is None:
        raise diagnose(_parse(_undeclared(signature)))
    return match


def _canonical(signature: bytes) -> str:
    """Inclusive canonical XML: it keeps every namespace declaration that the shape does not have."""
    root = _parse(_undeclared(signature))
    try:
        return etree.tostring(root, method="c14n", with_comments=True).decode()
    except etree.C14NError:
        raise SignatureError(Fault.SHAPE, "the signature has no canonical form") from None


def _undeclared(signature: bytes) -> bytes:
    """Without its XML declaration, and sure to hold no declaration, comment or entity."""
    declared = _DECLARATION.match(signature)
    body = signature[declared.end() :] if declared else signature
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise SignatureError(Fault.DOCTYPE, "the signature has a document type declaration")
    if b"<!" in body or b"<?" in body or b"&" in body:
        raise SignatureError(
            Fault.SHAPE, "the signature holds a comment, CDATA, instruction or reference"
        )
    if body.count(b"<") > MARKUP_LIMIT or body.count(b'"') + body.count(b"'") > MARKUP_LIMIT:
        raise SignatureError(
            Fault.SHAPE, f"the signature has more than {MARKUP_LIMIT} tags or quotes"
        )
    return body


def _parse(body: bytes) -> etree._Element:
    try:
        return etree.fromstring(body, parser())
    except (etree.XMLSyntaxError, ValueError):
        raise SignatureError(Fault.MALFORMED, "the signature is not well-formed XML") from None

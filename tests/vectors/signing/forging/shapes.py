"""Signatures of another shape: one thing of a good seal changed, and signed again for what it then says.

Only where re-signing would hide the fault (CDATA, references to characters, other encodings) the text is
changed and nothing else.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import base64

from relay.signing.algorithms import ECDSA_SHA256, EXCLUSIVE_C14N, RSA_SHA256, SHA256_DIGEST
from tests.vectors.signing.forging import honest
from tests.vectors.signing.forging.honest import DSIG, MORE, signed_again
from tests.vectors.signing.forging.originals import ENVELOPE, NODE, RSA, RSA_KEY, cut, seal
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off

GOOD = seal().decode()
GOOD_RSA = seal(RSA).decode()
_, REFERENCE, _ = cut(GOOD, "</ds:SignatureMethod>", '<ds:Reference Type="')
_, PROPERTIES_REFERENCE, _ = cut(GOOD, REFERENCE, "</ds:SignedInfo>")
_, PROPERTIES, _ = cut(GOOD, 'Target="#signature">', "</xades:QualifyingProperties>")
OBJECT = GOOD[GOOD.index("<ds:Object>") : GOOD.index("</ds:Signature>")]
INFO_C14N = f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}">'
TRANSFORM = f'<ds:Transform Algorithm="{EXCLUSIVE_C14N}"></ds:Transform>'
VALUE = cut(GOOD, "<ds:SignatureValue>", "</ds:SignatureValue>")[1]


def _changed(text: str, name: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for old, new in pairs:
        if old not in text:
            raise AssertionError(f"{name}: nothing to change")
        text = text.replace(old, new, 1)
    return text


def again(fault: str, case: str, what: str, *pairs: tuple[str, str]) -> Vector:
    """Changed and signed again, by the key that the certificate is of."""
    text = _changed(GOOD, case, pairs)
    return Vector(fault, case, "seal", what, signed_again(text, ENVELOPE))


def again_rsa(fault: str, case: str, what: str, *pairs: tuple[str, str]) -> Vector:
    text = signed_again(_changed(GOOD_RSA, case, pairs), ENVELOPE, RSA_KEY)
    return Vector(fault, case, "seal", what, text, control="rsa.seal")


def plain(fault: str, case: str, what: str, *pairs: tuple[str, str]) -> Vector:
    """Changed and nothing else."""
    return Vector(fault, case, "seal", what, _changed(GOOD, case, pairs).encode())


def as_it_is(fault: str, case: str, what: str, content: bytes) -> Vector:
    return Vector(fault, case, "seal", what, content)


def shapes() -> Vectors:
    yield from _algorithms()
    yield from _references()
    yield from _transforms()
    yield from _others()


def _algorithms() -> Vectors:
    def c14n(case: str, what: str, algorithm: str) -> Vector:
        return again(
            "algorithm", case, what, (INFO_C14N, INFO_C14N.replace(EXCLUSIVE_C14N, algorithm))
        )

    yield c14n("c14n-with-comments", "SignedInfo canonicalised with comments", EXCLUSIVE_C14N + "WithComments")
    yield c14n("inclusive-c14n", "SignedInfo canonicalised inclusively", honest.INCLUSIVE)
    yield c14n("inclusive-c14n-with-comments", "the same with comments", honest.INCLUSIVE + "#WithComments")
    yield c14n("c14n-11", "SignedInfo canonicalised by version 1.1", honest.INCLUSIVE_11)
    yield again("algorithm", "hmac-sha1", "HMAC-SHA1, the public key as its secret", (ECDSA_SHA256, DSIG + "hmac-sha1"))
    yield again("algorithm", "hmac-sha256", "HMAC-SHA256, the public key as its secret", (ECDSA_SHA256, MORE + "hmac-sha256"))
    yield again_rsa("algorithm", "hmac-of-an-rsa-key", "HMAC-SHA256, an RSA public key as its secret", (RSA_SHA256, MORE + "hmac-sha256"))
    yield again(
        "algorithm",
        "hmac-truncated",
        "HMAC of which no bit is compared",
        (
            f'<ds:SignatureMethod Algorithm="{ECDSA_SHA256}">',
            f'<ds:SignatureMethod Algorithm="{MORE}hmac-sha256"><ds:HMACOutputLength>0</ds:HMACOutputLength>',
        ),
    )
    yield again_rsa("algorithm", "rsa-sha1", "RSA with SHA-1", (RSA_SHA256, DSIG + "rsa-sha1"))
    yield again_rsa("algorithm", "rsa-md5", "RSA with MD5", (RSA_SHA256, MORE + "rsa-md5"))
    yield again_rsa("algorithm", "rsa-sha512", "RSA with SHA-512: strong, and not of the shape", (RSA_SHA256, MORE + "rsa-sha512"))
    yield again("algorithm", "dsa-sha1", "DSA", (ECDSA_SHA256, DSIG + "dsa-sha1"))
    yield plain("algorithm", "rsa-of-a-p256-key", "the method of another kind of key", (ECDSA_SHA256, RSA_SHA256))
    yield again_rsa("algorithm", "ecdsa-of-an-rsa-key", "the method of another kind of key", (RSA_SHA256, ECDSA_SHA256))
    yield again("algorithm", "sha1-digest", "the document digested by SHA-1", (SHA256_DIGEST, DSIG + "sha1"))
    yield again("algorithm", "md5-digest", "the document digested by MD5", (SHA256_DIGEST, MORE + "md5"))
    yield again("algorithm", "sha512-digest", "the document digested by SHA-512", (SHA256_DIGEST, "http://www.w3.org/2001/04/xmlenc#sha512"))
    yield again(
        "algorithm",
        "sha1-properties",
        "the signed properties digested by SHA-1",
        (PROPERTIES_REFERENCE, PROPERTIES_REFERENCE.replace(SHA256_DIGEST, DSIG + "sha1")),
    )
    yield again(
        "algorithm",
        "sha1-certificate",
        "the certificate committed to by SHA-1",
        (PROPERTIES, PROPERTIES.replace(SHA256_DIGEST, DSIG + "sha1")),
    )
    yield plain("algorithm", "none", "no method at all", (f' Algorithm="{ECDSA_SHA256}"', ""))


def _references() -> Vectors:
    yield again("references", "empty", "SignedInfo refers to nothing", (REFERENCE + PROPERTIES_REFERENCE, ""))
    yield again("references", "no-properties", "the signed properties are not signed", (PROPERTIES_REFERENCE, ""))
    yield again("references", "no-document", "the document is not signed", (REFERENCE, ""))
    yield again(
        "references",
        "third",
        "the document twice",
        ("</ds:SignedInfo>", REFERENCE.replace(' Id="document"', "") + "</ds:SignedInfo>"),
    )
    yield again(
        "references",
        "repeated-properties",
        "the signed properties twice",
        ("</ds:SignedInfo>", PROPERTIES_REFERENCE + "</ds:SignedInfo>"),
    )
    yield again(
        "references",
        "key-info",
        "KeyInfo is signed too",
        ("<ds:KeyInfo>", '<ds:KeyInfo Id="keys">'),
        (
            "</ds:SignedInfo>",
            PROPERTIES_REFERENCE.replace("#signed-properties", "#keys").replace(
                ' Type="http://uri.etsi.org/01903#SignedProperties"', ""
            )
            + "</ds:SignedInfo>",
        ),
    )
    manifest = f'<ds:Object><ds:Manifest Id="manifest">{REFERENCE}</ds:Manifest></ds:Object>'
    to_manifest = REFERENCE.replace(' Id="document" URI="envelope.edxml"', f' Type="{DSIG}Manifest" URI="#manifest"')
    yield again(
        "references",
        "manifest",
        "a Manifest is signed, and speaks of the document itself",
        (REFERENCE, to_manifest),
        ("</ds:Signature>", f"{manifest}</ds:Signature>"),
    )
    inside = '<ds:Object Id="inside">an envelope of the signer</ds:Object></ds:Signature>'
    yield again(
        "shape",
        "document-in-an-object",
        "an Object in the signature is signed, not what lies beside it",
        ('URI="envelope.edxml"', f'URI="#inside" Type="{DSIG}Object"'),
        ("</ds:Signature>", inside),
    )
    yield again("shape", "document-by-id", "the document is a fragment", ('URI="envelope.edxml"', 'URI="#document"'))
    yield again("shape", "whole-document", "the document is whatever holds the signature", ('URI="envelope.edxml"', 'URI=""'))
    yield again("shape", "no-uri", "the document is left to be guessed", (' URI="envelope.edxml"', ""))
    yield again("shape", "document-elsewhere", "the document is to be fetched", ('URI="envelope.edxml"', 'URI="http://127.0.0.1:9/envelope.edxml"'))
    yield again("shape", "document-by-path", "the document is a file of this machine", ('URI="envelope.edxml"', 'URI="../envelope.edxml"'))
    yield again("shape", "xpointer", "the signed properties by XPointer", ("#signed-properties", "#xpointer(id('signed-properties'))"))
    yield again(
        "transforms",
        "references-swapped",
        "the signed properties before the document",
        (REFERENCE + PROPERTIES_REFERENCE, PROPERTIES_REFERENCE + REFERENCE),
    )


def _transforms() -> Vectors:
    def on_document(case: str, what: str, algorithm: str, content: str = "") -> Vector:
        one = f'URI="envelope.edxml">{transforms(algorithm, content)}'
        return again("transforms", case, what, ('URI="envelope.edxml">', one))

    def on_properties(case: str, what: str, new: str) -> Vector:
        return again("transforms", case, what, (f"<ds:Transforms>{TRANSFORM}</ds:Transforms>", new))

    def transforms(algorithm: str, content: str = "") -> str:
        return f'<ds:Transforms><ds:Transform Algorithm="{algorithm}">{content}</ds:Transform></ds:Transforms>'

    xpath = "<ds:XPath>not(ancestor-or-self::*[local-name() = 'To'])</ds:XPath>"
    sheet = (
        '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0">'
        '<xsl:template match="/"><good></good></xsl:template></xsl:stylesheet>'
    )
    yield on_document("on-document", "the document canonicalised: other bytes would be equal", EXCLUSIVE_C14N)
    yield on_document("xpath-on-document", "recipients left out of what is signed", honest.XPATH, xpath)
    yield on_document("xslt-on-document", "the document turned into another one", honest.XSLT, sheet)
    yield as_it_is("transforms", "base64-on-document", "the document decoded first", _base64_on_document(transforms(honest.BASE64)))
    yield on_document("enveloped-on-document", "a signature inside the document left out", honest.ENVELOPED)
    yield on_properties("none", "no transform of the signed properties", "")
    yield on_properties("two", "the transform twice", f"<ds:Transforms>{TRANSFORM * 2}</ds:Transforms>")
    yield on_properties("c14n-with-comments", "comments among the signed properties", transforms(EXCLUSIVE_C14N + "WithComments"))
    yield on_properties("inclusive-c14n", "inclusive c14n of the signed properties", transforms(honest.INCLUSIVE))
    yield on_properties("xpath", "XPath chooses among the signed properties", transforms(honest.XPATH, "<ds:XPath>false()</ds:XPath>"))
    yield on_properties("xslt", "XSLT of the signed properties", transforms(honest.XSLT, sheet))
    yield on_properties("base64", "base64 of the signed properties' text", transforms(honest.BASE64))
    yield on_properties("enveloped", "the enveloped-signature transform", transforms(honest.ENVELOPED))
    yield on_properties(
        "xpath-filter",
        "XPath Filter 2.0",
        transforms(
            honest.XPATH_FILTER,
            '<f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="subtract">/</f:XPath>',
        ),
    )
    prefixes = f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE_C14N}" PrefixList="ec"></ec:InclusiveNamespaces>'
    yield again("shape", "inclusive-prefixes", "exclusive c14n with a list of prefixes", (TRANSFORM, TRANSFORM.replace("></", f">{prefixes}</")))


def _base64_on_document(transforms: str) -> bytes:
    text = GOOD.replace('URI="envelope.edxml">', f'URI="envelope.edxml">{transforms}')
    return signed_again(text, base64.b64encode(ENVELOPE))


def _others() -> Vectors:
    def shape(case: str, what: str, *pairs: tuple[str, str]) -> Vector:
        return plain("shape", case, what, *pairs)

    def shape_again(case: str, what: str, *pairs: tuple[str, str]) -> Vector:
        return again("shape", case, what, *pairs)

    yield shape_again("second-object", "an empty Object behind", ("</ds:Signature>", "<ds:Object></ds:Object></ds:Signature>"))
    yield shape_again("unsigned-first", "unsigned properties before the signed ones", (PROPERTIES, "<xades:UnsignedProperties/>" + PROPERTIES))
    yield shape_again(
        "unsigned-properties",
        "unsigned properties, where a timestamp would stand",
        (
            "</xades:SignedProperties>",
            "</xades:SignedProperties><xades:UnsignedProperties></xades:UnsignedProperties>",
        ),
    )
    free = PROPERTIES.replace("<xades:SignedProperties", f'<xades:SignedProperties xmlns:xades="{honest.XADES}"', 1)
    yield shape_again("properties-elsewhere", "the signed properties without their frame", (OBJECT, f"<ds:Object>{free}</ds:Object>"))
    value = "<ds:SignatureValue>"
    yield shape("comment", "a comment", (value, f"<!-- -->{value}"))
    yield shape_again("signed-comment", "a comment among the signed properties", ("<xades:SignedSignatureProperties>", "<!-- x --><xades:SignedSignatureProperties>"))
    yield shape("instruction", "a processing instruction", (value, f"<?x y?>{value}"))
    yield shape("cdata", "a CDATA section", (">node<", "><![CDATA[node]]><"))
    yield shape("character-reference", "a reference to a character", (">node<", ">n&#111;de<"))
    yield shape("reference-in-base64", "a reference to a character inside base64", (VALUE, f"&#{ord(VALUE[0])};{VALUE[1:]}"))
    yield shape("carriage-return-reference", "a carriage return that survives canonicalisation", (VALUE, f"{VALUE[:8]}&#13;{VALUE[8:]}"))
    yield shape("white-space", "a line break between elements", (value, f"\n{value}"))
    yield shape_again("signed-white-space", "a line break between signed elements", (INFO_C14N, f"\n{INFO_C14N}"))
    yield shape_again("space-in-role", "a space around the role", (">node<", "> node <"))
    yield shape_again("role-in-capitals", "a role in capital letters", (">node<", ">NODE<"))
    yield shape_again("second-role", "two claimed roles", ("</xades:ClaimedRole>", "</xades:ClaimedRole><xades:ClaimedRole>gateway</xades:ClaimedRole>"))
    yield shape_again("no-role", "no claimed role", ("<xades:ClaimedRole>node</xades:ClaimedRole>", ""))
    yield shape_again("certified-role", "a certified role beside the claimed one", ("</xades:ClaimedRoles>", "</xades:ClaimedRoles><xades:CertifiedRolesV2/>"))
    yield shape("attribute", "an attribute more", (value, '<ds:SignatureValue Id="value">'))
    yield shape_again("xml-base", "xml:base, which moves where the document lies", (' Id="signature"', ' Id="signature" xml:base="http://127.0.0.1:9/"'))
    yield shape_again("xml-lang", "xml:lang on the root", (' Id="signature"', ' Id="signature" xml:lang="vi"'))
    yield shape("foreign-namespace", "a namespace declared and not used", (value, '<ds:SignatureValue xmlns:x="urn:x">'))
    yield shape("default-namespace", "a default namespace declared and not used", (value, '<ds:SignatureValue xmlns="urn:x">'))
    yield shape("relative-namespace", "a relative namespace", (value, '<ds:SignatureValue xmlns:x="x">'))
    yield shape_again("namespace-on-root", "the namespace of XAdES declared on the root", (' Id="signature"', f' xmlns:xades="{honest.XADES}" Id="signature"'))
    yield shape_again("key-name", "KeyName beside the certificates", ("<ds:X509Data>", "<ds:KeyName>tinh-h01</ds:KeyName><ds:X509Data>"))
    yield shape_again("key-value", "KeyValue beside the certificates", ("<ds:X509Data>", "<ds:KeyValue></ds:KeyValue><ds:X509Data>"))
    yield shape_again("retrieval-method", "certificates to be fetched", ("<ds:X509Data>", f'<ds:RetrievalMethod URI="http://127.0.0.1:9/c" Type="{DSIG}X509Data"/><ds:X509Data>'))
    yield shape_again("issuer-serial", "the certificate named by issuer and number", ("</ds:X509Data>", "<ds:X509IssuerSerial><ds:X509IssuerName>CN=Issuing</ds:X509IssuerName><ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>"))
    yield shape("revocation-list", "a revocation list of the signer's choice", ("</ds:X509Data>", "<ds:X509CRL>AAAA</ds:X509CRL></ds:X509Data>"))
    yield shape_again("no-certificate", "no certificate", (NODE.certificates_xml, ""))
    many = NODE.certificates_xml + NODE.certificates_xml.partition("</ds:X509Certificate>")[0] + "</ds:X509Certificate>"
    yield shape_again("five-certificates", "five certificates", (NODE.certificates_xml, many + NODE.certificates_xml))
    yield shape_again("no-key-info", "no KeyInfo", (f"<ds:KeyInfo><ds:X509Data>{NODE.certificates_xml}</ds:X509Data></ds:KeyInfo>", ""))
    yield shape_again("other-target", "the properties are of another signature", ('Target="#signature"', 'Target="#other"'))
    yield shape_again("other-id", "another Id", ('Id="signature"', 'Id="sig"'))
    yield shape_again("other-format", "the document is called a text", ("application/xml", "text/plain"))
    yield shape_again("old-commitment", "SigningCertificate of the first version", ("SigningCertificateV2>", "SigningCertificate>"), ("</xades:SigningCertificateV2>", "</xades:SigningCertificate>"))
    commitment = cut(GOOD, "</xades:SigningTime>", "<xades:SignerRoleV2>")[1]
    yield shape_again("no-commitment", "not committed to any certificate", (commitment, ""))
    yield shape_again("no-time", "no SigningTime", ("<xades:SigningTime>2026-11-23T04:05:06Z</xades:SigningTime>", ""))
    yield as_it_is(
        "shape",
        "other-prefix",
        "another prefix for the same namespace",
        signed_again(GOOD.replace("ds:", "dsig:").replace("xmlns:ds=", "xmlns:dsig="), ENVELOPE),
    )
    yield as_it_is("shape", "other-namespace", "a later namespace of XAdES", signed_again(GOOD.replace("v1.3.2", "v1.4.1"), ENVELOPE))
    empty = GOOD.replace(VALUE, "")
    yield as_it_is("shape", "no-value", "an empty signature value", empty.encode())
    yield as_it_is("many-signatures", "only-signed-info", "SignedInfo alone", cut(GOOD, 'Id="signature">', "<ds:SignatureValue>")[1].replace("<ds:SignedInfo", f'<ds:SignedInfo xmlns:ds="{DSIG}"', 1).encode())

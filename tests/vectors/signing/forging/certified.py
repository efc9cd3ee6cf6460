"""Signatures whose certificate is at fault; everything else of them holds.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.vectors.signing.forging.keys import (
    ECDSA_SHA256_ID,
    ORDER,
    certificate,
    certificate_of,
    derived,
    derived_rsa,
    edited,
    key_usage,
    sequence,
    signer,
    weakly_signed,
)
from tests.vectors.signing.forging.originals import ISSUING, NODE_DER, NODE_SIGN, signed
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off

URIS = [NODE_SIGN]
RSA_ID = bytes.fromhex("300d06092a864886f70d0101010500")
PSS_ID = bytes.fromhex("300d06092a864886f70d01010a3000")
"""What a key is for, of the same length: RSA in general; PSS with its defaults."""
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def by(der: bytes, key: Any, *issuers: bytes) -> bytes:
    """A seal by the holder of this certificate."""
    return signed("seal", signer(der, *(issuers or (ISSUING,)), key=key))


def odd(
    fault: str, label: str, what: str, uris: Sequence[str] = URIS, *, case: str = "", **options: Any
) -> Vector:
    """A seal by a certificate with something wrong about it."""
    der = certificate(label, "Issuing", list(uris), **options)
    return Vector(fault, case or label, "seal", what, by(der, derived(label)))


def certified() -> Vectors:
    yield from _encodings()
    yield from _identities()
    yield from _usages()
    yield from _extensions()
    yield from _keys()
    yield from _times()


def _encodings() -> Vectors:
    key = derived("tinh-h01")

    def der(case: str, what: str, content: bytes) -> Vector:
        return Vector("bad-certificate", case, "seal", what, by(content, key))

    yield der("garbage", "an ASN.1 sequence that is no certificate", b"\x30\x03\x02\x01\x01")
    yield der("trailing-byte", "a byte behind the certificate", NODE_DER + b"\0")
    yield der("truncated", "cut off before its end", NODE_DER[:-1])
    yield der("nothing", "one byte", b"\0")
    yield der("long-form-length", "a length in more bytes than it needs", b"\x30\x83\0" + NODE_DER[2:4] + NODE_DER[4:])
    yield der("indefinite-length", "BER of indefinite length", b"\x30\x80" + NODE_DER[4:] + b"\0\0")
    yield der("pem", "PEM inside the base64", b"-----BEGIN CERTIFICATE-----\n" + NODE_DER)
    many = [x509.DNSName(f"{n:04}.mau.vn") for n in range(1400)]
    yield odd("bad-certificate", "large", "a certificate over its limit", names=many)
    unused = len(NODE_DER) - len(x509.load_der_x509_certificate(NODE_DER).signature) - 1
    yield der("unused-bits", "the issuer's signature ends in an unused bit: the same certificate in other bytes", NODE_DER[:unused] + b"\1" + NODE_DER[unused + 1 :])
    issuer = derived("Issuing")
    tbs = x509.load_der_x509_certificate(NODE_DER).tbs_certificate_bytes
    value = x509.load_der_x509_certificate(NODE_DER).signature
    other = bytes.fromhex("300a06082a8648ce3d040303")
    yield Vector("untrusted", "two-algorithms", "seal", "one algorithm inside, another outside", by(certificate_of(tbs, other, value), key))
    yield der("no-algorithm", "an empty algorithm outside", certificate_of(tbs, sequence(), value))
    version_1 = edited(NODE_DER, bytes.fromhex("a003020102"), bytes.fromhex("a003020100"), issuer)
    yield der("version-1", "version 1 with extensions", version_1)
    serial = x509.load_der_x509_certificate(NODE_DER).serial_number.to_bytes(9, "big").lstrip(b"\0")
    tagged = b"\x02" + bytes((len(serial),)) + serial
    yield der("serial-zero", "the serial number 0", edited(NODE_DER, tagged, tagged[:2] + bytes(len(serial)), issuer))
    negative = tagged[:2] + bytes((serial[0] | 0x80,)) + serial[1:]
    yield der("serial-negative", "a negative serial number", edited(NODE_DER, tagged, negative, issuer))
    uri = NODE_SIGN.encode()
    yield der("identity-with-nul", "a zero byte in the identity", edited(NODE_DER, uri, uri.replace(b"-h01:", b"\0h01:"), issuer))
    flipped = NODE_DER[:-1] + bytes((NODE_DER[-1] ^ 1,))
    yield Vector("untrusted", "flipped-signature", "seal", "one bit of the issuer's signature", by(flipped, key))
    edited_uri = NODE_DER.replace(uri, uri.replace(b"tinh", b"tanh"))
    yield Vector("untrusted", "edited-identity", "seal", "another node's name put into it", by(edited_uri, key))


def _identities() -> Vectors:
    def identity(label: str, what: str, *uris: str) -> Vector:
        return odd("bad-certificate", label, what, uris)

    yield identity("no-identity", "no identity")
    yield identity("two-nodes", "two nodes", NODE_SIGN, "urn:truc-relay:node:tw:sign")
    yield identity("node-and-agency", "a node and an agency", NODE_SIGN, "urn:truc-relay:agency:H01")
    yield identity("node-twice", "the same node twice", NODE_SIGN, NODE_SIGN)
    yield identity("unknown-identity", "an identity of no known kind", "urn:truc-relay:king:H01")
    yield identity("unknown-use", "a use of no known kind", NODE_SIGN + "-all")
    yield identity("no-use", "a node without a use", "urn:truc-relay:node:tinh-h01")
    yield identity("two-uses", "two uses in one", "urn:truc-relay:node:tinh-h01:sign:log")
    yield identity("no-name", "a node without a name", "urn:truc-relay:node::sign")
    yield identity("name-with-space", "a space in the name", "urn:truc-relay:node:tinh h01:sign")
    yield identity("name-with-line", "a line break behind the name", "urn:truc-relay:node:tinh-h01:sign\n")
    yield identity("percent", "a name written otherwise", "urn:truc-relay:node:tinh%2Dh01:sign")
    yield identity("capitals", "the scheme in capitals", "URN:TRUC-RELAY:node:tinh-h01:sign")
    yield identity("code-in-small-letters", "a code in small letters", "urn:truc-relay:agency:h01")
    yield identity("code-with-dot", "a code that ends in a dot", "urn:truc-relay:agency:H01.")


def _usages() -> Vectors:
    def usage(label: str, what: str, **options: Any) -> Vector:
        return odd("bad-certificate", label, what, **options)

    yield usage("authority", "an issuer's certificate", ca=True)
    yield usage("no-non-repudiation", "key usage without nonRepudiation", vouching=False)
    only = key_usage(vouching=True, signing=False)
    yield usage("no-digital-signature", "key usage without digitalSignature", usage=only)
    yield usage("usage-not-critical", "key usage that may be passed over", usage_critical=False)
    both = x509.KeyUsage(True, True, False, False, False, True, False, False, False)
    yield usage("may-issue", "key usage with keyCertSign", usage=both)
    lists = x509.KeyUsage(True, True, False, False, False, False, True, False, False)
    yield usage("may-revoke", "key usage with cRLSign", usage=lists)


    end_entity = key_usage(vouching=True)
    yield usage("authority-that-signs", "an issuer's certificate with an end entity's usage", ca=True, usage=end_entity)
    yield usage("no-usage", "no key usage at all", without_usage=True)
    yield usage("tls-without-uses", "for TLS, and by its extended key usage for nothing", uris=["urn:truc-relay:node:tinh-h01:tls"])
    use = ExtendedKeyUsageOID.TIME_STAMPING
    yield usage("timestamp-not-critical", "a timestamp authority's use that may be passed over", uris=[], uses=[use])
    apart = x509.ExtendedKeyUsage([use, ExtendedKeyUsageOID.CLIENT_AUTH])
    yield usage("timestamp-and-more", "a use that stands alone beside another", uris=[], extra=apart)
    alone = x509.ExtendedKeyUsage([use])
    yield odd("wrong-purpose", "timestamp", "by a timestamp authority", [], extra=alone)
    yield odd("wrong-purpose", "ocsp", "by an OCSP responder", [], uses=[ExtendedKeyUsageOID.OCSP_SIGNING])


def _extensions() -> Vectors:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    yield odd("bad-certificate", "unknown-critical", "a critical extension nobody knows", extra=unknown)
    limits = x509.NameConstraints([x509.UniformResourceIdentifier("example.vn")], None)
    yield odd("bad-certificate", "constrained-leaf", "name constraints on an end entity", extra=limits)
    policies = x509.PolicyConstraints(0, None)
    yield odd("bad-certificate", "policy-constraints", "policy constraints, which are not kept here", extra=policies)
    proxy = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14"), bytes.fromhex("300e300c06082b06010505071501"))
    yield odd("bad-certificate", "proxy", "a proxy certificate that does not mark itself as critical", beside=proxy)
    for case, what, named in (
        ("issued-by-another-serial", "it names its issuer's certificate by another serial number", ("Root", 1)),
        ("issued-by-anothers-certificate", "it names its issuer's certificate as another's", ("Nobody", _serial(ISSUING))),
    ):
        yield odd("untrusted", case, what, beside=_issued_by(*named))
    yield Vector("bad-certificate", "extension-twice", "seal", "key usage twice", by(_usage_twice(), derived("tinh-h01")))


def _serial(der: bytes) -> int:
    return x509.load_der_x509_certificate(der).serial_number


def _issued_by(name: str, serial: int) -> x509.AuthorityKeyIdentifier:
    above = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(above)], serial)


def _usage_twice() -> bytes:
    """The basic constraints turned into a second key usage."""
    basic = bytes.fromhex("300c0603551d130101ff04023000")
    again = bytes.fromhex("300c0603551d0f0101ff04020300")
    return edited(NODE_DER, basic, again, derived("Issuing"))


def _keys() -> Vectors:
    def key(case: str, what: str, key: Any, fault: str = "weak-key") -> Vector:
        der = certificate(case, "Issuing", URIS, key=key)
        value_key = key if not isinstance(key, ed25519.Ed25519PrivateKey) else derived("x")
        return Vector(fault, case, "seal", what, by(der, value_key), control="node.seal")

    yield key("p384", "P-384", derived("p384", ec.SECP384R1()))
    yield key("p521", "P-521", derived("p521", ec.SECP521R1()))
    yield key("secp256k1", "a curve of the same size", derived("k1", ec.SECP256K1()))
    yield key("ed25519", "Ed25519, which is for logs", ED25519)
    yield key("rsa-1024", "RSA of 1024 bits", derived_rsa("small", 1024))
    yield key("rsa-2040", "RSA of 2040 bits", derived_rsa("nearly", 2040))
    issuer = derived_rsa("Issuing RSA")
    authority = certificate("Issuing RSA", "Root", key=issuer, ca=True, pathlen=0)
    der = certificate("by-rsa", "Issuing RSA", URIS, issuer_key=issuer)
    for name, last, digest in (("sha1", 5, hashes.SHA1()), ("md5", 4, hashes.MD5())):
        weak = weakly_signed(der, issuer, last, digest)
        what = f"the certificate signed with {name.upper()}"
        signature = by(weak, derived("by-rsa"), authority)
        yield Vector("algorithm", f"certificate-{name}", "seal", what, signature, control="under-rsa.seal")
    by_ed25519 = certificate("by-ed25519", "Ed", URIS, issuer_key=ED25519)
    ed = certificate("Ed", "Root", key=ED25519, ca=True, pathlen=0)
    yield Vector("algorithm", "certificate-ed25519", "seal", "the certificate signed with Ed25519", by(by_ed25519, derived("by-ed25519"), ed))
    p521 = derived("issuer p521", ec.SECP521R1())
    large = certificate("P-521", "Root", key=p521, ca=True, pathlen=0)
    under = certificate("under-p521", "P-521", URIS, issuer_key=p521)
    yield Vector("weak-key", "issuer-p521", "seal", "an issuer on a curve that is not of the list", by(under, derived("under-p521"), large))
    log = certificate("log-p256", "Issuing", ["urn:truc-relay:node:tinh-h01:log"], vouching=False)
    yield Vector("weak-key", "log-p256", "seal", "a log's certificate with a key that no log may have", by(log, derived("log-p256")))
    small = derived_rsa("small", 1024)
    weak_authority = certificate("Small", "Root", key=small, ca=True, pathlen=0)
    under = certificate("under-small", "Small", URIS, issuer_key=small)
    yield Vector("weak-key", "issuer-rsa-1024", "seal", "an issuer with RSA of 1024 bits", by(under, derived("under-small"), weak_authority))
    pss = certificate("rsassa-pss", "Issuing", URIS, key=issuer)
    yield Vector("weak-key", "rsassa-pss", "seal", "an RSA key for PSS alone, used otherwise", by(edited(pss, RSA_ID, PSS_ID, derived("Issuing")), issuer), control="node.seal")
    only_pss = edited(authority, RSA_ID, PSS_ID, derived("Root"))
    yield Vector("weak-key", "issuer-rsassa-pss", "seal", "an issuer whose key is for PSS alone, and who signed otherwise", by(der, derived("by-rsa"), only_pss), control="under-rsa.seal")


def _times() -> Vectors:
    yield odd("expired-certificate", "ended", "it ended before", days=(-20, -10))
    yield odd("not-yet-valid-certificate", "begins", "it begins later", days=(10, 20))
    yield odd("expired-certificate", "just-ended", "it ended the day before", days=(-20, -1))
    yield Vector("not-yet-valid-certificate", "backwards", "seal", "it ends before it begins", by(_backwards(), derived("tinh-h01")))


def _backwards() -> bytes:
    """Beginning and end exchanged."""
    start, end = b"161125040506Z", b"361120040506Z"
    return edited(NODE_DER, start + b"\x17\x0d" + end, end + b"\x17\x0d" + start, derived("Issuing"))


def high_s() -> bytes:
    """A seal by a certificate whose issuer's signature is the second of its two values: accepted, for
    issuers make either. Who wants to refuse a certificate must not go by its digest."""
    certificate = x509.load_der_x509_certificate(NODE_DER)
    r, s = decode_dss_signature(certificate.signature)
    other = encode_dss_signature(r, ORDER - s)
    return by(certificate_of(certificate.tbs_certificate_bytes, ECDSA_SHA256_ID, other), derived("tinh-h01"))

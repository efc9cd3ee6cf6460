"""Write the signature vectors: some to accept, and one for each way in which one may be refused.

Run as `python tests/vectors/signing/make.py [FOLDER]`; a second run changes nothing. The keys are
derived from their labels and exist only while this runs: they protect nothing, and the root that is
written beside the vectors must never be trusted anywhere else.

    root.pem                      the root that the vectors are judged by
    envelope.edxml, receipt.xml, transfer.xml, carry.xml   the documents
    accepted/<case>.<kind>.xml    a signature that holds; kind is seal, receipt, transfer or carry
    refused/<reason>[--<case>].<kind>.xml       one that must be refused for that reason
    refused/<reason>--<case>.<kind>.document    the document of that case, where it is another one

What is signed in batches is in batches.py.
"""

from __future__ import annotations

import base64
import hashlib
import runpy
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from relay.model import (
    AgencyCode,
    Digest,
    Event,
    Evidence,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    Reason,
    Receipt,
    SealKind,
    TraceStep,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.signing import algorithms
from relay.signing.certificates import Identity, Purpose
from relay.signing.evidence import sign_carry, sign_receipt, sign_transfer
from relay.signing.keys import Signer
from relay.signing.seal import make_seal
from relay.signing.shape import CERTIFICATE
from relay.signing.xades import DocumentName, build
from relay.wire.carry import (
    CarriedPayload,
    CarriedTransfer,
    CarryId,
    Manifest,
    write_carry,
)
from relay.wire.receipt import write_receipt
from relay.wire.transfer import write_transfer

AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)
ENVELOPE = "<edXML>Công văn mẫu của Nguyễn Văn Mẫu</edXML>".encode()
NODE_SIGN = "urn:truc-relay:node:tinh-h01:sign"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def derived(label: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    secret = int.from_bytes(hashlib.sha512(label.encode()).digest(), "big") % (ORDER - 1) + 1
    return ec.derive_private_key(secret, curve or ec.SECP256R1())


def certificate(
    label: str,
    issuer: str,
    uris: Sequence[str] = (),
    *,
    key: Any = None,
    issuer_key: Any = None,
    ca: bool = False,
    pathlen: int | None = None,
    vouching: bool = True,
    uses: bool = False,
    days: tuple[int, int] = (-3650, 3650),
    extra: x509.ExtensionType | None = None,
) -> bytes:
    """DER; the keys of subject and issuer are those derived from their labels."""
    key = key or derived(label)
    usage = x509.KeyUsage(not ca, vouching and not ca, False, False, False, ca, ca, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(repr((label, uris)).encode()).digest()[:8]))
        .not_valid_before(AT.replace(microsecond=0) + timedelta(days=days[0]))
        .not_valid_after(AT.replace(microsecond=0) + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca, pathlen), critical=True)
        .add_extension(usage, critical=True)
    )
    if uris:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(u) for u in uris])
        builder = builder.add_extension(names, critical=False)
    if uses:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    if extra is not None:
        builder = builder.add_extension(extra, critical=True)
    signed = builder.sign(issuer_key or derived(issuer), hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.DER)


ROOT = certificate("Root", "Root", ca=True, pathlen=1)
ISSUING = certificate("Issuing", "Root", ca=True, pathlen=0)


def signer(*chain: bytes, key: Any, purpose: Purpose = Purpose.SIGN) -> Signer:
    """A signer that checks nothing, for signatures that our own would never make."""
    identity = Identity(purpose, NodeId("tinh-h01"), frozenset())
    return Signer(
        identity=identity,
        method=algorithms.ECDSA_SHA256,
        chain=chain,
        certificates_xml="".join(
            CERTIFICATE.format(base64.b64encode(der).decode()) for der in chain
        ),
        certificate_digest=base64.b64encode(hashlib.sha256(chain[0]).digest()).decode(),
        sign=lambda content: algorithms.sign(key, content),
    )


NODE_DER = certificate("tinh-h01", "Issuing", [NODE_SIGN])
NODE = signer(NODE_DER, ISSUING, key=derived("tinh-h01"))
AGENCY = signer(
    certificate(
        "H01", "Issuing", ["urn:truc-relay:agency:H01", "urn:truc-relay:agency:000.00.00.H01"]
    ),
    ISSUING,
    key=derived("H01"),
    purpose=Purpose.AGENCY,
)
GATEWAY = signer(
    certificate("gateway", "Issuing", ["urn:truc-relay:gateway:tw"]),
    ISSUING,
    key=derived("gateway"),
    purpose=Purpose.GATEWAY,
)

MESSAGE = "019ab000-0000-7000-8000-000000000001"
HEADER = TransferHeader(
    transfer_id=TransferId("019ab000-0000-7000-8000-000000000002"),
    message_id=MessageId(MESSAGE),
    origin=NodeId("tinh-h01"),
    sent_by=NodeId("tinh-h01"),
    sent_to=NodeId("tw"),
    message_type=MessageType.DOCUMENT,
    sender=AgencyCode("H01"),
    recipients=(AgencyCode("H36.02"), AgencyCode("000.00.00.G22")),
    priority=Priority.URGENT,
    digest=digest_of(ENVELOPE),
    size_bytes=len(ENVELOPE),
    created_at=AT,
    expires_at=AT + timedelta(days=3),
    trace=(TraceStep(NodeId("tinh-h01"), AT, digest_of(b"submission receipt")),),
)
RECEIPT = Receipt(
    issuer=NodeId("tinh-h01"),
    origin=NodeId("tw"),
    message_id=MessageId(MESSAGE),
    digest=digest_of(ENVELOPE),
    size_bytes=len(ENVELOPE),
    transfer_id=HEADER.transfer_id,
    sent_by=NodeId("tw"),
    at=AT,
    evidence=(
        Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("H01.02"), digest_of(b"previous")),
        Evidence(
            Event.RELAY_REJECTION,
            AgencyCode("H01.99"),
            reason=Reason.UNKNOWN_RECIPIENT,
            detail="không có trong danh bạ <H01.99>",
        ),
    ),
)

CARRY = Manifest(
    carry_id=CarryId("019ab000-0000-7000-8000-000000000009"),
    sent_by=NodeId("tinh-h01"),
    sent_to=NodeId("tw"),
    created_at=AT,
    payloads=(
        CarriedPayload(
            HEADER.digest,
            HEADER.size_bytes,
            (CarriedTransfer(HEADER.transfer_id, digest_of(write_transfer(HEADER))),),
        ),
    ),
)


def seal(by: Signer = NODE, kind: SealKind = SealKind.NODE, at: datetime = AT) -> bytes:
    return make_seal(digest_of(ENVELOPE), kind, by, at).signature


def forced_seal(by: Signer, role: str = "node", at: datetime = AT) -> bytes:
    return build(DocumentName.ENVELOPE, digest_of(ENVELOPE), role, by, at)


def receipt_by(by: Signer, receipt: Receipt = RECEIPT, role: str = "node") -> bytes:
    return build(DocumentName.RECEIPT, digest_of(write_receipt(receipt)), role, by, AT)


def odd(label: str, uris: Sequence[str] = (NODE_SIGN,), **options: Any) -> bytes:
    """A seal by a certificate with something wrong about it, the signature itself being right."""
    der = certificate(label, "Issuing", uris, **options)
    return forced_seal(signer(der, ISSUING, key=derived(label)))


def accepted() -> Iterator[tuple[str, bytes]]:
    yield "node.seal", seal()
    yield "agency.seal", seal(AGENCY, SealKind.AGENCY)
    yield "agency-supplied.seal", seal(AGENCY, SealKind.AGENCY_SUPPLIED)
    yield "gateway.seal", seal(GATEWAY, SealKind.GATEWAY)
    yield "node.receipt", sign_receipt(RECEIPT, NODE, AT).signature
    yield "node.transfer", sign_transfer(HEADER, NODE, AT).signature
    yield "node.carry", sign_carry(CARRY, NODE, AT).signature
    yield "written-otherwise.seal", written_otherwise(seal())


def written_otherwise(signature: bytes) -> bytes:
    """The same XML as another tool writes it: declaration, empty elements, wrapped base64."""
    text = signature.decode()
    for name in ("CanonicalizationMethod", "SignatureMethod", "DigestMethod", "Transform"):
        text = text.replace(f"></ds:{name}>", "/>")
    head, value, tail = cut(text, "<ds:SignatureValue>", "</ds:SignatureValue>")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{value[:64]}\n{value[64:]}{tail}\n'.encode()
    )


def cut(text: str, start: str, end: str) -> tuple[str, str, str]:
    """What is before, between and after these two marks; the marks stay outside."""
    head, _, rest = text.partition(start)
    middle, _, tail = rest.partition(end)
    return head + start, middle, end + tail


C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
INFO_C14N = f'<ds:CanonicalizationMethod Algorithm="{C14N}">'
TRANSFORM = f'<ds:Transform Algorithm="{C14N}"></ds:Transform>'
METHOD = algorithms.ECDSA_SHA256
DIGEST = algorithms.SHA256_DIGEST
DSIG = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"


def changed_text() -> Iterator[tuple[str, bytes]]:
    """A good seal with its text changed. None of these is of the shape, so all stop there."""
    good = seal().decode()
    _, reference, _ = cut(good, "</ds:SignatureMethod>", '<ds:Reference Type="')
    _, properties_reference, _ = cut(good, reference, "</ds:SignedInfo>")
    _, properties, _ = cut(good, 'Target="#signature">', "</xades:QualifyingProperties>")
    whole_object = good[good.index("<ds:Object>") : good.index("</ds:Signature>")]

    def change(name: str, old: str, new: str) -> tuple[str, bytes]:
        if good.count(old) == 0:
            raise AssertionError(f"{name}: nothing to change")
        return f"{name}.seal", good.replace(old, new, 1).encode()

    yield "malformed--truncated.seal", good[:-5].encode()
    yield "malformed--empty.seal", b""
    yield "malformed--utf16.seal", good.encode("utf-16")
    yield "doctype--entity.seal", f'<!DOCTYPE s [<!ENTITY e "x">]>{good}'.encode()
    yield "doctype--declared.seal", f'<?xml version="1.0"?><!DOCTYPE s>{good}'.encode()
    yield "shape--utf7.seal", f'<?xml version="1.0" encoding="UTF-7"?>{good}'.encode("utf-7")

    yield "many-signatures--wrapped.seal", f"<Envelope>{good}</Envelope>".encode()
    yield "many-signatures--two.seal", f"<s>{good}{good}</s>".encode()
    yield change(
        "many-signatures--nested", "</ds:Object>", f"</ds:Object><ds:Object>{good}</ds:Object>"
    )
    yield change("duplicate-id--second-properties", "</ds:Object>", f"</ds:Object>{whole_object}")
    yield change("duplicate-id--other-case", "<ds:KeyInfo>", '<ds:KeyInfo ID="signed-properties">')

    yield change(
        "algorithm--c14n-with-comments", INFO_C14N, INFO_C14N.replace("c14n#", "c14n#WithComments")
    )
    yield change(
        "algorithm--inclusive-c14n", f'Method Algorithm="{C14N}"', f'Method Algorithm="{INCLUSIVE}"'
    )
    yield change("algorithm--hmac-sha1", METHOD, DSIG + "hmac-sha1")
    yield change("algorithm--hmac-sha256", METHOD, MORE + "hmac-sha256")
    yield change("algorithm--rsa-sha1", METHOD, DSIG + "rsa-sha1")
    yield change("algorithm--rsa-md5", METHOD, MORE + "rsa-md5")
    yield change("algorithm--not-of-this-key", METHOD, algorithms.RSA_SHA256)
    yield change("algorithm--sha1-digest", DIGEST, DSIG + "sha1")
    yield change("algorithm--md5-digest", DIGEST, MORE + "md5")
    yield change("algorithm--none", f' Algorithm="{METHOD}"', "")

    yield change(
        "references--third",
        "</ds:SignedInfo>",
        reference.replace(' Id="document"', "") + "</ds:SignedInfo>",
    )
    yield change(
        "references--repeated-properties",
        "</ds:SignedInfo>",
        properties_reference + "</ds:SignedInfo>",
    )
    yield change("references--no-properties", properties_reference, "")
    yield change("references--no-document", reference, "")
    yield change(
        "transforms--on-document",
        'URI="envelope.edxml">',
        f'URI="envelope.edxml"><ds:Transforms>{TRANSFORM}</ds:Transforms>',
    )
    yield change("transforms--none", f"<ds:Transforms>{TRANSFORM}</ds:Transforms>", "")
    yield change("transforms--two", TRANSFORM, TRANSFORM * 2)
    yield change(
        "transforms--xpath",
        TRANSFORM,
        TRANSFORM.replace(C14N, "http://www.w3.org/TR/1999/REC-xpath-19991116"),
    )

    yield change(
        "shape--second-object", "</ds:Signature>", "<ds:Object></ds:Object></ds:Signature>"
    )
    yield change("shape--moved-properties", properties, "<xades:UnsignedProperties/>" + properties)
    yield change(
        "shape--properties-elsewhere",
        whole_object,
        f"<ds:Object>{properties}</ds:Object>".replace(
            "<xades:SignedProperties",
            '<xades:SignedProperties xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"',
            1,
        ),
    )
    yield change(
        "shape--unsigned-properties",
        "</xades:SignedProperties>",
        "</xades:SignedProperties><xades:UnsignedProperties></xades:UnsignedProperties>",
    )
    yield change(
        "transforms--references-swapped",
        reference + properties_reference,
        properties_reference + reference,
    )
    yield change("shape--comment", "<ds:SignatureValue>", "<!-- --><ds:SignatureValue>")
    yield change("shape--instruction", "<ds:SignatureValue>", "<?x y?><ds:SignatureValue>")
    yield change("shape--cdata", ">node<", "><![CDATA[node]]><")
    yield change("shape--character-reference", ">node<", ">n&#111;de<")
    yield change("shape--white-space", "<ds:SignatureValue>", "\n<ds:SignatureValue>")
    yield change("shape--attribute", "<ds:SignatureValue>", '<ds:SignatureValue Id="value">')
    yield change(
        "shape--foreign-namespace", "<ds:SignatureValue>", '<ds:SignatureValue xmlns:x="urn:x">'
    )
    yield change(
        "shape--relative-namespace", "<ds:SignatureValue>", '<ds:SignatureValue xmlns:x="x">'
    )
    yield change(
        "shape--key-name", "<ds:X509Data>", "<ds:KeyName>tinh-h01</ds:KeyName><ds:X509Data>"
    )
    yield change("shape--key-value", "<ds:X509Data>", "<ds:KeyValue></ds:KeyValue><ds:X509Data>")
    yield change("shape--no-certificate", NODE.certificates_xml, "")
    yield change("shape--other-target", 'Target="#signature"', 'Target="#other"')
    yield change("shape--other-id", 'Id="signature"', 'Id="sig"')
    yield change("shape--document-by-id", 'URI="envelope.edxml"', 'URI="#document"')
    yield change("shape--local-time", "2026-11-23T04:05:06Z", "2026-11-23T11:05:06+07:00")
    yield (
        "shape--other-prefix.seal",
        good.replace("ds:", "dsig:").replace("xmlns:ds=", "xmlns:dsig=").encode(),
    )
    yield "shape--other-namespace.seal", good.replace("v1.3.2", "v1.4.1").encode()
    yield change("bad-time--no-such-day", "2026-11-23T", "2026-02-30T")

    value = cut(good, "<ds:SignatureValue>", "</ds:SignatureValue>")[1]
    yield change("malformed--base64-digits", f">{value}<", f">{value[:-3]}=A=<")
    yield change(
        "malformed--base64-loose-bits",
        f">{value}<",
        f">{value[:-3]}{'B' if value[-3] == 'A' else chr(ord(value[-3]) + 1)}==<",
    )
    yield change("bad-signature--short", f">{value}<", f">{base64.b64encode(bytes(63)).decode()}<")
    yield change("bad-signature--zero", f">{value}<", f">{base64.b64encode(bytes(64)).decode()}<")
    yield change(
        "bad-signature--of-a-receipt",
        f">{value}<",
        f">{cut(receipt_by(NODE).decode(), '<ds:SignatureValue>', '</')[1]}<",
    )
    yield change("properties-mismatch--role", ">node<", ">agency<")
    yield change("properties-mismatch--time", "T04:05:06Z", "T04:05:07Z")


def resigned() -> Iterator[tuple[str, bytes]]:
    """Signatures that hold as such, but not for this document or not from this certificate."""
    yield (
        "wrong-document--transfer-as-seal.seal",
        build(DocumentName.TRANSFER, digest_of(ENVELOPE), "node", NODE, AT),
    )
    yield (
        "wrong-document--seal-as-receipt.receipt",
        build(DocumentName.ENVELOPE, digest_of(write_receipt(RECEIPT)), "node", NODE, AT),
    )
    yield (
        "wrong-document--transfer-as-carry.carry",
        build(DocumentName.TRANSFER, digest_of(write_carry(CARRY)), "node", NODE, AT),
    )
    yield (
        "wrong-document--carry-as-transfer.transfer",
        build(DocumentName.CARRY, digest_of(write_transfer(HEADER)), "node", NODE, AT),
    )
    yield (
        "wrong-purpose--agency.carry",
        build(DocumentName.CARRY, digest_of(write_carry(CARRY)), "node", AGENCY, AT),
    )
    yield (
        "digest-mismatch--other-envelope.seal",
        make_seal(digest_of(ENVELOPE + b" "), SealKind.NODE, NODE, AT).signature,
    )
    yield (
        "digest-mismatch--other-receipt.receipt",
        build(DocumentName.RECEIPT, Digest("0" * 64), "node", NODE, AT),
    )

    again = certificate("tinh-h01", "Issuing", ["urn:truc-relay:node:tw:sign"])
    swapped = signer(NODE_DER, ISSUING, key=derived("tinh-h01"))
    yield (
        "wrong-certificate--same-key.seal",
        forced_seal(
            replace(swapped, certificates_xml=signer(again, ISSUING, key=None).certificates_xml)
        ),
    )
    yield (
        "wrong-certificate--issuer-first.seal",
        forced_seal(
            replace(
                swapped,
                certificates_xml=signer(
                    AGENCY.chain[0], NODE_DER, ISSUING, key=None
                ).certificates_xml,
            )
        ),
    )
    yield (
        "bad-signature--other-key.seal",
        forced_seal(signer(NODE_DER, ISSUING, key=derived("other"))),
    )

    yield "wrong-role--boss.seal", forced_seal(NODE, "boss")
    yield "wrong-role--agency.receipt", receipt_by(AGENCY, role="agency")
    yield "wrong-purpose--node-as-agency.seal", forced_seal(NODE, "agency")
    yield "wrong-purpose--node-as-gateway.seal", forced_seal(NODE, "gateway")
    yield "wrong-purpose--agency-as-node.seal", forced_seal(AGENCY, "node")
    yield "wrong-purpose--gateway-as-agency-supplied.seal", forced_seal(GATEWAY, "agency-supplied")
    yield "wrong-purpose--agency.receipt", receipt_by(AGENCY)
    tls = certificate(
        "tls", "Issuing", ["urn:truc-relay:node:tinh-h01:tls"], vouching=False, uses=True
    )
    yield "wrong-purpose--tls.receipt", receipt_by(signer(tls, ISSUING, key=derived("tls")))
    log_key = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"log").digest())
    log = certificate(
        "log", "Issuing", ["urn:truc-relay:node:tinh-h01:log"], key=log_key, vouching=False
    )
    yield "wrong-purpose--log.receipt", receipt_by(signer(log, ISSUING, key=derived("log")))


def certified() -> Iterator[tuple[str, bytes]]:
    """Signatures whose certificate, or the path above it, is at fault."""
    p384 = certificate("p384", "Issuing", [NODE_SIGN], key=derived("p384", ec.SECP384R1()))
    yield "weak-key--p384.seal", forced_seal(signer(p384, ISSUING, key=derived("p384")))
    yield (
        "bad-certificate--garbage.seal",
        forced_seal(signer(b"\x30\x03\x02\x01\x01", key=derived("x"))),
    )
    yield (
        "bad-certificate--trailing-byte.seal",
        forced_seal(signer(NODE_DER + b"\0", ISSUING, key=derived("tinh-h01"))),
    )
    yield "bad-certificate--no-identity.seal", odd("nobody", [])
    yield "bad-certificate--two-nodes.seal", odd("both", [NODE_SIGN, "urn:truc-relay:node:tw:sign"])
    yield (
        "bad-certificate--node-and-agency.seal",
        odd("mixed", [NODE_SIGN, "urn:truc-relay:agency:H01"]),
    )
    yield "bad-certificate--unknown-identity.seal", odd("king", ["urn:truc-relay:king:H01"])
    yield "bad-certificate--unknown-node-use.seal", odd("use", [NODE_SIGN + "-all"])
    yield "bad-certificate--authority.seal", odd("authority", ca=True)
    yield "bad-certificate--no-non-repudiation.seal", odd("plain", vouching=False)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    yield "bad-certificate--unknown-critical.seal", odd("critical", extra=unknown)
    limits = x509.NameConstraints([x509.UniformResourceIdentifier("example.vn")], None)
    yield "bad-certificate--name-constraints.seal", odd("constrained", extra=limits)

    yield "expired-certificate.seal", odd("old", days=(-20, -10))
    yield "not-yet-valid-certificate.seal", odd("young", days=(10, 20))
    late = certificate("Late", "Root", ca=True, pathlen=0, days=(-20, -10))
    leaf = certificate("under-late", "Late", [NODE_SIGN])
    yield (
        "expired-certificate--issuer.seal",
        forced_seal(signer(leaf, late, key=derived("under-late"))),
    )

    alone = certificate("alone", "alone", [NODE_SIGN])
    yield "self-signed.seal", forced_seal(signer(alone, key=derived("alone")))
    yield "untrusted--no-issuer.seal", forced_seal(signer(NODE_DER, key=derived("tinh-h01")))
    named = certificate("false", "Issuing", [NODE_SIGN], issuer_key=derived("mallory"))
    yield "untrusted--only-the-name.seal", forced_seal(signer(named, ISSUING, key=derived("false")))
    other_root = certificate("Other", "Other", ca=True)
    other = certificate("other", "Other", [NODE_SIGN])
    yield "untrusted--other-root.seal", forced_seal(signer(other, other_root, key=derived("other")))
    below = certificate("below", "tinh-h01", [NODE_SIGN])
    yield (
        "untrusted--issued-by-a-leaf.seal",
        forced_seal(signer(below, NODE_DER, ISSUING, key=derived("below"))),
    )
    deeper = certificate("Deeper", "Issuing", ca=True)
    deep = certificate("deep", "Deeper", [NODE_SIGN])
    yield (
        "path-too-long--no-room-below.seal",
        forced_seal(signer(deep, deeper, ISSUING, key=derived("deep"))),
    )
    elsewhere = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other")]))
    within = x509.NameConstraints([elsewhere], None)
    limited = certificate("Limited", "Root", ca=True, pathlen=0, extra=within)
    outside = certificate("outside", "Limited", [NODE_SIGN])
    yield (
        "name-constraint--directory-name.seal",
        forced_seal(signer(outside, limited, key=derived("outside"))),
    )


def others() -> Iterator[tuple[str, bytes, bytes]]:
    """Signatures whose document is at fault, with that document."""
    foreign = replace(RECEIPT, issuer=NodeId("tw"))
    yield "wrong-node--other-issuer.receipt", receipt_by(NODE, foreign), write_receipt(foreign)
    another = write_carry(replace(CARRY, sent_by=NodeId("tw"), sent_to=NodeId("tinh-h01")))
    signature = build(DocumentName.CARRY, digest_of(another), "node", NODE, AT)
    yield "wrong-node--other-writer.carry", signature, another


def batches(which: str) -> Iterator[Any]:
    script = runpy.run_path(str(Path(__file__).parent / "batches.py"))
    yield from script[which](globals())


def make(folder: Path) -> None:
    """Write every vector under `folder`."""
    for name in ("accepted", "refused"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    root = x509.load_der_x509_certificate(ROOT).public_bytes(serialization.Encoding.PEM)
    (folder / "root.pem").write_bytes(root)
    (folder / "envelope.edxml").write_bytes(ENVELOPE)
    (folder / "receipt.xml").write_bytes(sign_receipt(RECEIPT, NODE, AT).document)
    (folder / "transfer.xml").write_bytes(sign_transfer(HEADER, NODE, AT).document)
    (folder / "carry.xml").write_bytes(write_carry(CARRY))
    for case, signature in accepted():
        (folder / "accepted" / f"{case}.xml").write_bytes(signature)
    for case, signature, document in batches("accepted"):
        (folder / "accepted" / f"{case}.xml").write_bytes(signature)
        (folder / "accepted" / f"{case}.document").write_bytes(document)
    for cases in (changed_text, resigned, certified, lambda: batches("refused")):
        for case, signature in cases():
            (folder / "refused" / f"{case}.xml").write_bytes(signature)
    for case, signature, document in (*others(), *batches("hidden")):
        (folder / "refused" / f"{case}.xml").write_bytes(signature)
        (folder / "refused" / f"{case}.document").write_bytes(document)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)

"""Signatures of whoever put an evidence file together: over files that are not those that are there.

The files of the container are always the same four; each signature is made honestly for what it says, so
that nothing but the difference can refuse it.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

from cryptography.x509.oid import ExtendedKeyUsageOID

from relay.model import Digest, digest_of
from relay.signing.bundle_shape import BundleParts, CoveredFile, whole
from relay.signing.keys import Signer
from relay.signing.xades import signing_time
from tests.vectors.signing.forging.certified import ED25519
from tests.vectors.signing.forging.keys import AT, certificate, derived, signer
from tests.vectors.signing.forging.originals import (
    AGENCY,
    ENVELOPE,
    GATEWAY,
    ISSUING,
    KINDS,
    NODE,
    NODE_SIGN,
    RSA,
    cut,
    seal,
    signed,
)
from tests.vectors.signing.forging.vector import Vector, Vectors
from tests.vectors.signing.forging.wrapping import WRAPPINGS, pieces_of

# One line a vector, as a table is read.
# fmt: off

FILES = tuple(
    CoveredFile(name, digest_of(content))
    for name, content in (
        ("envelope.edxml", ENVELOPE),
        ("META-INF/seal.xml", seal()),
        ("receipts/0001/receipt.xml", KINDS["receipt"].document),
        ("receipts/0001/signature.xml", signed("receipt")),
    )
)
_WRAPPED = {"xsw1": "references", "xsw2": "references", "xsw3": "shape", "xsw6": "shape", "xsw8": "shape"}
"""The words of the second shape, where they differ: what has two references to one file is told by that."""


def listing(files: Sequence[CoveredFile]) -> bytes:
    """As sha256sum writes it: what the vectors of this kind have for a document."""
    return "".join(f"{one.digest}  {one.name}\n" for one in files).encode()


def listed(content: bytes) -> list[CoveredFile]:
    lines = content.decode(errors="replace").splitlines()
    pairs = [line.partition("  ") for line in lines]
    whole_digests = all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest, _, _ in pairs)
    files = [CoveredFile(name, Digest(digest)) for digest, _, name in pairs] if whole_digests else []
    return files if listing(files) == content else []


def exported(files: Sequence[CoveredFile] = FILES, by: Signer = NODE, role: str = "exporter") -> bytes:
    """What an exporter signs that checks nothing."""
    parts = BundleParts(tuple(files), by.method, "", "", by.certificates_xml, signing_time(AT), by.certificate_digest, role)
    parts = replace(parts, properties_digest=parts.signed_properties_digest())
    return whole(replace(parts, value=base64.b64encode(by.sign(parts.signed_info())).decode()))


def exports() -> Vectors:
    yield from _other_files()
    yield from _other_shapes()
    yield from _other_signers()


def good_exports() -> list[tuple[str, str, bytes]]:
    return [
        ("node.export", "the exporter's signature over the files of an evidence file", exported()),
        ("rsa.export", "the same with an RSA key", exported(by=RSA)),
    ]


def _other_files() -> Vectors:
    def over(fault: str, case: str, what: str, *files: CoveredFile) -> Vector:
        return Vector(fault, case, "export", what, exported(files))

    envelope, first, receipt, second = FILES
    more = CoveredFile("receipts/0002/receipt.xml", digest_of(b"another"))
    other = digest_of(b"other bytes")
    yield over("uncovered", "file-not-signed", "a file of the container that was not signed", envelope, first, receipt)
    yield over("uncovered", "nothing-signed", "a signature over no file at all")
    yield over("uncovered", "other-name", "a file signed under another name", replace(envelope, name="envelope2.edxml"), first, receipt, second)
    yield over("uncovered", "name-in-capitals", "a name that some file systems take for the same", replace(envelope, name="ENVELOPE.EDXML"), first, receipt, second)
    yield over("uncovered", "name-escaped", "a name that a URI takes for the same", replace(envelope, name="envelope%2Eedxml"), first, receipt, second)
    yield over("missing-file", "file-left-out", "a file that was signed and is not there", *FILES, more)
    yield over("references", "file-doubled", "one file signed twice", envelope, first, receipt, receipt, second)
    yield over("references", "file-doubled-otherwise", "one file signed twice, with two digests", envelope, first, receipt, replace(receipt, digest=other), second)
    yield over("shape", "other-order", "the files in another order", envelope, first, second, receipt)
    yield over("digest-mismatch", "files-swapped", "the digests of two files exchanged", envelope, first, replace(receipt, digest=second.digest), replace(second, digest=receipt.digest))
    yield over("digest-mismatch", "other-file", "the digest of another file", replace(envelope, digest=other), first, receipt, second)
    yield Vector("uncovered", "seal-as-export", "export", "a seal in its place, though of one of the files", seal(), holds_as=("seal", "carried", "pinned"))


def _other_shapes() -> Vectors:
    good = exported().decode()

    def edited(fault: str, case: str, what: str, old: str, new: str) -> Vector:
        if old not in good:
            raise AssertionError(f"{case}: nothing to change")
        return Vector(fault, case, "export", what, good.replace(old, new, 1).encode())

    pieces = pieces_of(good)
    for case, (fault, what, wrap) in WRAPPINGS.items():
        yield Vector(_WRAPPED.get(case, fault), case, "export", what, wrap(pieces).encode())
    _, reference, _ = cut(good, '<ds:Reference Id="file-1"', "</ds:Reference>")
    whole_reference = f'<ds:Reference Id="file-1"{reference}'
    yield edited("uncovered", "reference-cut-out", "a reference cut out", whole_reference, "")
    yield edited("shape", "transform", "a transform of a file", 'URI="envelope.edxml">', 'URI="envelope.edxml"><ds:Transforms></ds:Transforms>')
    yield edited("shape", "sha1", "SHA-1 of a file", "xmlenc#sha256", "xmldsig#sha1")
    yield edited("shape", "formats-exchanged", "the types of two files exchanged", "#file-1", "#file-2")
    yield edited("shape", "comment", "a comment in SignedInfo", "<ds:SignedInfo>", "<ds:SignedInfo><!---->")
    yield edited("shape", "unsigned-properties", "unsigned properties, which only a seal has", "</xades:SignedProperties>", "</xades:SignedProperties><xades:UnsignedProperties></xades:UnsignedProperties>")
    yield Vector("shape", "text-behind", "export", "text behind the root", (good + "more").encode())
    yield edited("properties-mismatch", "earlier", "an earlier time put in", ">2026-11-23T", ">2026-11-22T")
    yield edited("bad-signature", "value-longer", "another value", "<ds:SignatureValue>", "<ds:SignatureValue>AAAA")
    value = cut(good, "<ds:SignatureValue>", "</ds:SignatureValue>")[1]
    fewer = cut(exported(FILES[:3]).decode(), "<ds:SignatureValue>", "</ds:SignatureValue>")[1]
    yield edited("bad-signature", "value-of-fewer", "the value of a signature over fewer files", value, fewer)


def _other_signers() -> Vectors:
    def by(fault: str, case: str, what: str, one: Signer, role: str = "exporter") -> Vector:
        return Vector(fault, case, "export", what, exported(by=one, role=role))

    yield by("wrong-purpose", "by-an-agency", "by an agency's key", AGENCY)
    yield by("wrong-purpose", "by-a-gateway", "by a gateway's key", GATEWAY)
    yield by("wrong-role", "as-node", "in the role of a node that answers", NODE, "node")
    log_uri = ["urn:truc-relay:node:tinh-h01:log"]
    log = certificate("log", "Issuing", log_uri, key=ED25519, vouching=False)
    false_key = signer(log, ISSUING, key=derived("tinh-h01"))  # XML-DSig here has no method for its own
    yield by("wrong-purpose", "by-a-log", "by a log's key", false_key)
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    tls = certificate("tls", "Issuing", ["urn:truc-relay:node:tinh-h01:tls"], vouching=False, uses=uses)
    yield by("wrong-purpose", "by-tls", "by a key for TLS", signer(tls, ISSUING, key=derived("tls")))
    stranger = signer(certificate("tinh-h01", "Root", [NODE_SIGN], issuer_key=derived("mallory")), key=derived("tinh-h01"))
    yield by("untrusted", "by-a-stranger", "by a certificate that the root never signed", stranger)
    ended = certificate("ended", "Issuing", [NODE_SIGN], days=(-20, -1))
    yield by("expired-certificate", "ended", "by a certificate that had ended", signer(ended, ISSUING, key=derived("ended")))

"""A second verifier of receipts and transfer headers signed in batches, written from docs/wire-format.md W13 and W3 alone.

It shares no code with relay/: hashlib, the standard library's XML, and the program xmlsec1 for the
signature. It is slow and plain on purpose.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from cryptography import x509

WIRE = "{urn:truc-relay:wire:1}"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"


SIGNED_BY = {"receipt": "Issuer", "transfer": "SentBy"}
"""Of each kind, where it names the node that signed it."""


class RefusedError(Exception):
    """The document is not proven, and why."""


def verify(
    document: bytes, proof: bytes, root_pem: Path, folder: Path, xmlsec1: str, kind: str = "receipt"
) -> str:
    """The node whose document this is; RefusedError where the proof does not hold."""
    batch_xml, signature_xml = _cut(proof)
    tree = ET.fromstring(proof)
    _require([child.tag for child in tree] == _children("Index", "Path", "Batch"), "children")
    index = int(_text(tree, "Index"))
    path = [bytes.fromhex(one.text or "") for one in tree.findall(f"{WIRE}Path/{WIRE}Hash")]
    batch = ET.fromstring(batch_xml)
    issuer, count, root = (_text(batch, name) for name in ("Issuer", "Count", "Root"))
    _require(2 <= int(count) <= 4096, "count")
    _require(0 <= index < int(count), "index")
    leaf = hashlib.sha256(b"\x02%b.xml\n" % kind.encode() + document).digest()
    _require(_climb(index, int(count), leaf, path).hex() == root, "root")
    _check_signature(batch_xml, signature_xml, root_pem, folder, xmlsec1)
    _require(_signer(signature_xml) == f"urn:truc-relay:node:{issuer}:sign", "signer")
    _require(_text(ET.fromstring(document), SIGNED_BY[kind]) == issuer, "issuer")
    return issuer


def _children(*names: str) -> list[str]:
    return [*(WIRE + name for name in names), f"{DS}Signature"]


def _cut(proof: bytes) -> tuple[bytes, bytes]:
    found = re.fullmatch(
        rb'<BatchProof xmlns="urn:truc-relay:wire:1"><Index>(?:0|[1-9]\d*)</Index>'
        rb"<Path>(?:<Hash>[0-9a-f]{64}</Hash>)*</Path>"
        rb'(<Batch xmlns="urn:truc-relay:wire:1"><Issuer>[^<]+</Issuer><At>[^<]+</At>'
        rb"<Count>[1-9]\d*</Count><Root>[0-9a-f]{64}</Root></Batch>)"
        rb"(<ds:Signature .*</ds:Signature>)</BatchProof>",
        proof,
        re.DOTALL,
    )
    if found is None:
        raise RefusedError("shape")
    return found[1], found[2]


def _climb(index: int, count: int, leaf: bytes, path: list[bytes]) -> bytes:
    """RFC 6962 §2.1, from its definition: a tree of n leaves splits at the largest power of two
    below n, and the last hash of a path is the sibling at the top."""
    if count == 1:
        _require(not path, "path too long")
        return leaf
    _require(bool(path), "path too short")
    left = 1
    while left * 2 < count:
        left *= 2
    if index < left:
        return _node(_climb(index, left, leaf, path[:-1]), path[-1])
    return _node(path[-1], _climb(index - left, count - left, leaf, path[:-1]))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _check_signature(
    batch_xml: bytes, signature_xml: bytes, root_pem: Path, folder: Path, xmlsec1: str
) -> None:
    tree = ET.fromstring(signature_xml)
    named = [one.get("URI") for one in tree.findall(f"{DS}SignedInfo/{DS}Reference")]
    _require(named == ["batch.xml", "#signed-properties"], "references")
    role = tree.findtext(f".//{XADES}ClaimedRole")
    _require(role == "node", "role")
    signed_at = datetime.fromisoformat(tree.findtext(f".//{XADES}SigningTime") or "")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "batch.xml").write_bytes(batch_xml)
    (folder / "batch-signature.xml").write_bytes(signature_xml)
    done = subprocess.run(
        [
            xmlsec1,
            "--verify",
            "--trusted-pem",
            str(root_pem.absolute()),
            "--verification-time",
            f"{signed_at:%Y-%m-%d %H:%M:%S}",
            "batch-signature.xml",
        ],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    _require(done.returncode == 0, f"signature: {done.stderr.decode()[:200]}")


def _signer(signature_xml: bytes) -> str:
    found = ET.fromstring(signature_xml).findtext(f".//{DS}X509Certificate") or ""
    pem = f"-----BEGIN CERTIFICATE-----\n{found.strip()}\n-----END CERTIFICATE-----\n"
    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    _require(len(uris) == 1, "names")
    return uris[0]


def _text(tree: ET.Element, name: str) -> str:
    return tree.findtext(f"{WIRE}{name}") or ""


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise RefusedError(what)

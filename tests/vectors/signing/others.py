"""Other people's verifiers, each asked as strictly as it can be: xmlsec1, xmlsec1 pinned, signxml.

`xmlsec1` looks for a path to the root, at the time that the signature claims; `xmlsec1 pinned` is given
the signer's certificate and uses no other key; both resolve references in the same document and beside it.
`signxml` checks XAdES with two references, RSA or ECDSA with SHA-256, and a path to the root as of now.

Touches: a folder, child processes. Trusts: nothing. Raises: nothing; they say yes or no.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from signxml.algorithms import SignatureMethod
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

_CLAIMED = re.compile(rb"<xades:SigningTime>(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)Z<")
_METHODS = frozenset({SignatureMethod.RSA_SHA256, SignatureMethod.ECDSA_SHA256})
_STRICT = XAdESSignatureConfiguration(
    location="./", expect_references=2, require_x509=True, signature_methods=_METHODS
)


@dataclass(frozen=True)
class XmlSec1:
    """The program, in a folder that holds root.pem."""

    program: str
    folder: Path

    def open(self, signature: bytes, name: str, document: bytes) -> bool:
        claimed = _CLAIMED.search(signature)
        day, time = claimed.groups() if claimed else (b"2026-11-23", b"04:05:06")
        at = f"{day.decode()} {time.decode()}"
        trusting = ["--trusted-pem", "root.pem", "--verification-time", at]
        return self._verify(trusting, signature, name, document)

    def pinned(self, certificate: bytes, signature: bytes, name: str, document: bytes) -> bool:
        pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
        (self.folder / "pinned.pem").write_bytes(pem)
        pinning = ["--enabled-key-data", "raw-x509-cert", "--pubkey-cert-pem", "pinned.pem"]
        return self._verify(pinning, signature, name, document)

    def _verify(self, how: list[str], signature: bytes, name: str, document: bytes) -> bool:
        (self.folder / "signature.xml").write_bytes(signature)
        (self.folder / name).write_bytes(document)
        references = ["--enabled-reference-uris", "same-doc,remote"]
        command = [self.program, "--verify", *how, *references, "signature.xml"]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, check=False, timeout=20
        )
        return done.returncode == 0


def signxml_accepts(root: Path, signature: bytes, name: str, document: bytes) -> bool:
    def beside(uri: str) -> bytes | None:
        return document if uri == name else None

    verifier: Any = XAdESVerifier()
    try:
        verifier.verify(
            signature, uri_resolver=beside, ca_pem_file=str(root), expect_config=_STRICT
        )
    except Exception:  # noqa: BLE001 - it has no one error of its own
        return False
    return True

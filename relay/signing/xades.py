"""Build a detached XAdES-B signature of the one shape, from the document's digest alone.

Touches: nothing.
Trusts:  its caller.
Raises:  nothing of its own.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import StrEnum

import pybase64

from relay.model import Digest, utc
from relay.signing.keys import Signer
from relay.signing.shape import SIGNATURE, SIGNED_INFO, SIGNED_PROPERTIES


class DocumentName(StrEnum):
    """What is signed. The name is the Reference's URI, so one kind never passes for another."""

    ENVELOPE = "envelope.edxml"
    TRANSFER = "transfer.xml"
    RECEIPT = "receipt.xml"
    CARRY = "carry.xml"


def build(name: DocumentName, digest: Digest, role: str, signer: Signer, at: datetime) -> bytes:
    """The signature of the document with this digest; SigningTime is `at` in whole seconds."""
    moment = utc(at)
    values = {
        "method": signer.method,
        "name": name.value,
        "document_digest": _base64(bytes.fromhex(digest)),
        "signed_at": moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z",
        "certificate_digest": signer.certificate_digest,
        "role": role,
        "certificates": signer.certificates_xml,
    }
    properties = SIGNED_PROPERTIES.format_map(values).encode()
    values["properties_digest"] = _base64(hashlib.sha256(properties).digest())
    values["value"] = _base64(signer.sign(SIGNED_INFO.format_map(values).encode()))
    return SIGNATURE.format_map(values).encode()


def _base64(content: bytes) -> str:
    return pybase64.b64encode(content).decode()

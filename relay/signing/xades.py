"""Build a detached XAdES-B signature of the one shape, from the document's digest alone.

Touches: nothing.
Trusts:  its caller.
Raises:  nothing of its own.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import pybase64

from relay.model import Digest, utc
from relay.signing.keys import Signer
from relay.signing.shape import signed_info, signed_properties_digest, whole


class DocumentName(StrEnum):
    """What is signed. The name is the Reference's URI, so one kind never passes for another."""

    ENVELOPE = "envelope.edxml"
    TRANSFER = "transfer.xml"
    RECEIPT = "receipt.xml"
    CARRY = "carry.xml"
    DIRECTORY = "directory.xml"
    BATCH = "batch.xml"


def build(name: DocumentName, digest: Digest, role: str, signer: Signer, at: datetime) -> bytes:
    """The signature of the document with this digest; SigningTime is `at` in whole seconds."""
    signed_at = signing_time(at)
    properties_digest = signed_properties_digest(signed_at, signer.certificate_digest, role)
    document_digest = _base64(bytes.fromhex(digest))
    info = signed_info(signer.method, name.value, document_digest, properties_digest)
    return whole(
        method=signer.method,
        name=name.value,
        document_digest=document_digest,
        properties_digest=properties_digest,
        value=_base64(signer.sign(info)),
        certificates=signer.certificates_xml,
        signed_at=signed_at,
        certificate_digest=signer.certificate_digest,
        role=role,
    )


def signing_time(at: datetime) -> str:
    return utc(at).isoformat("T", "seconds")[:-6] + "Z"


def _base64(content: bytes) -> str:
    return pybase64.b64encode(content).decode()

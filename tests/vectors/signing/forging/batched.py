"""Receipts signed in batches (tests/vectors/signing/batches.py), as vectors like the others.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.vectors.signing import batches
from tests.vectors.signing.forging.keys import AT, certificate, derived, signer
from tests.vectors.signing.forging.originals import AGENCY, ISSUING, NODE, RECEIPT
from tests.vectors.signing.forging.vector import Vector, Vectors

_MADE: dict[str, Any] = {
    "AGENCY": AGENCY,
    "AT": AT,
    "ISSUING": ISSUING,
    "NODE": NODE,
    "RECEIPT": RECEIPT,
    "certificate": certificate,
    "derived": derived,
    "signer": signer,
}
_CONTROL = "batch-of-seven-4.receipt"


def batched() -> Vectors:
    for name, signature in batches.refused(_MADE):
        yield _vector(name, signature)
    for name, signature, document in batches.hidden(_MADE):
        yield _vector(name, signature, document)


def _vector(name: str, signature: bytes, document: bytes | None = None) -> Vector:
    fault, _, case = name.removesuffix(".receipt").partition("--")
    what = "in a batch: " + case.replace("-", " ")
    return Vector(fault, case, "receipt", what, signature, document, control=_CONTROL)


def good_batches() -> Iterator[tuple[str, bytes, bytes]]:
    """Name, proof and receipt."""
    return batches.accepted(_MADE)

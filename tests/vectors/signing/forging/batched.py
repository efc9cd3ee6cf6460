"""Receipts and headers signed in batches (tests/vectors/signing/batches.py), as vectors like the others.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.vectors.signing import batches
from tests.vectors.signing.forging.keys import AT, certificate, derived, signer
from tests.vectors.signing.forging.originals import AGENCY, HEADER, ISSUING, NODE, RECEIPT
from tests.vectors.signing.forging.vector import Vector, Vectors

_MADE: dict[str, Any] = {
    "AGENCY": AGENCY,
    "AT": AT,
    "ISSUING": ISSUING,
    "NODE": NODE,
    "certificate": certificate,
    "derived": derived,
    "receipt": RECEIPT,
    "signer": signer,
    "transfer": HEADER,
}


def batched() -> Vectors:
    for kind in batches.KINDS:
        for name, signature in batches.refused(_MADE, kind):
            yield _vector(kind, name, signature)
        for name, signature, document in batches.hidden(_MADE, kind):
            yield _vector(kind, name, signature, document)


def _vector(kind: str, name: str, signature: bytes, document: bytes | None = None) -> Vector:
    fault, _, case = name.partition("--")
    what = "in a batch: " + case.replace("-", " ")
    control = f"batch-of-seven-{batches.INDEX}.{kind}"
    return Vector(fault, case, kind, what, signature, document, control=control)


def good_batches() -> Iterator[tuple[str, bytes, bytes]]:
    """Name, proof and document."""
    for kind in batches.KINDS:
        yield from batches.accepted(_MADE, kind)

"""The one shape of a batch proof, which stands where a receipt signed by itself has its signature (W13.4).

Touches: nothing.
Trusts:  nothing; nothing is proven here.
Raises:  SignatureError (shape, too-large).
"""

from __future__ import annotations

import re

from relay.errors import SignatureError
from relay.model import Signed
from relay.signing import shape
from relay.signing.faults import Fault
from relay.wire.batch import COUNT_LIMIT
from relay.wire.values import NAMESPACE

OPEN = f'<BatchProof xmlns="{NAMESPACE}">'.encode()
_BETWEEN = b"</Batch><ds:Signature "
CLOSE = b"</BatchProof>"
_PATH_LIMIT = (COUNT_LIMIT - 1).bit_length()
_HEAD = re.compile(
    re.escape(OPEN)
    + rb"<Index>(0|[1-9][0-9]{0,3})</Index>"
    + rb"<Path>((?:<Hash>[0-9a-f]{64}</Hash>){0,%d})</Path>" % _PATH_LIMIT
)
_HASH_BYTES = len("<Hash></Hash>") + 64


def is_batch_proof(signature: bytes) -> bool:
    """Whether this claims to be one; anything else is taken for a signature of the receipt alone."""
    return signature.startswith(OPEN)


def signature_in(container: bytes) -> bytes:
    """The ds:Signature that vouches for a receipt: its own, or that of its batch."""
    return split_proof(container).signature if is_batch_proof(container) else container


def batch_in(signature: bytes) -> Signed | None:
    """The batch and its signature, where a receipt has a proof; None where it was signed by itself."""
    return split_proof(signature) if is_batch_proof(signature) else None


def split_proof(proof: bytes) -> Signed:
    """The batch and its signature that a proof holds, for others' software. Raises SignatureError."""
    return Signed(*parts_of(read_proof(proof)[2]))


def read_proof(proof: bytes) -> tuple[int, list[bytes], bytes]:
    """Index, path, and everything behind them (W13.2)."""
    if len(proof) > 2 * shape.LIMIT_BYTES:
        raise SignatureError(
            Fault.TOO_LARGE,
            f"batch proof of {len(proof)} bytes, limit {2 * shape.LIMIT_BYTES} bytes",
        )
    head = _HEAD.match(proof)
    if head is None or not proof.endswith(CLOSE):
        raise SignatureError(Fault.SHAPE, "the batch proof is not of its one shape")
    hashes = head[2]
    path = [
        bytes.fromhex(hashes[at + 6 : at + 70].decode())
        for at in range(0, len(hashes), _HASH_BYTES)
    ]
    return int(head[1]), path, proof[head.end() : -len(CLOSE)]


def parts_of(ending: bytes) -> tuple[bytes, bytes]:
    """The batch document and its signature, both as they are."""
    at = ending.find(_BETWEEN) + len(b"</Batch>")
    if at < len(b"</Batch>"):
        raise SignatureError(Fault.SHAPE, "the batch proof holds no batch with its signature")
    return ending[:at], ending[at:]

"""A seal with its timestamps, as XAdES-T: put together for an export, and taken apart again.

Touches: nothing.
Trusts:  nothing; the unsigned properties have one constant layout, and what is left when they are cut
         out is the seal, which its verifier judges as ever.
Raises:  SignatureError.

The stored seal is never rewritten. ETSI EN 319 132-1 clause 5.3 asks that a SignatureTimeStamp cover the
canonical SignatureValue element; here it does by exclusive c14n, as everything else in the shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pybase64

from relay.errors import SignatureError
from relay.model import Digest, digest_of
from relay.signing.algorithms import EXCLUSIVE_C14N
from relay.signing.faults import Fault
from relay.signing.shape import DS, read_parts, written

TOKENS_LIMIT = 8
TOKEN_LIMIT_BYTES = 64 * 1024

_END = b"</xades:QualifyingProperties></ds:Object></ds:Signature>"
_OPEN = b"<xades:UnsignedProperties><xades:UnsignedSignatureProperties>"
_CLOSE = b"</xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
_TOKEN = (
    "<xades:SignatureTimeStamp>"
    f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
    "<xades:EncapsulatedTimeStamp>{}</xades:EncapsulatedTimeStamp>"
    "</xades:SignatureTimeStamp>"
)
_TOKENS = re.compile(re.escape(_TOKEN).replace(r"\{\}", "([A-Za-z0-9+/]+={0,2})").encode())


def stamped_bytes(signature: bytes) -> bytes:
    """What a timestamp on this signature covers: its SignatureValue element, canonical."""
    return f"<ds:SignatureValue{DS}>{read_parts(signature).value}</ds:SignatureValue>".encode()


def imprint_of(signature: bytes) -> Digest:
    """The SHA-256 of those."""
    return digest_of(stamped_bytes(signature))


def with_timestamps(seal: bytes, tokens: Sequence[bytes]) -> bytes:
    """The seal in the shape's own writing, with these tokens as its unsigned properties."""
    plain = written(seal)
    if not tokens:
        return plain
    texts = b"".join(_TOKEN.format(pybase64.b64encode(one).decode()).encode() for one in tokens)
    return plain.removesuffix(_END) + _OPEN + texts + _CLOSE + _END


def parted(content: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The seal and the tokens of what with_timestamps made."""
    start = content.find(_OPEN)
    if start < 0:
        return content, ()
    tail = _CLOSE + _END
    if not content.endswith(tail):
        raise _strange()
    tokens: list[bytes] = []
    position, end = start + len(_OPEN), len(content) - len(tail)
    while position < end:
        match = _TOKENS.match(content, position, end)
        if match is None or len(tokens) == TOKENS_LIMIT:
            raise _strange()
        tokens.append(_decoded(match[1]))
        position = match.end()
    seal = content[:start] + _END
    if not tokens or with_timestamps(seal, tokens) != content:
        raise _strange()
    return seal, tuple(tokens)


def _decoded(text: bytes) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        raise SignatureError(Fault.MALFORMED, "a timestamp is not base64") from None


def _strange() -> SignatureError:
    return SignatureError(
        Fault.SHAPE, f"the unsigned properties are not 1 to {TOKENS_LIMIT} timestamps in one form"
    )

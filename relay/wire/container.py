"""A container of signed receipts: the answer to a transfer, and receipts travelling back in batches.

Touches: nothing.
Trusts:  nothing; what is inside is as unproven as it arrived.
Raises:  WireError.

    <Receipts xmlns="urn:truc-relay:wire:1">
      ( <SignedReceipt> <Document>base64</Document> <Signature>base64</Signature> </SignedReceipt> )+
    </Receipts>

Base64 keeps the exact bytes of both. The canonical text has so little freedom that one pattern is its
whole grammar: no XML parser sees these bytes, and a text longer than a parser's limit is no obstacle.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pybase64

from relay.errors import WireError
from relay.model import Signed
from relay.wire.values import NAMESPACE

_OPEN = f'<Receipts xmlns="{NAMESPACE}">'.encode()
_CLOSE = b"</Receipts>"
_ITEM = re.compile(
    rb"<SignedReceipt><Document>([^<]+)</Document><Signature>([^<]+)</Signature></SignedReceipt>"
)
"""Decoding judges the base64, in a fraction of the time that a class of characters takes."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")


def write_receipts(receipts: Sequence[Signed]) -> bytes:
    """The container of these, in this order; at least one."""
    if not receipts:
        raise WireError("a container holds at least one receipt")
    return _OPEN + b"".join(map(_item, receipts)) + _CLOSE


def _item(signed: Signed) -> bytes:
    if not signed.document or not signed.signature:
        raise WireError("a signed receipt has a document and a signature")
    return b"<SignedReceipt><Document>%b</Document><Signature>%b</Signature></SignedReceipt>" % (
        pybase64.b64encode(signed.document),
        pybase64.b64encode(signed.signature),
    )


def read_receipts(content: bytes, limit_bytes: int) -> tuple[Signed, ...]:
    """What write_receipts was given, if these bytes are exactly what it would write (W2.1)."""
    if len(content) > limit_bytes:
        raise WireError(f"container of {len(content)} bytes, limit {limit_bytes} bytes")
    if not content.startswith(_OPEN):
        raise WireError(f"the root is not Receipts of {NAMESPACE}, in canonical form")
    found: list[Signed] = []
    position, end = len(_OPEN), len(content) - len(_CLOSE)
    while position < end:
        match = _ITEM.match(content, position, end)
        if match is None:
            raise _no_item(position)
        try:
            found.append(Signed(_decoded(match[1]), _decoded(match[2])))
        except WireError:
            if not all(map(_BASE64.fullmatch, match.groups())):
                raise _no_item(position) from None
            raise
        position = match.end()
    if not found or position != end or not content.endswith(_CLOSE):
        raise WireError("the container is empty or not closed")
    return tuple(found)


def _no_item(position: int) -> WireError:
    return WireError(f"no signed receipt in canonical form at byte {position}")


def _decoded(text: bytes) -> bytes:
    """Strict base64: unused bits of the last digit must be zero, so that the text is the only one."""
    try:
        decoded = pybase64.b64decode(text, validate=True)
    except ValueError:
        raise WireError("a document or signature is not base64") from None
    if pybase64.b64encode(decoded) != text:
        raise WireError("a document or signature is not in canonical base64")
    return decoded

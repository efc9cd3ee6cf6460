"""The transfers that a request to the kit holds, as the judged node sent them.

Touches: nothing.
Trusts:  nothing of it is proven here; whoever asks does that.
Raises:  WireError where it holds none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from relay.conformance.instants import now
from relay.errors import WireError
from relay.model import Signed, TransferHeader
from relay.wire.transfer import read_transfer

_FIRST = "transfer.xml"
_PART = re.compile(
    rb"Content-ID:\s*<([a-z.-]+)>\r\n(?:[^\r\n]+\r\n)*?Content-Length:\s*([0-9]+)\r\n",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A transfer as the judged node sent it."""

    header: TransferHeader
    signed: Signed
    seal: bytes
    envelope: bytes
    """Empty where it went ahead and never came."""
    at: datetime
    headers: dict[str, str]
    together: int = 1
    """How many its request carried."""


def arrived_of(
    request: web.Request, body: bytes, uploads: Mapping[str, bytearray]
) -> list[Arrived | None]:
    """In their order; None for one whose envelope was to go ahead and is not here."""
    several = transfers_of(body)
    return [_arrived(request, parts, uploads, len(several)) for parts in several]


def _arrived(
    request: web.Request, parts: dict[str, bytes], uploads: Mapping[str, bytearray], together: int
) -> Arrived | None:
    header = read_transfer(parts[_FIRST])
    envelope = parts.get("envelope.edxml")
    if envelope is None:
        envelope = bytes(uploads.get(header.digest, b""))
        if len(envelope) != header.size_bytes:
            return None
    signed = Signed(parts[_FIRST], parts["transfer-signature.xml"])
    headers = dict(request.headers)
    return Arrived(header, signed, parts["seal.xml"], envelope, now(), headers, together)


def transfers_of(body: bytes) -> list[dict[str, bytes]]:
    """Each by the names of its parts; well-formed ones, which is all an honest node sends (W4.1, W4.13)."""
    found: list[dict[str, bytes]] = []
    position = 0
    while (head := _PART.search(body, position)) is not None:
        start = body.index(b"\r\n\r\n", head.start()) + 4
        name, position = head[1].decode(), start + int(head[2])
        if name == _FIRST or not found:
            found.append({})
        found[-1].setdefault(name, body[start:position])
    if not found or _FIRST not in found[0]:
        raise WireError("no transfer.xml in the request")
    return found


def parts_of(body: bytes) -> dict[str, bytes]:
    """Those of the first, where there is one alone."""
    return transfers_of(body)[0]

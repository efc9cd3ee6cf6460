"""Revocation statements on their way to a neighbour (docs/wire-format.md W12).

Touches: nothing.
Trusts:  nothing; whoever takes them proves each under its own anchors.
Raises:  WireError.

    <Statements xmlns="urn:truc-relay:wire:1">
      ( <Statement> ( <Certificate>base64</Certificate> )+ <Content>base64</Content> </Statement> )+
    </Statements>

The certificates are a signer's chain, its own first; the content is a CRL or an OCSP response about one
of them. Base64 has one form. A content over CONTENT_LIMIT_BYTES stands alone in its container (W12.5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pybase64

from relay.errors import WireError
from relay.wire.values import NAMESPACE, unbase64

LIMIT_BYTES = 2 << 20
MOST_STATEMENTS = 64
MOST_CERTIFICATES = 4
CONTENT_LIMIT_BYTES = 256 << 10
CERTIFICATE_LIMIT_BYTES = 16 << 10
LARGE_CONTENT_BYTES = 8 << 20
"""A CRL of some 200,000 entries. Larger ones do not travel: who needs one fetches it."""
LARGE_LIMIT_BYTES = 11 << 20
"""A container of one such."""
_OPEN = f'<Statements xmlns="{NAMESPACE}">'.encode()
_CLOSE = b"</Statements>"
_CERTIFICATE = re.compile(rb"<Certificate>([A-Za-z0-9+/=]+)</Certificate>")
_HEAD = re.compile(
    rb"<Statement>((?:<Certificate>[A-Za-z0-9+/=]+</Certificate>){1,%d})<Content>"
    % MOST_CERTIFICATES
)
_END = b"</Content></Statement>"


@dataclass(frozen=True, slots=True)
class Stapled:
    """A CRL or OCSP response with the chain it is about; both as bytes, proven by nobody."""

    chain: tuple[bytes, ...]
    content: bytes


def write_statements(found: Sequence[Stapled]) -> bytes:
    """At least one."""
    if not 0 < len(found) <= MOST_STATEMENTS:
        raise WireError(f"{len(found)} statements, limit 1 to {MOST_STATEMENTS}")
    return _OPEN + b"".join(map(_item, found)) + _CLOSE


def _item(one: Stapled) -> bytes:
    chain = b"".join(b"<Certificate>%b</Certificate>" % _text(der) for der in one.chain)
    return b"<Statement>%b<Content>%b</Content></Statement>" % (chain, _text(one.content))


def room_bytes(one: Stapled) -> int:
    """The most that it takes in a container."""
    return (len(one.content) + sum(map(len, one.chain))) * 4 // 3 + 256


def _text(content: bytes) -> bytes:
    return pybase64.b64encode(content)


def read_statements(content: bytes) -> tuple[Stapled, ...]:
    """What write_statements was given, if these bytes are exactly what it would write."""
    if len(content) > LARGE_LIMIT_BYTES:
        raise WireError(f"statements of {len(content)} bytes, limit {LARGE_LIMIT_BYTES} bytes")
    if not content.startswith(_OPEN) or not content.endswith(_CLOSE):
        raise WireError(f"the root is not Statements of {NAMESPACE}, in canonical form")
    found: list[Stapled] = []
    position, end = len(_OPEN), len(content) - len(_CLOSE)
    while position < end:
        match = _HEAD.match(content, position, end)
        ends = -1 if match is None else content.find(_END, match.end(), end)
        if match is None or ends <= match.end() or len(found) >= MOST_STATEMENTS:
            raise WireError(f"no statement in canonical form at byte {position}")
        chain = tuple(
            unbase64(text, "a certificate", CERTIFICATE_LIMIT_BYTES)
            for text in _CERTIFICATE.findall(match[1])
        )
        text = content[match.end() : ends]
        statement = unbase64(text, "a statement", LARGE_CONTENT_BYTES)
        found.append(Stapled(chain, statement))
        position = ends + len(_END)
    if not found:
        raise WireError("there is no statement")
    if len(found) > 1:
        _require_small(content, found)
    return tuple(found)


def _require_small(content: bytes, found: Sequence[Stapled]) -> None:
    largest = max(len(one.content) for one in found)
    if largest > CONTENT_LIMIT_BYTES or len(content) > LIMIT_BYTES:
        raise WireError(
            f"statements of {len(content)} bytes, one of {largest}: more than one of at most"
            f" {LIMIT_BYTES} and {CONTENT_LIMIT_BYTES} bytes"
        )

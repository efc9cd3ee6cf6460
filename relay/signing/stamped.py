"""A seal with what others said of it, as XAdES-T or -LT: put together for an export, and taken apart again.

Touches: nothing.
Trusts:  nothing; the unsigned properties have one constant layout, and what is left when they are cut
         out is the seal, which its verifier judges as ever.
Raises:  SignatureError.

The stored seal is never rewritten. ETSI EN 319 132-1 clause 5.3 asks that a SignatureTimeStamp cover the
canonical SignatureValue element; here it does by exclusive c14n, as everything else in the shape. Values of
certificates and revocation (clause 5.4) stand behind the timestamps, and only where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pybase64

from relay.errors import SignatureError
from relay.model import Digest, digest_of
from relay.signing.algorithms import EXCLUSIVE_C14N
from relay.signing.faults import Fault
from relay.signing.shape import DS, read_parts, written

TOKENS_LIMIT = 8
VALUES_LIMIT = 64
"""Of certificates, CRLs and OCSP responses, each."""

_END = b"</xades:QualifyingProperties></ds:Object></ds:Signature>"
_OPEN = b"<xades:UnsignedProperties><xades:UnsignedSignatureProperties>"
_CLOSE = b"</xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
_TOKEN = (
    "<xades:SignatureTimeStamp>"
    f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
    "<xades:EncapsulatedTimeStamp>{}</xades:EncapsulatedTimeStamp>"
    "</xades:SignatureTimeStamp>"
)
_BASE64 = "[A-Za-z0-9+/]+={0,2}"


def _element(name: str) -> str:
    return f"<xades:{name}>{{}}</xades:{name}>"


def _any(item: str, most: int) -> str:
    return f"((?:{re.escape(item).replace(re.escape('{}'), _BASE64)}){{1,{most}}})"


_CERTIFICATE = _element("EncapsulatedX509Certificate")
_CRL = _element("EncapsulatedCRLValue")
_OCSP = _element("EncapsulatedOCSPValue")
_PROPERTIES = re.compile(
    (
        _any(_TOKEN, TOKENS_LIMIT)
        + f"(?:{_element('CertificateValues').format(_any(_CERTIFICATE, VALUES_LIMIT))})?"
        + "(?:<xades:RevocationValues>"
        + f"(?:{_element('CRLValues').format(_any(_CRL, VALUES_LIMIT))})?"
        + f"(?:{_element('OCSPValues').format(_any(_OCSP, VALUES_LIMIT))})?"
        + "</xades:RevocationValues>)?"
    ).encode()
)
_VALUE = re.compile(f">({_BASE64})<".encode())


@dataclass(frozen=True, slots=True)
class Unsigned:
    """What stands beside a signature; everything DER. Without a token there is nothing."""

    tokens: tuple[bytes, ...] = ()
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()


NOTHING = Unsigned()


def stamped_bytes(signature: bytes) -> bytes:
    """What a timestamp on this signature covers: its SignatureValue element, canonical."""
    return f"<ds:SignatureValue{DS}>{read_parts(signature).value}</ds:SignatureValue>".encode()


def imprint_of(signature: bytes) -> Digest:
    """The SHA-256 of those."""
    return digest_of(stamped_bytes(signature))


def with_unsigned(seal: bytes, unsigned: Unsigned) -> bytes:
    """The seal in the shape's own writing, with these as its unsigned properties."""
    plain = written(seal)
    if not unsigned.tokens:
        return plain
    properties = _several(_TOKEN, unsigned.tokens)
    if unsigned.certificates:
        values = _several(_CERTIFICATE, unsigned.certificates)
        properties += _element("CertificateValues").format(values)
    if unsigned.crls or unsigned.ocsps:
        properties += _element("RevocationValues").format(_revocation(unsigned))
    return plain.removesuffix(_END) + _OPEN + properties.encode() + _CLOSE + _END


def _revocation(unsigned: Unsigned) -> str:
    crls, ocsps = _several(_CRL, unsigned.crls), _several(_OCSP, unsigned.ocsps)
    return (_element("CRLValues").format(crls) if crls else "") + (
        _element("OCSPValues").format(ocsps) if ocsps else ""
    )


def _several(item: str, contents: Sequence[bytes]) -> str:
    return "".join(item.format(pybase64.b64encode(one).decode()) for one in contents)


def parted(content: bytes) -> tuple[bytes, Unsigned]:
    """The seal and what stood beside it, of what with_unsigned made."""
    start = content.find(_OPEN)
    if start < 0:
        return content, NOTHING
    tail = _CLOSE + _END
    match = _PROPERTIES.fullmatch(content, start + len(_OPEN), len(content) - len(tail))
    if match is None or not content.endswith(tail):
        raise _strange()
    seal = content[:start] + _END
    unsigned = Unsigned(*(_values(group or b"") for group in match.groups()))
    if with_unsigned(seal, unsigned) != content:
        raise _strange()
    return seal, unsigned


def _values(group: bytes) -> tuple[bytes, ...]:
    try:
        return tuple(pybase64.b64decode(one, validate=True) for one in _VALUE.findall(group))
    except ValueError:
        raise SignatureError(Fault.MALFORMED, "an unsigned property is not base64") from None


def _strange() -> SignatureError:
    return SignatureError(
        Fault.SHAPE, f"the unsigned properties are not 1 to {TOKENS_LIMIT} timestamps in one form"
    )

"""Signature wrapping, XSW1 to XSW8 of SAML, adapted to signatures of the one shape.

What SAML's attacks do to assertions is done here to the signed properties, the one part that is found by
its Id: the original stays, so that every digest and the value hold, and evil ones are put where a
careless verifier reads. Another kind of signed document gets all eight by its row in KINDS.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.vectors.signing.forging.originals import KINDS, cut, signed
from tests.vectors.signing.forging.vector import Vector, Vectors

_XADES = ' xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"'
_ID = ' Id="signed-properties"'


@dataclass(frozen=True)
class Pieces:
    """A good signature taken apart, and evil properties of the same form."""

    whole: str
    head: str
    """From the root's tag to the opening Object, without it."""
    properties: str
    evil: str

    def put_together(self, inside: str, *, before: str = "", behind: str = "") -> str:
        """The signature with this inside QualifyingProperties, and Objects around that Object."""
        return (
            f'{self.head}{before}<ds:Object><xades:QualifyingProperties{_XADES} Target="#signature">'
            f"{inside}</xades:QualifyingProperties></ds:Object>{behind}</ds:Signature>"
        )

    @property
    def evil_otherwise_named(self) -> str:
        return self.evil.replace(_ID, ' Id="evil"', 1)

    @property
    def hidden(self) -> str:
        """The original properties in an Object of their own."""
        free = self.properties.replace(
            "<xades:SignedProperties", f"<xades:SignedProperties{_XADES}", 1
        )
        return f"<ds:Object>{free}</ds:Object>"


def pieces_of(whole: str) -> Pieces:
    head, _, _ = whole.partition("<ds:Object>")
    _, properties, _ = cut(whole, 'Target="#signature">', "</xades:QualifyingProperties>")
    evil = properties.replace("2026-11-23T04:05:06Z", "2027-12-24T00:00:00Z")
    return Pieces(whole, head, properties, evil)


def _evil_signature(p: Pieces) -> str:
    return p.put_together(p.evil)


WRAPPINGS: dict[str, tuple[str, str, Callable[[Pieces], str]]] = {
    "xsw1": (
        "many-signatures",
        "the original signature inside the Object of an evil one",
        lambda p: p.put_together(p.evil, behind=f"<ds:Object>{p.whole}</ds:Object>"),
    ),
    "xsw2": (
        "many-signatures",
        "an evil signature beside the original, under a root of its own",
        lambda p: f"<Signatures>{_evil_signature(p)}{p.whole}</Signatures>",
    ),
    "xsw3": (
        "duplicate-id",
        "evil properties with the same Id before the original ones",
        lambda p: p.put_together(p.evil + p.properties),
    ),
    "xsw4": (
        "shape",
        "the original properties inside evil ones",
        lambda p: p.put_together(
            p.evil_otherwise_named.replace(
                "</xades:SignedProperties>", f"{p.properties}</xades:SignedProperties>"
            )
        ),
    ),
    "xsw5": (
        "shape",
        "evil properties in the place of the original ones, which stand in a last Object",
        lambda p: p.put_together(p.evil_otherwise_named, behind=p.hidden),
    ),
    "xsw6": (
        "duplicate-id",
        "evil properties with the same Id in place, the original ones in KeyInfo",
        lambda p: p.put_together(p.evil).replace(
            "</ds:KeyInfo>", f"{p.hidden[11:-12]}</ds:KeyInfo>", 1
        ),
    ),
    "xsw7": (
        "shape",
        "evil properties in place, the original ones in the unsigned extension point",
        lambda p: p.put_together(
            f"{p.evil_otherwise_named}<xades:UnsignedProperties>{p.properties}"
            "</xades:UnsignedProperties>"
        ),
    ),
    "xsw8": (
        "duplicate-id",
        "the original properties in a first Object, evil ones with the same Id in place",
        lambda p: p.put_together(p.evil, before=p.hidden),
    ),
}


def wrapped() -> Vectors:
    for kind in KINDS:
        pieces = pieces_of(signed(kind).decode())
        for case, (fault, what, wrap) in WRAPPINGS.items():
            yield Vector(fault, case, kind, what, wrap(pieces).encode())

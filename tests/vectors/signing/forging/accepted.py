"""Signatures that hold: the controls of the refused ones, and every freedom that the shape leaves.

Those without a remark were made by the first version and stay as they are: what held once holds always.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from relay.model import SealKind
from relay.wire.receipt import write_receipt
from tests.vectors.signing.forging.batched import good_batches
from tests.vectors.signing.forging.certified import by
from tests.vectors.signing.forging.certified import high_s as high_s_certificate
from tests.vectors.signing.forging.exported import good_exports
from tests.vectors.signing.forging.keys import certificate, derived, derived_rsa
from tests.vectors.signing.forging.originals import (
    AGENCY,
    GATEWAY,
    KINDS,
    LETTER,
    NODE_SIGN,
    RSA,
    cut,
    seal,
    signed,
)
from tests.vectors.signing.forging.paths import (
    NEW,
    OLD,
    by_pinned_agency,
    in_branch,
    of_generation,
    permitted,
    permitted_name,
)
from tests.vectors.signing.forging.replayed import HANDED_OVER, head
from tests.vectors.signing.forging.revoked import good_statements
from tests.vectors.signing.forging.stamps import good_stamps
from tests.vectors.signing.forging.values import high_s


@dataclass(frozen=True)
class Good:
    """`document` is given where it is not the usual one of its kind."""

    name: str
    what: str
    signature: bytes
    document: bytes | None = None


def accepted() -> Iterator[Good]:
    for kind in KINDS:
        yield Good(f"node.{kind}", f"a node's {kind}", signed(kind))
        yield Good(f"rsa.{kind}", f"a node's {kind}, with an RSA key", signed(kind, RSA))
    yield Good("agency.seal", "an agency's seal", seal(AGENCY, SealKind.AGENCY))
    supplied = seal(AGENCY, SealKind.AGENCY_SUPPLIED)
    yield Good("agency-supplied.seal", "a seal made at the agency", supplied)
    yield Good("gateway.seal", "a gateway's seal", seal(GATEWAY, SealKind.GATEWAY))
    yield Good("node.carried", "the seal of the origin", seal())
    yield Good("agency.carried", "the sender's seal", seal(AGENCY, SealKind.AGENCY))
    yield Good("agency.supplied", "the sender's own, handed in beside", supplied)
    yield Good(
        "letter.seal", "a letter with two attachments", signed("seal", document=LETTER), LETTER
    )
    yield Good(
        "letter.letter", "the same, sealed and then read", signed("seal", document=LETTER), LETTER
    )
    yield Good("under-rsa.seal", "the issuer has an RSA key", _under_rsa())
    what = "a certificate whose issuer's signature is the second of its two values"
    yield Good("high-s-certificate.seal", what, high_s_certificate())
    yield Good("high-s.seal", "the second of the two values of every ECDSA signature", high_s())
    yield Good("node.answer", "the answer to a transfer", signed("receipt"))
    handed_over = write_receipt(HANDED_OVER)
    yield Good(
        "node.returned", "a receipt that travels back", signed("receipt", document=handed_over)
    )
    generation = of_generation("second", OLD, NEW)
    yield Good("second-generation.seal", "two generations of one issuer side by side", generation)
    yield Good("first-generation.seal", "the other of them", of_generation("first", NEW, OLD))
    yield Good("permitted.seal", "names within the issuer's constraints", permitted())
    yield Good("permitted-name.seal", "a subject within them", permitted_name())
    yield Good("agency.pinned", "an agency under the root pinned for agencies", by_pinned_agency())
    yield Good("node.pinned", "a node under the root for all the others", signed("seal"))
    yield Good("node.believed", "an issuer of the node's branch", in_branch("receipt", "tinh-h01"))
    yield Good("node.heard", "likewise, of a directory", in_branch("directory", "tinh-h01"))
    for name, proof, document in good_batches():
        kind = "receipt" if name.endswith(".receipt") else "header"
        yield Good(name, f"a {kind} that shares its signature with others", proof, document)
    yield Good("node.head", "the head of a node's log", head())
    for found in (good_exports(), good_statements(), good_stamps()):
        yield from (Good(*one) for one in found)
    yield from _written_otherwise()


def _under_rsa() -> bytes:
    key = derived_rsa("Issuing RSA")
    authority = certificate("Issuing RSA", "Root", key=key, ca=True, pathlen=0)
    return by(
        certificate("by-rsa", "Issuing RSA", [NODE_SIGN], issuer_key=key),
        derived("by-rsa"),
        authority,
    )


def _written_otherwise() -> Iterator[Good]:
    """The same XML as another tool writes it."""
    text = seal().decode()
    short = text
    for name in ("CanonicalizationMethod", "SignatureMethod", "DigestMethod", "Transform"):
        short = short.replace(f"></ds:{name}>", "/>")
    head, value, tail = cut(short, "<ds:SignatureValue>", "</ds:SignatureValue>")
    wrapped = f"{head}{value[:64]}\n{value[64:]}{tail}"
    declared = f'<?xml version="1.0" encoding="UTF-8"?>\n{wrapped}\n'
    what = "declaration, empty elements, wrapped base64"
    yield Good("written-otherwise.seal", what, declared.encode())
    quotes = text.replace('"', "'").replace("xmlns:ds='", "xmlns:ds =\n'", 1)
    yield Good("other-quotes.seal", "other quotes, and white space inside tags", quotes.encode())
    order = text.replace(
        '<ds:Reference Id="document" URI="envelope.edxml">',
        '<ds:Reference URI="envelope.edxml" Id="document">',
    )
    yield Good("other-order.seal", "attributes in another order", order.encode())
    again = text.replace(
        "<ds:KeyInfo>", '<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'
    )
    yield Good("declared-again.seal", "a namespace declared again", again.encode())
    head, value, tail = cut(text, "<ds:SignatureValue>", "</ds:SignatureValue>")
    lines = f"{head}\r\n{value[:40]}\r\n\t {value[40:]}\r\n{tail}"
    yield Good("carriage-returns.seal", "base64 over lines that end as on Windows", lines.encode())

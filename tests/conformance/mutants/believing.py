"""Faults in what is believed: documents in any form, and signatures that prove nothing."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from relay.delivery import arrivals
from relay.errors import SignatureError, WireError
from relay.model import Seal, SealKind, Signed, TransferHeader
from relay.signing import evidence, shape
from relay.signing.notary import NodeNotary
from relay.transport.nodes import parts, server
from relay.wire import transfer
from relay.wire.container import read_receipts
from relay.wire.receipt import read_receipt
from relay.wire.values import NAMESPACE
from tests.conformance.mutants import mutant, put_in
from tests.conformance.mutants.arriving import proving_headers

_HONEST_READ = transfer.read_transfer
HEADERS = [
    "value",
    "sha1",
    "inclusive",
    "no-reference",
    "two-references",
    "another-uri",
    "empty-uri",
    "xpath",
    "wrapped",
    "no-certificate",
    "role",
    "comment",
    "doctype",
    "entity",
    "object",
    "empty",
]


def _read_anything(content: bytes) -> TransferHeader:
    """Whatever means the same, in whatever form."""
    parser = etree.XMLParser(resolve_entities=True, remove_blank_text=True, remove_comments=True)
    root = etree.fromstring(content, parser)
    text = etree.tostring(root, method="c14n", exclusive=True).decode()
    text = text.replace("<t:", "<").replace("</t:", "</").replace("xmlns:t=", "xmlns=")
    text = re.sub(r">\s+<", "><", text)
    text = re.sub(r"(<PayloadDigest>)(\w+)", lambda found: found[1] + found[2].lower(), text)
    text = re.sub(r"(<Created>[0-9T:-]{19})Z", r"\1.000Z", text)
    assert f'<Transfer xmlns="{NAMESPACE}">' in text
    return _HONEST_READ(text.encode())


@mutant(
    "reads a header in whatever form it is written",
    "W2.1/white-space",
    "W2.1/declaration",
    "W2.1/prefix",
    "W2.1/doctype",
    "W2.1/reference",
    "W2.2/upper-case-id",
    "W2.2/no-milliseconds",
    quick=True,
)
def reads_any_form() -> None:
    put_in(evidence, "read_transfer", _read_anything)


OTHERWISE = ("white-space", "declaration", "trailing")


def _in_its_form(content: bytes) -> bytes:
    """What it would be, were it written as it must be."""
    return re.sub(rb">\s+<", b"><", re.sub(rb"^<\?xml[^>]*>", b"", content)).strip()


@mutant(
    "reads a receipt in whatever form it is written",
    *(f"W2.1/receipt-{name}" for name in OTHERWISE),
)
def reads_any_receipt() -> None:
    put_in(evidence, "read_receipt", lambda content: read_receipt(_in_its_form(content)))


@mutant(
    "reads a container of receipts in whatever form it is written",
    *(f"W2.1/container-{name}" for name in OTHERWISE),
)
def reads_any_container() -> None:
    put_in(
        server, "read_receipts", lambda content, limit: read_receipts(_in_its_form(content), limit)
    )


def _believe_headers() -> None:
    def believed(_: Any, honest: Any, signed: Signed, *arguments: Any) -> TransferHeader:
        try:
            found: TransferHeader = honest(signed, *arguments)
        except (SignatureError, WireError):
            return _HONEST_READ(signed.document.strip())
        return found

    proving_headers(believed)


@mutant(
    "believes a transfer's header whatever its signature is",
    *(f"W3.3/header-{name}" for name in HEADERS),
    "W3.5/another-signer",
    "W3.5/untrusted",
    "W3.8/early-header",
)
def believes_headers() -> None:
    _believe_headers()


def _believe_seals() -> None:
    honest = NodeNotary.check_carried_seal

    def check_carried_seal(self: NodeNotary, seal: bytes, *arguments: Any) -> Seal:
        try:
            return honest(self, seal, *arguments)
        except SignatureError:
            return Seal(SealKind.NODE, seal)

    put_in(NodeNotary, "check_carried_seal", check_carried_seal)
    put_in(arrivals, "seal_fault", lambda *_: "")


@mutant(
    "believes a seal whatever it is",
    *(f"W3.3/seal-{name}" for name in HEADERS),
    "W3.3/other-bytes",
    "W3.4/no-agency",
    "W3.6/not-served",
    "W3.8/early-seal",
)
def believes_seals() -> None:
    _believe_seals()


@mutant("bounds no signature", "W4.1/long-signature")
def bounds_no_signature() -> None:
    put_in(parts, "_LIMITS", (parts.HEADER_LIMIT_BYTES, 1 << 30, 1 << 30))
    put_in(shape, "LIMIT_BYTES", 1 << 30)


@mutant("bounds no header, and reads past its end", "W4.1/long-header")
def bounds_no_header() -> None:
    """A header of the one form is never so long: what is behind its end has to be overlooked, too."""
    _believe_headers()
    put_in(parts, "_LIMITS", (1 << 30, parts.SIGNATURE_LIMIT_BYTES, parts.SIGNATURE_LIMIT_BYTES))


@mutant("takes documents of origins that lie elsewhere", "W4.11/origin")
def takes_any_origin() -> None:
    put_in(arrivals, "origin_fault", lambda *_: "")


@mutant("takes an envelope in another sender's name", "W4.11/from")
def takes_any_sender() -> None:
    put_in(arrivals, "sender_fault", lambda *_: "")

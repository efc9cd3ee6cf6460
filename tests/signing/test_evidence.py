"""Signed transfers and receipts: a node speaks for itself, over its own connection."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from relay.errors import SignatureError, WireError
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    Receipt,
    SealKind,
    Signed,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.signing.evidence import sign_receipt, sign_transfer, verify_receipt, verify_transfer
from relay.signing.seal import make_seal
from relay.signing.xades import DocumentName, build

ID = "019ab000-0000-7000-8000-000000000001"
A, B = NodeId("tinh-h01"), NodeId("tw")


@pytest.fixture
def header(now: datetime) -> TransferHeader:
    return TransferHeader(
        transfer_id=TransferId(ID),
        message_id=MessageId(ID),
        origin=A,
        sent_by=A,
        sent_to=B,
        message_type=MessageType.DOCUMENT,
        sender=AgencyCode("H01"),
        recipients=(AgencyCode("H36.02"),),
        priority=Priority.NORMAL,
        digest=digest_of(b"envelope"),
        size_bytes=8,
        created_at=now,
        expires_at=now + timedelta(days=3),
        trace=(),
    )


@pytest.fixture
def receipt(now: datetime) -> Receipt:
    return Receipt(
        issuer=B,
        origin=A,
        message_id=MessageId(ID),
        digest=digest_of(b"envelope"),
        size_bytes=8,
        transfer_id=TransferId(ID),
        sent_by=A,
        at=now,
        evidence=(Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("H36.02")),),
    )


@pytest.mark.parametrize("kind", ["p256", "rsa2048", "rsa3072"])
def test_a_transfer_of_the_neighbour_is_proven(
    make_pki: Any, now: datetime, header: TransferHeader, kind: str
) -> None:
    """What comes back is the header that was signed."""
    pki = make_pki(kind)
    signed = sign_transfer(header, pki.node(A).signer, now)

    assert verify_transfer(signed, pki.trust, now, A) == header


def test_a_receipt_is_proven(pki: Any, now: datetime, receipt: Receipt) -> None:
    """At an instant, or at its own."""
    signed = sign_receipt(receipt, pki.node(B).signer, now)

    assert verify_receipt(signed, pki.trust, now) == receipt
    assert verify_receipt(signed, pki.trust, None) == receipt


def test_a_transfer_over_anothers_connection_is_refused(
    pki: Any, now: datetime, header: TransferHeader
) -> None:
    """A node cannot pass on another node's signed header as its own."""
    signed = sign_transfer(header, pki.node(A).signer, now)

    with pytest.raises(SignatureError) as caught:
        verify_transfer(signed, pki.trust, now, B)

    assert caught.value.reason == "wrong-node"


def test_a_transfer_in_anothers_name_is_refused(
    pki: Any, now: datetime, header: TransferHeader
) -> None:
    """The neighbour's certificate under a header that says another node sent it."""
    document = sign_transfer(header, pki.node(A).signer, now).document
    forged = build(DocumentName.TRANSFER, digest_of(document), "node", pki.node(B).signer, now)

    with pytest.raises(SignatureError) as caught:
        verify_transfer(Signed(document, forged), pki.trust, now, B)

    assert caught.value.reason == "wrong-node"


def test_a_receipt_in_anothers_name_is_refused(pki: Any, now: datetime, receipt: Receipt) -> None:
    """Only the issuer's own certificate makes its receipts."""
    document = sign_receipt(receipt, pki.node(B).signer, now).document
    forged = build(DocumentName.RECEIPT, digest_of(document), "node", pki.node(A).signer, now)

    with pytest.raises(SignatureError) as caught:
        verify_receipt(Signed(document, forged), pki.trust, now)

    assert caught.value.reason == "wrong-node"


def test_a_node_does_not_sign_in_anothers_name(
    pki: Any, now: datetime, header: TransferHeader, receipt: Receipt
) -> None:
    """A wrong configuration fails where it is, not at the neighbour."""
    with pytest.raises(SignatureError, match="the certificate is of tw"):
        sign_transfer(header, pki.node(B).signer, now)
    with pytest.raises(SignatureError, match="the certificate is of tinh-h01"):
        sign_receipt(receipt, pki.node(A).signer, now)
    with pytest.raises(SignatureError, match="the certificate is for agency"):
        sign_receipt(receipt, pki.agency("H01").signer, now)


def test_one_kind_of_document_does_not_pass_for_another(
    pki: Any, now: datetime, header: TransferHeader, receipt: Receipt
) -> None:
    """A signature names what it signs: seal, transfer and receipt are never taken for each other."""
    signer = pki.node(A).signer
    transfer = sign_transfer(header, signer, now)
    sealed = make_seal(transfer.digest, SealKind.NODE, signer, now).signature

    for forged in (transfer, Signed(transfer.document, sealed)):
        with pytest.raises(SignatureError) as caught:
            verify_receipt(forged, pki.trust, now)
        assert caught.value.reason == "wrong-document"


def test_any_flipped_bit_of_the_document_is_refused(
    pki: Any, now: datetime, receipt: Receipt
) -> None:
    """A receipt's every bit is signed."""
    signed = sign_receipt(receipt, pki.node(B).signer, now)

    for index in range(8 * len(signed.document)):
        flipped = bytearray(signed.document)
        flipped[index // 8] ^= 1 << index % 8
        with pytest.raises(SignatureError) as caught:
            verify_receipt(replace(signed, document=bytes(flipped)), pki.trust, now)
        assert caught.value.reason == "digest-mismatch"


def test_a_well_signed_document_of_another_shape_is_a_wire_error(pki: Any, now: datetime) -> None:
    """The proof holds, so the neighbour itself wrote what cannot be read."""
    document = b"<Receipt/>"
    signature = build(DocumentName.RECEIPT, digest_of(document), "node", pki.node(B).signer, now)

    with pytest.raises(WireError):
        verify_receipt(Signed(document, signature), pki.trust, now)


@pytest.mark.parametrize("document", [b"", b"x", b"<!DOCTYPE a>"])
def test_a_strangers_document_is_never_parsed(pki: Any, now: datetime, document: bytes) -> None:
    """Without a signature there is nothing to read."""
    with pytest.raises(SignatureError):
        verify_receipt(Signed(document, b"<a/>"), pki.trust, now)

"""One signature for the headers of transfers that go in one request (W13.9): each proven by its own path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.errors import SignatureError, WireError
from relay.model import (
    UTC_NOW_TOLERANCE,
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    Receipt,
    Signed,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.signing import batches
from relay.signing.batches import leaf_of, sign_batch
from relay.signing.evidence import (
    sign_receipts,
    sign_transfers,
    verify_receipt,
    verify_transfer,
)
from relay.signing.hand import Hand
from relay.signing.notary import NodeNotary
from relay.signing.verifier import prove
from relay.signing.xades import DocumentName
from relay.wire.receipt import write_receipt
from relay.wire.transfer import write_transfer

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
NODE, OTHER = NodeId("tinh-h01"), NodeId("tw")


def _header(number: int, sent_by: NodeId = NODE) -> TransferHeader:
    return TransferHeader(
        transfer_id=TransferId(f"019ab000-0000-7000-8000-{number:012x}"),
        message_id=MessageId(f"019ab000-0000-7000-9000-{number:012x}"),
        origin=sent_by,
        sent_by=sent_by,
        sent_to=NodeId("xa"),
        message_type=MessageType.DOCUMENT,
        sender=AgencyCode("H01"),
        recipients=(AgencyCode("H36.02"),),
        priority=Priority.NORMAL,
        digest=digest_of(b"letter"),
        size_bytes=6,
        created_at=AT,
        expires_at=AT + timedelta(days=14),
        trace=(),
    )


def _receipts(count: int) -> list[bytes]:
    return [
        write_receipt(
            Receipt(
                issuer=NODE,
                origin=NODE,
                message_id=MessageId(f"019ab000-0000-7000-8000-{number:012x}"),
                digest=digest_of(b"letter"),
                size_bytes=6,
                transfer_id=None,
                sent_by=None,
                at=AT,
                evidence=(Evidence(Event.SUBMISSION_ACCEPTANCE, AgencyCode("H36.02")),),
            )
        )
        for number in range(count)
    ]


@pytest.fixture
def pki(make_pki: Callable[[str], Any]) -> Any:
    return make_pki("p256")


def _refusal(pki: Any, signed: Signed, neighbour: NodeId = NODE) -> str:
    with pytest.raises(SignatureError) as caught:
        verify_transfer(signed, pki.trust, AT, neighbour)
    return str(caught.value.reason)


@pytest.mark.parametrize("count", [2, 3, 5, 16])
def test_each_header_of_a_batch_is_proven_by_its_own_path(pki: Any, count: int) -> None:
    headers = [_header(number) for number in range(count)]
    signed = sign_transfers(headers, pki.node(NODE).signer, AT)
    assert [one.document for one in signed] == [write_transfer(header) for header in headers]
    assert len({one.signature.partition(b"<Batch xmlns")[2] for one in signed}) == 1
    assert [verify_transfer(one, pki.trust, AT, NODE) for one in signed] == headers


def test_one_header_alone_is_signed_by_itself(pki: Any) -> None:
    (signed,) = sign_transfers([_header(0)], pki.node(NODE).signer, AT)
    assert signed.signature.startswith(b"<ds:Signature ")
    assert verify_transfer(signed, pki.trust, AT, NODE) == _header(0)


def test_a_batch_that_came_with_others_is_proven_once_and_each_path_followed(
    pki: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = [_header(number) for number in range(16)]
    signed = sign_transfers(headers, pki.node(NODE).signer, AT)
    proofs = 0

    def counted(*args: Any, **named: Any) -> Any:
        nonlocal proofs
        proofs += 1
        return prove(*args, **named)

    monkeypatch.setattr(batches, "prove", counted)
    notary = NodeNotary(OTHER, pki.node(OTHER).signer, {}, pki.trust, lambda _: frozenset())
    check = notary.transfer_checker()
    assert [check(one, NODE, AT) for one in signed] == headers
    assert proofs == 1
    with pytest.raises(SignatureError) as caught:
        check(Signed(signed[1].document, signed[0].signature), NODE, AT)
    assert caught.value.reason == "not-in-batch"
    assert notary.check_transfer(signed[3], NODE, AT) == headers[3]
    assert proofs == 2, "what comes by itself is proven by itself"


def test_a_receipt_is_no_header_and_a_header_no_receipt(pki: Any) -> None:
    """Their leaves begin with the name of the kind: a proof of one leads nowhere from the other."""
    signer = pki.node(NODE).signer
    headers = [write_transfer(_header(number)) for number in range(2)]
    as_receipts = sign_batch(headers, NODE, signer, AT)
    assert _refusal(pki, as_receipts[0]) == "not-in-batch"
    receipts = sign_batch(_receipts(2), NODE, signer, AT, DocumentName.TRANSFER)
    with pytest.raises(SignatureError) as caught:
        verify_receipt(receipts[0], pki.trust, AT)
    assert caught.value.reason == "not-in-batch"
    assert leaf_of(headers[0]) != leaf_of(headers[0], DocumentName.TRANSFER)
    mixed = sign_receipts(_receipts(2), NODE, signer, AT)[0]
    assert _refusal(pki, mixed) == "not-in-batch"


def test_a_batch_speaks_for_the_neighbour_of_the_connection_alone(pki: Any) -> None:
    """Not for another node's transfers, and not over another node's connection."""
    signer, other = pki.node(NODE).signer, pki.node(OTHER).signer
    mine = sign_transfers([_header(0), _header(1)], signer, AT)
    assert _refusal(pki, mine[0], OTHER) == "wrong-node"
    theirs = [write_transfer(_header(number, OTHER)) for number in range(2)]
    for issuer, by in ((NODE, signer), (OTHER, signer), (NODE, other)):
        signed = sign_batch(theirs, issuer, by, AT, DocumentName.TRANSFER)
        assert _refusal(pki, signed[0]) == "wrong-node"
    with pytest.raises(SignatureError):
        sign_transfers([_header(0), _header(1, OTHER)], signer, AT)


def test_a_header_that_is_none_is_refused_after_its_proof_held(pki: Any) -> None:
    signed = sign_batch([b"<x/>", b"<y/>"], NODE, pki.node(NODE).signer, AT, DocumentName.TRANSFER)
    with pytest.raises(WireError):
        verify_transfer(signed[0], pki.trust, AT, NODE)


def test_a_batch_dated_beyond_the_tolerance_is_judged_as_of_now_too(pki: Any) -> None:
    """As a header signed by itself is (W3.8): its certificate is not valid yet in 2010."""
    signed = sign_transfers([_header(0), _header(1)], pki.node(NODE).signer, AT)
    assert verify_transfer(signed[0], pki.trust, None, NODE, latest=AT) == _header(0)
    early = datetime(2010, 1, 1, tzinfo=UTC) + UTC_NOW_TOLERANCE
    with pytest.raises(SignatureError) as caught:
        verify_transfer(signed[0], pki.trust, None, NODE, latest=early)
    assert caught.value.reason == "not-yet-valid-certificate"


def test_any_flipped_bit_of_a_header_or_its_proof_is_refused(pki: Any) -> None:
    signer = pki.node(NODE).signer
    signed = sign_transfers([_header(number) for number in range(5)], signer, AT)[3]
    for part in ("signature", "document"):
        whole = getattr(signed, part)
        for at in range(0, len(whole), 7):
            flipped = bytearray(whole)
            flipped[at] ^= 1
            with pytest.raises((SignatureError, WireError)):
                verify_transfer(replace(signed, **{part: bytes(flipped)}), pki.trust, AT, NODE)


# ---------------------------------------------------------------- keys that are slow


async def test_a_slow_key_signs_once_for_a_whole_request(pki: Any) -> None:
    """Three signatures a second would else be three documents a second to the next node."""
    real = pki.node(NODE).signer
    asked = 0

    def sign(content: bytes) -> bytes:
        nonlocal asked
        asked += 1
        return real.sign(content)  # type: ignore[no-any-return]

    slow = replace(real, sign=sign, hand=Hand("slow-hand"))
    notary = NodeNotary(NODE, slow, {}, pki.trust, lambda _: frozenset())
    headers = [_header(number) for number in range(16)]
    signed = await notary.issue_transfers(headers, AT, batched=True)
    assert asked == 1
    assert [notary.check_transfer(one, NODE, AT) for one in signed] == headers
    notary.shares = False  # [keys] batches = "never"
    single = await notary.issue_transfers(headers, AT, batched=True)
    assert asked == 17
    assert all(one.signature.startswith(b"<ds:Signature ") for one in single)

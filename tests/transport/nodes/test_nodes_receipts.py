"""Receipts on their way back: proven, once, and only about what went to the one who brings them."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest

from relay.errors import PeerError
from relay.model import (
    AgencyCode,
    DeliveryState,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Reason,
    Receipt,
    Signed,
    digest_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")


async def _onward(hub: Any, *recipients: str) -> Any:
    """A transfer of xa that this node is to carry on."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(recipients=recipients)
    await xa.carry(transfer)
    return transfer


def _receipt(peer: Any, transfer: Any, *evidence: Evidence, **changes: Any) -> Signed:
    header = transfer.header
    values: dict[str, Any] = {
        "issuer": peer.name,
        "origin": header.origin,
        "message_id": header.message_id,
        "digest": header.digest,
        "size_bytes": header.size_bytes,
        "transfer_id": None,
        "sent_by": HERE,
        "at": peer.clock.now(),
        "evidence": evidence,
    }
    signed: Signed = peer.notary.sign_receipt(Receipt(**(values | changes)), peer.clock.now())
    return signed


def _taken(recipient: str) -> Evidence:
    return Evidence(Event.RELAY_ACCEPTANCE, AgencyCode(recipient))


def _refused(recipient: str) -> Evidence:
    return Evidence(
        Event.RELAY_REJECTION, AgencyCode(recipient), None, Reason.UNKNOWN_RECIPIENT, "no"
    )


def _stored(hub: Any, signed: Signed) -> bool:
    return bool(hub.rows("SELECT 1 FROM receipts WHERE digest = ?", signed.digest))


async def test_a_receipt_settles_and_goes_on_to_where_the_message_came_from(hub: Any) -> None:
    """Stored as it was signed, and queued for the neighbour the message came from."""
    transfer = await _onward(hub, "G22")
    tw = hub.peers["tw"]
    signed = _receipt(tw, transfer, _taken("G22"))

    await tw.client.hand_back(HERE, [signed])

    assert hub.states(transfer.header.message_id) == {"G22": DeliveryState.RELAYED}
    assert hub.rows("SELECT neighbour FROM returns WHERE receipt = ?", signed.digest) == [("xa",)]
    assert hub.rows("SELECT document, signature FROM receipts WHERE digest = ?", signed.digest) == [
        (signed.document, signed.signature)
    ]


async def test_a_receipt_brought_twice_is_one_receipt(hub: Any) -> None:
    """204 again, and nothing new."""
    transfer = await _onward(hub, "G22")
    tw = hub.peers["tw"]
    signed = _receipt(tw, transfer, _taken("G22"))
    await tw.client.hand_back(HERE, [signed])
    size = hub.size()

    await tw.client.hand_back(HERE, [signed, signed])

    assert len(hub.rows("SELECT 1 FROM receipts WHERE digest = ?", signed.digest)) == 1
    assert [e for e in hub.entries(size) if e.get("receipt") == signed.digest] == []


async def test_a_receipt_for_a_message_unknown_here_is_noted(hub: Any) -> None:
    """Refusing it would only make the neighbour bring it again; it may come from before a restore."""
    tw = hub.peers["tw"]
    transfer = hub.peers["xa"].transfer(recipients=["G22"])
    signed = _receipt(tw, transfer, _taken("G22"), message_id=MessageId(tw.clock.mint()))
    size = hub.size()

    await tw.client.hand_back(HERE, [signed])

    (entry,) = [e for e in hub.entries(size) if e.get("receipt") == signed.digest]
    assert (entry["event"], entry["reason"]) == ("late-receipt", "unknown-message")
    assert not _stored(hub, signed)


async def test_a_batch_with_a_forged_receipt_is_refused_as_a_whole(hub: Any) -> None:
    """None of it is kept, so that the neighbour finds out which one it is."""
    first, second = await _onward(hub, "G22"), await _onward(hub, "G22")
    tw = hub.peers["tw"]
    sound, signed = _receipt(tw, first, _taken("G22")), _receipt(tw, second, _taken("G22"))
    forged = Signed(
        signed.document.replace(b"RelayAcceptance", b"RelayRejection"), signed.signature
    )

    with pytest.raises(PeerError):
        await tw.client.hand_back(HERE, [sound, forged])

    assert not _stored(hub, sound)
    assert hub.states(first.header.message_id) != {"G22": DeliveryState.RELAYED}


async def test_only_the_serving_node_says_that_a_recipient_has_it(hub: Any) -> None:
    """A handover of the ministry's document signed by a commune is no evidence."""
    transfer = await _onward(hub, "G22")
    xb = hub.peers["xb"]
    handover = Evidence(Event.CONTENT_HANDOVER, AgencyCode("G22"))
    signed = _receipt(xb, transfer, handover)

    with pytest.raises(PeerError, match="422"):
        await hub.peers["tw"].client.hand_back(HERE, [signed])
    assert not _stored(hub, signed)


async def test_a_receipt_signed_for_another_issuer_is_refused(hub: Any) -> None:
    """The issuer is whoever signed."""
    transfer = await _onward(hub, "G22")
    tw, xb = hub.peers["tw"], hub.peers["xb"]
    signed = _receipt(tw, transfer, _taken("G22"))
    resigned = Signed(signed.document, _receipt(xb, transfer, _taken("G22")).signature)

    with pytest.raises(PeerError):
        await tw.client.hand_back(HERE, [resigned])
    assert not _stored(hub, resigned)


async def test_a_neighbour_says_nothing_of_what_never_went_to_it(hub: Any) -> None:
    """One commune cannot end another's deliveries with refusals of its own; that is noted."""
    transfer = await _onward(hub, "G22", "H01")
    xb = hub.peers["xb"]
    signed = _receipt(xb, transfer, _refused("G22"), _refused("H01"))
    size = hub.size()

    await xb.client.hand_back(HERE, [signed])

    assert DeliveryState.REFUSED not in hub.states(transfer.header.message_id).values()
    (entry,) = [e for e in hub.entries(size) if e.get("receipt") == signed.digest]
    assert (entry["event"], entry["reason"]) == ("late-receipt", "not-yours")


async def test_a_receipt_for_other_bytes_is_noted_and_settles_nothing(hub: Any) -> None:
    """A receipt is about a digest, not about an id."""
    transfer = await _onward(hub, "G22")
    tw = hub.peers["tw"]
    signed = _receipt(tw, transfer, _refused("G22"), digest=digest_of(b"other bytes"))
    size = hub.size()

    await tw.client.hand_back(HERE, [signed])

    assert hub.states(transfer.header.message_id) != {"G22": DeliveryState.REFUSED}
    (entry,) = [e for e in hub.entries(size) if e.get("receipt") == signed.digest]
    assert entry["reason"] == "other-bytes"


async def test_a_receipt_at_an_odd_time_settles_all_the_same(hub: Any) -> None:
    """Refusing it would only make the neighbour repeat it; what is signed for is what happened."""
    transfer = await _onward(hub, "G22")
    tw = hub.peers["tw"]
    signed = _receipt(tw, transfer, _taken("G22"), at=tw.clock.now() + timedelta(hours=3))

    await tw.client.hand_back(HERE, [signed])

    assert hub.states(transfer.header.message_id) == {"G22": DeliveryState.RELAYED}


async def test_a_refusal_further_on_travels_back(hub: Any) -> None:
    """A negative receipt ends the delivery here and goes to where the message came from."""
    transfer = await _onward(hub, "G22")
    tw = hub.peers["tw"]
    signed = _receipt(tw, transfer, _refused("G22"))

    await tw.client.hand_back(HERE, [signed])

    assert hub.states(transfer.header.message_id) == {"G22": DeliveryState.REFUSED}
    assert hub.rows("SELECT neighbour FROM returns WHERE receipt = ?", signed.digest) == [("xa",)]


@pytest.mark.parametrize("body", [b"", b"<Receipts/>", b"<a", b"\xff" * 100, b"<a>" * 50_000])
async def test_a_container_that_is_none_is_refused(hub: Any, body: bytes) -> None:
    """Garbage in the place of receipts is a problem of the neighbour's."""
    async with (
        hub.peers["tw"].session() as session,
        session.post(f"{hub.url}/axis/v1/receipts", data=body) as response,
    ):
        assert 400 <= response.status < 500 or (body == b"<Receipts/>" and response.status == 204)


async def test_more_receipts_than_a_request_may_hold_are_refused(hub: Any) -> None:
    """The body is bounded before any of it is read as XML."""
    async with (
        hub.peers["tw"].session() as session,
        session.post(f"{hub.url}/axis/v1/receipts", data=BytesIO(bytes(33 << 20))) as response,
    ):
        assert 400 <= response.status < 500

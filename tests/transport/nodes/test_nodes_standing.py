"""A valid signature is not yet standing: who may send in whose name, and say what of whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from relay.delivery.neighbours.answers import require_answer
from relay.errors import PeerError, SignatureError, TransportError
from relay.model import (
    AgencyCode,
    DeliveryState,
    Event,
    Evidence,
    NodeId,
    Reason,
    Receipt,
    SealKind,
    Signed,
    TraceStep,
    digest_of,
)
from relay.settings.reading import load
from relay.transport.nodes.client import _offset

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")
MINISTRY, OWN = AgencyCode("G22"), AgencyCode("H01.16")


async def _reason(peer: Any, transfer: Any) -> Reason | None:
    receipt = await peer.carry(transfer)
    assert {e.event for e in receipt.evidence} == {Event.RELAY_REJECTION}
    reason: Reason | None = receipt.evidence[0].reason
    return reason


async def test_a_node_does_not_vouch_for_an_agency_it_does_not_serve(hub: Any) -> None:
    """A commune's node cannot send a ministry's document under its own seal."""
    xb, content = hub.peers["xb"], hub.peers["tw"].document()

    transfer = xb.transfer(content, sender=MINISTRY)

    assert await _reason(xb, transfer) is Reason.BAD_SEAL
    assert hub.rows("SELECT 1 FROM payloads WHERE digest = ?", transfer.header.digest) == []


async def test_an_unlisted_sender_does_not_hide_a_listed_one(hub: Any) -> None:
    """What the header names must be what the document names, listed or not."""
    xb, content = hub.peers["xb"], hub.peers["tw"].document()

    assert await _reason(xb, xb.transfer(content, sender=AgencyCode("Z99"))) is Reason.BAD_TRANSFER


async def test_a_node_below_does_not_vouch_for_an_agency_nobody_lists(hub: Any) -> None:
    """Only directories above this one may know of more agencies."""
    xb = hub.peers["xb"]
    content = xb.document().replace(b"H01.16", b"Z99")

    assert await _reason(xb, xb.transfer(content, sender=AgencyCode("Z99"))) is Reason.BAD_SEAL


async def test_a_recipient_does_not_send_a_document_on_as_if_it_came_from_its_origin(
    hub: Any,
) -> None:
    """A genuine seal says which bytes and whose, not to whom: the way has to fit the origin."""
    xb, tw = hub.peers["xb"], hub.peers["tw"]
    genuine = tw.transfer(tw.document())
    replayed = xb.transfer(
        genuine.content,
        seal=genuine.seal,
        sender=MINISTRY,
        origin=tw.name,
        trace=(
            TraceStep(tw.name, tw.clock.now(), digest_of(b"a")),
            TraceStep(xb.name, xb.clock.now(), digest_of(b"b")),
        ),
    )

    assert await _reason(xb, replayed) is Reason.BAD_TRANSFER


async def test_what_began_in_this_branch_does_not_come_from_above(hub: Any) -> None:
    """Nor from anybody but the neighbour in whose branch it began."""
    xb, tw = hub.peers["xb"], hub.peers["tw"]
    genuine = xb.transfer(xb.document())
    odd = tw.transfer(
        genuine.content,
        seal=genuine.seal,
        sender=OWN,
        origin=xb.name,
        trace=(
            TraceStep(xb.name, xb.clock.now(), digest_of(b"a")),
            TraceStep(tw.name, tw.clock.now(), digest_of(b"b")),
        ),
    )

    assert await _reason(tw, odd) is Reason.BAD_TRANSFER


def _receipt(peer: Any, transfer: Any, *evidence: Evidence) -> Signed:
    header = transfer.header
    receipt = Receipt(
        peer.name,
        header.origin,
        header.message_id,
        header.digest,
        header.size_bytes,
        None,
        HERE,
        peer.clock.now(),
        evidence,
    )
    signed: Signed = peer.notary.sign_receipt(receipt, receipt.at)
    return signed


def _rejects(code: AgencyCode) -> Evidence:
    return Evidence(Event.RELAY_REJECTION, code, None, Reason.POLICY, "no")


async def test_one_recipients_node_cannot_end_anothers_delivery(hub: Any) -> None:
    """A receipt that mixes its own delivery with another's is kept by nobody and sent on to nobody."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    transfer = xa.transfer(recipients=[OWN, MINISTRY])
    await xa.carry(transfer)
    signed = _receipt(xb, transfer, _rejects(MINISTRY), Evidence(Event.RELAY_ACCEPTANCE, OWN))
    size = hub.size()

    await xb.client.hand_back(HERE, [signed])

    assert DeliveryState.REFUSED not in hub.states(transfer.header.message_id).values()
    assert hub.rows("SELECT 1 FROM returns WHERE receipt = ?", signed.digest) == []
    (entry,) = [e for e in hub.entries(size) if e.get("receipt") == signed.digest]
    assert (entry["event"], entry["reason"]) == ("late-receipt", "not-yours")


async def test_a_receipt_comes_from_the_side_its_issuer_lies_on(hub: Any) -> None:
    """A commune does not bring what the ministry's node said."""
    xa, xb, tw = hub.peers["xa"], hub.peers["xb"], hub.peers["tw"]
    transfer = xa.transfer(recipients=[OWN])
    await xa.carry(transfer)

    with pytest.raises(PeerError, match="422"):
        await xb.client.hand_back(HERE, [_receipt(tw, transfer, _rejects(OWN))])


@pytest.mark.parametrize(
    "lie",
    [
        Evidence(Event.CONTENT_CONSIGNMENT, AgencyCode("H01.17")),
        Evidence(Event.CONTENT_HANDOVER, OWN),
        Evidence(Event.RELAY_ACCEPTANCE, MINISTRY),
    ],
    ids=["consigned-what-it-does-not-serve", "handed-over-at-once", "anothers-recipient"],
)
async def test_an_answer_says_only_what_a_neighbour_can_know(hub: Any, lie: Evidence) -> None:
    """It takes over or refuses, and consigns what it serves: nothing else, and of no one else."""
    directory = load(hub.node.config).make_directory()
    xb = hub.peers["xb"]
    codes = [OWN, AgencyCode("H01.17")]
    header = hub.peers["xa"].transfer(recipients=codes, sent_to=xb.name).header
    evidence = (*(Evidence(Event.RELAY_ACCEPTANCE, code) for code in codes), lie)
    receipt = Receipt(
        xb.name,
        header.origin,
        header.message_id,
        header.digest,
        header.size_bytes,
        header.transfer_id,
        header.sent_by,
        xb.clock.now(),
        evidence,
    )

    with pytest.raises(SignatureError):
        require_answer(directory, receipt, header)


@pytest.mark.parametrize("text", ["²", "١٢", "-1", "1e3", "", " 1", "9" * 16])
async def test_an_offset_that_is_no_number_is_an_outage_and_no_fault(text: str) -> None:
    """Digits of other scripts once ended the process."""
    with pytest.raises(TransportError):
        _offset(SimpleNamespace(headers={"Upload-Offset": text}))  # type: ignore[arg-type]


async def test_an_agencys_own_seal_needs_no_node_to_vouch_for_it(hub: Any) -> None:
    """xa's agency has its key there, and its document is taken."""
    xa = hub.peers["xa"]
    transfer = xa.transfer()

    receipt = await xa.carry(transfer)

    assert Event.CONTENT_CONSIGNMENT in {e.event for e in receipt.evidence}
    assert hub.rows(
        "SELECT seal_kind FROM messages WHERE message_id = ?", transfer.header.message_id
    ) == [(SealKind.AGENCY,)]

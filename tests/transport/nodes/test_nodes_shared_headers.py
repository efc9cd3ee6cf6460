"""Headers of a request under one signature (W13.9), at a running node."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from relay.delivery.clock import Clock
from relay.errors import PeerError
from relay.model import NodeId, Signed
from relay.signing import batches
from relay.signing.batches import sign_batch
from relay.signing.verifier import prove
from relay.signing.xades import DocumentName
from relay.transport.nodes.server import SHARED_CAPABILITY

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")


def _shared(peer: Any, transfers: list[Any], by: Any = None) -> list[Any]:
    """The same transfers, their headers signed in one batch."""
    documents = [one.signed.document for one in transfers]
    by = by or peer
    now = Clock().now()
    signed = sign_batch(documents, by.name, by.notary.signer, now, DocumentName.TRANSFER)
    return [replace(one, signed=proof) for one, proof in zip(transfers, signed, strict=True)]


def _several(transfers: list[Any]) -> list[tuple[Any, ...]]:
    return [(one.signed, one.seal, one.payload) for one in transfers]


async def test_headers_of_a_request_may_share_a_signature(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is proven once, and each transfer is taken, answered and repeated as if it had come alone."""
    xa = hub.peers["xa"]
    transfers = _shared(xa, [xa.transfer() for _ in range(16)])
    proofs = 0

    def counted(*args: Any, **named: Any) -> Any:
        nonlocal proofs
        proofs += 1
        return prove(*args, **named)

    monkeypatch.setattr(batches, "prove", counted)
    answers = await xa.client.carry_several(HERE, _several(transfers))
    monkeypatch.undo()

    assert proofs == 1
    receipts = [xa.notary.check_receipt(answer, datetime.now(UTC)) for answer in answers]
    assert [r.transfer_id for r in receipts] == [t.header.transfer_id for t in transfers]
    for transfer in transfers:
        assert hub.states(transfer.header.message_id) == {"H01": "available"}
    last = transfers[-1]
    assert await xa.client.carry(HERE, last.signed, last.seal, last.payload) == answers[-1]
    kept = hub.rows("SELECT signature FROM arrivals WHERE transfer_id = ?", last.header.transfer_id)
    assert kept == [(last.signed.signature,)]


async def test_one_of_them_may_come_alone(hub: Any) -> None:
    """What a cut request left over does."""
    xa = hub.peers["xa"]
    transfers = _shared(xa, [xa.transfer() for _ in range(3)])
    one = transfers[1]
    answer = await xa.client.carry(HERE, one.signed, one.seal, one.payload)
    assert xa.notary.check_receipt(answer, datetime.now(UTC)).transfer_id == one.header.transfer_id


async def test_a_proof_of_another_header_takes_nothing_in(hub: Any) -> None:
    """Nor does one behind others that held: it ends the request."""
    xa = hub.peers["xa"]
    transfers = _shared(xa, [xa.transfer() for _ in range(3)])
    wrong = Signed(transfers[1].signed.document, transfers[0].signed.signature)
    with pytest.raises(PeerError, match="not in this batch"):
        await xa.client.carry(HERE, wrong, transfers[1].seal, transfers[1].payload)
    transfers[1] = replace(transfers[1], signed=wrong)
    answers = await xa.client.carry_several(HERE, _several(transfers))
    assert [xa.notary.check_receipt(one, datetime.now(UTC)).transfer_id for one in answers] == [
        transfers[0].header.transfer_id
    ]
    assert hub.states(transfers[1].header.message_id) == {}
    assert hub.states(transfers[2].header.message_id) == {}


async def test_a_batch_by_another_neighbour_speaks_for_none_of_this_ones(hub: Any) -> None:
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    (one, _) = _shared(xa, [xa.transfer(), xa.transfer()], by=xb)
    with pytest.raises(PeerError, match="the connection is of xa"):
        await xa.client.carry(HERE, one.signed, one.seal, one.payload)
    assert hub.states(one.header.message_id) == {}


async def test_a_node_says_that_it_takes_them(hub: Any) -> None:
    """In each answer to transfers, which is where a client of ours learns it, and in its capabilities."""
    xa = hub.peers["xa"]
    client = replace(xa.client, _sessions={}, _together={}, _shared=set())
    try:
        assert not client.takes_batches(HERE)
        one = xa.transfer()
        await client.carry(HERE, one.signed, one.seal, one.payload)
        assert client.takes_batches(HERE)
    finally:
        await client.close()
    async with (
        xa.session() as session,
        session.get(f"{hub.url}/axis/v1/node") as response,
    ):
        assert SHARED_CAPABILITY in (await response.json())["capabilities"]

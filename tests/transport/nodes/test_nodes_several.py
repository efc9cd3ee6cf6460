"""Several transfers in one request (W4.13): each is taken once and answered for itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import PeerError, TransportError
from relay.model import Event, NodeId, Signed, digest_of
from relay.transport.nodes import parts
from relay.transport.nodes.parts import Body, read_parts
from relay.transport.nodes.server import TRANSFERS_HEADER
from relay.transport.nodes.taking import TRANSFERS_A_REQUEST
from relay.wire.container import read_receipts

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")
THREE = [
    (Signed(b"<Transfer%d/>" % n, b"<Signature/>"), b"<Seal/>", b"<edXML>" + b"\r\n--" * n)
    for n in range(3)
]
WHOLE = parts.several(THREE)


def _body(pieces: list[bytes]) -> Body:
    stream = StreamReader(
        Mock(spec=BaseProtocol, _reading_paused=False),
        limit=1 << 16,
        loop=asyncio.get_running_loop(),
    )
    for piece in pieces:
        stream.feed_data(piece)
    stream.feed_eof()
    return Body(stream, parts.CONTENT_TYPE)


async def _read_all(body: Body) -> list[tuple[Signed, bytes, bytes]]:
    found: list[tuple[Signed, bytes, bytes]] = []
    while not found or body.more:
        part = await read_parts(body)
        assert part.envelope is not None
        content = b"".join([chunk async for chunk in part.envelope.chunks()])
        found.append((part.header, part.seal, content))
    return found


def _several(transfers: list[Any]) -> list[tuple[Any, ...]]:
    return [(one.signed, one.seal, one.payload) for one in transfers]


async def _post(peer: Any, url: str, transfers: list[Any]) -> tuple[int, bytes, str | None]:
    """Bare, so that more may be sent than a client of ours would."""
    body = parts.several([(one.signed, one.seal, one.content) for one in transfers])
    async with (
        peer.session() as session,
        session.post(f"{url}/axis/v1/transfers", data=body) as response,
    ):
        return response.status, await response.read(), response.headers.get(TRANSFERS_HEADER)


@given(st.sets(st.integers(1, len(WHOLE) - 1), max_size=20))
async def test_how_the_bytes_are_cut_changes_nothing(cuts: set[int]) -> None:
    """Transfers behind each other are told apart by their lengths alone."""
    edges = [0, *sorted(cuts), len(WHOLE)]

    assert await _read_all(_body([WHOLE[a:b] for a, b in pairwise(edges)])) == THREE


@given(st.integers(0, len(WHOLE) - 3))
async def test_a_body_that_breaks_off_is_never_taken_for_a_shorter_one(kept: int) -> None:
    """Not even where it breaks off just behind an envelope."""
    with pytest.raises(TransportError):
        await _read_all(_body([WHOLE[:kept]]))


async def test_each_of_several_is_answered_in_its_place(hub: Any) -> None:
    """The answers are those that each would have got alone, and got again when it comes alone."""
    xa = hub.peers["xa"]
    transfers = [xa.transfer(recipients=["H01"]) for _ in range(5)]

    answers = await xa.client.carry_several(HERE, _several(transfers))

    receipts = [xa.notary.check_receipt(answer, datetime.now(UTC)) for answer in answers]
    assert [r.transfer_id for r in receipts] == [t.header.transfer_id for t in transfers]
    for transfer, answer in zip(transfers, answers, strict=True):
        assert hub.states(transfer.header.message_id) == {"H01": "available"}
        again = await xa.client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
        assert again == answer


async def test_a_refusal_with_evidence_stands_among_the_answers(hub: Any) -> None:
    """What is refused by a receipt is answered: those behind it are taken all the same."""
    xa = hub.peers["xa"]
    transfers = [xa.transfer(), xa.transfer(recipients=["Z99"]), xa.transfer()]

    answers = await xa.client.carry_several(HERE, _several(transfers))

    events = [
        xa.notary.check_receipt(answer, datetime.now(UTC)).evidence[0].event for answer in answers
    ]
    assert events == [Event.RELAY_ACCEPTANCE, Event.RELAY_REJECTION, Event.RELAY_ACCEPTANCE]


async def test_the_first_without_an_answer_ends_the_request(hub: Any) -> None:
    """What came before it is answered; it and what stands behind it are not touched."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    bad = xa.transfer(signer=xb)
    transfers = [xa.transfer(), xa.transfer(), bad, xa.transfer()]

    answers = await xa.client.carry_several(HERE, _several(transfers))

    assert len(answers) == 2
    assert hub.states(transfers[1].header.message_id) == {"H01": "available"}
    assert hub.is_unknown(bad)
    assert hub.is_unknown(transfers[3])


async def test_a_request_whose_first_has_no_answer_is_refused_whole(hub: Any) -> None:
    """As if it had come alone."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    transfers = [xa.transfer(signer=xb), xa.transfer()]

    with pytest.raises(PeerError):
        await xa.client.carry_several(HERE, _several(transfers))

    assert hub.is_unknown(transfers[1])


async def test_one_whose_bytes_are_other_than_its_headers_takes_nothing_of_the_others(
    hub: Any,
) -> None:
    """Each envelope is held to its own header."""
    xa = hub.peers["xa"]
    sound, other = xa.transfer(), xa.transfer()
    spoilt = xa.transfer(other.content, digest=digest_of(b"something else"))

    answers = await xa.client.carry_several(HERE, _several([sound, spoilt, other]))

    events = [
        xa.notary.check_receipt(answer, datetime.now(UTC)).evidence[0].event for answer in answers
    ]
    assert events == [Event.RELAY_ACCEPTANCE, Event.RELAY_REJECTION, Event.RELAY_ACCEPTANCE]


async def test_the_same_transfer_twice_in_a_request_is_taken_once(hub: Any) -> None:
    """It gets the same bytes twice."""
    xa = hub.peers["xa"]
    transfer = xa.transfer()

    first, second = await xa.client.carry_several(HERE, _several([transfer, transfer]))

    assert first == second
    assert len(hub.states(transfer.header.message_id)) == 1


async def test_more_than_a_request_may_carry_are_left_unanswered(hub: Any) -> None:
    """The answer says how many may come."""
    xa = hub.peers["xa"]
    transfers = [xa.transfer() for _ in range(TRANSFERS_A_REQUEST + 1)]

    status, body, most = await _post(xa, hub.url, transfers)

    assert (status, most) == (200, str(TRANSFERS_A_REQUEST))
    assert len(read_receipts(body, len(body))) == TRANSFERS_A_REQUEST
    assert hub.is_unknown(transfers[-1])


async def test_a_neighbour_is_sent_one_until_it_said_that_it_takes_more(hub: Any) -> None:
    """And one again once a request of several failed: another version may answer next."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    xa.client._together.clear()
    assert xa.client.together(HERE) == 1

    await xa.carry(xa.transfer())
    assert xa.client.together(HERE) == TRANSFERS_A_REQUEST

    with pytest.raises(PeerError):
        await xa.client.carry_several(HERE, _several([xa.transfer(signer=xb), xa.transfer()]))
    assert xa.client.together(HERE) == 1

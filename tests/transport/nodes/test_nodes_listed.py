"""W21 on the wire: a neighbour lists what it exchanged with this node, with nobody else, in bounded pages."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.delivery.reconciling.ports import (
    Believed,
    Exchanged,
    Listing,
    Side,
    Standing,
    Told,
    Window,
)
from relay.envelope.limits import Limits
from relay.errors import TransportError, WireError
from relay.journal import exchanged
from relay.journal.exchanged import ExchangeTable
from relay.model import AgencyCode, Digest, MessageId, MessageType, NodeId, TransferId
from relay.transport.nodes import listed
from relay.transport.nodes.listed import PATH, read_page, write_page
from relay.transport.nodes.reconciling_client import ListingClient
from relay.transport.nodes.recovering import RecoveryClient

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")
ALL = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))
IDS = [f"01900000-0000-7000-8000-00000000000{digit}" for digit in range(10)]


def _client(peer: Any) -> ListingClient:
    recovery = RecoveryClient(peer.client, peer.store, Limits())
    return ListingClient(peer.client, recovery)


async def _all(client: ListingClient, side: Side, window: Window = ALL) -> list[Exchanged]:
    found: list[Exchanged] = []
    while True:
        page = (await client.listing(HERE, side, window)).listing
        found += page.transfers
        if page.cursor is None:
            return found
        window = replace(window, after=page.cursor)


async def test_a_neighbour_is_told_of_its_own_transfers_and_of_nobody_elses(hub: Any) -> None:
    """Taken, refused whole and refused in part: as this node's own receipts said."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    whole = xa.transfer()
    part = xa.transfer(recipients=("H01", "G99"))
    refused = xa.transfer(recipients=("G98",))
    for transfer in (whole, part, refused):
        await xa.carry(transfer)
    others = xb.transfer()
    await xb.carry(others)
    assert await _client(xa).capable(HERE)
    told = {one.transfer_id: one for one in await _all(_client(xa), Side.RECEIVED)}
    assert set(told) == {one.header.transfer_id for one in (whole, part, refused)}
    stands = {
        (one.message_id, each.recipient): each.standing
        for one in told.values()
        for each in one.recipients
    }
    assert stands == {
        (whole.header.message_id, "H01"): Standing.AVAILABLE,
        (part.header.message_id, "H01"): Standing.AVAILABLE,
        (part.header.message_id, "G99"): Standing.REFUSED,
        (refused.header.message_id, "G98"): Standing.REFUSED,
    }
    one = told[whole.header.transfer_id]
    assert (one.digest, one.sender, one.origin) == (whole.header.digest, xa.agency, "xa")
    assert one.answer is not None
    assert {t.transfer_id for t in await _all(_client(xb), Side.RECEIVED)} == {
        others.header.transfer_id
    }
    assert await _all(_client(xa), Side.SENT) == []


async def test_pages_are_small_and_together_the_whole(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    xa = hub.peers["xa"]
    for _ in range(5):
        await xa.carry(xa.transfer())
    whole = await _all(_client(xa), Side.RECEIVED)
    monkeypatch.setattr(exchanged, "RECEIVED_LOOK", 2)
    client = _client(xa)
    first = (await client.listing(HERE, Side.RECEIVED, ALL)).listing
    assert (len(first.transfers), first.cursor) == (2, first.transfers[-1].transfer_id)
    assert await _all(client, Side.RECEIVED) == whole
    monkeypatch.setattr(exchanged, "HEADERS_BYTES", 1)
    assert await _all(client, Side.RECEIVED) == whole
    later = replace(ALL, since=datetime.now(UTC) + timedelta(hours=1))
    assert await _all(client, Side.RECEIVED, later) == []


async def test_who_is_no_neighbour_is_refused(hub: Any) -> None:
    async with hub.peers["ngoai"].session() as session, session.get(f"{hub.url}{PATH}") as answer:
        assert answer.status == 403


async def test_a_neighbour_has_one_page_read_at_a_time(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is told to come again; another neighbour is not held up, nor is the next request."""
    asked, gate = asyncio.Event(), asyncio.Event()

    async def slow(_: object, neighbour: NodeId, *_more: object) -> Listing:
        if neighbour == "xa":
            asked.set()
            await gate.wait()
        return Listing((), None)

    monkeypatch.setattr(ExchangeTable, "listing", slow)
    xa, xb = _client(hub.peers["xa"]), _client(hub.peers["xb"])
    first = asyncio.create_task(xa.listing(HERE, Side.SENT, ALL))
    await asked.wait()
    with pytest.raises(TransportError, match="503"):
        await xa.listing(HERE, Side.SENT, ALL)
    await xb.listing(HERE, Side.SENT, ALL)
    gate.set()
    await first
    await xa.listing(HERE, Side.SENT, ALL)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "side=both&since=2026-01-01T00:00:00.000Z&until=2026-01-02T00:00:00.000Z",
        "side=sent&since=2026-01-01&until=2026-01-02T00:00:00.000Z",
        "side=sent&since=2026-01-02T00:00:00.000Z&until=2026-01-02T00:00:00.000Z",
        "side=sent&since=2026-01-01T00:00:00.000Z&until=2026-01-02T00:00:00.000Z&cursor=1",
        "side=sent&since=2026-01-01T00:00:00.000Z&until=2026-01-02T00:00:00.000Z&cursor=%27%3B--",
        "side=sent&since=2026-01-01T00:00:00.000Z&until=2026-01-02T00:00:00.000Z&node=xb",
        "side=sent&side=received&since=2026-01-01T00:00:00.000Z&until=2026-01-02T00:00:00.000Z",
    ],
)
async def test_a_query_of_another_shape_is_refused(hub: Any, query: str) -> None:
    url = f"{hub.url}{PATH}?{query}"
    async with hub.peers["xa"].session() as session, session.get(url) as answer:
        assert answer.status == 422
        assert (await answer.json(content_type=None))["type"].endswith("bad-document")


# ---------------------------------------------------------------- what a hostile neighbour answers


def _exchanged(number: int) -> Exchanged:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return Exchanged(
        TransferId(IDS[number]),
        MessageId(IDS[0]),
        NodeId("xa"),
        MessageType.DOCUMENT,
        AgencyCode("H01.15"),
        Digest("0" * 64),
        None,
        at,
        (Believed(AgencyCode("H01"), Standing.TAKEN, at),),
    )


def _page(*numbers: int, cursor: str | None = None) -> bytes:
    now = datetime(2026, 11, 2, tzinfo=UTC)
    transfers = tuple(map(_exchanged, numbers))
    return write_page(Told(Listing(transfers, cursor and TransferId(cursor)), now, now))  # type: ignore[arg-type]


async def test_what_is_written_is_read_as_it_was() -> None:
    told = read_page(_page(1, 2, cursor=IDS[3]), ALL)
    assert told.listing == Listing((_exchanged(1), _exchanged(2)), TransferId(IDS[3]))


def _changed(**members: object) -> bytes:
    page = json.loads(_page(1))
    return json.dumps({**page, **members}).encode()


def _spoilt(**members: object) -> bytes:
    page = json.loads(_page(1))
    return json.dumps(
        {**page, "transfers": [{**page["transfers"][0], **members}]}, default=str
    ).encode()


_AT = "2026-11-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        _changed(transfers={}),
        _changed(transfers=[1]),
        _changed(transfers=[{}] * (listed.TRANSFERS_LIMIT + 1)),
        _changed(now="yesterday"),
        _changed(kept_since=None),
        _changed(cursor="x"),
        _changed(cursor=IDS[0]),
        _page(2, 1),
        _page(1, 1),
        _spoilt(transfer="1"),
        _spoilt(message=None),
        _spoilt(origin="../x"),
        _spoilt(sender="=cmd|' /C calc'!A0"),
        _spoilt(digest="0"),
        _spoilt(answer=7),
        _spoilt(type="letter"),
        _spoilt(recipients=[["H01", "taken"]]),
        _spoilt(recipients=[["H01", "gone", _AT]]),
        _spoilt(recipients=[["H01", "taken", 5]]),
        _spoilt(recipients=[["H01", "taken", _AT]] * 2),
        _spoilt(recipients=[["H01", "taken", _AT]] * 5_001),
        _changed(now="9999-12-31T23:59:59.999Z"),  # there is no such time in Vietnam
        _changed(kept_since="0001-01-01T00:00:00.000Z"),
        _spoilt(at="9999-12-31T23:59:59.999Z"),
        _spoilt(recipients=[["H01", "taken", "9999-12-31T23:59:59.999Z"]]),
    ],
    ids=range(29),
)
async def test_an_answer_of_another_shape_is_refused(answer: bytes) -> None:
    with pytest.raises(WireError):
        read_page(answer, ALL)


async def test_a_cursor_that_does_not_go_on_is_refused() -> None:
    """Or a neighbour could lead a node round for ever."""
    window = replace(ALL, after=TransferId(IDS[5]))
    with pytest.raises(WireError):
        read_page(_page(cursor=IDS[5]), window)
    with pytest.raises(WireError):
        read_page(_page(4), window)


async def test_a_page_of_too_many_recipients_is_refused() -> None:
    """Each transfer may have its thousands; a page not that of all its transfers."""
    page = json.loads(_page(1, 2, 3, 4))
    for one in page["transfers"]:
        one["recipients"] = [[f"H{number}", "taken", _AT] for number in range(5_000)]
    with pytest.raises(WireError, match="20000 recipients"):
        read_page(json.dumps(page).encode(), ALL)


async def test_a_transfer_of_another_time_is_refused() -> None:
    with pytest.raises(WireError):
        read_page(_page(1), replace(ALL, until=datetime(2020, 2, 1, tzinfo=UTC)))


async def test_an_answer_without_end_is_cut(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    xa = hub.peers["xa"]
    await xa.carry(xa.transfer())
    monkeypatch.setattr("relay.transport.nodes.reconciling_client.ANSWER_LIMIT_BYTES", 10)
    with pytest.raises(TransportError):
        await _client(xa).listing(HERE, Side.RECEIVED, ALL)

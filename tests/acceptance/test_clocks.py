"""Real nodes that are started with a wrong clock: what was accepted under it ends, and at once.

The nodes run in this process, over TLS on loopback; each has a system clock that the test sets.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.audit.entries import parse
from relay.delivery.steady import SteadyTime
from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.envelope.writer import Document, Stamp, write_document
from relay.model import Party, Tier
from relay.node import Node
from relay.offline import verify_own_log
from relay.settings import load
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient, AxisFailure

pytestmark = [pytest.mark.slow]
PLANS = (
    NodePlan(
        "tinh", Tier.PROVINCE, None, "tinh-h01", (AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE),)
    ),
    NodePlan(
        "xa", Tier.COMMUNE, "tinh", "tinh-h01", (AgencyPlan("H01.15.02", "UBND xã", Tier.COMMUNE),)
    ),
    NodePlan(
        "xb", Tier.COMMUNE, "tinh", "tinh-h01", (AgencyPlan("H01.16", "UBND xã", Tier.COMMUNE),)
    ),
)
EXTRA = """[delivery]
retry_first = 0.1
retry_cap = 0.4
expiry_normal = "P1D"
expiry_urgent = "P1D"
expiry_express = "P1D"
"""
SENDER, RECIPIENT = "H01.15.02", "H01"
RIGHT, HOUR, DAY = timedelta(), timedelta(hours=1), timedelta(days=1)
PATIENCE_SECONDS = 30.0


@dataclass
class Pair:
    """Nodes, and by how much each machine's clock is off."""

    network: Network
    session: aiohttp.ClientSession
    off: dict[str, timedelta] = field(default_factory=dict)
    running: dict[str, Node] = field(default_factory=dict)
    _number: int = 0

    async def start(self, name: str, off: timedelta = RIGHT) -> None:
        self.off[name] = off
        steady = SteadyTime(lambda: datetime.now(UTC) + self.off[name])
        node = Node(load(self.network.nodes[name].config), steady=steady)
        await node.start()
        self.running[name] = node

    async def stop(self, name: str) -> None:
        await self.running.pop(name).stop()

    async def submit(self) -> str:
        """Once; AxisFailure when it is turned away."""
        node = self.network.nodes["xa"]
        secret = node.secret.encode()
        dms = AxisClient(node.axis_url, node.systemid, secret, self.session, now=datetime.now(UTC))
        self._number += 1
        content = write_document(
            Document(
                sender=Party(SENDER, "Cơ quan gửi"),
                recipients=(Party(RECIPIENT, "Cơ quan nhận"),),
                document_id=f"{SENDER},{self._number}",
                code_number=str(self._number),
                code_notation="CV-M",
                promulgation_place="Mẫu",
                promulgation_date=date(2026, 11, 23),
                document_type="Công văn",
                subject="V/v đồng hồ",
                traces=(Stamp(SENDER, datetime.now(UTC)),),
            )
        )
        return await dms.send(content, sender=SENDER)

    def rows(self, name: str, statement: str, *values: object) -> list[Any]:
        path = self.network.nodes[name].folder / "data" / "journal.sqlite"
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(statement, values).fetchall()

    def ends(self, message_id: str) -> list[tuple[str, str | None]]:
        return self.rows(
            "xa",
            "SELECT d.state, d.reason FROM deliveries d JOIN messages USING (message_row)"
            " WHERE message_id = ?",
            message_id,
        )

    def doubts(self) -> list[int]:
        leaves = [parse(leaf) for (leaf,) in self.rows("xa", "SELECT leaf FROM entries")]
        return [leaf["seconds"] for leaf in leaves if leaf["event"] == "clock-doubted"]

    async def until(self, look: Callable[[], Awaitable[bool] | bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = look()
                if await found if isinstance(found, Awaitable) else found:
                    return
                await asyncio.sleep(0.05)

    async def takes(self) -> bool:
        with contextlib.suppress(AxisFailure):
            return bool(await self.submit())
        return False


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    backdated = datetime.now(UTC) - timedelta(days=5)
    network = Network.build(tmp_path, PLANS, now=backdated, extra=EXTRA)
    connector = aiohttp.TCPConnector(ssl=face_client_context(network.root), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        found = Pair(network, session)
        yield found
        for name in list(found.running):
            await found.stop(name)
    for name in found.off:
        verify_own_log(network.nodes[name].config)


@pytest.mark.parametrize("off", [2 * DAY, HOUR, -HOUR, -2 * DAY], ids=lambda off: f"{off}")
async def test_nothing_is_accepted_under_a_clock_that_every_neighbour_contradicts(
    pair: Pair, off: timedelta
) -> None:
    """From the first moment on; and once the clock is set right everything goes, within seconds."""
    await pair.start("tinh")
    await pair.start("xa", off)
    with pytest.raises(AxisFailure):
        await pair.submit()
    assert pair.running["xa"]._ready() is not None

    pair.off["xa"] = RIGHT
    await pair.until(pair.takes)
    message_id = await pair.submit()

    await pair.until(lambda: pair.ends(message_id) == [("available", None)])
    ((expires,),) = pair.rows("xa", "SELECT max(expires_at) FROM messages")
    assert abs(expires / 1000 - (datetime.now(UTC) + DAY).timestamp()) < 60
    begun, over = pair.doubts()
    assert abs(begun - off.total_seconds()) < 60
    assert over == 0


async def test_what_was_accepted_alone_under_a_clock_ahead_goes_once_the_clock_is_right(
    pair: Pair,
) -> None:
    """Nobody could be asked; it was frozen with a time to come. The neighbour puts it off, the operator
    sets the clock, and nothing waits for that time."""
    await pair.start("xa", HOUR)
    message_ids = [await pair.submit() for _ in range(3)]
    await pair.until(lambda: bool(pair.rows("xa", "SELECT 1 FROM transfers WHERE attempts > 1")))
    await pair.start("tinh")
    await pair.until(lambda: len(pair.doubts()) == 1)
    assert all(pair.ends(one) == [("queued", None)] for one in message_ids)

    pair.off["xa"] = RIGHT
    for one in message_ids:
        await pair.until(lambda one=one: pair.ends(one) == [("available", None)])

    assert len(pair.rows("tinh", "SELECT 1 FROM deliveries")) == 3


async def test_the_same_with_a_restart_in_between(pair: Pair) -> None:
    """What an earlier process froze and may have sent, this one asks about and freezes anew."""
    await pair.start("xa", DAY)
    message_id = await pair.submit()
    await pair.until(lambda: bool(pair.rows("xa", "SELECT 1 FROM transfers WHERE attempts > 0")))
    await pair.stop("xa")
    await pair.start("tinh")
    await pair.start("xa")

    await pair.until(lambda: pair.ends(message_id) == [("available", None)])


async def test_what_was_accepted_alone_under_a_clock_far_behind_ends_with_a_receipt(
    pair: Pair,
) -> None:
    """It had expired by everyone else's clock when it arrived: the neighbour's signed word says so at once,
    and the same document sent again under the right clock is another message, which arrives."""
    await pair.start("xa", -3 * DAY)
    message_id = await pair.submit()
    await pair.start("xb")
    await pair.start("tinh")

    await pair.until(lambda: pair.ends(message_id) == [("refused", "expired")])

    pair.off["xa"] = RIGHT
    await pair.until(pair.takes)
    assert pair.running["tinh"]._ready() is None


async def test_two_that_have_only_each_other_end_nothing_until_one_is_set_right(
    pair: Pair,
) -> None:
    """Neither can know which of them is wrong: what seems to have expired is put off, not refused."""
    await pair.start("xa", -3 * DAY)
    message_id = await pair.submit()
    await pair.start("tinh")
    await pair.until(lambda: pair.running["tinh"]._ready() is not None)
    await pair.until(lambda: bool(pair.rows("xa", "SELECT 1 FROM transfers WHERE attempts > 3")))
    assert pair.ends(message_id) == [("queued", None)]

    pair.off["xa"] = RIGHT

    await pair.until(lambda: pair.ends(message_id) == [("refused", "expired")])
    await pair.until(lambda: pair.running["tinh"]._ready() is None)

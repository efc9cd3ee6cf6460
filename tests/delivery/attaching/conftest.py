"""A commune, its district and its province, each a real node in this process, whose logs are published at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.model import Tier
from tests.delivery.directory.conftest import Village

PLANS = (
    NodePlan(
        "tinh", Tier.PROVINCE, None, "tinh-h01", (AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE),)
    ),
    NodePlan(
        "huyen",
        Tier.DISTRICT,
        "tinh",
        "tinh-h01",
        (AgencyPlan("H01.15", "UBND huyện", Tier.DISTRICT),),
    ),
    NodePlan(
        "xa", Tier.COMMUNE, "huyen", "tinh-h01", (AgencyPlan("H01.15.02", "UBND xã", Tier.COMMUNE),)
    ),
)
FAST = """
[log]
level = "warning"
publish_every = "PT0.05S"
{log}
[delivery]
retry_first = 0.1
retry_cap = 0.4
drain = 1
"""

Raise = Callable[..., Awaitable[Village]]


@pytest.fixture
async def raised(tmp_path: Path) -> AsyncIterator[Raise]:
    """Nodes by their names, each with its lines of the section [log]."""
    villages: list[Village] = []

    async def up(*, log: str = "", **more: str) -> Village:
        network = Network.build(
            tmp_path / "n", PLANS, now=datetime.now(UTC), extra=FAST.format(log=log)
        )
        for name, lines in more.items():
            config = network.nodes[name].config
            text = config.read_text(encoding="utf-8")
            config.write_text(text.replace("[log]\n", f"[log]\n{lines}\n"), encoding="utf-8")
        village = Village(network)
        villages.append(village)
        for plan in PLANS:
            await village.up(plan.name)
        return village

    yield up
    for village in villages:
        for name in list(village.running):
            await village.down(name)

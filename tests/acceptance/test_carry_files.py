"""No network between two nodes: documents go by hand, receipts come back, each arrives once."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from relay.demo.network import Network
from relay.model import DeliveryState, Priority

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
SENDER, RECIPIENT = "H01.15.02", "H01"
NOWHERE = "https://127.0.0.1:1"
"""Nothing listens there."""


class _Cable:
    """The neighbours' addresses in both configurations, drawn or plugged in."""

    def __init__(self) -> None:
        self._plugged: dict[Path, str] = {}

    def draw(self, network: Network) -> None:
        for node in network.nodes.values():
            text = node.config.read_text(encoding="utf-8")
            self._plugged[node.config] = text
            drawn = re.sub(r'^url = "[^"]+"', f'url = "{NOWHERE}"', text, flags=re.MULTILINE)
            assert drawn != text
            node.config.write_text(drawn, encoding="utf-8")

    async def plug(self, town: Any) -> None:
        """Both nodes are started anew with each other's address."""
        for name in ("xa", "tinh"):
            async with town.outage(name):
                config = town.node(name).config
                config.write_text(self._plugged[config], encoding="utf-8")


@pytest.fixture(scope="module")
def cable() -> _Cable:
    return _Cable()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any], cable: _Cable) -> AsyncIterator[Any]:
    async with found_town(["tinh", "xa"], after_build=cable.draw) as town:
        yield town


async def carry(town: Any, name: str, *words: object, code: int | None = 0) -> dict[str, Any]:
    """`relay carry …` at a node, as its operator types it; `code` None: it may end in any way."""
    config = str(town.node(name).config)
    command = [sys.executable, "-m", "relay", "carry", *map(str, words), "--config", config]
    process = await asyncio.create_subprocess_exec(
        *command, "--json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert code in (None, process.returncode), err.decode()
    return dict(json.loads(out)) if out else {}


async def test_both_ways_by_hand(town: Any, tmp_path: Path) -> None:
    """Documents up and down, a large one among them, and an acknowledgement: four trips."""
    up = [town.document(SENDER, [RECIPIENT]) for _ in range(20)]
    up += [town.document(SENDER, [RECIPIENT], padding_bytes=3 << 20)]
    down = [town.document(RECIPIENT, [SENDER], priority=Priority.EXPRESS) for _ in range(5)]
    sent_up = [await town.send("xa", content, SENDER) for content in up]
    sent_down = [await town.send("tinh", content, RECIPIENT) for content in down]

    to_tinh, to_xa = tmp_path / "tinh.carry", tmp_path / "xa.carry"
    told = await carry(town, "xa", "export", "tinh", to_tinh, "--why", "no line")
    assert told["transfers"] == len(up)
    await carry(town, "tinh", "export", "xa", to_xa, "--limit", "100MB")
    for message_id in sent_up:
        await town.settled("xa", message_id, DeliveryState.IN_DOUBT)

    told = await carry(town, "tinh", "import", to_tinh)
    assert (told["answered"], told["broken"]) == (len(up), "")
    await carry(town, "xa", "import", to_xa)
    await carry(town, "xa", "import", tmp_path / "tinh-receipts.carry")
    await carry(town, "tinh", "import", tmp_path / "xa-receipts.carry")

    for name, sent in (("xa", sent_up), ("tinh", sent_down)):
        for message_id in sent:
            await town.settled(name, message_id, DeliveryState.AVAILABLE)
    for name, contents in (("tinh", up), ("xa", down)):
        for content in contents:
            (delivered,) = await town.delivered(name, content)
            assert await town.dms(name).get(delivered["delivery_id"]) == content

    await town.acknowledge("tinh", town.inbox("tinh", up[0])[0]["delivery_id"])
    await carry(town, "tinh", "export", "xa", tmp_path / "again.carry")
    await carry(town, "xa", "import", tmp_path / "again.carry")
    await town.settled("xa", sent_up[0], DeliveryState.HANDED_OVER)
    await carry(town, "tinh", "import", tmp_path / "again-receipts.carry")
    await carry(town, "tinh", "export", "xa", tmp_path / "nothing.carry", code=66)
    town.logs_hold()


async def test_a_cut_and_a_killed_import_lose_nothing(town: Any, tmp_path: Path) -> None:
    """A stick that was drawn too early, then a node that dies while it reads, then all of it."""
    contents = [town.document(SENDER, [RECIPIENT]) for _ in range(10)]
    sent = [await town.send("xa", content, SENDER) for content in contents]
    file, cut = tmp_path / "whole.carry", tmp_path / "cut.carry"
    await carry(town, "xa", "export", "tinh", file)
    cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    told = await carry(town, "tinh", "import", cut, code=65)
    assert "ends inside" in told["broken"]
    assert 0 < told["answered"] < len(sent)
    await carry(town, "xa", "import", tmp_path / "cut-receipts.carry")

    town.arm("tinh", "take_in:committed")
    await carry(town, "tinh", "import", file, code=75)
    assert not (tmp_path / "whole-receipts.carry").exists()

    async def again() -> bool:
        return town.node("tinh").process.returncode is None

    await town.until(again)
    told = await carry(town, "tinh", "import", file)
    assert told["answered"] == len(sent)
    await carry(town, "xa", "import", tmp_path / "whole-receipts.carry")
    for message_id, content in zip(sent, contents, strict=True):
        await town.settled("xa", message_id, DeliveryState.AVAILABLE)
        assert len(town.inbox("tinh", content)) == 1
    town.logs_hold()


async def test_a_kill_while_it_is_exported_loses_nothing(town: Any, tmp_path: Path) -> None:
    """After a freeze, before there is a file: exported again, all of it arrives once."""
    contents = [town.document(SENDER, [RECIPIENT]) for _ in range(3)]
    sent = [await town.send("xa", content, SENDER) for content in contents]
    town.arm("xa", "freeze:committed")
    await carry(town, "xa", "export", "tinh", tmp_path / "killed.carry", code=None)
    await town.revive()

    await carry(town, "xa", "export", "tinh", tmp_path / "whole.carry")
    await carry(town, "tinh", "import", tmp_path / "whole.carry")
    await carry(town, "xa", "import", tmp_path / "whole-receipts.carry")

    for message_id, content in zip(sent, contents, strict=True):
        await town.settled("xa", message_id, DeliveryState.AVAILABLE)
        assert len(town.inbox("tinh", content)) == 1


async def test_by_hand_and_by_wire_it_arrives_once(
    town: Any, cable: _Cable, tmp_path: Path
) -> None:
    """Exported, then the line is back, then the stick arrives; and the other way round."""
    early = town.document(SENDER, [RECIPIENT])
    early_id = await town.send("xa", early, SENDER)
    await carry(town, "xa", "export", "tinh", tmp_path / "early.carry")
    await carry(town, "tinh", "import", tmp_path / "early.carry")
    late = [town.document(SENDER, [RECIPIENT]) for _ in range(10)]
    late_ids = [await town.send("xa", content, SENDER) for content in late]
    await carry(town, "xa", "export", "tinh", tmp_path / "late.carry")

    await cable.plug(town)
    for message_id in (early_id, *late_ids):
        await town.settled("xa", message_id, DeliveryState.AVAILABLE)

    told = await carry(town, "tinh", "import", tmp_path / "late.carry")
    assert told["answered"] == 11
    for name in ("early", "late"):
        told = await carry(town, "xa", "import", tmp_path / f"{name}-receipts.carry")
        assert told["stray"] == 0
    for content in (early, *late):
        assert len(town.inbox("tinh", content)) == 1
    town.logs_hold()

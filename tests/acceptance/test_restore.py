"""A node brought back from a backup: it knows it, and says so in its log."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relay.model import DeliveryState
from relay.offline import verify_whole_log

pytestmark = [pytest.mark.slow]
SENDER, RECIPIENT = "H01.15.02", "H01"


def _relay(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "relay", *arguments, "--json"],
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


async def test_a_restored_node_begins_a_new_epoch_of_its_log(
    found_town: Callable[..., Any], tmp_path: Path
) -> None:
    """The backup is made while the node works; the copy holds what was accepted before it."""
    async with found_town(["tinh", "xa"]) as town:
        large = town.document(SENDER, [RECIPIENT], padding_bytes=400_000)
        kept = await town.send("xa", large, SENDER)
        await town.settled("xa", kept, DeliveryState.AVAILABLE)
        made = _relay("backup", str(town.node("xa").config), str(tmp_path / "copy"))
        assert (made["node"], made["payload_files"]) == ("xa", 1)
        data = town.node("xa").control.parent

        town.down.add("xa")
        await town.kill("xa")
        data.rename(tmp_path / "lost")
        found = _relay("restore", str(town.node("xa").config), str(tmp_path / "copy"))
        assert found["made_at"] == made["made_at"]
        await town.up("xa")

        repeat = await town.send("xa", large, SENDER)
        old, new = verify_whole_log(town.node("xa").config).verdicts

    assert repeat == kept
    assert old.checkpoint.size == made["entries"]
    assert re.fullmatch(f"{old.checkpoint.origin}/1-[0-9a-f]{{16}}", new.checkpoint.origin)

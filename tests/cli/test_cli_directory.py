"""`relay directory` against a running node: what an operator types, and what comes of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.model import Tier
from relay.node.node import Node
from relay.settings.reading import load

PLAN = NodePlan(
    "tinh",
    Tier.PROVINCE,
    None,
    "tinh-h01",
    (
        AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE, "000.00.00.H01"),
        AgencyPlan("H01.15", "UBND huyện", Tier.DISTRICT, "000.00.15.H01"),
    ),
)
TABLE = """code,old_code,name,tier,node,valid_to,successors
H01.15,000.00.15.H01,UBND huyện,district,tinh,2025-07-01,H01.151 H01.152
H01.151,,"Xã, Một",commune,tinh,,
"""


@pytest.fixture
async def config(tmp_path: Path) -> AsyncIterator[Path]:
    network = Network.build(
        tmp_path / "n", (PLAN,), now=datetime.now(UTC), extra="[delivery]\ndrain = 1\n"
    )
    node = Node(load(network.nodes["tinh"].config))
    await node.start()
    yield network.nodes["tinh"].config
    await node.stop()


async def _relay(config: Path, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", "directory", *arguments, "--config", str(config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_an_operator_imports_explains_and_exports(config: Path, tmp_path: Path) -> None:
    """A dry run changes nothing; an import does, and an export can be imported again."""
    table = tmp_path / "table.csv"
    table.write_text(TABLE, encoding="utf-8")
    code, _, err = await _relay(config, "import", str(table), "--why", "a decree", "--dry-run")
    assert (code, err) == (0, "relay: 2 agencies would look otherwise now, as of version 2\n")
    code, _, _ = await _relay(config, "show", "H01.151")
    assert code == 66
    code, _, err = await _relay(config, "import", str(table), "--why", "a decree")
    assert (code, err) == (0, "relay: 2 agencies look otherwise now, as of version 2\n")

    code, out, _ = await _relay(config, "explain", "000.00.15.h01")
    assert code == 0
    assert out.splitlines() == [
        "000.00.15.H01 is a code of the old form (QCVN 102: the most specific group first), of level 2.",
        "By itself it lies under 000.00.00.H01.",
        "The directory lists it as UBND huyện (H01.15, also 000.00.15.H01).",
        "Its tier is district, and node tinh serves it: the directory says so, the code does not.",
        "It is closed since 2025-07-01.",
        "Its successors are H01.151, H01.152.",
        (
            "A document for it is refused here: closed-recipient, 000.00.15.H01 is closed since 2025-07-01,"
            " successors H01.151, H01.152."
        ),
    ]
    _, out, _ = await _relay(config, "show", "H01.15", "--json")
    assert json.loads(out)["successors"] == ["H01.151", "H01.152"]
    _, out, _ = await _relay(config, "branches", "--json")
    [branch] = json.loads(out)["branches"]
    assert (branch["issuer"], branch["version"], branch["expired"]) == ("tinh", 1, False)

    for name, option in (("all.csv", ()), ("all.json", ("--json",))):
        _, out, _ = await _relay(config, "export", *option)
        (tmp_path / name).write_text(out, encoding="utf-8")
        again = await _relay(config, "import", str(tmp_path / name), "--why", "x", "--dry-run")
        assert again[2].startswith("relay: 0 agencies would"), again
    _, out, _ = await _relay(config, "export", "--open")
    assert "H01.15," not in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("explain", "x!"), 65, '"x!" is not an agency code'),
        (("show", "H99"), 66, "no agency H99"),
        (("show", "000.00.99.H01"), 66, "no agency 000.00.99.H01"),
        (("approve", "7", "--why", "x"), 66, "no request 7"),
        (("import", "table.txt", "--why", "x"), 64, "neither .csv nor .json"),
        (("import", "gone.csv", "--why", "x"), 66, "gone.csv"),
        (("import", "bad.csv", "--why", "x"), 65, "line 2: tier must be one of"),
        (("import", "bad.csv", "--why", " "), 65, "needs a reason"),
    ],
)
async def test_what_cannot_be_done_says_why(
    config: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """With an exit code of its own, and in a line on stderr."""
    (tmp_path / "bad.csv").write_text("code,name,tier,node\nH01,x,y,tinh\n", encoding="utf-8")
    placed = [str(tmp_path / one) if one.endswith((".csv", ".txt")) else one for one in arguments]
    found, out, err = await _relay(config, *placed)
    assert (found, out) == (code, "")
    assert err.startswith("relay: error: ")
    assert said in err

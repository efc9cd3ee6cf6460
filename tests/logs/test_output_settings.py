"""[[logging.outputs]]: what cannot work is said before the start, by name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.errors import SettingsError
from relay.model import Tier
from relay.offline import check
from relay.settings.outputs import LoggingSection

PLAN = NodePlan("xa", Tier.COMMUNE, None, "tinh-h01", (AgencyPlan("H01.15", "UBND", Tier.COMMUNE),))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"kind": "file"}, "path is missing"),
        ({"kind": "syslog", "host": "log.example"}, "host and ca are needed"),
        ({"kind": "stderr", "path": "x"}, "path is no key of an output of kind stderr"),
        ({"kind": "file", "path": "x", "port": 6514}, "port is no key of an output of kind file"),
        ({"kind": "stdout", "key": __file__}, "key is no key of an output of kind stdout"),
        ({"kind": "file", "path": "x", "keep": 0}, "greater than or equal to 1"),
        ({"kind": "pipe"}, "'stderr', 'stdout', 'file' or 'syslog'"),
    ],
)
def test_keys_belong_to_their_kind(row: dict[str, Any], said: str) -> None:
    """A key that would do nothing is a mistake."""
    with pytest.raises(ValidationError, match=said):
        LoggingSection.model_validate({"outputs": [row]})


def test_two_outputs_have_two_names() -> None:
    """Or they would share a cursor."""
    rows = [{"kind": "file", "path": "a"}, {"kind": "file", "path": "b"}]
    with pytest.raises(ValidationError, match="file is there twice"):
        LoggingSection.model_validate({"outputs": rows})


def test_a_check_finds_what_would_not_work(tmp_path: Path) -> None:
    """Folders that are not there, certificates that are none: one sentence each."""
    (tmp_path / "ca.pem").write_text("no certificate")
    extra = f"""
[[logging.outputs]]
kind = "file"
path = "{tmp_path}/nowhere/relay.jsonl"
[[logging.outputs]]
kind = "file"
name = "folder"
path = "{tmp_path}"
[[logging.outputs]]
kind = "syslog"
host = "log.example"
ca = "{tmp_path}/ca.pem"
"""
    network = Network.build(tmp_path / "network", (PLAN,), now=datetime.now(UTC), extra=extra)
    with pytest.raises(SettingsError) as caught:
        check(network.nodes["xa"].config)
    first, second, third = caught.value.problems
    assert first == f"logging.outputs: file: no folder {tmp_path}/nowhere"
    assert second == f"logging.outputs: folder: {tmp_path} is a folder"
    assert third.startswith("logging.outputs: syslog: its certificates do not serve")

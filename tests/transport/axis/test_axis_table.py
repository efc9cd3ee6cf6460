"""The table of the dialect in docs/: whole, and each line held by a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.transport.axis.dialect import USES, Call

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "axis-dialect.md").read_text(encoding="utf-8")
HELD = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and "---" not in line]


@pytest.mark.parametrize(("file", "name"), sorted(set(HELD.findall(PAGE))))
def test_every_test_that_is_named_is_there(file: str, name: str) -> None:
    """Under its name, in its file."""
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE)


def test_every_line_names_one() -> None:
    """But the headings of the tables."""
    unheld = [row for row in ROWS if not HELD.search(row)]
    assert all(row.rstrip(" |").endswith("held by") for row in unheld), unheld


@pytest.mark.parametrize("call", Call)
def test_every_call_has_its_line_with_every_header_it_uses(call: Call) -> None:
    """As the code has them, whatever their case."""
    (row,) = [line for line in ROWS if line.startswith(f"| `{call.value}` |")]
    headers = {name.lower() for name in re.findall(r"`([\w-]+)`", row.split("|")[3])}
    assert headers == set(USES.get(call, frozenset()))

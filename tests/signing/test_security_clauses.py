"""The clauses of docs/security.md on revocation: code cites each of them, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parents[2]


def test_every_clause_on_revocation_is_cited_where_it_is_kept() -> None:
    """So that whoever changes the code meets the promise, and whoever reads the promise finds the code."""
    written = re.findall(
        r"^- \*\*(R\d+)\*\* ", (HERE / "docs/security.md").read_text(), re.MULTILINE
    )
    code = "".join(path.read_text() for path in (HERE / "relay").rglob("*.py"))
    cited = set(re.findall(r"\bR\d{1,2}\b", code))

    assert written == [f"R{number}" for number in range(1, len(written) + 1)]
    assert cited == set(written)

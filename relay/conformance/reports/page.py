"""A run as one HTML page that an agency can file: Vietnamese and English, printable, without scripts.

Touches: its template.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from relay import __version__
from relay.conformance.clauses import CHAPTERS
from relay.conformance.reports.document import WIRE_VERSION, About
from relay.conformance.verdicts import HELD, Judged, Verdict

_PAGES = Environment(
    loader=PackageLoader("relay.conformance.reports", "."),
    autoescape=True,
    undefined=StrictUndefined,
)


def written(judged: Sequence[Judged], about: About) -> bytes:
    ids = [node.id for node in about.nodes]
    rows = [
        _row(list(several), ids)
        for _, several in groupby(judged, key=lambda one: one.assertion.full_name)
    ]
    run = {
        "began": f"{about.began:%Y-%m-%d %H:%M:%S} UTC",
        "release": __version__,
        "wire": WIRE_VERSION,
        "nodes": about.nodes,
        "profile": about.profile,
        "not_claimed": about.not_claimed,
        "only": about.only,
        "counts": {
            verdict.value: sum(one.verdict is verdict for one in judged) for verdict in Verdict
        },
        "ended_before": about.ended_before,
        "missed": [row for row in rows if not row["holds"]],
        "chapters": [
            (f"{chapter} {CHAPTERS[chapter]}", list(several))
            for chapter, several in groupby(rows, key=lambda row: row["chapter"])
        ],
    }
    return _PAGES.get_template("page.html.j2").render(run=run).encode()


def _row(judged: Sequence[Judged], nodes: Sequence[str]) -> dict[str, Any]:
    by_node = {one.node: one for one in judged}
    assertion = judged[0].assertion
    return {
        "chapter": assertion.chapter,
        "clause": assertion.full_name,
        "title": assertion.title,
        "holds": all(one.verdict in HELD for one in judged),
        "details": [f"{one.node}: {one.detail}" for one in judged if one.detail],
        "kept": [f"kept/{Path(one.kept).name}" for one in judged if one.kept],
        "verdicts": [by_node[node].verdict.value if node in by_node else "–" for node in nodes],
    }

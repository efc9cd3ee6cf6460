"""A run as JSON: the one form that every other report is made of.

Touches: nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay import __version__
from relay.conformance.verdicts import Judged, Verdict

WIRE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Tested:
    """A judged node, as the report names it."""

    id: str
    version: str
    """As it tells; empty where it tells none."""
    address: str


@dataclass(frozen=True, slots=True)
class About:
    """What was run, beside what came of it."""

    began: datetime
    nodes: tuple[Tested, ...]
    profile: str = ""
    not_claimed: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    """Which assertions alone; empty: all there are."""
    ended_before: bool = False
    """Somebody ended the run: what it did not come to is INCONCLUSIVE."""


def of(judged: Sequence[Judged], about: About) -> dict[str, object]:
    counts = Counter(one.verdict for one in judged)
    return {
        "kit": {"release": __version__, "wire": WIRE_VERSION},
        "began": f"{about.began:%Y-%m-%dT%H:%M:%SZ}",
        "nodes": [
            {"id": one.id, "version": one.version, "address": one.address} for one in about.nodes
        ],
        "profile": {"name": about.profile, "not_claimed": list(about.not_claimed)},
        "only": list(about.only),
        **({"ended_before": True} if about.ended_before else {}),
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "assertions": [
            {
                "clause": one.assertion.clause,
                "name": one.assertion.full_name,
                "title": one.assertion.title,
                "node": one.node,
                "verdict": one.verdict.value,
                "detail": one.detail,
                "seconds": round(one.seconds, 3),
                **({"kept": one.kept} if one.kept else {}),
            }
            for one in judged
        ],
    }

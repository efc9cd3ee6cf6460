"""A run as JSON.

Touches: nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from relay.conformance.verdicts import Judged


def of(judged: Sequence[Judged]) -> dict[str, object]:
    return {
        "counts": dict(Counter(one.verdict.value for one in judged)),
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

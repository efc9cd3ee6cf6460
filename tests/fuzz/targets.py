"""What is fuzzed, and how much of all inputs each gets.

Touches: the vectors on disk. Trusts: the accepted ones. Raises: nothing of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.fuzz.attempt import Try
from tests.fuzz.believing import certificates, handshakes, heads, insider, signatures, standings
from tests.fuzz.originals import Originals
from tests.fuzz.reading import (
    READERS,
    attached,
    bodies,
    containers,
    documents,
    envelopes,
    statements,
)


@dataclass(frozen=True)
class Target:
    """`share` of all inputs go to it, as a weight."""

    name: str
    share: int
    attempt: Try


def targets() -> list[Target]:
    originals = Originals()
    return [
        *(
            Target(entry, 3 if entry == "seal" else 2, signatures(originals, entry))
            for entry in originals.entries
        ),
        Target("insider", 3, insider(originals)),
        Target("certificates", 4, certificates(originals)),
        Target("handshake", 2, handshakes()),
        Target("envelope", 4, envelopes()),
        *(Target(f"{kind}-document", 1, documents(kind)) for kind in READERS),
        Target("container", 1, containers(originals)),
        Target("statements", 1, statements(originals)),
        Target("attached", 1, attached()),
        Target("standing", 2, standings(originals)),
        Target("parts", 1, bodies(originals)),
        Target("log-head", 1, heads()),
    ]

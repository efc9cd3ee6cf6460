"""Of each hop in an evidence file: does the log of who answered for it hold the receipt (W19, W20)?

The exporter's own log is another witness of the same receipts (bundle_around.py). Where no proof came, that is
said: no file claims one, so it is no refusal.

Touches: nothing.
Trusts:  the receipts, which the caller proved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from relay.model import Digest, NodeId
from relay.signing.bundle_words import Found, Outcome

_NOTES = 50


def no_proof_came(
    issuers: Mapping[Digest, NodeId], exporter: NodeId | None, proved: Collection[Digest]
) -> Found | None:
    """Of receipts that other nodes signed; None where each has one."""
    missing = [
        (digest, node)
        for digest, node in issuers.items()
        if node != exporter and digest not in proved
    ]
    if not missing:
        return None
    nodes = sorted({node for _, node in missing})
    notes = [f"receipt {digest} of {node}: no proof came" for digest, node in missing[:_NOTES]]
    if len(missing) > _NOTES:
        notes.append(f"and {len(missing) - _NOTES} more")
    said = f"no proof came from the log of {', '.join(nodes)} for {len(missing)} receipts"
    digests = " ".join(digest for digest, _ in missing)
    facts = {"without": str(len(missing)), "nodes": " ".join(nodes), "receipts": digests}
    return Found(said, facts, tuple(notes), Outcome.UNKNOWN)

"""The batch of receipts as XML: how many there are, and the root of the tree over them.

Touches: nothing.
Trusts:  nothing; a batch that was read is well formed, not yet proven (signing.batches does that).
Raises:  WireError.

    <Batch xmlns="urn:truc-relay:wire:1"> <Issuer/> <At/> <Count/> <Root/> </Batch>

Canonical bytes only, read by one pattern, as receipts are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from relay.errors import WireError
from relay.model import Digest, NodeId
from relay.wire import values
from relay.wire.values import element

COUNT_LIMIT = 4096
"""Receipts in a batch; a path of twelve hashes leads from each to the root."""
LIMIT_BYTES = 512

_BATCH = re.compile(
    f'<Batch xmlns="{values.NAMESPACE}">'
    + element("Issuer", values.NODE_ID)
    + element("At", values.INSTANT)
    + element("Count", re.compile("[1-9][0-9]{0,3}"))
    + element("Root", values.DIGEST)
    + "</Batch>"
)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one signature stands for: that many receipts of one issuer, in the order of the tree."""

    issuer: NodeId
    at: datetime
    count: int
    root: Digest


def write_batch(batch: Batch) -> bytes:
    values.node(batch.issuer, "Issuer")
    values.check_instant(batch.at, "At")
    values.digest(batch.root, "Root")
    _check_count(batch.count)
    return (
        f'<Batch xmlns="{values.NAMESPACE}">'
        f"<Issuer>{batch.issuer}</Issuer>"
        f"<At>{values.instant_text(batch.at)}</At>"
        f"<Count>{batch.count}</Count>"
        f"<Root>{batch.root}</Root>"
        "</Batch>"
    ).encode()


def read_batch(content: bytes) -> Batch:
    """The batch these bytes say, if they are exactly what write_batch would write for it."""
    try:
        found = _BATCH.fullmatch(content.decode()) if len(content) <= LIMIT_BYTES else None
        if found is None:
            raise ValueError
        batch = Batch(
            NodeId(found[1]), datetime.fromisoformat(found[2]), int(found[3]), Digest(found[4])
        )
    except ValueError:
        raise WireError("the Batch document is not in its canonical form") from None
    _check_count(batch.count)
    return batch


def _check_count(count: int) -> None:
    """One receipt alone is signed by itself."""
    if not 2 <= count <= COUNT_LIMIT:
        raise WireError(f"a batch of {count} receipts, limit 2 to {COUNT_LIMIT}")

"""What nodes can show and prove, asked through their operators' face and proved with the root alone.

Touches: the nodes' control sockets. Trusts: the root certificate.
Raises:  TransportError when a node does not answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.errors import RelayError
from relay.model import Event, Receipt, Signed
from relay.signing.evidence import verify_receipt
from relay.signing.trust import TrustStore
from relay.wire.container import read_receipts
from tests.acceptance.experiments.desks import Desk

_CONTAINER_BYTES = 4 << 20


@dataclass(slots=True)
class Proofs:
    """Everything is asked once, and the same document with the same signature proved once."""

    operators: Mapping[str, Desk]
    trust: TrustStore
    held: dict[str, set[str]] = field(default_factory=dict)
    """Receipts that each node showed, by digest."""
    _views: dict[tuple[str, str], dict[str, Any] | None] = field(default_factory=dict)
    _proved: dict[tuple[str, str], Receipt | str] = field(default_factory=dict)
    _verdicts: dict[Signed, Receipt | str] = field(default_factory=dict)

    async def receipt(self, node: str, digest: str) -> Receipt | str:
        """Proven with nothing but the root; or what is wrong with it."""
        known = self._proved.get((node, digest))
        if known is None:
            container = await self.operators[node].receipt(digest)
            known = "not there" if container is None else self._prove(container, digest)
            self._proved[node, digest] = known
            self.held.setdefault(node, set()).add(digest)
        return known

    def _prove(self, container: bytes, digest: str) -> Receipt | str:
        try:
            (signed,) = read_receipts(container, _CONTAINER_BYTES)
        except (RelayError, ValueError) as error:
            return str(error)
        if signed.digest != digest:
            return "another receipt than was asked for"
        if signed not in self._verdicts:
            self._verdicts[signed] = self._verify(signed)
        return self._verdicts[signed]

    def _verify(self, signed: Signed) -> Receipt | str:
        try:
            return verify_receipt(signed, self.trust, None)
        except RelayError as error:
            return str(error)

    async def view(self, node: str, message_id: str) -> dict[str, Any] | None:
        key = (node, message_id)
        if key not in self._views:
            self._views[key] = view = await self.operators[node].message(message_id)
            for one in () if view is None else view["deliveries"]:
                self.held.setdefault(node, set()).update(r["digest"] for r in one["receipts"])
        return self._views[key]


def expected(way: Sequence[str]) -> Iterable[tuple[str, Event]]:
    """(issuer, event) of every receipt of a delivery that was handed over."""
    yield way[0], Event.SUBMISSION_ACCEPTANCE
    for node in way[1:]:
        yield node, Event.RELAY_ACCEPTANCE
    yield way[-1], Event.CONTENT_CONSIGNMENT
    yield way[-1], Event.CONTENT_HANDOVER

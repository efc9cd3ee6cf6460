"""How much may wait here of what one system, token or neighbour handed in.

What waits is a delivery that is sealing, queued, in flight, in doubt or held. The bytes of a message
are shared out among its recipients, so that a circular counts once, and less as it is delivered.
A message is taken whole while its party is under its quota, so that none is too large for ever.

Touches: nothing. Raises: nothing; `excess` gives the error to raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType, Protocol

from relay.errors import QuotaError
from relay.model import DeliveryState, NodeId

Party = NewType("Party", str)
"""Who handed something in, as the journal counts it."""
_NODE = "node:"
_CALLER = "caller:"

WAITING = frozenset(
    {
        DeliveryState.SEALING,
        DeliveryState.QUEUED,
        DeliveryState.IN_FLIGHT,
        DeliveryState.IN_DOUBT,
        DeliveryState.HELD,
    }
)
"""The states that count; migration 0004 has the same list."""


def caller_party(holder: str) -> Party:
    """A system, a token or a local operator, by its Caller.holder."""
    return Party(_CALLER + holder)


def neighbour_party(neighbour: NodeId) -> Party:
    return Party(_NODE + neighbour)


def shown(party: Party) -> str:
    """Fit for a log line: a system or a neighbour by its id; who holds a token is a person's name."""
    kind = party.removeprefix(_CALLER)
    return party if kind == party or kind.startswith("system:") else "a token"


def is_caller(party: Party) -> bool:
    return not party.startswith(_NODE)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits of one party."""

    deliveries: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Quotas:
    """The settings of [limits]."""

    waiting_per_system: int
    waiting_per_neighbour: int
    waiting_bytes_per_system: int
    waiting_bytes_per_neighbour: int

    def excess(self, party: Party, waiting: Waiting) -> QuotaError | None:
        """Why this party may hand in no more for now; None while it may."""
        if not is_caller(party):
            kind, most, most_bytes = (
                "neighbour",
                self.waiting_per_neighbour,
                self.waiting_bytes_per_neighbour,
            )
        else:
            kind, most, most_bytes = (
                "system",
                self.waiting_per_system,
                self.waiting_bytes_per_system,
            )
        if waiting.deliveries >= most:
            return _excess(f"waiting_per_{kind}", f"{waiting.deliveries} deliveries", most)
        if waiting.size_bytes >= most_bytes:
            return _excess(f"waiting_bytes_per_{kind}", f"{waiting.size_bytes} bytes", most_bytes)
        return None


def _excess(quota: str, amount: str, limit: int) -> QuotaError:
    return QuotaError(quota, f"{amount} of yours wait here, limit {limit} ({quota})")


class Counts(Protocol):
    async def waiting(self) -> dict[Party, Waiting]:
        """Of every party that ever handed something in; costs as many rows as there are parties."""
        ...

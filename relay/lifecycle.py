"""One table: delivery state × what happens → next state.

Rule 1: everything that may move a delivery is a row here; a missing row means it may not happen.
Rule 2: this file knows no clock, disk or wire. The journal applies the table inside the transaction
that records the change, so what the table forbids can never be stored.

The same table holds at every node on the way. At the serving node a delivery goes from `queued` to
`available` by its own doing; at the nodes before it, it goes there because a receipt says so. A
verified receipt always settles: it may overtake another, so late evidence of an earlier step leaves
the state alone (`step` returns it unchanged) instead of failing.

Business statuses have a table of their own and never move a delivery: `advance` is the recipient's
work on a document, `obliged` what became of a request to take it back or change it. Both are joins,
so that any order and any duplication of the same statuses ends alike.
"""

from __future__ import annotations

from enum import StrEnum

from relay.model import BusinessState, DeliveryState, Event, ObligationState, Reason

S = DeliveryState
B = BusinessState


class Happening(StrEnum):
    """What can happen to a delivery at this node, receipts apart (those are Events)."""

    SEALED = "sealed"
    SENT = "sent"
    NOT_TAKEN = "not-taken"
    UNANSWERED = "unanswered"
    CONSIGNED = "consigned"
    FETCHED = "fetched"
    ACKNOWLEDGED = "acknowledged"
    EXPIRED = "expired"
    FAILED = "failed"
    HELD = "held"
    RELEASED = "released"
    RELEASED_UNSEALED = "released-unsealed"
    FREED = "freed"
    REROUTED = "rerouted"
    CANCELLED = "cancelled"
    TAKEN_BACK = "taken-back"


class IllegalStepError(Exception):
    """A step the table does not have: a bug of ours, or a race the caller must look at again."""


_WAITING = (S.SEALING, S.QUEUED, S.IN_FLIGHT, S.IN_DOUBT)
WAITING_OR_HELD = frozenset({*_WAITING, S.HELD})
"""Neither handed on nor ended."""
_TABLE: dict[Happening, dict[DeliveryState, DeliveryState]] = {
    Happening.SEALED: {S.SEALING: S.QUEUED},
    Happening.SENT: {S.QUEUED: S.IN_FLIGHT, S.IN_DOUBT: S.IN_FLIGHT, S.IN_FLIGHT: S.IN_FLIGHT},
    Happening.NOT_TAKEN: {S.IN_FLIGHT: S.QUEUED, S.QUEUED: S.QUEUED, S.IN_DOUBT: S.IN_DOUBT},
    Happening.UNANSWERED: {S.IN_FLIGHT: S.IN_DOUBT, S.IN_DOUBT: S.IN_DOUBT},
    Happening.CONSIGNED: {S.SEALING: S.AVAILABLE, S.QUEUED: S.AVAILABLE},
    Happening.FETCHED: {
        S.AVAILABLE: S.FETCHED,
        S.FETCHED: S.FETCHED,
        S.HANDED_OVER: S.HANDED_OVER,
    },
    Happening.ACKNOWLEDGED: {
        S.AVAILABLE: S.HANDED_OVER,
        S.FETCHED: S.HANDED_OVER,
        S.HANDED_OVER: S.HANDED_OVER,
    },
    Happening.EXPIRED: {S.SEALING: S.EXPIRED, S.QUEUED: S.EXPIRED, S.IN_DOUBT: S.EXPIRED},
    Happening.FAILED: {S.SEALING: S.REFUSED, S.QUEUED: S.REFUSED, S.IN_DOUBT: S.REFUSED},
    # What operators do (delivery/operators/control.py). FREED: no neighbour has it, for certain.
    Happening.HELD: {S.SEALING: S.HELD, S.QUEUED: S.HELD},
    Happening.RELEASED: {S.HELD: S.QUEUED},
    Happening.RELEASED_UNSEALED: {S.HELD: S.SEALING},
    Happening.FREED: {S.QUEUED: S.QUEUED, S.IN_DOUBT: S.QUEUED, S.HELD: S.HELD},
    Happening.REROUTED: {S.SEALING: S.SEALING, S.QUEUED: S.QUEUED, S.HELD: S.HELD},
    Happening.CANCELLED: {S.SEALING: S.CANCELLED, S.QUEUED: S.CANCELLED, S.HELD: S.CANCELLED},
    # Nobody further on has it, the recipient least of all (journal/obliging.py).
    Happening.TAKEN_BACK: {
        S.SEALING: S.TAKEN_BACK,
        S.QUEUED: S.TAKEN_BACK,
        S.HELD: S.TAKEN_BACK,
        S.AVAILABLE: S.TAKEN_BACK,
        S.TAKEN_BACK: S.TAKEN_BACK,
    },
}

# How far along a delivery is: evidence of a step already passed changes nothing.
_RANK: dict[DeliveryState, int] = {
    **dict.fromkeys((*_WAITING, S.HELD), 0),
    S.EXPIRED: 1,  # `outcome-unknown` and expiry are superseded by what turns out to have happened
    S.CANCELLED: 1,
    S.RELAYED: 2,
    S.REFUSED: 3,  # no later acceptance on the way undoes it, but the recipient's own node does
    S.AVAILABLE: 4,
    S.FETCHED: 5,
    S.TAKEN_BACK: 6,
    S.HANDED_OVER: 7,  # proof that the recipient has it beats every belief that it was taken back
}
_SETTLES: dict[Event, DeliveryState] = {
    Event.RELAY_ACCEPTANCE: S.RELAYED,
    Event.RELAY_REJECTION: S.REFUSED,
    Event.CONTENT_CONSIGNMENT: S.AVAILABLE,
    Event.CONTENT_CONSIGNMENT_FAILURE: S.REFUSED,
    Event.CONTENT_HANDOVER: S.HANDED_OVER,
    Event.RELAY_TO_NON_ERDS: S.RELAYED,
    Event.RELAY_TO_NON_ERDS_FAILURE: S.REFUSED,
}

_GIVEN_UP: dict[Reason | None, DeliveryState] = {
    Reason.EXPIRED: S.EXPIRED,
    Reason.OUTCOME_UNKNOWN: S.EXPIRED,
    Reason.CANCELLED: S.CANCELLED,
    Reason.TAKEN_BACK: S.TAKEN_BACK,
}

NEGATIVE = frozenset({S.REFUSED, S.EXPIRED, S.CANCELLED})
"""Ended without the recipient: a repeated submission starts anew for these recipients."""


def never_arrived(state: DeliveryState, reason: Reason | None) -> bool:
    """Certain that the recipient did not get it."""
    return state in NEGATIVE and reason is not Reason.OUTCOME_UNKNOWN


FINAL = frozenset({S.HANDED_OVER, S.REFUSED, S.EXPIRED, S.CANCELLED, S.TAKEN_BACK})


def step(state: DeliveryState, happening: Happening) -> DeliveryState:
    """The state after `happening`; IllegalStepError where the table has no row."""
    try:
        return _TABLE[happening][state]
    except KeyError:
        raise IllegalStepError(f"a delivery that is {state} cannot be {happening}") from None


def settle(state: DeliveryState, event: Event, reason: Reason | None = None) -> DeliveryState:
    """The state after a verified receipt of `event`: forward or unchanged, never an error."""
    if event is Event.RELAY_FAILURE:
        return _given_up(state, reason)
    target = _SETTLES.get(event, state)
    if event is Event.CONTENT_HANDOVER_FAILURE and reason is Reason.TAKEN_BACK:
        target = S.TAKEN_BACK
    return target if _RANK[target] > _RANK[state] else state


def _given_up(state: DeliveryState, reason: Reason | None) -> DeliveryState:
    """A node on the way gave up: ended, unless the recipient has it by now."""
    if _RANK[state] >= _RANK[S.AVAILABLE]:
        return state
    return _GIVEN_UP.get(reason, S.REFUSED)


# ---------------------------------------------------------------- business statuses

_SAYS: dict[str, BusinessState] = {
    "01": B.ARRIVED,
    "02": B.REFUSED,
    "03": B.ACCEPTED,
    "04": B.ASSIGNED,
    "05": B.IN_PROGRESS,
    "06": B.COMPLETED,
}
_FURTHER = {state: rank for rank, state in enumerate(B)}
"""01 < 02 < 03: who refused and accepts after all has accepted."""

_BUSINESS: dict[tuple[BusinessState, str], BusinessState] = {
    (state, code): max(state, said, key=_FURTHER.__getitem__)
    for state in B
    for code, said in _SAYS.items()
}


def advance(state: BusinessState, code: str) -> BusinessState:
    """A document's business state after the recipient's status `code`; others change nothing."""
    return _BUSINESS.get((state, code), state)


_PROVEN = {state: rank for rank, state in enumerate(ObligationState)}


def verdict(state: ObligationState, proven: ObligationState) -> ObligationState:
    """What is known for certain of a take-back, after another proof of it (W10.6)."""
    return max(state, proven, key=_PROVEN.__getitem__)


def obliged(
    proven: ObligationState, answer: ObligationState | None, *, never_arrived: bool = False
) -> ObligationState:
    """Where an obligation stands. A proof that the recipient never had it beats any answer (W10.8)."""
    if never_arrived:
        return ObligationState.NOT_DELIVERED
    if answer is None or proven is ObligationState.TAKEN_BACK:
        return proven
    return answer


def answers(asked: int, declined: int, *, agreed: bool) -> list[ObligationState | None]:
    """What each of `asked` requests about one document was answered, in the order they were made (W10.8).

    By numbers alone, for clocks of two agencies order nothing: 16 declines one request and a new one may
    follow; 15 ends it and agrees to what was not declined.
    """
    first = min(declined, asked - 1 if agreed else asked)
    rest = ObligationState.AGREED if agreed else None
    return [ObligationState.DECLINED] * first + [rest] * (asked - first)

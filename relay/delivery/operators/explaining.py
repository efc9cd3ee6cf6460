"""Why a delivery is not delivered, in plain sentences for the operator who asks.

Pure: everything it says is in what it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from relay.delivery.operators.inspecting import Condition, NeighbourView, WayFacts
from relay.delivery.operators.orders import REVOCATION
from relay.delivery.ports import DeliveryView, MessageView
from relay.model import DeliveryState, Reason

S = DeliveryState
_VIETNAM = timezone(timedelta(hours=7))
_PLAIN = {
    S.SEALING: "It waits for its seal: the signing key is slow or fails, see the node's own log.",
    S.HELD: "It is held by an operator: it is not sent and does not expire until released.",
    S.RELAYED: "It was handed on: the next node took it over; ask there why it is not delivered.",
    S.AVAILABLE: "It is delivered: at its recipient's disposal, not fetched yet.",
    S.FETCHED: "It is delivered: its recipient's system fetched it, and did not acknowledge it yet.",
    S.HANDED_OVER: "It is delivered: its recipient's system acknowledged it.",
    S.TAKEN_BACK: "It was taken back by its sender.",
}


_HERE = frozenset({S.SEALING, S.QUEUED, S.IN_FLIGHT, S.IN_DOUBT, S.HELD})


def sentences(
    message: MessageView,
    delivery: DeliveryView,
    facts: WayFacts,
    neighbour: NeighbourView | None,
    now: datetime,
    revocation: str = "",
    trouble: str | None = None,
) -> tuple[str, ...]:
    """The answer first, then what it rests on. `revocation` is what is known of the seal's certificate,
    `trouble` why the key that seals cannot."""
    said = [*_state(delivery, facts, neighbour, trouble)]
    goes = delivery.state in {S.QUEUED, S.IN_DOUBT, S.IN_FLIGHT} and not facts.rests
    if goes and neighbour is not None:
        said += _neighbour(neighbour, now)
        said += _attempts(delivery, facts, now)
    if delivery.state in {S.SEALING, S.QUEUED, S.IN_FLIGHT, S.IN_DOUBT}:
        said.append(_age(message, facts, now))
    if revocation and delivery.state in _HERE:
        said.append(f"The certificate of its seal is {revocation}.")
    said += _intervention(facts)
    return tuple(said)


def _state(
    delivery: DeliveryView,
    facts: WayFacts,
    neighbour: NeighbourView | None,
    trouble: str | None,
) -> Iterator[str]:
    hop = delivery.next_hop or "nobody"
    bridged = neighbour is not None and neighbour.bridge
    match delivery.state:
        case S.SEALING if trouble is not None:
            yield f"It waits for its seal, and the key that makes it cannot: {trouble}."
        case S.RELAYED if bridged:
            yield f"{hop} has it, by its own word and without evidence; its sent list is asked what became of it."
        case S.IN_DOUBT if bridged:
            yield f"It was sent to {hop} without a usable answer, so {hop} may have it: {_error(delivery)}."
            yield "Its sent list is looked through before anything is sent again."
        case S.AVAILABLE | S.FETCHED | S.HANDED_OVER if bridged:
            yield _PLAIN[delivery.state]
            yield f"That is the word of {hop}, which gives no evidence."
        case S.QUEUED if neighbour is not None and neighbour.condition is Condition.UNLINKED:
            yield f"It waits for {hop}, which is no neighbour by the present configuration: requeue, redirect or cancel it."
        case S.QUEUED if facts.frozen:
            yield from _frozen(hop, delivery, facts)
        case S.QUEUED:
            yield f"It waits for {hop} and was not sent yet; {facts.ahead} of its lane are before it."
        case S.HELD if facts.intervention is not None and facts.intervention.by == REVOCATION:
            yield "It is held: its seal was made with a certificate that was revoked before it left."
            yield "It is not sent and does not expire until an operator decides: release it, and the next node judges for itself, or cancel it, and the sender is told."
        case S.IN_FLIGHT:
            yield f"It is being sent to {hop} now."
        case S.IN_DOUBT:
            yield (
                f"It was sent to {hop}, which did not answer, so {hop} may have it: {_error(delivery)}."
            )
            yield f"Only {hop} may get it again, to the letter, until it answers."
        case S.AVAILABLE | S.FETCHED if facts.put_back:
            because = f": {delivery.detail}" if delivery.detail else ", without saying why"
            yield f"Its recipient's system could not take it over{because}."
            yield "It was put back: it stands in the recipient's list again until it is acknowledged done."
        case _:
            yield _PLAIN.get(delivery.state) or _ended(delivery, facts)


def _frozen(hop: str, delivery: DeliveryView, facts: WayFacts) -> Iterator[str]:
    if not facts.rests:
        yield f"It waits for {hop}, which did not take it so far: {_error(delivery)}."
        return
    yield f"It rests: it was to go to {hop} together with another delivery of its message, which is held."
    yield "Release that one; or requeue this one, and it goes by itself."


def _error(delivery: DeliveryView) -> str:
    return (delivery.last_error or "no attempt got an answer").rstrip(".")


def _ended(delivery: DeliveryView, facts: WayFacts) -> str:
    who = facts.failed_at_node or "a node on its way"
    detail = f": {delivery.detail}" if delivery.detail else ""
    if delivery.reason is Reason.OUTCOME_UNKNOWN:
        return f"{who} gave it up without knowing whether the next node has it{detail}. A later receipt tells."
    words = {S.REFUSED: "refused it", S.EXPIRED: "gave it up", S.CANCELLED: "cancelled it"}
    reason = f" ({delivery.reason})" if delivery.reason else ""
    return f"It will not be delivered: {who} {words[delivery.state]}{reason}{detail}."


def _neighbour(view: NeighbourView, now: datetime) -> Iterator[str]:
    name, probe = view.neighbour, _until(view.next_probe_at, now)
    match view.condition:
        case Condition.UP:
            yield f"{name} is up: {view.under_way} transfers under way, window {view.window}."
        case Condition.WOKEN:
            yield f"{name} failed{_last(view)}. It was heard of or woken since, and is tried at once."
        case Condition.FAILING | Condition.DEAD:
            word = "counts as dead" if view.condition is Condition.DEAD else "is failing"
            failures = "a failure" if view.failures == 1 else f"{view.failures} failures in a row"
            yield f"{name} {word} after {failures}{_last(view)}."
            yield f"The next probe is {probe}; relay flush {name} makes it at once."
    if view.certificate is not None and view.certificate.not_after <= now:
        yield f"The certificate of {name} expired at {_instant(view.certificate.not_after)}."


def _last(view: NeighbourView) -> str:
    return f": {view.last_error.rstrip('.')}" if view.last_error else ""


def _attempts(delivery: DeliveryView, facts: WayFacts, now: datetime) -> Iterator[str]:
    if facts.frozen and delivery.state is not S.IN_FLIGHT:
        due = _until(delivery.next_attempt_at, now)
        times = "once" if delivery.attempts == 1 else f"{delivery.attempts} times"
        yield f"It was tried {times}; the next attempt is {due}."


def _age(message: MessageView, facts: WayFacts, now: datetime) -> str:
    came, until = f"It came {span(now - facts.arrived_at)} ago", _instant(message.expires_at)
    if message.expires_at <= now:
        return f"{came}, expired at {until} and is about to be given up."
    return f"{came} and is given up at {until}, in {span(message.expires_at - now)}."


def _intervention(facts: WayFacts) -> Iterator[str]:
    if (done := facts.intervention) is not None:
        who = "The node's own action" if done.by == REVOCATION else "The last operator's action"
        yield f"{who}: {done.action} by {done.by} at {_instant(done.at)}: {done.why}"


def _until(at: datetime | None, now: datetime) -> str:
    if at is None or at <= now:
        return "due now"
    return f"at {_instant(at)}, in {span(at - now)}"


def _instant(at: datetime) -> str:
    """People are shown Vietnam's time."""
    return f"{at.astimezone(_VIETNAM):%Y-%m-%d %H:%M:%S} +07:00"


def span(length: timedelta) -> str:
    """A length of time in its two largest units: "3 d 4 h", "12 s"."""
    seconds = max(0, round(length.total_seconds()))
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"

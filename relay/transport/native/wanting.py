"""Which entries of the log a request wants: its filters, each strictly validated.

Touches: the request's query. Trusts: nothing. Raises: RequestError naming the parameter.
"""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

from aiohttp import web

from relay.audit.entries import AuditEvent
from relay.delivery.wanted import Wanted
from relay.envelope.codes import normalise
from relay.errors import EnvelopeError
from relay.transport.native.asking import one, uuid
from relay.transport.problems import RequestError

FILTERS: Final = ("event", "agency", "message", "node")
MOST_VALUES: Final = 16
"""Of one filter: each costs a look at every entry that is passed over."""
_CHARACTERS: Final = 64


def _families() -> frozenset[str]:
    """What comes before a hyphen in the name of any event: delivery, delivery-taken."""
    parts = [str(event).split("-") for event in AuditEvent]
    return frozenset("-".join(words[:n]) for words in parts for n in range(1, len(words)))


FAMILIES: Final = _families()
_NAMES: Final = sorted({*map(str, AuditEvent), *FAMILIES})


def wanted(request: web.Request) -> Wanted:
    events = _values(request, "event")
    for name in events:
        _check_event(name)
    return Wanted(
        events=frozenset(name for name in events if name in AuditEvent.__members__.values()),
        families=frozenset(name for name in events if name in FAMILIES),
        agencies=frozenset(map(_agency, _values(request, "agency"))),
        message=uuid(request, "message"),
        nodes=frozenset(_values(request, "node")),
    )


def since(request: web.Request) -> datetime | None:
    text = one(request, "since")
    if text is None:
        return None
    try:
        if len(text) <= _CHARACTERS and (found := datetime.fromisoformat(text)).tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise RequestError(
        "must be an RFC 3339 instant with its zone (its + sent as %2B)", parameter="since"
    )


def _values(request: web.Request, name: str) -> list[str]:
    values = request.query.getall(name, [])
    if len(values) > MOST_VALUES:
        raise RequestError(f"{name} is given {len(values)} times, limit {MOST_VALUES}", parameter=name)  # fmt: skip
    for value in values:
        if not 0 < len(value) <= _CHARACTERS or not value.isascii() or not value.isprintable():
            said = f"must be up to {_CHARACTERS} printable ASCII characters"
            raise RequestError(said, parameter=name)
    return list(values)


def _check_event(name: str) -> None:
    if name in _NAMES:
        return
    nearest = ", ".join(get_close_matches(name, _NAMES, n=3, cutoff=0.5))
    hint = (
        f"nearest: {nearest}" if nearest else "such as delivery-failed, or delivery for all alike"
    )
    raise RequestError(f"no event is called {ascii(name)[1:-1]}; {hint}", parameter="event")


def _agency(text: str) -> str:
    try:
        return normalise(text)
    except EnvelopeError as error:
        raise RequestError(f"must be an agency code: {error}", parameter="agency") from None

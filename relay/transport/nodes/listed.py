"""One page of what was exchanged, as JSON (docs/wire-format.md W21): written and read by the same rules (W21.7).

Touches: nothing.
Trusts:  nothing of what is read.
Raises:  WireError naming the member and at most forty characters of its value.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from relay.delivery.reconciling.ports import (
    Believed,
    Exchanged,
    Listing,
    Side,
    Standing,
    Told,
    Window,
)
from relay.errors import WireError
from relay.model import AgencyCode, Digest, MessageId, TransferId, minted_at
from relay.wire import values
from relay.wire.transfer import RECIPIENT_LIMIT

PATH: Final = "/axis/v1/reconcile"
TRANSFERS_LIMIT: Final = 1_000
"""Of a page."""
RECIPIENTS_LIMIT: Final = 2 * TRANSFERS_LIMIT + 3 * RECIPIENT_LIMIT
ANSWER_LIMIT_BYTES: Final = 4 << 20
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9000
_STANDINGS: Final = {one.value: one for one in Standing}
_SIDES: Final = {one.value: one for one in Side}


def query_of(side: Side, window: Window) -> dict[str, str]:
    query = {
        "side": side.value,
        "since": values.instant_text(window.since),
        "until": values.instant_text(window.until),
    }
    return query if window.after is None else {**query, "cursor": window.after}


def read_query(side: str, since: str, until: str, cursor: str | None) -> tuple[Side, Window]:
    if side not in _SIDES:
        raise WireError(f"side {values.shown(side)} is neither sent nor received")
    window = Window(
        values.instant(since, "since"),
        values.instant(until, "until"),
        None if cursor is None else TransferId(values.uuid7(cursor, "cursor")),
    )
    if window.until <= window.since:
        raise WireError(f"until {values.shown(until)} is not after since")
    return _SIDES[side], window


def write_page(told: Told) -> bytes:
    page = {
        "now": values.instant_text(told.now),
        "kept_since": values.instant_text(told.kept_since),
        "transfers": [_written(one) for one in told.listing.transfers],
        "cursor": told.listing.cursor,
    }
    return json.dumps(page, separators=(",", ":")).encode()


def _written(one: Exchanged) -> dict[str, object]:
    return {
        "transfer": one.transfer_id,
        "message": one.message_id,
        "origin": one.origin,
        "type": one.message_type,
        "sender": one.sender,
        "digest": one.digest,
        "answer": one.answer,
        "at": values.instant_text(one.at),
        "recipients": [
            [each.recipient, each.standing, values.instant_text(each.changed)]
            for each in one.recipients
        ],
    }


def read_page(content: bytes, window: Window) -> Told:
    """Its transfers lie in the window, in order; its cursor goes on, or a neighbour could lead us round
    for ever."""
    try:
        page = json.loads(content)
    except (ValueError, RecursionError):
        raise WireError("the neighbour's list is not JSON") from None
    if not isinstance(page, dict):
        raise WireError("the neighbour's list is not an object")
    transfers = tuple(_read(one) for one in _list(page, "transfers", TRANSFERS_LIMIT))
    cursor = page.get("cursor")
    following = None if cursor is None else TransferId(values.uuid7(str(cursor), "cursor"))
    _check_order(transfers, window.after, following)
    for one in transfers:
        minted = minted_at(one.transfer_id)
        if minted is None or not window.since <= minted < window.until:
            raise WireError(f"transfer {one.transfer_id} is not of the period")
    named = sum(len(one.recipients) for one in transfers)
    if named > RECIPIENTS_LIMIT:
        raise WireError(f"a page of {named} recipients, limit {RECIPIENTS_LIMIT}")
    return Told(Listing(transfers, following), _instant(page, "now"), _instant(page, "kept_since"))


def _check_order(
    transfers: tuple[Exchanged, ...], after: TransferId | None, following: TransferId | None
) -> None:
    before = after or ""
    for one in transfers:
        if one.transfer_id <= before:
            raise WireError(f"transfer {one.transfer_id} does not come after {before}")
        before = one.transfer_id
    if following is not None and (following < before or following == after):
        raise WireError(f"cursor {following} does not go on from {before or 'the beginning'}")


def _read(one: object) -> Exchanged:
    if not isinstance(one, dict):
        raise WireError("a transfer in a list is not an object")
    answer = one.get("answer")
    recipients = tuple(_recipient(each) for each in _list(one, "recipients", RECIPIENT_LIMIT))
    if len({each.recipient for each in recipients}) < len(recipients):
        raise WireError("a transfer in a list names a recipient twice")
    return Exchanged(
        transfer_id=TransferId(values.uuid7(_text(one, "transfer"), "transfer")),
        message_id=MessageId(values.uuid7(_text(one, "message"), "message")),
        origin=values.node(_text(one, "origin"), "origin"),
        message_type=values.message_type(_text(one, "type")),
        sender=values.agency(_text(one, "sender"), "sender"),
        digest=Digest(values.digest(_text(one, "digest"), "digest")),
        answer=None if answer is None else values.digest(_text(one, "answer"), "answer"),
        at=_instant(one, "at"),
        recipients=recipients,
    )


def _recipient(each: object) -> Believed:
    if not (isinstance(each, list) and len(each) == 3 and all(isinstance(t, str) for t in each)):
        raise WireError("a recipient in a list is not a code, a standing and an instant")
    code, standing, changed = each
    if standing not in _STANDINGS:
        raise WireError(f"standing {values.shown(standing)} is not known here")
    at = _plausible(values.instant(changed, "changed"), "changed")
    return Believed(AgencyCode(values.agency(code, "recipient")), _STANDINGS[standing], at)


def _list(found: dict[str, Any], name: str, most: int) -> list[object]:
    value = found.get(name)
    if not isinstance(value, list):
        raise WireError(f"{name} is not a list")
    if len(value) > most:
        raise WireError(f"{len(value)} {name}, limit {most}")
    return value


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise WireError(f"{name} is not a text")
    return value


def _instant(found: dict[str, Any], name: str) -> datetime:
    return _plausible(values.instant(_text(found, name), name), name)


def _plausible(at: datetime, name: str) -> datetime:
    """Of a year that can be told in every zone: at the edges of the calendar not every one can."""
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise WireError(f"{name} is of the year {at.year}, limits {FIRST_YEAR} and {LAST_YEAR}")
    return at

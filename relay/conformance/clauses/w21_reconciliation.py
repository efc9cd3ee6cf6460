"""W21: what a node believes was exchanged with the neighbour that asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from relay.conformance.instants import now
from relay.conformance.peer import Answer, json_object
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require, require_equal
from relay.wire.values import instant_text

book = Book(Part.NEIGHBOUR, capability="reconcile")


async def _asked(stand: Stand, *more: tuple[str, str], **changed: str) -> Answer:
    at = now()
    query = {
        "side": "received",
        "since": instant_text(at - timedelta(hours=1)),
        "until": instant_text(at + timedelta(minutes=5)),
        **changed,
    }
    return await stand.peer.get(f"/axis/v1/reconcile?{urlencode([*query.items(), *more])}")


async def _listed(stand: Stand, since: str = "") -> dict[str, Any]:
    """Transfers of all pages by their ids."""
    found: dict[str, Any] = {}
    changed = {"since": since} if since else {}
    while True:
        page = json_object(await _asked(stand, **changed))
        found |= {one["transfer"]: one for one in page["transfers"]}
        if page["cursor"] is None:
            return found
        changed["cursor"] = page["cursor"]


@book.asserts("W21.1", "parameters", "A question in any other form is refused (422)")
async def parameters(stand: Stand) -> None:
    require_equal((await _asked(stand)).status, 200, "the status of a question in its form")
    early = instant_text(now() - timedelta(days=1))
    for answer in (
        await _asked(stand, ("colour", "red")),
        await _asked(stand, ("side", "sent")),
        await _asked(stand, cursor="first"),
        await _asked(stand, until=early),
        await _asked(stand, side="both"),
    ):
        require_equal(answer.status, 422, "the status")


@book.asserts("W21.2", "its-own", "What another neighbour sent is not listed", Part.SECOND)
async def its_own(stand: Stand) -> None:
    since = instant_text(now() - timedelta(seconds=1))
    mine = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    second = stand.second
    letter = stand.letter_from(second.agency, [stand.subject.agency])
    other = second.transfer(letter, [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(mine))
    second.receipt(await second.send(other))
    found = await _listed(stand, since)
    require(mine.header.transfer_id in found, "the kit's own transfer is not listed")
    require(other.header.transfer_id not in found, "another neighbour's transfer is listed")


@book.asserts("W21.6", "each", "Every recipient of an answered transfer is listed, as it stands")
async def each(stand: Stand) -> None:
    nobody = f"{stand.subject.agency}.404"
    to = [stand.subject.agency, nobody]
    prepared = stand.peer.transfer(stand.letter_in(to=to), to)
    stand.peer.receipt(await stand.peer.send(prepared))
    found = await _listed(stand)
    one = found.get(prepared.header.transfer_id)
    require(one is not None, "the transfer is not listed")
    require_equal(one and one["digest"], prepared.header.digest, "the digest")
    recipients = one["recipients"] if one else []
    named = {code for recipient in recipients for code in to if code in _texts(recipient)}
    require_equal(named, set(to), "the recipients")
    standings = {word for recipient in recipients for word in _texts(recipient)}
    require("refused" in standings, "the refused one is not listed as refused")


def _texts(recipient: object) -> set[str]:
    values = recipient.values() if isinstance(recipient, dict) else recipient
    return {str(one) for one in values}  # type: ignore[attr-defined]

"""What did not come: a fault of the node where other things come meanwhile, else nothing can be told.

On a slow machine everything is late. So before something counts as missing a document is sent anew: it takes
the same way, and where it needs more than a small part of the time that was waited, the wait proves nothing.

Touches: what the stand's parts touch.
Raises:  FailedError for what is missing, InconclusiveError where it may be late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from relay.conformance.listener import Listener
from relay.conformance.peer import UnreachableError
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.verdicts import FailedError, InconclusiveError, Part
from relay.errors import RelayError
from relay.model import digest_of

GoesThrough = Callable[[Stand], Awaitable[None]]
"""Sends a document, and returns once it is there."""
PART = 4
"""Of the time that was waited, the part in which a document that is sent then must be there."""


async def awaited(
    stand: Stand,
    found: Callable[[], Any],
    seconds: float,
    what: str,
    listener: Listener | None = None,
    goes_through: GoesThrough | None = None,
) -> Any:
    """What `found` finds at the listener, which the node MUST send. FAIL where it does not come."""
    try:
        return await (listener or stand.listener).until(found, seconds, what)
    except InconclusiveError as error:
        late = str(error)
    await require_at_work(stand, seconds, late, goes_through)
    if found():
        raise InconclusiveError(f"{late}, but later")
    raise FailedError(late)


async def transfer_awaited(
    stand: Stand,
    digest: str,
    seconds: float,
    what: str,
    count: int = 1,
    goes_through: GoesThrough | None = None,
) -> Arrived:
    """The count-th transfer with that envelope, which the node MUST send."""
    found = partial(stand.listener.nth, digest, count)
    arrived: Arrived = await awaited(stand, found, seconds, what, goes_through=goes_through)
    return arrived


async def require_at_work(
    stand: Stand, waited: float, late: str, goes_through: GoesThrough | None = None
) -> None:
    """INCONCLUSIVE, for this is late, unless a document goes through in a small part of the time waited."""
    try:
        async with asyncio.timeout(waited / PART):
            await (goes_through or _to_the_kit)(stand)
    except (InconclusiveError, FailedError, RelayError, UnreachableError, TimeoutError) as error:
        said = f": {error}" if str(error) else ""
        raise InconclusiveError(
            f"{late}, and what is sent now does not within {waited / PART:g} s either{said}"
        ) from None


async def _to_the_kit(stand: Stand) -> None:
    """From the node's agency to the kit; where the kit is no system of that agency, the other way."""
    if Part.AXIS in stand.subject.parts:
        envelope = stand.letter_out()
        await stand.dms.send(envelope)
        await stand.listener.transfer_of(digest_of(envelope))
        return
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(prepared))


async def to_the_second(stand: Stand) -> None:
    """From the node's agency to the kit's second neighbour: where nothing may go to the first."""
    envelope = stand.letter_out(stand.second.agency)
    await stand.dms.send(envelope)
    await stand.second_listener.transfer_of(digest_of(envelope))

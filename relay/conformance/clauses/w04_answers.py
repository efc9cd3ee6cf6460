"""W4.10 and W4.13: answers that are asked for again, and those of requests with several transfers."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from relay.conformance.absence import require_at_work
from relay.conformance.backlogs import by_transfer, is_of_several, of_backlogs, require_several
from relay.conformance.business import SETTLED_SECONDS
from relay.conformance.controls import takes_transfers
from relay.conformance.listener import saying
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    NotClaimedError,
    Part,
    require,
    require_equal,
)
from relay.model import Signed

book = Book(control=takes_transfers)


@book.asserts(
    "W4.10", "answer-again", "The answer once given is given again, to the byte", Part.NEIGHBOUR
)
async def answer_again(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    first = await stand.peer.send(prepared)
    stand.peer.receipt(first)
    again = await stand.peer.get(f"/axis/v1/transfers/{prepared.header.transfer_id}")
    require_equal(again.status, 200, "the status")
    require(again.body == first.body, "the answer has other bytes the second time")


@book.asserts("W4.10", "unknown", "A transfer that never came is 404", Part.NEIGHBOUR)
async def unknown(stand: Stand) -> None:
    header = stand.peer.header(b"", [stand.subject.agency])
    answer = await stand.peer.get(f"/axis/v1/transfers/{header.transfer_id}")
    require_equal(answer.status, 404, "the status")


@book.asserts(
    "W4.10", "anothers", "What a transfer was answered is told to its sender alone", Part.SECOND
)
async def anothers(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(prepared))
    answer = await stand.second.get(f"/axis/v1/transfers/{prepared.header.transfer_id}")
    require_equal(answer.status, 404, "the status for another neighbour")


@book.asserts(
    "W4.13", "several", "Several transfers of a request are answered in order", Part.NEIGHBOUR
)
async def several(stand: Stand) -> None:
    if (await stand.peer.node_document()).get("transfers_a_request", 1) < 2:
        raise NotClaimedError("it takes one transfer a request")
    made = [stand.peer.transfer(stand.letter_in(), [stand.subject.agency]) for _ in range(2)]
    receipts = stand.peer.receipts(await stand.peer.send_several(made))
    require_equal(
        [receipt.transfer_id for _, receipt in receipts],
        [one.header.transfer_id for one in made],
        "the transfers that were answered",
    )


@book.asserts(
    "W4.13",
    "ends-at-the-first",
    "The first without a signed answer ends the request",
    Part.NEIGHBOUR,
)
async def ends_at_the_first(stand: Stand) -> None:
    if (await stand.peer.node_document()).get("transfers_a_request", 1) < 3:
        raise NotClaimedError("it takes fewer than three transfers a request")
    made = [stand.peer.transfer(stand.letter_in(), [stand.subject.agency]) for _ in range(3)]
    made[1] = replace(made[1], signed=Signed(made[1].signed.document, b"x"))
    receipts = stand.peer.receipts(await stand.peer.send_several(made))
    require_equal(
        [receipt.transfer_id for _, receipt in receipts],
        [made[0].header.transfer_id],
        "the transfers that were answered",
    )
    alone = await stand.peer.get(f"/axis/v1/transfers/{made[2].header.transfer_id}")
    require_equal(alone.status, 404, "the status of the one behind it")


@book.asserts(
    "W4.13",
    "again-alone",
    "What has no receipt in the answer to several goes again alone, to the letter",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def again_alone(stand: Stand) -> None:
    """Of one request the first is answered and no other, as by a node that could not take the second."""
    listener, firsts, left = stand.listener, list[Arrived](), list[Arrived]()

    async def answers(arrived: Arrived) -> web.StreamResponse:
        if is_of_several(arrived) and not left:
            if firsts:
                left.append(arrived)
                return await saying(503)(arrived)
            firsts.append(arrived)
        return listener.honestly(arrived)

    with listener.taking_several(shared=False):
        try:
            came = await of_backlogs(stand, listener, answers, is_of_several)
        except InconclusiveError as error:
            if left:
                await require_at_work(stand, SETTLED_SECONDS, str(error))
                raise FailedError(f"{error}, of which its request's answer said nothing") from None
            raise
    require_several(came)
    first = left[0]
    attempts = by_transfer(came)[first.header.transfer_id]
    require(len(attempts) > 1, "it went again as another transfer")
    require_equal(attempts[1].together, 1, "the number of transfers in the request that repeats it")
    require(attempts[1].signed == first.signed, "header or signature of the repeat differ")

"""The honest one of what assertions see refused: whoever refuses that, too, has shown nothing by refusing.

A server that answers everything alike refuses whatever is wrong. What passed by a refusal, or by an answer that says little,
counts only of a node that was seen to do the honest thing.

Touches: what the stand's parts touch.
Raises:  FailedError where the node does not.
"""

from __future__ import annotations

from relay.conformance.business import go_out, later
from relay.conformance.by_hand import entries, hand_in, opened, packed
from relay.conformance.judging import accepted
from relay.conformance.stand import Stand
from relay.conformance.tree import branch, handed_in, held, kit_agency
from relay.conformance.verdicts import require, require_equal
from relay.model import Event


async def takes_transfers(stand: Stand) -> None:
    """A document for its own agency is taken over, and the answer is given again (W4)."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    first = await stand.peer.send(prepared)
    accepted(stand.peer, first)
    again = await stand.peer.get(f"/axis/v1/transfers/{prepared.header.transfer_id}")
    require_equal((again.status, again.body == first.body), (200, True), "the answer asked again")


async def answers_transfers(stand: Stand) -> None:
    """Each transfer has one answer, about its message, whenever it is asked for; and none is forgotten (W4.5, W4.6)."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    first = await stand.peer.send(prepared)
    accepted(stand.peer, first)
    receipt, header = stand.peer.receipt(first), prepared.header
    about = (receipt.transfer_id, receipt.message_id, receipt.digest)
    require_equal(about, (header.transfer_id, header.message_id, header.digest), "the answer's ids")
    for again in (
        await stand.peer.send(prepared),
        await stand.peer.get(f"/axis/v1/transfers/{header.transfer_id}"),
    ):
        require_equal((again.status, again.body == first.body), (200, True), "the answer again")


async def takes_receipts(stand: Stand) -> None:
    """What the neighbour that a document went to says of it is taken (W5.8)."""
    receipt = later(stand, await go_out(stand), Event.CONTENT_HANDOVER)
    answer = await stand.peer.hand_back(stand.peer.sign(receipt))
    require_equal(answer.status, 204, "the status of an honest receipt")


async def takes_documents(stand: Stand) -> None:
    """A document is taken at the axis face, listed there, and given out to the byte (A1.11)."""
    envelope = stand.letter_from(stand.subject.agency, [stand.subject.agency])
    await stand.dms.send(envelope)
    found = await stand.dms.until_copies(envelope)
    require(bool(found), "a document that was sent is not listed")


async def takes_files(stand: Stand) -> None:
    """A transfer that comes by hand is answered by hand (W7.5)."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    answer = await hand_in(stand, packed(entries(stand, [prepared])))
    receipts = opened(stand, answer).receipts(stand)
    events = [one.event for _, receipt in receipts for one in receipt.evidence]
    require(Event.RELAY_ACCEPTANCE in events, f"the evidence that came back is {events}")


async def takes_directories(stand: Stand) -> None:
    """A directory that was taken is listed (W9.4)."""
    one = await handed_in(stand, branch(stand, kit_agency(stand)))
    found = (await held(stand.peer)).get(stand.peer.node)
    require(found is not None and found[1] == one.digest, f"of the directory {found} is held")

"""W13: headers as a judged node signs them, where several of its transfers may go in one request."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from aiohttp import web

from relay.conformance.backlogs import (
    by_transfer,
    honestly,
    is_of_several,
    of_backlogs,
    require_several,
)
from relay.conformance.business import settled
from relay.conformance.listener import Listener, lost, saying
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
from relay.errors import SignatureError, WireError
from relay.model import NodeId, TransferId
from relay.signing.evidence import verify_transfer
from relay.signing.proof_shape import is_batch_proof, read_proof

book = Book(Part.NEIGHBOUR, Part.AXIS)
CAPABILITY = "batched-transfers"
REFUSING_SECONDS = 15.0
OCCASIONS = 3
"""On a busy machine a request may be cut so late that nothing of it goes again."""


# ------------------------------------------------------------ several at once


async def _said_no_longer(stand: Stand, listener: Listener) -> None:
    """The last answer says nothing of batches: whoever is judged next begins with that."""
    envelope = stand.letter_out(listener.agency)
    await stand.dms.send(envelope)
    await settled(stand, envelope, listener=listener)


def _has_proof(arrived: Arrived) -> bool:
    return is_batch_proof(arrived.signed.signature)


def _require_shared(came: Sequence[Arrived]) -> None:
    require_several(came)
    if not any(map(_has_proof, came)):
        raise NotClaimedError("it signed each header by itself, which it may")


def _require_proven(stand: Stand, came: Sequence[Arrived]) -> None:
    """Each is what the node sends on itself, whichever way it was signed."""
    for one in came:
        try:
            verify_transfer(one.signed, stand.trust, None, NodeId(stand.subject.id))
        except (SignatureError, WireError) as error:
            raise FailedError(f"a header does not hold: {error}") from error


# ------------------------------------------------------------ W13.9


@book.asserts(
    "W13.9",
    "not-said",
    "A neighbour that does not say that headers may share a signature gets each signed by itself",
)
async def not_said(stand: Stand) -> None:
    listener = stand.listener
    with listener.taking_several(shared=False):
        came = await of_backlogs(stand, listener, honestly(listener), is_of_several)
    _require_proven(stand, came)
    found = sum(map(_has_proof, came))
    require_equal(found, 0, "the number of headers with a proof")


@book.asserts(
    "W13.9",
    "proven",
    "Headers that share a signature are each proven to be of the node that sends them",
    capability=CAPABILITY,
)
async def proven(stand: Stand) -> None:
    listener = stand.listener
    with listener.taking_several(shared=True):
        came = await of_backlogs(stand, listener, honestly(listener), _has_proof)
    await _said_no_longer(stand, listener)
    _require_proven(stand, came)
    _require_shared(came)
    places: dict[tuple[bytes, int], set[TransferId]] = defaultdict(set)
    for one in filter(_has_proof, came):
        index, _, ending = read_proof(one.signed.signature)
        places[ending, index].add(one.header.transfer_id)
    require(all(len(one) == 1 for one in places.values()), "two headers have one place in a tree")


@book.asserts(
    "W13.9",
    "again",
    "What goes again alone when its request was cut has the proof that it had",
    capability=CAPABILITY,
)
async def again(stand: Stand) -> None:
    listener = stand.listener
    cut: list[Arrived] = []

    async def cut_once(arrived: Arrived) -> web.StreamResponse:
        if is_of_several(arrived) and _has_proof(arrived) and not cut:
            cut.append(arrived)
            return await lost(arrived)
        return listener.honestly(arrived)

    for _ in range(OCCASIONS):
        cut.clear()
        with listener.taking_several(shared=True):
            came = await of_backlogs(stand, listener, cut_once, _has_proof)
        await _said_no_longer(stand, listener)
        _require_shared(came)
        attempts = by_transfer(came)
        repeated = [one for one in attempts.values() if len(one) > 1 and is_of_several(one[0])]
        if repeated:
            break
    else:
        raise InconclusiveError("none of them went again")
    for first, *others in repeated:
        for one in others:
            require(one.signed == first.signed, "header or proof of the repeat differ")
            require(one.envelope == first.envelope, "the envelope of the repeat differs")


# ------------------------------------------------------------ W13.11


@book.asserts(
    "W13.11",
    "by-itself",
    "What goes anew when its proof was refused is signed by itself, and nothing is lost or doubled by it",
    Part.SECOND,
    capability=CAPABILITY,
)
async def by_itself(stand: Stand) -> None:
    """The kit's second neighbour refuses: a node may remember for a while that it does."""
    listener = stand.second_listener
    loop = asyncio.get_running_loop()
    end = loop.time() + REFUSING_SECONDS

    async def refuse(arrived: Arrived) -> web.StreamResponse:
        if _has_proof(arrived) and loop.time() < end:
            return await saying(422, "no signature that the kit knows")(arrived)
        return listener.honestly(arrived)

    with listener.taking_several(shared=True):
        came = await of_backlogs(stand, listener, refuse, _has_proof)
    await _said_no_longer(stand, listener)
    _require_shared(came)
    first: dict[str, TransferId] = {}
    for one in came:
        anew = first.setdefault(one.header.digest, one.header.transfer_id) != one.header.transfer_id
        require(not (anew and _has_proof(one)), "what goes anew has a proof again")
    taken = [one.header for one in came if one.header.transfer_id in listener.given]
    require_equal(
        len({one.transfer_id for one in taken}),
        len({one.digest for one in taken}),
        "the number of transfers that were taken over",
    )

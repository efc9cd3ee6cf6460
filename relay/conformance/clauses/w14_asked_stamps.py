"""W14.9: how the judged node asks for timestamps, and which answers it takes."""

from __future__ import annotations

from relay.conformance import timestamping
from relay.conformance.stamped import AGAIN, HONEST_AGAIN, STAMPED_WITHIN, Stamping, stamped
from relay.conformance.stand import Stand
from relay.conformance.timestamping import Asked, Stamp
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    NotClaimedError,
    Part,
    require,
    require_equal,
)
from relay.transport.timestamping import QUERY

book = Book(Part.NEIGHBOUR, Part.AXIS, Part.NATIVE, Part.AUTHORITY)


async def _of(stand: Stand, stamp: Stamp) -> Stamping:
    """What came of the document that was stamped so."""
    found = (await stand.come_of(stamped)).of(stamp)
    stand.exchanges.held = list(found.exchanges)
    return found


async def _not_taken(stand: Stand, stamp: Stamp) -> None:
    """The node asked again, and the token is not in the evidence that was exported after that."""
    found = await _of(stand, stamp)
    require(not found.taken, "the token of the refused answer stands in the evidence")
    if found.asked_before < AGAIN:
        raise InconclusiveError(f"it did not ask again within {STAMPED_WITHIN:g} s")


async def _takes_honest(stand: Stand) -> None:
    """Who takes none refuses nothing."""
    require((await stand.come_of(stamped)).of(timestamping.honest).taken, "it is not taken")


@book.asserts(
    "W14.9",
    "request",
    "A request is a POST, and has SHA-256, a nonce of its own and certReq",
    begins=stamped,
)
async def request(stand: Stand) -> None:
    """Each that came, whatever it was about."""
    await stand.come_of(stamped)
    every = list(stand.timestamps.asked)
    stand.exchanges.held = [one.exchange for one in every]
    if not every:
        raise InconclusiveError(f"it asked for no timestamp within {STAMPED_WITHIN:g} s")
    for one in every:
        _must_be_one(one)
    by_nonce = {one.nonce: one.body for one in every}
    different = {one.body for one in every}
    if len(different) == 1:
        raise InconclusiveError("it asked once only")
    require_equal(len(by_nonce), len(different), "the number of different nonces")


def _must_be_one(asked: Asked) -> None:
    require_equal(asked.method, "POST", "the method")
    require_equal(asked.content_type, QUERY, "the Content-Type")
    if asked.question is None:
        raise FailedError("it cannot be read as a TimeStampReq")
    require_equal(asked.algorithm, "sha256", "the digest's algorithm")
    require(asked.nonce is not None, "there is no nonce")
    require(asked.wants_certificate, "the authority's certificate is not asked for")


@book.asserts(
    "W14.9",
    "taken",
    "The token of an answer that holds stands in the document's evidence",
    begins=stamped,
)
async def taken(stand: Stand) -> None:
    found = await _of(stand, timestamping.honest)
    if found.taken:
        return
    require(found.asked_before < HONEST_AGAIN, "it was answered, and asks again and again")
    raise InconclusiveError(f"it is not in the evidence within {STAMPED_WITHIN:g} s")


@book.asserts(
    "W14.9",
    "nonce",
    "An answer with another nonce is refused",
    begins=stamped,
    control=_takes_honest,
)
async def nonce(stand: Stand) -> None:
    await _not_taken(stand, timestamping.of_another_nonce)


@book.asserts(
    "W14.9",
    "no-nonce",
    "An answer without a nonce is refused",
    begins=stamped,
    control=_takes_honest,
)
async def no_nonce(stand: Stand) -> None:
    await _not_taken(stand, timestamping.of_no_nonce)


@book.asserts(
    "W14.9",
    "not-granted",
    "An answer that is not granted is refused, whatever token it brings",
    begins=stamped,
    control=_takes_honest,
)
async def not_granted(stand: Stand) -> None:
    await _not_taken(stand, timestamping.not_granted)


@book.asserts(
    "W14.9", "imprint", "A token of other bytes is refused", begins=stamped, control=_takes_honest
)
async def imprint(stand: Stand) -> None:
    await _not_taken(stand, timestamping.of_other_bytes)


@book.asserts(
    "W14.9",
    "policy",
    "A token under another policy than is configured is refused",
    begins=stamped,
    control=_takes_honest,
)
async def policy(stand: Stand) -> None:
    if stand.timestamps.stampers.policy is None:
        raise NotClaimedError("the node's file names no policy")
    await _not_taken(stand, timestamping.of_another_policy)


@book.asserts(
    "W14.9",
    "untrusted",
    "A token by an authority below another root is refused",
    begins=stamped,
    control=_takes_honest,
)
async def untrusted(stand: Stand) -> None:
    await _not_taken(stand, timestamping.by_nobody_known)


@book.asserts(
    "W14.9",
    "purpose",
    "A token by a certificate that is for no timestamps is refused",
    begins=stamped,
    control=_takes_honest,
)
async def purpose(stand: Stand) -> None:
    await _not_taken(stand, timestamping.by_no_authority)


@book.asserts(
    "W14.9",
    "signature",
    "A token whose signature does not hold is refused",
    begins=stamped,
    control=_takes_honest,
)
async def signature(stand: Stand) -> None:
    await _not_taken(stand, timestamping.with_bad_signature)

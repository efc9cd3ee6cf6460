"""W12.5: statements too large to go with others, as an authority's that has revoked for years."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from relay.conformance.certificates import Issuing, Made, crl, root
from relay.conformance.clauses.w12_revocation import about, believes, is_refused_as_revoked
from relay.conformance.judging import STATEMENTS, accepted, tell
from relay.conformance.listener import PROOFS, Listener
from relay.conformance.resigned import sealed
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, InconclusiveError, Part, require, require_equal
from relay.model import SealKind, digest_of
from relay.wire.statements import Stapled, read_statements

LARGE = "large-statements"
PATH = "/axis/v1/statements"
PADDING_BYTES = 300_000
SMALL_BYTES = 256 << 10
LARGEST_BYTES = 8 << 20
SOON = 10.0
BESIDE_SECONDS = 1.0
"""Within which what goes beside a document would have come."""


async def _tell_large(stand: Stand, issued: Made, by: Issuing, *revoked: Made) -> None:
    small = Stapled(issued.ders, crl(root(stand.authority).issuer))
    require_equal((await tell(stand, small)).status, 204, "the status of the small one")
    large = Stapled(issued.ders, crl(by.issuer, *revoked, padding_bytes=PADDING_BYTES))
    require_equal((await tell(stand, large)).status, 204, "the status of the large one")


book = Book(Part.NEIGHBOUR, capability=LARGE, control=believes)


@book.asserts("W12.5", "counts", "A CRL over 256 KiB that came alone counts for what comes next")
async def counts(stand: Stand) -> None:
    by, issued = about(stand)
    await _tell_large(stand, issued, by, issued)
    await is_refused_as_revoked(stand, issued)


@book.asserts("W12.5", "vouches", "One that revokes nothing vouches for the others")
async def vouches(stand: Stand) -> None:
    by, issued = about(stand)
    await _tell_large(stand, issued, by)
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    answer = await stand.peer.send(sealed(prepared, SealKind.AGENCY, issued.signer()))
    accepted(stand.peer, answer)


@book.asserts("W12.5", "too-long", "A statement over 8 MiB is refused")
async def too_long(stand: Stand) -> None:
    _, issued = about(stand)
    answer = await tell(stand, Stapled(issued.ders, bytes(LARGEST_BYTES + 1)))
    require(400 <= answer.status < 500, f"answered {answer.status}")


@contextmanager
def _hearing(listener: Listener) -> Iterator[list[int]]:
    """The sizes of what the kit's neighbour is told; it takes statements, and says nothing of large ones."""
    sizes: list[int] = []

    async def take(request: web.Request, body: bytes) -> web.StreamResponse | None:
        if request.path != PATH:
            return None
        sizes.extend(len(one.content) for one in read_statements(body))
        return web.Response(status=204)

    before = listener.others, listener.capabilities
    listener.others, listener.capabilities = take, [PROOFS, STATEMENTS]
    try:
        yield sizes
    finally:
        listener.others, listener.capabilities = before


@book.asserts(
    "W12.5",
    "not-to-all",
    "A neighbour that does not say that it takes large statements is sent none",
    Part.SECOND,
)
async def not_to_all(stand: Stand) -> None:
    """A document whose seal rests on one goes through to it."""
    by, issued = about(stand)
    await _tell_large(stand, issued, by)
    envelope = stand.letter_from(stand.peer.agency, [stand.second.agency])
    prepared = stand.peer.transfer(envelope, [stand.second.agency])
    with _hearing(stand.second_listener) as sizes:
        accepted(
            stand.peer,
            await stand.peer.send(sealed(prepared, SealKind.AGENCY, issued.signer())),
        )
        await stand.second_listener.transfer_of(digest_of(envelope), SOON)
        await asyncio.sleep(BESIDE_SECONDS)
    if not sizes:
        raise InconclusiveError("it told of no statement at all, which W12.3 leaves to it")
    require(max(sizes) <= SMALL_BYTES, f"a statement of {max(sizes)} bytes")

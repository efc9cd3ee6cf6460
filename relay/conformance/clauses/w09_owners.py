"""W9.5 to W9.8: what is handed on, what an owner may say, and which word holds."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from relay.agencies import day_of
from relay.conformance.absence import awaited
from relay.conformance.certificates import issuing, sign_of
from relay.conformance.controls import takes_directories
from relay.conformance.instants import now
from relay.conformance.judging import refused
from relay.conformance.peer import Answer
from relay.conformance.stand import Stand
from relay.conformance.tree import (
    CAPABILITY,
    PATH,
    agency,
    below,
    branch,
    entry,
    hand_in,
    handed_in,
    hearing,
    held,
    is_refused,
    is_taken,
    kit_agency,
    signed,
    sub_node,
)
from relay.conformance.verdicts import (
    Book,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.model import AgencyCode
from relay.wire.branch import Branch, write_branch

book = Book(Part.NEIGHBOUR, capability=CAPABILITY, control=takes_directories)
SOON = 15.0
MARGIN_SECONDS = 0.3


async def _handed(stand: Stand, made: Branch) -> Answer:
    return await hand_in(stand.peer, signed(write_branch(made), stand.peer.signer))


async def _refused(stand: Stand, made: Branch, status: int = 422) -> None:
    before = (await held(stand.peer)).get(made.issuer)
    refused(await _handed(stand, made), "", status)
    require_equal((await held(stand.peer)).get(made.issuer), before, "what is held of the issuer")


# ------------------------------------------------------------ W9.5: handed on


@book.asserts(
    "W9.5",
    "handed-on",
    "A directory is handed on to another neighbour as it was signed",
    Part.SECOND,
)
async def handed_on(stand: Stand) -> None:
    with hearing(stand.second_listener) as heard:
        one = await handed_in(stand, branch(stand, kit_agency(stand)))
        found = lambda: one in heard  # noqa: E731
        await awaited(stand, found, SOON, "the directory", stand.second_listener)


@book.asserts("W9.5", "not-back", "A directory is not handed to the side it is of", Part.SECOND)
async def not_back(stand: Stand) -> None:
    own, other = stand.listener, stand.second_listener
    with hearing(own) as heard, hearing(other) as elsewhere:
        before = len(own.calls)
        one = await handed_in(stand, branch(stand, kit_agency(stand)))
        await other.until(lambda: one in elsewhere, SOON, "the directory")
        with suppress(InconclusiveError):  # it need not even be asked what it has
            await own.until(lambda: ("GET", PATH) in own.calls[before:], 2.0, "a look")
        await asyncio.sleep(MARGIN_SECONDS)
    require(one not in heard, "it was handed back to where it came from")


# ------------------------------------------------------------ W9.6: what is refused


@book.asserts("W9.6", "older", "A lower version than the one held is 409")
async def older(stand: Stand) -> None:
    made = branch(stand, kit_agency(stand))
    await handed_in(stand, made)
    await _refused(stand, replace(made, version=made.version - 1), 409)


@book.asserts("W9.6", "other-content", "Other bytes under the version held are 409")
async def other_content(stand: Stand) -> None:
    made = branch(stand, kit_agency(stand))
    await handed_in(stand, made)
    await _refused(stand, replace(made, expires_at=made.expires_at + timedelta(days=1)), 409)


@book.asserts("W9.6", "expired", "A directory that expired long ago is refused")
async def expired(stand: Stand) -> None:
    made, at = branch(stand, kit_agency(stand)), now()
    began, ended = at - timedelta(days=900), at - timedelta(days=800)
    await _refused(stand, replace(made, issued_at=began, expires_at=ended))


@book.asserts("W9.6", "future", "A directory issued in the future is not taken yet: 503")
async def future(stand: Stand) -> None:
    later = now() + timedelta(hours=2)
    made = branch(stand, kit_agency(stand))
    await _refused(stand, replace(made, issued_at=later, expires_at=later + timedelta(days=1)), 503)


@book.asserts(
    "W9.6",
    "another-side",
    "A directory of an issuer that does not lie behind the neighbour is refused",
    Part.SECOND,
)
async def another_side(stand: Stand) -> None:
    second = stand.second
    made = branch(stand, agency(second.agency, second.node), issuer=second.node)
    refused(await hand_in(stand.peer, signed(write_branch(made), second.signer)), "wrong-node")


@book.asserts(
    "W9.6", "served-outside", "An agency served outside the branch is refused", Part.SECOND
)
async def served_outside(stand: Stand) -> None:
    outside = agency(below(stand, "03"), stand.second.node)
    await _refused(stand, branch(stand, kit_agency(stand), outside))


@book.asserts("W9.6", "placed-outside", "A node of another branch cannot be placed", Part.SECOND)
async def placed_outside(stand: Stand) -> None:
    taken = entry(stand.second.node, stand.peer.node)
    await _refused(stand, branch(stand, kit_agency(stand), nodes=[taken]))


@book.asserts("W9.6", "no-parent-within", "A node under a parent outside the branch is refused")
async def no_parent_within(stand: Stand) -> None:
    beside = entry(f"{stand.peer.node}-beside", stand.subject.id)
    await _refused(stand, branch(stand, kit_agency(stand), nodes=[beside]))


@book.asserts("W9.6", "itself", "The issuer cannot place itself")
async def itself(stand: Stand) -> None:
    own = entry(stand.peer.node, stand.subject.id)
    await _refused(stand, branch(stand, kit_agency(stand), nodes=[own]))


# ------------------------------------------------------------ W9.7: whose codes


@book.asserts("W9.7", "below-its-own", "A new code under the issuer's own is taken", Part.SECOND)
async def below_its_own(stand: Stand) -> None:
    code = below(stand, "04")
    await handed_in(stand, branch(stand, kit_agency(stand), agency(code, stand.peer.node)))
    await is_taken(stand, code, "for the new code")


@book.asserts("W9.7", "anothers", "A code that is listed outside the branch is refused")
async def anothers(stand: Stand) -> None:
    stolen = agency(stand.subject.agency, stand.peer.node)
    await _refused(stand, branch(stand, kit_agency(stand), stolen))


@book.asserts("W9.7", "under-anothers", "A new code under another's is refused")
async def under_anothers(stand: Stand) -> None:
    stolen = agency(f"{stand.subject.agency}.77", stand.peer.node)
    await _refused(stand, branch(stand, kit_agency(stand), stolen))


@book.asserts("W9.7", "old-code", "Another's code as the second code of an agency is refused")
async def old_code(stand: Stand) -> None:
    own = replace(kit_agency(stand), old_code=AgencyCode(stand.subject.agency))
    await _refused(stand, branch(stand, own))


@book.asserts("W9.7", "as-a-whole", "One refused code refuses the whole directory", Part.SECOND)
async def as_a_whole(stand: Stand) -> None:
    code = below(stand, "05")
    good, stolen = (agency(one, stand.peer.node) for one in (code, stand.subject.agency))
    await _refused(stand, branch(stand, kit_agency(stand), good, stolen))
    await is_refused(stand, code, "for the code beside it")


# ------------------------------------------------------------ W9.8: which holds


@book.asserts(
    "W9.8",
    "nearest-the-top",
    "Of two that name an agency the word of the issuer nearer the top holds",
    Part.SECOND,
)
async def nearest_the_top(stand: Stand) -> None:
    """One below closes the agency, and one above has it open: and the other way round."""
    sub, code = sub_node(stand), below(stand, "06")
    signer = issuing(stand.authority, [stand.subject.id]).make(sign_of(sub)).signer()
    opened = agency(code, sub)
    closed = replace(opened, valid_to=day_of(now() - timedelta(days=9)))
    under = [entry(sub, stand.peer.node)]
    await handed_in(stand, branch(stand, kit_agency(stand), opened, nodes=under))
    await handed_in(stand, branch(stand, closed, issuer=sub), signer)
    await is_taken(stand, code, "where the one above has it open")
    await handed_in(stand, branch(stand, kit_agency(stand), nodes=under))
    await is_refused(stand, code, "where only the one below names it")


@book.asserts("W9.8", "stays", "A directory that expires stays in force", Part.SECOND)
async def stays(stand: Stand) -> None:
    code = below(stand, "07")
    made = branch(stand, kit_agency(stand), agency(code, stand.peer.node))
    await handed_in(stand, replace(made, expires_at=now() + timedelta(seconds=1)))
    await asyncio.sleep(1.1)
    await is_taken(stand, code, "after it expired")

"""W9: directories of branches, as the kit's node issues one and the judged node holds and hands it on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from relay.agencies import day_of
from relay.conformance.certificates import issuing, past, sign_of
from relay.conformance.instants import now
from relay.conformance.judging import refused
from relay.conformance.peer import Answer
from relay.conformance.stand import Stand
from relay.conformance.tree import (
    BINDING,
    CAPABILITY,
    PATH,
    TYPE,
    agency,
    body,
    branch,
    entry,
    hand_in,
    handed_in,
    hearing,
    held,
    kit_agency,
    outcome,
    signed,
    sub_node,
)
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Judge,
    Part,
    require,
    require_equal,
)
from relay.model import AgencyCode, Event, Reason, Signed, digest_of
from relay.signing.xades import DocumentName, build
from relay.wire.branch import Branch, write_branch

book = Book()
SOON = 15.0
MARGIN_SECONDS = 0.3


def _asserts(clause: str, name: str, title: str, *needs: Part) -> Callable[[Judge], Judge]:
    return book.asserts(clause, name, title, *(needs or (Part.NEIGHBOUR,)), capability=CAPABILITY)


def _below(stand: Stand, last: str) -> str:
    """A code under that of the kit's agency, which is the kit's to give."""
    return f"{stand.peer.agency}.{last}"


async def _handed(stand: Stand, made: Branch) -> Answer:
    return await hand_in(stand.peer, signed(write_branch(made), stand.peer.signer))


async def _refused(stand: Stand, made: Branch, status: int = 422) -> None:
    before = (await held(stand.peer)).get(made.issuer)
    refused(await _handed(stand, made), "", status)
    require_equal((await held(stand.peer)).get(made.issuer), before, "what is held of the issuer")


GONE = frozenset({Reason.UNKNOWN_RECIPIENT, Reason.CLOSED_RECIPIENT})
"""Of a code that is listed no more a node may remember that it was."""


async def _is_taken(stand: Stand, code: str, when: str) -> None:
    """A document for the code, that is."""
    found = await outcome(stand, code)
    require_equal(
        (found.event, found.reason), (Event.RELAY_ACCEPTANCE, None), f"the evidence {when}"
    )


async def _is_refused(stand: Stand, code: str, when: str) -> None:
    found = await outcome(stand, code)
    refusal = found.event is Event.RELAY_REJECTION and found.reason in GONE
    require(refusal, f"the evidence {when} is {found.event} {found.reason}")


# ------------------------------------------------------------ W9.1: the document

_SPOILT: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "declaration": ("an XML declaration", lambda text: b'<?xml version="1.0"?>' + text),
    "white-space": (
        "white space between elements",
        lambda text: text.replace(b"<Nodes>", b"\n<Nodes>", 1),
    ),
    "doctype": ("a document type", lambda text: b"<!DOCTYPE Directory>" + text),
    "unknown-element": (
        "an element that nobody knows",
        lambda text: text.replace(b"</Agency>", b"<Motto>x</Motto></Agency>", 1),
    ),
    "empty-element": (
        "an element that says what its absence says",
        lambda text: text.replace(b"</Agency>", b"<Deleted>false</Deleted></Agency>", 1),
    ),
    "no-day": (
        "a day that is none",
        lambda text: text.replace(b"</Agency>", b"<ValidTo>2025-02-30</ValidTo></Agency>", 1),
    ),
    "trailing": ("bytes behind it", lambda text: text + b"\n"),
    "too-many-successors": (
        "65 successors",
        lambda text: text.replace(
            b"</Agency>", b"<Successor>H98</Successor>" * 65 + b"</Agency>", 1
        ),
    ),
}


_SPOILT["too-many-certificates"] = (
    "17 certificates of an agency",
    lambda text: text.replace(
        b"</Agency>", b"<Certificate>%b</Certificate>" % (b"0" * 64) * 17 + b"</Agency>", 1
    ),
)


def _about_form(name: str, said: str, change: Callable[[bytes], bytes]) -> None:
    @_asserts("W9.1", name, f"A directory with {said} is refused")
    async def spoilt(stand: Stand) -> None:
        written = write_branch(branch(stand, kit_agency(stand)))
        found = change(written)
        if found == written:
            raise AssertionError("the document was not changed")
        refused(await hand_in(stand.peer, signed(found, stand.peer.signer)), "")


for _name, _about in _SPOILT.items():
    _about_form(_name, *_about)


def _agencies_of(text: bytes) -> tuple[bytes, list[bytes], bytes]:
    head, start, rest = text.partition(b"<Agencies>")
    middle, end, _ = rest.partition(b"</Agencies>")
    several = [one + b"</Agency>" for one in middle.split(b"</Agency>") if one]
    return head + start, several, end + b"</Directory>"


@_asserts("W9.1", "order", "A directory whose agencies are in another order is refused")
async def order(stand: Stand) -> None:
    other = agency(_below(stand, "01"), stand.peer.node)
    head, several, end = _agencies_of(write_branch(branch(stand, kit_agency(stand), other)))
    found = head + b"".join(reversed(several)) + end
    refused(await hand_in(stand.peer, signed(found, stand.peer.signer)), "")


@_asserts("W9.1", "twice", "A directory that names an agency twice is refused")
async def twice(stand: Stand) -> None:
    head, several, end = _agencies_of(write_branch(branch(stand, kit_agency(stand))))
    found = head + several[0] + several[0] + end
    refused(await hand_in(stand.peer, signed(found, stand.peer.signer)), "")


@_asserts("W9.1", "as-many-as-may-be", "64 successors and 16 certificates are taken")
async def as_many_as_may_be(stand: Stand) -> None:
    own = replace(
        kit_agency(stand, *(digest_of(bytes([number])) for number in range(16))),
        successors=tuple(AgencyCode(f"G{number}") for number in range(10, 74)),
    )
    if BINDING not in stand.capabilities:
        own = replace(own, certificates=())
    await handed_in(stand, branch(stand, own))


# ------------------------------------------------------------ W9.2: all of it, signed by its issuer


@_asserts("W9.2", "whole", "A directory replaces its issuer's earlier one whole", Part.SECOND)
async def whole(stand: Stand) -> None:
    code = _below(stand, "02")
    await handed_in(stand, branch(stand, kit_agency(stand), agency(code, stand.peer.node)))
    await _is_taken(stand, code, "while the code is listed")
    await handed_in(stand, branch(stand, kit_agency(stand)))
    await _is_refused(stand, code, "once it is listed no more")


@_asserts("W9.2", "another-signer", "A directory signed by another node is refused", Part.SECOND)
async def another_signer(stand: Stand) -> None:
    written = write_branch(branch(stand, kit_agency(stand)))
    refused(await hand_in(stand.peer, signed(written, stand.second.signer)), "wrong-node")


@_asserts(
    "W9.2", "node-leaves", "A node that is listed no more leaves with its agencies", Part.SECOND
)
async def node_leaves(stand: Stand) -> None:
    sub, code = f"{stand.peer.node}-leaving", _below(stand, "08")
    leaving = branch(
        stand, kit_agency(stand), agency(code, sub), nodes=[entry(sub, stand.peer.node)]
    )
    await handed_in(stand, leaving)
    await _is_taken(stand, code, "while it is listed")
    await handed_in(stand, branch(stand, kit_agency(stand)))
    await _is_refused(stand, code, "once it is listed no more")


@_asserts("W9.2", "other-bytes", "A directory of other bytes than those signed is refused")
async def other_bytes(stand: Stand) -> None:
    one = signed(write_branch(branch(stand, kit_agency(stand))), stand.peer.signer)
    spoilt = one.document.replace(b"<Name>B", b"<Name>b", 1)
    refused(await hand_in(stand.peer, Signed(spoilt, one.signature)), "")


@_asserts("W9.2", "as-of-signing", "A directory whose signer's certificate ended since is taken")
async def as_of_signing(stand: Stand) -> None:
    by = issuing(stand.authority, [stand.subject.id])
    signer = by.make(sign_of(stand.peer.node), past(20)).signer()
    written = write_branch(branch(stand, kit_agency(stand)))
    before = now() - timedelta(seconds=40)
    signature = build(DocumentName.DIRECTORY, digest_of(written), "node", signer, before)
    require_equal((await hand_in(stand.peer, Signed(written, signature))).status, 204, "the status")


# ------------------------------------------------------------ W9.3, W9.4: handed in, and shown


@_asserts("W9.3", "idempotent", "A directory handed in twice is taken both times")
async def idempotent(stand: Stand) -> None:
    one = await handed_in(stand, branch(stand, kit_agency(stand)))
    require_equal((await hand_in(stand.peer, one)).status, 204, "the status of the repeat")


@_asserts(
    "W9.3", "durable", "A directory that was taken outlives a crash", Part.NEIGHBOUR, Part.CRASH
)
async def durable(stand: Stand) -> None:
    one = await handed_in(stand, branch(stand, kit_agency(stand)))
    await stand.crash()
    found = (await held(stand.peer)).get(stand.peer.node)
    require(found is not None and found[1] == one.digest, f"after the crash {found} is held")


_FRAMES: dict[str, tuple[str, Callable[[Signed], bytes]]] = {
    "no-signature": ("no signature", lambda one: bytes(4) + one.document),
    "long-signature": (
        "a signature over 64 KiB",
        lambda one: body(Signed(one.document, one.signature + b" " * (64 << 10))),
    ),
    "no-end": ("a signature that does not end", lambda one: body(one)[: len(one.signature)]),
    "no-document": ("no document", lambda one: body(Signed(b"", one.signature))),
}


def _about_frame(name: str, said: str, frame: Callable[[Signed], bytes]) -> None:
    @_asserts("W9.3", name, f"A body with {said} is refused")
    async def framed(stand: Stand) -> None:
        one = signed(write_branch(branch(stand, kit_agency(stand))), stand.peer.signer)
        answer = await stand.peer.post(PATH, frame(one), {"Content-Type": TYPE})
        require(400 <= answer.status < 500, f"answered {answer.status}")


for _name, _frame in _FRAMES.items():
    _about_frame(_name, *_frame)


@_asserts("W9.4", "listed", "What is held is listed with its version and digest")
async def listed(stand: Stand) -> None:
    made = branch(stand, kit_agency(stand))
    one = await handed_in(stand, made)
    found = (await held(stand.peer)).get(stand.peer.node)
    require_equal(found, (made.version, one.digest), "version and digest of the kit's directory")


@_asserts("W9.4", "given", "What is held is given as it was signed")
async def given(stand: Stand) -> None:
    one = await handed_in(stand, branch(stand, kit_agency(stand)))
    answer = await stand.peer.get(f"{PATH}/{stand.peer.node}")
    require_equal((answer.status, answer.kind), (200, TYPE), "status and Content-Type")
    require(answer.body == body(one), "the directory that is given has other bytes")


@_asserts("W9.4", "unknown", "A directory that is not held is 404")
async def unknown(stand: Stand) -> None:
    answer = await stand.peer.get(f"{PATH}/{stand.peer.node}-404")
    require_equal(answer.status, 404, "the status")


# ------------------------------------------------------------ W9.5: handed on


@_asserts(
    "W9.5",
    "handed-on",
    "A directory is handed on to another neighbour as it was signed",
    Part.SECOND,
)
async def handed_on(stand: Stand) -> None:
    with hearing(stand.second_listener) as heard:
        one = await handed_in(stand, branch(stand, kit_agency(stand)))
        try:
            await stand.second_listener.until(lambda: one in heard, SOON, "the directory")
        except InconclusiveError:
            raise FailedError(f"it was not handed on within {SOON:g} s") from None


@_asserts("W9.5", "not-back", "A directory is not handed to the side it is of", Part.SECOND)
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


@_asserts("W9.6", "older", "A lower version than the one held is 409")
async def older(stand: Stand) -> None:
    made = branch(stand, kit_agency(stand))
    await handed_in(stand, made)
    await _refused(stand, replace(made, version=made.version - 1), 409)


@_asserts("W9.6", "other-content", "Other bytes under the version held are 409")
async def other_content(stand: Stand) -> None:
    made = branch(stand, kit_agency(stand))
    await handed_in(stand, made)
    await _refused(stand, replace(made, expires_at=made.expires_at + timedelta(days=1)), 409)


@_asserts("W9.6", "expired", "A directory that expired long ago is refused")
async def expired(stand: Stand) -> None:
    made, at = branch(stand, kit_agency(stand)), now()
    began, ended = at - timedelta(days=900), at - timedelta(days=800)
    await _refused(stand, replace(made, issued_at=began, expires_at=ended))


@_asserts("W9.6", "future", "A directory issued in the future is not taken yet: 503")
async def future(stand: Stand) -> None:
    later = now() + timedelta(hours=2)
    made = branch(stand, kit_agency(stand))
    await _refused(stand, replace(made, issued_at=later, expires_at=later + timedelta(days=1)), 503)


@_asserts(
    "W9.6",
    "another-side",
    "A directory of an issuer that does not lie behind the neighbour is refused",
    Part.SECOND,
)
async def another_side(stand: Stand) -> None:
    second = stand.second
    made = branch(stand, agency(second.agency, second.node), issuer=second.node)
    refused(await hand_in(stand.peer, signed(write_branch(made), second.signer)), "wrong-node")


@_asserts("W9.6", "served-outside", "An agency served outside the branch is refused", Part.SECOND)
async def served_outside(stand: Stand) -> None:
    outside = agency(_below(stand, "03"), stand.second.node)
    await _refused(stand, branch(stand, kit_agency(stand), outside))


@_asserts("W9.6", "placed-outside", "A node of another branch cannot be placed", Part.SECOND)
async def placed_outside(stand: Stand) -> None:
    taken = entry(stand.second.node, stand.peer.node)
    await _refused(stand, branch(stand, kit_agency(stand), nodes=[taken]))


@_asserts("W9.6", "no-parent-within", "A node under a parent outside the branch is refused")
async def no_parent_within(stand: Stand) -> None:
    beside = entry(f"{stand.peer.node}-beside", stand.subject.id)
    await _refused(stand, branch(stand, kit_agency(stand), nodes=[beside]))


@_asserts("W9.6", "itself", "The issuer cannot place itself")
async def itself(stand: Stand) -> None:
    own = entry(stand.peer.node, stand.subject.id)
    await _refused(stand, branch(stand, kit_agency(stand), nodes=[own]))


# ------------------------------------------------------------ W9.7: whose codes


@_asserts("W9.7", "below-its-own", "A new code under the issuer's own is taken", Part.SECOND)
async def below_its_own(stand: Stand) -> None:
    code = _below(stand, "04")
    await handed_in(stand, branch(stand, kit_agency(stand), agency(code, stand.peer.node)))
    await _is_taken(stand, code, "for the new code")


@_asserts("W9.7", "anothers", "A code that is listed outside the branch is refused")
async def anothers(stand: Stand) -> None:
    stolen = agency(stand.subject.agency, stand.peer.node)
    await _refused(stand, branch(stand, kit_agency(stand), stolen))


@_asserts("W9.7", "under-anothers", "A new code under another's is refused")
async def under_anothers(stand: Stand) -> None:
    stolen = agency(f"{stand.subject.agency}.77", stand.peer.node)
    await _refused(stand, branch(stand, kit_agency(stand), stolen))


@_asserts("W9.7", "old-code", "Another's code as the second code of an agency is refused")
async def old_code(stand: Stand) -> None:
    own = replace(kit_agency(stand), old_code=AgencyCode(stand.subject.agency))
    await _refused(stand, branch(stand, own))


@_asserts("W9.7", "as-a-whole", "One refused code refuses the whole directory", Part.SECOND)
async def as_a_whole(stand: Stand) -> None:
    code = _below(stand, "05")
    good, stolen = (agency(one, stand.peer.node) for one in (code, stand.subject.agency))
    await _refused(stand, branch(stand, kit_agency(stand), good, stolen))
    await _is_refused(stand, code, "for the code beside it")


# ------------------------------------------------------------ W9.8: which holds


@_asserts(
    "W9.8",
    "nearest-the-top",
    "Of two that name an agency the word of the issuer nearer the top holds",
    Part.SECOND,
)
async def nearest_the_top(stand: Stand) -> None:
    """One below closes the agency, and one above has it open: and the other way round."""
    sub, code = sub_node(stand), _below(stand, "06")
    signer = issuing(stand.authority, [stand.subject.id]).make(sign_of(sub)).signer()
    opened = agency(code, sub)
    closed = replace(opened, valid_to=day_of(now() - timedelta(days=9)))
    under = [entry(sub, stand.peer.node)]
    await handed_in(stand, branch(stand, kit_agency(stand), opened, nodes=under))
    await handed_in(stand, branch(stand, closed, issuer=sub), signer)
    await _is_taken(stand, code, "where the one above has it open")
    await handed_in(stand, branch(stand, kit_agency(stand), nodes=under))
    await _is_refused(stand, code, "where only the one below names it")


@_asserts("W9.8", "stays", "A directory that expires stays in force", Part.SECOND)
async def stays(stand: Stand) -> None:
    code = _below(stand, "07")
    made = branch(stand, kit_agency(stand), agency(code, stand.peer.node))
    await handed_in(stand, replace(made, expires_at=now() + timedelta(seconds=1)))
    await asyncio.sleep(1.1)
    await _is_taken(stand, code, "after it expired")

"""W9.1 to W9.4: directories of branches, as the kit's node issues one and the judged node holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from relay.conformance.certificates import issuing, past, sign_of
from relay.conformance.controls import takes_directories
from relay.conformance.instants import now
from relay.conformance.judging import refused
from relay.conformance.stand import Stand
from relay.conformance.tree import (
    BINDING,
    CAPABILITY,
    PATH,
    TYPE,
    agency,
    below,
    body,
    branch,
    entry,
    hand_in,
    handed_in,
    held,
    is_refused,
    is_taken,
    kit_agency,
    signed,
)
from relay.conformance.verdicts import (
    Book,
    Part,
    require,
    require_equal,
)
from relay.model import AgencyCode, Signed, digest_of
from relay.signing.xades import DocumentName, build
from relay.wire.branch import write_branch

book = Book(Part.NEIGHBOUR, capability=CAPABILITY, control=takes_directories)


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
    @book.asserts("W9.1", name, f"A directory with {said} is refused")
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


@book.asserts("W9.1", "order", "A directory whose agencies are in another order is refused")
async def order(stand: Stand) -> None:
    other = agency(below(stand, "01"), stand.peer.node)
    head, several, end = _agencies_of(write_branch(branch(stand, kit_agency(stand), other)))
    found = head + b"".join(reversed(several)) + end
    refused(await hand_in(stand.peer, signed(found, stand.peer.signer)), "")


@book.asserts("W9.1", "twice", "A directory that names an agency twice is refused")
async def twice(stand: Stand) -> None:
    head, several, end = _agencies_of(write_branch(branch(stand, kit_agency(stand))))
    found = head + several[0] + several[0] + end
    refused(await hand_in(stand.peer, signed(found, stand.peer.signer)), "")


@book.asserts("W9.1", "as-many-as-may-be", "64 successors and 16 certificates are taken")
async def as_many_as_may_be(stand: Stand) -> None:
    own = replace(
        kit_agency(stand, *(digest_of(bytes([number])) for number in range(16))),
        successors=tuple(AgencyCode(f"G{number}") for number in range(10, 74)),
    )
    if BINDING not in stand.capabilities:
        own = replace(own, certificates=())
    await handed_in(stand, branch(stand, own))


# ------------------------------------------------------------ W9.2: all of it, signed by its issuer


@book.asserts("W9.2", "whole", "A directory replaces its issuer's earlier one whole", Part.SECOND)
async def whole(stand: Stand) -> None:
    code = below(stand, "02")
    await handed_in(stand, branch(stand, kit_agency(stand), agency(code, stand.peer.node)))
    await is_taken(stand, code, "while the code is listed")
    await handed_in(stand, branch(stand, kit_agency(stand)))
    await is_refused(stand, code, "once it is listed no more")


@book.asserts(
    "W9.2", "another-signer", "A directory signed by another node is refused", Part.SECOND
)
async def another_signer(stand: Stand) -> None:
    written = write_branch(branch(stand, kit_agency(stand)))
    refused(await hand_in(stand.peer, signed(written, stand.second.signer)), "wrong-node")


@book.asserts(
    "W9.2", "node-leaves", "A node that is listed no more leaves with its agencies", Part.SECOND
)
async def node_leaves(stand: Stand) -> None:
    sub, code = f"{stand.peer.node}-leaving", below(stand, "08")
    leaving = branch(
        stand, kit_agency(stand), agency(code, sub), nodes=[entry(sub, stand.peer.node)]
    )
    await handed_in(stand, leaving)
    await is_taken(stand, code, "while it is listed")
    await handed_in(stand, branch(stand, kit_agency(stand)))
    await is_refused(stand, code, "once it is listed no more")


@book.asserts("W9.2", "other-bytes", "A directory of other bytes than those signed is refused")
async def other_bytes(stand: Stand) -> None:
    one = signed(write_branch(branch(stand, kit_agency(stand))), stand.peer.signer)
    spoilt = one.document.replace(b"<Name>B", b"<Name>b", 1)
    refused(await hand_in(stand.peer, Signed(spoilt, one.signature)), "")


@book.asserts(
    "W9.2", "as-of-signing", "A directory whose signer's certificate ended since is taken"
)
async def as_of_signing(stand: Stand) -> None:
    by = issuing(stand.authority, [stand.subject.id])
    signer = by.make(sign_of(stand.peer.node), past(20)).signer()
    written = write_branch(branch(stand, kit_agency(stand)))
    before = now() - timedelta(seconds=40)
    signature = build(DocumentName.DIRECTORY, digest_of(written), "node", signer, before)
    require_equal((await hand_in(stand.peer, Signed(written, signature))).status, 204, "the status")


# ------------------------------------------------------------ W9.3, W9.4: handed in, and shown


@book.asserts("W9.3", "idempotent", "A directory handed in twice is taken both times")
async def idempotent(stand: Stand) -> None:
    one = await handed_in(stand, branch(stand, kit_agency(stand)))
    require_equal((await hand_in(stand.peer, one)).status, 204, "the status of the repeat")


@book.asserts(
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
    @book.asserts("W9.3", name, f"A body with {said} is refused")
    async def framed(stand: Stand) -> None:
        one = signed(write_branch(branch(stand, kit_agency(stand))), stand.peer.signer)
        answer = await stand.peer.post(PATH, frame(one), {"Content-Type": TYPE})
        require(400 <= answer.status < 500, f"answered {answer.status}")


for _name, _frame in _FRAMES.items():
    _about_frame(_name, *_frame)


@book.asserts("W9.4", "listed", "What is held is listed with its version and digest")
async def listed(stand: Stand) -> None:
    made = branch(stand, kit_agency(stand))
    one = await handed_in(stand, made)
    found = (await held(stand.peer)).get(stand.peer.node)
    require_equal(found, (made.version, one.digest), "version and digest of the kit's directory")


@book.asserts("W9.4", "given", "What is held is given as it was signed")
async def given(stand: Stand) -> None:
    one = await handed_in(stand, branch(stand, kit_agency(stand)))
    answer = await stand.peer.get(f"{PATH}/{stand.peer.node}")
    require_equal((answer.status, answer.kind), (200, TYPE), "status and Content-Type")
    require(answer.body == body(one), "the directory that is given has other bytes")


@book.asserts("W9.4", "unknown", "A directory that is not held is 404")
async def unknown(stand: Stand) -> None:
    answer = await stand.peer.get(f"{PATH}/{stand.peer.node}-404")
    require_equal(answer.status, 404, "the status")

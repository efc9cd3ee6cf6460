"""Directories of branches as the kit's first node issues them.

Each replaces the one before, so each has a higher version; the kit's own agency stands in every one.

Touches: the clock, which gives the versions.
Raises:  FailedError where a node does not take one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from aiohttp import web

from relay.agencies import Agency, NodeEntry
from relay.conformance.instants import now
from relay.conformance.listener import Listener
from relay.conformance.peer import Answer, Peer, json_object
from relay.conformance.stand import Stand
from relay.conformance.verdicts import FailedError, require, require_equal
from relay.model import AgencyCode, Digest, Event, Evidence, NodeId, Reason, Signed, Tier, digest_of
from relay.signing.keys import Signer
from relay.signing.xades import DocumentName, build
from relay.wire.branch import Branch, write_branch

PATH = "/axis/v1/directory"
TYPE = "application/vnd.truc-relay.directory"
CAPABILITY = "directory"
BINDING = "directory-certificates"
GONE = frozenset({Reason.UNKNOWN_RECIPIENT, Reason.CLOSED_RECIPIENT})
"""Of a code that is listed no more a node may remember that it was."""


def kit_agency(stand: Stand, *certificates: Digest) -> Agency:
    """The agency of the kit's first node, with what is bound to it."""
    return agency(stand.peer.agency, stand.peer.node, certificates=certificates)


def agency(code: str, node: str, **more: object) -> Agency:
    made = Agency(AgencyCode(code), "Bộ kiểm tra", Tier.COMMUNE, NodeId(node))
    return replace(made, **more)  # type: ignore[arg-type]


def entry(node: str, parent: str) -> NodeEntry:
    return NodeEntry(NodeId(node), Tier.COMMUNE, NodeId(parent))


def branch(
    stand: Stand, *agencies: Agency, nodes: Sequence[NodeEntry] = (), issuer: str = ""
) -> Branch:
    """That of the kit's first node, or of another issuer; the next version."""
    at = now()
    return Branch(
        issuer=NodeId(issuer or stand.peer.node),
        version=int(at.timestamp() * 1000),
        issued_at=at,
        expires_at=at + timedelta(days=30),
        nodes=tuple(nodes),
        agencies=agencies,
    )


def signed(document: bytes, signer: Signer, at: datetime | None = None) -> Signed:
    signature = build(DocumentName.DIRECTORY, digest_of(document), "node", signer, at or now())
    return Signed(document, signature)


def body(one: Signed) -> bytes:
    """W9.3."""
    return len(one.signature).to_bytes(4, "big") + one.signature + one.document


async def hand_in(peer: Peer, one: Signed) -> Answer:
    return await peer.post(PATH, body(one), {"Content-Type": TYPE})


async def handed_in(stand: Stand, made: Branch, signer: Signer | None = None) -> Signed:
    """By the kit's first node, and taken."""
    found = signed(write_branch(made), signer or stand.peer.signer)
    require_equal((await hand_in(stand.peer, found)).status, 204, "the status of the directory")
    return found


def below(stand: Stand, last: str) -> str:
    """A code under that of the kit's agency, which is the kit's to give."""
    return f"{stand.peer.agency}.{last}"


def sub_node(stand: Stand) -> str:
    """A node below the kit's first, which nobody but the kit's documents knows of."""
    return f"{stand.peer.node}-sub"


async def outcome(stand: Stand, code: str) -> Evidence:
    """What becomes of a document of the kit's second agency for that code: the first evidence."""
    envelope = stand.letter_from(stand.second.agency, [code])
    answer = await stand.second.send(stand.second.transfer(envelope, [code]))
    return stand.second.receipt(answer).evidence[0]


async def is_taken(stand: Stand, code: str, when: str) -> None:
    """A document for the code, that is."""
    found = await outcome(stand, code)
    expected = (Event.RELAY_ACCEPTANCE, None)
    require_equal((found.event, found.reason), expected, f"the evidence {when}")


async def is_refused(stand: Stand, code: str, when: str) -> None:
    found = await outcome(stand, code)
    refusal = found.event is Event.RELAY_REJECTION and found.reason in GONE
    require(refusal, f"the evidence {when} is {found.event} {found.reason}")


@contextmanager
def hearing(listener: Listener, *capabilities: str) -> Iterator[list[Signed]]:
    """Until the end of the block the kit's neighbour takes directories; those that were handed to it."""
    heard: list[Signed] = []

    async def take(request: web.Request, content: bytes) -> web.StreamResponse | None:
        if request.path != PATH:
            return None
        if request.method == "GET":
            return web.json_response({"documents": []})
        size = int.from_bytes(content[:4], "big")
        heard.append(Signed(content[4 + size :], content[4 : 4 + size]))
        return web.Response(status=204)

    before = listener.others, listener.capabilities
    listener.others, listener.capabilities = take, [CAPABILITY, *capabilities]
    try:
        yield heard
    finally:
        listener.others, listener.capabilities = before


async def held(peer: Peer) -> dict[str, tuple[int, str]]:
    """W9.4: version and digest of each issuer's, as the node lists them."""
    found = json_object(await peer.get(PATH)).get("documents")
    try:
        return {one["issuer"]: (one["version"], one["digest"]) for one in found or ()}
    except (TypeError, KeyError):
        raise FailedError(f"`documents` are no list of directories: {found!r:.200}") from None

"""Faults in what is taken, kept and handed on of directories of branches."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from relay.agencies import Agency, NodeEntry
from relay.delivery import arrivals
from relay.delivery.directory import hearing, passing, preparing
from relay.delivery.directory.hearing import DirectoryEar
from relay.delivery.directory.passing import DirectoryCourier
from relay.errors import ConflictError, SignatureError, WireError
from relay.journal.ahead import AheadFiles
from relay.journal.directory import DirectoryTable
from relay.model import AgencyCode, NodeId, Reason, Signed
from relay.routing import composing, owning
from relay.routing.next_hop import NoRoute, next_hop
from relay.signing import evidence
from relay.signing.notary import NodeNotary
from relay.transport.nodes.directory import DirectoryFace
from relay.wire.branch import Branch, BranchHead, read_branch, read_head
from tests.conformance.mutants import mutant, put_in

_AGENCY = re.compile(rb"<Agency>.*?</Agency>", re.DOTALL)


@mutant("takes anybody's upload for a transfer", "W6.2/anothers", "W6.2/offset")
def shares_uploads() -> None:
    honest = AheadFiles._path
    put_in(AheadFiles, "_path", lambda self, _, digest: honest(self, NodeId("all"), digest))


def _readable(content: bytes) -> bytes:
    """Whatever means the same, in whatever form."""
    text = re.sub(rb"<\?xml.*?\?>|<!DOCTYPE[^>]*>|<Motto>x</Motto>", b"", content)
    text = re.sub(rb"<Deleted>false</Deleted>|<ValidTo>2025-02-30</ValidTo>", b"", text)
    text = re.sub(rb"(<Successor>H98</Successor>){2,}", b"", text)
    text = re.sub(rb"(<Certificate>0{64}</Certificate>){2,}", b"", text)
    text = re.sub(rb">\s+<", b"><", text.strip())
    head, start, rest = text.partition(b"<Agencies>")
    several = sorted(set(_AGENCY.findall(rest)), key=lambda one: one.split(b"</Code>")[0])
    return head + start + b"".join(several) + b"</Agencies></Directory>"


@mutant(
    "reads a directory in whatever form it is written",
    *(
        f"W9.1/{name}"
        for name in (
            "declaration",
            "white-space",
            "doctype",
            "unknown-element",
            "empty-element",
            "no-day",
            "trailing",
            "too-many-successors",
            "too-many-certificates",
            "order",
            "twice",
        )
    ),
)
def reads_any_directory() -> None:
    put_in(evidence, "read_head", lambda content: read_head(_readable(content)))
    put_in(preparing, "read_branch", lambda content: read_branch(_readable(content)))


@mutant("reads few successors and certificates", "W9.1/as-many-as-may-be")
def reads_few() -> None:
    def read(content: bytes) -> Branch:
        found = read_branch(content)
        if any(len(one.successors) > 32 or len(one.certificates) > 8 for one in found.agencies):
            raise WireError("too many of them")
        return found

    put_in(preparing, "read_branch", read)


@mutant("adds what an issuer says to what it said before", "W9.2/whole", "W9.2/node-leaves")
def adds_to_the_earlier() -> None:
    agencies: dict[NodeId, dict[AgencyCode, Agency]] = defaultdict(dict)
    nodes: dict[NodeId, dict[NodeId, NodeEntry]] = defaultdict(dict)

    def read(content: bytes) -> Branch:
        found = read_branch(content)
        ours, below = agencies[found.issuer], nodes[found.issuer]
        ours.update((one.code, one) for one in found.agencies)
        below.update((one.node_id, one) for one in found.nodes)
        return replace(found, agencies=tuple(ours.values()), nodes=tuple(below.values()))

    put_in(preparing, "read_branch", read)


@mutant("believes a directory whatever its signature is", "W9.2/another-signer", "W9.2/other-bytes")
def believes_directories() -> None:
    def check_branch(_: NodeNotary, signed: Signed, at: datetime) -> BranchHead:
        return read_head(signed.document)

    put_in(NodeNotary, "check_branch", check_branch)


@mutant("takes a directory once, and its repeat for a fault", "W9.3/idempotent")
def refuses_repeated_directories() -> None:
    honest = DirectoryEar._known

    def known(self: DirectoryEar, document: Any) -> bool:
        if honest(self, document):
            raise ConflictError("this was said before")
        return False

    put_in(DirectoryEar, "_known", known)


@mutant("takes a directory before it has stored it", "W9.3/durable")
def forgets_directories() -> None:
    async def write(self: DirectoryTable, written: Any) -> None:
        return None

    put_in(DirectoryTable, "write", write)


@mutant(
    "answers 204 to what it cannot read of a directory",
    *(f"W9.3/{name}" for name in ("no-signature", "long-signature", "no-end", "no-document")),
)
def nods_at_anything() -> None:
    honest = DirectoryFace.take

    async def take(self: DirectoryFace, request: web.Request) -> web.Response:
        try:
            return await honest(self, request)
        except (WireError, SignatureError):
            return web.Response(status=204)

    put_in(DirectoryFace, "take", take)


@mutant(
    "answers with nothing where it should show a directory",
    "W9.4/listed",
    "W9.4/given",
    "W9.4/unknown",
)
def shows_nothing() -> None:
    async def held(self: DirectoryFace, request: web.Request) -> web.Response:
        self.neighbour(request)
        return web.json_response({"documents": []})

    async def document(self: DirectoryFace, request: web.Request) -> web.Response:
        self.neighbour(request)
        return web.Response(status=200)

    put_in(DirectoryFace, "held", held)
    put_in(DirectoryFace, "document", document)


@mutant("keeps directories to itself", "W9.5/handed-on")
def keeps_directories() -> None:
    async def tell(*_: Any) -> None:
        return None

    put_in(DirectoryCourier, "_tell", tell)


@mutant("hands a directory back to where it came from", "W9.5/not-back")
def hands_directories_back() -> None:
    put_in(passing, "lies_behind", lambda *_: False)


@mutant("takes an older directory for a newer", "W9.6/older", "W9.6/other-content")
def takes_older_directories() -> None:
    put_in(DirectoryEar, "_known", lambda *_: False)


@mutant("takes a directory whatever its dates are", "W9.6/expired", "W9.6/future")
def takes_directories_of_any_time() -> None:
    put_in(DirectoryEar, "_require_timely", lambda *_: None)


@mutant("takes a directory from any side", "W9.6/another-side")
def hears_from_any_side() -> None:
    put_in(hearing, "lies_behind", lambda *_: True)


@mutant(
    "lets an issuer say what it likes",
    "W9.6/served-outside",
    "W9.6/placed-outside",
    "W9.6/no-parent-within",
    "W9.6/itself",
    "W9.7/anothers",
    "W9.7/under-anothers",
    "W9.7/old-code",
    "W9.7/as-a-whole",
)
def lets_all_be_claimed() -> None:
    put_in(preparing, "_require_owned", lambda *_: None)


@mutant("lets nobody give a new code", "W9.7/below-its-own")
def gives_no_codes() -> None:
    def of_codes(directory: Any, issuer: Any, agency: Agency, *_: Any) -> Any:
        if directory.find(agency.code) is None:
            yield f"code {agency.code} is new"

    put_in(owning, "_of_codes", of_codes)


@mutant("lets the word from below hold", "W9.8/nearest-the-top")
def hears_the_lowest() -> None:
    put_in(composing, "reversed", lambda layers: layers)


@mutant("lets what expired out of force", "W9.8/stays")
def drops_expired_directories() -> None:
    ends: dict[NodeId, datetime] = {}
    honest = DirectoryEar._require_timely

    def timely(self: DirectoryEar, head: BranchHead, now: datetime) -> None:
        honest(self, head, now)
        ends[head.issuer] = head.expires_at

    def hop(directory: Any, place: Any, code: AgencyCode) -> Any:
        agency = directory.find(code)
        if agency is not None and datetime.now(UTC) > ends.get(
            agency.node, datetime.max.replace(tzinfo=UTC)
        ):
            return NoRoute(Reason.UNKNOWN_RECIPIENT, "it expired")
        return next_hop(directory, place, code)

    put_in(DirectoryEar, "_require_timely", timely)
    put_in(arrivals, "next_hop", hop)

"""W1: who may connect, and what is told of a node."""

from __future__ import annotations

import re
import ssl

from relay.conformance.peer import UnreachableError, asked, json_object, session_of
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, FailedError, Part, require, require_equal

book = Book()
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


@book.asserts("W1.1", "tls-1.2", "A connection of TLS 1.2 is refused", Part.NEIGHBOUR)
async def older_tls(stand: Stand) -> None:
    def older(context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    async with session_of(stand.subject, stand.peer.credentials, older) as session:
        try:
            answer = await asked(
                session,
                stand.exchanges,
                "kit over TLS 1.2",
                "GET",
                f"{stand.subject.nodes}/axis/v1/node",
                None,
                {},
            )
        except UnreachableError:
            return
    raise FailedError(f"answered {answer.status} over TLS 1.2")


@book.asserts("W1.4", "node-document", "A node tells a neighbour what it is", Part.NEIGHBOUR)
async def node_document(stand: Stand) -> None:
    found = json_object(await stand.peer.get("/axis/v1/node"))
    require_equal(found.get("node"), stand.subject.id, "`node`")
    require(1 in found.get("wire", []), "`wire` does not hold version 1")
    require(isinstance(found.get("capabilities"), list), "`capabilities` is no list")
    for name in ("envelope_limit_bytes", "ahead_over_bytes"):
        require(isinstance(found.get(name), int) and found[name] > 0, f"`{name}` is no size")
    time = found.get("time")
    require(time is None or _INSTANT.fullmatch(time) is not None, "`time` is no instant of W2.2")

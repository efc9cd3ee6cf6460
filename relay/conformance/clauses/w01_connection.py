"""W1: who may connect, and what is told of a node."""

from __future__ import annotations

import re
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

import aiohttp

from relay.conformance.business import come_in, evidence_of
from relay.conformance.controls import takes_transfers
from relay.conformance.credentials import Credentials, stranger
from relay.conformance.instants import now
from relay.conformance.judging import refused_so
from relay.conformance.peer import Answer, UnreachableError, asked, json_object, session_of
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.delivery.ports import Acknowledgement
from relay.model import Event, digest_of

book = Book()
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def _older(context: ssl.SSLContext) -> None:
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2


async def _asked_as(
    stand: Stand,
    credentials: Credentials,
    role: str,
    change: Callable[[ssl.SSLContext], None] = lambda _: None,
) -> Answer | None:
    """The answer to a connection with these certificates; None where there is none, which is a refusal: the
    node answers who may connect."""
    async with session_of(stand.subject, credentials, change) as session:
        try:
            return await asked(
                session,
                stand.exchanges,
                role,
                "GET",
                f"{stand.subject.nodes}/axis/v1/node",
                None,
                {},
            )
        except UnreachableError as error:
            await refused_so(stand, error)
            return None


@book.asserts("W1.1", "tls-1.2", "A connection of TLS 1.2 is refused", Part.NEIGHBOUR)
async def older_tls(stand: Stand) -> None:
    answer = await _asked_as(stand, stand.peer.credentials, "kit over TLS 1.2", _older)
    require(answer is None, "answered over TLS 1.2")


@book.asserts(
    "W1.1", "other-root", "A certificate of no configured root is refused", Part.NEIGHBOUR
)
async def other_root(stand: Stand) -> None:
    with tempfile.TemporaryDirectory(prefix="relay-stranger-") as folder:
        false = stranger(Path(folder), stand.peer.node, now())
        answer = await _asked_as(stand, false, "a stranger in the kit's name")
    require(answer is None, "a certificate under a root of the kit's invention was let in")


@book.asserts("W1.2", "no-certificate", "A client without a certificate is refused", Part.NEIGHBOUR)
async def no_certificate(stand: Stand) -> None:
    context = ssl.create_default_context(cafile=str(stand.subject.roots))
    context.check_hostname = False
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        try:
            answer = await asked(
                session,
                stand.exchanges,
                "nobody",
                "GET",
                f"{stand.subject.nodes}/axis/v1/node",
                None,
                {},
            )
        except UnreachableError as error:
            await refused_so(stand, error)
            return
    raise FailedError(f"answered {answer.status} to a client without a certificate")


@book.asserts(
    "W1.2", "no-neighbour", "A node that is no configured neighbour is refused", Part.NEIGHBOUR
)
async def no_neighbour(stand: Stand) -> None:
    other = stand.other_kit
    answer = await _asked_as(stand, stand.authority.of(other), f"{other}, no neighbour")
    require(answer is None or answer.status == 403, f"answered {answer and answer.status}")


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


@book.asserts(
    "W1.5",
    "problem",
    "A failure is a problem document",
    Part.NEIGHBOUR,
    control=takes_transfers,
)
async def problem(stand: Stand) -> None:
    answer = await stand.peer.post("/axis/v1/transfers", b"nothing", {"Content-Type": "text/plain"})
    require(400 <= answer.status < 500, f"answered {answer.status}")
    require_equal(answer.kind, "application/problem+json", "the Content-Type")


async def _nothing(_: Stand) -> None:
    """So that it is judged behind what goes on beside (W18): a node may remember for minutes what a neighbour lacks."""


@book.asserts(
    "W1.7",
    "earlier-release",
    "A neighbour that knows nothing newer is served as ever",
    Part.NEIGHBOUR,
    Part.AXIS,
    begins=_nothing,
)
async def earlier_release(stand: Stand) -> None:
    with stand.listener.of_an_earlier_release():
        letter = stand.letter_out()
        await stand.dms.send(letter)
        try:
            arrived = await stand.listener.transfer_of(digest_of(letter))
        except InconclusiveError as error:
            raise FailedError(f"{error}, and it had come to a newer neighbour") from None
        require(arrived.envelope == letter, "another envelope came")
        prepared = await come_in(stand)
        copies = await stand.dms.until_copies(prepared.envelope)
        if not copies:
            raise InconclusiveError("the document is not at its recipient's disposal")
        await stand.dms.client.update_status(copies[0], Acknowledgement.DONE)
        await evidence_of(stand, prepared.header.message_id, Event.CONTENT_HANDOVER)

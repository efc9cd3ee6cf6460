"""W1.2: whose certificate a node shows, and whose it looks for before it says a word."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from relay.conformance.business import SOON, came_out
from relay.conformance.certificates import Issuing, issuing, tls_of
from relay.conformance.certified import own_issuer
from relay.conformance.instants import now
from relay.conformance.peer import UnreachableError
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.errors import SignatureError
from relay.signing.tls import NodePeers, client_context
from relay.transport.nodes.connections import shown_chain

book = Book(Part.NEIGHBOUR)
HANDSHAKE_SECONDS = 15.0
ATTEMPTS = 2
"""Of the node to call: what it says behind a handshake it says within the first of them."""


async def _chain_shown(stand: Stand) -> tuple[bytes, ...]:
    """By the judged node, whatever it is: nothing is judged in the handshake."""
    mine = stand.peer.credentials
    context = await asyncio.to_thread(
        client_context, mine.file("tls"), mine.key("tls"), stand.subject.roots, check_hostname=False
    )
    context.verify_mode = ssl.CERT_NONE
    host, _, port = str(stand.subject.nodes).removeprefix("https://").rpartition(":")
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)
    except (OSError, TimeoutError) as error:
        raise UnreachableError(f"{type(error).__name__}: {error}") from error
    try:
        return tuple(shown_chain(writer.get_extra_info("ssl_object")))
    finally:
        writer.transport.abort()


@book.asserts("W1.2", "named", "The certificate of a node's listener names the node, for `tls`")
async def named(stand: Stand) -> None:
    chain = await _chain_shown(stand)
    try:
        node = NodePeers(stand.trust, now)(chain)
    except SignatureError as error:
        raise FailedError(f"its certificate proves nothing: {error.reason}: {error}") from error
    require_equal(node, stand.subject.id, "the node that is named")


async def _calls_nobody(stand: Stand, issuer: Issuing, node: str) -> None:
    """Who is shown this certificate is sent nothing; then the kit's own, and what waited is."""
    listener, shown, kit = stand.listener, stand.listener.shown, stand.subject.kit
    if shown is None or kit is None:
        raise InconclusiveError("the kit does not listen")
    host = kit.listen.rpartition(":")[0].strip("[]")
    envelope = stand.letter_out()
    with tempfile.TemporaryDirectory(prefix="relay-occasion-") as folder:
        issued = issuer.make(tls_of(node, host))
        false = issued.to_connect(Path(folder), node, stand.authority.root)
        with shown.another(false):
            await asyncio.sleep(0.1)  # what was being said is over
            before, first = len(listener.calls), shown.handshakes
            await stand.dms.send(envelope)
            await _until(lambda: listener.calls[before:] or shown.handshakes >= first + ATTEMPTS)
            said = listener.calls[before:]
    require(not said, f"it said {said[:1]} to a server with that certificate")
    await stand.peer.node_document()  # it is there again
    await came_out(stand, envelope, "what waited meanwhile")


async def _until(called: Callable[[], object]) -> None:
    end = asyncio.get_running_loop().time() + SOON
    while not called():
        if asyncio.get_running_loop().time() > end:
            raise InconclusiveError(f"it did not call within {SOON:g} s")
        await asyncio.sleep(0.05)


@book.asserts(
    "W1.2",
    "calls-by-name",
    "A server whose certificate names another node is sent no byte of a request",
    Part.AXIS,
)
async def calls_by_name(stand: Stand) -> None:
    await _calls_nobody(stand, own_issuer(stand), f"{stand.peer.node}-another")


@book.asserts(
    "W1.2",
    "calls-by-chain",
    "Nor is one whose certificate names the neighbour and is of another branch",
    Part.AXIS,
    Part.SECOND,
)
async def calls_by_chain(stand: Stand) -> None:
    elsewhere = issuing(stand.authority, [stand.second.node])
    await _calls_nobody(stand, elsewhere, stand.peer.node)

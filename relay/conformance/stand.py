"""Where one judged node stands, with the kit around it in every part it plays.

Touches: what its parts touch.
Raises:  NotClaimedError for a part that the node's file does not say how to reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from relay.conformance import dms, papers, peer
from relay.conformance.credentials import Authority
from relay.conformance.dms import Dms
from relay.conformance.exchanges import Exchanges
from relay.conformance.history import OwnLog
from relay.conformance.instants import now
from relay.conformance.link import Way
from relay.conformance.listener import Listener, listening
from relay.conformance.peer import Peer, UnreachableError
from relay.conformance.subject import Subject
from relay.conformance.verdicts import NotClaimedError
from relay.conformance.witness import Witness
from relay.model import AgencyCode, MessageType, NodeId, Priority
from relay.signing.trust import TrustStore

TRIES = 100
Value = TypeVar("Value")


@dataclass(slots=True)
class Stand:
    """What an assertion is given: `subject` is judged, `other` is the second node."""

    subject: Subject
    other: Subject
    exchanges: Exchanges
    authority: Authority
    """Of the kit's certificates, for whoever needs another one."""
    trust: TrustStore
    """The roots of both judged nodes."""
    _peer: Peer | None = None
    _listener: Listener | None = None
    _log: OwnLog | None = None
    _dms: Dms | None = None
    _other_dms: Dms | None = None
    way: Way | None = None
    """From the judged node to the other."""
    crashes: Callable[[], Awaitable[None]] | None = None
    capabilities: frozenset[str] = frozenset()

    @property
    def peer(self) -> Peer:
        """The kit as a neighbour that calls the node."""
        return _there(self._peer, "the kit is no neighbour of it")

    @property
    def listener(self) -> Listener:
        """The same neighbour, as the node calls it."""
        return _there(self._listener, "the kit is no neighbour of it")

    @property
    def witness(self) -> Witness:
        """The same neighbour, as the node's log is handed in to it."""
        return self.listener.witness

    @property
    def log(self) -> OwnLog:
        """The neighbour's own log."""
        return _there(self._log, "the kit is no neighbour of it")

    @property
    def dms(self) -> Dms:
        return _there(self._dms, "no credentials for its axis face")

    @property
    def other_dms(self) -> Dms:
        return _there(self._other_dms, "no credentials for the other's axis face")

    @property
    def link(self) -> Way:
        return _there(self.way, "the kit's proxy is not in its way to the other node")

    async def crash(self) -> None:
        """The node ends without warning, and is there again when this returns."""
        await _there(self.crashes, "no command that crashes it")()
        for _ in range(TRIES):  # connections that were kept open are found to be gone, one by one
            try:
                await self.peer.node_document()
            except UnreachableError:
                await asyncio.sleep(0.1)
            else:
                return

    def letter_in(self, *, size_bytes: int = 2_000, to: Sequence[str] = ()) -> bytes:
        """From the kit's agency to the node's own, or to others."""
        recipients = to or [self.subject.agency]
        return papers.letter(self.peer.agency, recipients, now(), size_bytes=size_bytes)

    def letter_from(self, sender: str, to: Sequence[str]) -> bytes:
        """From whomever, to whomever."""
        return papers.letter(sender, to, now())

    def letter_out(
        self, *to: str, size_bytes: int = 2_000, priority: Priority = Priority.NORMAL
    ) -> bytes:
        """From the node's own agency to the kit's, or to others."""
        recipients = to or [self.peer.agency]
        return papers.letter(
            self.subject.agency,
            recipients,
            now(),
            size_bytes=size_bytes,
            priority=priority,
        )

    def letter_over(self, *, size_bytes: int = 2_000) -> bytes:
        """From the node's own agency to the other node's."""
        return papers.letter(self.subject.agency, [self.other.agency], now(), size_bytes=size_bytes)

    async def send_over(self, envelope: bytes) -> str:
        return await self.dms.send(envelope, MessageType.DOCUMENT)


def _there(part: Value | None, missing: str) -> Value:
    if part is None:
        raise NotClaimedError(missing)
    return part


@asynccontextmanager
async def standing(
    subject: Subject,
    other: Subject,
    authority: Authority,
    way: Way | None,
    crashes: Callable[[], Awaitable[None]] | None,
) -> AsyncIterator[Stand]:
    """The kit in its parts, each open until the end."""
    exchanges = Exchanges()
    trust = TrustStore([subject.roots.read_bytes(), other.roots.read_bytes()])
    stand = Stand(subject, other, exchanges, authority, trust, way=way, crashes=crashes)
    async with AsyncExitStack() as open_parts:
        if subject.kit and subject.nodes:
            mine = authority.of(subject.kit.node)
            stand._peer = await open_parts.enter_async_context(  # noqa: SLF001 - its maker
                peer.connected(subject, mine, exchanges, trust)
            )
            host, _, port = subject.kit.listen.rpartition(":")
            hand = mine.log_signer()
            stand._log = OwnLog.load(mine.folder, hand)  # noqa: SLF001
            listener = Listener(
                NodeId(subject.kit.node),
                AgencyCode(subject.kit.agency),
                mine.signer(),
                exchanges,
                Witness(hand),
            )
            stand._listener = await open_parts.enter_async_context(  # noqa: SLF001
                listening(listener, mine, subject.roots, host.strip("[]"), int(port))
            )
        if subject.axis and subject.systemid:
            stand._dms = await open_parts.enter_async_context(dms.at(subject, exchanges))  # noqa: SLF001
        if other.axis and other.systemid:
            stand._other_dms = await open_parts.enter_async_context(dms.at(other, exchanges))  # noqa: SLF001
        yield stand

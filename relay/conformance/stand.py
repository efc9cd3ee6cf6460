"""Where one judged node stands, with the kit around it in every part it plays.

Touches: what its parts touch.
Raises:  NotClaimedError for a part that the node's file does not say how to reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from relay.conformance import dms, papers, peer
from relay.conformance.credentials import Authority
from relay.conformance.dms import Dms
from relay.conformance.exchanges import Exchanges
from relay.conformance.history import OwnLog
from relay.conformance.instants import now
from relay.conformance.link import Way
from relay.conformance.listener import Listener, listening
from relay.conformance.peer import Peer, UnreachableError
from relay.conformance.subject import Kit, Second, Subject
from relay.conformance.timestamping import Stampers, TimestampAuthority, answering
from relay.conformance.verdicts import Beginning, InconclusiveError, NotClaimedError
from relay.conformance.witness import Witness
from relay.delivery.attaching.ports import PASSAGES_CAPABILITY
from relay.errors import SettingsError
from relay.model import AgencyCode, NodeId, Priority
from relay.signing.trust import TrustStore

TRIES = 300
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Restoring:
    """How a node is brought back to what it was."""

    back_up: Callable[[], Awaitable[None]]
    restore: Callable[[], Awaitable[None]]


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
    _second: Peer | None = None
    _second_listener: Listener | None = None
    _log: OwnLog | None = None
    _second_log: OwnLog | None = None
    _dms: Dms | None = None
    _other_dms: Dms | None = None
    _timestamps: TimestampAuthority | None = None
    way: Way | None = None
    """From the judged node to the other."""
    beside: Stand | None = None
    """That of the other node."""
    crashes: Callable[[], Awaitable[None]] | None = None
    restoring: Restoring | None = None
    capabilities: frozenset[str] = frozenset()
    unheard: bool = False
    """The kit is its neighbour, and was not told what it can: W1.4 was not answered."""
    apart: timedelta = timedelta()
    """How far the node's clock is before the kit's, as far as it tells (W1.4)."""
    unknown: bool = False
    """Its axis face refuses the systemid and secret of its file."""
    gone: bool = False
    """It has answered nothing for so long that nothing more is asked."""
    controlled: set[Callable[[Stand], Awaitable[None]]] = field(default_factory=set)
    """What the node was seen to do honestly, of what assertions look at the refusals of."""
    remembered: dict[str, Any] = field(default_factory=dict)
    """What takes long and several assertions look at, by its name."""
    begun: dict[Beginning, asyncio.Task[Any]] = field(default_factory=dict)
    """What goes on beside the assertions."""

    @property
    def peer(self) -> Peer:
        """The kit as a neighbour that calls the node."""
        return _there(self._peer, "the kit is no neighbour of it")

    @property
    def listener(self) -> Listener:
        """The same neighbour, as the node calls it."""
        return _there(self._listener, "the kit is no neighbour of it")

    @property
    def second(self) -> Peer:
        """The kit as another neighbour that calls the node."""
        return _there(self._second, "the kit is one neighbour of it only")

    @property
    def second_listener(self) -> Listener:
        return _there(self._second_listener, "the kit is one neighbour of it only")

    @property
    def witness(self) -> Witness:
        """The same neighbour, as the node's log is handed in to it."""
        return self.listener.witness

    @property
    def log(self) -> OwnLog:
        """The neighbour's own log."""
        return _there(self._log, "the kit is no neighbour of it")

    @property
    def second_log(self) -> OwnLog:
        """The other neighbour's, which nobody cosigns."""
        return _there(self._second_log, "the kit is one neighbour of it only")

    @property
    def timestamps(self) -> TimestampAuthority:
        """The authority that the node asks."""
        return _there(self._timestamps, "the kit is not its timestamp authority")

    @property
    def dms(self) -> Dms:
        return _there(self._dms, "no credentials for its axis face")

    @property
    def other_dms(self) -> Dms:
        return _there(self._other_dms, "no credentials for the other's axis face")

    @property
    def link(self) -> Way:
        return _there(self.way, "the kit's proxy is not in its way to the other node")

    @property
    def other_kit(self) -> NodeId:
        """The neighbour that the kit is to the other node: of the same authority, and nobody here."""
        return NodeId(self._others_kit.node)

    @property
    def other_kit_agency(self) -> AgencyCode:
        """What that neighbour serves."""
        return AgencyCode(self._others_kit.agency)

    @property
    def _others_kit(self) -> Kit:
        return _there(self.other.kit, "the kit is no neighbour of the other node")

    def begin(self, beginning: Beginning) -> asyncio.Task[Any]:
        """Once, whoever asks."""
        if beginning not in self.begun:
            self.begun[beginning] = asyncio.create_task(beginning(self))
        return self.begun[beginning]

    async def come_of(self, beginning: Callable[[Stand], Coroutine[Any, Any, Value]]) -> Value:
        """What came of it: now, or when it is over."""
        found: Value = await asyncio.shield(self.begin(beginning))
        return found

    async def settle(self, seconds: float) -> None:
        """Until what goes on beside is over, or for so long."""
        if self.begun:
            await asyncio.wait(self.begun.values(), timeout=seconds)

    async def end(self) -> None:
        """Of what goes on beside."""
        for task in self.begun.values():
            task.cancel()
        await asyncio.gather(*self.begun.values(), return_exceptions=True)

    async def crash(self) -> None:
        """The node ends without warning, and is there again when this returns."""
        await _there(self.crashes, "no command that crashes it")()
        await self._until_there()

    async def back_up(self) -> None:
        await _there(self.restoring, "no command that makes a backup").back_up()

    async def restore(self) -> None:
        """The node is what it was when the backup was made, and is there again when this returns."""
        await _there(self.restoring, "no command that brings back a backup").restore()
        await self._until_there()

    async def _until_there(self) -> None:
        for _ in range(TRIES):  # connections that were kept open are found to be gone, one by one
            try:
                await self.peer.node_document()
            except UnreachableError:
                await asyncio.sleep(0.1)
            else:
                return

    async def answers_at_all(self, seconds: float) -> bool:
        """Whatever it says, at whichever door the kit knows, within so long."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            for door in self._doors():
                try:
                    async with asyncio.timeout_at(end):
                        await door()
                except (UnreachableError, InconclusiveError, TimeoutError):
                    await asyncio.sleep(0.5)
                else:
                    return True
        return False

    def _doors(self) -> list[Callable[[], Awaitable[Any]]]:
        found: list[Callable[[], Awaitable[Any]]] = []
        if self._peer is not None:
            found.append(partial(self._peer.get, "/axis/v1/node"))
        if self._dms is not None:
            found += [
                partial(self._dms.looked_at, url)
                for url in (self.subject.axis, self.subject.native)
                if url
            ]
        return found

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


@contextmanager
def taking(place: str) -> Iterator[None]:
    """A place for the kit to listen at."""
    try:
        yield
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise SettingsError([f"the kit cannot listen there: {place}: {said}"]) from error


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
    restoring: Restoring | None = None,
) -> AsyncIterator[Stand]:
    """The kit in its parts, each open until the end."""
    exchanges = Exchanges()
    trust = TrustStore([subject.roots.read_bytes(), other.roots.read_bytes()])
    stand = Stand(subject, other, exchanges, authority, trust, way=way, crashes=crashes)
    stand.restoring = restoring
    async with AsyncExitStack() as open_parts:
        if subject.kit and subject.nodes:
            stand._peer, stand._listener = await _neighbour(stand, open_parts, subject.kit)  # noqa: SLF001 - its maker
            stand._listener.always.append(PASSAGES_CAPABILITY)  # noqa: SLF001
            stand._log = _own_log(authority, subject.kit)  # noqa: SLF001
            if subject.kit.second:
                stand._second, stand._second_listener = await _neighbour(  # noqa: SLF001
                    stand, open_parts, subject.kit.second
                )
                stand._second_log = _own_log(authority, subject.kit.second)  # noqa: SLF001
            if place := subject.kit.authority:
                made = TimestampAuthority(Stampers(authority, place.policy))
                stand._timestamps = made  # noqa: SLF001
                with taking(f"listen = {place.listen}"):
                    await open_parts.enter_async_context(answering(made, place.listen))
        if subject.axis and subject.systemid:
            stand._dms = await open_parts.enter_async_context(dms.at(subject, exchanges))  # noqa: SLF001
        if other.axis and other.systemid:
            stand._other_dms = await open_parts.enter_async_context(dms.at(other, exchanges))  # noqa: SLF001
        open_parts.push_async_callback(stand.end)
        yield stand


def _own_log(authority: Authority, kit: Kit | Second) -> OwnLog:
    credentials = authority.of(kit.node)
    return OwnLog.load(credentials.folder, credentials.log_signer())


async def _neighbour(
    stand: Stand, open_parts: AsyncExitStack, kit: Kit | Second
) -> tuple[Peer, Listener]:
    """One neighbour of the judged node, both ways."""
    mine = stand.authority.of(kit.node)
    caller = await open_parts.enter_async_context(
        peer.connected(stand.subject, mine, kit.agency, stand.exchanges, stand.trust)
    )
    host, _, port = kit.listen.rpartition(":")
    listener = Listener(
        NodeId(kit.node),
        AgencyCode(kit.agency),
        mine.signer(),
        stand.exchanges,
        Witness(mine.log_signer()),
    )
    with taking(f"listen = {kit.listen}"):
        called = await open_parts.enter_async_context(
            listening(listener, mine, stand.subject.roots, host.strip("[]"), int(port))
        )
    return caller, called

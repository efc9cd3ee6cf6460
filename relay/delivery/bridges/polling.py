"""Ask a remote again and again: acknowledge what is here, fetch what is listed, follow what it has.

A document is durable here before the remote hears of it, so wherever the process dies the package is
listed once more and recognised, or its acknowledgement is still to be made. A remote that cannot be
asked is left alone for the same back-off as its sends; an error of one list alone delays only polling, and
one of one package alone only that package (apart.py).

Touches: the remote, the journal, the payload store through `receive`.
Trusts:  nothing of the remote.
Raises:  JournalError; what a remote does wrong becomes a wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from relay.delivery.bridges.apart import Apart
from relay.delivery.bridges.doubt import Read, business_hash
from relay.delivery.bridges.entering import EntryDesk, Fetched
from relay.delivery.bridges.following import Follower
from relay.delivery.bridges.ports import (
    Before,
    BridgeJournal,
    Listed,
    Remote,
    RemoteRefusalError,
    ToTell,
    Turned,
)
from relay.delivery.clock import Clock
from relay.delivery.dispatch import Dispatcher
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.ports import Acknowledgement
from relay.delivery.records import NeighbourState
from relay.errors import (
    EnvelopeError,
    OverloadError,
    SecretError,
    TooLargeError,
    TransportError,
    UnansweredError,
)
from relay.lines import Line
from relay.model import Envelope, MessageType, NodeId, Payload, Reason

log = structlog.get_logger("relay.bridge")
TOLD_AT_ONCE = 500
MOST_PAGES = 50
JUDGED_AGAIN = timedelta(hours=1)
TOLD_AGAIN_AFTER = 5
"""Polls after which a package that was acknowledged and is listed all the same is acknowledged again."""
UNREADABLE_TIMES = 3
"""Polls at which a package must be unreadable before it is refused: a cut body is no envelope either."""
HELD_AT_MOST = timedelta(hours=1)
"""How long a take-back waits for its document while documents are listed that are not here."""
_MOST_KEPT = 1000
"""DocIds remembered between polls, of each kind of trouble."""

Receive = Callable[[AsyncIterator[bytes]], Awaitable[tuple[Envelope, Payload]]]
Room = Callable[[], AbstractContextManager[None]]


@dataclass(slots=True)
class Poller:
    bridge: NodeId
    remote: Remote
    journal: BridgeJournal
    desk: EntryDesk
    follower: Follower
    dispatcher: Dispatcher
    policy: RetryPolicy
    clock: Clock
    random: Callable[[], float]
    receive: Receive
    read: Read
    release: Callable[[Payload], Awaitable[None]]
    room: Room
    """Held while a body comes in; raises OverloadError when none may."""
    closed: Callable[[], str | None]
    """Why nothing is taken in now, or None."""
    kinds: Sequence[MessageType]
    every: timedelta
    page: int
    at_once: int
    not_given: Apart
    not_told: Apart
    _failures: int = 0
    _suffering: bool = False
    _unreadable: dict[str, int] = field(default_factory=dict)
    _held: dict[str, datetime] = field(default_factory=dict)
    """Take-backs that are listed before their document, since when."""
    _behind: bool = False
    """Documents are listed that are not here."""

    async def run(self) -> None:
        """Until cancelled."""
        woken = self.dispatcher.channels[self.bridge].woken
        pause = await self._restored()
        while True:
            woken.clear()
            pause = pause or await self.round()
            try:
                async with asyncio.timeout(pause):
                    await woken.wait()
            except TimeoutError:
                pass
            pause = 0.0

    async def round(self) -> float:
        """One look at everything; how long to wait for the next."""
        wait = self.dispatcher.blocked_for(self.bridge)
        if wait > 0:
            return wait
        try:
            more = await self._ask()
        except TransportError as error:
            return await self._unreachable(error)
        except RemoteRefusalError as error:
            return await self._failed(error)
        except OverloadError as error:
            log.warning(Line.BRIDGE_WAITS_FOR_ROOM, bridge=self.bridge, error=str(error))
            return float(error.retry_after_seconds)
        await self._well()
        return 0.0 if more else self.every.total_seconds()

    async def _ask(self) -> bool:
        """True when there is more to fetch at once. A list that the remote refuses holds up no other, an
        acknowledgement that does not get through no list, and a node that takes nothing in now (its disk is
        nearly full) still finishes what it took."""
        more, failed = False, list[RemoteRefusalError | UnansweredError]()
        await self._tell(failed)
        self._behind = False
        for kind in self._in_order() if self.closed() is None else ():
            try:
                found = await self._collect(kind)
                more = more or found
                self._behind = self._behind or found
            except RemoteRefusalError as error:
                self._behind = True
                failed.append(error)
        await self._tell(failed)
        await self.follower.look()
        if failed:
            raise failed[0]
        return more

    def _in_order(self) -> list[MessageType]:
        """Documents first: what takes one back must not seem to be older than it."""
        return sorted(self.kinds, key=lambda kind: kind is not MessageType.DOCUMENT)

    # ------------------------------------------------------------ fetching

    async def _collect(self, kind: MessageType) -> bool:
        """The first page that brings something new; pages are asked for, and may be ignored."""
        seen: set[str] = set()
        for number in range(1, MOST_PAGES + 1):
            listed = await self.remote.received(kind, number, self.page)
            new = {one.doc_id: one for one in listed if one.doc_id not in seen}
            seen.update(new)
            if await self._take_all(list(new.values())):
                return len(listed) >= self.page
            if len(listed) < self.page or not new:
                break
        return False

    async def _take_all(self, listed: Sequence[Listed]) -> int:
        """How many were judged now."""
        taken = 0
        for start in range(0, len(listed), self.at_once):
            outcomes = await asyncio.gather(
                *(self._take(one) for one in listed[start : start + self.at_once]),
                return_exceptions=True,
            )
            taken += sum(outcome is True for outcome in outcomes)
            for outcome in outcomes:
                if isinstance(outcome, RemoteRefusalError):
                    self._behind = True
                    log.warning(Line.PACKAGE_NOT_GIVEN, bridge=self.bridge, error=str(outcome))
                elif isinstance(outcome, BaseException):
                    raise outcome
        return taken

    async def _take(self, listed: Listed) -> bool:
        """True when something was done about it that need not be done again."""
        before = await self.journal.received(self.bridge, listed.doc_id)
        known = before is not None and before.row == listed.row
        if before is not None and known and not await self._due(listed, before):
            return False
        if self.not_given.waits(listed.doc_id):
            self._behind = True
            return False
        try:
            with self.room():
                done = await self._fetch(listed)
        except UnansweredError as error:
            if not self.not_given.failed(listed.doc_id):
                raise
            self._behind = True
            log.warning(Line.PACKAGE_NOT_GIVEN, bridge=self.bridge, error=str(error))
            return False
        self.not_given.answered(listed.doc_id)
        return done

    async def _due(self, listed: Listed, before: Before) -> bool:
        """Whether a package known before is to be judged anew; one that is here is acknowledged again."""
        now = self.clock.now()
        if before.to_tell:
            return False
        if before.refused:
            return before.judged_at + JUDGED_AGAIN <= now
        if before.judged_at + self.every * TOLD_AGAIN_AFTER <= now:
            await self.journal.tell_again(self.bridge, listed.doc_id, now)
        return False

    async def _fetch(self, listed: Listed) -> bool:
        async with self.remote.fetch(listed.doc_id) as fetching:
            try:
                envelope, payload = await self.receive(fetching.chunks)
            except EnvelopeError as error:
                return await self._unfit(listed, error)
            answer = payload.digest if fetching.answer is None else fetching.answer.digest
        self._unreadable.pop(listed.doc_id, None)
        if self._behind and await self._holds(listed, envelope):
            await self.release(payload)
            return False
        try:
            business = await business_hash(self.read(payload))
            fetched = Fetched(listed, envelope, payload, business, fetching.call, answer)
            outcome = await self.desk.take(fetched)
        finally:
            await self.release(payload)
        if isinstance(outcome, Turned):
            self._say_refused(outcome)
        return True

    async def _holds(self, listed: Listed, envelope: Envelope) -> bool:
        """A take-back waits for its document, which may be on a later page."""
        now = self.clock.now()
        since = self._held.get(listed.doc_id, now)
        if not await self.desk.overtakes(envelope) or since + HELD_AT_MOST <= now:
            self._held.pop(listed.doc_id, None)
            return False
        if listed.doc_id not in self._held:
            _keep(self._held, listed.doc_id, now)
            log.info(Line.TAKE_BACK_WAITS, bridge=self.bridge)
        return True

    async def _unfit(self, listed: Listed, error: EnvelopeError) -> bool:
        """Too large or secret at once; unreadable only when it stays so."""
        times = self._unreadable.pop(listed.doc_id, 0) + 1
        certain = isinstance(error, TooLargeError | SecretError)
        if not certain and times < UNREADABLE_TIMES:
            _keep(self._unreadable, listed.doc_id, times)
            self._behind = True
            log.warning(Line.PACKAGE_UNREADABLE, bridge=self.bridge, error=str(error), times=times)
            return False
        reason = Reason.BAD_ENVELOPE
        if certain:
            reason = Reason.TOO_LARGE if isinstance(error, TooLargeError) else Reason.POLICY
        self._say_refused(await self.desk.turn_away(listed, reason, str(error)))
        return True

    def _say_refused(self, turned: Turned) -> None:
        log.warning(
            Line.PACKAGE_REFUSED,
            bridge=self.bridge,
            reason=turned.reason.value,
            detail=turned.detail,
        )

    # ------------------------------------------------------------ acknowledging

    async def _tell(self, failed: list[RemoteRefusalError | UnansweredError]) -> None:
        """What is durable here. Ends with the first that may be the remote's trouble as a whole."""
        for one in await self.journal.to_tell(self.bridge, TOLD_AT_ONCE):
            if self.not_told.waits(one.doc_id):
                continue
            try:
                await self._tell_one(one)
            except (RemoteRefusalError, UnansweredError) as error:
                if not self.not_told.failed(one.doc_id):
                    failed.append(error)
                    return
                log.warning(Line.ACKNOWLEDGEMENT_FAILED, bridge=self.bridge, error=str(error))
            else:
                self.not_told.answered(one.doc_id)

    async def _tell_one(self, one: ToTell) -> None:
        """processing, then done; or fail."""
        if one.refused:
            await self._say(one.doc_id, Acknowledgement.FAIL, last=True)
            return
        if one.told != Acknowledgement.PROCESSING:
            await self._say(one.doc_id, Acknowledgement.PROCESSING, last=False)
        await self._say(one.doc_id, Acknowledgement.DONE, last=True)

    async def _say(self, doc_id: str, word: Acknowledgement, *, last: bool) -> None:
        """A refusal of the word is told to the operator; only the last word's ends it."""
        try:
            await self.remote.acknowledge(doc_id, word)
        except RemoteRefusalError as error:
            if error.passing:
                raise
            log.warning(
                Line.ACKNOWLEDGEMENT_REFUSED, bridge=self.bridge, word=word.value, error=str(error)
            )
        await self.journal.told(self.bridge, doc_id, word, last=last, at=self.clock.now())

    # ------------------------------------------------------------ waiting

    async def _restored(self) -> float:
        """Seconds that are left of a wait from before the start, never more than such a wait may have."""
        state = await self.journal.poll_state(self.bridge)
        if state is None or not state.failures:
            return 0.0
        self._failures = state.failures
        left = min(state.retry_at - self.clock.now(), max(self.every, self.policy.cap))
        return max(left.total_seconds(), 0.0)

    async def _unreachable(self, error: TransportError) -> float:
        self._suffering = True
        wait = await self.dispatcher.suffered(self.bridge, error)
        seconds = wait.total_seconds()
        log.warning(Line.BRIDGE_UNREACHABLE, bridge=self.bridge, error=str(error), seconds=seconds)
        return seconds

    async def _failed(self, error: RemoteRefusalError) -> float:
        self._failures += 1
        wait = max(self.every, self.policy.wait(self._failures, self.random()))
        await self._store(str(error), wait)
        log.warning(Line.BRIDGE_LIST_REFUSED, bridge=self.bridge, error=str(error))
        return wait.total_seconds()

    async def _well(self) -> None:
        if self._failures:
            self._failures = 0
            await self._store("", timedelta())
        if self._suffering:
            self._suffering = False
            await self.dispatcher.recovered(self.bridge)
        else:
            self.dispatcher.met(self.bridge)

    async def _store(self, error: str, wait: timedelta) -> None:
        until = self.clock.now() + wait
        await self.journal.store_poll_state(
            self.bridge, NeighbourState(self._failures, until, error[:500])
        )


def _keep(table: dict[str, Any], doc_id: str, value: object) -> None:
    while len(table) >= _MOST_KEPT and doc_id not in table:
        del table[next(iter(table))]
    table[doc_id] = value

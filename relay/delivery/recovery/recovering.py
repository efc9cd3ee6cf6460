"""A restored node gets back from its neighbours what was exchanged with them since the backup.

With each neighbour apart: its memory of what recipients here acknowledged is fetched first, so that no
document that comes again is offered anew; then it is asked to send again what it sent; then the
documents of this node's own that it has are fetched and admitted as they were. Intake is closed until
every neighbour is done: a repeat of a submission that was lost must find it again, not begin anew.
Transfers and receipts from neighbours are taken all the while.

At every start each neighbour also shows the newest documents this node signed to it. One that the node
does not know proves that it was rolled back (a copied data folder, a snapshot of a machine), though
nobody said so: the log's epoch ends in the transaction that writes this down, and the same recovery
begins. Only this node's own signature proves it, so a neighbour cannot make it up.

Where the process may die: anywhere. Everything is repeated that was not written down as done.

Touches: the journal, the wire, the notary; tells the dispatcher what waits.
Trusts:  nothing a neighbour gives back, until this node's own signature on it is proven.
Raises:  nothing expected; failures become waits, and show in `standing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from relay.delivery.clock import Clock
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.ports import Accepted, Caller, Intake, PayloadStore, Submission
from relay.delivery.records import Notary
from relay.delivery.recovery.ports import (
    CAPABILITY,
    DONE,
    Loss,
    Newest,
    Progress,
    Recovery,
    RecoveryJournal,
    RecoveryWire,
    Step,
)
from relay.delivery.recovery.readmitting import Readmitter
from relay.errors import (
    AccessError,
    JournalError,
    OverloadError,
    PeerError,
    TransportError,
)
from relay.lines import Line
from relay.model import Event, NodeId, Receipt, Signed, TransferId, minted_at

FIRST_LOOK_SECONDS = 2.0
"""How long a start waits for what neighbours show, before anything is taken from anybody."""
AT_ONCE = 100
COME_AGAIN_SECONDS = 30
OLDEST = timedelta(days=30)
"""A document signed before that may have left by retention: that it is unknown proves nothing."""
LATE_FOR = timedelta(days=14)
"""After a restore: what is sent again may have expired meanwhile, through nobody's fault but ours."""
SETTLE_SECONDS = 1.0
SETTLE_LATER_SECONDS = 5.0
_ACKNOWLEDGED = frozenset({Event.CONTENT_HANDOVER, Event.CONTENT_HANDOVER_FAILURE})
_PASSING = (TransportError, JournalError, AccessError)
"""What another attempt may not meet; a neighbour that does not take us for one is a mistake to repair."""
log = structlog.get_logger("relay.recovery")


class GaveUpError(Exception):
    """An operator skipped the neighbour meanwhile."""


@dataclass(slots=True)
class RecoveryDesk:
    """Asks until everyone has answered; `delivery.recovery.ports.Recovering` for operators."""

    node: NodeId
    neighbours: frozenset[NodeId]
    journal: RecoveryJournal
    wire: RecoveryWire
    notary: Notary
    store: PayloadStore
    readmitter: Readmitter
    policy: RetryPolicy
    tolerance: timedelta
    clock: Clock
    random: Callable[[], float]
    look: Callable[[Iterable[NodeId]], None]
    """Told for which neighbours there is new work."""
    receipts_wait: Callable[[Iterable[NodeId]], None]
    memory: timedelta = OLDEST
    """How long this node surely knows what it signed."""
    heard: Callable[[NodeId, datetime | None], None] = lambda _n, _t: None
    """Told what time a neighbour says it is."""
    recovering: bool = False
    _lost_until: datetime | None = None
    _checked: set[NodeId] = field(default_factory=set)
    _errors: dict[NodeId, str] = field(default_factory=dict)
    _calls: dict[NodeId, asyncio.Event] = field(default_factory=dict)
    _settling: asyncio.Event = field(default_factory=asyncio.Event)

    # ------------------------------------------------------------ what others ask of it

    def late(self, made_at: datetime) -> bool:
        """Whether what was made then may come only now because it was lost here (W8.6)."""
        if self._lost_until is None or self.clock.now() > self._lost_until + LATE_FOR:
            return False
        return made_at <= self._lost_until

    def may_have_had(self, transfer_id: TransferId) -> bool:
        """Whether a neighbour's transfer that is unknown here may be one that a restore lost: of that
        nobody may be told that it was never seen (W8.7)."""
        if self.recovering:
            return True
        made_at = minted_at(transfer_id)
        return made_at is not None and self.late(made_at - self.tolerance)

    def met(self, neighbour: NodeId) -> None:
        """The neighbour shows life."""
        if neighbour in self._errors and neighbour in self._calls:
            self._calls[neighbour].set()

    def waits_for(self) -> str | None:
        """Why nothing is taken in; None while it is."""
        return "recovering" if self.recovering else None

    async def standing(self) -> tuple[Recovery, dict[NodeId, str]]:
        return await self.journal.standing(), dict(self._errors)

    async def skip(self, caller: Caller, neighbour: NodeId, why: str) -> None:
        """Go on without that neighbour; audited."""
        await self.journal.skip(caller, neighbour, why, self.clock.now())
        self._errors.pop(neighbour, None)
        await self._read_standing()

    # ------------------------------------------------------------ its own work

    async def start(self) -> None:
        """Before anything is taken from anybody: what is known of a loss, and a first, bounded look."""
        await self.journal.prepare(sorted(self.neighbours), self.clock.now())
        await self._read_standing()
        self._settling.set()
        looks = [asyncio.create_task(self._first_look(n)) for n in sorted(self.neighbours)]
        if not looks:
            return
        _, late = await asyncio.wait(looks, timeout=FIRST_LOOK_SECONDS)
        for look in late:
            look.cancel()
        for ended in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        # What was cancelled may have found a loss and not told of it any more.
        await self.journal.prepare(sorted(self.neighbours), self.clock.now())
        await self._read_standing()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle())
            for neighbour in sorted(self.neighbours):
                self._calls[neighbour] = asyncio.Event()
                group.create_task(self._serve(neighbour))

    async def _first_look(self, neighbour: NodeId) -> None:
        try:
            await self._check(neighbour)
        except (TransportError, PeerError, JournalError) as error:
            log.info(Line.NEIGHBOUR_NOT_ASKED_YET, neighbour=neighbour, error=str(error))

    async def _serve(self, neighbour: NodeId) -> None:
        failures, call = 0, self._calls[neighbour]
        while True:
            call.clear()
            try:
                await self._ask(neighbour)
            except GaveUpError:
                pass
            except (TransportError, PeerError, JournalError) as error:
                failures += 1
                await self._wait(neighbour, call, failures, error)
                continue
            failures = 0
            self._errors.pop(neighbour, None)
            await call.wait()

    async def _wait(
        self, neighbour: NodeId, call: asyncio.Event, failures: int, error: Exception
    ) -> None:
        wait = self.policy.wait(failures, self.random())
        self._errors[neighbour] = str(error)[:500]
        if self.recovering:
            seconds = round(wait.total_seconds(), 1)
            log.warning(Line.RECOVERY_WAITS, neighbour=neighbour, error=str(error), seconds=seconds)
        try:
            async with asyncio.timeout(wait.total_seconds()):
                await call.wait()
        except TimeoutError:
            pass

    async def _ask(self, neighbour: NodeId) -> None:
        if neighbour not in self._checked:
            await self._check(neighbour)
        if self.recovering:
            await self._recover(neighbour)

    async def _read_standing(self) -> None:
        standing = await self.journal.standing()
        if self.recovering and standing.since is None:
            log.info(Line.RECOVERY_FINISHED)
        self.recovering = standing.since is not None
        self._lost_until = await self.journal.lost_until()
        if self.recovering:
            self._settling.set()
            left = [p.neighbour for p in standing.neighbours if p.step not in DONE]
            log.warning(Line.RECOVERING, waits_for=left)

    # ------------------------------------------------------------ rolled back?

    async def _check(self, neighbour: NodeId) -> None:
        """Whether it holds something of ours that we have never heard of."""
        told = await self.wire.describe(neighbour)
        self.heard(neighbour, told.time)
        for loss in self._signed_here(neighbour, told.newest):
            await self._judge(loss)
        self._checked.add(neighbour)

    async def _judge(self, loss: tuple[Loss, TransferId | None]) -> None:
        found, transfer_id = loss
        now = self.clock.now()
        explained = self._lost_until is not None and found.signed_at <= self._lost_until
        if explained or found.signed_at < now - self.memory:
            return
        if await self.journal.knows(found.digest, transfer_id):
            return
        if not await self.journal.roll_back(found, now):
            return
        log.critical(
            Line.ROLLED_BACK, neighbour=found.neighbour, unknown=found.kind, digest=found.digest
        )
        await self.journal.prepare(sorted(self.neighbours), now)
        await self._read_standing()
        for call in self._calls.values():
            call.set()

    def _signed_here(
        self, neighbour: NodeId, newest: Newest
    ) -> list[tuple[Loss, TransferId | None]]:
        """What of it this node's own signature proves; the rest says nothing of us."""
        found: list[tuple[Loss, TransferId | None]] = []
        try:
            if (signed := newest.receipt) is not None:
                receipt = self.notary.check_receipt(signed, self.clock.now())
                if receipt.issuer == self.node:
                    found.append((Loss(neighbour, signed.digest, "receipt", receipt.at), None))
            if (signed := newest.transfer) is not None:
                header = self.notary.check_transfer(signed, self.node, self.clock.now())
                loss = Loss(neighbour, signed.digest, "transfer", header.created_at)
                found.append((loss, header.transfer_id))
        except PeerError as error:
            log.warning(Line.NOT_OUR_SIGNATURE, neighbour=neighbour, error=str(error))
        return found

    # ------------------------------------------------------------ recovery, step by step

    async def _recover(self, neighbour: NodeId) -> None:
        standing = await self.journal.standing()
        progress = next((p for p in standing.neighbours if p.neighbour == neighbour), None)
        if progress is None or standing.since is None or progress.step in DONE:
            return
        since = standing.since - self.tolerance
        if progress.step is Step.RECEIPTS and not await self._fetch_receipts(neighbour, since):
            return
        if progress.step in {Step.RECEIPTS, Step.ASKING}:
            await self._have_reminded(neighbour, since, progress)
        await self._fetch_documents(neighbour)
        await self._step(neighbour, Step.ANSWERED)
        if await self.journal.finish(self.clock.now()):
            await self._read_standing()

    async def _step(self, neighbour: NodeId, step: Step) -> None:
        if not await self.journal.step(neighbour, step, self.clock.now()):
            raise GaveUpError

    async def _fetch_receipts(self, neighbour: NodeId, since: datetime) -> bool:
        """This node's own receipts; False when the neighbour cannot help at all."""
        told = await self.wire.describe(neighbour)
        if CAPABILITY not in told.capabilities:
            log.warning(Line.NEIGHBOUR_CANNOT_HELP, neighbour=neighbour, lacks=CAPABILITY)
            await self._step(neighbour, Step.UNSUPPORTED)
            if await self.journal.finish(self.clock.now()):
                await self._read_standing()
            return False
        known = self._signed_here(neighbour, told.newest)
        await self.journal.accept_loss([loss.digest for loss, _ in known])
        cursor: int | None = None
        while True:
            page = await self.wire.own_receipts(neighbour, since, cursor)
            await self.journal.keep_own(self._acknowledgements(page.receipts))
            cursor = page.cursor
            if cursor is None:
                break
        await self._step(neighbour, Step.ASKING)
        return True

    def _acknowledgements(self, receipts: Iterable[Signed]) -> list[tuple[Signed, Receipt]]:
        """What recipients said; nothing else of the past is put back into deliveries that come anew."""
        check = self.notary.checker(self.clock.now())
        proven = ((signed, check(signed)) for signed in receipts)
        return [
            (signed, receipt)
            for signed, receipt in proven
            if receipt.issuer == self.node and {e.event for e in receipt.evidence} <= _ACKNOWLEDGED
        ]

    async def _have_reminded(self, neighbour: NodeId, since: datetime, at: Progress) -> None:
        cursor = at.cursor
        while True:
            page = await self.wire.remind(neighbour, since, cursor)
            if not await self.journal.reminded(neighbour, page):
                raise GaveUpError
            cursor = page.cursor
            if cursor is None:
                return

    async def _fetch_documents(self, neighbour: NodeId) -> None:
        while wanted := await self.journal.wanted(neighbour, AT_ONCE):
            for transfer_id in wanted:
                await self._fetch_document(neighbour, transfer_id)

    async def _fetch_document(self, neighbour: NodeId, transfer_id: TransferId) -> None:
        """Back as it was, or written down as not to be had."""
        try:
            sent = await self.wire.sent(neighbour, transfer_id)
        except _PASSING:
            raise
        except PeerError as error:
            await self._lost(neighbour, transfer_id, "not-to-be-had", error)
            return
        try:
            again = await self.readmitter.prepare(neighbour, transfer_id, sent)
            now = self.clock.now()
            self.look(await self.journal.readmit(neighbour, transfer_id, again, now))
        except PeerError as error:
            await self._lost(neighbour, transfer_id, "not-proven", error)
        finally:
            await self.store.release(sent.payload)

    async def _lost(
        self, neighbour: NodeId, transfer_id: TransferId, reason: str, error: Exception
    ) -> None:
        log.error(Line.DOCUMENT_LOST, neighbour=neighbour, transfer=transfer_id, error=str(error))
        await self.journal.give_up(neighbour, transfer_id, reason, self.clock.now())

    async def _settle(self) -> None:
        """Receipts that came before their messages, for as long as there may be any."""
        while True:
            await self._settling.wait()
            left = await self.journal.settle_early(self.clock.now())
            self.receipts_wait(self.neighbours)
            if not left and not self.recovering:
                self._settling.clear()
            await asyncio.sleep(SETTLE_SECONDS if self.recovering else SETTLE_LATER_SECONDS)


@dataclass(frozen=True, slots=True)
class GuardedIntake:
    """delivery.ports.Intake that takes nothing while the node gets its memory back, or cannot tell the
    time (W8.6)."""

    intake: Intake
    waits_for: Callable[[], str | None]

    async def submit(self, submission: Submission) -> Accepted:
        reason = self.waits_for()
        if reason is not None:
            raise OverloadError(f"nothing is taken in now: {reason}", COME_AGAIN_SECONDS)
        return await self.intake.submit(submission)

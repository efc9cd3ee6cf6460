"""Signatures made by others: judged after acceptance, or awaited where policy refuses by them.

A document is accepted whatever its signatures are. What waits to be judged stands in the journal since the
transaction that took the message in, at the node where it entered and at nodes that serve a recipient
(adr/0024). One at a time is judged, when the journal has little to do. Only for a sender or recipient whose
policy says `refuse` is the verdict awaited before delivery, and no longer than `wait`: what is not judged by
then is UNKNOWN.

Touches: the book of judgements, the judge. Trusts: nothing of the documents. Raises: JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import structlog

from relay.delivery.clock import Clock
from relay.delivery.records import MessageRow
from relay.errors import GoneError
from relay.judgement import Flaw, Judgement, Verdict, unjudged
from relay.lines import Line
from relay.model import AgencyCode, Digest, Envelope, MessageId, MessageType, NodeId, Payload

LOOK_SECONDS = 30.0
"""A wake that was lost costs no more."""
AT_ONCE = 16
QUIET = 8
"""Operations that may wait for the journal while a document is judged in the background."""
MANY_A_SECOND = 200.0
"""Documents that come; while so many do, judging takes a turn only now and then."""
RATE_SECONDS = 0.25
REST_SECONDS = 0.05
MOST_RESTS = 20
"""Then it goes on all the same: a busy node judges slowly, but it judges."""
MOST_REMEMBERED = 256
REMEMBERED_SECONDS = 60.0
"""From being awaited to being kept; later it may come out otherwise, by other anchors."""
log = structlog.get_logger("relay.judging")


class Treatment(StrEnum):
    """From the mildest to the strictest."""

    OFF = "off"
    RECORD = "record"
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Policy:
    treatment: Treatment = Treatment.RECORD
    refuse_unknown: bool = False
    """With REFUSE: whether UNKNOWN is refused like INVALID."""

    @property
    def strictness(self) -> tuple[int, bool]:
        return list(Treatment).index(self.treatment), self.refuse_unknown

    def refuses(self, judgement: Judgement) -> bool:
        """A document without any signature is not refused: that it should have one is a flaw."""
        if self.treatment is not Treatment.REFUSE:
            return False
        refused = {Verdict.INVALID, Verdict.UNKNOWN} if self.refuse_unknown else {Verdict.INVALID}
        return judgement.verdict in refused


@dataclass(frozen=True, slots=True)
class Policies:
    """Of each sender and recipient that a rule names; the default for all others."""

    default: Policy = Policy()
    senders: Mapping[AgencyCode, Policy] = field(default_factory=dict)
    recipients: Mapping[AgencyCode, Policy] = field(default_factory=dict)

    def of(self, sender: AgencyCode, recipient: AgencyCode) -> Policy:
        """The strictest of the rules that name one of them."""
        named = [
            policy
            for policy in (self.senders.get(sender), self.recipients.get(recipient))
            if policy is not None
        ]
        return max(named, key=lambda one: one.strictness) if named else self.default


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A message that waits to be judged."""

    row: MessageRow
    message_id: MessageId
    origin: NodeId
    sender: AgencyCode
    recipients: tuple[AgencyCode, ...]
    digest: Digest
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    of: Unjudged
    judgement: Judgement
    at: datetime
    warns: bool
    """Shown among the document's findings."""


class JudgingBook(Protocol):
    async def unjudged(self, limit: int) -> list[Unjudged]:
        """The oldest first."""
        ...

    async def keep(self, judged: Sequence[Judged]) -> None:
        """Durable with their audit entries; once."""
        ...

    async def forget(self, rows: Sequence[MessageRow]) -> None:
        """They wait no more."""
        ...

    async def was_accepted(self, submission_key: str) -> bool: ...
    async def payload(self, digest: Digest) -> Payload:
        """Raises GoneError."""
        ...

    @property
    def waiting(self) -> int:
        """Operations that wait for the journal."""
        ...


class Judge(Protocol):
    async def judge(self, payload: Payload, known: datetime) -> Judgement:
        """Never raises for a document; `known` is when it existed for certain."""
        ...

    async def rest(self) -> None:
        """Nothing was to do for a while: give back what it costs to be ready."""
        ...


@dataclass(slots=True)
class JudgingDesk:
    policies: Policies
    book: JudgingBook
    by: Judge
    clock: Clock
    wait: timedelta
    _called: asyncio.Event = field(default_factory=asyncio.Event)
    _remembered: dict[Digest, tuple[Judgement, float]] = field(default_factory=dict)
    _came: int = 0
    _since: float = 0.0
    _rate: float = 0.0

    def wake(self) -> None:
        """Something may wait to be judged."""
        self._came += 1
        self._called.set()

    # ------------------------------------------------------------ before delivery

    async def refused(
        self,
        envelope: Envelope,
        payload: Payload,
        sender: AgencyCode,
        recipients: Iterable[AgencyCode],
    ) -> dict[AgencyCode, str]:
        """The recipients for whom policy refuses the document, and why in words."""
        if envelope.message_type is not MessageType.DOCUMENT:
            return {}
        strict = {
            code: policy
            for code in recipients
            if (policy := self.policies.of(sender, code)).treatment is Treatment.REFUSE
        }
        if not strict:
            return {}
        judgement = await self._awaited(payload)
        return {
            code: words_of(judgement)
            for code, policy in strict.items()
            if policy.refuses(judgement)
        }

    async def was_accepted(self, submission_key: str) -> bool:
        """Whether a repeat of it must get its first answer, whatever its signatures are now."""
        return await self.book.was_accepted(submission_key)

    async def _awaited(self, payload: Payload) -> Judgement:
        known = self.clock.now()
        if (before := self._recall(payload.digest)) is not None:
            return before
        try:
            async with asyncio.timeout(self.wait.total_seconds()):
                judgement = await self.by.judge(payload, known)
        except TimeoutError:
            return unjudged(Flaw.TIMED_OUT, known)
        self._remember(payload.digest, judgement)
        return judgement

    def _remember(self, digest: Digest, judgement: Judgement) -> None:
        """Until it is kept: a second time would be work twice."""
        while len(self._remembered) >= MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = judgement, asyncio.get_running_loop().time()

    def _recall(self, digest: Digest) -> Judgement | None:
        found = self._remembered.get(digest)
        if found is None or found[1] + REMEMBERED_SECONDS < asyncio.get_running_loop().time():
            return None
        return found[0]

    # ------------------------------------------------------------ afterwards

    async def run(self) -> None:
        """Until cancelled; what a restart found waiting comes first."""
        while True:
            self._called.clear()
            if await self.sweep() == AT_ONCE:
                continue
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._called.wait()
            except TimeoutError:
                await self.by.rest()

    async def sweep(self) -> int:
        """Judge what waits; how many there were."""
        found = await self.book.unjudged(AT_ONCE)
        wanted = [one for one in found if self._treatments(one) != {Treatment.OFF}]
        if len(wanted) < len(found):
            await self.book.forget([one.row for one in found if one not in wanted])
        if wanted:
            await self.book.keep([await self._judged(one) for one in wanted])
        for one in wanted:
            self._remembered.pop(one.digest, None)
        return len(found)

    def _treatments(self, one: Unjudged) -> set[Treatment]:
        return {self.policies.of(one.sender, code).treatment for code in one.recipients}

    async def _judged(self, one: Unjudged) -> Judged:
        judgement = self._recall(one.digest)
        if judgement is None:
            await self._quiet()
            judgement = await self._judge(one)
        warns = not self._treatments(one).isdisjoint({Treatment.WARN, Treatment.REFUSE})
        warns = warns and judgement.verdict in {Verdict.INVALID, Verdict.UNKNOWN}
        if warns:
            log.warning(Line.SIGNATURES_IN_DOUBT, message=one.message_id, found=words_of(judgement))
        return Judged(one, judgement, self.clock.now(), warns)

    async def _judge(self, one: Unjudged) -> Judgement:
        try:
            payload = await self.book.payload(one.digest)
        except GoneError:
            return unjudged(Flaw.GONE, one.accepted_at)
        return await self.by.judge(payload, one.accepted_at)

    async def _quiet(self) -> None:
        for _ in range(MOST_RESTS):
            if self.book.waiting <= QUIET and self._a_second() < MANY_A_SECOND:
                return
            await asyncio.sleep(REST_SECONDS)

    def _a_second(self) -> float:
        """How many documents come, by the last quarter of a second or more."""
        now = asyncio.get_running_loop().time()
        if now - self._since >= RATE_SECONDS:
            self._rate, self._came, self._since = self._came / (now - self._since), 0, now
        return self._rate


def words_of(judgement: Judgement) -> str:
    """For a receipt's detail, a problem or a finding: "signatures INVALID: changed-after-signing"."""
    verdict = judgement.verdict or "none"
    return (
        f"signatures {verdict}: {', '.join(judgement.words)}"
        if judgement.words
        else f"signatures {verdict}"
    )

"""While nothing new is taken in, what was accepted before still gets its first answer: a repeat stores nothing.

Touches: the journal, reading only.
Trusts:  the caller's authentication; the envelope is hearsay.
Raises:  what IntakeDesk.submit raises for the same submission, but for OverloadError.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from relay.delivery.acceptance import IntakeDesk, accepted
from relay.delivery.ports import Accepted, Caller, Submission
from relay.delivery.records import Admitted, Renew
from relay.delivery.submissions import idempotency_key_of, key_of
from relay.lines import Line
from relay.model import AgencyCode, Digest
from relay.routing.next_hop import NoRoute

log = structlog.get_logger("relay.acceptance")


class Repeats(Protocol):
    """What the faces ask."""

    async def handed_in(self, caller: Caller, starts: Sequence[str]) -> Sequence[Digest]:
        """Digests that begin so, of what was handed in for an agency of the caller; for as long as the bytes
        are kept."""
        ...

    async def is_bound(self, caller: Caller, idempotency_key: str) -> bool:
        """Whether the caller handed something in under this key."""
        ...

    async def answer(self, submission: Submission) -> Accepted | None:
        """Its first answer; None for what is new, or would become a new message. The payload's bytes are
        not asked for."""
        ...


class SubmissionBook(Protocol):
    """What the journal remembers."""

    async def handed_in(
        self, agencies: Collection[AgencyCode], starts: Sequence[str]
    ) -> Sequence[Digest]: ...
    async def is_bound(self, idempotency_key: str) -> bool: ...
    async def before(
        self, submission_key: str, idempotency_key: str | None
    ) -> Admitted | Renew | None:
        """What `Journal.admit` would find. Raises ConflictError."""
        ...


@dataclass(frozen=True, slots=True)
class RepeatDesk:
    """Repeats over the real things. An idempotency key that is new stays so: it would have to be stored."""

    intake: IntakeDesk
    book: SubmissionBook

    async def handed_in(self, caller: Caller, starts: Sequence[str]) -> Sequence[Digest]:
        return await self.book.handed_in(caller.agencies, starts)

    async def is_bound(self, caller: Caller, idempotency_key: str) -> bool:
        return await self.book.is_bound(idempotency_key_of(caller, idempotency_key))

    async def answer(self, submission: Submission) -> Accepted | None:
        sender, to, hops = await self.intake.parties(submission)
        if submission.seal is not None:
            self.intake.notary.check_supplied_seal(
                submission.seal, submission.envelope.digest, sender, self.intake.clock.now()
            )
        key = submission.idempotency_key
        found = await self.book.before(
            key_of(submission, sender, to.recipients),
            None if key is None else idempotency_key_of(submission.caller, key),
        )
        if isinstance(found, Renew):
            ended = all(
                isinstance(hops[code], NoRoute) for code in found.recipients if code in hops
            )
            found = found.answer if ended else None
        if found is None:
            return None
        recipients = len(to.recipients)
        log.info(
            Line.MESSAGE_ACCEPTED, message=found.message_id, recipients=recipients, repeated=True
        )
        return accepted(found)

"""What is known of a submission without storing anything: its first answer, or nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from relay.delivery.ports import Accepted, Caller, Submission
from relay.delivery.pressure.repeats import RepeatDesk
from relay.envelope.reader import read
from relay.errors import AccessError, ConflictError, SignatureError
from relay.journal.repeating import SubmissionTable
from relay.model import AgencyCode, Payload, Priority, digest_of

SENDER = AgencyCode("H01.15")
CALLER = Caller("system:test", frozenset({SENDER}))


class Desk:
    def __init__(self, world: Any) -> None:
        self.world = world
        self.repeats = RepeatDesk(world.intake, SubmissionTable(world.journal))

    def submission(self, content: bytes, caller: Caller = CALLER, **named: Any) -> Submission:
        """As it is where its bytes were thrown away as they came."""
        envelope = read(content)
        payload = Payload(envelope.digest, envelope.size_bytes, None, None)
        return Submission(caller, envelope, payload, **named)

    async def answer(self, content: bytes, **named: Any) -> Accepted | None:
        return await self.repeats.answer(self.submission(content, **named))

    def document(self) -> bytes:
        return bytes(self.world.document(["H01"], Priority.NORMAL, SENDER))


@pytest.fixture
def desk(hasty: Any) -> Desk:
    return Desk(hasty)


async def test_what_was_accepted_gets_its_answer_and_what_is_new_none(desk: Desk) -> None:
    content = desk.document()
    assert await desk.answer(content) is None

    first = await desk.world.submit("H01", content=content)

    assert await desk.answer(content) == Accepted(
        first.message_id, first.accepted_at, first.receipt, repeated=True
    )
    assert await desk.answer(content, declared_to=("H01", "H01.9")) is None


async def test_what_would_become_a_new_message_gets_none(desk: Desk) -> None:
    """Its delivery ended in a negative receipt: repeated, it is stored anew, for which there is no room."""
    content = desk.document()
    await desk.world.submit("H01", content=content)
    desk.world.late = timedelta(minutes=4)
    await desk.world.expiry.sweep()

    assert await desk.answer(content) is None


async def test_what_is_refused_of_any_submission_is_refused_of_a_repeat(desk: Desk) -> None:
    """Another's From, a seal that proves nothing."""
    content = desk.document()
    await desk.world.submit("H01", content=content)
    stranger = Caller("system:other", frozenset({AgencyCode("H01.18")}))

    with pytest.raises(AccessError):
        await desk.answer(content, caller=stranger)
    with pytest.raises(SignatureError):
        await desk.answer(content, seal=b"<none/>")


async def test_a_key_is_compared_and_never_bound(desk: Desk) -> None:
    """Binding it would be a write."""
    content, other = desk.document(), desk.document()
    first = await desk.world.submit("H01", content=content)
    submission = desk.submission(content, idempotency_key="k")
    whole = Payload(submission.payload.digest, len(content), content, None)
    bound = Submission(CALLER, submission.envelope, whole, idempotency_key="k")
    assert await desk.answer(content, idempotency_key="k") is not None
    assert not await desk.repeats.is_bound(CALLER, "k")

    assert (await desk.world.intake.submit(bound)).message_id == first.message_id

    assert await desk.repeats.is_bound(CALLER, "k")
    assert not await desk.repeats.is_bound(Caller("system:other", frozenset({SENDER})), "k")
    with pytest.raises(ConflictError):
        await desk.answer(other, idempotency_key="k")


async def test_a_digest_is_known_to_the_agency_that_handed_it_in(desk: Desk) -> None:
    """By its beginning, once or shared by several messages; to nobody else."""
    content = desk.document()
    digest = digest_of(content)
    await desk.world.submit("H01", content=content)

    assert await desk.repeats.handed_in(CALLER, [digest]) == [digest]
    assert await desk.repeats.handed_in(CALLER, [digest[:6], "0" * 6]) == [digest]
    assert await desk.repeats.handed_in(CALLER, [digest_of(b"another")]) == []
    other = Caller("system:other", frozenset({AgencyCode("H01.18")}))
    assert await desk.repeats.handed_in(other, [digest]) == []

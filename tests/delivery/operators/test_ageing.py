"""Operators hear of a certificate's end in time, and not every hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from relay.delivery.operators.ageing import AgeingCertificate, AgeWatch
from relay.model import Digest

END = datetime(2027, 3, 1, 12, tzinfo=UTC)
ONE = AgeingCertificate("sign", Digest("ab" * 32), END)


@pytest.mark.parametrize(
    ("before", "step"),
    [
        (timedelta(days=61, hours=1), None),
        (timedelta(days=60, hours=23), 60),
        (timedelta(days=31), 60),
        (timedelta(days=30), 30),
        (timedelta(days=7), 7),
        (timedelta(days=6, hours=5), 6),
        (timedelta(hours=3), 0),
        (-timedelta(hours=3), -1),
        (-timedelta(days=40), -1),
    ],
)
def test_the_steps_are_sixty_thirty_and_seven_days_and_each_day_from_then_on(
    before: timedelta, step: int | None
) -> None:
    assert ONE.step(END - before) == step


async def test_each_step_is_told_once_with_the_certificate_and_the_days() -> None:
    told: list[tuple[str, dict[str, str | int]]] = []
    clock = [END - timedelta(days=60)]

    async def note(event: str, **fields: str | int) -> None:
        told.append((event, fields))

    watch = AgeWatch(lambda: [ONE], lambda: clock[0], note)
    for hours in range(60 * 24 + 48):
        clock[0] = END - timedelta(days=60) + timedelta(hours=hours)
        await watch.look()
    assert {event for event, _ in told} == {"certificate-ends"}
    assert [fields["days"] for _, fields in told] == [60, 30, 7, 6, 5, 4, 3, 2, 1, 0, -1]
    assert told[0][1] == {"type": "sign", "certificate": "ab" * 32, "days": 60}


async def test_a_renewed_certificate_is_silent_and_its_successor_told_anew() -> None:
    told: list[str | int] = []
    held = [ONE]

    async def note(event: str, **fields: str | int) -> None:
        told.append(fields["certificate"])

    watch = AgeWatch(lambda: held, lambda: END - timedelta(days=10), note)
    await watch.look()
    held[0] = AgeingCertificate("sign", Digest("cd" * 32), END + timedelta(days=700))
    await watch.look()
    held[0] = AgeingCertificate("sign", Digest("ef" * 32), END)
    await watch.look()
    assert told == ["ab" * 32, "ef" * 32]


async def test_each_is_told_with_what_is_to_be_done_about_it() -> None:
    """Nobody requests an anchor's successor with the command for the node's own."""
    held = [
        AgeingCertificate("sign", Digest("ab" * 32), END, "request it"),
        AgeingCertificate("trust.roots", Digest("cd" * 32), END, "put the next one beside it"),
    ]

    async def note(event: str, **fields: str | int) -> None:
        pass

    with capture_logs() as lines:
        await AgeWatch(lambda: held, lambda: END - timedelta(days=3), note).look()
    assert [(one["certificate"], one["hint"], one["log_level"]) for one in lines] == [
        ("sign", "request it", "error"),
        ("trust.roots", "put the next one beside it", "error"),
    ]

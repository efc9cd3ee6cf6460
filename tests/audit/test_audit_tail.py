"""Audit entries on one line for people."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from relay.audit.entries import AuditEvent, entry, parse
from relay.audit.tail import line
from relay.audit.words import replaced
from relay.model import NodeId

AT = datetime(2026, 11, 23, 18, 53, 0, 125_000, tzinfo=UTC)
NODE = NodeId("tinh-h01")


def shown(event: AuditEvent, colour: bool = False, **fields: object) -> str:
    made = entry(event, AT, NODE, **fields)
    words = json.loads(made.words or "{}")
    return line(replaced(parse(made.leaf), words), colour)


def test_a_line_has_local_time_event_parties_message_and_the_rest() -> None:
    """Vietnamese wall time with its zone; digests cut to eight digits, ids whole."""
    text = shown(
        AuditEvent.TRANSFER_POSTPONED,
        sender="H01.2",
        recipients=["H37.DN.001", "H01.1", "H01.3", "H01.4", "H01.5"],
        message="0190f0a0-0000-7000-8000-000000000000",
        digest="9f86d081" * 8,
        attempts=2,
    )

    assert text == (
        "2026-11-24 01:53:00.125 +07:00  transfer-postponed     H01.2 → H37.DN.001,H01.1,H01.3 +2"
        "  0190f0a0-0000-7000-8000-000000000000  attempts=2  digest=9f86d081…"
    )


def test_the_refusals_of_a_minute_are_shown_by_their_fields() -> None:
    """As anybody reads them, whoever was refused by the beginning of a digest."""
    refusals = [
        {"face": "native", "reason": "not-found", "count": 3},
        {"face": "axis", "reason": "forbidden", "count": 1, "by": "a" * 64},
    ]
    text = shown(AuditEvent.REFUSED_SUMMARY, count=4, seconds=60, refusals=refusals)
    first = "(count=3 face=native reason=not-found)"
    assert f"refusals={first},(by=" in text
    assert text.count("…") == 1
    assert "{" not in text


def test_another_zone_can_be_asked_for() -> None:
    """The zone is an argument, so the line does not depend on the machine."""
    fields = parse(entry(AuditEvent.NODE_STARTED, AT, NODE).leaf)

    assert line(fields, colour=False, zone=timezone(timedelta(hours=-3))).startswith(
        "2026-11-23 15:53:00.125 -03:00  node-started"
    )


def test_colour_marks_what_went_wrong_and_only_on_request() -> None:
    """Red for a failure; stripped of colour codes both lines are the same."""
    plain = shown(AuditEvent.DELIVERY_FAILED, reason="expired")
    colourful = shown(AuditEvent.DELIVERY_FAILED, colour=True, reason="expired")

    assert "\x1b" not in plain
    assert "\x1b[31mdelivery-failed" in colourful
    for code in ("0", "2", "31"):
        colourful = colourful.replace(f"\x1b[{code}m", "")
    assert colourful == plain


def test_words_that_are_gone_are_shown_as_their_digest() -> None:
    """A reader sees that somebody did it, and that the same line says no more."""
    leaf = parse(entry(AuditEvent.TOKEN_REVOKED, AT, NODE, token="t", by="local:an").leaf)

    assert line(leaf, colour=False).endswith(f"by={leaf['by'][:8]}…  token=t")


def test_hostile_text_cannot_steer_the_terminal() -> None:
    """Escapes, newlines and direction marks are written out; long texts are cut."""
    text = shown(AuditEvent.TOKEN_ISSUED, holder="a\x1b[2J\nb\N{RIGHT-TO-LEFT OVERRIDE}c")

    assert text.endswith(r"holder=a\x1b[2J\nb\u202ec")
    assert len(shown(AuditEvent.TOKEN_ISSUED, holder="x" * 60_000)) < 250


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_every_entry_is_one_printable_line(text: str, numbers: list[int]) -> None:
    """Whatever its fields hold."""
    assert shown(AuditEvent.PEER_REFUSED, peer=text, sender=text, recipients=numbers).isprintable()

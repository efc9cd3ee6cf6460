"""Two neighbours' lists compared, without a wire: what each pair of beliefs means, and what silence means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.delivery.reconciling import sides
from relay.delivery.reconciling.ports import (
    Believed,
    Exchanged,
    Kind,
    Period,
    Report,
    Side,
    Standing,
    What,
)
from relay.delivery.reconciling.sides import Comparison, Terms, by_delivery
from relay.delivery.reconciling.tally import Tally
from relay.model import AgencyCode, Digest, MessageId, MessageType, NodeId, TransferId

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
OLD = NOW - timedelta(hours=2)
PERIOD = Period(NOW - timedelta(days=1), NOW)
TERMS = Terms(NodeId("xa"), NodeId("tinh"), NOW, timedelta(minutes=15), NOW - timedelta(days=700))
SENDER, RECIPIENT = AgencyCode("H01.15"), AgencyCode("H01")


def told(
    standing: Standing, *, at: datetime = OLD, changed: datetime | None = None, **more: Any
) -> Exchanged:
    one = Exchanged(
        TransferId("01900000-0000-7000-8000-000000000001"),
        MessageId("01900000-0000-7000-8000-000000000002"),
        NodeId("xa"),
        MessageType.DOCUMENT,
        SENDER,
        Digest("a" * 64),
        Digest("b" * 64),
        at,
        (Believed(RECIPIENT, standing, changed or at),),
    )
    return replace(one, **more)


def compared(
    ours: Exchanged | None,
    theirs: Exchanged | None,
    side: Side = Side.SENT,
    *,
    known: bool = False,
    agency: str | None = None,
) -> Report:
    tally = Tally(frozenset() if agency is None else frozenset({AgencyCode(agency)}))
    comparison = Comparison(side, TERMS, tally)
    there = by_delivery([theirs] if theirs else [], tally)
    comparison.pair(by_delivery([ours] if ours else [], tally), there)
    rest = comparison.rest(there)
    comparison.unmatched(rest.values(), frozenset(rest) if known else frozenset())
    comparison.finish()
    return tally.report("tinh", PERIOD, NOW, TERMS.kept_since)


def verdict(report: Report) -> tuple[Kind, What, str] | None:
    assert sum(report.compared.values()) == report.same + len(report.differences)
    if not report.differences:
        return None
    (found,) = report.differences
    return found.kind, found.what, found.where


@pytest.mark.parametrize("standing", [one for one in Standing if one is not Standing.LOST])
def test_alike_is_the_same(standing: Standing) -> None:
    report = compared(told(standing), told(standing))
    assert (verdict(report), report.same, report.agrees) == (None, 1, True)


def test_other_bytes_or_another_receipt_under_one_id_are_different() -> None:
    other = told(Standing.TAKEN, digest=Digest("c" * 64))
    assert verdict(compared(told(Standing.TAKEN), other)) == (Kind.DIFFERENT, What.DIGEST, "tinh")
    other = told(Standing.TAKEN, answer=Digest("c" * 64))
    assert verdict(compared(told(Standing.TAKEN), other)) == (Kind.DIFFERENT, What.ANSWER, "tinh")


def test_who_has_handed_over_is_ahead_only_as_long_as_word_may_be_on_its_way() -> None:
    """The sender may know as much as the receiver, a little later; the edge is said as such."""
    late = compared(told(Standing.TAKEN), told(Standing.HANDED_OVER))
    assert verdict(late) == (Kind.DIFFERENT, What.STANDING, "tinh")
    assert (late.differences[0].ours, late.differences[0].theirs) == ("taken", "handed-over")
    fresh = told(Standing.HANDED_OVER, changed=NOW - timedelta(minutes=1))
    found = compared(told(Standing.TAKEN), fresh)
    assert verdict(found) == (Kind.UNDER_WAY, What.STANDING, "tinh")
    assert found.agrees


def test_a_receipt_that_accepts_what_is_no_longer_there_is_a_loss() -> None:
    found = compared(told(Standing.TAKEN), told(Standing.LOST))
    assert verdict(found) == (Kind.MISSING, What.ROW_LOST, "tinh")
    received = compared(told(Standing.LOST), told(Standing.TAKEN), Side.RECEIVED)
    assert verdict(received) == (Kind.MISSING, What.ROW_LOST, "xa")
    assert received.agencies[0].agency == RECIPIENT


@pytest.mark.parametrize("standing", [Standing.EXPIRED, Standing.CANCELLED, Standing.UNKNOWN])
def test_what_was_given_up_leaves_nothing_at_the_other(standing: Standing) -> None:
    assert verdict(compared(told(standing), None)) is None
    assert verdict(compared(None, told(standing), Side.RECEIVED)) is None


def test_a_refusal_is_known_to_who_was_refused() -> None:
    """The sender holds the signed refusal, so whoever signed it must know of it; who refused need not
    be remembered for it."""
    sent = verdict(compared(told(Standing.REFUSED), None))
    assert sent == (Kind.MISSING, What.NOT_KNOWN, "tinh")
    assert verdict(compared(told(Standing.REFUSED), None, Side.RECEIVED)) is None
    assert verdict(compared(None, told(Standing.REFUSED))) is None


def test_silence_is_missing_under_way_or_past_what_is_kept() -> None:
    lost = verdict(compared(told(Standing.TAKEN), None))
    assert lost == (Kind.MISSING, What.NOT_KNOWN, "tinh")
    assert verdict(compared(None, told(Standing.TAKEN))) == (Kind.MISSING, What.NOT_KNOWN, "xa")
    assert verdict(compared(None, told(Standing.TAKEN), known=True)) is None
    fresh = told(Standing.TAKEN, at=NOW - timedelta(minutes=1))
    assert verdict(compared(fresh, None)) == (Kind.UNDER_WAY, What.NOT_KNOWN, "tinh")
    old = told(Standing.TAKEN, at=NOW - timedelta(days=800))
    report = compared(old, None)
    assert verdict(report) == (Kind.NOT_COMPARED, What.NOT_KNOWN, "tinh")
    assert report.agrees
    doubt = compared(told(Standing.UNDER_WAY, answer=None), None)
    assert verdict(doubt) == (Kind.UNDER_WAY, What.NOT_KNOWN, "tinh")


def test_a_later_transfer_of_the_same_delivery_explains_an_earlier_one() -> None:
    """A restored node sends anew what it forgot to have sent: the receiver remembers both."""
    tally = Tally()
    comparison = Comparison(Side.RECEIVED, TERMS, tally)
    first = told(Standing.TAKEN)
    second = replace(first, transfer_id=TransferId("01900000-0000-7000-8000-000000000009"))
    comparison.pair(by_delivery([first], tally), {})
    there = by_delivery([second], tally)
    comparison.pair({}, there)
    comparison.unmatched(comparison.rest(there).values(), frozenset())
    comparison.finish()
    assert tally.report("tinh", PERIOD, NOW, OLD).same == 1
    comparison.pair(by_delivery([first], tally), {})
    both = by_delivery([second], tally)
    comparison.pair(both, by_delivery([second], tally))
    comparison.finish()
    report = tally.report("tinh", PERIOD, NOW, OLD)
    assert (report.same, report.differences) == (2, ())


def test_another_agencys_are_neither_told_nor_counted() -> None:
    assert compared(told(Standing.TAKEN), None, agency="H01.99").compared[Side.SENT] == 0
    assert verdict(compared(told(Standing.TAKEN), None, agency=RECIPIENT)) is not None


def test_what_waits_for_an_explanation_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told as missing when there is no more room for it, not forgotten."""
    monkeypatch.setattr(sides, "MOST_OPEN", 2)
    tally = Tally()
    comparison = Comparison(Side.SENT, TERMS, tally)
    for number in range(5):
        message = MessageId(f"01900000-0000-7000-8000-00000000000{number}")
        comparison.pair(by_delivery([told(Standing.TAKEN, message_id=message)], tally), {})
    assert len(comparison._open) == 2
    comparison.finish()
    assert tally.report("tinh", PERIOD, NOW, OLD).counts[Kind.MISSING] == 5


def test_more_than_are_named_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.delivery.reconciling.tally.MOST_NAMED", 2)
    monkeypatch.setattr("relay.delivery.reconciling.tally.MOST_AGENCIES", 2)
    tally = Tally()
    comparison = Comparison(Side.SENT, TERMS, tally)
    for number in range(5):
        one = told(Standing.TAKEN, sender=AgencyCode(f"H0{number}"))
        one = replace(one, message_id=MessageId(f"01900000-0000-7000-8000-00000000000{number}"))
        comparison.pair(by_delivery([one], tally), {})
    comparison.finish()
    report = tally.report("tinh", PERIOD, NOW, OLD)
    assert (len(report.differences), report.unnamed) == (2, 3)
    assert [one.agency for one in report.agencies] == ["H00", "H01", "OTHERS"]

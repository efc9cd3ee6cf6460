"""What a system believes against what is kept for its agency: found by id, bytes or number, each once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.delivery.reconciling.claims import Hearing
from relay.delivery.reconciling.ports import (
    NOWHERE,
    Claimed,
    Elsewhere,
    Kept,
    Kind,
    Period,
    Report,
    Side,
    What,
)
from relay.delivery.reconciling.tally import Tally
from relay.model import AgencyCode, DeliveryId, DeliveryState, Digest, MessageId, Reason

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
PERIOD = Period(NOW - timedelta(days=2), NOW)
OLD = NOW - timedelta(days=1)
KEPT_SINCE = NOW - timedelta(days=700)
ME, OTHER, THIRD = AgencyCode("H01.15"), AgencyCode("H01"), AgencyCode("H02")
SENT, RECEIVED = Side.SENT, Side.RECEIVED


def kept(number: int = 1, **changed: Any) -> Kept:
    one = Kept(
        side=SENT,
        message_id=MessageId(f"m{number}"),
        delivery_id=DeliveryId(f"d{number}"),
        agency=OTHER,
        digest=Digest(f"{number}" * 64),
        document_id=f"doc-{number}",
        notation=f"{number}/CV-M",
        promulgation_date="2026/11/23",
        at=OLD,
        changed=OLD,
        state=DeliveryState.HANDED_OVER,
        reason=None,
    )
    return replace(one, **changed)


def claim(**named: Any) -> Claimed:
    return Claimed(**{"side": SENT, "at": OLD, **named})


def heard(
    claims: list[Claimed], *rows: Kept, elsewhere: Elsewhere = NOWHERE, agency: AgencyCode = ME
) -> Report:
    hearing = Hearing(agency, PERIOD, NOW, KEPT_SINCE, Tally(), claims, elsewhere)
    hearing.know(rows)
    hearing.unknown_ids()
    hearing.hear()
    hearing.finish()
    return hearing.tally.report(agency, PERIOD, NOW, KEPT_SINCE)


def found(report: Report) -> list[tuple[Kind, What, str]]:
    return [(one.kind, one.what, one.where) for one in report.differences]


@pytest.mark.parametrize(
    "named",
    [
        {"message_id": MessageId("m1")},
        {"delivery_id": DeliveryId("d1")},
        {"digest": Digest("1" * 64)},
        {"document_id": "doc-1"},
        {"notation": "1/CV-M", "promulgation_date": "2026/11/23"},
        {"notation": "1/CV-M", "agency": OTHER},
    ],
    ids=lambda named: next(iter(named)),
)
def test_a_document_is_found_by_any_of_its_names(named: dict[str, Any]) -> None:
    report = heard([claim(**named)], kept(1))
    assert (report.same, found(report), report.agrees) == (1, [], True)


def test_what_only_one_side_has_is_missing_at_the_other() -> None:
    report = heard([claim(message_id=MessageId("m9"), agency=THIRD)], kept(1))
    assert sorted(found(report)) == [
        (Kind.MISSING, What.NOT_KNOWN, "dms"),
        (Kind.MISSING, What.NOT_KNOWN, "relay"),
    ]
    assert [(one.agency, one.counts[Kind.MISSING]) for one in report.agencies] == [
        (OTHER, 1),
        (THIRD, 1),
    ]


def test_what_is_recent_or_near_an_edge_is_under_way() -> None:
    fresh = NOW - timedelta(minutes=1)
    report = heard([claim(notation="9/CV", at=fresh)], kept(1, at=fresh))
    assert {kind for kind, _, _ in found(report)} == {Kind.UNDER_WAY}
    assert report.agrees
    edge = heard([], kept(1, at=PERIOD.since + timedelta(minutes=1)))
    assert found(edge) == [(Kind.UNDER_WAY, What.NOT_KNOWN, "dms")]


def test_what_lies_just_outside_the_period_is_found_all_the_same() -> None:
    """The system's clock says another day than this node's."""
    elsewhere = Elsewhere({"sent m7": kept(7, delivery_id=DeliveryId(""), agency=ME)}, frozenset())
    named = MessageId("m7")
    report = heard([claim(message_id=named, agency=OTHER)], elsewhere=elsewhere)
    assert (report.same, found(report)) == (1, [])
    twice = heard([claim(message_id=named), claim(message_id=named)], elsewhere=elsewhere)
    assert found(twice) == [(Kind.DOUBLED, What.LISTED_TWICE, "dms")]
    other = heard([claim(message_id=named, digest=Digest("0" * 64))], elsewhere=elsewhere)
    assert found(other) == [(Kind.DIFFERENT, What.DIGEST, "relay")]


def test_what_was_archived_or_is_past_what_is_kept_is_not_compared() -> None:
    elsewhere = Elsewhere({}, frozenset({"m7"}))
    report = heard([claim(message_id=MessageId("m7"))], elsewhere=elsewhere)
    assert found(report) == [(Kind.NOT_COMPARED, What.ARCHIVED, "relay")]
    old = heard([claim(message_id=MessageId("m8"), at=KEPT_SINCE - timedelta(days=1))])
    assert found(old) == [(Kind.NOT_COMPARED, What.NOT_KNOWN, "relay")]
    assert (report.agrees, old.agrees) == (True, True)


@pytest.mark.parametrize(
    ("named", "what"),
    [
        ({"digest": Digest("0" * 64)}, What.DIGEST),
        ({"document_id": "doc-2"}, What.DOCUMENT),
        ({"notation": "2/CV-M"}, What.DOCUMENT),
        ({"promulgation_date": "2026/11/24"}, What.DOCUMENT),
        ({"agency": THIRD}, What.AGENCY),
    ],
)
def test_what_both_have_and_call_otherwise_is_different(named: dict[str, Any], what: What) -> None:
    report = heard([claim(message_id=MessageId("m1"), **named)], kept(1))
    assert found(report) == [(Kind.DIFFERENT, what, "relay")]


def test_one_message_to_several_is_one_claim_or_one_for_each() -> None:
    rows = (kept(1), kept(1, delivery_id=DeliveryId("d1b"), agency=THIRD))
    whole = [claim(message_id=MessageId("m1"))]
    assert heard(whole, *rows).same == 2
    each = [claim(message_id=MessageId("m1"), agency=code) for code in (OTHER, THIRD)]
    assert heard(each, *rows).same == 2
    one = heard(each[:1], *rows)
    assert found(one) == [(Kind.MISSING, What.NOT_KNOWN, "dms")]
    by_bytes = [claim(digest=Digest("1" * 64))]
    assert heard(by_bytes, *rows).same == 2


def test_the_same_named_twice_or_the_same_bytes_sent_twice_is_doubled() -> None:
    twice = [claim(message_id=MessageId("m1")), claim(notation="1/CV-M")]
    assert found(heard(twice, kept(1))) == [(Kind.DOUBLED, What.LISTED_TWICE, "dms")]
    rows = (kept(1), kept(2, digest=Digest("1" * 64), at=OLD + timedelta(hours=1)))
    both = [claim(message_id=MessageId("m1")), claim(message_id=MessageId("m2"))]
    report = heard(both, *rows)
    assert found(report) == [(Kind.DOUBLED, What.SAME_BYTES, "relay")]
    assert (report.differences[0].message_id, report.differences[0].ours) == ("m2", "m1")
    refused = replace(rows[0], state=DeliveryState.REFUSED)
    assert Kind.DOUBLED not in {kind for kind, _, _ in found(heard(both, refused, rows[1]))}


def test_two_documents_of_one_number_are_each_found_once() -> None:
    """Numbers begin anew every year, and offices repeat them."""
    rows = (kept(1), kept(2, notation="1/CV-M"))
    named = [claim(notation="1/CV-M"), claim(notation="1/CV-M")]
    assert (heard(named, *rows).same, found(heard(named, *rows))) == (2, [])


def test_what_was_believed_sent_and_was_refused_is_different() -> None:
    refused = kept(1, state=DeliveryState.REFUSED, reason=Reason.CLOSED_RECIPIENT)
    report = heard([claim(message_id=MessageId("m1"))], refused)
    assert found(report) == [(Kind.DIFFERENT, What.STANDING, "relay")]
    assert report.differences[0].ours == "refused: closed-recipient"
    assert found(heard([], refused)) == []


def test_what_was_received_is_to_be_acknowledged_and_fetched() -> None:
    waits = kept(1, side=RECEIVED, state=DeliveryState.AVAILABLE)
    assert found(heard([], waits)) == [(Kind.MISSING, What.NOT_FETCHED, "dms")]
    fetched = replace(waits, state=DeliveryState.FETCHED)
    assert found(heard([], fetched)) == [(Kind.MISSING, What.NOT_KNOWN, "dms")]
    named = [claim(side=RECEIVED, delivery_id=DeliveryId("d1"))]
    assert found(heard(named, fetched)) == [(Kind.DIFFERENT, What.NOT_ACKNOWLEDGED, "dms")]
    done = replace(waits, state=DeliveryState.HANDED_OVER)
    assert heard(named, done).agrees
    fresh = replace(fetched, changed=NOW)
    assert found(heard(named, fresh)) == [(Kind.UNDER_WAY, What.NOT_ACKNOWLEDGED, "dms")]
    assert found(heard([claim(side=SENT, delivery_id=DeliveryId("d1"))], done)) != []


def test_a_claim_of_somebody_elses_kind_of_name_finds_nothing() -> None:
    report = heard([claim(message_id=MessageId("d1"), agency=None)])
    assert found(report) == [(Kind.MISSING, What.NOT_KNOWN, "relay")]
    assert report.differences[0].agency == "UNKNOWN"

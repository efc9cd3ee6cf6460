"""One timeline out of receipts that come in any order, and what is said where none has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.ports import Caller, DeliveryView, MessageView, ReceiptView, StatusView
from relay.delivery.timeline.assembling import assemble
from relay.delivery.timeline.ports import (
    Known,
    Line,
    OwnArrival,
    OwnEntry,
    Records,
    Source,
    Stay,
    Step,
    Timeline,
)
from relay.delivery.tracking import shown_to
from relay.model import (
    AgencyCode,
    BusinessState,
    DeliveryId,
    DeliveryState,
    Event,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    Reason,
    SealKind,
    TraceStep,
    TransferId,
    digest_of,
)
from relay.wire.remote_word import RemoteWord, write_word

AT = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
MESSAGE = MessageId("0190f0a0-0000-7000-8000-000000000001")
XA, HUYEN, TINH, TW, XB = map(NodeId, ("xa", "huyen", "tinh", "tw", "xb"))
TO, ALSO = AgencyCode("G22"), AgencyCode("H01.16")
S, E = DeliveryState, Event


def said(
    event: Event, issuer: NodeId, minutes: float, sent_by: NodeId | None = None, **more: Any
) -> ReceiptView:
    name = digest_of(f"{event} {issuer} {minutes}".encode())
    transfer = TransferId(f"{sent_by}>{issuer}") if sent_by else None
    fields: dict[str, Any] = {"previous": None, "reason": None, "detail": "", "recipient": TO}
    fields.update(more)
    at = AT + timedelta(minutes=minutes)
    return ReceiptView(name, event, issuer, at=at, transfer_id=transfer, sent_by=sent_by, **fields)


def going(
    receipts: Sequence[ReceiptView],
    state: DeliveryState,
    recipient: AgencyCode = TO,
    **more: Any,
) -> DeliveryView:
    fields: dict[str, Any] = {"next_hop": HUYEN, "attempts": 0, "next_attempt_at": None}
    fields.update({"last_error": "", "reason": None, "detail": "", "statuses": ()}, **more)
    own = tuple(replace(one, recipient=recipient) for one in receipts)
    return DeliveryView(
        DeliveryId(f"to {recipient}"), recipient, recipient, state, receipts=own, **fields
    )


def told(
    *deliveries: DeliveryView, here: NodeId = XA, records: Records | None = None, **more: Any
) -> Timeline:
    fields: dict[str, Any] = {"origin": XA, "seal_kind": SealKind.AGENCY, "findings": ()}
    fields.update(more)
    view = MessageView(
        message_id=MESSAGE,
        message_type=MessageType.DOCUMENT,
        sender=AgencyCode("H01.15.02"),
        subject="V/v thử",
        notation="1/CV",
        document_id="1",
        priority=Priority.NORMAL,
        digest=digest_of(b""),
        size_bytes=0,
        accepted_at=AT,
        expires_at=AT + timedelta(days=1),
        linked_to=None,
        deliveries=deliveries,
        **fields,
    )
    return assemble(view, records or Records(), here, {}, "CN=Mẫu")


def stays(way: Sequence[Stay]) -> Iterator[Stay]:
    for one in way:
        yield one
        yield from stays(one.onward)


def at(found: Timeline, node: NodeId) -> Stay:
    (stay,) = [one for one in stays(found.way) if one.node == node]
    return stay


def lines(found: Timeline, node: NodeId, step: Step) -> list[Line]:
    return [line for line in at(found, node).lines if line.step is step]


WAY = (
    said(E.SUBMISSION_ACCEPTANCE, XA, 0),
    said(E.RELAY_ACCEPTANCE, HUYEN, 2, XA),
    said(E.RELAY_ACCEPTANCE, TINH, 5, HUYEN),
    said(E.RELAY_ACCEPTANCE, TW, 9, TINH),
    said(E.CONTENT_CONSIGNMENT, TW, 9, TINH),
    said(E.CONTENT_HANDOVER, TW, 30, TINH),
)


@pytest.mark.parametrize("order", [*permutations(WAY)][::37])
def test_receipts_in_any_order_make_the_same_way(order: tuple[ReceiptView, ...]) -> None:
    """Each names who its issuer had it from: clocks and order of arrival say nothing."""
    found = told(going(order, S.HANDED_OVER))
    assert found == replace(told(going(WAY, S.HANDED_OVER)), view=found.view)
    assert [one.node for one in stays(found.way)] == [XA, HUYEN, TINH, TW]
    assert all(one.known is Known.SIGNED for one in stays(found.way))
    assert found.final


def test_each_line_names_the_receipt_it_stands_on() -> None:
    """Arrival, departure with the time it took there, and what the recipient's side said."""
    found = told(going(WAY, S.HANDED_OVER))
    (arrived,) = lines(found, TINH, Step.ARRIVED)
    (left,) = lines(found, TINH, Step.LEFT)
    assert (arrived.source, arrived.receipt, arrived.issuer) == (
        Source.RECEIPT,
        WAY[2].digest,
        TINH,
    )
    assert (left.source, left.receipt, left.issuer) == (Source.RECEIPT, WAY[3].digest, TW)
    assert left.lasted == timedelta(minutes=4)
    assert [one.receipt for one in lines(found, TW, Step.DELIVERED)] == [
        WAY[4].digest,
        WAY[5].digest,
    ]
    (verified,) = lines(found, TINH, Step.VERIFIED)
    assert "what it found is not told" in verified.text


@given(st.sets(st.sampled_from(WAY[1:])), st.permutations(WAY))
def test_what_did_not_come_is_shown_as_not_known(
    gone: set[ReceiptView], order: list[ReceiptView]
) -> None:
    """With any receipts missing: every node that is named stands in the tree once, none is made up, and
    no line speaks of a receipt that is not here."""
    here = [one for one in order if one not in gone]
    found = told(going(here, S.RELAYED))
    nodes = [one.node for one in stays(found.way)]
    assert len(nodes) == len(set(nodes))
    assert set(nodes) == {XA, *(r.issuer for r in here), *(r.sent_by for r in here if r.sent_by)}
    digests = {one.digest for one in here}
    for stay in stays(found.way):
        own = any(one.issuer == stay.node for one in here)
        assert (stay.known is Known.MISSING) == (not own and stay.node != XA)
        assert all(line.receipt in digests for line in stay.lines if line.receipt)
        assert all(line.source is not Source.RECEIPT or line.receipt for line in stay.lines)


def test_who_has_sent_no_receipt_yet_is_named_with_since_when() -> None:
    """The province took it over; nothing came since: not that it waits there, and not why."""
    found = told(going(WAY[:3], S.RELAYED))
    (stands,) = lines(found, TINH, Step.STANDS)
    assert stands.source is Source.NOTHING
    assert stands.at == WAY[2].at
    assert "why it waits is known there alone" in stands.text
    assert not found.final


def test_recipients_share_a_stay_while_their_way_is_the_same() -> None:
    """The province is one stay for both; the ministry's node and the other commune one each."""
    other = (*WAY[:3], said(E.RELAY_ACCEPTANCE, XB, 7, TINH))
    found = told(going(WAY, S.HANDED_OVER), going(other, S.RELAYED, ALSO))
    assert at(found, TINH).recipients == (TO, ALSO)
    assert {one.node: one.recipients for one in at(found, TINH).onward} == {TW: (TO,), XB: (ALSO,)}
    assert len(lines(found, TINH, Step.ARRIVED)) == 1
    assert {line.recipients for line in lines(found, TINH, Step.LEFT)} == {(TO,), (ALSO,)}


def test_a_clock_behind_is_no_negative_waiting() -> None:
    """The province's clock is an hour behind the district's: so much is told of the clocks."""
    behind = said(E.RELAY_ACCEPTANCE, TINH, -58, HUYEN)
    found = told(going((*WAY[:2], behind), S.RELAYED))
    (left,) = lines(found, HUYEN, Step.LEFT)
    assert left.lasted is None
    assert left.clocks_differ == timedelta(hours=1)


def test_a_refusal_is_told_where_it_happened() -> None:
    """And the delivery is final."""
    no = said(E.RELAY_REJECTION, TW, 9, TINH, reason=Reason.UNKNOWN_RECIPIENT, detail="no G22 here")
    found = told(going((*WAY[:3], no), S.REFUSED, reason=Reason.UNKNOWN_RECIPIENT))
    (ended,) = lines(found, TW, Step.ENDED)
    assert (ended.reason, ended.receipt) == (Reason.UNKNOWN_RECIPIENT, no.digest)
    assert ended.text == "refused (unknown-recipient): no G22 here"
    assert not lines(found, TW, Step.ARRIVED)
    assert not lines(found, TINH, Step.STANDS)
    assert found.final


def test_an_unknown_outcome_is_not_final_until_a_receipt_supersedes_it() -> None:
    """First nobody knows whether the ministry has it; then the ministry's receipt says so."""
    failure = said(E.RELAY_FAILURE, TINH, 60, HUYEN, reason=Reason.OUTCOME_UNKNOWN)
    doubt = going((*WAY[:3], failure), S.EXPIRED, reason=Reason.OUTCOME_UNKNOWN)
    found = told(doubt)
    (ended,) = lines(found, TINH, Step.ENDED)
    assert (ended.superseded_by, found.final) == (None, False)
    (stands,) = lines(found, TINH, Step.STANDS)
    assert (stands.source, "not known" in stands.text) == (Source.NOTHING, True)

    found = told(going((*WAY[:3], failure, *WAY[3:]), S.HANDED_OVER))
    (ended,) = lines(found, TINH, Step.ENDED)
    assert ended.superseded_by == WAY[3].digest
    assert found.final


def test_expired_and_taken_back_have_their_words() -> None:
    """A take-back is no failure of anybody."""
    expired = said(E.RELAY_FAILURE, TINH, 60, HUYEN, reason=Reason.EXPIRED)
    found = told(going((*WAY[:3], expired), S.EXPIRED, reason=Reason.EXPIRED))
    assert [one.text for one in lines(found, TINH, Step.ENDED)] == ["given up (expired)"]
    assert found.final
    back = said(E.CONTENT_HANDOVER_FAILURE, TW, 60, TINH, reason=Reason.TAKEN_BACK)
    found = told(going((*WAY[:5], back), S.TAKEN_BACK))
    (ended,) = lines(found, TW, Step.ENDED)
    assert "taken back by its sender" in ended.text
    assert found.final


def test_a_remote_without_evidence_is_never_proof() -> None:
    """Its word stands under its own name, with whom it was told; the gateway's own act is signed."""
    words = [
        said(
            event,
            TW,
            minutes,
            detail=write_word(RemoteWord("truc-qg", call, "77", digest_of(b"a"))),
        )
        for event, minutes, call in (
            (E.RELAY_TO_NON_ERDS, 10, "sendEdoc"),
            (E.CONTENT_HANDOVER, 20, "getSentEdocList"),
        )
    ]
    found = told(going((*WAY[:4], *words), S.HANDED_OVER))
    remote = at(found, NodeId("truc-qg"))
    assert (remote.known, remote.came_from) == (Known.NONE, TW)
    assert {line.source for line in remote.lines} == {Source.WORD}
    assert all("no evidence" in line.text for line in remote.lines)
    assert [line.issuer for line in remote.lines] == [TW, TW]
    gave = [line for line in at(found, TW).lines if line.event == E.RELAY_TO_NON_ERDS]
    assert [(line.source, line.step) for line in gave] == [(Source.RECEIPT, Step.LEFT)]
    assert not lines(found, TW, Step.DELIVERED)


def test_what_entered_from_a_remote_begins_there() -> None:
    """The remote's part has no evidence; the gateway's receipt begins what has."""
    word = write_word(RemoteWord("truc-qg", "getReceivedEdocList", "77", digest_of(b"a")))
    entered = said(E.RECEIVED_FROM_NON_ERDS, XA, 0, detail=word)
    found = told(going((entered, *WAY[1:]), S.HANDED_OVER), seal_kind=SealKind.GATEWAY)
    assert [one.node for one in stays(found.way)] == ["truc-qg", XA, HUYEN, TINH, TW]
    assert found.way[0].known is Known.NONE
    assert [line.source for line in lines(found, XA, Step.ARRIVED)] == [Source.RECEIPT]


def entry(index: int, event: str, minutes: float, **fields: Any) -> OwnEntry:
    moment = (AT + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    return OwnEntry(index, {"event": event, "at": moment, **fields})


def test_why_it_waited_here_is_told_by_the_own_log() -> None:
    """Postponed, redirected, taken over at last: each with the number of its entry."""
    entries = (
        entry(4, "message-accepted", 0, receipt=WAY[0].digest, recipients=[TO, ALSO]),
        entry(5, "message-sealed", 0),
        entry(6, "transfer-frozen", 1, transfer="t1", neighbour=XB, recipients=[TO]),
        entry(7, "transfer-postponed", 1, transfer="t1", neighbour=XB, state="in-doubt"),
        entry(9, "delivery-redirected", 3, neighbour=HUYEN, deliveries=[f"to {TO}"]),
        entry(11, "transfer-answered", 4, transfer="t2", neighbour=HUYEN, receipt=WAY[1].digest),
        entry(12, "evidence-exported", 5),
    )
    other = going(WAY[:1], S.QUEUED, ALSO, attempts=0)
    found = told(going(WAY[:2], S.RELAYED), other, records=Records(entries))
    waited = [line for line in at(found, XA).lines if line.step is Step.WAITED]
    assert [(line.entry, line.recipients) for line in waited] == [(7, (TO,)), (9, (TO,))]
    assert "may have it" in waited[0].text
    (arrived,) = lines(found, XA, Step.ARRIVED)
    assert (arrived.entry, arrived.receipt) == (4, WAY[0].digest)
    (sealed,) = lines(found, XA, Step.VERIFIED)
    assert (sealed.entry, sealed.source) == (5, Source.LOG)
    assert "kind agency by CN=Mẫu; no findings" in sealed.text
    answered = [line for line in lines(found, XA, Step.LEFT) if line.entry == 11]
    assert {line.lasted for line in answered} == {timedelta(minutes=4)}
    assert not [one for one in stays(found.way) for line in one.lines if line.entry == 12]


def test_what_waits_here_says_for_whom_and_until_when() -> None:
    """The journal's own record, not evidence."""
    due = AT + timedelta(minutes=9)
    waiting = going(
        WAY[:1], S.QUEUED, attempts=2, next_attempt_at=due, last_error="connection refused"
    )
    since = {DeliveryId(f"to {TO}"): AT + timedelta(minutes=1)}
    found = told(waiting, records=Records(since=since))
    (stands,) = lines(found, XA, Step.STANDS)
    assert stands.source is Source.JOURNAL
    assert stands.text == "waits for huyen; tried 2 times; last error: connection refused"
    assert (stands.at, stands.until) == (AT + timedelta(minutes=1), due)


def test_a_node_on_the_way_knows_those_before_it_by_the_header_only() -> None:
    """The receipts of nodes before it are not here: their digests are, in its neighbour's signed header."""
    steps = (TraceStep(XA, AT, WAY[0].digest), TraceStep(HUYEN, WAY[1].at, WAY[1].digest))
    arrival = OwnArrival(HUYEN, TransferId("huyen>tinh"), steps, WAY[2].at)
    records = Records(arrivals={DeliveryId(f"to {TO}"): arrival})
    found = told(going(WAY[2:], S.HANDED_OVER), here=TINH, records=records)
    assert [(one.node, one.known) for one in stays(found.way)] == [
        (XA, Known.HEADER),
        (HUYEN, Known.HEADER),
        (TINH, Known.SIGNED),
        (TW, Known.SIGNED),
    ]
    (line,) = lines(found, XA, Step.ARRIVED)
    assert (line.source, line.issuer, line.receipt) == (Source.HEADER, HUYEN, WAY[0].digest)


def test_a_circle_of_receipts_ends() -> None:
    """Two nodes that each say they had it from the other make no endless way."""
    circle = (said(E.RELAY_ACCEPTANCE, TINH, 1, TW), said(E.RELAY_ACCEPTANCE, TW, 1, TINH))
    found = told(going((WAY[0], *circle), S.RELAYED))
    assert sorted(one.node for one in stays(found.way)) == sorted([XA, TINH, TW])


def test_a_circular_is_one_pass() -> None:
    """Thousands of recipients on one way are a few stays with a few lines."""
    many = [going(WAY, S.HANDED_OVER, AgencyCode(f"H01.{n}")) for n in range(1000)]
    found = told(*many)
    assert len(list(stays(found.way))) == 4
    assert sum(len(one.lines) for one in stays(found.way)) < 20
    assert all(len(one.recipients) == 1000 for one in stays(found.way))


@pytest.mark.parametrize(
    ("caller", "all_of_it"),
    [
        (Caller("o", frozenset(), operator=True), True),
        (Caller("a", frozenset(), auditor=True), True),
        (Caller("s", frozenset({AgencyCode("H01.15.02")})), True),
        (Caller("r", frozenset({TO})), False),
    ],
    ids=["operator", "auditor", "sender", "another recipient"],
)
def test_what_one_recipient_answered_is_not_told_to_the_others(
    caller: Caller, all_of_it: bool
) -> None:
    """A clerk's words are for the sender; where a delivery is, all its parties may know."""
    words = StatusView(MESSAGE, "02", ALSO, "sai thẩm quyền", "", AT)
    own = StatusView(MESSAGE, "03", TO, "đã tiếp nhận", "", AT)
    view = told(
        going(WAY, S.RELAYED, statuses=(own,), business=BusinessState.ACCEPTED),
        going(WAY, S.RELAYED, ALSO, statuses=(words,), business=BusinessState.REFUSED, last_error="tinh:8443"),
    ).view  # fmt: skip
    shown = assemble(shown_to(caller, view), Records(), XA, {}, "")
    text = repr(shown)
    assert "đã tiếp nhận" in text
    assert ("sai thẩm quyền" in text, "tinh:8443" in text) == (all_of_it, all_of_it)
    assert [one.state for one in shown.view.deliveries] == [S.RELAYED, S.RELAYED]

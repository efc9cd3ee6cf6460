"""Lists of the recipient's and the sender's side: right whatever is asked, and by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.delivery.ports import Acknowledgement, Caller, InboxQuery, SentQuery
from relay.delivery.records import Admitted
from relay.journal import admitting, lists
from relay.journal.store import SqliteJournal
from relay.model import AgencyCode, DeliveryState, Event, Evidence, MessageType, Reason
from relay.transport.axis import answers

AT = datetime.fromisoformat("2026-11-23T04:05:06.123+00:00")
A, B, C = (AgencyCode(code) for code in ("G01", "G02", "G03"))
SENDERS = (AgencyCode("H01.1"), AgencyCode("H01.2"))
WHO = Caller("system:vxp.a", frozenset({A, B, C}))


async def fill(journal: SqliteJournal, make: Any, count: int = 24) -> None:
    """Documents and statuses from two senders to three recipients, a minute apart."""
    for number in range(count):
        admission = make.admission(
            b"<edXML>%d</edXML>" % number,
            (("G01", "G02", "G03")[number % 3],),
            next_hop=None,
            state=DeliveryState.AVAILABLE,
            key=f"k{number}",
        )
        message = replace(
            admission.message,
            sender=SENDERS[number % 2],
            accepted_at=AT + timedelta(minutes=number),
            message_type=MessageType.STATUS if number % 4 == 3 else MessageType.DOCUMENT,
        )
        await journal.admit(replace(admission, message=message))
    items = await journal.inbox(None, InboxQuery(limit=1000))
    said = (Acknowledgement.DONE, Acknowledgement.PROCESSING, None, Acknowledgement.FAIL, None)
    for number, item in enumerate(items):
        if (word := said[number % len(said)]) is not None:
            await say(journal, make, item, word)


async def say(journal: SqliteJournal, make: Any, item: Any, word: Acknowledgement) -> None:
    facts = await journal.inbox_item(item.delivery_id)
    assert facts is not None
    proof = None
    if word in (Acknowledgement.DONE, Acknowledgement.FAIL):
        failed = word is Acknowledgement.FAIL
        event = Event.CONTENT_HANDOVER_FAILURE if failed else Event.CONTENT_HANDOVER
        reason = Reason.REJECTED_BY_RECIPIENT if failed else None
        evidence = Evidence(event, facts.recipient, None, reason, "no room" if failed else "")
        proof = make.receipt(item.message_id, b"", evidence)
    await journal.acknowledge(item.delivery_id, word, proof, WHO, AT)


def naive_inbox(
    items: Sequence[Any], agencies: frozenset[AgencyCode], query: InboxQuery
) -> list[Any]:
    def wanted(item: Any) -> bool:
        said, asked = item.acknowledgement, query.acknowledgement
        if asked is Acknowledgement.INITIAL:
            listed = said in (Acknowledgement.INITIAL, Acknowledgement.FAIL)
        elif asked is not None:
            listed = said is asked
        else:
            listed = query.every_state or said is not Acknowledgement.DONE
        return (
            listed
            and item.recipient in agencies
            and query.message_type in (None, item.message_type)
            and (query.since is None or item.available_at >= query.since)
            and (query.until is None or item.available_at <= query.until)
            and item.cursor > query.after
        )

    return [one for one in items if wanted(one)][query.skip : query.skip + query.limit]


times = st.none() | st.integers(-2, 26).map(lambda minutes: AT + timedelta(minutes=minutes))
inbox_queries = st.builds(
    InboxQuery,
    message_type=st.none() | st.sampled_from(MessageType),
    acknowledgement=st.none() | st.sampled_from(Acknowledgement),
    every_state=st.booleans(),
    since=times,
    until=times,
    after=st.integers(0, 10),
    skip=st.integers(0, 8),
    limit=st.integers(1, 30),
)
sent_queries = st.builds(
    SentQuery,
    message_type=st.none() | st.sampled_from(MessageType),
    since=times,
    until=times,
    states=st.none()
    | st.dictionaries(
        st.sampled_from(MessageType),
        st.frozensets(
            st.sampled_from(
                [
                    DeliveryState.HANDED_OVER,
                    DeliveryState.AVAILABLE,
                    DeliveryState.REFUSED,
                    DeliveryState.QUEUED,
                ]
            ),
            min_size=1,
        ),
    ),
    skip=st.integers(0, 8),
    limit=st.integers(1, 30),
)


async def test_any_question_about_the_inbox_gets_what_a_walk_over_all_would_give(
    journal: SqliteJournal, make: Any
) -> None:
    """Whatever filters, pages and agencies; in the order in which deliveries came."""
    await fill(journal, make)
    items = await journal.inbox(None, InboxQuery(every_state=True, limit=1000))
    assert len(items) == 24
    for query in examples(inbox_queries):
        for agencies in (frozenset({A}), frozenset({B, C}), frozenset({A, B, C}), frozenset[Any]()):
            assert await journal.inbox(agencies, query) == naive_inbox(items, agencies, query)


async def test_any_question_about_what_was_sent_gets_the_newest_first(
    journal: SqliteJournal, make: Any
) -> None:
    """Whatever filters, pages and agencies."""
    await fill(journal, make)
    items = await journal.sent(None, SentQuery(limit=1000))
    assert [one.accepted_at for one in items] == sorted(
        (one.accepted_at for one in items), reverse=True
    )
    for query in examples(sent_queries):
        for agencies in (frozenset({SENDERS[0]}), frozenset(SENDERS), frozenset[Any]()):
            wanted = [
                one
                for one in items
                if one.sender in {"H01.1"} and _sender(items, one) in agencies
                if query.message_type in (None, one.message_type)
                if query.since is None or one.accepted_at >= query.since
                if query.until is None or one.accepted_at <= query.until
                if query.states is None or one.state in query.states.get(one.message_type, ())
            ]
            found = await journal.sent(agencies, query)
            assert found == wanted[query.skip : query.skip + query.limit]


def _sender(items: Sequence[Any], one: Any) -> AgencyCode:
    """By its minute, as `fill` gave it."""
    return SENDERS[round((one.accepted_at - AT).total_seconds() / 60) % 2]


def examples(strategy: Any, count: int = 60) -> list[Any]:
    """Drawn by hypothesis, for a journal that lives in one event loop."""
    drawn: list[Any] = []

    @given(strategy)
    @settings(max_examples=count, deadline=None, database=None)
    def draw(one: Any) -> None:
        drawn.append(one)

    draw()
    return drawn


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (InboxQuery(), "deliveries_open_of"),
        (InboxQuery(message_type=MessageType.DOCUMENT), "deliveries_open_of"),
        (InboxQuery(acknowledgement=Acknowledgement.INITIAL), "deliveries_open_of"),
        (InboxQuery(acknowledgement=Acknowledgement.FAIL), "deliveries_open_of"),
        (InboxQuery(acknowledgement=Acknowledgement.DONE), "deliveries_done_of"),
        (InboxQuery(acknowledgement=Acknowledgement.DONE, since=AT), "deliveries_done_of"),
        (InboxQuery(every_state=True), "deliveries_inbox_of"),
    ],
)
async def test_a_poll_walks_only_what_is_open(
    journal: SqliteJournal, query: InboxQuery, index: str
) -> None:
    """No scan, no sorting of more than a page."""
    agencies = frozenset({A, B})
    statement = lists.inbox_statement(agencies, query)
    plan = await journal.rows(
        f"EXPLAIN QUERY PLAN {statement}", lists.inbox_values(agencies, query)
    )
    text = " | ".join(str(row[3]) for row in plan)
    assert f"USING INDEX {index}" in text or f"USING COVERING INDEX {index}" in text
    assert "SCAN deliveries" not in text


async def test_the_sent_list_walks_from_the_newest_of_its_days(journal: SqliteJournal) -> None:
    """Days are bounds of the index, not a filter over it."""
    agencies = frozenset(SENDERS)
    query = SentQuery(since=AT, until=AT)
    statement = lists.sent_statement(agencies, query)
    plan = await journal.rows(f"EXPLAIN QUERY PLAN {statement}", lists.sent_values(agencies, query))
    text = " | ".join(str(row[3]) for row in plan)
    assert (
        "messages_by_sender (sender=? AND message_type=? AND accepted_at>? AND accepted_at<?)"
        in text
    )


@pytest.mark.parametrize("state", DeliveryState)
async def test_every_sent_status_is_looked_up_by_sender_kind_and_day(
    journal: SqliteJournal, state: DeliveryState
) -> None:
    """One that is rare among a million is found without walking the others; nothing is sorted but a page."""
    agencies = frozenset(SENDERS)
    query = SentQuery(since=AT, until=AT, states=dict.fromkeys(MessageType, frozenset({state})))
    statement = lists.sent_statement(agencies, query)
    plan = await journal.rows(f"EXPLAIN QUERY PLAN {statement}", lists.sent_values(agencies, query))
    text = " | ".join(str(row[3]) for row in plan)
    of_state = "sent_by=? AND sent_kind=? AND state=? AND sent_at>? AND sent_at<?"
    assert text.count(f"USING COVERING INDEX deliveries_sent ({of_state})") == 4
    assert "SCAN d" not in text
    assert "FOR DISTINCT" not in text


async def test_a_system_of_very_many_agencies_has_the_same_list(
    journal: SqliteJournal, make: Any
) -> None:
    """More than are walked one by one."""
    await fill(journal, make)
    some = frozenset({A, B, *SENDERS})
    many = some | {AgencyCode(f"H99.{number}") for number in range(300)}
    for query in (InboxQuery(), InboxQuery(acknowledgement=Acknowledgement.DONE, limit=3)):
        assert await journal.inbox(many, query) == await journal.inbox(some, query)
    states = {MessageType.DOCUMENT: frozenset({DeliveryState.AVAILABLE, DeliveryState.HANDED_OVER})}
    for asked in (SentQuery(), SentQuery(states=states, limit=3)):
        assert await journal.sent(many, asked) == await journal.sent(some, asked)


async def test_what_was_put_back_keeps_its_reason_until_it_is_taken_over(
    journal: SqliteJournal, make: Any
) -> None:
    """It is listed again, its sender sees why, and neither once it was taken over."""
    await fill(journal, make, 1)
    (item,) = await journal.inbox(frozenset({A}), InboxQuery(every_state=True))
    assert item.acknowledgement is Acknowledgement.DONE  # fill's first word
    admission = make.admission(
        b"<b/>", ("G02",), next_hop=None, state=DeliveryState.AVAILABLE, key="b"
    )
    await journal.admit(admission)
    (item,) = await journal.inbox(frozenset({B}), InboxQuery())
    await say(journal, make, item, Acknowledgement.FAIL)
    (again,) = await journal.inbox(
        frozenset({B}), InboxQuery(acknowledgement=Acknowledgement.INITIAL)
    )
    assert again.put_back_because == "no room"
    (sent,) = await journal.sent(None, SentQuery(message_id=item.message_id))
    assert (sent.acknowledgement, sent.detail) == (Acknowledgement.FAIL, "no room")
    await say(journal, make, again, Acknowledgement.DONE)
    (sent,) = await journal.sent(None, SentQuery(message_id=item.message_id))
    assert (sent.acknowledgement, sent.detail) == (Acknowledgement.DONE, "")


async def test_a_long_list_is_read_in_slices_and_in_order(
    journal: SqliteJournal, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's read waits for all of it: no statement gives out more rows than a slice."""
    await fill(journal, make)
    query = InboxQuery(every_state=True, limit=1000)
    whole = await journal.inbox(frozenset({A, B, C}), query)
    sent = await journal.sent(frozenset(SENDERS), SentQuery(limit=1000))
    monkeypatch.setattr(lists, "ROWS_AT_A_TIME", 5)
    read: list[tuple[int, int]] = []

    async def counted(statement: str, values: dict[str, object]) -> list[Any]:
        rows = await journal.rows(statement, values)
        read.append((len(rows), len(rows[0]) if rows else 0))
        return rows

    assert await lists.inbox(counted, frozenset({A, B, C}), query) == whole
    assert await lists.sent(counted, frozenset(SENDERS), SentQuery(limit=1000)) == sent
    assert [rows for rows, columns in read if columns > 2] == [5, 5, 5, 5, 4] * 2


async def test_a_recipient_that_a_restore_brought_later_is_listed_with_its_message(
    journal: SqliteJournal, make: Any
) -> None:
    """Once, at the time of the message, under each status."""
    admission = make.admission(b"<a/>", ("G01",), key="r")
    admitted = await journal.admit(admission)
    assert isinstance(admitted, Admitted)
    (later,) = make.admission(b"<a/>", ("G02",)).deliveries
    args = (journal._node, admitted.message_row, admitted.arrival_row)
    at = AT + timedelta(days=3)
    await journal.perform(
        lambda tx: admitting.add_recipients(tx, *args, admission.message, [later], at)
    )
    states = {MessageType.DOCUMENT: frozenset({DeliveryState.QUEUED})}
    for until in (None, AT + timedelta(days=1)):
        query = SentQuery(states=states, until=until)
        found = await journal.sent(frozenset({SENDERS[0]}), query)
        assert [one.recipient for one in found] == ["G01", "G02"]


async def test_a_take_back_that_did_its_work_is_listed_as_done(
    journal: SqliteJournal, make: Any
) -> None:
    """Whatever kind is asked for: a document that was taken back failed, the 13 that did so did not."""
    for number, kind in enumerate(MessageType):
        admission = make.admission(b"<a>%d</a>" % number, key=f"t{number}")
        message = replace(admission.message, message_type=kind)
        await journal.admit(replace(admission, message=message))
    await journal.perform(lambda tx: tx.run("UPDATE deliveries SET state = 'taken-back'"))
    for word, kinds in (("done", [MessageType.STATUS]), ("fail", [MessageType.DOCUMENT])):
        states = {kind: answers.STATES_OF[kind][word] for kind in MessageType}
        found = await journal.sent(frozenset({SENDERS[0]}), SentQuery(states=states))
        assert [one.message_type for one in found] == kinds

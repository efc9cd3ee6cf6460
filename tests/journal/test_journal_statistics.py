"""Statistics are what a plain count of the history gives, whatever of it has left the journal since."""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from relay.delivery.records import Admitted, Report, Stated
from relay.delivery.statistics.figures import RECEIVED, SENT, By, Line, Question
from relay.delivery.statistics.periods import Per, WorkingDays
from relay.journal import admitting, carrying, obliging, retaining
from relay.journal.counting import CountStopped, FigureTable
from relay.journal.migrate import migrate, migrations
from relay.journal.retention import Part
from relay.journal.rows import ms
from relay.journal.writer import Transaction
from relay.model import AgencyCode, MessageId, MessageType, NodeId, Payload, digest_of, mint_uuid7

NODE = NodeId("xa-a")
AGENCIES = ("H01", "H01.1", "G01", "000.00.00.H01")
TOLD_AS = {"000.00.00.H01": "H01"}
"""What was written here before the directory changed the code."""
TIERS = {"H01": "province", "H01.1": "commune"}
TYPES = ("Công văn", "Báo cáo")
FIRST = datetime(2026, 4, 27, 17, tzinfo=UTC)
"""The first instant of 28 April 2026, a Tuesday, in Vietnam; two days off and a weekend follow."""
DAYS = WorkingDays(
    off=frozenset({date(2026, 4, 30), date(2026, 5, 1)}), on=frozenset({date(2026, 5, 9)})
)
NOW = FIRST + timedelta(days=12, hours=9)
MINUTE = timedelta(minutes=1)


# ---------------------------------------------------------------- a history


@dataclass(frozen=True)
class Asked:
    kind: str
    due: int
    answered: tuple[str, int] | None


@dataclass(frozen=True)
class Fate:
    """Of one delivery. Times are minutes after its document was accepted; `moves` in order."""

    moves: tuple[tuple[str, int], ...]
    statuses: tuple[tuple[str, int], ...]
    asked: Asked | None


@dataclass(frozen=True)
class Doc:
    accepted: int
    sender: str
    way: str
    handed_before: int
    stated: Stated | None
    fates: dict[str, Fate]

    @property
    def at(self) -> datetime:
        return FIRST + self.accepted * MINUTE

    @property
    def handed(self) -> datetime | None:
        if self.way == "bridge":
            return None
        return self.at if self.way == "here" else self.at - self.handed_before * MINUTE


minutes = st.integers(0, 4000)
days = st.integers(20567, 20590) | st.none()  # 24 April to 17 May 2026
asked = st.builds(
    Asked,
    st.sampled_from(["take-back", "update"]),
    minutes,
    st.none() | st.tuples(st.sampled_from(["agreed", "declined", "taken-back"]), minutes),
)
moves = st.sampled_from(
    [
        (),
        (("available", 3),),
        (("available", 0), ("fetched", 70), ("handed-over", 71)),
        (("handed-over", 200),),
        (("available", 5), ("taken-back", 300)),
        (("refused", 1),),
        (("cancelled", 9),),
        (("expired", 30), ("handed-over", 4000)),
    ]
)
fates = st.builds(
    Fate,
    moves,
    st.lists(
        st.tuples(st.sampled_from(["01", "02", "03", "04", "06"]), st.integers(-60, 9000)),
        max_size=3,
    ).map(tuple),
    st.none() | asked,
)
docs = st.builds(
    Doc,
    st.integers(0, 12 * 1440),
    st.sampled_from(AGENCIES),
    st.sampled_from(["here", "carried", "bridge"]),
    minutes,
    st.none() | st.builds(Stated, st.sampled_from(TYPES), st.none() | st.booleans(), days, days),
    st.dictionaries(st.sampled_from(AGENCIES), fates, min_size=1),
)


class Journal:
    """The operations themselves, on a journal's tables."""

    def __init__(self, path: Path, make: Any) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA synchronous = OFF")
        self.tx, self.make, self.count = Transaction(self.connection), make, 0

    def _admit(self, at: datetime, recipients: tuple[str, ...], **changes: Any) -> Any:
        self.count += 1
        content = f"<edXML>{self.count}</edXML>".encode()
        admission = self.make.admission(content, recipients, key=f"k{self.count}")
        message = replace(
            admission.message,
            payload=Payload(digest_of(content), len(content), content, None),
            accepted_at=at,
            **changes,
        )
        return admitting.admit(self.tx, NODE, replace(admission, message=message))

    def play(self, doc: Doc) -> None:
        self.count += 1
        name = f"D{self.count}"
        for recipient, fate in doc.fates.items():
            for code, after in fate.statuses:
                if after < 0:
                    self._say(doc, name, recipient, code, after)
        entropy = self.count.to_bytes(10, "big")
        admitted = self._admit(
            doc.at,
            tuple(doc.fates),
            sender=AgencyCode(doc.sender),
            message_id=MessageId(mint_uuid7(doc.handed or doc.at, entropy)),
            submitted_by={"here": "system:a", "bridge": "bridge:truc", "carried": None}[doc.way],
            document_id=name,
            notation="",
            stated=doc.stated,
        )
        for row, (recipient, fate) in zip(admitted.rows, doc.fates.items(), strict=True):
            self._deliver(doc, row, fate)
            for code, after in fate.statuses:
                if after >= 0:
                    self._say(doc, name, recipient, code, after)
            if fate.asked is not None:
                self._ask(doc, row, recipient, fate.asked)

    def _deliver(self, doc: Doc, row: int, fate: Fate) -> None:
        for state, after in fate.moves:
            at = ms(doc.at + after * MINUTE)
            self.tx.run(carrying.SQL["settle"], row, state, at, at, None, "", None)

    def _say(self, doc: Doc, name: str, recipient: str, code: str, after: int) -> None:
        self._admit(
            doc.at + after * MINUTE,
            (doc.sender,),
            sender=AgencyCode(recipient),
            message_type=MessageType.STATUS,
            document_id="",
            report=Report(code, doc.sender, name, "", "", "", ""),
        )

    def _ask(self, doc: Doc, row: int, recipient: str, asked: Asked) -> None:
        due = ms(doc.at + asked.due * MINUTE)
        values = (asked.kind, 1, "c", "o", str(row), None, doc.sender, recipient, "x", "", "", row)
        found = self.tx.run(obliging.SQL["add_obligation"], *values, 1, 1, due).fetchone()
        if asked.answered is not None:
            state, after = asked.answered
            at = ms(doc.at + after * MINUTE)
            self.tx.run(obliging.SQL["keep_answer"], found[0], None, state, at)


# ---------------------------------------------------------------- a plain count


def _local(at: datetime) -> datetime:
    return at.astimezone(UTC) + timedelta(hours=7)


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _next_working(day: date) -> date:
    while True:
        day += timedelta(days=1)
        if day in DAYS.on or (day.weekday() < 5 and day not in DAYS.off):
            return day


def _promptness(doc: Doc) -> str:
    if doc.handed is None or doc.stated is None or doc.stated.issued_day is None:
        return "undated"
    issued = date(1970, 1, 1) + timedelta(days=doc.stated.issued_day)
    handed = _local(doc.handed)
    if issued > handed.date():
        return "undated"
    if issued == handed.date():
        return "same_day"
    next_one = _next_working(issued)
    noon = datetime(next_one.year, next_one.month, next_one.day, 12, tzinfo=UTC)
    return "next_morning" if handed < noon else "late"


def _told_as(agency: str) -> tuple[str, str]:
    code = TOLD_AS.get(agency, agency)
    return code, TIERS.get(code, "unknown")


def _paper(stated: Stated | None) -> str:
    if stated is None:
        return "not_kept"
    return {True: "with_paper", False: "electronic", None: "paper_not_stated"}[stated.paper]


class Plain:
    def __init__(self) -> None:
        self.sent: dict[Any, dict[str, int]] = defaultdict(lambda: dict.fromkeys(SENT, 0))
        self.received: dict[Any, dict[str, int]] = defaultdict(lambda: dict.fromkeys(RECEIVED, 0))
        self.took: dict[Any, dict[str, list[int]]] = defaultdict(lambda: {"01": [], "03": []})

    def add(self, doc: Doc, question: Question, agencies: frozenset[str] | None) -> None:
        day = _local(doc.at).date()
        if not question.since <= day <= question.until:
            return
        month = day.replace(day=1)
        first = day if question.per is Per.DAY else month
        mine = agencies is None or doc.sender in agencies
        if mine:
            sent = self.sent[self._key(question.by, first, doc.sender, doc)]
            sent["documents"] += 1
            sent[_paper(doc.stated)] += 1
            sent[_promptness(doc)] += 1
        for recipient, fate in doc.fates.items():
            if mine:
                self._sent(sent, doc, fate)
            if agencies is None or recipient in agencies:
                self._received(self._key(question.by, first, recipient, doc), doc, fate)

    def _key(self, by: By, first: date, agency: str, doc: Doc) -> Any:
        kind = doc.stated.document_type if doc.stated else "unknown"
        return (
            first,
            _told_as(agency)[0] if by.agency else None,
            _told_as(agency)[1] if by.tier else None,
            kind if by.document_type else None,
        )

    def _sent(self, sent: dict[str, int], doc: Doc, fate: Fate) -> None:
        sent["deliveries"] += 1
        sent["delivered"] += _reached(fate) is not None
        self._both(sent, doc, fate)
        sent["cancelled"] += _ended(fate) == "cancelled"

    def _both(self, counts: dict[str, int], doc: Doc, fate: Fate) -> None:
        counts["failed"] += _ended(fate) in ("refused", "expired")
        counts["taken_back"] += _ended(fate) == "taken-back"
        counts["refused"] += _said(fate, "02") is not None
        if fate.asked is None:
            return
        take_back = fate.asked.kind == "take-back"
        state, answered = fate.asked.answered or ("", None)
        counts["requests"] += 1
        counts["take_backs_asked"] += take_back
        counts["take_backs_agreed"] += take_back and state in ("agreed", "taken-back")
        until = NOW if answered is None else doc.at + answered * MINUTE
        counts["answers_late"] += doc.at + fate.asked.due * MINUTE < until

    def _received(self, key: Any, doc: Doc, fate: Fate) -> None:
        received = self.received[key]
        self._both(received, doc, fate)
        reached = _reached(fate)
        if reached is None:
            return
        received["documents"] += 1
        received[_paper(doc.stated)] += 1
        for code, took in self.took[key].items():
            said = _said(fate, code)
            if said is not None:
                took.append(max(0, said - reached))
        if (
            not doc.stated
            or doc.stated.due_day is None
            or _ended(fate)
            or _said(fate, "02") is not None
        ):
            return
        done = _said(fate, "06")
        last = _local(NOW if done is None else doc.at + done * MINUTE).date()
        received["with_deadline"] += 1
        received["late"] += _number(last) > doc.stated.due_day

    def lines(self) -> dict[Any, Any]:
        keys = self.sent.keys() | self.received.keys()
        return {
            key: (
                self.sent[key],
                self.received[key],
                *(_ranked(self.took[key][code]) for code in ("01", "03")),
            )
            for key in keys
        }


def _reached(fate: Fate) -> int | None:
    found = [at for state, at in fate.moves if state in ("available", "handed-over", "fetched")]
    return found[0] if found else None


def _ended(fate: Fate) -> str | None:
    state = fate.moves[-1][0] if fate.moves else ""
    return state if state in ("refused", "expired", "cancelled", "taken-back") else None


def _said(fate: Fate, code: str) -> int | None:
    return min((at for said, at in fate.statuses if said == code), default=None)


def _ranked(took: list[int]) -> tuple[int, int | None, int | None]:
    ranks = sorted(took)
    if not ranks:
        return 0, None, None
    return (
        len(ranks),
        ranks[math.ceil(len(ranks) / 2) - 1],
        ranks[math.ceil(len(ranks) * 9 / 10) - 1],
    )


def _counted(lines: list[Line]) -> dict[Any, Any]:
    return {
        (line.first, line.agency, line.tier, line.document_type): (
            line.sent,
            line.received,
            *(
                (times.count, times.median_minutes, times.p90_minutes)
                for times in (line.arrived, line.accepted)
            ),
        )
        for line in lines
    }


# ---------------------------------------------------------------- counted both ways


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "journal.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection)
    return path


def _ask(
    path: Path, question: Question, agencies: frozenset[AgencyCode] | None = None, rows: int = 3
) -> dict[Any, Any]:
    table = FigureTable(path, rows_at_once=rows)
    return _counted(table.count(question, agencies, DAYS, NOW, _told_as, lambda: False))


LEAVING = (
    "reports",
    "obligations WHERE obligation_row % 2 = 0",
    "deliveries WHERE delivery_row % 2 = 1",
    "deliveries",
    "messages",
    "obligations",
)
"""In steps, as retention and archive go: a part of a document's deliveries, a request before its document."""

questions = st.builds(
    Question,
    st.dates(date(2026, 4, 25), date(2026, 5, 4)),
    st.dates(date(2026, 5, 5), date(2026, 5, 12)),
    st.sampled_from([Per.DAY, Per.MONTH]),
    st.builds(By, st.booleans(), st.booleans(), st.booleans()),
)


@settings(
    max_examples=30,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    history=st.lists(docs, max_size=8),
    question=questions,
    only=st.none() | st.frozensets(st.sampled_from(AGENCIES), min_size=1),
)
def test_figures_are_a_plain_count_of_the_history_even_after_it_left(
    empty: Path, tmp_path: Path, make: Any, history: list[Doc], question: Question, only: Any
) -> None:
    """Every figure, by any breakdown, for whoever may see what, in slices of any size; an agency under the code it has now; and the same once
    nothing but the figures is left in the journal."""
    path = tmp_path / "journal.sqlite"
    shutil.copy(empty, path)
    plain = Plain()
    journal = Journal(path, make)
    journal.connection.execute("BEGIN")
    for doc in history:
        journal.play(doc)
        plain.add(doc, question, only)

    journal.connection.execute("COMMIT")
    assert _ask(path, question, only) == plain.lines()
    for leaving in LEAVING:
        journal.connection.execute(f"DELETE FROM {leaving}")
        assert _ask(path, question, only, rows=1000) == plain.lines(), leaving
    journal.connection.close()


def test_a_count_ends_when_nobody_waits_for_it(empty: Path, tmp_path: Path, make: Any) -> None:
    """After the slice it is at."""
    path = tmp_path / "journal.sqlite"
    shutil.copy(empty, path)
    with closing(Journal(path, make).connection):
        table = FigureTable(path)
        question = Question(date(2026, 4, 1), date(2026, 5, 31))
        with pytest.raises(CountStopped):
            table.count(question, None, DAYS, NOW, _told_as, lambda: True)


def test_retention_takes_rows_and_leaves_figures(empty: Path, tmp_path: Path, make: Any) -> None:
    """A circular goes in several steps; its figures are the same after each of them."""
    path = tmp_path / "journal.sqlite"
    shutil.copy(empty, path)
    fate = Fate((("handed-over", 5),), (("01", 7),), None)
    circular = Doc(0, "G01", "here", 0, None, {f"H01.{n}": fate for n in range(150)})
    question = Question(date(2026, 4, 28), date(2026, 4, 28))
    plain, journal, remaining = Plain(), Journal(path, make), list[int]()
    for _ in range(2):  # the newest stays, so that no number is given twice
        journal.play(circular)
        plain.add(circular, question, None)
    ages = dict.fromkeys(("settled", "failed", "relayed", "fetched", "repeatable"), ms(NOW) * 2)
    ages["archiving"] = 0
    with closing(journal.connection) as connection:
        for _ in range(2):
            retaining.step(journal.tx, Part.ROWS, [1], ages, walking=False)
            remaining += connection.execute(
                "SELECT count(*) FROM deliveries WHERE message_row = 1"
            ).fetchone()
            assert _ask(path, question) == plain.lines()
    assert remaining == [50, 0]


def test_what_a_neighbour_gives_back_was_handed_in_when_it_was(
    empty: Path, tmp_path: Path, make: Any
) -> None:
    """Days after a restore, and on time all the same."""
    path = tmp_path / "journal.sqlite"
    shutil.copy(empty, path)
    with closing(Journal(path, make).connection) as connection:
        admission = make.admission(b"<edXML/>", ("H01",))
        message = replace(
            admission.message,
            accepted_at=FIRST,
            submitted_by="system:a",
            stated=Stated("Công văn", None, 20571, None),
        )
        later = FIRST + timedelta(days=5)
        admission = replace(admission, message=message)
        admitting.admit_again(Transaction(connection), NODE, admission, ["k"], later)

    found = _ask(path, Question(date(2026, 4, 28), date(2026, 4, 28)))

    sent = found[(date(2026, 4, 1), "H01.1", None, None)][0]
    assert (sent["documents"], sent["same_day"], sent["late"]) == (1, 1, 0)


def test_what_is_sent_anew_after_a_refusal_is_one_document(
    empty: Path, tmp_path: Path, make: Any
) -> None:
    """Of two deliveries, the first of which failed."""
    path = tmp_path / "journal.sqlite"
    shutil.copy(empty, path)
    with closing(Journal(path, make).connection) as connection:
        tx, first = Transaction(connection), make.admission(b"<edXML/>", ("H01",))
        admitted = admitting.admit(tx, NODE, first)
        assert isinstance(admitted, Admitted)
        tx.run(carrying.SQL["settle"], admitted.rows[0], "refused", 1, 1, None, "", None)
        anew = replace(make.admission(b"<edXML/>", ("H01",)), follows=admitted.message_row)
        assert isinstance(admitting.admit(tx, NODE, anew), Admitted)
        accepted = first.message.accepted_at.date()

    (figures,) = _ask(path, Question(accepted, accepted, by=By(agency=False))).values()

    sent = figures[0]
    assert (sent["documents"], sent["deliveries"], sent["failed"]) == (1, 2, 1)


# ---------------------------------------------------------------- what came before


def test_an_upgrade_counts_what_is_here_and_says_what_it_does_not_know(tmp_path: Path) -> None:
    """Type, Paper and deadline are not kept; date of issue, arrival, end and statuses are."""
    path = tmp_path / "old"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for number, text in migrations():
            if number < 27:
                connection.executescript(text)
                connection.execute(f"PRAGMA user_version = {number}")
        for row, issued in enumerate(["2026/04/28", "2014/02/30", "28-04-2026", ""], 1):
            _old_message(connection, row, "edoc", issued)
            _old_delivery(connection, row)
        _old_message(connection, 9, "status", "")
        connection.execute(
            "INSERT INTO reports VALUES (9, '01', 'H01', 'G01', 'D', '', '', '', '', 1)"
        )
        connection.execute("INSERT INTO report_matches VALUES (9, 1)")
        migrate(connection)

    found = _ask(path, Question(date(2026, 4, 28), date(2026, 4, 28), by=By(document_type=True)))

    key = date(2026, 4, 1), "G01", None, "unknown"
    sent = found[key][0]
    assert (sent["documents"], sent["not_kept"], sent["same_day"], sent["undated"]) == (4, 4, 1, 3)
    assert sent["electronic"] + sent["with_paper"] + sent["paper_not_stated"] == 0
    assert found[(key[0], "H01", None, "unknown")][2] == (1, 5, 5)


def _old_message(connection: sqlite3.Connection, row: int, kind: str, issued: str) -> None:
    connection.execute(
        "INSERT INTO messages (message_row, origin, message_id, message_type, sender, sender_as, digest,"
        " size_bytes, priority, accepted_at, expires_at, subject, notation, document_id, promulgation_date,"
        " findings, submitted_by) VALUES (?, 'xa-a', ?, ?, 'G01', 'G01', 'x', 1, 0, ?, 9, '', '', 'D', ?, '[]', 's')",
        (row, f"m{row}", kind, ms(FIRST + (10 if kind == "status" else 0) * MINUTE), issued),
    )


def _old_delivery(connection: sqlite3.Connection, row: int) -> None:
    connection.execute(
        "INSERT INTO deliveries (delivery_row, delivery_id, message_row, arrival_row, recipient, addressed_as,"
        " state, lane, expires_at, available_at, updated_at)"
        " VALUES (?, ?, ?, 1, 'H01', 'H01', 'fetched', 0, 5, ?, 1)",
        (row, f"d{row}", row, ms(FIRST + 5 * MINUTE)),
    )

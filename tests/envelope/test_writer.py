"""The strict writer: valid by our schema, readable, deterministic, and strict with what it is given."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.envelope.reader import read
from relay.envelope.schema import validate
from relay.envelope.writer import (
    AttachmentContent,
    Business,
    Document,
    ReceiverChange,
    Replacement,
    Signer,
    Staff,
    Stamp,
    StatusMessage,
    write_document,
    write_status,
)
from relay.errors import EnvelopeError
from relay.model import Party, Priority, ResponseFor

TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"),
    max_size=30,
).filter(lambda text: not text.strip().endswith(("t", "T")))
SHORT = TEXT.map(lambda text: text[:11].strip())
CODE = st.from_regex(r"[A-K][0-9]{2}(\.[0-9]{1,3}){0,3}", fullmatch=True)
DAY = st.dates(date(1000, 1, 1))
INSTANT = st.datetimes(
    datetime(1000, 1, 1),  # noqa: DTZ001
    datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
NUMBER = st.none() | st.integers(0, 10**9)
PARTY = st.builds(Party, CODE, TEXT, TEXT, TEXT, TEXT, telephone=TEXT, fax=TEXT, website=TEXT)
STAFF = st.builds(Staff, TEXT, TEXT, TEXT, TEXT)
RESPONSE = st.builds(ResponseFor, CODE, TEXT, TEXT, TEXT)
ATTACHMENT = st.builds(
    AttachmentContent,
    name=st.from_regex(r"[a-zđ]{1,9}\.[a-z]{1,4}", fullmatch=True),
    content_type=TEXT,
    content=st.binary(max_size=60),
    description=TEXT,
    zipped=st.booleans(),
)
BUSINESS = st.builds(
    Business,
    operation=st.integers(0, 3),
    document_id=TEXT,
    reason=TEXT,
    paper=st.none() | st.booleans(),
    updates_document=st.booleans(),
    updates_receivers=st.booleans(),
    receivers=st.tuples(st.builds(ReceiverChange, CODE, st.booleans())) | st.just(()),
    replacements=st.tuples(st.builds(Replacement, TEXT, st.tuples(CODE, CODE))) | st.just(()),
    staff=st.none() | STAFF,
)
DOCUMENT = st.builds(
    Document,
    sender=PARTY,
    recipients=st.lists(PARTY, min_size=1, max_size=3).map(tuple),
    document_id=TEXT,
    code_number=SHORT,
    code_notation=SHORT,
    promulgation_place=TEXT,
    promulgation_date=DAY,
    document_type=TEXT,
    subject=TEXT,
    traces=st.tuples(st.builds(Stamp, CODE, INSTANT)),
    type_code=st.integers(),
    content=TEXT,
    signer=st.none() | st.builds(Signer, TEXT, TEXT, TEXT),
    due_date=st.none() | DAY,
    priority=st.sampled_from(Priority),
    sphere_of_promulgation=TEXT,
    typer_notation=TEXT,
    promulgation_amount=NUMBER,
    page_amount=NUMBER,
    direction=st.none() | st.booleans(),
    appendixes=st.lists(TEXT, max_size=2).map(tuple),
    response_for=st.lists(RESPONSE, max_size=2).map(tuple),
    steering_type=NUMBER,
    task_codes=st.lists(TEXT, max_size=2).map(tuple),
    application_type=TEXT,
    to_places=st.lists(TEXT, max_size=2).map(tuple),
    business=st.none() | BUSINESS,
    attachments=st.lists(ATTACHMENT, max_size=2).map(tuple),
)


@given(DOCUMENT)
@settings(max_examples=100, deadline=None)
def test_every_document_written_is_valid_and_says_the_same(document: Document) -> None:
    """Valid by the schema, the same bytes twice, and read back without loss."""
    content = write_document(document)

    validate(content)
    envelope = read(content)
    assert content == write_document(document)
    assert envelope.subject == document.subject.strip()
    assert envelope.sender.organ_name == document.sender.organ_name.strip()
    assert [party.organ_id for party in envelope.recipients] == [
        party.organ_id for party in document.recipients
    ]
    assert envelope.priority is document.priority
    assert envelope.operation == (document.business.operation if document.business else -1)
    assert [given.name for given in envelope.attachments] == [
        given.name for given in document.attachments
    ]
    odd = {finding.code for finding in envelope.findings}
    assert odd <= {"content-differs", "content-type-misspelt", "empty-attachment", "ruined-binary",
                   "date-unreadable", "date-format", "date-impossible", "content-type-mismatch"}  # fmt: skip


@given(PARTY, RESPONSE, st.sampled_from(["01", "02", "03", "04", "05", "06", "13", "15", "16"]),
       SHORT, INSTANT, STAFF)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_every_status_written_is_valid(
    sender: Party, answered: ResponseFor, code: str, text: str, at: datetime, staff: Staff
) -> None:
    """All nine codes, any text."""
    content = write_status(StatusMessage(sender, answered, code, f"lý do: {text}.", at, staff))

    validate(content)
    status = read(content).status
    assert status is not None
    assert status.status_code == code


def test_namespaces_stand_where_every_reader_expects_them(document: Document) -> None:
    """Default on the root, the prefix again on the envelope and on each content."""
    text = write_document(document).decode()
    uri = "http://www.mic.gov.vn/TBT/QCVN_102_2016"

    assert text.startswith(f'<?xml version="1.0" encoding="UTF-8"?>\n<edXML xmlns="{uri}">\n')
    assert f'<edXML:edXMLEnvelope xmlns:edXML="{uri}">' in text
    assert f'<edXML:ContentTransferEncoded xmlns:edXML="{uri}">JVBER' in text
    assert "\n    <Attachment>\n      <ContentId>cid:1</ContentId>" in text


def test_times_are_written_in_vietnam_without_a_zone(status: StatusMessage) -> None:
    """Whatever zone they were given in."""
    tokyo = datetime(2026, 3, 2, 1, 0, tzinfo=timezone(timedelta(hours=9)))

    written = read(write_status(replace(status, at=tokyo))).status

    assert written is not None
    assert written.timestamp == "2026/03/01 23:00:00"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipients": ()}, "without recipients"),
        ({"traces": ()}, "without a trace"),
        ({"sender": Party("")}, "empty agency code"),
        ({"sender": Party("00.99.W00")}, "connection centre"),
        ({"subject": "x" * 501}, "Subject of 501 characters, limit 500 characters"),
        ({"subject": "a\x07b"}, "control character at Subject"),
        ({"subject": "a\ud800b"}, "control character at Subject"),
        ({"subject": "Tối mật"}, "state secret"),
        ({"code_number": "7" * 51}, "limit 50"),
        ({"business": Business(4)}, "operation 4, limit 0 to 3"),
        ({"business": Business(3, replacements=(Replacement("x", ()),))}, "without agencies"),
        ({"traces": (Stamp("H01", datetime(2026, 1, 1)),)}, "without a zone"),  # noqa: DTZ001
        ({"traces": (Stamp("H01", datetime.max.replace(tzinfo=UTC)),)}, "out of range"),
        ({"attachments": (AttachmentContent("../a.pdf", "", b""),)}, "path separator"),
        ({"attachments": (AttachmentContent("", "", b""),)}, "empty"),
        ({"attachments": (AttachmentContent("a\u202e.pdf", "", b""),)}, "writing direction"),
        ({"attachments": (AttachmentContent("a", "", b"", content_id="x"),) * 2}, "given twice"),
        ({"attachments": (AttachmentContent("a", "", b"", content_id="x y"),)}, "white space"),
        (
            {"attachments": (AttachmentContent("a", "", b"", zipped=True, entry_uuid="../x"),)},
            "not a UUID",
        ),
    ],
)
def test_what_no_envelope_may_hold_is_not_written(
    document: Document, change: dict[str, object], message: str
) -> None:
    """Refused with an EnvelopeError that says what it was."""
    with pytest.raises(EnvelopeError, match=message):
        write_document(replace(document, **change))  # type: ignore[arg-type]


def test_a_refusal_without_reason_is_not_written(status: StatusMessage) -> None:
    """02 and 13 owe the other side a reason; unknown codes are none."""
    with pytest.raises(EnvelopeError, match="without a reason"):
        write_status(replace(status, status_code="02", description=""))
    with pytest.raises(EnvelopeError, match="unknown status code"):
        write_status(replace(status, status_code="99"))

"""The tolerant reader: what it keeps, what it bounds, and that nothing else can come out."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pybase64
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.envelope.codes import normalise
from relay.envelope.limits import SLICE_BYTES, Limits
from relay.envelope.reader import EnvelopeReader, read, recipients_finding
from relay.envelope.writer import (
    AttachmentContent,
    Document,
    StatusMessage,
    write_document,
    write_status,
)
from relay.errors import EnvelopeError
from relay.model import Envelope, MessageType, Party, Priority, digest_of

OPEN = b'<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
HEADER = OPEN + b"<edXMLEnvelope><edXMLHeader><MessageHeader><From><OrganId>H01</OrganId></From>"
TO = b"<To><OrganId>H02</OrganId></To>"
CLOSE_HEADER = b"</MessageHeader></edXMLHeader></edXMLEnvelope>"
SMALLEST = HEADER + TO + CLOSE_HEADER + b"</edXML>"
BEFORE_CONTENT = (
    HEADER + TO + CLOSE_HEADER + b"<AttachmentEncoded><Attachment><ContentTransferEncoded>"
)
AFTER_CONTENT = b"</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>"
WORDS = [
    b"<", b">", b"</", b"/>", b'"', b"&", b";", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml ",
    b"<!DOCTYPE x>", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"<To>", b"</To>", b"<OrganId>",
    b"<MessageHeader>", b"</edXML>", b"<Attachment>", b"<ContentTransferEncoded>", b"&#0;", b"&#xD800;",
    b"<StatusCode>", b"xmlns:a=''", "Mật".encode(), "ậ".encode()[:2],
]  # fmt: skip


def outcome(chunks: list[bytes], limits: Limits) -> Envelope | str:
    reader = EnvelopeReader(limits)
    try:
        for chunk in chunks:
            reader.feed(chunk)
        return reader.close()
    except EnvelopeError as error:
        return str(error)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound document with a few edits, so that faults lie deep."""
    content = bytearray(draw(st.sampled_from([SMALLEST, BEFORE_CONTENT + b"QUJD" + AFTER_CONTENT])))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 12)))
        content[start:end] = draw(st.one_of(st.sampled_from(WORDS), st.binary(max_size=6)))
    return bytes(content)


@given(st.one_of(st.binary(max_size=200), damaged()), st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_an_envelope_or_an_envelope_error(content: bytes, cuts: list[int]) -> None:
    """No other exception, and the chunks they come in change neither result nor message."""
    edges = sorted({0, len(content), *(min(cut, len(content)) for cut in cuts)})
    chunks = [content[a:b] for a, b in pairwise(edges)]

    assert outcome(chunks, Limits()) == outcome([content], Limits())


@given(damaged())
@settings(max_examples=100, deadline=None)
def test_tight_limits_refuse_and_never_break(content: bytes) -> None:
    """Crossing any bound is an EnvelopeError like any other."""
    tight = Limits(
        envelope_bytes=300, header_bytes=200, depth=5, elements=6, text_chars=2, findings=1
    )

    assert outcome([content], tight) is not None


def test_everything_the_header_says_is_kept_as_written(document: Document) -> None:
    """Texts come out as they went in, codes included."""
    envelope = read(write_document(replace(document, priority=Priority.EXPRESS)))

    assert envelope.message_type is MessageType.DOCUMENT
    assert envelope.sender == document.sender
    assert envelope.recipients == document.recipients
    assert envelope.document_id == document.document_id
    assert envelope.notation == "74/STTTT-VP"
    assert envelope.promulgation_place == "Hà Nội"
    assert envelope.promulgation_date == "2026/03/02"
    assert envelope.document_type == "Công văn"
    assert envelope.subject == document.subject
    assert envelope.priority is Priority.EXPRESS
    assert envelope.findings == ()


def test_a_status_is_read_with_what_it_answers(status: StatusMessage) -> None:
    """It has no recipients: ResponseFor says where it goes."""
    envelope = read(write_status(status))

    assert envelope.message_type is MessageType.STATUS
    assert envelope.recipients == ()
    assert envelope.response_for == (status.response_for,)
    assert envelope.status is not None
    assert envelope.status.timestamp == "2026/03/02 08:30:00"


@pytest.mark.parametrize(
    ("code", "description", "finding"),
    [
        ("77", "", "unknown-status"),
        ("02", "", "missing-reason"),
        ("13", " ", "missing-reason"),
        ("16", "", "missing-reason"),
        ("16", "đang trình ký", None),
        ("06", "", None),
    ],
)
def test_an_irregular_status_is_remarked_on_and_carried(
    status: StatusMessage, code: str, description: str, finding: str | None
) -> None:
    """A code that the table lacks, and a refusal or take-back that gives no reason."""
    regular = write_status(replace(status, status_code="05", description="VANBAN"))
    content = regular.replace(b">05<", f">{code}<".encode())
    envelope = read(content.replace(b"VANBAN", description.encode()))

    assert envelope.message_type is MessageType.STATUS
    assert envelope.status is not None
    assert envelope.status.status_code == code
    assert [one.code for one in envelope.findings] == ([finding] if finding else [])


def test_a_status_that_answers_several_documents_says_which_one_counts(
    status: StatusMessage,
) -> None:
    """It is routed and matched by the first."""
    content = write_status(replace(status, status_code="05"))
    start = content.index(b"<edXML:ResponseFor>")
    other = b"<edXML:ResponseFor><edXML:OrganId>H99</edXML:OrganId></edXML:ResponseFor>"
    envelope = read(content[:start] + other + content[start:])

    assert envelope.response_for[0].organ_id == "H99"
    assert [(one.code, one.where) for one in envelope.findings] == [
        ("duplicate-element", "MessageHeader/ResponseFor")
    ]


@pytest.mark.parametrize(
    ("limits", "content", "message"),
    [
        (Limits(envelope_bytes=100), SMALLEST, "too large, limit 100 bytes"),
        (Limits(elements=4), SMALLEST, "too many elements, limit 4"),
        (
            Limits(recipients=2),
            HEADER + TO * 3 + CLOSE_HEADER + b"</edXML>",
            "3 recipients, limit 2",
        ),
        (
            Limits(attachments=1),
            OPEN + b"<AttachmentEncoded>" + b"<Attachment/>" * 2,
            "too many attachments, limit 1",
        ),
        (Limits(header_bytes=100), SMALLEST, "outside attachments, limit 100 bytes"),
        (
            Limits(text_chars=9),
            HEADER + b"<Subject>" + b"x" * 10 + b"</Subject>",
            "text too long at .*/Subject, limit 9",
        ),
        (
            Limits(attributes=3),
            HEADER + b"<Subject xmlns:a='u' xmlns:b='v' c='1' d='2'/>",
            "too many attributes at .*/MessageHeader, limit 3",
        ),
        (Limits(), OPEN + b"<!--" + b"x" * (2 << 20), "too long at byte 55, limit 1 MiB"),
        (Limits(), OPEN + b"<a b='" + b"x" * (64 << 20), "too long at byte 55, limit 1 MiB"),
    ],
)
def test_each_bound_refuses_with_its_limit(limits: Limits, content: bytes, message: str) -> None:
    """The message names what is too much, and the limit."""
    with pytest.raises(EnvelopeError, match=message):
        read(content, limits)


def test_attachments_do_not_count_as_header() -> None:
    """Base64 is bounded by the envelope's size only."""
    content = BEFORE_CONTENT + b"QUJD" * 50_000 + AFTER_CONTENT

    envelope = read(content, Limits(header_bytes=600))

    assert envelope.attachments[0].encoded_bytes == 200_000


def test_a_marking_element_of_a_vendor_can_be_named() -> None:
    """Its presence with a text refuses; 0 and false do not."""
    limits = Limits(marking_elements=frozenset({"DoMat"}))
    before = HEADER + TO + b"<DoMat>"
    after = b"</DoMat>" + CLOSE_HEADER + b"</edXML>"

    assert read(before + b"0" + after, limits)
    assert read(before + b"2" + after)
    with pytest.raises(EnvelopeError, match="state secret"):
        read(before + b"2" + after, limits)


def test_findings_are_bounded() -> None:
    """Beyond the cap only their number is kept."""
    content = HEADER + TO + b"<x/>" * 500 + CLOSE_HEADER + b"</edXML>"

    findings = read(content, Limits(findings=10)).findings

    assert len(findings) == 11
    assert findings[-1].code == "more-findings"
    assert findings[-1].detail.startswith("495 more")


def test_a_text_of_the_document_is_never_quoted_at_length() -> None:
    """Findings and refusals hold short codes only."""
    secret = "Nguyễn Văn Mẫu bị kỷ luật vì lý do riêng"
    content = write_free(f"<DueDate>{secret}</DueDate><x>{secret}</x>")

    assert secret not in repr(read(content).findings)


def write_free(inside: str) -> bytes:
    return HEADER + TO + inside.encode() + CLOSE_HEADER + b"</edXML>"


def test_an_error_is_repeated_and_nothing_more_is_read() -> None:
    """A reader is spent after its first error."""
    reader = EnvelopeReader()
    with pytest.raises(EnvelopeError) as first:
        reader.feed(b"\xff\xfe" + bytes(SLICE_BYTES))

    with pytest.raises(EnvelopeError, match=re.escape(str(first.value))):
        reader.feed(SMALLEST)
    with pytest.raises(EnvelopeError, match=re.escape(str(first.value))):
        reader.close()


@pytest.mark.parametrize("line", [b"QUJD" * 16_384, b"QUJDQUJDQUJDQUJD\r\n" * 4_096])
def test_an_attachment_is_never_held(line: bytes) -> None:
    """100 MB go by in less memory than three slices and their text take."""

    def chunks() -> Iterator[bytes]:
        yield BEFORE_CONTENT
        for _ in range(100_000_000 // len(line)):
            yield line
        yield AFTER_CONTENT

    reader = EnvelopeReader()
    tracemalloc.start()
    for chunk in chunks():
        reader.feed(chunk)
    envelope = reader.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert envelope.attachments[0].encoded_bytes > 85_000_000
    assert peak < 12 * SLICE_BYTES


@given(st.binary(max_size=300), st.integers(1, 40), st.integers(1, 100))
@settings(deadline=None)
def test_base64_is_judged_the_same_however_it_is_wrapped(
    content: bytes, width: int, size: int
) -> None:
    """Lines, blanks and chunks make no difference to length or finding."""
    encoded = pybase64.b64encode(content)
    lines = b" \r\n".join(encoded[i : i + width] for i in range(0, len(encoded), width))
    whole = BEFORE_CONTENT + lines + AFTER_CONTENT
    chunks = [whole[i : i + size] for i in range(0, len(whole), size)]

    envelope = outcome(chunks, Limits())

    assert isinstance(envelope, Envelope)
    assert envelope.digest == digest_of(whole)
    assert envelope.attachments[0].encoded_bytes == len(encoded)
    assert "bad-base64" not in {finding.code for finding in envelope.findings}


@pytest.mark.parametrize("text", [b"QUJD=", b"QUI=QUJD", b"QUI", b"=", b"QU JD!", "QUJDé".encode()])
def test_base64_that_no_decoder_takes_is_a_finding(text: bytes) -> None:
    """The bytes are carried as they are, with the damage said."""
    envelope = read(BEFORE_CONTENT + text + AFTER_CONTENT)

    assert "bad-base64" in {finding.code for finding in envelope.findings}


def test_a_signed_list_of_recipients_is_compared_by_code(document: Document) -> None:
    """Order and short forms make no difference; another agency does."""
    envelope = read(write_document(document))

    assert recipients_finding(envelope, ["000.28.22.H17", "h17.28.22"]) is None
    finding = recipients_finding(envelope, ["H17.28.22", "H99", "not a code"])
    assert finding is not None
    assert finding.code == "recipients-differ"
    assert finding.detail == "2 only outside, 1 only in the document"


def test_the_directory_says_what_one_agency_is(document: Document) -> None:
    """Both forms of its code differ in nothing where it knows them; what is no code is compared as text."""
    envelope = read(write_document(document))
    known = {"H17.28.22": "UBND xã", "000.00.99.H17": "UBND xã", "000.28.22.H17": "Sở"}

    def agency_of(code: str) -> str:
        return known.get(normalise(code), code)

    assert recipients_finding(envelope, ["000.28.22.H17", "99.H17"], agency_of) is None
    assert recipients_finding(envelope, ["99.H17", "not a code"], agency_of) is not None


def test_a_document_that_names_nobody_differs_from_no_list(document: Document) -> None:
    """The header's list is then the only one."""
    content = write_document(replace(document, recipients=(Party("H02"),)))
    start, end = content.index(b"<edXML:To>"), content.index(b"</edXML:To>") + 11

    assert recipients_finding(read(content[:start] + content[end:]), ["H02"]) is None


def test_a_document_without_attachments_is_still_a_document(document: Document) -> None:
    """To tells it from a status, or else its body: its recipients may stand outside it alone."""
    content = write_document(replace(document, attachments=()))
    nobody = re.sub(rb"<edXML:To>.*?</edXML:To>", b"", content, flags=re.DOTALL)
    neither = re.sub(rb"<edXML:edXMLBody>.*</edXML:edXMLBody>", b"", nobody, flags=re.DOTALL)

    assert read(content).message_type is read(nobody).message_type is MessageType.DOCUMENT
    assert [one.code for one in read(nobody).findings] == ["missing-to"]
    with pytest.raises(EnvelopeError, match="neither a document nor a status"):
        read(neither)


def test_an_attachment_takes_from_its_reference_what_it_lacks(document: Document) -> None:
    """Name, type and description of the Reference fill the gaps."""
    given = AttachmentContent("a.pdf", "application/pdf", b"%PDF-", "Công văn")
    content = write_document(replace(document, attachments=(given,)))
    content = content.replace(b"<AttachmentName>a.pdf</AttachmentName>", b"", 1)
    content = content.replace("<Description>Công văn</Description>".encode(), b"", 1)

    attachment = read(content).attachments[0]

    assert (attachment.name, attachment.description) == ("a.pdf", "Công văn")

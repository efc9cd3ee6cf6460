"""What the demo sends is real: PDFs a reader opens, envelopes the strict reader takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from relay.demo import documents, plan
from relay.demo.pdf import make_pdf
from relay.envelope.attachments import extract
from relay.envelope.reader import read
from relay.model import MessageType, Priority

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize("scan_side", [0, 3])
def test_the_cross_reference_table_of_a_pdf_leads_to_its_objects(scan_side: int) -> None:
    """Every offset is where the object of that number begins, and startxref where the table does."""
    pdf = make_pdf("V/v đường (liên thôn)", ["Số: 1/A", "(đ\\o)"], NOW, scan_side)
    assert pdf.startswith(b"%PDF-1.7\n")
    assert pdf.endswith(b"%%EOF\n")
    table_at = int(pdf.split(b"startxref\n")[1].split(b"\n")[0])
    lines = pdf[table_at:].split(b"\n")
    assert lines[0] == b"xref"
    count = int(lines[1].split()[1])
    assert count == 8 - (scan_side == 0)
    for number, line in enumerate(lines[2 : 2 + count]):
        assert len(line) == 19
        offset = int(line[:10])
        if number:
            assert pdf[offset:].startswith(b"%d 0 obj\n" % number)


@pytest.mark.parametrize("scan_side", [0, 3])
def test_the_streams_of_a_pdf_are_as_long_as_they_say(scan_side: int) -> None:
    """A reader takes so many bytes and then finds the end."""
    pdf = make_pdf("V/v", ["một", "hai"], NOW, scan_side)
    found = list(re.finditer(rb"/Length (\d+) >>\nstream\n", pdf))
    assert len(found) == 1 + (scan_side > 0)
    for match in found:
        assert pdf[match.end() + int(match[1]) :].startswith(b"\nendstream\nendobj\n")


def test_the_vietnamese_text_of_a_pdf_is_kept_whole() -> None:
    """Title and lines are there with every diacritic, in UTF-16."""
    text = "Ủy ban xã Đồng Mẫu"
    pdf = make_pdf(text, [text], NOW)
    coded = b"<FEFF" + text.encode("utf-16-be").hex().upper().encode() + b">"
    assert pdf.count(coded) == 2
    assert b"(Uy ban xa Dong Mau) Tj" in pdf


def test_the_letter_carries_a_pdf_and_the_report_a_zipped_one() -> None:
    """Both are envelopes without a finding; the report is over a mebibyte."""
    letter = documents.letter(plan.SENDER, plan.RECEIVERS, NOW)
    report = documents.report(plan.SENDER, plan.RECEIVERS, NOW)
    for written, priority, wrapped in (
        (letter, Priority.NORMAL, False),
        (report, Priority.URGENT, True),
    ):
        envelope = read(written.content)
        (attachment,) = extract(written.content)
        assert attachment.unwrapped is wrapped
        assert attachment.content.startswith(b"%PDF-1.7")
        assert envelope.findings == ()
        assert envelope.priority is priority
        assert envelope.sender.organ_id == plan.SENDER.written
        assert [p.organ_id for p in envelope.recipients] == ["000.00.00.G22", "H01.151"]
    assert len(report.content) > 1 << 20


def test_a_status_names_the_document_as_the_document_names_itself() -> None:
    """So that its sender can find which one is meant."""
    received = read(documents.letter(plan.SENDER, plan.RECEIVERS, NOW).content)
    for code in ("01", "03", "06"):
        status = read(documents.status(plan.RECEIVERS[0], received, code, NOW))
        assert status.message_type is MessageType.STATUS
        assert status.findings == ()
        assert status.status is not None
        assert status.status.status_code == code
        assert status.response_for[0].document_id == received.document_id
        assert status.response_for[0].organ_id == received.sender.organ_id

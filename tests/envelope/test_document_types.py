"""What statistics keep of a header: a closed list of types, Paper, and days that exist."""

from __future__ import annotations

import unicodedata

import pytest

from relay.delivery.messages import stated_of
from relay.delivery.records import Stated
from relay.envelope.document_types import OTHER, TYPES, UNSTATED, document_type_of
from relay.envelope.reader import EnvelopeReader

_EDXML = """<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016" xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
<edXML:edXMLEnvelope><edXML:edXMLHeader><edXML:MessageHeader>
<From><OrganId>H01</OrganId></From><To><OrganId>H02</OrganId></To><DocumentId>D</DocumentId>
<Code><CodeNumber>1</CodeNumber><CodeNotation>CV</CodeNotation></Code>
<PromulgationInfo><Place>X</Place><PromulgationDate>{issued}</PromulgationDate></PromulgationInfo>
<DocumentType><Type>1</Type><TypeName>{type}</TypeName></DocumentType><Subject>S</Subject>
<DueDate>{due}</DueDate></edXML:MessageHeader>
<edXML:TraceHeaderList><Bussiness><BussinessDocType>0</BussinessDocType>{paper}</Bussiness></edXML:TraceHeaderList>
</edXML:edXMLHeader><edXML:edXMLBody/></edXML:edXMLEnvelope></edXML>"""


def _stated(issued: str, due: str, paper: str, type_name: str = "Công văn") -> Stated:
    reader = EnvelopeReader()
    text = _EDXML.format(issued=issued, due=due, paper=paper, type=type_name)
    reader.feed(text.encode())
    return stated_of(reader.close())


@pytest.mark.parametrize(
    ("paper", "found"),
    [
        ("<Paper>1</Paper>", True),
        ("<Paper>0</Paper>", False),
        ("<Paper>yes</Paper>", None),
        ("<Paper/>", None),
        ("", None),
    ],
)
def test_paper_is_what_the_document_says_and_else_unknown(paper: str, found: bool | None) -> None:
    """Only 0 and 1 say anything."""
    assert _stated("2026/11/29", "", paper) == Stated("Công văn", found, 20786, None)


def test_days_that_do_not_exist_are_unknown() -> None:
    """The forms met elsewhere are read; nothing is repaired."""
    assert _stated("2014/02/30", "01-12-2026", "") == Stated("Công văn", None, None, 20788)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("CÔNG VĂN", "Công văn"),
        ("  Quyết   định (cá biệt) ", "Quyết định"),
        (unicodedata.normalize("NFD", "Tờ trình"), "Tờ trình"),
        ("Bản thoả thuận", "Bản thỏa thuận"),
        ("Giấy uỷ quyền", "Giấy ủy quyền"),
        ("Thông tư liên tịch", "Thông tư liên tịch"),
        ("CT", "Chỉ thị"),
        ("CTr", "Chương trình"),
        (unicodedata.normalize("NFD", "QyĐ"), "Quy định"),
        ("TTr", "Tờ trình"),
        ("ttr", OTHER),
        ("CV", OTHER),
        ("=HYPERLINK()", OTHER),
        ("Công văn" * 1000, OTHER),
        (" ", UNSTATED),
        ("", UNSTATED),
    ],
)
def test_a_type_is_one_of_a_closed_list(name: str, found: str) -> None:
    """However it is written; a stranger's own words never become a name of ours."""
    assert document_type_of(name) == found
    assert found in TYPES

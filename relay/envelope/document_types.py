"""The types of official documents, told from the free text of DocumentType/TypeName.

The administrative ones are the 29 of NĐ 30/2020, article 7, by their names or, to the letter, the
abbreviations of its appendix III; the others are those of legal documents that
agencies exchange as well. A closed list: what a stranger writes there never becomes a name of ours.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

OTHER = "Khác"
"""A type that is stated and is none of these."""
UNSTATED = "Không ghi"
_ADMINISTRATIVE = {
    "Nghị quyết": "NQ",
    "Quyết định": "QĐ",
    "Chỉ thị": "CT",
    "Quy chế": "QC",
    "Quy định": "QyĐ",
    "Thông cáo": "TC",
    "Thông báo": "TB",
    "Hướng dẫn": "HD",
    "Chương trình": "CTr",
    "Kế hoạch": "KH",
    "Phương án": "PA",
    "Đề án": "ĐA",
    "Dự án": "DA",
    "Báo cáo": "BC",
    "Biên bản": "BB",
    "Tờ trình": "TTr",
    "Hợp đồng": "HĐ",
    "Công văn": "",
    "Công điện": "CĐ",
    "Bản ghi nhớ": "BGN",
    "Bản thỏa thuận": "BTT",
    "Giấy ủy quyền": "GUQ",
    "Giấy mời": "GM",
    "Giấy giới thiệu": "GGT",
    "Giấy nghỉ phép": "GNP",
    "Phiếu gửi": "PG",
    "Phiếu chuyển": "PC",
    "Phiếu báo": "PB",
    "Thư công": "",
}
"""With the abbreviations of appendix III; an official letter (công văn) and a thư công have none."""
_LEGAL = ("Luật", "Pháp lệnh", "Lệnh", "Nghị định", "Thông tư", "Thông tư liên tịch")
TYPES = (*_ADMINISTRATIVE, *_LEGAL, OTHER, UNSTATED)
_LONGEST = 64
_CITED = re.compile(r"\s*\(cá biệt\)$")
_HOOK = "\u0309"
"""Written over either vowel of "thỏa" and "ủy": both are good Vietnamese."""


def _plain(text: str) -> str:
    """Case, composition and the place of a tone mark aside."""
    folded = _CITED.sub("", unicodedata.normalize("NFC", text).casefold())
    return " ".join(unicodedata.normalize("NFD", folded).replace(_HOOK, "").split())


_ABBREVIATED = {short: name for name, short in _ADMINISTRATIVE.items() if short}
_NAMED = {_plain(name): name for name in (*_ADMINISTRATIVE, *_LEGAL)}


def document_type_of(type_name: str) -> str:
    """The type that a TypeName names; OTHER or UNSTATED where it names none."""
    text = type_name.strip()
    if not text:
        return UNSTATED
    return OTHER if len(text) > _LONGEST else _named(text)


@lru_cache(maxsize=256)
def _named(text: str) -> str:
    """Nearly all documents state one of a few, and each of them pays for it."""
    short = _ABBREVIATED.get(unicodedata.normalize("NFC", text))
    return short or _NAMED.get(_plain(text), OTHER)

"""The types of official documents, told from the free text of DocumentType/TypeName.

The administrative ones are the 29 of NĐ 30/2020, article 7; the others are those of legal documents that
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
_ADMINISTRATIVE = (
    "Nghị quyết",
    "Quyết định",
    "Chỉ thị",
    "Quy chế",
    "Quy định",
    "Thông cáo",
    "Thông báo",
    "Hướng dẫn",
    "Chương trình",
    "Kế hoạch",
    "Phương án",
    "Đề án",
    "Dự án",
    "Báo cáo",
    "Biên bản",
    "Tờ trình",
    "Hợp đồng",
    "Công văn",
    "Công điện",
    "Bản ghi nhớ",
    "Bản thỏa thuận",
    "Giấy ủy quyền",
    "Giấy mời",
    "Giấy giới thiệu",
    "Giấy nghỉ phép",
    "Phiếu gửi",
    "Phiếu chuyển",
    "Phiếu báo",
    "Thư công",
)
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
    return _NAMED.get(_plain(text), OTHER)

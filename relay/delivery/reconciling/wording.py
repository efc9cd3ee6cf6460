"""The words of a reconciliation as clerks read them: Vietnamese first, English beside it.

Touches: nothing.
"""

from __future__ import annotations

from typing import Final

COLUMNS: Final[dict[str, str]] = {
    "agency": "CƠ QUAN / AGENCY",
    "kind": "KẾT LUẬN / KIND",
    "side": "CHIỀU / DIRECTION",
    "what": "NỘI DUNG / WHAT",
    "where": "TẠI / WHERE",
    "sender": "NƠI GỬI / SENDER",
    "recipient": "NƠI NHẬN / RECIPIENT",
    "document": "SỐ, KÝ HIỆU / DOCUMENT",
    "at": "THỜI ĐIỂM / TIME",
    "message_id": "MÃ GÓI TIN / MESSAGE ID",
    "delivery_id": "MÃ GIAO NHẬN / DELIVERY ID",
    "ours": "BÊN NÀY / OURS",
    "theirs": "BÊN KIA / THEIRS",
}
"""In the order of a sheet."""
COUNTS: Final[dict[str, str]] = {
    "agency": COLUMNS["agency"],
    "same": "KHỚP / SAME",
    "missing": "THIẾU / MISSING",
    "doubled": "TRÙNG / DOUBLED",
    "different": "KHÁC / DIFFERENT",
    "under-way": "ĐANG ĐI / UNDER WAY",
    "not-compared": "KHÔNG SO / NOT COMPARED",
}
KINDS: Final[dict[str, str]] = {
    "missing": "thiếu / missing",
    "doubled": "trùng / doubled",
    "different": "khác / different",
    "under-way": "đang đi / under way",
    "not-compared": "không so / not compared",
}
SIDES: Final[dict[str, str]] = {"sent": "gửi / sent", "received": "nhận / received"}
WHATS: Final[dict[str, str]] = {
    "not-known": "bên đó không có / not listed there",
    "row-lost": "đã ký nhận nhưng không còn / accepted there, and gone",
    "not-fetched": "chưa lấy về / not fetched yet",
    "not-acknowledged": "đã có nhưng chưa xác nhận / listed, never acknowledged",
    "same-bytes": "cùng nội dung đã gửi trước / the same bytes as an earlier one",
    "listed-twice": "kê khai hai lần / listed twice",
    "digest": "nội dung khác / other bytes",
    "answer": "biên nhận khác / another receipt",
    "standing": "trạng thái khác / another state",
    "agency": "cơ quan khác / another agency",
    "document": "số, ký hiệu hoặc ngày khác / another number or date",
    "archived": "đã đưa vào kho lưu / archived",
}

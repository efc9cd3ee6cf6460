"""What the columns of statistics are called: by their names for programs, in Vietnamese for a report.

Touches: nothing. Raises: nothing.
"""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    EN = "en"
    VI = "vi"


TABLE = {
    "PERIOD": "KỲ",
    "AGENCY": "CƠ QUAN",
    "TIER": "CẤP",
    "TYPE": "LOẠI",
    "SENT": "ĐÃ GỬI",
    "ELECTRONIC": "ĐIỆN TỬ",
    "ON TIME": "GỬI ĐÚNG HẠN",
    "FAILED": "KHÔNG CHUYỂN ĐƯỢC",
    "REFUSED": "BỊ TỪ CHỐI",
    "TAKEN BACK": "ĐÃ LẤY LẠI",
    "RECEIVED": "ĐÃ NHẬN",
    "TO 01": "ĐẾN 01",
    "TO 03": "ĐẾN 03",
    "REFUSED HERE": "TỪ CHỐI NHẬN",
    "LATE": "XỬ LÝ QUÁ HẠN",
}
_PERIOD = {
    "period": "Kỳ",
    "from": "Từ ngày",
    "until": "Đến ngày",
    "agency": "Mã cơ quan",
    "agency_name": "Tên cơ quan",
    "tier": "Cấp",
    "document_type": "Loại văn bản",
}
_SIDES = {"sent_": "Gửi: ", "received_": "Nhận: "}
_FIGURES = {
    "documents": "số văn bản",
    "deliveries": "số lượt gửi đến nơi nhận",
    "delivered": "số lượt đã đến nơi nhận",
    "electronic": "văn bản điện tử, không kèm bản giấy",
    "with_paper": "văn bản điện tử, có kèm bản giấy",
    "paper_not_stated": "văn bản không ghi có bản giấy hay không",
    "not_kept": "văn bản không còn thông tin phần đầu",
    "same_day": "trong ngày ban hành",
    "next_morning": "chậm nhất sáng ngày làm việc tiếp theo",
    "undated": "không xác định được ngày ban hành hoặc ngày gửi",
    "failed": "số lượt không chuyển được",
    "cancelled": "số lượt bị hủy",
    "refused": "số lượt bị từ chối tiếp nhận (02)",
    "taken_back": "số lượt đã lấy lại",
    "with_deadline": "văn bản có hạn xử lý",
    "take_backs_asked": "yêu cầu lấy lại (13)",
    "take_backs_agreed": "yêu cầu lấy lại được thực hiện",
    "requests": "tổng số yêu cầu lấy lại, thu hồi, cập nhật, thay thế",
    "answers_late": "yêu cầu trả lời quá hạn",
    "electronic_share": "tỷ lệ điện tử",
    "on_time_share": "tỷ lệ gửi đúng hạn",
    "to_01_count": "văn bản có trạng thái 01 (đã đến)",
    "to_01_median_minutes": "thời gian đến 01, trung vị (phút)",
    "to_01_p90_minutes": "thời gian đến 01, phân vị 90 (phút)",
    "to_03_count": "văn bản có trạng thái 03 (đã tiếp nhận)",
    "to_03_median_minutes": "thời gian đến 03, trung vị (phút)",
    "to_03_p90_minutes": "thời gian đến 03, phân vị 90 (phút)",
}
_LATE = {"sent_late": "Gửi: muộn", "received_late": "Nhận: xử lý quá hạn"}
_WORDS = {
    "central": "Trung ương",
    "province": "Tỉnh",
    "district": "Huyện",
    "commune": "Xã",
    "unknown": "Không rõ",
}


def heading(column: str, language: Language) -> str:
    """Of a column of the table or the sheet."""
    if language is Language.EN:
        return column
    found = TABLE.get(column) or _PERIOD.get(column) or _LATE.get(column)
    return found or next(
        said + _FIGURES[column.removeprefix(side)]
        for side, said in _SIDES.items()
        if column.startswith(side)
    )


def worded(word: str | None, language: Language) -> str | None:
    """A tier or type; a type's name is Vietnamese in every language."""
    return word if word is None or language is Language.EN else _WORDS.get(word, word)

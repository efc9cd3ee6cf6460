"""The words of a summary in layout 1, Vietnamese and English. Whoever changes one makes another layout (W19.7).

Touches: nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from relay.model import Event, Priority, Reason, SealKind
from relay.signing.bundle_hops import Missing


class Words(NamedTuple):
    vi: str
    en: str


TITLE: Final = Words("Tóm tắt hồ sơ chứng cứ", "Summary of an evidence file")
CONVENIENCE: Final = Words(
    "Trang này chỉ để tiện đọc. Giá trị chứng minh nằm ở chính tệp chứng cứ (.asice): ai có chứng thư gốc cũng tự kiểm "
    "tra được, không cần mạng, bằng lệnh: relay evidence verify FILE --root CERT",
    "This page is a convenience. The proof is the evidence file (.asice) itself: whoever has the root certificate "
    "checks it, offline, with the command above.",
)
HOLDS: Final = Words(
    "ĐẠT: mọi điều hồ sơ khẳng định đều đã được kiểm chứng",
    "HOLDS: all that the file claims was proven",
)
REFUSED: Final = Words(
    "KHÔNG ĐẠT: có bước bị bác bỏ; trang này chỉ kể những gì vẫn được kiểm chứng",
    "DOES NOT HOLD: steps were refused; this page tells only what is proven all the same",
)
UNKNOWN: Final = Words(
    "bước không rõ: hồ sơ không khẳng định gì về điều đó",
    "steps unknown: the file claims nothing about it",
)

DOCUMENT: Final = Words("Văn bản", "Document")
NOTATION: Final = Words("Số, ký hiệu", "Number and notation")
DATE: Final = Words("Ngày ban hành", "Date of issue")
SENDER: Final = Words("Cơ quan gửi", "Sender")
RECIPIENTS: Final = Words("Nơi nhận ghi trong văn bản", "Recipients named in the document")
KIND: Final = Words("Loại văn bản", "Type")
SUBJECT: Final = Words("Trích yếu", "Subject")
PRIORITY: Final = Words("Mức độ khẩn", "Priority")
DOCUMENT_ID: Final = Words("Mã văn bản", "Document id")
ATTACHMENTS: Final = Words("Tệp kèm theo", "Attachments")
BYTES: Final = Words("SHA-256 và dung lượng", "SHA-256 and size")
MESSAGE: Final = Words("Mã gói tin và nút gốc", "Message id and origin")
UNPROVEN_DOCUMENT: Final = Words(
    "Nội dung không kể ở đây: không có dấu xác nhận nào được kiểm chứng, hoặc không đọc được",
    "Its content is not told: no seal of it is proven, or it cannot be read",
)

SEAL: Final = Words("Dấu xác nhận", "Seal")
SEALED_BY: Final = Words("Bên xác nhận", "Sealed by")
SEALED_AT: Final = Words("Thời điểm, theo lời bên xác nhận", "Time, by the signer's word")
STAMPED_AT: Final = Words("Thời điểm, theo dấu thời gian", "Time, by timestamp")
CERTIFICATE: Final = Words("Chứng thư", "Certificate")
VOUCHED: Final = Words("Điều được bảo đảm", "What it vouches for")
NO_STAMP: Final = Words("không có dấu thời gian", "no timestamp")

OUTCOMES: Final = Words("Kết quả theo từng nơi nhận", "Outcome for each recipient")
RECIPIENT: Final = Words("Nơi nhận", "Recipient")
OUTCOME: Final = Words("Kết quả", "Outcome")
WAY: Final = Words("Qua các nút", "By way of")
NO_EVIDENCE: Final = Words("Chặng không có chứng cứ", "Hops without evidence")
SUPERSEDED: Final = Words("thay cho kết quả không rõ của", "supersedes the unknown outcome of")

TIMELINE: Final = Words("Diễn biến, theo biên nhận có chữ ký", "Timeline, by signed receipts")
TIME: Final = Words("Thời điểm", "Time")
NODE: Final = Words("Nút ký", "Signed by")
WHAT: Final = Words("Sự kiện", "Event")
LOG: Final = Words("Nhật ký", "Log")
ENTRY: Final = Words("mục", "entry")

STATUSES: Final = Words("Trạng thái và yêu cầu về văn bản", "Statuses and requests about it")
STATUS: Final = Words("Trạng thái", "Status")

EXPORTER: Final = Words("Theo lời riêng của nút xuất hồ sơ", "By the exporting node's word alone")
EXPORTED_BY: Final = Words("Nút xuất hồ sơ", "Exported by")
FINDINGS: Final = Words("Điểm bất thường", "Findings")
VERDICT: Final = Words("Chữ ký khác trong văn bản", "Others' signatures in the document")
LEFT_OUT: Final = Words("Không có trong hồ sơ", "Not in the file")
WITHOUT_PROOF: Final = Words(
    "biên nhận không có bằng chứng nhật ký", "receipts without a proof of the log"
)
NOT_JUDGED: Final = Words("chưa được xét", "not judged")

STEPS: Final = Words("Các bước kiểm tra", "Steps of the verification")
STEP: Final = Words("Bước", "Step")
RESULT: Final = Words("Kết luận", "Verdict")
SAID: Final = Words("Chi tiết", "What was found")
ROOTS: Final = Words("Chứng thư gốc được tin (SHA-256)", "Trusted roots (SHA-256)")
NONE: Final = Words("không có", "none")
MORE: Final = Words("và còn nữa", "and more")

RESULTS: Final = {
    "holds": Words("đạt", "holds"),
    "refused": Words("bác bỏ", "refused"),
    "unknown": Words("không rõ", "unknown"),
}

VOUCHES: Final = {
    SealKind.AGENCY: Words(
        "Cơ quan bảo đảm, bằng khóa riêng của mình đặt tại nút của cơ quan",
        "The agency vouches, with its own key, kept at its node",
    ),
    SealKind.AGENCY_SUPPLIED: Words(
        "Cơ quan bảo đảm, bằng khóa riêng của mình", "The agency vouches, with its own key"
    ),
    SealKind.NODE: Words(
        "Chỉ nút bảo đảm: nút biết ai đã gửi; không có khóa nào của cơ quan",
        "The node alone vouches: it knew who handed it in; no agency's key is involved",
    ),
    SealKind.GATEWAY: Words(
        "Chỉ cổng bảo đảm: một hệ thống không có chứng cứ đã chuyển đúng các byte này",
        "The gateway alone vouches: a remote without evidence handed these bytes over",
    ),
}

PRIORITIES: Final = {
    Priority.NORMAL: Words("thường", "normal"),
    Priority.URGENT: Words("khẩn", "urgent"),
    Priority.VERY_URGENT: Words("thượng khẩn", "very urgent"),
    Priority.EXPRESS: Words("hỏa tốc", "express"),
    Priority.EXPRESS_AT_HOUR: Words("hỏa tốc hẹn giờ", "express at an hour"),
}

EVENTS: Final = {
    Event.SUBMISSION_ACCEPTANCE: Words("Đã nhận để gửi", "accepted for sending"),
    Event.SUBMISSION_REJECTION: Words("Từ chối nhận để gửi", "refused at sending"),
    Event.RELAY_ACCEPTANCE: Words("Nút kế tiếp đã nhận", "taken by the next node"),
    Event.RELAY_REJECTION: Words("Nút kế tiếp từ chối", "refused by the next node"),
    Event.RELAY_FAILURE: Words("Không chuyển tiếp được", "could not be passed on"),
    Event.CONTENT_CONSIGNMENT: Words("Đã sẵn sàng cho nơi nhận", "at the recipient's disposal"),
    Event.CONTENT_CONSIGNMENT_FAILURE: Words(
        "Không đến được nơi nhận", "never came to the recipient's disposal"
    ),
    Event.CONTENT_HANDOVER: Words("Nơi nhận đã nhận văn bản", "handed over to the recipient"),
    Event.CONTENT_HANDOVER_FAILURE: Words(
        "Nơi nhận đã không nhận văn bản", "not taken by the recipient"
    ),
    Event.RELAY_TO_NON_ERDS: Words(
        "Đã giao cho hệ thống không có chứng cứ", "handed to a remote without evidence"
    ),
    Event.RELAY_TO_NON_ERDS_FAILURE: Words(
        "Không giao được cho hệ thống không có chứng cứ",
        "could not be handed to a remote without evidence",
    ),
    Event.RECEIVED_FROM_NON_ERDS: Words(
        "Nhận từ hệ thống không có chứng cứ", "came from a remote without evidence"
    ),
}

REASONS: Final = {
    Reason.UNKNOWN_RECIPIENT: Words("không biết nơi nhận", "unknown recipient"),
    Reason.CLOSED_RECIPIENT: Words("nơi nhận đã đóng", "closed recipient"),
    Reason.UNREACHABLE: Words("không liên lạc được", "unreachable"),
    Reason.TOO_LARGE: Words("quá lớn", "too large"),
    Reason.BAD_ENVELOPE: Words("gói văn bản sai", "bad envelope"),
    Reason.BAD_SEAL: Words("dấu xác nhận sai", "bad seal"),
    Reason.BAD_TRANSFER: Words("gói chuyển sai", "bad transfer"),
    Reason.REVOKED_CERTIFICATE: Words("chứng thư đã bị thu hồi", "revoked certificate"),
    Reason.POLICY: Words("theo chính sách", "policy"),
    Reason.LOOP: Words("đường đi vòng lặp", "loop"),
    Reason.TOO_MANY_HOPS: Words("quá nhiều chặng", "too many hops"),
    Reason.CONFLICT: Words("mâu thuẫn với gói đã nhận", "conflict"),
    Reason.EXPIRED: Words("quá hạn", "expired"),
    Reason.OUTCOME_UNKNOWN: Words("kết quả không rõ", "outcome unknown"),
    Reason.CANCELLED: Words("đã hủy", "cancelled"),
    Reason.REJECTED_BY_RECIPIENT: Words("nơi nhận từ chối", "rejected by the recipient"),
    Reason.TAKEN_BACK: Words("bên gửi đã lấy lại", "taken back by its sender"),
    Reason.DESTRUCTION_ASKED: Words("đã yêu cầu hủy văn bản", "destruction asked"),
}

GAPS: Final = {
    Missing.REMOTE: Words(
        "không có chứng cứ riêng; lời của nó do nút này kể lại",
        "gives no evidence of its own; its word is repeated by",
    ),
    Missing.BEFORE: Words(
        "biên nhận trước đó không có trong hồ sơ, trước nút",
        "the receipt before is not in the file, before",
    ),
    Missing.AFTER: Words(
        "không có chứng cứ về điều xảy ra sau đó, tại nút", "no evidence of what came after it, at"
    ),
}

"""Why a call was refused: the dialect's error codes, and one table to them from our own errors.

Touches: nothing.
Trusts:  the messages of relay.errors (neither payload nor keys); makes them ASCII all the same.
Raises:  nothing; AxisRefusal is defined here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from enum import StrEnum

from relay.errors import (
    AccessError,
    ClosedRecipientError,
    ConflictError,
    DamagedError,
    EnvelopeError,
    GoneError,
    LostPayloadError,
    NotFoundError,
    OverloadError,
    PeerError,
    QuotaError,
    RecipientError,
    RelayError,
    ReserveError,
    RouteError,
    SecretError,
    SignatureError,
    TakenBackError,
    TooLargeError,
    TransportError,
    Trouble,
)

MOST_NAMED = 3
"""Recipients named in a text; the others are counted."""
MAX_TEXT = 400
"""Characters of an ErrorDesc: clients show it in one line, some store it in a column."""


class ErrorCode(StrEnum):
    """The codes met at provincial axes."""

    SUCCESS = "0"
    FILE_INVALID = "10"
    BAD_SYSTEM = "15"
    RECEIVER_UNKNOWN = "18"
    SENDER_NOT_REGISTERED = "19"
    SYSTEM_ERROR = "20"
    FILE_ERROR = "21"
    NOT_COMPLIANT = "22"
    RECEIVER_LOCKED = "23"


class AxisRefusal(PeerError):  # noqa: N818 - a refusal is an answer of the dialect
    """A call answered with FAIL. `why` is a short stable word for logs and tests.

    `text` is what the clerk sees: Vietnamese without diacritics, then English. `logged` is what the
    node's own log says in place of the English, where the caller must not learn it.
    """

    def __init__(
        self, code: ErrorCode, why: str, vietnamese: str, english: str, *, logged: str = ""
    ) -> None:
        self.code = code
        self.why = why
        self.text = both(vietnamese, english)
        self.logged = plain(logged or english)
        super().__init__(english)


def both(vietnamese: str, english: str) -> str:
    """The two texts as one ASCII line."""
    return plain(f"{vietnamese} / {english}")


def plain(text: str) -> str:
    """`text` in printable ASCII: diacritics dropped, anything else outside it a question mark."""
    bare = unicodedata.normalize("NFKD", text[:MAX_TEXT].replace("đ", "d").replace("Đ", "D"))
    kept = (char for char in bare if not unicodedata.combining(char))
    return "".join(char if " " <= char <= "~" else "?" for char in kept)


def refusal_of(error: RelayError) -> AxisRefusal:
    """What a client is told of `error`; of our own disk it learns only that it has to come again."""
    if isinstance(error, AxisRefusal):
        return error
    if isinstance(error, RecipientError) and error.troubles:
        return _of_codes(error)
    if type(error) is RouteError and (codes := getattr(error, "codes", ())):
        return _unreachable(codes, error)
    for ancestor in type(error).__mro__:
        if ancestor in _TABLE:
            code, why, vietnamese, english = _TABLE[ancestor]
            return AxisRefusal(code, why, vietnamese, english(error))
    return _SYSTEM


def _unreachable(all_codes: tuple[str, ...], error: RouteError) -> AxisRefusal:
    """The clerk needs to know which of many recipients it is."""
    codes = ", ".join(code[:35] for code in all_codes[:MOST_NAMED])
    more = len(all_codes) - MOST_NAMED
    if more > 0:
        codes += f" (+{more})"
    return AxisRefusal(
        ErrorCode.RECEIVER_UNKNOWN,
        "no-route",
        f"Khong chuyen duoc den don vi nhan {codes}, hay kiem tra ma don vi",
        f"recipient {codes} cannot be reached, check its code: {error}",
    )


def _of_codes(error: RecipientError) -> AxisRefusal:
    """What the directory says of each code, so that a clerk can write to the right one."""
    closed = isinstance(error, ClosedRecipientError)
    shown = error.troubles[:3]
    return AxisRefusal(
        ErrorCode.RECEIVER_LOCKED if closed else ErrorCode.RECEIVER_UNKNOWN,
        "closed-recipient" if closed else "other-form",
        "; ".join(map(_in_vietnamese, shown)),
        "; ".join(map(_in_english, shown)),
    )


def _in_vietnamese(trouble: Trouble) -> str:
    others = ", ".join(trouble.others)
    match trouble.kind:
        case "closed":
            since = f" tu {trouble.since}" if trouble.since else ""
            heirs = f", ma moi {others}" if others else ", chua ro ma moi"
            return f"Don vi nhan {trouble.code} da dong{since}{heirs}"
        case "not-yet":
            before = f", hien dung ma {others}" if others else ""
            return f"Don vi nhan {trouble.code} hoat dong tu {trouble.since}{before}"
    return f"Khong co ma don vi nhan {trouble.code}, co the la ma {others}"


def _in_english(trouble: Trouble) -> str:
    others = ", ".join(trouble.others)
    several = "s" if len(trouble.others) > 1 else ""
    match trouble.kind:
        case "closed":
            return f"recipient closed, successor{several} {others or 'unknown'}"
        case "not-yet":
            until = f", until then {others}" if others else ""
            return f"recipient not open before {trouble.since}{until}"
    return f"unknown recipient, perhaps the other form of {others}"


def _says(before: str) -> Callable[[RelayError], str]:
    return lambda error: f"{before}: {error}"


def _only(text: str) -> Callable[[RelayError], str]:
    return lambda error: text


# Looked up along the class's own ancestry, so a new error has its parent's row.
_TABLE: dict[type, tuple[ErrorCode, str, str, Callable[[RelayError], str]]] = {
    TooLargeError: (
        ErrorCode.FILE_ERROR,
        "too-large",
        "Tep qua lon, hay chia nho hoac giam dung luong",
        _says("the file is too large"),
    ),
    DamagedError: (
        ErrorCode.FILE_ERROR,
        "damaged",
        "Tep bi thay doi tren duong truyen, hay gui lai",
        _says("the file was damaged on its way, send it again"),
    ),
    SecretError: (
        ErrorCode.NOT_COMPLIANT,
        "state-secret",
        "Van ban co dau chi do mat, khong duoc gui qua truc lien thong",
        _says("a document marked as a state secret is never carried"),
    ),
    EnvelopeError: (
        ErrorCode.NOT_COMPLIANT,
        "bad-envelope",
        "Van ban khong dung dinh dang edXML",
        _says("not a compliant edXML document"),
    ),
    SignatureError: (
        ErrorCode.FILE_INVALID,
        "bad-signature",
        "Chu ky so khong hop le",
        _says("the signature does not hold"),
    ),
    ConflictError: (
        ErrorCode.FILE_INVALID,
        "conflict",
        "Da co noi dung khac duoi cung dinh danh",
        _says("other content stands under the same identity"),
    ),
    AccessError: (
        ErrorCode.SENDER_NOT_REGISTERED,
        "not-its-own",
        "Don vi khong thuoc he thong dang goi",
        _says("not an agency of this system"),
    ),
    GoneError: (
        ErrorCode.FILE_ERROR,
        "gone",
        "Van ban da het thoi han luu tai day, hay de nghi noi gui gui lai",
        _only("the document's retention time here is over, ask its sender for it"),
    ),
    TakenBackError: (
        ErrorCode.FILE_ERROR,
        "taken-back",
        "Van ban da duoc don vi gui lay lai (thu hoi) truoc khi nhan",
        _only("the sender took this document back before it was fetched"),
    ),
    NotFoundError: (
        ErrorCode.FILE_ERROR,
        "not-found",
        "Khong tim thay van ban voi docId nay",
        _only("no document of this system has that docId"),
    ),
    RouteError: (
        ErrorCode.RECEIVER_UNKNOWN,
        "no-route",
        "Khong chuyen duoc den don vi nhan, hay kiem tra ma don vi",
        _says("a recipient cannot be reached, check its code"),
    ),
    TransportError: (
        ErrorCode.FILE_ERROR,
        "cut-short",
        "Noi dung gui len bi ngat giua chung, hay gui lai",
        _says("the upload broke off, send it again"),
    ),
    ReserveError: (
        ErrorCode.SYSTEM_ERROR,
        "disk-reserve",
        "O dia cua he thong sap day, hay thu lai sau",
        _says("the node's disk is nearly full, try again later"),
    ),
    QuotaError: (
        ErrorCode.SYSTEM_ERROR,
        "quota",
        "Qua nhieu van ban cua don vi dang cho chuyen, hay thu lai sau",
        _says("too much of this system waits already, try again later"),
    ),
    LostPayloadError: (
        ErrorCode.SYSTEM_ERROR,
        "lost",
        "O dia cua he thong da mat noi dung van ban nay, hay bao quan tri",
        _only("the disk of the node has lost this document, tell its operator"),
    ),
    OverloadError: (
        ErrorCode.SYSTEM_ERROR,
        "overload",
        "He thong dang qua tai, hay thu lai sau",
        _says("the node is at its limit, try again later"),
    ),
}
_SYSTEM = AxisRefusal(
    ErrorCode.SYSTEM_ERROR,
    "cannot-store",
    "He thong tam thoi khong nhan duoc, hay thu lai sau",
    "the node cannot take anything now, try again later",
)
UNEXPECTED = AxisRefusal(
    ErrorCode.SYSTEM_ERROR,
    "unexpected",
    "Loi he thong, hay thu lai sau hoac bao quan tri",
    "the node met an unexpected failure, try again later or tell its operator",
)

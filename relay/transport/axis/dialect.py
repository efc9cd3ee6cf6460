"""The calls of the dialect and what a signed request says: headers in, an AxisCall out.

Touches: nothing; knows no HTTP library.
Trusts:  a header only when it is a member of a sign-header whose HMAC holds. What a call does not
         use is ignored and not kept: clients send the headers of their earlier calls again, and a
         path of their own machine (filePath).
Raises:  AxisRefusal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from relay.delivery.ports import Acknowledgement
from relay.model import DeliveryId, Finding, MessageType
from relay.transport.axis.refusals import AxisRefusal, ErrorCode
from relay.transport.axis.signature import authenticate, collect, signed_members
from relay.transport.axis.systems import FreshnessPolicy, System, Systems
from relay.transport.axis.times import NO_LIMIT, judge, parse_bound


class Call(StrEnum):
    """The last segment of a call's path."""

    SEND = "sendEdoc"
    RECEIVED = "getReceivedEdocList"
    SENT = "getSentEdocList"
    GET = "getEdoc"
    DOWNLOAD = "downloadEdoc"
    COUNT_DOCUMENTS = "countReceiveEdoc"
    COUNT_STATUSES = "countReceiveStatus"
    UPDATE = "updateStatus"
    AGENCIES = "getAgenciesList"
    AGENCIES_QD20 = "getAgenciesListQD20"
    SYNCHRONIZE = "getSynchronizeUnit"
    REGISTER = "registerAgency"
    UNREGISTER = "deleteAgency"


_DOC_ID = "docid"
_LIST = frozenset({"servicetype", "messagetype"})
USES: Mapping[Call, frozenset[str]] = {
    Call.SEND: _LIST | {"from", "to", "hash-file"},
    Call.RECEIVED: _LIST | {"fromdate", "todate", "status", "pagesize", "pageindex"},
    Call.SENT: _LIST | {_DOC_ID, "fromdate", "todate", "status", "pagesize", "pageindex"},
    Call.GET: frozenset({_DOC_ID}),
    Call.DOWNLOAD: frozenset({_DOC_ID}),
    Call.UPDATE: frozenset({_DOC_ID, "status"}),
    Call.AGENCIES_QD20: frozenset({"level"}),
    Call.SYNCHRONIZE: frozenset({"sinceversion"}),
    Call.UNREGISTER: frozenset({"agencycode"}),
}
"""Headers each call uses, lower case; all of them must be signed where they are sent."""

MAX_DOC_ID = 64
MAX_CODE = 64
MAX_PAGE_INDEX = 1_000_000
MAX_PAGE_SIZE = (1 << 31) - 1
"""What clients write that want everything; a page has no more than one answer may hold."""
MAX_VERSION = (1 << 32) - 1
"""The directory counts its changes in so many bits."""
MOST_SKIPPED = 20_000
"""Rows before a page: each is walked again for every page."""


@dataclass(frozen=True, slots=True)
class AxisCall:
    """A call whose signature holds. `values` has only what the call uses, by lower-case name (A1.7)."""

    call: Call
    system: System
    values: Mapping[str, str] = field(repr=False)
    others: frozenset[str]
    """Names of what else was signed: left over from earlier calls of the same client."""
    stamp: str
    finding: Finding | None
    """What is odd about the timestamp."""


def read_call(
    call: Call,
    raw_headers: Iterable[tuple[bytes, bytes]],
    systems: Systems,
    now: datetime,
    known: Callable[[System], None] = lambda _: None,
    failed: Callable[[System], None] = lambda _: None,
) -> AxisCall:
    """(1) collect, (2) HMAC, (3) members equal headers, (4) what is used is signed, (5) freshness.

    `known` is told the system once (2) holds, and may refuse it: what is refused from then on is
    refused to it. `failed` is told the system whose secret it was not."""
    headers = collect(raw_headers)
    system = authenticate(headers, systems, now, failed)
    known(system)
    members = signed_members(headers)
    uses = USES.get(call, frozenset())
    for name in sorted({"systemid", *uses}):
        if name in headers and name not in members:
            raise AxisRefusal(
                ErrorCode.BAD_SYSTEM,
                "unsigned-header",
                f"Header {name} chua duoc ky",
                f"header {name} is not in sign-header",
            )
    stamp = members.get("timestamp")
    finding = judge(stamp, system.freshness, now)
    if finding is not None and system.freshness.policy is FreshnessPolicy.ENFORCE:
        raise AxisRefusal(
            ErrorCode.BAD_SYSTEM, finding.code, "Timestamp khong hop le hoac qua cu", finding.detail
        )
    values = {name: value for name, value in members.items() if name in uses and value}
    return AxisCall(call, system, values, frozenset(members) - uses, stamp or "", finding)


# ---------------------------------------------------------------- what the parameters mean


def doc_id(call: AxisCall) -> DeliveryId:
    """The package a call is about. One that cannot be ours is not looked up."""
    text = call.values.get(_DOC_ID, "")
    if not text or len(text) > MAX_DOC_ID or not text.isascii() or not text.isprintable():
        raise AxisRefusal(
            ErrorCode.FILE_ERROR,
            "not-found",
            "Thieu docId hoac docId khong ton tai",
            "docId is missing, or no document of this system has it",
        )
    return DeliveryId(text)


def message_type(call: AxisCall) -> MessageType | None:
    text = call.values.get("messagetype")
    if text is None:
        return None
    try:
        return MessageType(text.lower())
    except ValueError:
        raise _unusable("messagetype", "one of: edoc, status") from None


def acknowledgement(
    call: AxisCall, allowed: Sequence[Acknowledgement] = tuple(Acknowledgement)
) -> Acknowledgement | None:
    """The `status` of updateStatus, or of a list; in any case."""
    text = call.values.get("status")
    if text is None:
        return None
    try:
        given = Acknowledgement(text.lower())
    except ValueError:
        given = None
    if given not in allowed:
        raise _unusable("status", f"one of: {', '.join(allowed)}")
    return given


def bound(call: AxisCall, name: str) -> datetime | None:
    """`fromdate` or `todate` of a list; None where it has no such limit."""
    text = call.values.get(name)
    if text is None:
        return None
    instant = parse_bound(text, end=name == "todate")
    if instant is None:
        raise _unusable(name, "dd/MM/yyyy HH:mm:ss")
    return None if instant == NO_LIMIT else instant


def period(call: AxisCall) -> tuple[datetime | None, datetime | None]:
    """`fromdate` and `todate` of a list. The wrong way round they would find nothing, for ever where one of
    them is left over from an earlier call: that must not look like an empty inbox."""
    since, until = bound(call, "fromdate"), bound(call, "todate")
    if since is not None and until is not None and since > until:
        raise _unusable("todate", "no earlier than fromdate")
    return since, until


def page(call: AxisCall, largest: int) -> tuple[int, int]:
    """(skip, limit) of a list; no pageSize asks for as much as one answer may hold.

    Nobody says whether the first page is 0 or 1. Taking both for the first one can only show a
    page twice; the other reading would hide the first page from half of the clients.
    """
    size = _number(call, "pagesize", largest, most=MAX_PAGE_SIZE)
    index = _number(call, "pageindex", 1)
    size = min(size or largest, largest)
    skip = max(index - 1, 0) * size
    if skip > MOST_SKIPPED:
        raise AxisRefusal(
            ErrorCode.SYSTEM_ERROR,
            "bad-parameter",
            "Trang qua xa, hay loc theo fromDate va toDate",
            f"page begins after {skip} rows, limit {MOST_SKIPPED}: filter by fromDate and toDate",
        )
    return skip, size


def level(call: AxisCall) -> int | None:
    """The level of codes that a list is asked for; None for all."""
    return _number(call, "level", 0) or None


def since_version(call: AxisCall) -> int:
    """The version a client has. Existing clients do not say any: 0, and they get everything.

    Not `version`: that header is the client library's own, sent unsigned with every call.
    """
    return _number(call, "sinceversion", 0, most=MAX_VERSION)


def declared_recipients(call: AxisCall, most: int) -> tuple[str, ...] | None:
    """The codes of the header `to`, a JSON array as text; None when the document's own To holds."""
    text = call.values.get("to")
    if text is None:
        return None
    try:
        codes = json.loads(text)
    except (ValueError, RecursionError):
        codes = None
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise _bad_to("header to is not a JSON array of codes")
    if len(codes) > most:
        raise _bad_to(f"{len(codes)} recipients, limit {most}")
    cleaned = tuple(dict.fromkeys(code.strip() for code in codes))
    for code in cleaned:
        if not 0 < len(code) <= MAX_CODE or not code.isascii() or not code.isprintable():
            raise _bad_to("a code in header to is empty, too long or not plain text")
    return cleaned or None


def _number(call: AxisCall, name: str, otherwise: int, most: int = MAX_PAGE_INDEX) -> int:
    text = call.values.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= most):
        raise _unusable(name, f"a number from 0 to {most}")
    return int(text)


def _unusable(name: str, allowed: str) -> AxisRefusal:
    return AxisRefusal(
        ErrorCode.SYSTEM_ERROR,
        "bad-parameter",
        f"Gia tri cua header {name} khong hop le",
        f"header {name} must be {allowed}",
    )


def _bad_to(what: str) -> AxisRefusal:
    return AxisRefusal(
        ErrorCode.RECEIVER_UNKNOWN, "bad-recipients", "Danh sach don vi nhan khong hop le", what
    )

"""Every answer of the dialect: JSON with all fields of its call, also when it failed.

Touches: nothing.
Trusts:  the values of the inside; the JSON is ASCII whatever they hold.
Raises:  nothing.

A client that misses a field after a successful send throws, and sends again; one that gets no JSON
for a list takes it for an empty inbox. So no answer leaves without its fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from relay.delivery.ports import Acknowledgement, InboxItem, SentItem
from relay.model import DeliveryState, MessageType, Reason
from relay.transport.axis.dialect import Call
from relay.transport.axis.refusals import AxisRefusal, ErrorCode, both, plain
from relay.transport.axis.times import write_time

SERVICE_TYPE = "eDoc"
SUCCESS_TEXT = both("Thanh cong", "success")

_ENCODER = json.JSONEncoder(separators=(",", ":"))

Fields = Mapping[str, object]

EMPTY: Mapping[Call, Fields] = {
    Call.SEND: {"DocId": ""},
    Call.RECEIVED: {"data": []},
    Call.SENT: {"data": []},
    Call.GET: {"data": ""},
    Call.DOWNLOAD: {},
    Call.COUNT_DOCUMENTS: {"count": 0},
    Call.COUNT_STATUSES: {"count": 0},
    Call.UPDATE: {},
    Call.AGENCIES: {"data": []},
    Call.AGENCIES_QD20: {"data": []},
    Call.SYNCHRONIZE: {"data": []},
    Call.REGISTER: {},
    Call.UNREGISTER: {},
}
"""The fields of each call beyond the three of every answer, as they stand on failure."""
_EVERY_FIELD: Fields = {"DocId": "", "data": [], "count": 0}


def success(fields: Fields) -> bytes:
    return _json("OK", ErrorCode.SUCCESS, SUCCESS_TEXT, fields)


def failure(call: Call | None, refusal: AxisRefusal) -> bytes:
    """FAIL with every field of the call; of all calls where it is not known which was meant (A1.5)."""
    fields = _EVERY_FIELD if call is None else EMPTY[call]
    return _json("FAIL", refusal.code, refusal.text, fields)


def around(data: str | list[str]) -> tuple[bytes, bytes]:
    """A successful answer in two halves, to be filled where the empty `data` is opened."""
    whole = success({"data": data})
    return whole[:-2], whole[-2:]


def encode(value: object) -> bytes:
    """Compact JSON in ASCII."""
    return _ENCODER.encode(value).encode("ascii")


def received_row(item: InboxItem, asked: Acknowledgement | None = None) -> dict[str, str]:
    """What was put back waits again as `initial`, which is what clients take; `asked` for as `fail`
    it is shown as that."""
    put_back = item.acknowledgement is Acknowledgement.FAIL
    return {
        "docId": item.delivery_id,
        "serviceType": SERVICE_TYPE,
        "messageType": item.message_type.value,
        "created_time": write_time(item.available_at),
        "updated_time": write_time(item.updated_at),
        "from": item.sender,
        "to": item.recipient,
        "status": _listed_as(item.acknowledgement, asked),
        "status_desc": _put_back(item) if put_back else _RECEIVED[item.acknowledgement],
    }


def sent_row(item: SentItem) -> dict[str, str]:
    status = _progress(item)
    arrived = item.settled_at if status == "done" else None
    return {
        "serviceType": SERVICE_TYPE,
        "messageType": item.message_type.value,
        "senderDocId": item.message_id,
        "receiverDocId": item.delivery_id,
        "fromCode": item.sender,
        "toCode": item.recipient,
        "title": item.subject,
        "notation": item.notation,
        "sentTime": write_time(item.accepted_at),
        "receivedTime": write_time(arrived),
        "sendStatus": status,
        "sendStatusDesc": _failed(item) if status == "fail" else _SENT[status],
        "receiveStatus": item.acknowledgement.value,
        "receiveStatusDesc": _received_there(item),
    }


def _json(status: str, code: ErrorCode, text: str, fields: Fields) -> bytes:
    head = {"status": status, "ErrorCode": code.value, "ErrorDesc": text}
    return encode({**head, **fields})


def _progress(item: SentItem) -> str:
    return _PROGRESS_OF[item.message_type][item.state]


def _listed_as(said: Acknowledgement, asked: Acknowledgement | None) -> str:
    again = said is Acknowledgement.FAIL and asked is not Acknowledgement.FAIL
    return (Acknowledgement.INITIAL if again else said).value


def _put_back(item: InboxItem) -> str:
    because = f" ({item.put_back_because})" if item.put_back_because else ""
    return plain(
        both("Cho nhan lai, lan truoc that bai", "put back, the last attempt failed") + because
    )


def _received_there(item: SentItem) -> str:
    if _progress(item) == "fail":
        return both("Khong den noi nhan", "it did not arrive there")
    because = item.detail if item.acknowledgement is Acknowledgement.FAIL else ""
    text = _RECEIVED[item.acknowledgement]
    return plain(f"{text} ({because})") if because else text


def _failed(item: SentItem) -> str:
    """Who refused, and why: the row is all the sender's clerk will ever see of it."""
    vietnamese, english = _WHY.get(item.reason, _NO_REASON)
    if item.state is DeliveryState.EXPIRED and item.reason is None:
        vietnamese, english = _WHY[Reason.EXPIRED]
    if item.state in _ENDED_HERE:
        vietnamese, english = _ENDED_HERE[item.state]
    node = item.failed_at_node or ""
    where = (f"{node} khong chuyen duoc: ", f"{node}: ") if node else ("", "")
    of_a_fail = item.state is DeliveryState.TAKEN_BACK  # put back by the recipient's system before
    detail = f" ({item.detail})" if item.detail and not of_a_fail else ""
    return plain(both(where[0] + vietnamese, where[1] + english) + detail)


S = DeliveryState
_PROGRESS: Mapping[DeliveryState, str] = {
    S.SEALING: "initial",
    S.QUEUED: "initial",
    S.HELD: "initial",
    S.IN_FLIGHT: "processing",
    S.IN_DOUBT: "processing",
    S.RELAYED: "processing",
    S.AVAILABLE: "done",
    S.FETCHED: "done",
    S.HANDED_OVER: "done",
    S.REFUSED: "fail",
    S.EXPIRED: "fail",
    S.CANCELLED: "fail",
    S.TAKEN_BACK: "fail",
}
_SENT = {
    "initial": both("Cho gui", "waiting to be sent"),
    "processing": both("Dang chuyen", "on its way"),
    "done": both("Da den noi nhan", "at the recipient"),
}
_RECEIVED = {
    Acknowledgement.INITIAL: both("Chua nhan", "not yet taken over"),
    Acknowledgement.PROCESSING: both("Dang nhan", "being taken over"),
    Acknowledgement.DONE: both("Da nhan", "taken over"),
    Acknowledgement.FAIL: both(
        "Noi nhan bao nhan that bai, van ban cho nhan lai",
        "the recipient's system could not take it over, it waits there again",
    ),
}
_PROGRESS_OF: Mapping[MessageType, Mapping[DeliveryState, str]] = {
    MessageType.DOCUMENT: _PROGRESS,
    # A status 13 that took its document back on the way did all it could: no failure to send again.
    MessageType.STATUS: {**_PROGRESS, S.TAKEN_BACK: "done"},
}
STATES_OF: Mapping[MessageType, Mapping[str, frozenset[DeliveryState]]] = {
    kind: {
        word: frozenset(state for state, said in table.items() if said == word)
        for word in table.values()
    }
    for kind, table in _PROGRESS_OF.items()
}
"""The other way round: of a sendStatus."""
_ENDED_HERE = {
    S.CANCELLED: ("da huy gui", "cancelled"),
    S.TAKEN_BACK: ("da lay lai", "taken back"),
}
_NO_REASON = ("khong ro ly do", "no reason given")
_WHY: Mapping[Reason | None, tuple[str, str]] = {
    Reason.UNKNOWN_RECIPIENT: ("khong co don vi nhan nay", "unknown recipient"),
    Reason.CLOSED_RECIPIENT: ("don vi nhan da ngung hoat dong", "the recipient is closed"),
    Reason.UNREACHABLE: ("khong co duong den don vi nhan", "no way to the recipient"),
    Reason.TOO_LARGE: ("van ban qua lon", "too large"),
    Reason.BAD_ENVELOPE: ("van ban khong dung edXML", "not a compliant edXML document"),
    Reason.BAD_SEAL: ("dau niem phong khong hop le", "the seal does not hold"),
    Reason.BAD_TRANSFER: ("goi tin chuyen khong hop le", "the transfer does not hold"),
    Reason.REVOKED_CERTIFICATE: ("chung thu so da bi thu hoi", "the certificate is revoked"),
    Reason.POLICY: ("bi tu choi theo quy dinh", "refused by policy"),
    Reason.LOOP: ("duong di bi lap vong", "its way runs in a circle"),
    Reason.TOO_MANY_HOPS: ("qua nhieu chang", "too many hops"),
    Reason.CONFLICT: ("da co noi dung khac cung dinh danh", "other content has its identity"),
    Reason.EXPIRED: ("qua han ma chua den noi", "not delivered in time"),
    Reason.OUTCOME_UNKNOWN: ("khong ro ket qua chuyen", "the outcome is unknown"),
    Reason.CANCELLED: ("da huy gui", "cancelled"),
    Reason.REJECTED_BY_RECIPIENT: ("noi nhan tu choi", "rejected by the recipient"),
    Reason.TAKEN_BACK: ("da lay lai", "taken back"),
    Reason.DESTRUCTION_ASKED: ("da yeu cau huy", "destruction is asked for"),
}

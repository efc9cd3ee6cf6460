"""Read another node's answers strictly: every field that was promised, or no answer at all.

Touches: nothing.
Trusts:  nothing.
Raises:  AxisFailure for a well-formed FAIL; UnansweredError for whatever is not an answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from relay.errors import PeerError, UnansweredError
from relay.transport.axis.dialect import Call
from relay.transport.axis.refusals import ErrorCode, plain


class AxisFailure(PeerError):  # noqa: N818 - the dialect's own FAIL
    """The other side answered FAIL. `code` and `text` are its own."""

    def __init__(self, code: str, text: str) -> None:
        self.code = plain(code)
        self.text = plain(text)
        super().__init__(f"refused with code {self.code}: {self.text}")

    @property
    def passing(self) -> bool:
        """True for the code of an overload or a fault over there: the same call may yet succeed."""
        return self.code == ErrorCode.SYSTEM_ERROR


@dataclass(frozen=True, slots=True)
class ReceivedRow:
    """A row of the received list, under the dialect's own names."""

    docId: str  # noqa: N815
    serviceType: str  # noqa: N815
    messageType: str  # noqa: N815
    created_time: str
    updated_time: str
    from_: str
    to: str
    status: str
    status_desc: str


@dataclass(frozen=True, slots=True)
class SentRow:
    """A row of the sent list, under the dialect's own names."""

    serviceType: str  # noqa: N815
    messageType: str  # noqa: N815
    senderDocId: str  # noqa: N815
    receiverDocId: str  # noqa: N815
    fromCode: str  # noqa: N815
    toCode: str  # noqa: N815
    title: str
    notation: str
    sentTime: str  # noqa: N815
    receivedTime: str  # noqa: N815
    sendStatus: str  # noqa: N815
    sendStatusDesc: str  # noqa: N815
    receiveStatus: str  # noqa: N815
    receiveStatusDesc: str  # noqa: N815


@dataclass(frozen=True, slots=True)
class AgencyRow:
    """A row of the list of agencies, under the dialect's own names."""

    id: str
    pid: str
    code: str
    name: str
    mail: str
    oldCode: str  # noqa: N815


@dataclass(frozen=True, slots=True)
class NewCodeRow:
    """A row of the list by Decision 20."""

    id: str
    code: str
    code102: str
    name: str
    mail: str


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A row of the directory's delta."""

    id: str
    pid: str
    code: str
    name: str
    mail: str
    version: str
    centerCode: str  # noqa: N815
    deleted: str
    modifyDate: str  # noqa: N815
    isAgency: str  # noqa: N815


Row = TypeVar("Row", ReceivedRow, SentRow, AgencyRow, NewCodeRow, UnitRow)


def read_answer(call: Call, content: bytes) -> dict[str, Any]:
    """The object of a successful answer."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise UnansweredError(f"{call.value}: the answer is not JSON") from None
    if not isinstance(answer, dict):
        raise UnansweredError(f"{call.value}: the answer is not a JSON object")
    status, code = field_of(answer, "status"), field_of(answer, "ErrorCode")
    if status == "OK" and code == ErrorCode.SUCCESS:
        return answer
    if status == "FAIL":
        raise AxisFailure(code, field_of(answer, "ErrorDesc"))
    raise UnansweredError(f"{call.value}: status and ErrorCode contradict each other")


def field_of(answer: dict[str, Any], name: str) -> str:
    """A text field; one that is missing or empty on success is no answer."""
    value = answer.get(name)
    if not isinstance(value, str) or (not value and name != "ErrorDesc"):
        raise UnansweredError(f"the answer has no {name}")
    return value


def count_of(answer: dict[str, Any]) -> int:
    value = answer.get("count")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UnansweredError("the answer has no count")
    return value


def rows_of(answer: dict[str, Any], kind: type[Row]) -> list[Row]:
    """Each whole; a list with half a row is no answer."""
    rows = answer.get("data")
    if not isinstance(rows, list):
        raise UnansweredError("the answer has no list")
    return [_row(row, kind) for row in rows]


def _row(row: object, kind: type[Row]) -> Row:
    if not isinstance(row, dict):
        raise UnansweredError("a row of the list is not an object")
    values = {}
    for field in fields(kind):
        value = row.get(field.name.rstrip("_"))
        if not isinstance(value, str):
            raise UnansweredError(f"a row of the list has no {field.name.rstrip('_')}")
        values[field.name] = value
    return kind(**values)

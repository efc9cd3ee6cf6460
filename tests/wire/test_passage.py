"""A passage says codes and times, and nothing else is taken for one (W18)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.errors import WireError
from relay.model import AgencyCode, Digest, NodeId
from relay.wire.passage import Passage, Wait, WaitReason, passage_fields, read_passage

AT = datetime(2026, 11, 23, tzinfo=UTC)
PASSAGE = Passage(
    AT + timedelta(minutes=2),
    NodeId("huyen"),
    "0199aaaa-0000-7000-8000-000000000000",
    NodeId("xa"),
    Digest("a" * 64),
    NodeId("xa"),
    (AgencyCode("H01"),),
    AT,
    "node",
    ("missing-trace",),
    (
        Wait(WaitReason.LANE_WAITS, AT, AT + timedelta(minutes=1)),
        Wait(WaitReason.HELD, AT + timedelta(minutes=1), None),
    ),
    2,
    None,
)


def leaf(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": "passage", "at": "2026-11-23T00:02:00.000Z", "node": "huyen"}
    fields |= {k: v for k, v in passage_fields(PASSAGE).items() if v is not None}
    return {k: v for k, v in (fields | changes).items() if v is not None}


def test_what_is_written_is_read() -> None:
    assert read_passage(leaf()) == PASSAGE


def test_a_word_of_a_later_version_is_a_reason_not_known() -> None:
    since = "2026-11-23T00:00:00.000Z"
    found = read_passage(leaf(waits=[{"reason": "snowed-in", "since": since}]))
    assert [wait.reason for wait in found.waits] == [None]


SINCE = {"since": "2026-11-23T00:01:00.000Z"}


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "receipt-issued"},
        {"seal": "wax"},
        {"seal": None},
        {"message": "one"},
        {"receipt": "a"},
        {"recipients": None},
        {"recipients": ["H01"] * 501},
        {"recipients": ["not a code"]},
        {"findings": ["a sentence about 10.0.0.1"]},
        {"findings": [1]},
        {"attempts": -1},
        {"attempts": "2"},
        {"departed": 7},
        {"arrived": "yesterday"},
        {"waits": "held"},
        {"waits": [SINCE]},
        {"waits": [{"reason": "held"}]},
        {"waits": [{"reason": "Cannot connect to host 10.0.0.1", **SINCE}]},
        {"waits": [{"reason": "held", "host": "a", **SINCE}]},
        {"waits": [{"reason": "held", "until": "2026-11-23T00:00:00.000Z", **SINCE}]},
        {"waits": [{"reason": "held", **SINCE}] * 21},
    ],
)
def test_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read_passage(leaf(**changes))

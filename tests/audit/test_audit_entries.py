"""Audit entries: final, canonical leaf bytes."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.audit.entries import (
    INTEGER_LIMIT,
    LEAF_LIMIT_BYTES,
    AuditEvent,
    entry,
    instant,
    moment,
    parse,
)
from relay.audit.words import WORDS
from relay.errors import AuditError
from relay.model import DeliveryState, NodeId

AT = datetime(2026, 11, 23, 4, 53, 0, 125_999, tzinfo=UTC)
NODE = NodeId("tinh-h01")

KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(
    lambda key: key not in {"v", "at", "event", "node", *WORDS}
)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
SCALARS = TEXTS | st.integers(-INTEGER_LIMIT, INTEGER_LIMIT)
VALUES = (
    SCALARS
    | st.lists(SCALARS, min_size=1, max_size=4)
    | st.dictionaries(KEYS, SCALARS, min_size=1, max_size=4)
)


def test_an_entry_has_this_exact_form() -> None:
    """Keys sorted, UTF-8 unescaped, no white space, milliseconds cut, StrEnum as its word."""
    leaf = entry(
        AuditEvent.DELIVERY_FAILED,
        AT,
        NODE,
        state=DeliveryState.EXPIRED,
        code='mất điện\n"2 ngày"',
        recipients=("H01.1", "H01.2"),
        attempts=0,
    ).leaf

    assert (
        leaf
        == (
            '{"at":"2026-11-23T04:53:00.125Z","attempts":0,"code":"mất điện\\n\\"2 ngày\\"",'
            '"event":"delivery-failed","node":"tinh-h01","recipients":["H01.1","H01.2"],'
            '"state":"expired","v":2}'
        ).encode()
    )


def test_absent_and_empty_fields_are_left_out() -> None:
    """None and empty texts or lists do not appear, so there is one way to say absent."""
    bare = entry(AuditEvent.NODE_STARTED, AT, NODE)

    assert entry(AuditEvent.NODE_STARTED, AT, NODE, why=None, by="", recipients=()) == bare


@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_what_is_written_is_read_back(fields: dict[str, object]) -> None:
    """Every entry parses, with its fields unchanged, and is canonical for Python's own encoder."""
    leaf = entry(AuditEvent.RECEIPT_ISSUED, AT, NODE, **fields).leaf
    head = {"v": 2, "at": instant(AT), "event": "receipt-issued", "node": NODE}

    assert parse(leaf) == {**head, **fields}
    assert (
        leaf
        == json.dumps(
            {**head, **fields}, ensure_ascii=False, sort_keys=True, separators=(",", ":")
        ).encode()
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_an_audit_error(leaf: bytes) -> None:
    """No other exception leaks from the reader."""
    try:
        fields = parse(leaf)
    except AuditError:
        return
    assert fields["v"] in {1, 2}


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_never_reads_as_the_same_entry(place: int, mask: int) -> None:
    """A changed leaf is refused or says something else; never the same fields."""
    leaf = entry(AuditEvent.MESSAGE_ACCEPTED, AT, NODE, sender="H01", size=12_345).leaf
    changed = bytearray(leaf)
    changed[place % len(leaf)] ^= mask
    with suppress(AuditError):
        assert parse(bytes(changed)) != parse(leaf)


GOOD = '{"at":"2026-11-23T04:53:00.125Z","event":"node-started","node":"n","v":1}'


@pytest.mark.parametrize(
    "leaf",
    [
        GOOD.replace(":1}", ": 1}"),
        GOOD + "\n",
        GOOD.replace('"v":1', '"v":1.0'),
        GOOD.replace('"v":1', '"v":true'),
        GOOD.replace('"v":1', '"v":3'),
        GOOD.replace('"v":1', '"v":0'),
        GOOD.replace('"v":1', '"v":2,"why":"words"'),
        GOOD.replace('"v":1', '"v":2,"why":7'),
        GOOD.replace('"node":"n","v":1', '"node":"n","refusals":[{"by":"token:1:x"}],"v":2'),
        GOOD.replace('"v":1', '"v":1,"why":null'),
        GOOD.replace('"v":1', '"v":1,"why":""'),
        GOOD.replace('"v":1', '"v":1,"why":[]'),
        GOOD.replace('"v":1', '"v":1,"why":{}'),
        GOOD.replace('"v":1', '"v":1,"v":1'),
        GOOD.replace('"v":1', '"v":1,"a":1'),
        GOOD.replace('"v":1', '"v":1,"w":NaN'),
        GOOD.replace('"v":1', '"v":1,"w":1e2'),
        GOOD.replace('"v":1', '"v":1,"w":-0'),
        GOOD.replace('"v":1', '"v":1,"w":9007199254740992'),
        GOOD.replace('"v":1', '"v":1,"w":' + "9" * 5000),
        GOOD.replace('"v":1', '"v":1,"w":"\\ud800"'),
        GOOD.replace('"v":1', '"v":1,"w":"\\u0041"'),
        GOOD.replace('"v":1', '"v":1,"w":' + "[" * 30_000 + "]" * 30_000),
        GOOD.replace('"v":1', '"v":1,"w":[[[[["x"]]]]]'),
        GOOD.replace('"v":1', '"v":1,"Why":"x"'),
        GOOD.replace("04:53", "25:53"),
        GOOD.replace(".125Z", "Z"),
        GOOD.replace(".125Z", ".125+00:00"),
        GOOD.replace("2026", "２０２６"),
        GOOD.replace("node-started", "Node started"),
        GOOD.replace('"node":"n",', ""),
        "[" + GOOD + "]",
        "1",
        "",
    ],
)
def test_other_writings_of_an_entry_are_refused(leaf: str) -> None:
    """One fact has one leaf: anything else is refused, never repaired."""
    assert parse(GOOD.encode())
    with pytest.raises(AuditError):
        parse(leaf.encode())


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        True,
        b"x",
        {"a": None},
        {"a": ""},
        [None],
        [""],
        [[]],
        {"B": 1},
        2**53,
        [[[[["x"]]]]],
        AT,
    ],
)
def test_a_value_no_leaf_may_hold_is_a_bug_of_ours(value: object) -> None:
    """Floats, booleans, bytes, nested nothings and large integers never reach the log."""
    with pytest.raises(ValueError, match=r"leaf|empty|key|integer|nested"):
        entry(AuditEvent.NODE_STARTED, AT, NODE, why=value)


def test_the_frame_cannot_be_overwritten() -> None:
    """Fields of an event cannot pose as its version."""
    with pytest.raises(ValueError, match="free fields"):
        entry(AuditEvent.NODE_STARTED, AT, NODE, v=2)


def test_a_leaf_stays_under_64_kib() -> None:
    """The limit counts bytes of UTF-8, both when writing and when reading."""
    room = LEAF_LIMIT_BYTES - len(entry(AuditEvent.NODE_STARTED, AT, NODE, code="x").leaf) + 1
    largest = entry(AuditEvent.NODE_STARTED, AT, NODE, code="x" * room).leaf

    assert len(largest) == LEAF_LIMIT_BYTES
    assert parse(largest)["code"] == "x" * room
    with pytest.raises(ValueError, match="limit 65535"):
        entry(AuditEvent.NODE_STARTED, AT, NODE, code="x" * (room + 1))
    with pytest.raises(ValueError, match="limit 65535"):
        entry(AuditEvent.NODE_STARTED, AT, NODE, why="x" * (1 << 16))
    with pytest.raises(AuditError, match="limit 65535"):
        parse(largest.replace(b"x", b"xx", 1))


def test_times_are_written_in_utc_whatever_zone_they_came_in() -> None:
    """Vietnamese wall time and UTC of one instant are the same text; it reads back to the millisecond."""
    local = AT.astimezone(timezone(timedelta(hours=7)))

    assert instant(local) == instant(AT) == "2026-11-23T04:53:00.125Z"
    assert moment(instant(AT)) == AT.replace(microsecond=125_000)
    with pytest.raises(ValueError, match="naive"):
        instant(AT.replace(tzinfo=None))

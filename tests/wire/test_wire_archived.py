"""The index of an archive file has one form, and no other is read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from relay.errors import WireError
from relay.model import MessageId, NodeId, digest_of
from relay.wire.archived import ArchiveIndex, HeldMessage, read_index, write_index

MESSAGE = MessageId("019ab000-0000-7000-8000-000000000001")
HELD = HeldMessage(NodeId("xa"), MESSAGE, digest_of(b"1"), 7, digest_of(b"2"), digest_of(b"3"))
INDEX = ArchiveIndex(
    NodeId("xa"), 2, datetime(2026, 11, 23, tzinfo=UTC), digest_of(b"before"), (HELD,)
)
TEXT = write_index(INDEX)


def test_what_was_written_is_read() -> None:
    """With and without a file before, and evidence that it renews."""
    first = ArchiveIndex(INDEX.node, 1, INDEX.written_at, None, ())
    assert read_index(TEXT) == INDEX
    assert read_index(write_index(first)) == first


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b'{"messages"', b'{ "messages"'),
        (b'"number":2', b'"number":true'),
        (b'"number":2', b'"number":-2'),
        (b'"number":2', b'"number":2.0'),
        (b'"number":2', b'"more":1,"number":2'),
        (b'"number":2', b'"number":2,"number":2'),
        (b'"size":7', b'"size":true'),
        (b'"size":7', b'"size":"7"'),
        (b'"v":1', b'"v":2'),
        (b'"renews":"', b'"renews":"A'),
        (b'"origin":"xa"', b'"origin":"../xa"'),
        (MESSAGE.encode(), MESSAGE.upper().encode()),
        (b"+00:00", b"+07:00"),
        (b"2026-11-23T00:00:00.000+00:00", b"0001-01-01T00:00:00.000+14:00"),  # before time began
        (b"2026-11-23T00:00:00.000+00:00", b"9999-12-31T23:59:59.999-14:00"),
        (b'"messages":[', b'"messages":[[],'),
        (TEXT, b"[]"),
        (TEXT, b"[" * 100_000),
        (TEXT, b"\xff"),
    ],
)
def test_any_other_writing_is_refused(right: bytes, wrong: bytes) -> None:
    """Twice a member, another order of magnitude, a path: nothing is left to a reader's taste."""
    assert right in TEXT
    with pytest.raises(WireError):
        read_index(TEXT.replace(right, wrong, 1))

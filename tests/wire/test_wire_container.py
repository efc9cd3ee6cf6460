"""Containers of signed receipts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import WireError
from relay.model import Signed
from relay.wire.container import read_receipts, write_receipts

ROOM = 1 << 20
SIGNED = st.builds(Signed, st.binary(min_size=1, max_size=90), st.binary(min_size=1, max_size=90))


@given(st.lists(SIGNED, min_size=1, max_size=4))
def test_what_is_written_reads_back_the_same(receipts: list[Signed]) -> None:
    """The exact bytes of every document and signature come back, in order."""
    assert read_receipts(write_receipts(receipts), ROOM) == tuple(receipts)


@given(st.lists(SIGNED, min_size=1, max_size=3), st.data())
def test_a_changed_byte_is_refused_or_says_exactly_what_was_read(
    receipts: list[Signed], data: st.DataObject
) -> None:
    """Whatever is accepted is in its one canonical form."""
    content = bytearray(write_receipts(receipts))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    try:
        found = read_receipts(bytes(content), ROOM)
    except WireError:
        return
    assert write_receipts(found) == bytes(content)


def test_the_form_is_the_documented_one() -> None:
    """Base64 of both, in one line, without white space between elements."""
    assert write_receipts([Signed(b"<a/>", b"<s/>")]) == (
        b'<Receipts xmlns="urn:truc-relay:wire:1"><SignedReceipt><Document>PGEvPg==</Document>'
        b"<Signature>PHMvPg==</Signature></SignedReceipt></Receipts>"
    )


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "no receipt": lambda c: c[: c.index(b"<SignedReceipt>")] + b"</Receipts>",
    "another root": lambda c: c.replace(b"Receipts", b"Answers"),
    "another namespace": lambda c: c.replace(b"wire:1", b"wire:2"),
    "not closed": lambda c: c[:-1],
    "closed twice": lambda c: c + b"</Receipts>",
    "a declaration": lambda c: b'<?xml version="1.0"?>' + c,
    "a line break in base64": lambda c: c.replace(b"PGEv", b"PG\nEv"),
    "loose bits in base64": lambda c: c.replace(b"PGEvPg==", b"PGEvPh=="),
    "base64 of impossible length": lambda c: c.replace(b"PGEvPg==", b"PGEvP"),
    "an empty document": lambda c: c.replace(b"PGEvPg==", b""),
    "a missing signature": lambda c: c.replace(b"<Signature>PHMvPg==</Signature>", b""),
    "an attribute": lambda c: c.replace(b"<Document>", b'<Document a="b">'),
    "an unknown element": lambda c: c.replace(b"</SignedReceipt>", b"<X/></SignedReceipt>"),
    "cut inside a receipt": lambda c: c[: c.index(b"<Signature>")] + b"</Receipts>",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_other_bytes_are_refused(change: Callable[[bytes], bytes]) -> None:
    """Everything but the canonical form is refused."""
    good = write_receipts([Signed(b"<a/>", b"<s/>")])
    bad = change(good)
    assert bad != good

    with pytest.raises(WireError):
        read_receipts(bad, ROOM)


def test_an_empty_container_cannot_be_written() -> None:
    """There is no answer without a receipt, and no receipt without a signature."""
    with pytest.raises(WireError):
        write_receipts([])
    with pytest.raises(WireError):
        write_receipts([Signed(b"<a/>", b"")])


def test_the_limit_is_the_callers() -> None:
    """A container over the limit is refused before it is looked at."""
    content = write_receipts([Signed(b"x" * 900, b"y")])

    with pytest.raises(WireError, match=f"container of {len(content)} bytes, limit 1000 bytes"):
        read_receipts(content, 1000)


def test_a_long_document_is_no_obstacle() -> None:
    """Documents longer than an XML parser's ten million characters pass."""
    receipts = (Signed(b"x" * 8_000_000, b"y"),)

    assert read_receipts(write_receipts(receipts), 1 << 25) == receipts

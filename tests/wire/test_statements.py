"""Statements between nodes: one form, bounded, and nothing else (W12)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import WireError
from relay.wire.statements import (
    CONTENT_LIMIT_BYTES,
    LARGE_CONTENT_BYTES,
    LARGE_LIMIT_BYTES,
    MOST_STATEMENTS,
    Stapled,
    read_statements,
    write_statements,
)

ONE = Stapled((b"certificate", b"issuer"), b"crl")


def test_what_is_written_is_read() -> None:
    """Chains and contents, in their order."""
    several = [ONE, Stapled((b"other",), b"ocsp")]

    assert read_statements(write_statements(several)) == tuple(several)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"<Statements ", b"<Receipts ", "root"),
        (b"</Statements>", b"</Statements> ", "root"),
        (b"<Statement>", b"<Statement >", "canonical form"),
        (b"<Certificate>", b"<certificate>", "canonical form"),
        (b"<Content>", b"<Content>\n", "base64"),
        (b"</Content></Statement>", b"</Content></Statement>\n", "canonical form"),
        (b"<Content>Y3Js", b"<Content>Y3J", "base64"),
        (b"<Content>Y3Js", b"<Content>Y3Jz=", "base64"),
        (b"<Content>Y3Js</Content>", b"", "canonical form"),
        (b"<Content>Y3Js</Content>", b"<Content></Content>", "canonical form"),
    ],
)
def test_other_bytes_of_the_same_meaning_are_refused(
    before: bytes, after: bytes, said: str
) -> None:
    """W2.1."""
    whole = write_statements([ONE])
    assert before in whole
    with pytest.raises(WireError, match=said):
        read_statements(whole.replace(before, after, 1))


def test_sizes_and_numbers_are_bounded() -> None:
    """Statements, certificates of a chain, content, and all of it."""
    with pytest.raises(WireError, match="limit 1 to"):
        write_statements([ONE] * (MOST_STATEMENTS + 1))
    with pytest.raises(WireError, match="limit 1 to"):
        write_statements([])
    many = write_statements([ONE] * MOST_STATEMENTS)
    item = many[many.index(b"<Statement>") : many.index(b"</Statement>") + len("</Statement>")]
    with pytest.raises(WireError, match="canonical form"):
        read_statements(many.replace(b"</Statements>", item + b"</Statements>"))
    with pytest.raises(WireError, match="canonical form"):
        read_statements(write_statements([Stapled((b"x",) * 5, b"y")]))
    with pytest.raises(WireError, match="limit 16384 bytes"):
        read_statements(write_statements([Stapled((bytes(20_000),), b"y")]))
    with pytest.raises(WireError, match="limit"):
        read_statements(bytes(LARGE_LIMIT_BYTES + 1))


def test_a_large_one_stands_alone() -> None:
    """W12.5: just over the limit of those that share a container, up to one of its own."""
    over = Stapled((b"x",), bytes(CONTENT_LIMIT_BYTES + 1))
    assert read_statements(write_statements([over])) == (over,)
    with pytest.raises(WireError, match="more than one of at most 2097152 and 262144 bytes"):
        read_statements(write_statements([ONE, over]))
    full = Stapled((b"x",), bytes(CONTENT_LIMIT_BYTES))
    assert len(read_statements(write_statements([full] * 5))) == 5
    with pytest.raises(WireError, match="more than one"):
        read_statements(write_statements([full] * 6))
    largest = Stapled((bytes(16384),) * 4, bytes(LARGE_CONTENT_BYTES))
    assert read_statements(write_statements([largest])) == (largest,)
    with pytest.raises(WireError, match="limit 8388608 bytes"):
        read_statements(write_statements([Stapled((b"x",), bytes(LARGE_CONTENT_BYTES + 1))]))


@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_refusal(content: bytes) -> None:
    """Never in another error."""
    with pytest.raises(WireError):
        read_statements(content)

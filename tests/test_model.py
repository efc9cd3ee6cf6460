"""Ids: UUIDv7 as RFC 9562 has them, in the order of their minting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from relay.model import AgencyCode, MessageId, NodeId, delivery_id_of, mint_uuid7, minted_at

_MILLISECONDS = st.integers(0, 7_000_000_000_000)
INSTANTS = _MILLISECONDS.map(
    lambda ms: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)


@given(INSTANTS, st.binary(min_size=10, max_size=16))
def test_a_minted_id_is_a_uuid_of_version_seven(at: datetime, entropy: bytes) -> None:
    """Version, variant and the millisecond stand where RFC 9562 §5.7 puts them."""
    minted = UUID(mint_uuid7(at, entropy))

    assert str(minted) == mint_uuid7(at, entropy)
    assert (minted.version, minted.variant) == (7, "specified in RFC 4122")
    assert minted.int >> 80 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@example(
    datetime(2004, 2, 27, 12, 16, 0, 69_000, tzinfo=UTC), bytes(10), bytes(10)
)  # a float of its seconds cuts one millisecond off
@given(INSTANTS, st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_later_ids_sort_later(at: datetime, one: bytes, other: bytes) -> None:
    """Text order is time order, whatever the randomness."""
    assert mint_uuid7(at, one) < mint_uuid7(at + timedelta(milliseconds=1), other)


@given(INSTANTS, st.binary(min_size=10, max_size=10))
def test_an_id_says_when_it_was_minted(at: datetime, entropy: bytes) -> None:
    """To a millisecond, which is how it is minted."""
    found = minted_at(mint_uuid7(at, entropy))

    assert found is not None
    assert timedelta() <= at - found < timedelta(milliseconds=1)


@given(st.text())
def test_what_is_no_id_of_that_kind_says_nothing(text: str) -> None:
    """Whatever a neighbour asks for by name."""
    assert minted_at(text) is None
    assert minted_at(delivery_id_of(NodeId("xa"), MessageId(text), AgencyCode("H01"))) is None


def test_an_id_of_the_farthest_future_is_no_error() -> None:
    assert minted_at("ffffffff-ffff-7fff-bfff-ffffffffffff") is None

"""The benchmark's documents: what is measured must be different, readable documents of one size."""

from __future__ import annotations

import pytest

from bench.documents import template
from relay.envelope.reader import read


@pytest.mark.parametrize("size_bytes", [5_000, 100_000])
def test_each_number_makes_another_readable_document_of_the_size(size_bytes: int) -> None:
    """Every document is valid, within four bytes of the size, and told apart by id and digest."""
    documents = template(size_bytes, "H01", "G22")
    made = [documents.numbered(number) for number in (0, 1, 7_000_001, 999_999_999)]

    envelopes = [read(content) for content in made]

    assert all(size_bytes - 4 < len(content) <= size_bytes for content in made)
    assert len({envelope.digest for envelope in envelopes}) == len(made)
    assert len({envelope.document_id for envelope in envelopes}) == len(made)
    assert [envelope.code_number for envelope in envelopes][1] == "000000001"
    assert all(not envelope.findings for envelope in envelopes)


def test_a_size_that_no_document_can_have_is_said() -> None:
    """A document has a header, so there is a least size."""
    with pytest.raises(ValueError, match="at least"):
        template(100, "H01", "G22")

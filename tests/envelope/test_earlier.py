"""What a document says of an earlier one: revoke, update, replace, in both spellings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.envelope.limits import Limits
from relay.envelope.reader import read
from relay.envelope.writer import (
    Business,
    Document,
    ReceiverChange,
    Replacement,
    write_document,
)
from relay.errors import EnvelopeError
from relay.model import BusinessInfo, Replaced

UPDATE = Business(
    2,
    document_id="D-1",
    updates_document=True,
    updates_receivers=True,
    receivers=(ReceiverChange("H01.1", False), ReceiverChange("H01.2", True)),
)
REPLACE = Business(
    3, replacements=(Replacement("D-1", ("H01.1", "H01.2")), Replacement("D-2", ("H01.3",)))
)


@pytest.mark.parametrize(
    ("business", "expected"),
    [
        (None, None),
        (Business(0, document_id="D-1"), None),
        (Business(1, document_id="D-1"), BusinessInfo("D-1")),
        (UPDATE, BusinessInfo("D-1", ("H01.1",), ("H01.2",))),
        (
            REPLACE,
            BusinessInfo(
                replaced=(Replaced("D-1", ("H01.1", "H01.2")), Replaced("D-2", ("H01.3",)))
            ),
        ),
    ],
)
def test_what_is_written_is_read(
    document: Document, business: Business | None, expected: BusinessInfo | None
) -> None:
    """And under the correct spelling as under the standard's own."""
    content = write_document(replace(document, business=business))

    assert read(content).business == expected
    assert read(content.replace(b"Bussiness", b"Business")).business == expected


def test_more_agencies_than_a_document_may_have_are_refused(document: Document) -> None:
    """Each would be an obligation."""
    content = write_document(replace(document, business=REPLACE))

    with pytest.raises(EnvelopeError, match="3 agencies"):
        read(content, Limits(recipients=2))

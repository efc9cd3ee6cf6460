"""A passage counts for the message and the recipients that its receipt took over, and for no other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from relay.audit.entries import AuditEvent, entry, parse
from relay.errors import WireError
from relay.model import AgencyCode, Digest, Event, Evidence, MessageId, NodeId, Receipt
from relay.node.attaching import told_in

AT = datetime(2026, 11, 23, tzinfo=UTC)
MESSAGE = MessageId("0199aaaa-0000-7000-8000-000000000000")
XA, HUYEN = NodeId("xa"), NodeId("huyen")


def receipt(event: Event = Event.RELAY_ACCEPTANCE) -> Receipt:
    evidence = (Evidence(event, AgencyCode("H01")),)
    return Receipt(HUYEN, XA, MESSAGE, Digest("b" * 64), 1, None, XA, AT, evidence)


def leaf(**changes: Any) -> bytes:
    fields = {
        "message": MESSAGE,
        "origin": XA,
        "receipt": "a" * 64,
        "neighbour": XA,
        "recipients": ["H01"],
        "arrived": "2026-11-23T00:00:00.000Z",
        "seal": "node",
    }
    return entry(AuditEvent.PASSAGE, AT, HUYEN, **fields | changes).leaf


def test_it_is_told_of_what_the_receipt_took_over() -> None:
    passage = told_in(parse(leaf()), receipt())
    assert passage is not None
    assert passage.recipients == ("H01",)
    assert told_in(parse(entry(AuditEvent.RECEIPT_ISSUED, AT, HUYEN).leaf), receipt()) is None


@pytest.mark.parametrize(
    ("leaf_bytes", "about", "said"),
    [
        (leaf(recipients=["H02"]), receipt(), "did not take over"),
        (leaf(), receipt(Event.CONTENT_CONSIGNMENT), "did not take over"),
        (leaf(origin="tinh"), receipt(), "another message"),
        (leaf(message=MESSAGE.replace("a", "b")), receipt(), "another message"),
        (leaf(seal="wax"), receipt(), "no known kind"),
    ],
)
def test_what_is_of_something_else_is_refused(leaf_bytes: bytes, about: Receipt, said: str) -> None:
    with pytest.raises(WireError, match=said):
        told_in(parse(leaf_bytes), about)

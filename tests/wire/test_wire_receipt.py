"""The receipt on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import WireError
from relay.model import (
    AgencyCode,
    Digest,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Reason,
    Receipt,
    TransferId,
    digest_of,
)
from relay.wire.receipt import EVIDENCE_LIMIT, LIMIT_BYTES, read_receipt, write_receipt
from relay.wire.values import DETAIL_LIMIT, detail, fit_detail

MESSAGE = MessageId("019ab000-0000-7000-8000-000000000001")
FAILING = [event for event in Event if event.value.endswith(("Failure", "Rejection"))]
PASSING = [event for event in Event if event not in FAILING]
CODES = st.from_regex(r"\A[A-Z0-9]{1,8}(\.[A-Z0-9]{1,8}){0,2}\Z").map(AgencyCode)
DIGESTS = st.none() | st.binary(min_size=32, max_size=32).map(lambda b: Digest(b.hex()))
EVIDENCE = st.builds(Evidence, st.sampled_from(PASSING), CODES, DIGESTS) | st.builds(
    Evidence,
    st.sampled_from(FAILING),
    CODES,
    DIGESTS,
    st.sampled_from(Reason),
    st.text(max_size=40).map(fit_detail),
)
RECEIPTS = st.builds(
    Receipt,
    issuer=st.just(NodeId("tw")),
    origin=st.just(NodeId("tinh-h01")),
    message_id=st.just(MESSAGE),
    digest=st.just(digest_of(b"envelope")),
    size_bytes=st.integers(0, 10**16 - 1),
    transfer_id=st.sampled_from([None, TransferId(MESSAGE)]),
    sent_by=st.sampled_from([None, NodeId("xa.01_b")]),
    at=st.just(datetime(2026, 11, 23, tzinfo=UTC)),
    evidence=st.lists(
        EVIDENCE, min_size=1, max_size=4, unique_by=lambda one: (one.event, one.recipient)
    ).map(tuple),
)


@given(RECEIPTS)
def test_what_is_written_reads_back_the_same(receipt: Receipt) -> None:
    """read(write(x)) == x for every receipt that can be written."""
    assert read_receipt(write_receipt(receipt)) == receipt


@given(data=st.data())
def test_a_changed_byte_is_refused_or_says_exactly_what_was_read(data: st.DataObject) -> None:
    """Whatever is accepted is in its one canonical form."""
    content = bytearray(write_receipt(data.draw(RECEIPTS)))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    try:
        receipt = read_receipt(bytes(content))
    except WireError:
        return
    assert write_receipt(receipt) == bytes(content)


def test_the_form_is_the_documented_one(receipt: Receipt) -> None:
    """Events by URI, absent values left out, text escaped as canonical XML wants it."""
    assert write_receipt(receipt).decode() == (
        '<Receipt xmlns="urn:truc-relay:wire:1"><Issuer>tw</Issuer><Origin>tinh-h01</Origin>'
        f"<MessageId>{receipt.message_id}</MessageId>"
        f"<PayloadDigest>{receipt.digest}</PayloadDigest><PayloadSize>8</PayloadSize>"
        f"<TransferId>{receipt.transfer_id}</TransferId><SentBy>tinh-h01</SentBy>"
        "<At>2026-11-23T04:05:06.123Z</At><EvidenceList>"
        "<Evidence><Event>http://uri.etsi.org/19522/Event/RelayAcceptance</Event>"
        f"<Recipient>H36.02</Recipient><Previous>{receipt.evidence[0].previous}</Previous></Evidence>"
        "<Evidence><Event>http://uri.etsi.org/19522/Event/RelayRejection</Event>"
        "<Recipient>H36.99</Recipient><Reason>unknown-recipient</Reason>"
        '<Detail>không có &lt;H36.99&gt; &amp; "cũ"</Detail></Evidence>'
        "</EvidenceList></Receipt>"
    )


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "an event by its bare name": lambda c: c.replace(b"http://uri.etsi.org/19522/Event/", b""),
    "an unknown event": lambda c: c.replace(b"RelayAcceptance", b"RelayHope"),
    "an unknown reason": lambda c: c.replace(b"unknown-recipient", b"whim"),
    "a rejection without a reason": lambda c: c.replace(b"<Reason>unknown-recipient</Reason>", b""),
    "an acceptance with a reason": lambda c: c.replace(
        b"</Previous>", b"</Previous><Reason>policy</Reason>"
    ),
    "an acceptance with a detail": lambda c: c.replace(
        b"</Previous>", b"</Previous><Detail>x</Detail>"
    ),
    "an empty detail": lambda c: c.replace(b"<Reason>", b"<Detail></Detail><Reason>"),
    "no evidence": lambda c: c[: c.index(b"<Evidence>")] + c[c.index(b"</EvidenceList>") :],
    "an event given twice": lambda c: (
        c.replace(b"RelayRejection", b"RelayAcceptance")
        .replace(b"H36.99</Recipient>", b"H36.02</Recipient>")
        .replace(b"<Reason>unknown-recipient</Reason>", b"")
    ),
    "a line break in the detail": lambda c: c.replace("cũ".encode(), b"&#10;"),
    "a carriage return in the detail": lambda c: c.replace("cũ".encode(), b"&#xD;"),
    "a reversal of direction": lambda c: c.replace("cũ".encode(), "\u202e".encode()),
    "a detail of 257 characters": lambda c: c.replace("cũ".encode(), b"x" * 241),
    "a needless escape": lambda c: c.replace(b'"', b"&quot;"),
    "not UTF-8": lambda c: c.replace("cũ".encode(), b"\xff"),
    "another order": lambda c: c.replace(b"<Origin>tinh-h01</Origin>", b"").replace(
        b"<At>", b"<Origin>tinh-h01</Origin><At>"
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_other_bytes_are_refused(receipt: Receipt, change: Callable[[bytes], bytes]) -> None:
    """Everything but the canonical form of a legal receipt is refused."""
    good = write_receipt(receipt)
    bad = change(good)
    assert bad != good

    with pytest.raises(WireError):
        read_receipt(bad)


def test_the_largest_legal_receipt_fits(receipt: Receipt) -> None:
    """What may be written is never too large to be read."""
    evidence = tuple(
        Evidence(
            Event.RELAY_TO_NON_ERDS_FAILURE,
            AgencyCode(f"{i:035d}"),
            receipt.digest,
            Reason.REJECTED_BY_RECIPIENT,
            "&" * DETAIL_LIMIT,
        )
        for i in range(EVIDENCE_LIMIT)
    )

    content = write_receipt(replace(receipt, evidence=evidence))

    assert len(content) < LIMIT_BYTES
    assert read_receipt(content).evidence == evidence


def test_limits_are_named(receipt: Receipt) -> None:
    """A refusal says the value and the limit."""
    one = receipt.evidence[1]
    with pytest.raises(WireError, match="10001 or more evidences, limit 1 to 10000"):
        write_receipt(replace(receipt, evidence=(one,) * 10_001))
    with pytest.raises(WireError, match="Detail has 257 characters, limit 256"):
        write_receipt(replace(receipt, evidence=(replace(one, detail="x" * 257),)))


@given(st.text(max_size=600))
def test_any_text_can_be_made_a_detail(text: str) -> None:
    """fit_detail gives a detail that may be written, whatever the text."""
    fitted = fit_detail(text)

    assert detail(fitted) == fitted
    assert len(fitted) == min(len(text), DETAIL_LIMIT)


@pytest.mark.parametrize("event", PASSING)
@pytest.mark.parametrize("reason", list(Reason))
def test_one_event_without_failure_has_a_reason(
    receipt: Receipt, event: Event, reason: Reason
) -> None:
    """ContentConsignment with destruction-asked (W10.4), and no other pair."""
    said = replace(receipt, evidence=(Evidence(event, AgencyCode("H01"), None, reason),))
    if (event, reason) == (Event.CONTENT_CONSIGNMENT, Reason.DESTRUCTION_ASKED):
        assert read_receipt(write_receipt(said)) == said
        return
    with pytest.raises(WireError, match="gives a reason"):
        write_receipt(said)

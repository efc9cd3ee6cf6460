"""A remote's word as the detail of our evidence: one form, read back as written, and only where it may stand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import WireError
from relay.model import AgencyCode, Digest, Event, Evidence, MessageId, NodeId, Reason, Receipt
from relay.wire.receipt import read_receipt, write_receipt
from relay.wire.remote_word import SPOKEN, RemoteWord, read_word, write_word
from relay.wire.values import DETAIL_LIMIT

ANSWER = Digest("ab" * 32)


@given(doc=st.text(max_size=200), said=st.text(max_size=200))
def test_whatever_a_remote_writes_the_word_stays_of_its_form(doc: str, said: str) -> None:
    """It fits a receipt, and reads back."""
    word = RemoteWord("truc-qg", "sendEdoc", doc, ANSWER, {"sent": said, "received": said})
    text = write_word(word)
    assert len(text) <= DETAIL_LIMIT
    read = read_word(text)
    assert read is not None
    assert (read.remote, read.call, read.answer) == ("truc-qg", "sendEdoc", ANSWER)
    assert write_word(read) == text
    receipt = _receipt(Event.RELAY_TO_NON_ERDS, text)
    assert read_receipt(write_receipt(receipt)) == receipt


@pytest.mark.parametrize("event", sorted(SPOKEN))
def test_events_of_bridges_may_have_it(event: Event) -> None:
    """And no other text."""
    write_receipt(_receipt(event, write_word(RemoteWord("truc-qg", "getSentEdocList"))))
    with pytest.raises(WireError, match="is no failure"):
        write_receipt(_receipt(event, "đã nhận"))


@pytest.mark.parametrize("event", [Event.RELAY_ACCEPTANCE, Event.SUBMISSION_ACCEPTANCE])
def test_other_events_may_not(event: Event) -> None:
    """They are evidence of nodes."""
    with pytest.raises(WireError, match="is no failure"):
        write_receipt(_receipt(event, write_word(RemoteWord("truc-qg", "sendEdoc"))))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "non-erds",
        "non-erds remote= call=x",
        "non-erds remote=a call=b answer=00",
        "erds remote=a call=b",
    ],
)
def test_another_detail_is_no_word(text: str) -> None:
    """It is shown as what it is."""
    assert read_word(text) is None


def _receipt(event: Event, detail: str) -> Receipt:
    reason = Reason.POLICY if event.negative else None
    return Receipt(
        issuer=NodeId("tw"),
        origin=NodeId("xa"),
        message_id=MessageId("01890a5d-ac96-774b-bcce-b302099a8057"),
        digest=Digest("cd" * 32),
        size_bytes=10,
        transfer_id=None,
        sent_by=None,
        at=datetime(2026, 11, 22, 3, 5, 26, 125000, UTC),
        evidence=(Evidence(event, AgencyCode("G22"), None, reason, detail),),
    )

"""A notary whose key is slow or away: who is told, who waits, and where it is signed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from relay.errors import KeyUnavailableError
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    Receipt,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.signing.hand import Hand
from relay.signing.keys import Signer
from relay.signing.notary import NodeNotary

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
NODE = NodeId("tinh-h01")
ID = "019ab000-0000-7000-8000-00000000000"
RECEIPT = Receipt(
    issuer=NODE,
    origin=NODE,
    message_id=MessageId(f"{ID}1"),
    digest=digest_of(b"letter"),
    size_bytes=6,
    transfer_id=None,
    sent_by=None,
    at=AT,
    evidence=(Evidence(Event.SUBMISSION_ACCEPTANCE, AgencyCode("H36.02")),),
)
HEADER = TransferHeader(
    transfer_id=TransferId(f"{ID}2"),
    message_id=MessageId(f"{ID}1"),
    origin=NODE,
    sent_by=NODE,
    sent_to=NodeId("tw"),
    message_type=MessageType.STATUS,
    sender=AgencyCode("H01"),
    recipients=(AgencyCode("H36.02"),),
    priority=Priority.NORMAL,
    digest=digest_of(b"letter"),
    size_bytes=6,
    created_at=AT,
    expires_at=AT,
    trace=(),
)


class Slow:
    """A notary with a hand; its key is away for the first `away` times it is asked."""

    def __init__(self, pki: Any, away: int = 0) -> None:
        self.away = away
        self.asked: list[str] = []
        real = pki.node(NODE).signer
        self._sign = real.sign
        signer = replace(real, sign=self.sign, hand=Hand("slow-hand"))
        self.notary = NodeNotary(NODE, signer, {}, pki.trust, lambda _: frozenset())

    def sign(self, content: bytes) -> bytes:
        self.asked.append(threading.current_thread().name)
        if len(self.asked) <= self.away:
            raise KeyUnavailableError("no-token", 0)
        return self._sign(content)  # type: ignore[no-any-return]


@pytest.fixture
def make_slow(make_pki: Callable[[str], Any]) -> Callable[..., Slow]:
    return lambda **options: Slow(make_pki("p256"), **options)


async def test_whoever_waits_for_an_answer_is_told_that_the_key_is_away(
    make_slow: Callable[..., Slow],
) -> None:
    slow = make_slow(away=1)
    with pytest.raises(KeyUnavailableError, match="no-token"):
        await slow.notary.issue_receipt(RECEIPT, AT)

    assert slow.notary.check_receipt(await slow.notary.issue_receipt(RECEIPT, AT), AT) == RECEIPT


async def test_what_only_has_to_go_on_waits_until_the_key_is_back(
    make_slow: Callable[..., Slow],
) -> None:
    """An expiry's receipt, a transfer's header: nobody could do anything about an error."""
    slow = make_slow(away=3)
    signed = await slow.notary.issue_receipt(RECEIPT, AT, patient=True)
    assert slow.notary.check_receipt(signed, AT) == RECEIPT
    assert len(slow.asked) == 4

    slow = make_slow(away=3)
    (header,) = await slow.notary.issue_transfers([HEADER], AT)
    assert slow.notary.check_transfer(header, NODE, AT) == HEADER
    assert len(slow.asked) == 4


async def test_a_slow_key_signs_in_its_hand_and_nowhere_else(
    make_slow: Callable[..., Slow],
) -> None:
    slow = make_slow()
    await slow.notary.issue_receipt(RECEIPT, AT)
    await slow.notary.issue_transfers([HEADER, HEADER], AT)

    assert slow.asked == ["slow-hand"] * 3
    assert not slow.notary.sealed_at_once(AgencyCode("H01"))


@pytest.mark.parametrize(("kind", "beside"), [("p256", False), ("rsa2048", True)])
async def test_several_headers_with_a_dear_key_are_signed_beside_the_loop(
    make_pki: Callable[[str], Any], kind: str, beside: bool
) -> None:
    """One, or with P-256 any number, costs less than the way to a thread and back."""
    pki = make_pki(kind)
    real = pki.node(NODE).signer
    threads: list[threading.Thread] = []

    def sign(content: bytes) -> bytes:
        threads.append(threading.current_thread())
        return real.sign(content)  # type: ignore[no-any-return]

    notary = NodeNotary(NODE, replace(real, sign=sign), {}, pki.trust, lambda _: frozenset())
    signed = await notary.issue_transfers([HEADER] * 4, AT)
    await notary.issue_transfers([HEADER], AT)

    here = threading.current_thread()
    assert [thread is here for thread in threads] == [not beside] * 4 + [True]
    assert [notary.check_transfer(one, NODE, AT) for one in signed] == [HEADER] * 4


async def test_what_waited_for_a_key_is_signed_within_the_days_of_the_next_certificate(
    make_slow: Callable[..., Slow], make_pki: Callable[[str], Any]
) -> None:
    """It was to be signed before the certificate began that is there now: with that time nobody would take it."""
    pki, begins = make_pki("p256"), AT + timedelta(hours=3)
    following = pki.node(NODE, label="next", not_before=begins).signer
    later = begins + timedelta(minutes=1)
    for shares in (True, False):
        slow = make_slow(away=1)
        slow.notary.shares = shares
        sign = partial(_renewed, slow.notary, following)
        old = slow.notary.signer = replace(slow.notary.signer, sign=sign)
        signed = await slow.notary.issue_receipt(RECEIPT, AT, patient=True)
        assert slow.notary.check_receipt(signed, later) == RECEIPT

        slow.notary.signer = old
        for one in await slow.notary.issue_transfers([HEADER, HEADER], AT, batched=True):
            assert slow.notary.check_transfer(one, NODE, later) == HEADER


def _renewed(notary: NodeNotary, following: Signer, _: bytes) -> bytes:
    """The key cannot sign, and meanwhile its certificate has a successor."""
    notary.renew(replace(following, hand=notary.signer.hand), {}, None)
    raise KeyUnavailableError("revoked", 0)

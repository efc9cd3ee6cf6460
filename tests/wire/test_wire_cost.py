"""What hostile documents may cost: time in proportion to their length, and no more."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from relay.errors import WireError
from relay.model import Receipt, Signed, TransferHeader
from relay.wire.container import read_receipts, write_receipts
from relay.wire.receipt import read_receipt, write_receipt
from relay.wire.transfer import read_transfer, write_transfer

TIMES = 5_000
TRANSFERS: dict[str, Callable[[bytes], bytes]] = {
    "recipients without an end": lambda c: c.replace(b"</Recipients>", b"<To>H36.02</To>" * TIMES),
    "a code of dots": lambda c: c.replace(b"H36.02", b"A." * TIMES),
    "a long node": lambda c: c.replace(b">tw<", b">" + b"n" * 10 * TIMES + b"<"),
    "steps without an end": lambda c: c.replace(
        b"</Trace>", c[c.index(b"<Step>") : c.index(b"</Trace>")] * TIMES
    ),
}
RECEIPTS: dict[str, Callable[[bytes], bytes]] = {
    "evidence without an end": lambda c: c.replace(
        b"</EvidenceList>", c[c.index(b"<Evidence>") : c.index(b"</EvidenceList>")] * (TIMES // 3)
    ),
    "a detail of references": lambda c: c.replace(b"&amp;", b"&amp;" * 10 * TIMES),
    "a detail without an end": lambda c: c.replace(b"</Detail>", b"x" * 10 * TIMES),
}


def _refused_cheaply(read: Callable[[bytes], object], bad: bytes) -> None:
    started = time.process_time()

    with pytest.raises(WireError):
        read(bad)

    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("change", TRANSFERS.values(), ids=TRANSFERS.keys())
def test_a_hostile_header_costs_little(
    header: TransferHeader, change: Callable[[bytes], bytes]
) -> None:
    """A pattern that could match in two ways would take years here; half a second is generous."""
    _refused_cheaply(read_transfer, change(write_transfer(header)))


@pytest.mark.parametrize("change", RECEIPTS.values(), ids=RECEIPTS.keys())
def test_a_hostile_receipt_costs_little(receipt: Receipt, change: Callable[[bytes], bytes]) -> None:
    """Likewise."""
    _refused_cheaply(read_receipt, change(write_receipt(receipt)))


@pytest.mark.parametrize("text", [b"A" * 1_000_001, b"?" * 1_000_000, b"A</Document>" * 100_000])
def test_a_hostile_container_costs_little(text: bytes) -> None:
    """A million characters that are no base64, or closed again and again."""
    good = write_receipts([Signed(b"<a/>", b"<s/>")])

    _refused_cheaply(lambda bad: read_receipts(bad, 1 << 24), good.replace(b"PGEvPg==", text))

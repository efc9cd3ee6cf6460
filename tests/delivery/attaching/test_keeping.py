"""Each of many proofs has its own answer, in their order, however they are shared out among threads."""

from __future__ import annotations

import hashlib
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from relay.delivery.attaching.keeping import SLICE, ProofKeeper
from relay.errors import AuditError, UncertainError
from relay.model import Digest, NodeId, Signed
from relay.wire.attached import Answer

HERE, THERE = NodeId("tinh"), NodeId("xa")
MANY = 2 * SLICE + 3
FAULTS: dict[int, tuple[Exception, Answer]] = {
    0: (AuditError("fault 0"), Answer.REFUSED),
    SLICE: (UncertainError("unknown-revocation", f"fault {SLICE}"), Answer.LATER),
    MANY - 1: (AuditError(f"fault {MANY - 1}"), Answer.REFUSED),
}


def digest(number: int) -> Digest:
    return Digest(hashlib.sha256(b"%d" % number).hexdigest())


class Opened:
    def __init__(self, proof: bytes) -> None:
        self.number = int(proof)
        self.about = digest(self.number)

    def judge(self, receipt: Signed, issuer: NodeId, now: datetime) -> Any:
        _ = issuer, now
        assert int(receipt.document) == self.number, "it is judged by its own receipt"
        raise FAULTS[self.number][0]


class Book:
    asked = 0

    async def known(self, receipts: set[Digest]) -> dict[Digest, tuple[Signed, NodeId]]:
        self.asked += 1
        every = {digest(n): (Signed(b"%d" % n, b""), THERE) for n in FAULTS}
        return {one: every[one] for one in receipts if one in every}


async def test_each_of_many_proofs_has_its_own_answer() -> None:
    book: Any = Book()
    clock: Any = SimpleNamespace(now=lambda: None)
    judge: Any = SimpleNamespace(open=Opened)
    heads: Any = None
    keeper = ProofKeeper(HERE, book, judge, heads, clock, lambda _: None)
    found = await keeper.take(THERE, [b"%d" % number for number in range(MANY)])
    said = dict.fromkeys(range(MANY), Answer.UNKNOWN)
    said |= {number: answer for number, (_, answer) in FAULTS.items()}
    assert [one.answer for one in found] == [said[number] for number in range(MANY)]
    assert [one.why for one in found if one.why] == [str(error) for error, _ in FAULTS.values()]
    assert book.asked == 3, "their receipts are looked up together"

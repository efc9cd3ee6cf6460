"""Faults of a node that takes transfers in."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from relay.delivery.arrivals import TransferDesk
from relay.model import Digest, Receipt, Signed
from relay.signing.notary import NodeNotary
from relay.wire.receipt import read_receipt
from tests.conformance.mutants import mutant, put_in


@mutant("answers a repeat with another signature", "W4.5/same-bytes", quick=True)
def signs_anew() -> None:
    honest, times = TransferDesk.take, count(1)

    async def take(self: TransferDesk, *arguments: Any) -> Signed:
        answer = await honest(self, *arguments)
        receipt = read_receipt(answer.document)
        later = replace(receipt, at=receipt.at + timedelta(milliseconds=next(times)))
        return await self.notary.issue_receipt(later, later.at)

    put_in(TransferDesk, "take", take)


@mutant("takes what has expired", "W4.8/expired")
def ignores_expiry() -> None:
    honest = TransferDesk._examine

    def examine(self: TransferDesk, opened: Any, *arguments: Any) -> Any:
        header = replace(opened.header, expires_at=opened.header.expires_at + timedelta(days=365))
        return honest(self, replace(opened, header=header), *arguments)

    put_in(TransferDesk, "_examine", examine)


@mutant("signs receipts for other bytes than those it has", "W5.3/accepted")
def other_bytes() -> None:
    honest = NodeNotary.issue_receipt

    async def issue_receipt(
        self: NodeNotary, receipt: Receipt, at: datetime, **how: bool
    ) -> Signed:
        return await honest(self, replace(receipt, digest=Digest("0" * 64)), at, **how)

    put_in(NodeNotary, "issue_receipt", issue_receipt)

"""After quiescence: what was acknowledged against what arrived and what can be proved of it.

Asked are the nodes' public faces; receipts are proved with the public verifier and the root alone.
Whether who signed a receipt does hold what it speaks of is read on its disk (kept.py), and its log is
judged by `relay audit verify` (logs.py). Before anything is asked every node is killed and started
again, so that what it shows is what it holds durably.

Touches: the nodes' faces and disks; `relay audit verify` as a process.
Raises:  TransportError when a node does not come up again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from relay.model import Event, Evidence, Reason, Receipt
from relay.signing.trust import TrustStore
from tests.acceptance.experiments.city import City
from tests.acceptance.experiments.desks import Desk, operator_desk
from tests.acceptance.experiments.kept import Kept, kept_by
from tests.acceptance.experiments.ledger import Acknowledged, Ledger
from tests.acceptance.experiments.logs import log_problems
from tests.acceptance.experiments.proofs import Proofs, expected
from tests.acceptance.experiments.quiet import QUIET_SECONDS, quiesce
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import Traffic

_AT_ONCE = 8


async def judge(
    traffic: Traffic, *, quiet_seconds: float = QUIET_SECONDS, sample: int = 1
) -> Tally:
    """Everything; with `sample` n only each n-th message's receipts are proved."""
    open_ = await quiesce(traffic, quiet_seconds)
    await traffic.city.restart_all()
    async with AsyncExitStack() as exits:
        operators = {
            name: await exits.enter_async_context(operator_desk(traffic.city.node(name)))
            for name in traffic.city.running
        }
        trust = TrustStore([traffic.city.network.root.read_bytes()])
        kept = {n: await asyncio.to_thread(kept_by, traffic.city.node(n)) for n in operators}
        bench = Bench(traffic.city, traffic.ledger, operators, kept, Proofs(operators, trust))
        tally = await bench.judge(sample)
    tally.problems += traffic.ledger.contradictions
    tally.problems += [f"not quiet: {one}" for one in open_]
    return tally


@dataclass(slots=True)
class Bench:
    """The judge's bench: the ledger, and every node's operator to be questioned."""

    city: City
    ledger: Ledger
    operators: dict[str, Desk]
    kept: dict[str, Kept]
    proofs: Proofs
    _given: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """(message, recipient) → every delivery that stands in a recipient's list."""
    _tally: Tally = field(default_factory=Tally)

    async def judge(self, sample: int) -> Tally:
        await self._list_given()
        self._compare_lists()
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int, sent: Acknowledged) -> None:
            async with gate:
                await self._judge_message(sent, proved=number % sample == 0)

        async with asyncio.TaskGroup() as group:
            for number, sent in enumerate(self.ledger.acknowledged.values()):
                group.create_task(one(number, sent))
        await self._judge_logs()
        return self._tally

    def _fault(self, text: str) -> None:
        self._tally.problems.append(text)

    # ------------------------------------------------------------ what recipients were given

    async def _list_given(self) -> None:
        for name, desk in self.operators.items():
            for item in await desk.listed():
                key = (item["message_id"], item["recipient"])
                self._given.setdefault(key, []).append({**item, "node": name})

    def _compare_lists(self) -> None:
        """Nothing was given that nobody sent, nothing seen has gone, nothing is there twice."""
        for items in self._given.values():
            for item in items:
                if item["digest"] not in self.ledger.offered:
                    self._fault(f"{item['node']} gave {item['delivery_id']}, which nobody sent")
        there = {f"{i['node']} {i['delivery_id']}" for items in self._given.values() for i in items}
        self._tally.problems += [
            f"{one} was seen and is gone" for one in self.ledger.seen if one not in there
        ]
        for key, items in self._given.items():
            if len(items) > 1:
                self._tally.doubled += len(items) - 1
                self._fault(f"message {key[0]} stands {len(items)} times for {key[1]}")
        self._tally.doubled += self._same_bytes_twice()

    def _same_bytes_twice(self) -> int:
        """The same bytes under two messages for one recipient: each submission is sent once here."""
        keys = Counter(
            (item["digest"], item["recipient"])
            for items in self._given.values()
            for item in items[:1]
        )
        twice = [key for key, count in keys.items() if count > 1]
        for digest, recipient in twice:
            self._fault(f"{digest[:12]} was given to {recipient} under several messages")
        return sum(keys[key] - 1 for key in twice)

    # ------------------------------------------------------------ each message

    async def _judge_message(self, sent: Acknowledged, *, proved: bool) -> None:
        self._tally.acknowledged += len(sent.recipients)
        view = await self.proofs.view(sent.node, sent.message_id)
        held = self.kept[sent.node].holds(sent.message_id, sent.digest)
        if view is None or view["digest"] != sent.digest or not held:
            self._tally.lost += len(sent.recipients)
            self._fault(f"{sent.node} acknowledged {sent.message_id} and does not hold it")
            return
        shown = {one["digest"] for each in view["deliveries"] for one in each["receipts"]}
        if sent.receipt and sent.receipt not in shown:
            self._fault(f"{sent.node} named receipt {sent.receipt[:12]} and does not show it")
        deliveries = {one["recipient"]: one for one in view["deliveries"]}
        for recipient in sent.recipients:
            one = deliveries.get(recipient)
            if one is None:
                self._tally.lost += 1
                self._fault(f"{sent.message_id} has no delivery to {recipient}")
            elif proved:
                await self._judge_delivery(sent, one)
            else:
                self._count(
                    sent, one, await self._negatives(sent, one) if self._missing(sent, one) else []
                )

    def _missing(self, sent: Acknowledged, one: dict[str, Any]) -> bool:
        return not self._was_given(sent, one["recipient"])

    def _was_given(self, sent: Acknowledged, recipient: str) -> bool:
        """The recipient's system fetched the very bytes."""
        return any(
            (seen := self.ledger.seen.get(f"{item['node']} {item['delivery_id']}")) is not None
            and seen.digest == sent.digest
            for item in self._given.get((sent.message_id, recipient), ())
        )

    async def _judge_delivery(self, sent: Acknowledged, one: dict[str, Any]) -> None:
        evidence = await self._evidence(sent, one)
        negatives = [said for said, _ in evidence if said.event.negative]
        self._count(sent, one, negatives)
        self._judge_events(sent, one["recipient"], evidence)

    def _count(
        self, sent: Acknowledged, one: dict[str, Any], negatives: Sequence[Evidence]
    ) -> None:
        where = f"{sent.message_id} for {one['recipient']}"
        unknown = [said for said in negatives if said.reason is Reason.OUTCOME_UNKNOWN]
        final = [said for said in negatives if said.reason is not Reason.OUTCOME_UNKNOWN]
        if self._was_given(sent, one["recipient"]):
            self._tally.delivered += 1
            if final:
                self._fault(f"{where} was delivered, and a receipt says {final[0].reason}")
            if one["state"] not in {"handed-over", "fetched", "available"}:
                self._fault(f"{where} was delivered, and {sent.node} says {one['state']}")
        elif final:
            self._tally.refused += 1
            if (sent.message_id, one["recipient"]) in self._given:
                self._fault(f"{where} stands in a list, and a receipt says {final[0].reason}")
        elif unknown or one["state"] == "in-doubt":
            self._tally.in_doubt += 1
        else:
            self._tally.lost += 1
            self._fault(f"{where} is lost: {one['state']} at {sent.node}, {one['last_error']}")

    def _judge_events(
        self, sent: Acknowledged, recipient: str, evidence: Sequence[tuple[Evidence, Receipt]]
    ) -> None:
        """Each event once, by who it is the business of; all of them where it was delivered. That an
        outcome is unknown, and then what it was, are two."""
        where = f"{sent.message_id} for {recipient}"
        happened = Counter((receipt.issuer, said.event) for said, receipt in evidence)
        unknown = {r.issuer for said, r in evidence if said.reason is Reason.OUTCOME_UNKNOWN}
        for (issuer, event), count in happened.items():
            if count > 1 + (event is Event.RELAY_FAILURE and issuer in unknown):
                self._fault(f"{where}: {count} receipts of {issuer} for {event}")
                self._tally.doubled += event is Event.CONTENT_HANDOVER
        if not self._was_given(sent, recipient):
            return
        way = self.ledger.detours.get(sent.message_id) or self.city.way(sent.node, recipient)
        due = set(expected(way))
        said = {(str(i), e) for i, e in happened if not e.negative}
        if not any(
            e.negative for _, e in happened
        ):  # else an answer was lost until it was too late
            self._tally.problems += [f"{where}: no {e} of {i}" for i, e in sorted(due - said)]
        self._tally.problems += [f"{where}: {e} of {i}, unexpected" for i, e in sorted(said - due)]

    # ------------------------------------------------------------ receipts

    async def _negatives(self, sent: Acknowledged, one: dict[str, Any]) -> list[Evidence]:
        return [said for said, _ in await self._evidence(sent, one) if said.event.negative]

    async def _evidence(
        self, sent: Acknowledged, one: dict[str, Any]
    ) -> list[tuple[Evidence, Receipt]]:
        """What the origin can prove about a delivery; whatever does not hold is a problem."""
        found: list[tuple[Evidence, Receipt]] = []
        for listed in one["receipts"]:
            receipt = await self.proofs.receipt(sent.node, listed["digest"])
            if isinstance(receipt, str):
                self._fault(f"receipt {listed['digest'][:12]} at {sent.node}: {receipt}")
                continue
            if (receipt.message_id, receipt.digest) != (sent.message_id, sent.digest):
                self._fault(f"receipt {listed['digest'][:12]} is of other bytes or another message")
                continue
            found += [
                (said, receipt)
                for said in receipt.evidence
                if (said.recipient, said.event) == (one["recipient"], listed["event"])
            ]
            await self._judge_issuer(sent, receipt, listed["digest"])
        return found

    async def _judge_issuer(self, sent: Acknowledged, receipt: Receipt, digest: str) -> None:
        """Whoever signed it holds it, and the bytes it says it took over."""
        issuer = str(receipt.issuer)
        if isinstance(problem := await self.proofs.receipt(issuer, digest), str):
            self._fault(f"{issuer} signed {digest[:12]} and does not show it: {problem}")
        if digest not in self.kept[issuer].receipts:
            self._fault(f"{issuer} signed {digest[:12]} and does not hold it")
        if all(said.event.negative for said in receipt.evidence):
            return
        if not self.kept[issuer].holds(sent.message_id, sent.digest):
            self._fault(f"{issuer} signed {digest[:12]} and does not hold {sent.message_id}")

    # ------------------------------------------------------------ logs

    async def _judge_logs(self) -> None:
        for name, desk in self.operators.items():
            shown = self.proofs.held.get(name, set())
            self._tally.problems += await log_problems(self.city, desk, self.kept[name], shown)

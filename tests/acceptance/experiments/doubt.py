"""Deliveries in doubt between two nodes, made so by the line between them, and what is ordered then.

Touches: the city's public faces, the operator's at the sending node, the line.
Raises:  AssertionError for what does not come about in time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from relay.errors import PeerError
from relay.model import Priority, digest_of
from tests.acceptance.experiments.city import City
from tests.acceptance.experiments.desks import Desk, insist
from tests.acceptance.experiments.papers import SCAN_BYTES
from tests.acceptance.experiments.proxy import Loss, Proxy
from tests.acceptance.experiments.traffic import Relation, Traffic

HERE, AWAY = "tw", "xb"
DOWN = Relation(HERE, "G22", ("H01.16",))
UP = Relation(AWAY, "H01.16", ("G22",))
PATIENCE_SECONDS = 75.0
"""More than the time in which a neighbour that was silent is not asked again."""
WHY = "thử nghiệm"
_BUSY = "it is being sent now"
_SILENT = "may have it"
"""A question that finds no answer in a second, on a machine that does much else."""


class Ended(Enum):
    """State and reason in the sender's list."""

    HANDED_OVER = ("handed-over", None)
    CANCELLED = ("cancelled", "cancelled")
    EXPIRED = ("expired", "expired")
    UNKNOWN = ("expired", "outcome-unknown")


@dataclass(slots=True)
class Doubt:
    """`there` is the line of what is sent, `back` that of receipts which come back."""

    city: City
    traffic: Traffic
    there: Proxy
    back: Proxy
    operator: Desk
    problems: list[str] = field(default_factory=list)
    _orders: Counter[str] = field(default_factory=Counter)
    _digests: dict[str, str] = field(default_factory=dict)
    """Message → digest of its envelope."""

    def told(self) -> str:
        return ", ".join(f"{count} × {what}" for what, count in sorted(self._orders.items()))

    # ------------------------------------------------------------ trouble

    @asynccontextmanager
    async def trouble(self, loss: Loss) -> AsyncIterator[None]:
        """Large requests are lost, or their answers; nothing that the other node says comes through."""
        self.there.lose(loss)
        self.back.close()
        try:
            yield
        finally:
            self.there.lose(None)
            self.back.lose(None)

    async def send(self, *, expiring: bool = False) -> str:
        """The normal lane expires soon, the urgent one does not."""
        lane = Priority.NORMAL if expiring else Priority.URGENT
        content = self.traffic.write(DOWN, SCAN_BYTES, lane)
        sent = await self.traffic.send(DOWN, content)
        self.traffic.ledger.detours[sent.message_id] = (HERE, AWAY)
        self._digests[sent.message_id] = digest_of(content)
        return sent.message_id

    async def contact(self) -> None:
        """The other node has something to say."""
        sent = await self.traffic.send(UP, self.traffic.write(UP, priority=Priority.URGENT))
        self.traffic.ledger.detours[sent.message_id] = (AWAY, HERE)

    async def meet(self, ended: Ended, *messages: str) -> None:
        """The other node has something to say, again and again, until these have ended so."""

        async def keep_talking() -> None:
            while True:
                await self.contact()
                await asyncio.sleep(1)

        talking = asyncio.create_task(keep_talking())
        try:
            await self.end(ended, *messages)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    # ------------------------------------------------------------ waiting

    async def both_have(self, *messages: str) -> None:
        """Durable at the other node, whose agency has fetched it, and in doubt here."""
        await self.in_doubt(*messages)
        await self._until(
            lambda _: all(self._digests[one] in self.traffic.collected for one in messages),
            "not all were collected",
        )

    async def in_doubt(self, *messages: str) -> None:
        await self._until(
            lambda rows: all(rows[one]["state"] == "in-doubt" for one in messages),
            f"{messages} are not all in doubt",
        )

    async def end(self, ended: Ended, *messages: str) -> None:
        def so(rows: dict[str, Any]) -> bool:
            return all((rows[one]["state"], rows[one]["reason"]) == ended.value for one in messages)

        await self._until(so, f"{messages} are not all {ended.name}")

    async def asked_in_vain(self) -> None:
        """The node has called on the line, which is shut: for nothing but to ask."""
        before = self.there.connections
        await self._until(lambda _: self.there.connections > before, "nothing was asked")

    async def _until(self, holds: Callable[[dict[str, Any]], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            rows = {r["message_id"]: r for r in await insist(self.traffic.desks[HERE].sent)}
            if holds(rows):
                return
            if time.monotonic() > deadline:
                states = [(r["state"], r["reason"]) for k, r in rows.items() if k in self._digests]
                raise AssertionError(f"{otherwise} in {PATIENCE_SECONDS:g} s: {states}")
            await asyncio.sleep(0.1)

    # ------------------------------------------------------------ orders

    async def order(
        self,
        action: str,
        message: str,
        *,
        acted: int = 0,
        settled: int = 0,
        refused: str = "",
        **more: object,
    ) -> None:
        """Given until it is not just being sent, and unless it is to be refused until it is not; what
        comes of it is to be this."""
        passing = (_BUSY,) if refused else (_BUSY, _SILENT)
        said = await self._answer(action, message, passing, **more)
        self._orders[f"{action} {'refused' if refused else 'settled' if settled else 'done'}"] += 1
        if isinstance(said, str):
            found = refused and refused in said
        else:
            found = (said["acted"], said["settled"]) == (acted, settled)
        if not found:
            self.problems.append(f"{action} of what is in doubt: {said}")

    async def _answer(
        self, action: str, message: str, passing: Sequence[str], **more: object
    ) -> dict[str, Any] | str:
        path = f"/v1/deliveries/{message}/{action}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = await self.operator.ask("POST", path, json={"why": WHY, **more})
                return dict(json.loads(answer))
            except PeerError as error:
                if not any(one in str(error) for one in passing) or time.monotonic() > deadline:
                    return str(error)
            await asyncio.sleep(0.02)

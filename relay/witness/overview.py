"""How it stands with witnesses, for operators: who cosigned this log, whose logs are cosigned here, alarms.

Touches: the witness book. Trusts: its own rows. Raises: NotFoundError, JournalError.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.audit.checkpoint import Checkpoint
from relay.delivery.clock import Clock
from relay.errors import NotFoundError
from relay.witness.asking import Cosigners
from relay.witness.desk import WitnessDesk
from relay.witness.ports import Alarm, Got, Overview, Watched, WitnessAnswer, WitnessStanding


class WitnessReader(Protocol):
    async def own_head(self) -> Checkpoint | None: ...
    async def newest_cosigned(self, origin: str) -> list[Got]: ...
    async def cosigned(self, origin: str) -> dict[str, tuple[int, datetime]]: ...
    async def watched(self) -> list[Watched]: ...
    async def alarms(self) -> list[Alarm]: ...
    async def clear(self, origin: str, by: str, why: str, at: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class WitnessOverview:
    """witness.ports.WitnessDoor."""

    book: WitnessReader
    cosigners: Cosigners
    desk: WitnessDesk | None
    clock: Clock

    async def overview(self) -> Overview:
        head = await self.book.own_head()
        got = {} if head is None else await self.book.cosigned(head.origin)
        names = {one.name for one in self.cosigners.witnesses} | set(got)
        size = 0 if head is None else head.size
        return Overview(
            self.clock.now(),
            "" if head is None else head.origin,
            size,
            [self._standing(name, size, got.get(name)) for name in sorted(names)],
            await self.book.watched(),
            await self.book.alarms(),
        )

    def _standing(self, name: str, size: int, got: tuple[int, datetime] | None) -> WitnessStanding:
        trouble = self.cosigners.trouble(name)
        if got is None:
            return WitnessStanding(name, None, None, None, trouble)
        return WitnessStanding(name, got[0], got[1], max(0, size - got[0]), trouble)

    async def checkpoint(self) -> bytes:
        head = await self.book.own_head()
        found = [] if head is None else await self.book.newest_cosigned(head.origin)
        if not found:
            raise NotFoundError("no head of this log was cosigned yet")
        return found[0].note + b"".join(one.line for one in found)

    async def clear(self, origin: str, by: str, why: str) -> int:
        return await self.book.clear(origin, by, why, self.clock.now())

    async def add_checkpoint(self, body: bytes, by: str) -> WitnessAnswer:
        if self.desk is None or not self.desk.others:
            raise NotFoundError("this node witnesses no logs but its neighbours'")
        return await self.desk.add_checkpoint(body, by, strangers=True)

"""Certificates grow old, the node's own, their issuers' and those it trusts: said 60, 30 and 7 days before one
ends, and when it has.

Each step is told once in a node's life: a warning in the log, an entry in the audit log. Told again after
a restart, and each day once it is seven days or less.

Touches: the journal, for the entry.
Trusts:  its maker to list the certificates as they are in use now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from relay.lines import Line
from relay.model import Digest

DAYS_AHEAD: Final = (60, 30, 7)
LOOK: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)

log = structlog.get_logger("relay.certificates")


class Note(Protocol):
    """Writes an entry of the audit log."""

    def __call__(self, event: str, **fields: str | int) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class AgeingCertificate:
    """One whose end the operator hears of in time.

    `name` is tls, sign, log, gateway or an agency's code of one the node signs or serves with; the list of
    the configuration in which it stands (trust.roots) of one it trusts; `issuer` of a CA's that only comes along with its own.
    """

    name: str
    sha256: Digest
    not_after: datetime
    hint: str = ""
    """What to do about its end."""

    def days_left(self, now: datetime) -> int:
        """Whole days until it ends; negative once it has."""
        return (self.not_after - now) // _DAY

    def step(self, now: datetime) -> int | None:
        """The nearest of 60, 30 and 7 that it has come to, each day from 7 on; None before."""
        left = self.days_left(now)
        if left > DAYS_AHEAD[0]:
            return None
        return max(left, -1) if left < DAYS_AHEAD[-1] else min(d for d in DAYS_AHEAD if left <= d)


@dataclass(slots=True)
class AgeWatch:
    """Looks every hour."""

    held: Callable[[], Sequence[AgeingCertificate]]
    now: Callable[[], datetime]
    note: Note
    _told: dict[Digest, int] = field(default_factory=dict)

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK.total_seconds())

    async def look(self) -> None:
        now = self.now()
        for one in self.held():
            step = one.step(now)
            if step is not None and self._told.get(one.sha256) != step:
                self._told[one.sha256] = step
                await self._tell(one, now)

    async def _tell(self, one: AgeingCertificate, now: datetime) -> None:
        days = one.days_left(now)
        log.log(
            logging.ERROR if days < DAYS_AHEAD[-1] else logging.WARNING,
            Line.CERTIFICATE_ENDS,
            certificate=one.name,
            ends=f"{one.not_after:%Y-%m-%dT%H:%M:%SZ}",
            days=days,
            hint=one.hint,
        )
        await self.note("certificate-ends", type=one.name, certificate=one.sha256, days=days)

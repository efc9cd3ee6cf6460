"""What waits with a seal whose certificate was revoked is held, and the operator told (R8).

Each revocation is noted once, durably, with an audit entry; then every delivery that waits unsent with
a seal by that certificate is held, in steps. It is looked for again at each start and shortly after, for
what was judged before the revocation was known may have come to the queue behind it. What an operator
released since stays released. In doubt means sent: that is left alone.

Touches: the journal.
Raises:  JournalError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from relay.delivery.clock import Clock
from relay.delivery.operators.orders import REVOCATION, Action, OperatingJournal, Order
from relay.delivery.revocation.ports import Noted, RevocationJournal, RevokedCertificate
from relay.lines import Line
from relay.model import Digest

PAGE = 500
LATE = timedelta(minutes=2)
"""How long after it became known a revocation is looked for again in the queue."""
LOOK_AGAIN = timedelta(seconds=30)
log = structlog.get_logger("relay.revocation")


@dataclass(slots=True)
class HoldingDesk:
    journal: RevocationJournal
    operating: OperatingJournal
    clock: Clock
    revoked: Callable[[Digest], object] = lambda _: None
    """Told of each certificate that is newly known to be revoked: connections that stand on it end."""
    _noted: dict[Digest, Noted] | None = None
    _looked: dict[Digest, datetime] = field(default_factory=dict)
    """When it was last looked for in the queue, since the start; `_seen` are those that statements in memory called revoked since then."""
    _seen: set[Digest] = field(default_factory=set)

    async def look(self, revoked: Sequence[RevokedCertificate]) -> int:
        """How many deliveries were held."""
        if self._noted is None:
            self._noted = {one.revoked.certificate: one for one in await self.journal.noted()}
        now, held = self.clock.now(), 0
        for one in revoked:
            if one.certificate not in self._noted:
                await self.journal.note_revoked(one, now)
                self._noted[one.certificate] = Noted(one, now)
                log.critical(Line.CERTIFICATE_REVOKED, certificate=one.certificate, what=str(one))
                self.revoked(one.certificate)
        await self._lift({one.certificate for one in revoked}, now)
        for noted in self._noted.values():
            certificate = noted.revoked.certificate
            if self._is_due(noted, self._looked.get(certificate), now):
                self._looked[certificate] = now
                held += await self._hold(noted, now)
        return held

    def _is_due(self, noted: Noted, looked: datetime | None, now: datetime) -> bool:
        """A long queue is not gone through with every round."""
        return looked is None or (now - noted.at <= LATE and now - looked >= LOOK_AGAIN)

    async def _hold(self, noted: Noted, now: datetime) -> int:
        why = str(noted.revoked)
        order = Order(Action.HOLD, REVOCATION, why, now)
        held = 0
        after: tuple[int, int] | None = (-1, -1)
        while after is not None:
            page = await self.journal.sealed_by(noted.revoked.certificate, noted.at, after, PAGE)
            after = page.after
            if page.rows:
                held += (await self.operating.hold(order, page.rows)).rows
        if held:
            log.critical(Line.DELIVERIES_HELD, count=held, because=why)
        return held

    async def _lift(self, revoked: set[Digest], now: datetime) -> None:
        """A hold of the certificate was taken back: said, and no more; releasing is for an operator."""
        noted = self._noted or {}
        for certificate in [one for one in noted if one in self._seen and one not in revoked]:
            await self.journal.note_restored(noted[certificate].revoked, now)
            del noted[certificate]
            self._looked.pop(certificate, None)
            log.warning(Line.CERTIFICATE_NO_LONGER_REVOKED, certificate=certificate)
        self._seen |= revoked

"""Guessing is slow: who fails too often from an address is let in by nothing for a while.

Failures are counted by address and system, so whoever guesses locks out only its own address, for
that system (adr/0013). A system that is bound to addresses or a certificate is never locked out where
it is bound to, and an address from which its signature held before is not locked out by what others
behind the same address do. Locks and proven addresses outlive a start, a second or so after they came to be
(`keep`); failures that locked nothing yet do not.

Touches: nothing; memory is bounded, the tally longest untouched goes first.
Trusts:  the address of the connection, no header. Raises: nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from relay.delivery.operators.systems import Site, Sites

MOST_FAILURES: Final = 10
WITHIN: Final = timedelta(minutes=10)
LOCKED: Final = timedelta(minutes=15)
MOST_TALLIES: Final = 10_000
KEPT_EVERY_SECONDS: Final = 1.0
_V6_SITE = 64
"""Bits: whoever has one IPv6 address has the rest of its network, too."""

Pair = tuple[str, str]


@dataclass(slots=True)
class _Tally:
    since: datetime
    count: int = 0
    until: datetime | None = None


@dataclass(slots=True)
class Lockout:
    most: int = MOST_FAILURES
    within: timedelta = WITHIN
    locked: timedelta = LOCKED
    most_tallies: int = MOST_TALLIES
    _tallies: OrderedDict[Pair, _Tally] = field(default_factory=OrderedDict)
    _proven: OrderedDict[Pair, None] = field(default_factory=OrderedDict)
    _changed: dict[Pair, None] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def failed(self, systemid: str, address: str, now: datetime) -> bool:
        """True when this failure is the one that locks."""
        pair = (site_of(address), systemid)
        tally = self._tallies.get(pair)
        over = tally is not None and tally.until is not None and tally.until <= now
        if tally is None or over or (tally.until is None and now - tally.since > self.within):
            tally = self._tallies[pair] = _Tally(now)
        self._tallies.move_to_end(pair)
        tally.count += 1
        self._bounded(self._tallies)
        if tally.count != self.most:
            return False
        tally.until = now + self.locked
        self._note(pair)
        return True

    def until(self, systemid: str, address: str, now: datetime) -> datetime | None:
        """When the lock ends; None where there is none, or the address is a proven one."""
        pair = (site_of(address), systemid)
        tally = self._tallies.get(pair)
        if pair in self._proven or tally is None or tally.until is None or tally.until <= now:
            return None
        return tally.until

    def held(self, systemid: str, address: str) -> None:
        """Its signature held, and it was let in from there."""
        pair = (site_of(address), systemid)
        if pair not in self._proven:
            self._note(pair)
        self._proven[pair] = None
        self._proven.move_to_end(pair)
        self._bounded(self._proven)

    def forget(self, systemids: frozenset[str]) -> None:
        """These systems' secrets changed: what was proven by an old one counts no more, nor do failures."""
        for pair in [one for one in self._tallies if one[1] in systemids]:
            if self._tallies.pop(pair).until is not None:
                self._note(pair)
        for pair in [one for one in self._proven if one[1] in systemids]:
            del self._proven[pair]
            self._note(pair)

    # ------------------------------------------------------------ over a start

    def restore(self, sites: Iterable[Site], now: datetime) -> None:
        """What was known before; locks that are over by now are not."""
        for one in sites:
            pair = (one.site, one.systemid)
            if one.proven:
                self._proven[pair] = None
            if one.locked_until is not None and one.locked_until > now:
                self._tallies[pair] = _Tally(
                    now, self.most, min(one.locked_until, now + self.locked)
                )
        self._bounded(self._proven)
        self._bounded(self._tallies)

    async def keep(self, book: Sites) -> None:
        """Store what changes, until cancelled; not more than once in a while."""
        while True:
            await self._woken.wait()
            await book.store(self.changes())
            await asyncio.sleep(KEPT_EVERY_SECONDS)

    def changes(self) -> list[Site]:
        """What is to be stored anew, once."""
        self._woken.clear()
        changed, self._changed = self._changed, {}
        return [self._site(pair) for pair in changed]

    def _site(self, pair: Pair) -> Site:
        tally = self._tallies.get(pair)
        return Site(pair[1], pair[0], pair in self._proven, None if tally is None else tally.until)

    def _note(self, pair: Pair) -> None:
        self._changed[pair] = None
        self._woken.set()

    def _bounded(self, table: OrderedDict[Pair, Any]) -> None:
        while len(table) > self.most_tallies:
            pair, gone = table.popitem(last=False)
            if table is self._proven or gone.until is not None:
                self._note(pair)


def site_of(address: str) -> str:
    """The address, or the network of an IPv6 one; what is no address is its own site."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(IPv6Address(int(found) >> (128 - _V6_SITE) << (128 - _V6_SITE)))
    return str(found)

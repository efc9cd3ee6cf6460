"""Guessing is slow: who fails too often from an address is let in by nothing for a while.

Failures are counted by address and system, so whoever guesses locks out only its own address, for
that system (adr/0013). A system that is bound to addresses or a certificate is never locked out where
it is bound to, and an address from which its signature held before is not locked out by what others
behind the same address do.

Touches: nothing; memory is bounded, the tally longest untouched goes first.
Trusts:  the address of the connection, no header. Raises: nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

MOST_FAILURES: Final = 10
WITHIN: Final = timedelta(minutes=10)
LOCKED: Final = timedelta(minutes=15)
MOST_TALLIES: Final = 10_000
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

    def failed(self, systemid: str, address: str, now: datetime) -> bool:
        """True when this failure is the one that locks."""
        pair = (site_of(address), systemid)
        tally = self._tallies.get(pair)
        over = tally is not None and tally.until is not None and tally.until <= now
        if tally is None or over or (tally.until is None and now - tally.since > self.within):
            tally = self._tallies[pair] = _Tally(now)
        self._tallies.move_to_end(pair)
        tally.count += 1
        if tally.count != self.most:
            return False
        tally.until = now + self.locked
        return self._bounded(self._tallies)

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
        self._proven[pair] = None
        self._proven.move_to_end(pair)
        self._bounded(self._proven)

    def forget(self, systemids: frozenset[str]) -> None:
        """These systems' secrets changed: what was proven by an old one counts no more, nor do failures."""
        for pair in [one for one in self._tallies if one[1] in systemids]:
            del self._tallies[pair]
        for pair in [one for one in self._proven if one[1] in systemids]:
            del self._proven[pair]

    def _bounded(self, table: OrderedDict[Pair, Any]) -> bool:
        while len(table) > self.most_tallies:
            table.popitem(last=False)
        return True


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

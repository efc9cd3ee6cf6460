"""Who may speak the dialect: a system, its secrets and the agencies it speaks for.

Touches: nothing.
Trusts:  the settings it is made from.
Raises:  SettingsError when they contradict themselves, before anything is served.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from relay.delivery.ports import Caller
from relay.errors import SettingsError
from relay.model import AgencyCode


class FreshnessPolicy(StrEnum):
    """What an old timestamp means.

    WARN is the default: clients set the timestamp once, when they start, and poll with it for days.
    """

    OFF = "off"
    WARN = "warn"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Freshness:
    policy: FreshnessPolicy = FreshnessPolicy.WARN
    window: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class System:
    """One systemid. Of several secrets each is valid, so that one can be changed without a stop (A1.9)."""

    systemid: str
    secrets: tuple[bytes, ...] = field(repr=False)
    agencies: frozenset[AgencyCode]
    freshness: Freshness = Freshness()
    ending: tuple[tuple[bytes, datetime], ...] = field(default=(), repr=False)
    """Secrets that work until an instant."""
    addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where it may call from; none: from anywhere."""
    certificates: frozenset[str] = frozenset()
    """SHA-256 of the client certificates it may connect with; none: it needs none."""
    rest: bool = False
    """May use the REST variant."""

    def working(self, now: datetime | None) -> tuple[bytes, ...]:
        """Its secrets at that time; None: those without an end."""
        if not self.ending or now is None:
            return self.secrets
        return (*self.secrets, *(key for key, until in self.ending if until > now))

    def caller(self) -> Caller:
        return Caller(holder=f"system:{self.systemid}", agencies=self.agencies)


class Systems:
    """Every system this node serves, by systemid."""

    def __init__(self, systems: Iterable[System]) -> None:
        self._by_id: dict[str, System] = {}
        problems = []
        for system in systems:
            if system.systemid in self._by_id:
                problems.append(f"systemid {system.systemid} is given twice")
            if not system.secrets or not all(system.secrets):
                problems.append(f"systemid {system.systemid} has no secret, or an empty one")
            self._by_id[system.systemid] = system
        if problems:
            raise SettingsError(problems)
        self._measure()

    def become(self, systems: Iterable[System]) -> None:
        """These and no others, from the next call on. One without a secret is one that was revoked."""
        self._by_id = {system.systemid: system for system in systems}
        self._measure()

    def _measure(self) -> None:
        secrets = (len(one.secrets) + len(one.ending) for one in self._by_id.values())
        self._width = max((1, *secrets))

    def renew(self, agencies: Mapping[str, frozenset[AgencyCode]]) -> None:
        """What each system speaks for from now on, by systemid; the others are left as they are."""
        for systemid, codes in agencies.items():
            if (system := self._by_id.get(systemid)) is not None:
                self._by_id[systemid] = replace(system, agencies=codes)

    def lookup(self, systemid: str) -> System | None:
        return self._by_id.get(systemid)

    def keys(
        self, system: System | None, now: datetime | None = None
    ) -> tuple[tuple[bytes, bool], ...]:
        """Keys to try, each with whether it counts: as many for a stranger as for anyone."""
        real = () if system is None else system.working(now)
        decoys = (b"decoy",) * (self._width - len(real))
        return tuple((key, True) for key in real) + tuple((key, False) for key in decoys)

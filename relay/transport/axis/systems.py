"""Who may speak the dialect: a system, its secrets and the agencies it speaks for.

Touches: nothing.
Trusts:  the settings it is made from.
Raises:  SettingsError when they contradict themselves, before anything is served.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

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
    """One systemid. Of several secrets each is valid, so that one can be changed without a stop."""

    systemid: str
    secrets: tuple[bytes, ...] = field(repr=False)
    agencies: frozenset[AgencyCode]
    freshness: Freshness = Freshness()

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
        self._width = max((len(one.secrets) for one in self._by_id.values()), default=1)

    def renew(self, agencies: Mapping[str, frozenset[AgencyCode]]) -> None:
        """What each system speaks for from now on, by systemid; the others are left as they are."""
        for systemid, codes in agencies.items():
            if (system := self._by_id.get(systemid)) is not None:
                self._by_id[systemid] = replace(system, agencies=codes)

    def lookup(self, systemid: str) -> System | None:
        return self._by_id.get(systemid)

    def keys(self, system: System | None) -> tuple[tuple[bytes, bool], ...]:
        """Keys to try, each with whether it counts: as many for a stranger as for anyone."""
        real = () if system is None else system.secrets
        decoys = (b"decoy",) * (self._width - len(real))
        return tuple((key, True) for key in real) + tuple((key, False) for key in decoys)

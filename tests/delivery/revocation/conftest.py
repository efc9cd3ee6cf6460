"""Node `xa` learns of revocations from a development PKI: what it holds, fetches, and acts on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path as File
from typing import Any

import pytest

from relay.delivery.revocation.holding import HoldingDesk
from relay.delivery.revocation.keeping import StatementKeeper
from relay.delivery.revocation.ports import Kind
from relay.journal.operating import OperatingTable
from relay.journal.revocation import RevocationTable
from relay.model import NodeId
from relay.signing import pki_revoking
from relay.signing.certificates import Purpose, read_chain
from relay.signing.pki_words import Reason
from relay.signing.revocation.aims import Plan
from relay.signing.revocation.checking import OnUnknown, RevocationCheck
from relay.signing.revocation.held import HeldStatements, way_of
from relay.signing.revocation.verdicts import Freshness, Verdict
from relay.signing.trust import Path, TrustStore, certificates_of
from relay.transport.revocation.fetching import StatementFetcher, allowed
from tests.long_crl import long_crl

HERE = NodeId("xa")
DAY = timedelta(days=1)


@dataclass
class Authority:
    """A copy of a PKI's folder, in which tests revoke as they like."""

    folder: File
    long: dict[str, int] = field(default_factory=dict)
    """Branches whose list has so many entries, all of certificates that are nobody's."""

    def revoke(
        self,
        name: str,
        reason: Reason = Reason.KEY_COMPROMISE,
        later: timedelta = timedelta(),
    ) -> None:
        now = datetime.now(UTC) + later
        pki_revoking.revoke(self.folder, self.folder / name, reason=reason, now=now)

    def crl(self, branch: str, now: datetime, valid: timedelta = DAY) -> bytes:
        found = {one.name: one for one in pki_revoking.authorities(self.folder)}
        if self.long.get(branch):
            return long_crl(found[branch], now, self.long[branch])
        return pki_revoking.crl(found[branch], now=now, valid=valid)

    def path(self, name: str, purpose: Purpose) -> Path:
        chain = read_chain(certificates_of((self.folder / name).read_bytes()))
        trust = TrustStore([(self.folder / "root" / "root.pem").read_bytes()])
        return trust.path(chain, datetime.now(UTC), purpose)


@dataclass
class Learner:
    """What a node has of it; `again` is the same node after a restart."""

    world: Any
    hosts: frozenset[str] = frozenset()
    prefer: Kind = Kind.CRL
    fresh: Freshness = field(default_factory=Freshness)
    unknown: dict[Purpose, OnUnknown] = field(default_factory=dict)
    held: HeldStatements = field(init=False)
    check: RevocationCheck = field(init=False)
    keeper: StatementKeeper = field(init=False)
    table: RevocationTable = field(init=False)
    holding: HoldingDesk = field(init=False)
    fetcher: StatementFetcher = field(init=False)

    def __post_init__(self) -> None:
        plan = Plan(
            lambda url: allowed(url, self.hosts),
            self.fresh,
            timedelta(hours=1),
            lambda: 0.5,
            prefer=self.prefer,
        )
        clock = self.world.clock
        self.held = HeldStatements(plan)
        self.check = RevocationCheck(self.held, self.unknown, clock.now)
        self.table = RevocationTable(self.world.journal, HERE)
        operating = OperatingTable(self.world.journal, HERE)
        self.holding = HoldingDesk(self.table, operating, clock)
        self.fetcher = StatementFetcher(self.hosts, frozenset(), timedelta(seconds=5))
        self.keeper = StatementKeeper(self.held, self.fetcher, self.table, self.holding, clock)

    def verdict(self, path: Path) -> Verdict:
        return self.check.look(path)

    def tell(self, authority: Authority, *branches: str, path: Path) -> None:
        """As if the CRLs of these had been fetched."""
        now = self.world.clock.now()
        for branch in branches:
            self.held.take_about(way_of(path), authority.crl(branch, now), now)

    async def close(self) -> None:
        await self.fetcher.close()


@pytest.fixture
def copied(keys: dict[str, Any], tmp_path: File) -> Authority:
    """The PKI of the delivery tests' nodes."""
    return Authority(File(shutil.copytree(keys["pki"], tmp_path / "pki")))


@pytest.fixture
def checking(keys: dict[str, Any]) -> Callable[..., Any]:
    """While it lasts, a node's proofs go through this check."""

    @contextmanager
    def use(node: str, check: RevocationCheck) -> Iterator[None]:
        trust = keys[node].trust
        trust.check = check
        try:
            yield
        finally:
            trust.check = None

    return use

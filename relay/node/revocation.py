"""Revocation, joined: the check every proof goes through, and what keeps its statements fresh.

Touches: nothing yet; node.py runs it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from relay.delivery.clock import Clock
from relay.delivery.revocation.beside import BesideDesk
from relay.delivery.revocation.holding import HoldingDesk
from relay.delivery.revocation.keeping import StatementKeeper
from relay.delivery.revocation.ports import Kind
from relay.delivery.revocation.stapling import Stapler
from relay.errors import SignatureError
from relay.identity import NodeKeys
from relay.journal.operating import OperatingTable
from relay.journal.revocation import RevocationTable
from relay.lines import Line
from relay.model import Digest, digest_of
from relay.node.ground import Ground
from relay.settings.revocation import RevocationSection
from relay.settings.settings import Settings
from relay.signing.certificates import Purpose, read_chain
from relay.signing.revocation.aims import Plan
from relay.signing.revocation.checking import OnUnknown, RevocationCheck
from relay.signing.revocation.held import HeldStatements
from relay.signing.revocation.signers import KnownSigners, signed_by
from relay.signing.revocation.verdicts import Freshness
from relay.signing.trust import TrustStore, certificates_of
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.statements_client import StatementClient
from relay.transport.revocation.fetching import StatementFetcher, allowed

log = structlog.get_logger("relay.revocation")


@dataclass(frozen=True, slots=True)
class Keeping:
    keeper: StatementKeeper
    fetcher: StatementFetcher


def make_check(settings: Settings, clock: Clock) -> RevocationCheck | None:
    """None where the configuration says that nothing is checked, which is said at each start."""
    section = settings.revocation
    if not section.check:
        log.warning(Line.REVOCATION_IS_NOT_CHECKED)
        return None
    return RevocationCheck(HeldStatements(_plan(section, settings)), _unknown(section), clock.now)


def _plan(section: RevocationSection, settings: Settings) -> Plan:
    named = frozenset(url for url in section.crls)
    hosts = frozenset(section.hosts)
    return Plan(
        allowed=lambda url: url in named or allowed(url, hosts),
        fresh=Freshness(section.endless_for, section.grace, settings.delivery.clock_tolerance),
        refresh=section.refresh,
        random=random.SystemRandom().random,
        crls=section.crls,
        prefer=Kind(section.prefer),
    )


def _unknown(section: RevocationSection) -> dict[Purpose, OnUnknown]:
    return {
        Purpose.AGENCY: OnUnknown(section.agency),
        Purpose.GATEWAY: OnUnknown(section.gateway),
        Purpose.SIGN: OnUnknown(section.node),
        Purpose.TLS: OnUnknown(section.tls),
        Purpose.LOG: OnUnknown(section.node),
    }


def make_keeping(
    ground: Ground, check: RevocationCheck, closes: Callable[[Digest], object]
) -> Keeping:
    """`closes` is told of each certificate that turns out to be revoked."""
    section, held = ground.settings.revocation, check.held
    fetcher = StatementFetcher(
        frozenset(section.hosts), frozenset(section.crls), section.fetch_within
    )
    table = RevocationTable(ground.journal, ground.node)
    holding = HoldingDesk(table, OperatingTable(ground.journal, ground.node), ground.clock, closes)
    keeper = StatementKeeper(held, fetcher, table, holding, ground.clock)
    held.wake = keeper.wake
    return Keeping(keeper, fetcher)


def make_beside(ground: Ground) -> BesideDesk:
    """For whoever exports evidence: `beside(message_id)`."""
    trust = ground.notary.trust
    table = RevocationTable(ground.journal, ground.node)
    return BesideDesk(table, lambda signature: signed_by(signature, trust))


def meet_own(keys: NodeKeys, check: RevocationCheck, clock: Clock, tls: Path) -> None:
    """The node's own certificates and its agencies': their statements are wanted from the start. `tls` is
    the file of the one that neighbours are shown."""
    chains = [(keys.sign.chain, Purpose.SIGN), (keys.log.chain, Purpose.LOG)]
    chains.append((tuple(certificates_of(tls.read_bytes())), Purpose.TLS))
    chains += [(one.chain, Purpose.AGENCY) for one in keys.agencies.values()]
    if keys.gateway is not None:
        chains.append((keys.gateway.chain, Purpose.GATEWAY))
    _meet(keys.trust, chains, check, clock)


def _meet(
    trust: TrustStore,
    chains: Iterable[tuple[tuple[bytes, ...], Purpose]],
    check: RevocationCheck,
    clock: Clock,
) -> None:
    met: list[Digest] = []
    for ders, purpose in chains:
        try:
            check.look(trust.path(read_chain(ders), clock.now(), purpose))
        except SignatureError as error:
            log.warning(Line.OWN_CERTIFICATE_HAS_NO_PATH, purpose=purpose.value, error=str(error))
        else:
            met.append(digest_of(ders[0]))
    check.ours = tuple(dict.fromkeys(met))


def make_stapler(ground: Ground, nodes: NodesClient) -> Stapler | None:
    """None where nothing is checked: then nothing is known that could be told."""
    check = ground.notary.revocation
    if check is None:
        return None
    return Stapler(
        KnownSigners(ground.notary.trust, check),
        StatementClient(nodes),
        RevocationTable(ground.journal, ground.node),
        ground.clock,
        check.held.wake,
        ground.neighbours,
    )

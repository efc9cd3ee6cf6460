"""Statements travel with the signatures they are about: told once, proven there, kept for evidence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.delivery.revocation.beside import BesideDesk
from relay.delivery.revocation.ports import Kind
from relay.delivery.revocation.stapling import StapledWire, Stapler
from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.errors import PeerError, TransportError
from relay.identity import load_keys
from relay.journal.revocation import RevocationTable
from relay.journal.store import SqliteJournal
from relay.model import NodeId, Tier
from relay.node.revocation import meet_own
from relay.settings.reading import load
from relay.signing.batches import sign_batch
from relay.signing.certificates import Purpose
from relay.signing.revocation.asof import judge_signature
from relay.signing.revocation.signers import KnownSigners, signed_by
from relay.signing.revocation.verdicts import RevocationState
from relay.wire.statements import Stapled, read_statements, write_statements
from tests.delivery.revocation.conftest import Authority, Learner

HERE, UP = NodeId("xa"), NodeId("tinh")
AGENCY = "agencies/H01.15.pem"


@dataclass
class Told:
    """The wire to neighbours; `other` takes in what is told to it, if it knows of statements."""

    other: Stapler | None = None
    told: list[Sequence[Stapled]] = field(default_factory=list)
    asked: int = 0
    failing: Exception | None = None
    large: bool = True
    """Whether it takes large ones."""

    async def knows_large(self, neighbour: NodeId) -> bool:
        return self.large

    async def knows_statements(self, neighbour: NodeId) -> bool:
        self.asked += 1
        return self.other is not None

    async def tell_statements(self, neighbour: NodeId, found: Sequence[Stapled]) -> None:
        if self.failing is not None:
            raise self.failing
        self.told.append(found)
        assert self.other is not None
        await self.other.take(HERE, read_statements(write_statements(found)))


@dataclass
class Side:
    learner: Learner
    stapler: Stapler
    wire: Told


async def _side(world: Any, node: str, journal: Any, wire: Told) -> Side:
    at = replace_journal(world, journal)
    learner = Learner(at)
    stapler = Stapler(
        KnownSigners(world.keys[node].trust, learner.check),
        wire,
        RevocationTable(journal, NodeId(node)),
        world.clock,
        lambda: None,
        frozenset({UP}),
    )
    return Side(learner, stapler, wire)


def replace_journal(world: Any, journal: Any) -> Any:
    """The world as another node sees it."""
    return type("Elsewhere", (), {"journal": journal, "clock": world.clock})


@pytest.fixture
async def sides(world: Any, tmp_path: Path) -> AsyncIterator[tuple[Side, Side]]:
    """`xa`, which has what its authority said, and `tinh`, which can reach nobody."""
    from tests.delivery.conftest import _fatal, _sign_head

    journal = await SqliteJournal.open(tmp_path / "tinh", UP, _sign_head, on_fatal=_fatal)
    there = await _side(world, "tinh", journal, Told())
    here = await _side(world, "xa", world.journal, Told(there.stapler))
    yield here, there
    await journal.close()


async def _learns(side: Side, copied: Authority, name: str = AGENCY) -> Any:
    """As if fetched: in memory and in the journal."""
    path = copied.path(name, Purpose.AGENCY if "agencies" in name else Purpose.SIGN)
    now = side.learner.world.clock.now()
    for branch in ("root/root", "branches/tinh-h01/ca"):
        chain = tuple(one.public_bytes(_der()) for one in (path.leaf.certificate, *path.issuers))
        content = copied.crl(branch, now)
        proven = side.stapler.signers.take(Stapled(chain, content))
        await side.learner.table.store(proven, now)
    side.learner.verdict(path)
    return path


def _der() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


async def test_a_neighbour_judges_by_what_came_along(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    """It had nothing and may call nobody; now it knows the certificate and all its issuer's others."""
    here, there = sides
    path = await _learns(here, copied)
    seal = world.keys["xa"].seal(_digest(), "H01.15", world.clock.now()).signature
    assert there.learner.verdict(path).state is RevocationState.UNKNOWN

    await here.stapler.bring(UP, [seal])

    assert there.learner.verdict(path).state is RevocationState.VALID
    again = Learner(there.learner.world)
    await again.keeper.start()
    assert again.verdict(path).state is RevocationState.VALID


async def test_each_statement_is_told_once(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    """However many signatures rest on it; a newer one is told again."""
    here, _ = sides
    await _learns(here, copied)
    seals = [
        world.keys["xa"].seal(_digest(n), "H01.15", world.clock.now()).signature for n in range(3)
    ]

    for seal in seals:
        await here.stapler.bring(UP, [seal, seal])
    assert [len(found) for found in here.wire.told] == [2]
    assert here.wire.asked == 1

    world.late = timedelta(hours=1)
    await _learns(here, copied)
    await here.stapler.bring(UP, seals)
    assert [len(found) for found in here.wire.told] == [2, 2]


async def test_a_revocation_travels_too(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    """Bad news is news."""
    here, there = sides
    copied.revoke(AGENCY)
    path = await _learns(here, copied)
    seal = world.keys["xa"].seal(_digest(), "H01.15", world.clock.now()).signature

    await here.stapler.bring(UP, [seal])

    assert there.learner.verdict(path).state is RevocationState.REVOKED


async def test_what_proves_nothing_is_left_out(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    """Forged, of another chain, or no statement at all: the rest of the list counts all the same."""
    here, there = sides
    path = await _learns(here, copied)
    chain = tuple(one.public_bytes(_der()) for one in (path.leaf.certificate, *path.issuers))
    good = copied.crl("branches/tinh-h01/ca", world.clock.now())
    flipped = good[:-3] + bytes([good[-3] ^ 1]) + good[-2:]
    bad = [Stapled(chain, flipped), Stapled((b"x",), good), Stapled(chain, b"x")]

    assert await there.stapler.take(HERE, [*bad, Stapled(chain, good)]) == 1
    assert await there.stapler.take(HERE, [Stapled(chain, good)]) == 0


@pytest.mark.parametrize("error", [TransportError("down"), PeerError("no"), None])
async def test_who_cannot_be_told_gets_its_documents_all_the_same(
    world: Any, sides: tuple[Side, Side], copied: Authority, error: Exception | None
) -> None:
    """An older neighbour, or one that refuses: what is carried waits for nothing."""
    here, _ = sides
    await _learns(here, copied)
    if error is None:
        here.wire.other = None
    here.wire.failing = error
    accepted = await world.submit("H01")
    plain = world.wire
    world.wire = StapledWire(plain, here.stapler)
    world.build()
    async with world.run():
        await world.reach(accepted.message_id, "relayed")
    world.wire = plain
    assert here.wire.told == []


async def test_what_was_said_lies_beside_a_message(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    """For evidence: the certificates that signed, and the statements by which they were not revoked then,
    though they are by now."""
    here, _ = sides
    await _learns(here, copied)
    accepted = await world.submit("H01")
    async with world.run():
        await world.reach(accepted.message_id, "relayed")
    await here.learner.table.keep(here.learner.held.used())
    world.late = timedelta(hours=3)
    copied.revoke(AGENCY, later=timedelta(hours=1))
    await _learns(here, copied)
    trust = world.keys["xa"].trust
    desk = BesideDesk(here.learner.table, lambda signature: signed_by(signature, trust))

    found = await desk.beside(accepted.message_id)

    assert len(found.certificates) == 4  # the agency's, both nodes', their authority's
    seal = await world.journal.message_seal(accepted.message_id)
    statements = [one.content for one in found.statements]
    then = judge_signature(seal.signature, statements, trust, accepted.accepted_at)
    assert then.state is RevocationState.VALID
    now = judge_signature(seal.signature, statements, trust, world.clock.now())
    assert now.state is RevocationState.REVOKED
    missing = judge_signature(seal.signature, [], trust, accepted.accepted_at)
    assert missing.state is RevocationState.UNKNOWN
    assert await desk.beside(world.clock.mint()) == replace(found, certificates=(), statements=())


def _digest(number: int = 0) -> Any:
    return f"{number:064x}"


async def test_a_neighbour_that_could_not_be_told_is_told_once_it_shows_life(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    """Until then it is left alone: its back-off is not broken for the sake of statements."""
    here, there = sides
    path = await _learns(here, copied)
    seal = world.keys["xa"].seal(_digest(), "H01.15", world.clock.now()).signature
    here.wire.failing = TransportError("down")
    for _ in range(3):
        await here.stapler.bring(UP, [seal])
    assert here.wire.asked == 1

    here.wire.failing = None
    here.stapler.met(UP)
    await here.stapler.bring(UP, [seal])

    assert there.learner.verdict(path).state is RevocationState.VALID


async def test_a_receipt_out_of_a_batch_has_its_signers_statements_too(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    """Told ahead, and filed under the same certificates, as of the batch's time."""
    here, there = sides
    path = await _learns(here, copied, "nodes/xa/sign.pem")
    at, notary = world.clock.now(), world.keys["xa"]
    signed = sign_batch([b"one", b"two"], HERE, notary.signer, at)
    first, second = (one.signature for one in signed)

    await here.stapler.bring(UP, [first, second])
    beside = signed_by(second, notary.trust)

    assert there.learner.verdict(path).state is RevocationState.VALID
    assert beside is not None
    assert beside.at == at.replace(microsecond=0)
    assert (Kind.OCSP, path.leaf.sha256) in beside.about


def test_a_node_wants_to_know_of_all_its_own(world: Any, tmp_path: Path) -> None:
    """Sign, log, the agencies whose keys are here, and what neighbours are shown in a handshake."""
    plan = NodePlan(
        "a", Tier.PROVINCE, None, "b", (AgencyPlan("H01", "x", Tier.PROVINCE, own_key=True),)
    )
    network = Network.build(tmp_path, (plan,), now=world.clock.now())
    settings = load(network.nodes["a"].config)
    keys, check = load_keys(settings, settings.make_directory()), Learner(world).check

    meet_own(keys, check, world.clock, settings.keys.tls.certificate)

    paths = [check.path_of(one) for one in check.ours]
    assert {path.leaf.identity.purpose for path in paths if path is not None} == {
        Purpose.SIGN,
        Purpose.LOG,
        Purpose.AGENCY,
        Purpose.TLS,
    }

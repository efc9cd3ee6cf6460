"""A revoked certificate: what waits is held, what comes is refused, what is sealed is refused; UNKNOWN
is what the policy makes of it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.audit.words import replaced
from relay.delivery.arrivals import Opened, TransferDesk
from relay.delivery.bridges.entering import EntryDesk
from relay.delivery.neighbours.freezing import header_of
from relay.delivery.operators.orders import Action, Order
from relay.delivery.records import DeliveryRow
from relay.envelope.reader import read
from relay.errors import OverloadError, SignatureError, TransportError, UncertainError
from relay.journal.operating import OperatingTable
from relay.journal.store import SqliteJournal
from relay.model import Event, Lane, NodeId, Reason, TransferId
from relay.routing.next_hop import Place
from relay.signing.certificates import Purpose
from relay.signing.revocation import held as held_statements
from relay.signing.revocation.checking import OnUnknown
from relay.signing.tls import NodePeers
from relay.signing.trust import TrustStore, certificates_of
from relay.wire.receipt import read_receipt
from tests.delivery.revocation.conftest import Authority, Learner

UP = NodeId("tinh")
AGENCY = "agencies/H01.15.pem"


@pytest.fixture
def learner(world: Any, copied: Authority) -> Learner:
    return Learner(world)


def _revoke(learner: Learner, copied: Authority, name: str = AGENCY) -> Any:
    path = copied.path(name, Purpose.AGENCY if "agencies" in name else Purpose.SIGN)
    copied.revoke(name)
    learner.tell(copied, "root/root", "branches/tinh-h01/ca", path=path)
    return path


async def _look(learner: Learner) -> int:
    return await learner.holding.look(learner.held.revoked())


# ---------------------------------------------------------------- held


async def test_what_waits_with_its_seal_is_held_and_the_operator_told(
    world: Any, learner: Learner, copied: Authority
) -> None:
    """Of two documents that wait, the one sealed with the certificate; the log says who and why."""
    sealed, other = await world.submit("H01"), await world.submit("H01", sender="H01.18")

    _revoke(learner, copied)
    assert await _look(learner) == 1

    assert await world.states(sealed.message_id) == {"held"}
    assert await world.states(other.message_id) == {"queued"}
    leaves = [
        replaced(json.loads(one.leaf), one.words) for one in await world.journal.entries(0, 100)
    ]
    noted = next(one for one in leaves if one["event"] == "certificate-revoked")
    assert noted["reason"] == "keycompromise"
    assert "H01.15" in noted["agencies"]
    held = next(one for one in leaves if one["event"] == "delivery-held")
    assert held["by"] == "revocation"
    assert "is revoked since" in held["why"]
    async with world.run():
        later = await world.submit("H01", sender="H01.18")
        await world.reach(later.message_id, "relayed")
    assert await world.states(sealed.message_id) == {"held"}
    assert [
        one.message_id for one in world.wire.carried if one.message_id == sealed.message_id
    ] == []


@pytest.mark.parametrize("white", [" ", "\n", "\t", "\r\n  "])
async def test_white_space_in_a_seal_hides_nothing(
    world: Any, learner: Learner, copied: Authority, white: str
) -> None:
    """It may stand inside base64; who signs may have written the digest of the certificate so."""
    accepted = await world.submit("H01")
    path = _revoke(learner, copied)
    named = b64encode(bytes.fromhex(path.leaf.sha256))
    written = named[:20] + white.encode() + named[20:]
    sql = "UPDATE messages SET seal = CAST(replace(seal, CAST(? AS TEXT), CAST(? AS TEXT)) AS BLOB)"
    await world.journal.perform(lambda tx: tx.run(sql, named, written))
    (seal,) = (await world.journal.rows("SELECT seal FROM messages", ()))[0]
    assert written in seal

    assert await _look(learner) == 1

    assert await world.states(accepted.message_id) == {"held"}


async def test_a_revoked_certificate_that_is_met_no_more_is_not_called_restored(
    world: Any, learner: Learner, copied: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody shows it any more, and many others are met: what is revoked for good stays so, in memory, in the
    journal and in the log."""
    path = _revoke(learner, copied)
    await _look(learner)
    monkeypatch.setattr(held_statements, "MOST_CERTIFICATES", 3)
    for name in ("tinh", "xa", "thon", "ban"):
        learner.verdict(copied.path(f"nodes/{name}/sign.pem", Purpose.SIGN))

    await _look(learner)

    events = [json.loads(one.leaf)["event"] for one in await world.journal.entries(0, 100)]
    assert "certificate-restored" not in events
    assert [one.revoked.certificate for one in await learner.table.noted()] == [path.leaf.sha256]
    assert path.leaf.sha256 in {one.certificate for one in learner.held.revoked()}


async def test_what_an_operator_released_stays_released(
    world: Any, learner: Learner, copied: Authority
) -> None:
    """The node looks for more, and after a restart again: it does not undo a decision."""
    accepted = await world.submit("H01")
    _revoke(learner, copied)
    await _look(learner)
    rows = [row[0] for row in await world.journal.rows("SELECT delivery_row FROM deliveries")]
    order = Order(Action.RELEASE, "local:vanhanh", "đã xác minh", world.clock.now())
    await OperatingTable(world.journal, NodeId("xa")).let_go(order, list(map(DeliveryRow, rows)))

    assert await _look(learner) == 0
    again = Learner(world)
    again.tell(
        copied, "root/root", "branches/tinh-h01/ca", path=copied.path(AGENCY, Purpose.AGENCY)
    )
    assert await _look(again) == 0
    assert await world.states(accepted.message_id) == {"queued"}


async def test_what_came_to_the_queue_just_behind_the_news_is_held_too(
    world: Any, learner: Learner, copied: Authority
) -> None:
    """It was judged before: shortly after, the queue is looked through once more, and not with each round."""
    _revoke(learner, copied)
    await _look(learner)
    late = await world.submit("H01")

    assert await _look(learner) == 0
    world.late += timedelta(seconds=31)
    assert await _look(learner) == 1
    assert await world.states(late.message_id) == {"held"}


async def test_a_restart_finishes_what_a_crash_left(
    world: Any, learner: Learner, copied: Authority
) -> None:
    """Noted and not yet held: the next start holds it, without any statement."""
    accepted = await world.submit("H01")
    path = _revoke(learner, copied)
    assert learner.verdict(path).state == "REVOKED"
    await learner.table.note_revoked(learner.held.revoked()[0], world.clock.now())

    again = Learner(world)
    assert await again.holding.look([]) == 1

    assert await world.states(accepted.message_id) == {"held"}


async def test_a_long_queue_is_gone_through_in_pages(
    world: Any, learner: Learner, copied: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them, whatever lies between."""
    monkeypatch.setattr("relay.delivery.revocation.holding.PAGE", 2)
    for number in range(5):
        await world.submit("H01", sender="H01.18" if number % 2 else "H01.15")
    _revoke(learner, copied)

    assert await _look(learner) == 3


async def test_nothing_is_sealed_with_a_revoked_certificate(
    world: Any, learner: Learner, copied: Authority, keys: dict[str, Any]
) -> None:
    """Nobody would take it: the submission is refused with that reason."""
    notary = keys["xa"]
    _revoke(learner, copied)
    world.build(replace(notary, revocation=learner.check))
    with pytest.raises(SignatureError, match="revoked since") as caught:
        await world.submit("H01")
    assert caught.value.reason == "revoked-certificate"
    await world.submit("H01", sender="H01.18")


# ---------------------------------------------------------------- what comes


@dataclass
class Neighbour:
    """Node `tinh`, to which `xa` carries."""

    world: Any
    desk: TransferDesk
    journal: SqliteJournal

    async def carry(self, accepted: Any) -> Any:
        """The answer to the transfer of what waits at `xa`."""
        world, now = self.world, self.world.clock.now()
        [ready] = [
            one
            for one in await world.journal.ready(UP, Lane.NORMAL, 100)
            if one.message_id == accepted.message_id
        ]
        header = header_of(NodeId("xa"), UP, ready, TransferId(world.clock.mint()), now)
        signed = world.keys["xa"].sign_transfer(header, now)
        opened = await self.desk.open(NodeId("xa"), signed)
        assert isinstance(opened, Opened)
        payload = await world.journal.payload(ready.digest)
        envelope = read(payload.content)
        return await self.desk.take(opened, ready.seal.signature, envelope, payload)


@pytest.fixture
async def neighbour(world: Any, keys: dict[str, Any], tmp_path: Path) -> AsyncIterator[Neighbour]:
    from tests.delivery.conftest import _fatal, _sign_head

    journal = await SqliteJournal.open(tmp_path / "tinh", UP, _sign_head, on_fatal=_fatal)
    desk = TransferDesk(
        Place(UP, None, frozenset({NodeId("xa")})),
        keys["directory"],
        journal,
        keys["tinh"],
        world.clock,
        timedelta(minutes=5),
        1 << 20,
        lambda *_: None,
    )
    yield Neighbour(world, desk, journal)
    await journal.close()


async def test_what_a_revoked_certificate_sealed_is_refused_for_that_reason(
    world: Any,
    neighbour: Neighbour,
    learner: Learner,
    copied: Authority,
    checking: Callable[..., Any],
) -> None:
    """By a signed receipt, though the seal was made before: the time of receipt counts."""
    accepted = await world.submit("H01")
    _revoke(learner, copied)

    with checking("tinh", learner.check):
        answer = await neighbour.carry(accepted)

    [evidence] = read_receipt(answer.document).evidence
    assert evidence.event is Event.RELAY_REJECTION
    assert evidence.reason is Reason.REVOKED_CERTIFICATE
    assert "keyCompromise" in evidence.detail


@pytest.mark.parametrize("policy", list(OnUnknown))
async def test_unknown_is_what_the_policy_makes_of_it(
    world: Any,
    neighbour: Neighbour,
    learner: Learner,
    checking: Callable[..., Any],
    policy: OnUnknown,
) -> None:
    """Held: put off without evidence, nothing stored, and it comes again. Accepted: with a finding."""
    accepted = await world.submit("H01")
    learner.unknown[Purpose.AGENCY] = policy

    with checking("tinh", learner.check):
        if policy is OnUnknown.HOLD:
            with pytest.raises(UncertainError, match="come again"):
                await neighbour.carry(accepted)
            assert await neighbour.journal.message(accepted.message_id) is None
            return
        answer = await neighbour.carry(accepted)
    [*_, evidence] = read_receipt(answer.document).evidence
    taken = policy is OnUnknown.ACCEPT
    assert (evidence.event is Event.CONTENT_CONSIGNMENT) is taken
    assert (evidence.reason is Reason.BAD_SEAL) is not taken


async def test_a_receipt_by_a_revoked_node_settles_nothing(
    world: Any, learner: Learner, copied: Authority, checking: Callable[..., Any]
) -> None:
    """Its answer proves nothing: the delivery stays in doubt, and is asked for again."""
    accepted = await world.submit("H01")
    _revoke(learner, copied, "nodes/tinh/sign.pem")

    with checking("xa", learner.check):
        async with world.run():
            await world.reach(accepted.message_id, "in-doubt")


async def test_a_receipt_whose_signer_is_not_known_comes_again(
    world: Any, learner: Learner, checking: Callable[..., Any]
) -> None:
    """With the policy hold it is no fault of the receipt: refused it would be parked."""
    accepted = await world.submit("H01")
    async with world.run():
        await world.reach(accepted.message_id, "relayed")
    receipt = next(iter(world.wire.answers.values()))
    learner.unknown[Purpose.SIGN] = OnUnknown.HOLD

    with checking("xa", learner.check), pytest.raises(TransportError, match="come again"):
        await world.dispatcher.returns.take(UP, [receipt])


# ---------------------------------------------------------------- connections, bridges


async def test_a_neighbour_whose_certificate_is_revoked_is_no_peer_any_more(
    world: Any, learner: Learner, copied: Authority, keys: dict[str, Any]
) -> None:
    """It is not believed at the next handshake, and what stands on the certificate is closed at once."""
    path = copied.path("nodes/tinh/tls.pem", Purpose.TLS)
    trust = TrustStore([(copied.folder / "root" / "root.pem").read_bytes()])
    trust.check = learner.check
    peers = NodePeers(trust, world.clock.now)
    chain = certificates_of((copied.folder / "nodes" / "tinh" / "tls.pem").read_bytes())
    closed: list[str] = []
    learner.holding.revoked = closed.append
    assert peers(chain) == UP

    copied.revoke("nodes/tinh/tls.pem")
    learner.tell(copied, "root/root", "branches/tinh-h01/ca", path=path)

    with pytest.raises(SignatureError) as caught:
        peers(chain)
    assert caught.value.reason == "revoked-certificate"
    await _look(learner)
    assert closed == [path.leaf.sha256]


async def test_what_cannot_be_sealed_stays_at_the_remote() -> None:
    """A gateway whose certificate was revoked takes no package in, and refuses none."""

    class Revoked:
        def seal_entered(self, *_: object) -> Any:
            raise SignatureError("revoked-certificate", "revoked since yesterday")

    class Package:
        class envelope:  # noqa: N801
            digest = "0" * 64

    desk: Any = object.__new__(EntryDesk)
    object.__setattr__(desk, "notary", Revoked())
    with pytest.raises(OverloadError, match="revoked since yesterday"):
        desk._sealed(Package(), None)

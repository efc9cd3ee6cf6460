"""The node's own `sign` certificate is revoked: what it must not say any more, and what goes on under the next one
(docs/security.md R13, docs/adr/0045)."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.errors import KeyUnavailableError, PeerError, UnansweredError
from relay.model import NodeId
from relay.signing import pki
from relay.signing.certificates import Purpose
from relay.signing.keys import Signer
from relay.signing.pki_words import KeyType
from relay.signing.revocation import checking
from relay.signing.verifier import signer_of
from tests.delivery.revocation.conftest import Authority, Learner

UP = NodeId("tinh")
SIGN = "nodes/xa/sign.pem"


@pytest.fixture
def lost(world: Any, keys: dict[str, Any]) -> Any:
    """The notary of `xa`, apart from that of the other tests: it will be renewed."""
    notary = replace(keys["xa"])
    world.build(notary)
    return notary


def _next(copied: Authority) -> Signer:
    """As `relay cert install` brings it."""
    shutil.rmtree(copied.folder / "nodes" / "xa")
    branch, now = "tinh-h01", datetime.now(UTC)
    pki.issue_node(copied.folder, "xa", branch, key=KeyType.P256, now=now, days=1)
    return Signer.load(copied.folder / SIGN, copied.folder / "nodes/xa/sign.key.pem")


def _refuses(world: Any, certificate: str) -> None:
    """The neighbour knows that this one is revoked."""
    world.wire.failing = lambda *_: (
        PeerError("HTTP 422 from the neighbour: the sign certificate is revoked")
        if signer_of(world.wire.signatures[-1]) == certificate
        else None
    )


async def _freed(world: Any) -> list[str]:
    told = [parse(one.leaf) for one in await world.journal.entries(0, 10_000)]
    return [one["reason"] for one in told if one["event"] == "transfer-freed"]


async def test_what_was_frozen_under_a_revoked_certificate_goes_under_the_next(
    world: Any, lost: Any, copied: Authority
) -> None:
    """Nobody took it, and nobody ever would: another transfer, once, and the same document."""
    before = lost.signer
    _refuses(world, copied.path(SIGN, Purpose.SIGN).leaf.sha256)
    accepted = await world.submit("H01")
    async with world.run():
        await world.until(lambda: len(world.wire.carried) > 2)
        assert len({one.transfer_id for one in world.wire.carried}) == 1

        lost.renew(_next(copied), lost.agencies, lost.gateway)
        await world.reach(accepted.message_id, "relayed")

    assert before.chain[0] != lost.signer.chain[0]
    assert len({one.transfer_id for one in world.wire.carried}) == 2
    assert {one.message_id for one in world.wire.carried} == {accepted.message_id}
    assert await _freed(world) == ["certificate"]
    assert world.wire.asked == []


async def test_one_that_may_have_been_taken_is_asked_about_first(
    world: Any, lost: Any, copied: Authority
) -> None:
    """The neighbour took it before it knew, and its answer was lost: that answer counts, and nothing goes twice."""
    accepted = await world.submit("H01")
    world.wire.failing = lambda *_: UnansweredError("cut")
    async with world.run():
        await world.reach(accepted.message_id, "in-doubt")
        world.wire.answer(UP, world.wire.carried[0])
        _refuses(world, copied.path(SIGN, Purpose.SIGN).leaf.sha256)
        lost.renew(_next(copied), lost.agencies, lost.gateway)
        await world.reach(accepted.message_id, "relayed")

    assert world.wire.asked
    assert len({one.transfer_id for one in world.wire.carried}) == 1
    assert await _freed(world) == []


async def test_a_refusal_under_the_present_certificate_frees_nothing(world: Any, lost: Any) -> None:
    """Whatever is wrong with it, another signature by the same certificate would not mend it."""
    await world.submit("H01")
    world.wire.failing = lambda *_: PeerError("HTTP 422 from the neighbour: something")
    async with world.run():
        await world.until(lambda: len(world.wire.carried) > 3)

    assert len({one.transfer_id for one in world.wire.carried}) == 1
    assert await _freed(world) == []


async def test_no_receipt_is_given_under_a_revoked_certificate(
    world: Any, lost: Any, copied: Authority
) -> None:
    """An acceptance that nobody would ever believe is none: put off until the next certificate is there."""
    learner = Learner(world)
    lost.revocation = learner.check
    path = copied.path(SIGN, Purpose.SIGN)
    learner.check.look(path)
    await world.submit("H01")
    copied.revoke(SIGN)
    learner.tell(copied, "root/root", "branches/tinh-h01/ca", path=path)

    with pytest.raises(KeyUnavailableError, match="sign certificate is revoked since"):
        await world.submit("H01")

    lost.renew(_next(copied), lost.agencies, lost.gateway)
    await world.submit("H01")


async def test_its_own_standing_is_not_forgotten_for_others(
    world: Any, lost: Any, copied: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node of a large network meets more signers than it remembers, its own the first of all."""
    learner = Learner(world)
    lost.revocation = learner.check
    path = copied.path(SIGN, Purpose.SIGN)
    learner.check.look(path)
    learner.check.ours = (path.leaf.sha256,)
    copied.revoke(SIGN)
    learner.tell(copied, "root/root", "branches/tinh-h01/ca", path=path)

    monkeypatch.setattr(checking, "MOST_PATHS", 1)
    others = [
        copied.path(f"nodes/{name}/sign.pem", Purpose.SIGN) for name in ("tinh", "thon", "ban")
    ]
    for one in others:
        learner.check.look(one)

    assert "is revoked since" in str(lost.no_receipts())
    assert [learner.check.told(one.leaf.sha256) is None for one in others] == [True, True, False]

"""Statements of revocation go by hand with what they are about, and count before it is judged (W7.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from relay.delivery.carry.stating import content_of
from relay.delivery.revocation.by_hand import StatementsByHand
from relay.delivery.revocation.stapling import Stapler
from relay.errors import JournalError, SignatureError, UncertainError, WireError
from relay.model import Digest, digest_of
from relay.signing.certificates import Purpose
from relay.signing.revocation.checking import OnUnknown
from relay.signing.revocation.signers import KnownSigners
from relay.signing.revocation.verdicts import RevocationState
from relay.wire.carry import CarriedContainer, Manifest, read_carry
from relay.wire.container import read_receipts
from relay.wire.receipt import read_receipt
from relay.wire.statements import (
    CONTENT_LIMIT_BYTES,
    Stapled,
    read_statements,
    write_statements,
)
from tests.delivery.carry.conftest import OPERATOR
from tests.delivery.carry.test_hostile_files import Entries, packed, signed_by, unpacked
from tests.delivery.revocation.conftest import Authority, Learner, checking, copied

__all__ = ["checking", "copied"]
Post = Any
AGENCY = "agencies/H01.15.pem"
LISTS = ("root/root", "branches/tinh-h01/ca")
FIRST = "statements/0001.xml"
Use = Callable[..., Any]


@dataclass
class Knows:
    """A node that checks for revocation, and what it knows of it."""

    post: Post
    learner: Learner
    stapler: Stapler
    authority: Authority

    def path(self, name: str) -> Any:
        purpose = Purpose.AGENCY if "agencies" in name else Purpose.SIGN
        return self.authority.path(name, purpose)

    def chain(self, name: str) -> tuple[bytes, ...]:
        path = self.path(name)
        found = (path.leaf.certificate, *path.issuers)
        return tuple(one.public_bytes(Encoding.DER) for one in found)

    async def learns(self, name: str = AGENCY, *, ours: bool = False) -> None:
        """What the authorities say of that certificate; `ours` is one that the node speaks with."""
        now = self.post.clock.now()
        for branch in LISTS:
            content = self.authority.crl(branch, now)
            await self.stapler.take_in(self.post.name, [Stapled(self.chain(name), content)])
        if ours:
            path = self.path(name)
            self.learner.verdict(path)
            self.learner.check.ours = (path.leaf.sha256,)

    def state(self, name: str = AGENCY) -> RevocationState:
        return self.learner.verdict(self.path(name)).state


@pytest.fixture
def knows(copied: Authority, checking: Use) -> Iterator[Callable[..., Knows]]:
    """Makes a node check: what it has no statement of, it puts off where its policy says so."""
    with ExitStack() as stack:

        def make(post: Post, *held: Purpose) -> Knows:
            learner = Learner(post, unknown=dict.fromkeys(held, OnUnknown.HOLD))
            signers = KnownSigners(post.keys[post.name].trust, learner.check)
            wire: Any = None  # there is no link
            stapler = Stapler(
                signers, wire, learner.table, post.clock, learner.held.wake, frozenset()
            )
            post.carries(StatementsByHand(stapler))
            stack.enter_context(checking(post.name, learner.check))
            return Knows(post, learner, stapler, copied)

        yield make


def manifest(file: bytes) -> Manifest:
    return read_carry(unpacked(file)["carry.xml"])


def statements_in(file: bytes) -> list[list[Stapled]]:
    return [
        list(read_statements(content))
        for name, content in unpacked(file).items()
        if name.startswith("statements/")
    ]


def with_statements(post: Post, entries: Entries, *containers: bytes) -> bytes:
    """The same file, signed anew, with these in the place of its statements."""
    rest = {n: c for n, c in entries.items() if not n.startswith(("carry", "statements/"))}
    named = {f"statements/{n + 1:04}.xml": one for n, one in enumerate(containers)}
    head = {name: entries[name] for name in ("carry.xml", "carry-signature.xml")}
    told = tuple(CarriedContainer(digest_of(one), len(one)) for one in containers)
    return signed_by(post, {**head, **named, **rest}, statements=told)


# ---------------------------------------------------------------- what they change


async def test_what_is_put_off_without_statements_is_taken_with_them(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """The reader can reach nobody; it knows what the file says, and after a restart as well."""
    here, there = knows(xa), knows(tinh, Purpose.AGENCY)
    await here.learns()
    await xa.send()

    told, nothing = await tinh.take(await xa.export(statements=False))
    assert (told.put_off, told.answered, told.statements, nothing) == (1, 0, 0, None)
    told, answers = await tinh.take(await xa.export())

    assert (told.put_off, told.answered, told.refused, told.statements) == (0, 1, 0, 2)
    assert there.state() is RevocationState.VALID
    again = Learner(tinh)
    await again.keeper.start()
    assert again.verdict(there.path(AGENCY)).state is RevocationState.VALID
    back, _ = await xa.take(answers)
    assert back.settled == 1
    _, entry = await tinh.entries("carry-imported")
    assert entry["statements"] == 2


async def test_a_revocation_that_came_by_hand_refuses_what_came_with_it(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """With evidence, as by wire."""
    here, there = knows(xa), knows(tinh)
    await xa.send()
    here.authority.revoke(AGENCY, later=timedelta(seconds=-1))
    await here.learns()

    told, answers = await tinh.take(await xa.export())

    assert (told.answered, told.refused) == (1, 1)
    assert there.state() is RevocationState.REVOKED
    (signed,) = read_receipts(unpacked(answers)["answers/0001.xml"], 1 << 20)
    (evidence,) = read_receipt(signed.document).evidence
    assert str(evidence.reason) == "revoked-certificate"
    assert await tinh.came() == []


async def test_the_answer_brings_the_receivers_own_statements_back(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """The sender, which puts off what it cannot judge, settles by what came with the receipts."""
    here, there = knows(xa, Purpose.SIGN), knows(tinh)
    message_id = await xa.send()
    await there.learns("nodes/tinh/sign.pem", ours=True)
    file = await xa.export()

    _, without = await tinh.take(file)
    assert manifest(without).statements == (), "whoever wrote none may read none"
    with pytest.raises(UncertainError):
        await xa.take(without)
    assert await xa.states(message_id) == {"in-doubt"}
    about_it = Stapled(here.chain(AGENCY), b"not much")
    _, answers = await tinh.take(with_statements(xa, unpacked(file), write_statements([about_it])))

    told, _ = await xa.take(answers)
    assert (told.settled, told.statements) == (1, 2)
    assert await xa.states(message_id) == {"available"}


async def test_a_file_may_say_itself_that_its_signer_is_not_revoked(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """A reader that puts off nodes it knows nothing of reads the statements first, and then believes the
    manifest; one that says nothing of it is put off whole, and nothing of it is used."""
    here, there = knows(xa), knows(tinh, Purpose.SIGN, Purpose.AGENCY)
    await here.learns()
    await here.learns("nodes/xa/sign.pem", ours=True)
    await xa.send()
    silent = await xa.export(statements=False)

    with pytest.raises(UncertainError, match="come again"):
        await tinh.take(silent)
    assert [e["reason"] for e in await tinh.entries("carry-refused")] == ["revocation-unknown"]
    told, _ = await tinh.take(await xa.export())

    assert (told.answered, told.statements) == (1, 2)
    assert there.state("nodes/xa/sign.pem") is RevocationState.VALID
    told, _ = await tinh.take(silent)
    assert told.answered == 1


@pytest.mark.parametrize("held", [(), (Purpose.SIGN,)], ids=["accept", "hold"])
async def test_a_file_by_a_revoked_node_is_refused_by_what_it_says(
    xa: Post, tinh: Post, knows: Use, held: tuple[Purpose, ...]
) -> None:
    """Before anything else of it is used, whatever the reader's policy is."""
    here, _ = knows(xa), knows(tinh, *held)
    await xa.send()
    here.authority.revoke("nodes/xa/sign.pem", later=timedelta(seconds=-1))
    await here.learns("nodes/xa/sign.pem", ours=True)
    with pytest.raises(SignatureError, match="is revoked"):
        await tinh.take(await xa.export())
    assert [e["reason"] for e in await tinh.entries("carry-refused")] == ["revoked-certificate"]
    assert await tinh.came() == []


# ---------------------------------------------------------------- what is written


async def test_statements_stand_before_everything_else_and_each_once(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """However many documents rest on them."""
    here = knows(xa)
    await here.learns()
    for _ in range(3):
        await xa.send()

    file = await xa.export()

    assert list(unpacked(file))[:3] == ["carry.xml", "carry-signature.xml", FIRST]
    (found,) = statements_in(file)
    assert len({one.content for one in found}) == len(found) == 2
    assert {one.chain for one in found} == {here.chain(AGENCY)}


async def test_signers_that_were_met_before_a_restart_are_known(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """What is stored comes back at the start; who signed what waits is found by the signatures."""
    here = knows(xa)
    await here.learns()
    await xa.send()
    restarted = knows(xa)
    await restarted.learner.keeper.start()
    assert restarted.learner.check.path_of(here.path(AGENCY).leaf.sha256) is None

    assert [len(found) for found in statements_in(await xa.export())] == [2]


async def test_where_nothing_is_checked_nothing_is_written_and_what_comes_is_passed_over(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """As it was before statements went by hand."""
    here = knows(xa)
    await here.learns()
    await tinh.send()
    plain = await tinh.export()
    await xa.send()

    told, answers = await tinh.take(await xa.export())

    assert manifest(plain).statements == ()
    assert (told.answered, told.statements, told.broken) == (1, 0, "")
    assert manifest(answers).statements == ()


async def test_a_large_list_stands_alone_behind_the_others(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """And counts over there."""
    here, there = knows(xa), knows(tinh, Purpose.AGENCY)
    here.authority.long["branches/tinh-h01/ca"] = 9_000
    await here.learns()
    await xa.send()

    file = await xa.export()
    told, _ = await tinh.take(file)

    small, large = statements_in(file)
    assert [len(found) for found in (small, large)] == [1, 1]
    assert len(small[0].content) < CONTENT_LIMIT_BYTES < len(large[0].content)
    assert (told.answered, told.statements) == (1, 2)
    assert there.state() is RevocationState.VALID


async def test_documents_go_before_statements(xa: Post, tinh: Post, knows: Use) -> None:
    """What finds no room beside them goes without; the first document may take all the room."""
    here = knows(xa)
    here.authority.long["branches/tinh-h01/ca"] = 9_000
    await here.learns()
    await xa.send(padding=bytes(600_000))

    file = await xa.export(1 << 20)

    assert len(file) <= 1 << 20
    assert len(manifest(file).payloads) == 1
    assert [len(found) for found in statements_in(file)] == [1], "the small one"


async def test_room_is_kept_for_statements_beside_many_documents(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """They are small, and without them none of the documents may count."""
    here = knows(xa)
    await here.learns()
    for _ in range(12):
        await xa.send(padding=bytes(70_000))

    file = await xa.courier.export(OPERATOR, xa.other, 1 << 20, "")
    content = await xa.written(file)

    assert file.more
    assert len(content) <= 1 << 20
    assert [len(found) for found in statements_in(content)] == [2]


async def test_a_statement_that_is_gone_breaks_the_file_off(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """A newer one took its place while the file was written: no file is better than one of other bytes."""
    here = knows(xa)
    await here.learns()
    await xa.send()
    file = await xa.courier.export(OPERATOR, xa.other, 1 << 30, "")

    async def nothing(_: list[Digest]) -> dict[Digest, bytes]:
        return {}

    door: Any = type("Gone", (), {"contents": staticmethod(nothing)})
    with pytest.raises(JournalError, match="write the file again"):
        await content_of(file.statements[0], door)
    assert await xa.written(file)


# ---------------------------------------------------------------- hostile and damaged


async def test_what_proves_nothing_does_not_stand_in_the_way(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """No container, no statement, a forged one, one of another chain: the rest counts."""
    here, there = knows(xa), knows(tinh, Purpose.AGENCY)
    await here.learns()
    await xa.send()
    entries = unpacked(await xa.export())
    (good,) = statements_in(packed(entries))
    chain, content = good[0].chain, good[0].content
    flipped = content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]
    bad = [Stapled(chain, flipped), Stapled((b"x",), content), Stapled(chain, b"x")]
    file = with_statements(
        xa, entries, b"none", write_statements(bad), write_statements([*bad, *good])
    )

    told, _ = await tinh.take(file)

    assert (told.stray, told.statements, told.answered, told.broken) == (1, 2, 1, "")
    assert there.state() is RevocationState.VALID


async def test_a_damaged_entry_costs_its_own_statements(xa: Post, tinh: Post, knows: Use) -> None:
    """It is counted, what rests on it is put off, and the same file, whole, is taken."""
    here, _ = knows(xa), knows(tinh, Purpose.AGENCY)
    await here.learns()
    await xa.send()
    file = await xa.export()
    entries = unpacked(file)
    changed = entries[FIRST][:-40] + bytes([entries[FIRST][-40] ^ 1]) + entries[FIRST][-39:]

    told, _ = await tinh.take(packed({**entries, FIRST: changed}))
    assert (told.damaged, told.put_off, told.statements, told.broken) == (1, 1, 0, "")
    told, _ = await tinh.take(file)
    assert (told.damaged, told.answered) == (0, 1)


async def test_a_second_import_repeats_nothing(xa: Post, tinh: Post, knows: Use) -> None:
    """What was news is none any more, and the answers are those of before."""
    here, _ = knows(xa), knows(tinh, Purpose.AGENCY)
    await here.learns()
    await xa.send()
    file = await xa.export()

    first, answers = await tinh.take(file)
    second, same = await tinh.take(file)

    assert (first.statements, second.statements) == (2, 0)
    assert second.answered == 1
    assert unpacked(same)["answers/0001.xml"] == unpacked(answers)["answers/0001.xml"]
    assert len(await tinh.came()) == 1


async def test_an_entry_longer_than_any_container_is_not_read(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """Nothing so large comes into memory."""
    here, _ = knows(xa), knows(tinh)
    await here.learns()
    await xa.send()
    file = with_statements(xa, unpacked(await xa.export()), bytes(12 << 20))

    with pytest.raises(WireError, match="limit"):
        await tinh.take(file)
    assert await tinh.came() == []

"""Statements of revocation go by hand with what they are about, and count before it is judged (W7.9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from relay.errors import SignatureError, UncertainError, WireError
from relay.signing.certificates import Purpose
from relay.signing.revocation.verdicts import RevocationState
from relay.wire.container import read_receipts
from relay.wire.receipt import read_receipt
from relay.wire.statements import (
    Stapled,
    write_statements,
)
from tests.delivery.carry.knowing import (
    AGENCY,
    FIRST,
    knows,
    manifest,
    statements_in,
    with_statements,
)
from tests.delivery.carry.test_hostile_files import packed, unpacked
from tests.delivery.revocation.conftest import Learner, checking, copied

__all__ = ["checking", "copied", "knows"]
Post = Any
Use = Callable[..., Any]


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

    _, asked = await tinh.take(file, statements=True)
    assert len(manifest(asked).statements) == len(manifest(answers).statements) == 1

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

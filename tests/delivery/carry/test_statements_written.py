"""Which statements of revocation a carry file takes along, and where operators meet them (W7.9)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relay.delivery.carry.exporting import _FRAME_BYTES, _PER_PAYLOAD_BYTES, _PER_TRANSFER_BYTES
from relay.delivery.carry.stating import content_of
from relay.errors import JournalError
from relay.model import Digest
from relay.signing.certificates import Purpose
from relay.signing.revocation.verdicts import RevocationState
from relay.wire.statements import (
    CONTENT_LIMIT_BYTES,
)
from tests.delivery.carry.conftest import OPERATOR
from tests.delivery.carry.knowing import (
    AGENCY,
    FIRST,
    knows,
    manifest,
    statements_in,
)
from tests.delivery.carry.test_carry_api import _face
from tests.delivery.carry.test_hostile_files import unpacked
from tests.delivery.revocation.conftest import checking, copied

__all__ = ["checking", "copied", "knows"]
Post = Any
Use = Callable[..., Any]


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


def _room_for(file: bytes) -> int:
    """The limit under which all documents of this file have room, and nothing else has."""
    found = manifest(file)
    contents = [c for n, c in unpacked(file).items() if n.startswith(("transfers/", "payloads/"))]
    beside = _PER_TRANSFER_BYTES * len(list(found.transfer_ids))
    beside += _PER_PAYLOAD_BYTES * len(found.payloads)
    return _FRAME_BYTES + beside + sum(map(len, contents))


async def test_room_is_kept_for_statements_beside_several_documents(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """They are small, and without them none of the documents may count."""
    here = knows(xa)
    await here.learns()
    for _ in range(8):
        await xa.send(padding=bytes(20_000))
    limit = _room_for(await xa.export(statements=False))

    file = await xa.courier.export(OPERATOR, xa.other, limit, "")
    content = await xa.written(file)

    assert file.more
    assert len(file.manifest.payloads) in {6, 7}
    assert [len(found) for found in statements_in(content)] == [2]
    assert len(content) <= limit


async def test_the_first_document_may_have_the_room_of_the_statements(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """Or a large one would never go."""
    here = knows(xa)
    await here.learns()
    await xa.send(padding=bytes(200_000))
    limit = _room_for(await xa.export(statements=False))

    file = await xa.export(limit)

    assert len(manifest(file).payloads) == 1
    assert statements_in(file) == []
    assert len(file) <= limit


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


# ---------------------------------------------------------------- by HTTP and at the terminal


async def test_operators_may_leave_them_out(
    xa: Post, tinh: Post, knows: Use, tmp_path: Path
) -> None:
    """For a node of an earlier release; what goes along and what was news is told."""
    here, _ = knows(xa), knows(tinh, Purpose.AGENCY)
    await here.learns()
    await xa.send()
    with_them, without = tmp_path / "with.carry", tmp_path / "without.carry"
    async with _face(xa) as at_xa, _face(tinh) as at_tinh:
        out = await at_xa.relay("carry", "export", "tinh", without, "--without-statements")
        assert out.exit_code == 0, out.stderr
        in_ = await at_tinh.relay("carry", "import", without)
        assert in_.exit_code == 75
        assert "nobody says whether a certificate is revoked" in in_.stderr
        out = await at_xa.relay("carry", "export", "tinh", with_them)
        assert "2 statements of revocation go along" in out.stderr
        in_ = await at_tinh.relay("carry", "import", with_them)
        assert in_.exit_code == 0
        assert "2 statements of revocation were news here" in in_.stderr
        back = tmp_path / "asked.carry"
        words = ("carry", "import", without, "--receipts", back, "--with-statements")
        in_ = await at_tinh.relay(*words)
        assert in_.exit_code == 0, in_.stderr
    assert len(manifest(back.read_bytes()).statements) == 1
    assert manifest(without.read_bytes()).statements == ()
    assert len(manifest(with_them.read_bytes()).statements) == 1


async def test_the_face_tells_how_many_and_takes_no_other_word(
    xa: Post, tinh: Post, knows: Use
) -> None:
    """In Relay-Carry, of what is written and of what was taken."""
    here, _ = knows(xa), knows(tinh)
    await here.learns()
    await xa.send()
    told: list[int] = []
    async with (
        _face(xa) as at_xa,
        _face(tinh) as at_tinh,
        at_xa.session() as out,
        at_tinh.session() as in_,
    ):
        for query in ({"statements": "false"}, {"statements": "true"}, {}):
            async with out.post("/v1/carry/tinh", params=query) as response:
                told.append(json.loads(response.headers["Relay-Carry"])["statements"])
                file = await response.read()
        async with out.post("/v1/carry/tinh", params={"statements": "no"}) as response:
            assert response.status == 400
            assert (await response.json(content_type=None))["parameter"] == "statements"
        async with in_.post("/v1/carry", data=file) as response:
            told.append(json.loads(response.headers["Relay-Carry"])["statements"])
    assert told == [0, 2, 2, 2]

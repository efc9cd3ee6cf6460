"""What a witness cosigns and what it refuses: C2SP tlog-witness, and the table of witness/judging.py."""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from relay.audit.add_checkpoint import PROOF_LINES, SIZE_TYPE, AddCheckpoint, write_request
from relay.audit.checkpoint import NOTE_LIMIT_BYTES, head_of, note_body, sign_note
from relay.audit.cosignature import answered
from relay.audit.tree import EMPTY_ROOT
from relay.errors import NotFoundError, OverloadError
from relay.model import NodeId


async def test_every_pair_of_heads_of_a_run_is_consistent_to_the_witness(
    found_witness: Any, make_log: Any
) -> None:
    """W15.4: each head of a run, from each that was held before it; each cosignature holds."""
    log = make_log().grow(20)
    witness = await found_witness(log)
    for number, (held, size) in enumerate(
        itertools.combinations_with_replacement(range(0, 21, 4), 2)
    ):
        log = replace(log, node="xa", name=f"log.example/{number}")
        witness.desk.others = {log.origin: log.key.believed}
        if held:
            assert (await witness.add(log.request(0, held))).status == 200
        if size:
            answer = await witness.add(log.request(held, size))
            assert (answer.status, held, size) == (200, held, size)
            assert answered(log.note(size), answer.body, witness.cosigner).at == witness.at


async def test_a_log_that_nobody_knows_is_told_404(found_witness: Any, make_log: Any) -> None:
    """W15.4: neither one that is no neighbour's, nor a name that no node gives its log."""
    witness = await found_witness()
    for log in (
        make_log("ngoai").grow(1),
        make_log(name="log.example/x").grow(1),
        make_log(name="truc-relay.example/log/xa/007").grow(1),
        make_log(name="truc-relay.example/log/xa/1-").grow(1),
    ):
        assert (await witness.add(log.request(0))).status == 404


async def test_a_signature_by_another_key_is_told_403(
    found_witness: Any, make_log: Any, make_key: Any
) -> None:
    """Whatever else stands in the note; the neighbour is asked for a newer key once a minute at most."""
    log = make_log().grow(3)
    witness = await found_witness(log)
    stranger = replace(log, key=make_key())

    answers = [await witness.add(stranger.request(0)) for _ in range(3)]

    assert [one.status for one in answers] == [403, 403, 403]
    assert answers[0].body.startswith(b"unsigned: ")
    assert witness.keys.asked == 1
    assert await witness.table.watched() == []


async def test_a_renewed_key_is_asked_for_and_the_log_goes_on_under_it(
    found_witness: Any, make_log: Any, make_key: Any
) -> None:
    """W15.3: rotation; what was held is proven from, as before."""
    log = make_log().grow(3)
    witness = await found_witness(log)
    assert (await witness.add(log.request(0))).status == 200
    renewed = replace(log, key=make_key()).grow(2)
    witness.keys.renewed = {"xa": renewed.key}

    assert (await witness.add(renewed.request(3))).status == 200


async def test_a_size_that_is_not_held_is_told_409_with_the_one_that_is(
    found_witness: Any, make_log: Any
) -> None:
    """W15.4: first contact, a repeat, an old note replayed: none of it a fault, none an entry."""
    log = make_log().grow(9)
    witness = await found_witness(log)

    first = await witness.add(log.request(4))
    assert (first.status, first.body, first.content_type) == (409, b"0\n", SIZE_TYPE)
    assert (await witness.add(log.request(0, 7))).status == 200
    for body in (log.request(0, 7), log.request(0, 3), log.request(3, 5), log.request(5)):
        answer = await witness.add(
            body, by="xb"
        )  # its own node would not: test_witness_rollbacks.py
        assert (answer.status, answer.body, answer.content_type) == (409, b"7\n", SIZE_TYPE)

    assert await witness.events() == []
    assert await witness.table.alarms() == []


async def test_the_head_held_is_cosigned_again_when_asked(
    found_witness: Any, make_log: Any
) -> None:
    """An answer that was lost is had again, with a new time."""
    log = make_log().grow(5)
    witness = await found_witness(log)
    await witness.add(log.request(0))

    answer = await witness.add(log.request(5))

    assert answered(log.note(), answer.body, witness.cosigner).at == witness.at


async def test_a_proof_that_leads_nowhere_is_told_422_and_is_no_fork(
    found_witness: Any, make_log: Any
) -> None:
    """A bug, damage, or somebody's play with old notes: not cosigned, and no alarm."""
    log = make_log().grow(9)
    witness = await found_witness(log)
    await witness.add(log.request(0, 5))
    proof = log.proof(5)
    for spoilt in (
        proof[:-1],
        [*proof, bytes(32)],
        [bytes(32), *proof[1:]],
        [*proof[:-1], bytes(32)],
        [],
    ):
        body = write_request(AddCheckpoint(5, tuple(spoilt), log.note()))
        assert (await witness.add(body)).status == 422

    assert await witness.table.alarms() == []
    assert (await witness.add(log.request(5))).status == 200


async def test_a_proof_where_none_belongs_is_told_422(found_witness: Any, make_log: Any) -> None:
    """From nothing to a head, and from a head to itself."""
    log = make_log().grow(4)
    witness = await found_witness(log)
    extra = (bytes(32),)
    assert (await witness.add(write_request(AddCheckpoint(0, extra, log.note())))).status == 422
    await witness.add(log.request(0))
    assert (await witness.add(write_request(AddCheckpoint(4, extra, log.note())))).status == 422


async def test_an_empty_log_has_the_root_of_nothing(found_witness: Any, make_log: Any) -> None:
    """Size 0 is a head like any other, and only one root is its."""
    log = make_log()
    witness = await found_witness(log)
    body = note_body(log.origin, 0, bytes(32))
    wrong = sign_note(body, log.origin, log.key.public, log.key.private.sign)
    assert (await witness.add(write_request(AddCheckpoint(0, (), wrong)))).status == 422
    assert (await witness.add(log.request(0))).status == 200
    assert (await _held(witness, log)).root == EMPTY_ROOT
    assert (await witness.add(log.grow(3).request(0))).status == 200


async def _held(witness: Any, log: Any) -> Any:
    rows = await witness.journal.rows(
        "SELECT note FROM witness_logs WHERE origin = ?", (log.origin,)
    )
    return head_of(bytes(rows[0][0]))


def _hostile(log: Any) -> dict[str, bytes]:
    note = log.note()
    line = b64encode(bytes(32))
    signature = note.split(b"\n\n")[1]
    return {
        "nothing": b"",
        "an empty line": b"\n",
        "no checkpoint": b"old 0\n\n",
        "no empty line": b"old 0\n" + note.replace(b"\n\n", b"\n"),
        "no old line": b"\n\n" + note,
        "another word": b"new 0\n\n" + note,
        "two spaces": b"old  0\n\n" + note,
        "a negative size": b"old -1\n\n" + note,
        "a plus sign": b"old +1\n\n" + note,
        "a leading zero": b"old 00\n\n" + note,
        "another digit": "old ١\n\n".encode() + note,
        "a size with a space behind": b"old 0 \n\n" + note,
        "a size over 2^63": b"old 9223372036854775808\n\n" + note,
        "a thousand digits": b"old " + b"1" * 1000 + b"\n\n" + note,
        "carriage returns": b"old 0\r\n\r\n" + note,
        "old over the size": b"old 4\n\n" + note,
        "64 proof lines": b"old 1\n" + (line + b"\n") * (PROOF_LINES + 1) + b"\n" + note,
        "a short hash": b"old 1\n" + b64encode(bytes(31)) + b"\n\n" + note,
        "base64 without padding": b"old 1\n" + line.rstrip(b"=") + b"\n\n" + note,
        "base64 in another form": b"old 1\n" + line[:-2] + b"B=\n\n" + note,
        "url-safe base64": b"old 1\n" + b64encode(b"\xff" * 32, b"-_") + b"\n\n" + note,
        "bytes that are no text": b"old 0\n\n" + bytes(range(128, 256)) + b"\n\n" + signature,
        "a size that is no number": b"old 0\n\n" + note.replace(b"\n3\n", b"\n03\n"),
        "65 signatures": b"old 0\n\n" + note + signature * 64,
        "a signature line of nothing": b"old 0\n\n" + note + "— x\n".encode(),
        "a huge note": b"old 0\n\n" + b"x" * NOTE_LIMIT_BYTES + note,
        "a note without end": b"old 0\n\n" + note[:-1],
    }


HOSTILE = tuple(
    _hostile(type("Shape", (), {"note": lambda _: b"o\n3\nr\n\n\xe2\x80\x94 o c2ln\n"})())
)


@pytest.mark.parametrize("fault", HOSTILE)
async def test_a_malformed_request_is_told_400(
    found_witness: Any, make_log: Any, fault: str
) -> None:
    """W15.4: hostile bytes cost little and change nothing."""
    log = make_log().grow(3)
    witness = await found_witness(log)

    answer = await witness.add(_hostile(log)[fault])

    assert (answer.status, answer.body[:11]) == (400, b"malformed: ")
    assert await witness.table.watched() == []


async def test_signatures_by_others_are_passed_over(found_witness: Any, make_log: Any) -> None:
    """The log's own among 64 counts, and the cosignature is of the text alone."""
    log = make_log().grow(3)
    witness = await found_witness(log)
    others = b"".join(
        "— w{n}.example AAAAAAAA\n".replace("{n}", str(n)).encode() for n in range(63)
    )
    body = write_request(AddCheckpoint(0, (), log.note() + others))

    answer = await witness.add(body)

    assert answer.status == 200
    assert answer.body.count(b"\n") == 1
    assert answered(log.note(), answer.body, witness.cosigner)


async def test_of_two_that_race_from_one_size_only_one_is_cosigned(
    found_witness: Any, make_log: Any
) -> None:
    """W15.5: the standard's race: none of them rolls the other back."""
    log = make_log().grow(3)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    log.grow(6)

    answers = await asyncio.gather(*(witness.add(log.request(3, size)) for size in (5, 9, 7, 4, 9)))

    statuses = [one.status for one in answers]
    assert statuses.count(200) == 1
    assert statuses.count(409) == 4
    won = (5, 9, 7, 4, 9)[statuses.index(200)]
    assert (await witness.table.watched())[0].size == won


async def test_more_at_once_than_may_be_are_told_to_come_again(
    found_witness: Any, make_log: Any
) -> None:
    """Bounded: nothing waits without end."""
    log = make_log().grow(3)
    witness = await found_witness(log)

    found = await asyncio.gather(
        *(witness.add(log.request(0)) for _ in range(20)), return_exceptions=True
    )

    assert sum(isinstance(one, OverloadError) for one in found) == 12


async def test_a_key_that_cannot_be_had_is_no_verdict(found_witness: Any, make_log: Any) -> None:
    """503: the log asks again later; nothing is held of it."""
    witness = await found_witness()
    with pytest.raises(OverloadError):
        await witness.add(make_log("xb").grow(1).request(0))
    with pytest.raises(NotFoundError):
        await witness.table.clear("truc-relay.example/log/xb", "local:op", "why", witness.at)
    assert NodeId("xb") in witness.desk.neighbours

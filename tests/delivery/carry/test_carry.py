"""Documents and receipts by hand: once, proven, and no worse for the wire that comes back."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.delivery.pressure.gate import Pressure
from relay.delivery.pressure.quota import Quotas
from relay.errors import NotFoundError, UnansweredError
from relay.journal.space import Free, Reserve
from relay.model import NodeId, Priority, Signed, digest_of
from relay.wire.carry import read_carry
from relay.wire.transfer import read_transfer

Post = Any


def listed(content: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(content)).namelist()


def manifest(content: bytes) -> Any:
    return read_carry(zipfile.ZipFile(io.BytesIO(content)).read("carry.xml"))


async def test_a_document_goes_by_hand_and_its_receipt_comes_back(xa: Post, tinh: Post) -> None:
    """Exported it is in doubt; imported it is at the recipient's disposal; the answer settles it."""
    message_id = await xa.send()
    file = await xa.export(why="no link")
    assert await xa.states(message_id) == {"in-doubt"}

    told, answers = await tinh.take(file, why="brought by courier")
    assert (told.transfers, told.answered, told.refused, told.broken) == (1, 1, 0, "")
    assert [item.message_id for item in await tinh.came()] == [message_id]

    back, nothing = await xa.take(answers)
    assert (back.settled, back.transfers, nothing) == (1, 0, None)
    assert await xa.states(message_id) == {"available"}


async def test_the_bytes_that_arrive_are_those_that_were_sent(xa: Post, tinh: Post) -> None:
    """A small one that stands in the journal, and a large one in a file of its own."""
    contents = [xa.document("H01"), xa.document("H01", padding=os.urandom(400_000))]
    for content in contents:
        await xa.submit(content, "H01")

    await tinh.take(await xa.export())

    for item, content in zip(await tinh.came(), contents, strict=True):
        payload = await tinh.journal.payload(item.digest)
        assert b"".join([c async for c in tinh.journal.read(payload)]) == content


async def test_who_and_why_are_in_both_logs_under_one_digest(xa: Post, tinh: Post) -> None:
    """The manifest's digest names the file on both sides."""
    await xa.send()
    file = await xa.export(why="storm took the line")
    _, answers = await tinh.take(file, why="by courier")
    await xa.take(answers)

    (out,), (in_,) = await xa.entries("carry-exported"), await tinh.entries("carry-imported")
    digest = digest_of(zipfile.ZipFile(io.BytesIO(file)).read("carry.xml"))
    assert out["digest"] == in_["digest"] == digest
    assert (out["by"], out["why"], out["transfers"], out["size"]) == (
        "local:operator",
        "storm took the line",
        1,
        len(file),
    )
    assert (in_["by"], in_["why"], in_["answered"]) == ("local:operator", "by courier", 1)
    (settled,) = await xa.entries("carry-imported")
    assert settled["settled"] == 1


async def test_a_second_import_has_no_effect_and_the_same_answer(xa: Post, tinh: Post) -> None:
    """The receipt's bytes are those of the first time."""
    await xa.send()
    file = await xa.export()
    _, first = await tinh.take(file)
    entries = len(await tinh.entries("transfer-received"))

    again, second = await tinh.take(file)

    assert (again.answered, again.damaged) == (1, 0)
    assert len(await tinh.came()) == 1
    assert len(await tinh.entries("transfer-received")) == entries
    name = "answers/0001.xml"
    assert zipfile.ZipFile(io.BytesIO(first)).read(name) == zipfile.ZipFile(
        io.BytesIO(second)
    ).read(name)


async def test_answers_imported_twice_settle_once(xa: Post, tinh: Post) -> None:
    """The second time nothing is written but the note."""
    message_id = await xa.send()
    _, answers = await tinh.take(await xa.export())
    await xa.take(answers)
    before = len(await xa.entries("receipt-received"))

    told, _ = await xa.take(answers)

    assert (told.settled, told.stray) == (1, 0)
    assert len(await xa.entries("receipt-received")) == before
    assert await xa.states(message_id) == {"available"}


async def test_the_link_returns_before_the_file_is_imported(xa: Post, tinh: Post) -> None:
    """The same header goes by wire, to the letter; the file that comes later changes nothing."""
    message_id = await xa.send()
    file = await xa.export()
    async with xa.linked(tinh):
        await xa.until(lambda: _is(xa, message_id, "available"))
    header = zipfile.ZipFile(io.BytesIO(file)).read(
        next(n for n in listed(file) if n.endswith("/transfer.xml"))
    )
    assert xa.wire.carried == [header]

    told, answers = await tinh.take(file)
    assert told.answered == 1
    assert len(await tinh.came()) == 1
    back, _ = await xa.take(answers)
    assert (back.settled, back.stray) == (1, 0)


async def test_the_link_returns_after_the_file_was_imported(xa: Post, tinh: Post) -> None:
    """By wire the neighbour gives the answer it gave by hand."""
    message_id = await xa.send()
    _, answers = await tinh.take(await xa.export())
    async with xa.linked(tinh):
        await xa.until(lambda: _is(xa, message_id, "available"))

    assert len(await tinh.came()) == 1
    told, _ = await xa.take(answers)
    assert (told.settled, told.stray) == (1, 0)


async def _is(post: Post, message_id: Any, state: str) -> bool:
    return bool(await post.states(message_id) == {state})


async def test_both_ways_at_once(xa: Post, tinh: Post) -> None:
    """Each has documents for the other; two couriers meet on the road."""
    up = [await xa.send() for _ in range(3)]
    down = [await tinh.send() for _ in range(3)]
    from_xa, from_tinh = await xa.export(), await tinh.export()

    _, for_xa = await tinh.take(from_xa)
    _, for_tinh = await xa.take(from_tinh)
    await xa.take(for_xa)
    await tinh.take(for_tinh)

    for post, sent in ((xa, up), (tinh, down)):
        assert [await post.states(m) for m in sent] == [{"available"}] * 3
        assert len(await post.came()) == 3


async def test_receipts_travel_back_by_hand_until_the_other_has_them(xa: Post, tinh: Post) -> None:
    """An acknowledgement goes with the next file, again with the one after, and no more once the
    sender's manifest says that it is durable there."""
    message_id = await xa.send()
    _, answers = await tinh.take(await xa.export())
    await xa.take(answers)
    (item,) = await tinh.came()
    await tinh.acknowledge(item)

    lost = await tinh.export()
    assert listed(lost)[2:] == ["receipts/0001.xml"]
    told, thanks = await xa.take(await tinh.export())
    assert told.receipts == 1
    assert await xa.states(message_id) == {"handed-over"}

    nothing, _ = await tinh.take(thanks)
    assert (nothing.settled, nothing.receipts, nothing.broken) == (0, 0, "")
    with pytest.raises(NotFoundError, match="nothing waits"):
        await tinh.export()


async def test_a_receipts_file_brings_other_waiting_receipts_too(xa: Post, tinh: Post) -> None:
    """One trip: the answer to a new document, and the acknowledgement of an older one."""
    older = await xa.send()
    _, answers = await tinh.take(await xa.export())
    await xa.take(answers)
    await tinh.acknowledge((await tinh.came())[0])
    newer = await xa.send()

    _, answers = await tinh.take(await xa.export())
    told, thanks = await xa.take(answers)

    assert (told.settled, told.receipts) == (1, 1)
    assert thanks is not None
    assert await xa.states(older) == {"handed-over"}
    assert await xa.states(newer) == {"available"}


async def test_a_refusal_comes_back_signed(xa: Post, tinh: Post) -> None:
    """The province refuses by its own clock: the file took longer than the document was to live."""
    message_id = await xa.send(priority=Priority.EXPRESS)
    file = await xa.export()
    tinh.late = timedelta(days=3)

    told, answers = await tinh.take(file)
    assert (told.answered, told.refused) == (1, 1)
    await xa.take(answers)

    assert await xa.states(message_id) == {"refused"}


async def test_a_clock_that_is_behind_puts_transfers_off(xa: Post, tinh: Post) -> None:
    """No evidence of that: it is taken once the clock is right."""
    xa.late = timedelta(minutes=10)
    await xa.send()
    file = await xa.export()
    told, nothing = await tinh.take(file)
    assert (told.put_off, told.answered, nothing) == (1, 0, None)

    tinh.late = timedelta(minutes=10)
    told, _ = await tinh.take(file)
    assert (told.put_off, told.answered) == (0, 1)


async def test_a_full_disk_takes_nothing_new_by_hand_and_still_settles(
    xa: Post, tinh: Post
) -> None:
    """The receipts of the file are taken, its documents not; the same file is, once there is room."""
    free = 10
    reserve = Reserve(100, 0, lambda: Free(free, None))
    tinh.carries(gate=Pressure(reserve, Quotas(9, 9, 1 << 30, 1 << 30), 9, 9))
    settles = await tinh.send()
    _, answers = await xa.take(await tinh.export())
    await xa.send()
    file = await xa.export()

    told, _ = await tinh.take(file)
    assert (told.answered, told.transfers) == (0, 1)
    assert (told.broken, told.temporary) == ("free space 10 bytes, reserve 100", True)
    assert await tinh.came() == []
    assert (await tinh.take(answers))[0].settled == 1
    assert await tinh.states(settles) == {"available"}

    free = 1 << 30
    reserve.look()
    told, _ = await tinh.take(file)
    assert (told.answered, told.broken) == (1, "")
    free = 10
    reserve.look()
    told, _ = await tinh.take(file)  # nothing of it is new
    assert (told.answered, told.broken) == (1, "")


async def test_too_large_a_document_is_refused_unread(xa: Post, tinh: Post) -> None:
    """As on the wire: by its signed size."""
    content = xa.document("H01", padding=os.urandom(1 << 20))
    message_id = await xa.submit(content, "H01")

    told, answers = await tinh.take(await xa.export())
    await xa.take(answers)

    assert (told.answered, told.refused) == (1, 1)
    assert await xa.states(message_id) == {"refused"}
    assert await tinh.came() == []


# ---------------------------------------------------------------- what a file holds


async def test_express_first_then_the_oldest(xa: Post, tinh: Post) -> None:
    """And any tool can open the file."""
    normal = [await xa.send() for _ in range(2)]
    express = await xa.send(priority=Priority.EXPRESS)

    file = await xa.export()

    archive = zipfile.ZipFile(io.BytesIO(file))
    assert archive.testzip() is None
    headers = [read_transfer(archive.read(n)) for n in listed(file) if n.endswith("/transfer.xml")]
    assert [header.message_id for header in headers] == [express, *normal]


async def test_identical_envelopes_are_in_it_once(xa: Post, tinh: Post) -> None:
    """One payload, two messages, three transfers."""
    content = xa.document("H01", "H01.9")
    await xa.submit(content, "H01")
    await xa.submit(content, "H01.9")

    file = await xa.export()
    assert sum(name.startswith("payloads/") for name in listed(file)) == 1
    assert len(list(manifest(file).transfer_ids)) == 2

    told, _ = await tinh.take(file)
    assert told.answered == 2
    assert len(await tinh.came()) == 2


async def test_a_limit_is_kept_and_a_second_file_takes_up_the_rest(xa: Post, tinh: Post) -> None:
    """What was never exported goes before what is only unanswered."""
    sent = [await xa.send(padding=os.urandom(300_000)) for _ in range(6)]
    limit = 1_500_000
    files = [await xa.export(limit) for _ in range(2)]

    assert all(len(file) <= limit for file in files)
    assert all(len(list(manifest(f).transfer_ids)) == 3 for f in files), (
        "three of 400 kB fit into each"
    )
    for file in files:
        await tinh.take(file)
    assert sorted(i.message_id for i in await tinh.came()) == sorted(sent)


async def test_a_small_one_finds_room_behind_a_large_one(xa: Post) -> None:
    """What does not fit waits on, not in doubt, and is not in the way of others."""
    large = await xa.send(padding=os.urandom(700_000))
    small = await xa.send()

    file = await xa.courier.export(_operator(), NodeId("tinh"), 500_000, "")

    assert file.more
    assert await xa.states(large) == {"queued"}
    assert await xa.states(small) == {"in-doubt"}
    with pytest.raises(NotFoundError, match="fits into"):
        await xa.courier.export(_operator(), NodeId("tinh"), 74_000, "")


def _operator() -> Any:
    from relay.delivery.ports import Caller

    return Caller("local:operator", frozenset(), operator=True)


async def test_exporting_again_holds_what_is_unanswered(xa: Post, tinh: Post) -> None:
    """The first stick was lost: the second has the same transfer, to the letter."""
    await xa.send()
    lost = await xa.export()
    again = await xa.export()

    (name,) = (n for n in listed(lost) if n.endswith("/transfer.xml"))
    first, second = (zipfile.ZipFile(io.BytesIO(f)) for f in (lost, again))
    assert first.read(name) == second.read(name)
    told, _ = await tinh.take(again)
    assert told.answered == 1


async def test_a_transfer_that_hangs_on_the_wire_goes_by_hand_too(xa: Post, tinh: Post) -> None:
    """Frozen before the link broke, refused or without an answer: all in doubt, then once."""
    message_id = await xa.send()
    xa.wire.failing = lambda: UnansweredError("cut")
    async with xa.linked(None):
        await xa.until(lambda: _is(xa, message_id, "in-doubt"))

    told, answers = await tinh.take(await xa.export())
    await xa.take(answers)

    assert told.answered == 1
    assert await xa.states(message_id) == {"available"}


async def test_what_was_not_taken_on_the_wire_is_in_doubt_once_exported(xa: Post) -> None:
    """Queued again after a refused connection, but frozen: in a file it may arrive."""
    message_id = await xa.send()
    async with xa.linked(None):
        transfer_id = await xa.until(lambda: _frozen(xa))
    now = xa.clock.now()
    await xa.journal.postpone(transfer_id, in_doubt=False, error="", not_before=now, at=now)
    assert await xa.states(message_id) == {"queued"}

    await xa.export()

    assert await xa.states(message_id) == {"in-doubt"}


async def test_headers_that_share_a_signature_go_by_hand_as_they_were_frozen(
    xa: Post, tinh: Post
) -> None:
    """Four were under way together when the line broke; each is proven over there by its own path."""
    sent = [await xa.send() for _ in range(4)]
    xa.wire.a_request = 16
    xa.dispatcher.channels[NodeId("tinh")].window = 16
    async with xa.linked(None):
        await xa.until(lambda: _frozen(xa))
    kept = await xa.journal.rows("SELECT signature FROM transfers")
    assert all(signature.startswith(b"<BatchProof ") for (signature,) in kept)
    assert len(kept) == 4

    told, answers = await tinh.take(await xa.export())
    assert (told.answered, told.refused, told.broken) == (4, 0, "")
    back, _ = await xa.take(answers)
    assert back.settled == 4
    for message_id in sent:
        assert await xa.states(message_id) == {"available"}


async def _frozen(post: Post) -> Any:
    rows = await post.journal.rows("SELECT transfer_id FROM transfers WHERE attempts > 0")
    return rows[0][0] if rows else None


async def test_nothing_to_carry_and_nobody_to_carry_it_to(xa: Post) -> None:
    """Both are told plainly, and nothing changes."""
    with pytest.raises(NotFoundError, match="nothing waits for tinh"):
        await xa.export()
    with pytest.raises(NotFoundError, match="is not a neighbour"):
        await xa.courier.export(_operator(), NodeId("tw"), 1 << 30, "")


async def test_other_peoples_tools_open_it(xa: Post, tmp_path: Path) -> None:
    """Info-ZIP finds nothing to complain of."""
    await xa.send(padding=os.urandom(300_000))
    path = tmp_path / "tinh.zip"
    path.write_bytes(await xa.export())

    tested = subprocess.run(
        [shutil.which("unzip") or pytest.skip("skipped: needs unzip"), "-t", path],
        capture_output=True,
        check=False,
    )

    assert tested.returncode == 0, tested.stdout


async def test_a_repeat_gets_its_answer_though_the_clock_went_back(xa: Post, tinh: Post) -> None:
    """Dated in the future by now: what was answered once is answered so for ever, and only what never
    was is put off."""
    xa.late = tinh.late = timedelta(hours=1)
    await xa.send()
    await tinh.take(await xa.export())
    ((transfer_id, *header),) = await xa.journal.rows(
        "SELECT transfer_id, header, signature FROM transfers"
    )
    tinh.late = timedelta()

    answer = await tinh.transfers.open(NodeId("xa"), Signed(*header))

    assert answer == await tinh.journal.answered(NodeId("xa"), transfer_id)
    await xa.send()
    told, _ = await tinh.take(await xa.export())
    assert (told.answered, told.put_off) == (1, 1)


@pytest.mark.parametrize("before", [True, False], ids=["never exported", "unanswered"])
async def test_a_document_that_the_disk_has_lost_ends_no_file(
    xa: Post, tinh: Post, before: bool
) -> None:
    """It stays behind, frozen or not, and the others go; once it is back it goes, too."""
    content = xa.document("H01", padding=os.urandom(400_000))
    lost = await xa.submit(content, "H01")
    others = [await xa.send(padding=os.urandom(400_000)), await xa.send()]
    if not before:
        await xa.export()
    payload = await xa.journal.payload(digest_of(content))
    payload.path.unlink()

    told, _ = await tinh.take(await xa.export())
    assert (told.answered, told.broken) == (len(others), "")
    assert {item.message_id for item in await tinh.came()} == set(others)
    assert await xa.states(lost) == ({"queued"} if before else {"in-doubt"})

    payload.path.write_bytes(content)
    await tinh.take(await xa.export())
    assert {item.message_id for item in await tinh.came()} == {lost, *others}

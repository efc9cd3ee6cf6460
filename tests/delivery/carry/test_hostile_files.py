"""Carry files that are damaged, cut, forged or hostile: a clear refusal, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from relay.errors import OverloadError, PeerError, SignatureError, WireError
from relay.model import Digest, NodeId, Priority, Signed, TransferId, digest_of
from relay.signing.evidence import _sign
from relay.signing.xades import DocumentName
from relay.wire.archive import Archive
from relay.wire.carry import CarriedContainer, read_carry
from relay.wire.container import read_receipts, write_receipts
from relay.wire.receipt import read_receipt
from relay.wire.transfer import read_transfer

Post = Any
Entries = dict[str, bytes]


def unpacked(content: bytes) -> Entries:
    archive = zipfile.ZipFile(io.BytesIO(content))
    return {name: archive.read(name) for name in archive.namelist()}


def packed(entries: Entries) -> bytes:
    archive = Archive()
    body = b"".join([archive.entry(name, content) for name, content in entries.items()])
    return body + archive.ending()


def signed_by(post: Post, entries: Entries, **changed: Any) -> bytes:
    """The same file, its manifest changed and signed anew by the node `post`."""
    manifest = replace(read_carry(entries["carry.xml"]), **changed)
    signed = post.keys[post.name].sign_carry(manifest, post.clock.now())
    head = {"carry.xml": signed.document, "carry-signature.xml": signed.signature}
    return packed({**head, **{n: c for n, c in entries.items() if n not in head}})


def named(entries: Entries, end: str) -> str:
    return next(name for name in entries if name.endswith(end))


async def test_a_file_of_anybody_else_is_refused(xa: Post, tinh: Post) -> None:
    """Not of a neighbour, not for this node, or with a manifest that is not its signer's."""
    await xa.send()
    file = await xa.export()
    entries = unpacked(file)

    signature = entries[named(entries, "transfer-signature.xml")]
    forged = _sign(
        entries["carry.xml"], DocumentName.CARRY, tinh.keys["thon"].signer, xa.clock.now()
    )
    at_xa = replace(xa.courier.importer, neighbours=frozenset({NodeId("xa")}))
    stranger = replace(tinh.courier.importer, neighbours=frozenset({NodeId("tw")}))

    with pytest.raises(SignatureError, match="this carry file is for tinh, not xa"):
        await at_xa.take(_operator(), "", _whole(file))
    with pytest.raises(SignatureError, match="of xa, no neighbour of tinh"):
        await stranger.take(_operator(), "", _whole(file))
    with pytest.raises(SignatureError, match="written by xa"):
        await tinh.take(packed({**entries, "carry-signature.xml": forged.signature}))
    with pytest.raises(SignatureError, match="signed as transfer"):
        await tinh.take(packed({**entries, "carry-signature.xml": signature}))

    refused = [e["reason"] for e in await tinh.entries("carry-refused")]
    assert refused == ["wrong-node", "wrong-node", "wrong-document"]
    assert await tinh.came() == []
    told, _ = await tinh.take(file)
    assert told.answered == 1, "the file itself is as good as ever"


async def test_another_nodes_transfer_in_a_neighbours_file_is_left(xa: Post, tinh: Post) -> None:
    """The manifest is the neighbour's own, the transfer in it is not by its hand."""
    await xa.send()
    good = unpacked(await xa.export())
    header = good[named(good, "transfer.xml")]
    forged = _sign(header, DocumentName.TRANSFER, tinh.keys["thon"].signer, xa.clock.now())
    file = packed({**good, named(good, "transfer-signature.xml"): forged.signature})

    told, nothing = await tinh.take(file)

    assert (told.unproven, told.answered, nothing) == (1, 0, None)
    assert await tinh.came() == []


async def test_other_bytes_under_a_known_transfer_are_left(xa: Post, tinh: Post) -> None:
    """Under one transfer id only the header that came first is answered."""
    await xa.send()
    file = await xa.export()
    await tinh.take(file)
    entries = unpacked(file)
    name = named(entries, "transfer.xml")
    header = replace(read_transfer(entries[name]), priority=Priority.EXPRESS)
    signed = xa.keys["xa"].sign_transfer(header, xa.clock.now())
    entries[name] = signed.document
    entries[named(entries, "transfer-signature.xml")] = signed.signature
    (payload,) = read_carry(entries["carry.xml"]).payloads
    (one,) = payload.transfers
    again = replace(payload, transfers=(replace(one, header=signed.digest),))

    told, nothing = await tinh.take(signed_by(xa, entries, payloads=(again,)))

    assert (told.unproven, told.answered, nothing) == (1, 0, None)


# ---------------------------------------------------------------- damage


async def test_a_flipped_byte_anywhere_loses_and_doubles_nothing(xa: Post, tinh: Post) -> None:
    """Refused, or the part it is in is left out; the whole file afterwards brings the rest."""
    sent = [await xa.send() for _ in range(3)]
    file = await xa.export()
    step = max(1, len(file) // 120)
    for place in range(0, len(file), step):
        bad = bytearray(file)
        bad[place] ^= 0x20
        before = len(await tinh.came())
        try:
            told, _ = await tinh.take(bytes(bad))
        except PeerError:
            assert len(await tinh.came()) == before, "refused before anything was used"
        else:
            seen = told.broken or told.damaged or told.unproven
            # An envelope that is here already is passed over, whole or not.
            assert seen or (before and told.answered == 3), (
                f"byte {place}: unseen, though it was needed"
            )
        assert len(await tinh.came()) <= 3

    told, answers = await tinh.take(file)
    assert (told.answered, told.refused, told.broken) == (3, 0, "")
    await xa.take(answers)
    assert [await xa.states(m) for m in sent] == [{"available"}] * 3


async def test_a_file_cut_anywhere_keeps_what_came_before(xa: Post, tinh: Post) -> None:
    """Each cut further on has at least as much; the answers of what was taken come at once."""
    sent = [await xa.send() for _ in range(3)]
    file = await xa.export()
    entries = unpacked(file)
    had = 0
    for place in range(0, len(file), max(1, len(file) // 60)):
        try:
            told, answers = await tinh.take(file[:place], pieces=1_000)
        except WireError:
            assert had == 0, "only a file without its manifest is refused as a whole"
            continue
        assert "ends inside" in told.broken
        assert told.answered == len(await tinh.came()) >= had
        assert (answers is not None) == (told.answered > 0)
        had = told.answered
    assert had == 3, "only the end was missing"
    assert len(entries) == 2 + 3 * 4
    assert len(await tinh.came()) == len(sent)


async def test_a_damaged_envelope_is_no_evidence_against_its_sender(xa: Post, tinh: Post) -> None:
    """It is left, the others are taken; a good copy brings it."""
    await xa.send(padding=os.urandom(2_000))
    await xa.send()
    file = await xa.export()
    entries = unpacked(file)
    name = named(entries, read_carry(entries["carry.xml"]).payloads[0].digest)
    hurt = packed({**entries, name: entries[name][:-9] + b"<broken/>"})

    told, answers = await tinh.take(hurt)
    assert (told.damaged, told.answered, told.refused, told.broken) == (1, 1, 0, "")
    await xa.take(answers)
    told, _ = await tinh.take(file)
    assert (told.damaged, told.answered) == (0, 2)


async def test_a_body_that_is_no_envelope_is_refused_with_a_receipt(xa: Post, tinh: Post) -> None:
    """Whole, named by its digest and signed: that is the sender's own doing."""
    await xa.send()
    entries = unpacked(await xa.export())
    junk = b"<edXML>no envelope</edXML>"
    (payload,) = read_carry(entries["carry.xml"]).payloads
    name = named(entries, "transfer.xml")
    header = replace(read_transfer(entries[name]), digest=digest_of(junk), size_bytes=len(junk))
    signed = xa.keys["xa"].sign_transfer(header, xa.clock.now())
    replaced = {
        f"payloads/{digest_of(junk)}": junk,
        name: signed.document,
        named(entries, "transfer-signature.xml"): signed.signature,
        named(entries, "seal.xml"): entries[named(entries, "seal.xml")],
    }
    head = {n: entries[n] for n in ("carry.xml", "carry-signature.xml")}
    one = replace(payload.transfers[0], header=signed.digest)
    carried = replace(payload, digest=digest_of(junk), size_bytes=len(junk), transfers=(one,))

    told, _ = await tinh.take(signed_by(xa, {**head, **replaced}, payloads=(carried,)))

    assert (told.answered, told.refused, told.damaged) == (1, 1, 0)


# ---------------------------------------------------------------- archives with ideas of their own


def _deflated(entries: Entries) -> bytes:
    return _zipped(entries, zipfile.ZIP_DEFLATED)


def _zipped(entries: Entries, method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def _renamed(entries: Entries, name: str) -> bytes:
    return packed({name if n.startswith("payloads/") else n: c for n, c in entries.items()})


def _bomb(entries: Entries) -> bytes:
    return _zipped({**entries, "carry.xml": bytes(50 << 20)}, zipfile.ZIP_DEFLATED)


def _longer(entries: Entries) -> bytes:
    """The head of an envelope says four gigabytes."""
    content = bytearray(packed(entries))
    at = content.index(b"payloads/") - 30
    content[at + 18 : at + 26] = b"\xfe\xff\xff\xff" * 2
    return bytes(content)


def _flagged(entries: Entries) -> bytes:
    content = bytearray(packed(entries))
    content[content.index(b"payloads/") - 30 + 6] |= 1  # "encrypted"
    return bytes(content)


def _doubled(entries: Entries) -> bytes:
    archive = Archive()
    body = b""
    for name, content in entries.items():
        body += archive.entry(name, content)
        if name.startswith("payloads/"):
            body += archive.entry(name, content)
    return body + archive.ending()


ARCHIVES: dict[str, Callable[[Entries], bytes]] = {
    "compressed": _deflated,
    "a bomb": _bomb,
    "stored by another tool, dated otherwise": lambda e: _zipped(e).replace(b"!\0", b'"\0'),
    "a name that climbs": lambda e: _renamed(e, "../../../../etc/passwd"),
    "an absolute name": lambda e: _renamed(e, "/etc/passwd"),
    "another name": lambda e: _renamed(e, "payloads/" + "0" * 64),
    "an entry twice": _doubled,
    "an entry too few": lambda e: packed(dict(list(e.items())[:-1])),
    "an entry too many": lambda e: packed({**e, "more.txt": b"x"}),
    "another order": lambda e: packed(dict(reversed(e.items()))),
    "bytes before": lambda e: b"MZ" + packed(e),
    "bytes behind": lambda e: packed(e) + b"\0",
    "a size that lies": _longer,
    "a flag": _flagged,
    "another end": lambda e: packed(e)[:-22] + packed({"x": b""})[-22:],
    "no zip at all": lambda _: os.urandom(100_000),
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES)
async def test_an_archive_of_another_form_is_refused(
    make: Callable[[Entries], bytes], xa: Post, tinh: Post
) -> None:
    """From where it leaves the one form; nothing is written but what is proven by then."""
    await xa.send()
    file = await xa.export()
    bad = make(unpacked(file))
    assert bad != file
    with contextlib.suppress(PeerError):
        told, _ = await tinh.take(bad)
        assert told.broken
    assert len(await tinh.came()) <= 1
    assert {p.name for p in tinh.folder.iterdir()} <= {
        "journal.sqlite",
        "journal.sqlite-wal",
        "journal.sqlite-shm",
        "payloads",
        "lock",
    }
    told, _ = await tinh.take(file)
    assert (told.answered, told.broken) == (1, "")
    assert len(await tinh.came()) == 1


@pytest.mark.parametrize(
    ("what", "limit"),
    [("carry.xml", "limit 8388608"), ("carry-signature.xml", "limit 65536")],
)
async def test_an_unproven_part_is_never_held_beyond_its_limit(
    what: str, limit: str, xa: Post, tinh: Post
) -> None:
    """Its size is refused before it is read."""
    await xa.send()
    entries = unpacked(await xa.export())

    with pytest.raises(WireError, match=limit):
        await tinh.take(packed({**entries, what: bytes(9 << 20)}))


# ---------------------------------------------------------------- answers and receipts


async def test_an_answer_that_is_not_the_neighbours_word_settles_nothing(
    xa: Post, tinh: Post
) -> None:
    """Of another transfer, signed by another, for another neighbour's transfer: left, and told."""
    message_id = await xa.send()
    _, answers = await tinh.take(await xa.export())
    entries = unpacked(answers)
    (answer,) = read_receipts(entries["answers/0001.xml"], 1 << 20)
    receipt = read_receipt(answer.document)
    at = tinh.clock.now()
    thon = replace(receipt, issuer=NodeId("thon"))
    bad = [
        tinh.keys["tinh"].sign_receipt(replace(receipt, digest=Digest("0" * 64)), at),
        tinh.keys["tinh"].sign_receipt(
            replace(receipt, transfer_id=TransferId("019ab000-0000-7000-8000-000000000002")), at
        ),
        tinh.keys["tinh"].sign_receipt(replace(receipt, transfer_id=None), at),
        tinh.keys["thon"].sign_receipt(thon, at),
        Signed(answer.document, answer.signature[:-20]),
    ]
    content = write_receipts(bad)
    entries["answers/0001.xml"] = content
    box = CarriedContainer(digest_of(content), len(content))

    told, nothing = await xa.take(signed_by(tinh, entries, answers=(box,)))

    assert (told.settled, told.stray, nothing) == (0, 5, None)
    assert await xa.states(message_id) == {"in-doubt"}
    told, _ = await xa.take(answers)
    assert told.settled == 1


async def test_one_bad_receipt_does_not_stop_the_good_ones(xa: Post, tinh: Post) -> None:
    """They are kept each by itself, and only those are named as taken."""
    message_id = await xa.send()
    _, answers = await tinh.take(await xa.export())
    await xa.take(answers)
    await tinh.acknowledge((await tinh.came())[0])
    entries = unpacked(await tinh.export())
    (good,) = read_receipts(entries["receipts/0001.xml"], 1 << 20)
    later = replace(read_receipt(good.document), at=tinh.clock.now())
    signed = tinh.keys["tinh"].sign_receipt(later, tinh.clock.now())
    content = write_receipts([Signed(signed.document, signed.signature[:-20]), good])
    entries["receipts/0001.xml"] = content
    box = CarriedContainer(digest_of(content), len(content))

    told, thanks = await xa.take(signed_by(tinh, entries, receipts=(box,)))

    assert (told.receipts, told.stray) == (1, 1)
    assert read_carry(unpacked(thanks)["carry.xml"]).taken == (good.digest,)
    assert await xa.states(message_id) == {"handed-over"}


async def test_a_container_that_is_none_is_left(xa: Post, tinh: Post) -> None:
    """Signed for, and yet no receipts."""
    await xa.send()
    _, answers = await tinh.take(await xa.export())
    entries = {**unpacked(answers), "answers/0001.xml": b"<Receipts/>"}
    box = CarriedContainer(digest_of(b"<Receipts/>"), 11)

    told, _ = await xa.take(signed_by(tinh, entries, answers=(box,)))

    assert (told.settled, told.stray, told.broken) == (0, 1, "")


async def test_nobody_makes_a_node_forget_another_neighbours_receipts(xa: Post, tinh: Post) -> None:
    """What a manifest names as taken leaves its signer's queue only."""
    await xa.send()
    _, answers = await tinh.take(await xa.export())
    await xa.take(answers)
    await tinh.acknowledge((await tinh.came())[0])
    (waiting,) = await tinh.journal.returns(NodeId("xa"), 10)
    await tinh.courier.importer.shelf.handed_over(NodeId("thon"), [waiting.receipt.digest])

    assert len(await tinh.journal.returns(NodeId("xa"), 10)) == 1


# ---------------------------------------------------------------- bounds


async def test_one_file_at_a_time(xa: Post, tinh: Post) -> None:
    """A second one is told to come again; a body that breaks off frees the place."""
    await xa.send()
    file = await xa.export()
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield file[:100]
        await gate.wait()
        yield file[100:]

    first = asyncio.create_task(tinh.courier.take(_operator(), "", slow()))
    await asyncio.sleep(0)
    with pytest.raises(OverloadError, match="another carry file"):
        await tinh.take(file)
    gate.set()
    told, _ = await first
    assert told.answered == 1


async def test_an_overloaded_node_stops_reading_and_says_so(
    xa: Post, tinh: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is refused for good."""
    await xa.send()
    file = await xa.export()
    monkeypatch.setattr("relay.delivery.arrivals.MOST_WAITING", -1)
    told, nothing = await tinh.take(file)
    assert "operations wait" in told.broken
    assert (told.answered, nothing) == (0, None)

    monkeypatch.undo()
    told, _ = await tinh.take(file)
    assert told.answered == 1


def _operator() -> Any:
    from relay.delivery.ports import Caller

    return Caller("local:operator", frozenset(), operator=True)


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content

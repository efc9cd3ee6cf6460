"""W6: envelopes that go ahead of their transfer, in pieces."""

from __future__ import annotations

from dataclasses import replace

from relay.conformance.controls import takes_transfers
from relay.conformance.peer import Answer, Prepared
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require, require_equal
from relay.model import Event

book = Book(control=takes_transfers)
SIZE_BYTES = 1_200_000


def _prepared(stand: Stand) -> Prepared:
    envelope = stand.letter_in(size_bytes=SIZE_BYTES)
    return replace(stand.peer.transfer(envelope, [stand.subject.agency]), with_envelope=False)


def _path(prepared: Prepared) -> str:
    return f"/axis/v1/payloads/{prepared.header.digest}"


async def _append(stand: Stand, prepared: Prepared, start: int, end: int) -> Answer:
    return await stand.peer.ask(
        "PATCH", _path(prepared), prepared.envelope[start:end], {"Upload-Offset": str(start)}
    )


async def _offset(stand: Stand, prepared: Prepared) -> str | None:
    return (await stand.peer.ask("HEAD", _path(prepared))).headers.get("Upload-Offset")


@book.asserts(
    "W6.1",
    "in-pieces",
    "An envelope goes ahead in pieces, and its transfer refers to it",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def in_pieces(stand: Stand) -> None:
    prepared = _prepared(stand)
    size, half = len(prepared.envelope), len(prepared.envelope) // 2
    require_equal(await _offset(stand, prepared), "0", "Upload-Offset before")
    await _append(stand, prepared, 0, half)
    require_equal(await _offset(stand, prepared), str(half), "Upload-Offset half way")
    await _append(stand, prepared, half, size)
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(receipt.evidence[0].event, Event.RELAY_ACCEPTANCE, "the evidence")
    require_equal(len(await stand.dms.until_copies(prepared.envelope)), 1, "the copies")


@book.asserts("W6.1", "wrong-offset", "Another offset is 409, with the right one", Part.NEIGHBOUR)
async def wrong_offset(stand: Stand) -> None:
    prepared = _prepared(stand)
    await _append(stand, prepared, 0, 1000)
    answer = await _append(stand, prepared, 500, 1500)
    require_equal(answer.status, 409, "the status")
    require_equal(answer.headers.get("Upload-Offset"), "1000", "Upload-Offset")


@book.asserts("W6.1", "not-there", "A transfer whose envelope is not there is 404", Part.NEIGHBOUR)
async def not_there(stand: Stand) -> None:
    require_equal((await stand.peer.send(_prepared(stand))).status, 404, "the status")


@book.asserts(
    "W6.1",
    "other-bytes",
    "An upload that is not what its name says is no envelope of a transfer",
    Part.NEIGHBOUR,
)
async def other_bytes(stand: Stand) -> None:
    prepared = _prepared(stand)
    spoilt = prepared.envelope[:-20] + b"x" * 20
    await stand.peer.ask("PATCH", _path(prepared), spoilt, {"Upload-Offset": "0"})
    answer = await stand.peer.send(prepared)
    refused = 400 <= answer.status < 500 or answer.status == 503
    require(refused, f"with other bytes than its digest's answered {answer.status}")


@book.asserts(
    "W6.1",
    "goes-ahead",
    "A node sends a large envelope ahead, and to the byte",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def goes_ahead(stand: Stand) -> None:
    envelope = stand.letter_out(size_bytes=SIZE_BYTES)
    await stand.dms.send(envelope)
    digest = stand.peer.header(envelope, [stand.peer.agency]).digest
    arrived = await stand.listener.transfer_of(digest)
    require(arrived.envelope == envelope, "the envelope that came is another")
    require(bytes(stand.listener.uploads.get(digest, b"")) == envelope, "it did not go ahead")


@book.asserts(
    "W6.2",
    "anothers",
    "An upload satisfies no transfer of another neighbour",
    Part.SECOND,
)
async def anothers(stand: Stand) -> None:
    """Else whoever knows a digest could have the document."""
    prepared = _prepared(stand)
    await _append(stand, prepared, 0, len(prepared.envelope))
    envelope = prepared.envelope
    header = replace(
        stand.second.header(envelope, [stand.subject.agency]), sender=stand.peer.agency
    )
    stolen = replace(stand.second.prepared(header, envelope), with_envelope=False)
    require_equal((await stand.second.send(stolen)).status, 404, "the status")
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(receipt.evidence[0].event, Event.RELAY_ACCEPTANCE, "the owner's evidence")


@book.asserts("W6.2", "offset", "Another neighbour is told nothing of an upload", Part.SECOND)
async def offset(stand: Stand) -> None:
    prepared = _prepared(stand)
    await _append(stand, prepared, 0, 1000)
    answer = await stand.second.ask("HEAD", _path(prepared))
    require_equal(answer.headers.get("Upload-Offset"), "0", "Upload-Offset")

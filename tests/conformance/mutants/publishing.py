"""Faults of a published log, of exported logs and of evidence files."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aiohttp import web

from relay.audit import exporting as log_exporting
from relay.audit.checkpoint import head_of, note_body, sign_note
from relay.audit.entries import parse
from relay.audit.epochs import first_index
from relay.audit.exported import Part, write_about
from relay.audit.ranges import RangeCheck, RangeProof, range_proof
from relay.audit.tiles import parse_path
from relay.delivery.evidence import exporting
from relay.errors import NotFoundError
from relay.journal.writer import Transaction
from relay.model import Digest
from relay.node import log_export, node
from relay.node.publishing import LogPublisher, make_publisher
from relay.signing.keys import LogSigner
from relay.signing.notary import NodeNotary
from relay.transport import published
from relay.transport.native import published as native
from relay.transport.nodes import published as nodes
from relay.wire import archive, bundle
from tests.conformance.mutants import mutant, put_in

_SIGNERS: list[LogSigner] = []


def _knowing_the_key() -> None:
    """The log's key in _SIGNERS, once the node has it."""

    def made(settings: Any, signer: LogSigner, room: Any) -> LogPublisher:
        _SIGNERS[:] = [signer]
        return make_publisher(settings, signer, room)

    put_in(node, "make_publisher", made)


def _another_history(note: bytes) -> bytes:
    """A head of the same size that the log's key signed, too."""
    head, signer = head_of(note), _SIGNERS[0]
    body = note_body(head.origin, head.size, bytes(32))
    return sign_note(body, head.origin, signer.public_key, signer.sign)


def _file(change: Any, *faces: Any) -> None:
    """What the doors answer: `change(files, path, truly)` instead, `truly` being the honest answer."""
    honest = published.published_file

    async def published_file(
        request: web.Request, files: Any, epoch: str, path: str, **how: Any
    ) -> web.StreamResponse:
        async def truly(**other: Any) -> web.StreamResponse:
            return await honest(request, files, epoch, path, **how | other)

        found: web.StreamResponse = await change(files, path, truly)
        return found

    for face in faces:
        put_in(face, "published_file", published_file)


@mutant(
    "tells two histories: one to neighbours, another to everyone else",
    "W16.3/for-neighbours",
    "W16.9/one-history",
    quick=True,
)
def tells_two_histories() -> None:
    _knowing_the_key()

    async def change(files: Any, path: str, truly: Any) -> web.StreamResponse:
        if path != "checkpoint":
            return await _whole(truly)
        note = await files.file("0", "checkpoint")
        return web.Response(body=_another_history(note), content_type="text/plain")

    _file(change, nodes)


async def _whole(truly: Any) -> web.StreamResponse:
    found: web.StreamResponse = await truly()
    return found


@mutant("names its log after somebody else", "W16.1/named")
def names_its_log_otherwise() -> None:
    honest = LogPublisher.logs

    async def logs(self: LogPublisher) -> Any:
        from relay.audit.checkpoint import vkey

        origin = "truc-relay.example/log/somebody"
        return [
            replace(one, origin=origin, vkey=vkey(origin, self._hand.public_key))
            for one in await honest(self)
        ]

    put_in(LogPublisher, "logs", logs)


@mutant("answers paths of any form", "W16.2/other-forms")
def answers_any_form() -> None:
    async def change(_: Any, path: str, truly: Any) -> web.StreamResponse:
        try:
            return await _whole(truly)
        except NotFoundError:
            return web.Response(body=b"", content_type="application/octet-stream")

    _file(change, native)


@mutant("gives its neighbours entries", "W16.3/no-entries")
def gives_entries() -> None:
    async def change(_: Any, __: str, truly: Any) -> web.StreamResponse:
        found: web.StreamResponse = await truly(entries=True)
        return found

    _file(change, nodes)


@mutant("names every file by the same type", "W16.4/types")
def one_type() -> None:
    async def change(_: Any, __: str, truly: Any) -> web.StreamResponse:
        found = await _whole(truly)
        found.content_type = "application/octet-stream"
        return found

    _file(change, native)


@mutant("publishes a checkpoint before its tiles", "W16.5/tiles-first")
def publishes_before_its_tiles() -> None:
    honest = LogPublisher._publish

    async def publish(self: LogPublisher, due: Any, slices: Any, *, asking: bool) -> bool:
        publisher = self._publisher(due.head.origin)
        if publisher.published is not None and publisher.published != due.head:
            publisher.files.publish(due.note)
            await asyncio.sleep(1.0)
        return await honest(self, due, slices, asking=asking)

    put_in(LogPublisher, "_publish", publish)


@mutant("keeps the newest partial tiles only", "W16.5/earlier-partial")
def keeps_the_newest_only() -> None:
    async def change(files: Any, path: str, truly: Any) -> web.StreamResponse:
        if ".p/" in path:
            note = await files.file("0", "checkpoint")
            size, tile = head_of(note).size, parse_path(path)
            if size >> 8 * max(tile.level, 0) != tile.index * 256 + tile.width:
                raise NotFoundError("only the newest")
        return await _whole(truly)

    _file(change, native)


@mutant("throws the beginning of its log away", "W16.7/from-zero")
def throws_the_beginning_away() -> None:
    async def change(_: Any, path: str, truly: Any) -> web.StreamResponse:
        if path.startswith("tile/entries/000"):
            raise NotFoundError("it was long ago")
        return await _whole(truly)

    _file(change, native)


@mutant("issues receipts that its log does not know", "W16.8/every-receipt", "W16.8/proof")
def leaves_receipts_out() -> None:
    honest = Transaction.record

    def record(self: Transaction, *entries: Any) -> None:
        named = ("transfer-received", "transfer-refused", "receipt-issued")
        honest(self, *(one for one in entries if parse(one.leaf)["event"] not in named))

    put_in(Transaction, "record", record)


# ------------------------------------------------------------ containers


@mutant("dates the files in its containers", "W14.1/one-form", "W17.1/one-form")
def dates_files() -> None:
    put_in(archive, "_DATE", 0x5A21)


@mutant("names the files of its evidence as it likes", "W14.2/names")
def names_files_as_it_likes() -> None:
    put_in(
        bundle,
        "receipt_names",
        lambda number: (
            f"receipts/{number + 1:04}/receipt.xml",
            f"receipts/{number + 1:04}/signature.xml",
        ),
    )


@mutant("writes seals anew in its evidence", "W14.3/seal")
def writes_seals_anew() -> None:
    honest = NodeNotary.seal_for_export

    def seal_for_export(self: NodeNotary, seal: bytes, kept: Any) -> bytes:
        written = honest(self, seal, kept)
        return written.replace(b"</ds:SignatureValue>", b"\n</ds:SignatureValue>", 1)

    put_in(NodeNotary, "seal_for_export", seal_for_export)


@mutant("signs all but the last file of a container", "W14.4/exporter", "W17.9/signed")
def signs_all_but_one() -> None:
    honest = NodeNotary.sign_bundle

    def sign_bundle(self: NodeNotary, files: Any, at: Any) -> bytes:
        return honest(self, files[:-1], at)

    put_in(NodeNotary, "sign_bundle", sign_bundle)


@mutant("puts other messages' receipts into its evidence", "W14.5/one-message")
def mixes_messages() -> None:
    honest, seen = exporting._receipts, list[Digest]()

    def receipts(view: Any) -> list[Digest]:
        own = honest(view)
        others = [one for one in seen if one not in own][:1]
        seen.extend(own)
        return [*own, *others]

    put_in(exporting, "_receipts", receipts)


@mutant("orders its evidence by chance", "W14.6/again")
def orders_by_chance() -> None:
    honest, turns = exporting._receipts, [0]

    def receipts(view: Any) -> list[Digest]:
        turns[0] += 1
        found = honest(view)
        return found if turns[0] // 2 % 2 else found[::-1]  # asked for twice an export

    put_in(exporting, "_receipts", receipts)


@mutant("gives evidence to who has not fetched the document", "W14.7/once-fetched")
def gives_evidence_to_anyone() -> None:
    put_in(exporting, "_require_had", lambda *_: None)


@mutant("puts batches into its evidence without their signatures", "W14.12/batches")
def batches_without_signatures() -> None:
    honest = exporting._batches

    def batches(found: Any) -> Iterator[Any]:
        return (one for one in honest(found) if one.name.endswith("batch.xml"))

    put_in(exporting, "_batches", batches)


@mutant("describes its exported log in a form of its own", "W17.2/described")
def describes_otherwise() -> None:
    def otherwise(about: Any) -> bytes:
        return json.dumps(json.loads(write_about(about)), indent=1).encode()

    put_in(log_exporting, "write_about", otherwise)


@mutant("exports a head that another key signed", "W17.3/head")
def exports_another_head() -> None:
    honest = log_exporting._Epoch.small

    def small(self: Any) -> Iterator[tuple[str, bytes]]:
        for name, note in honest(self):
            yield name, note[:-6] + (b"AAAA\n" if note[-6:-2] != b"AAAA" else b"BBBB\n")

    put_in(log_exporting._Epoch, "small", small)


@mutant("exports a range that leads to no head", "W17.4/range")
def exports_another_range() -> None:
    def another(*arguments: Any) -> RangeProof:
        found = range_proof(*arguments)
        return replace(found, left=tuple(bytes(32) for _ in found.left))

    put_in(log_exporting, "range_proof", another)
    put_in(RangeCheck, "close", lambda *_: None)


def _epochs_begin(change: Any) -> None:
    """`change` says other bounds for an epoch, by its number and those that the period has."""
    honest = log_exporting._Epoch.__init__

    def begin(
        self: Any, source: Any, number: int, first: int, last: int, newest: bytes, vouched: Any
    ) -> None:
        first, last = change(number, first, last, first_index(number) + head_of(newest).size)
        honest(self, source, number, first, last, newest, vouched)

    put_in(log_exporting._Epoch, "__init__", begin)


@mutant("leaves out how an epoch ended", "W17.5/whole")
def leaves_out_how_it_ended() -> None:
    _epochs_begin(lambda _, first, last, end: (first, end - 2 if end <= last else last))


@mutant("leaves out how an epoch began", "W17.5/begins")
def leaves_out_how_it_began() -> None:
    def changed(number: int, first: int, last: int, _: int) -> tuple[int, int]:
        begins = first_index(number)
        return (begins + 1 if first < begins else first), last

    _epochs_begin(changed)


@mutant("counts the epochs of its log as it likes", "W17.5/numbers")
def counts_epochs_as_it_likes() -> None:
    plan = log_exporting.plan_export

    def planned(*arguments: Any, before: Any) -> Any:
        return plan(*arguments, before=lambda number: before(number // 2))

    put_in(log_exporting, "Part", lambda number, *rest: Part(2 * number, *rest))
    put_in(log_export, "plan_export", planned)


@mutant("leaves entries out at the edges of a period", "W17.6/edges")
def leaves_out_at_the_edges() -> None:
    honest = log_exporting._bounds

    def bounds(*arguments: Any) -> tuple[int, int]:
        first, last = honest(*arguments)
        return first + 1, last

    put_in(log_exporting, "_bounds", bounds)


@mutant("exports other words than those that its leaves are of", "W17.8/words")
def exports_other_words() -> None:
    honest = log_exporting._lines

    def lines(source: Any, wanted: Any) -> Iterator[bytes]:
        for line in honest(source, wanted):
            yield line.replace(b"conformance kit", b"somebody else") if wanted.words else line

    put_in(log_exporting, "_lines", lines)


@mutant("exports leaves that name another node", "W17.11/node")
def exports_anothers_leaves() -> None:
    honest = log_exporting._lines

    def lines(source: Any, wanted: Any) -> Iterator[bytes]:
        for line in honest(source, wanted):
            yield line if wanted.words else re.sub(rb'"node":"[^"]+"', b'"node":"nobody"', line)

    put_in(log_exporting, "_lines", lines)
    put_in(RangeCheck, "close", lambda *_: None)

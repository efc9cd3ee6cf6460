"""Faults of a node that takes transfers in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from aiohttp import web

from relay.delivery import arrivals
from relay.delivery.arrivals import TransferDesk
from relay.errors import ConflictError, NotFoundError, OverloadError, WireError
from relay.journal import admitting
from relay.journal.writer import Writer
from relay.model import (
    Digest,
    MessageId,
    NodeId,
    Reason,
    Receipt,
    Seal,
    SealKind,
    Signed,
    TransferHeader,
    mint_uuid7,
)
from relay.routing.next_hop import Via
from relay.routing.next_hop import next_hop as next_hop_of
from relay.signing.notary import NodeNotary
from relay.transport.axis import documents
from relay.transport.nodes import parts, server, taking
from relay.transport.nodes.taking import Taking
from relay.wire.receipt import read_receipt
from tests.conformance.mutants import mutant, put_in


def proving_headers(faulty: Callable[..., TransferHeader]) -> None:
    """Headers are proven by this, which is given the notary, the honest way and what that takes."""
    honest = NodeNotary.transfer_checker

    def transfer_checker(self: NodeNotary) -> Callable[..., TransferHeader]:
        return partial(faulty, self, honest(self))

    put_in(NodeNotary, "transfer_checker", transfer_checker)


def _with_header(change: Any) -> None:
    """Every proven header becomes another one."""

    def changed(notary: NodeNotary, honest: Any, *arguments: Any) -> TransferHeader:
        found: TransferHeader = change(notary, honest(*arguments))
        return found

    proving_headers(changed)


def _examining(change: Any) -> None:
    """The header is another one while the whole transfer is examined."""
    honest = TransferDesk._examine

    def examine(
        self: TransferDesk, opened: Any, seal: Any, envelope: Any, payload: Any, at: Any
    ) -> Any:
        header = change(opened.header, payload)
        return honest(self, replace(opened, header=header), seal, envelope, payload, at)

    put_in(TransferDesk, "_examine", examine)


@mutant("reads the parts of a transfer in whatever order they come", "W4.1/order")
def takes_any_order() -> None:
    async def read_parts(body: parts.Body) -> parts.Parts:
        found: dict[str, bytes] = {}
        for _ in range(3):
            part = await body.next_part()
            assert part is not None
            found[part[0]] = await body.whole(part[1])
        last = await body.next_part()
        signed = Signed(found["transfer.xml"], found["transfer-signature.xml"])
        envelope = None if last is None else parts.EnvelopePart(last[1], body)
        return parts.Parts(signed, found["seal.xml"], envelope)

    put_in(taking, "read_parts", read_parts)


@mutant("takes transfers that are for other nodes", "W4.2/not-for-it")
def takes_what_is_for_others() -> None:
    _with_header(lambda self, header: replace(header, sent_to=self.node))


@mutant("acknowledges before it has stored", "W4.4/durable", quick=True)
def acknowledges_before_storing() -> None:
    honest, slow = Writer.perform, arrivals.TransferDesk.take

    async def take(self: TransferDesk, *arguments: Any) -> Signed:
        """The answer of a take whose transaction is still to come."""
        answered: asyncio.Future[Signed] = asyncio.get_running_loop().create_future()

        async def perform(writer: Writer, operation: Any, **how: Any) -> Any:
            await asyncio.sleep(5)
            return await honest(writer, operation, **how)

        issue = self.notary.issue_receipt

        async def issue_receipt(*what: Any, **how: Any) -> Signed:
            signed = await issue(*what, **how)
            if not answered.done():
                answered.set_result(signed)
            return signed

        put_in(Writer, "perform", perform)
        wary = _Instead(self.notary, issue_receipt)
        object.__setattr__(self, "notary", wary)
        task = asyncio.ensure_future(slow(self, *arguments))
        _UNDER_WAY.add(task)
        return await answered

    put_in(TransferDesk, "take", take)


_UNDER_WAY: set[asyncio.Future[Any]] = set()


class _Instead:
    """A notary whose receipts are seen as they are made."""

    def __init__(self, notary: Any, issue_receipt: Any) -> None:
        self._notary = notary
        self.issue_receipt = issue_receipt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._notary, name)


@mutant("answers a repeat with another signature", "W4.5/same-bytes", "W4.10/answer-again")
def signs_anew() -> None:
    times = count(1)

    async def anew(desk: TransferDesk, answer: Signed) -> Signed:
        receipt = read_receipt(answer.document)
        later = replace(receipt, at=receipt.at + timedelta(milliseconds=next(times)))
        return await desk.notary.issue_receipt(later, later.at)

    honest, answered = TransferDesk.take, server._Handlers.answer

    async def take(self: TransferDesk, *arguments: Any) -> Signed:
        return await anew(self, await honest(self, *arguments))

    async def answer(self: Any, request: web.Request) -> web.Response:
        found = await answered(self, request)
        desk = self._face.transfers
        given = await desk.journal.answered(self._door.neighbour(request), request.match_info["id"])
        return found if given is None else server._signed([await anew(desk, given)])

    put_in(TransferDesk, "take", take)
    put_in(server._Handlers, "answer", answer)


@mutant("answers another header under the same id as the first", "W4.5/another-header")
def looks_at_ids_alone() -> None:
    honest = admitting.take_in

    def take_in(tx: Any, node: Any, arrival: Any, quotas: Any = None) -> Any:
        try:
            return honest(tx, node, arrival, quotas)
        except ConflictError:
            other = replace(arrival.header, transfer_id=mint_uuid7(_now(), secrets.token_bytes(10)))
            return honest(tx, node, replace(arrival, header=other), quotas)

    put_in(admitting, "take_in", take_in)


def _now() -> datetime:
    return datetime.now(UTC)


@mutant("forgets what it has seen", "W4.6/once", "W4.6/conflict", quick=True)
def forgets_duplicates() -> None:
    def another(_: NodeNotary, header: TransferHeader) -> TransferHeader:
        made = mint_uuid7(_now(), secrets.token_bytes(10))
        return replace(header, message_id=MessageId(made))

    _with_header(another)


@mutant("takes what came whole of an envelope for all of it", "W4.7/cut")
def takes_cut_envelopes() -> None:
    honest = Taking._judge

    async def judge(self: Taking, opened: Any, seal: Any, counted: Any, *found: Any) -> Signed:
        counted.size_bytes = opened.header.size_bytes
        return await honest(self, opened, seal, counted, *found)

    put_in(Taking, "_judge", judge)


@mutant("does not compare an envelope with its digest", "W4.7/other-bytes")
def ignores_digests() -> None:
    def as_it_came(header: TransferHeader, payload: Any) -> TransferHeader:
        return header if payload is None else replace(header, digest=payload.digest)

    _examining(as_it_came)
    put_in(NodeNotary, "check_carried_seal", _any_seal)


def _any_seal(self: NodeNotary, seal: bytes, *_: Any) -> Any:

    return Seal(SealKind.NODE, seal)


@mutant("rejects every transfer as a bad envelope", "W5.3/accepted", "E1.1/none")
def rejects_every_envelope() -> None:
    def examine(self: TransferDesk, *_: Any) -> Any:
        return arrivals._Refusal(Reason.BAD_ENVELOPE, "none is taken")

    put_in(TransferDesk, "_examine", examine)


@mutant("goes round in circles", "W4.8/loop")
def goes_round() -> None:
    def without(header: TransferHeader, _: Any) -> TransferHeader:
        return replace(header, trace=(header.trace[0], header.trace[-1]))

    _examining(without)


@mutant("takes what has expired", "W4.8/expired")
def ignores_expiry() -> None:
    _examining(
        lambda header, _: replace(header, expires_at=header.expires_at + timedelta(days=365))
    )


@mutant("takes nothing that came far", "W4.8/sixteen")
def goes_few_hops() -> None:
    put_in(arrivals, "MOST_HOPS", 8)


@mutant("carries without end", "W4.8/too-many-hops", "W4.8/no-further")
def goes_many_hops() -> None:
    put_in(arrivals, "MOST_HOPS", 99)


class _Else(str):
    """A neighbour that is like no other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


@mutant("sends back where it came from", "W4.8/back")
def sends_back() -> None:
    honest = next_hop_of

    def next_hop(*arguments: Any) -> Any:
        found = honest(*arguments)
        return (
            replace(found, neighbour=NodeId(_Else(found.neighbour)))
            if isinstance(found, Via)
            else found
        )

    put_in(arrivals, "next_hop", next_hop)


def _tolerating(span: timedelta) -> None:
    honest = TransferDesk.open

    async def opened(self: TransferDesk, *arguments: Any, **how: Any) -> Any:
        object.__setattr__(self, "tolerance", span)
        return await honest(self, *arguments, **how)

    put_in(TransferDesk, "open", opened)


@mutant("takes what is of the future", "W4.9/future")
def believes_clocks() -> None:
    _tolerating(timedelta(days=365))


@mutant("bears no clock but its own", "W4.9/tolerated")
def bears_no_clock() -> None:
    _tolerating(timedelta(0))


@mutant("knows nothing of what it answered", "W4.10/answer-again")
def forgets_answers() -> None:
    async def answer(self: Any, request: web.Request) -> web.Response:
        self._door.neighbour(request)
        raise NotFoundError("no such transfer of yours")

    put_in(server._Handlers, "answer", answer)


@mutant("tells whoever asks what a transfer was answered", "W4.10/anothers")
def tells_whoever_asks() -> None:
    honest = server._Handlers.answer

    async def answer(self: Any, request: web.Request) -> web.Response:
        door = self._door
        try:
            return await honest(self, request)
        except NotFoundError:
            for neighbour in door._neighbours:
                given = await self._face.transfers.journal.answered(
                    neighbour, request.match_info["id"]
                )
                if given is not None:
                    return server._signed([given])
            raise

    put_in(server._Handlers, "answer", answer)


@mutant("never says that it does not know a transfer", "W4.10/unknown")
def never_unknown() -> None:
    async def answer(self: Any, request: web.Request) -> web.Response:
        self._door.neighbour(request)
        raise OverloadError("come again")

    put_in(server._Handlers, "answer", answer)


@mutant("answers several transfers in another order", "W4.13/several")
def answers_backwards() -> None:
    honest = Taking.take

    async def take(self: Taking, *arguments: Any, **how: Any) -> list[Signed]:
        return (await honest(self, *arguments, **how))[::-1]

    put_in(Taking, "take", take)


@mutant("refuses a request whose second transfer is bad as a whole", "W4.13/ends-at-the-first")
def refuses_all() -> None:
    honest = Taking.take

    async def take(self: Taking, neighbour: NodeId, body: Any, **how: Any) -> list[Signed]:
        found = await honest(self, neighbour, body, **how)
        if body._have or not body._stream.at_eof():
            raise WireError("one of the transfers is bad")
        return found

    put_in(Taking, "take", take)


@mutant("signs receipts for other bytes than those it has", "W5.3/accepted", quick=True)
def other_bytes() -> None:
    honest = NodeNotary.issue_receipt

    async def issue_receipt(
        self: NodeNotary, receipt: Receipt, at: datetime, **how: bool
    ) -> Signed:
        return await honest(self, replace(receipt, digest=Digest("0" * 64)), at, **how)

    put_in(NodeNotary, "issue_receipt", issue_receipt)


@mutant("rewrites the envelopes it gives out", "W4.7/to-the-byte")
def rewrites_envelopes() -> None:
    honest = documents._proven

    async def proven(*arguments: Any) -> AsyncIterator[bytes]:
        async for chunk in honest(*arguments):
            yield chunk.replace(b">KT<", b">KX<")

    put_in(documents, "_proven", proven)

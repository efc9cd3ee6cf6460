"""Faults of a node that sends, and of uploads."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from relay.delivery.attempts import Attempts
from relay.errors import NotFoundError, OverloadError, TransportError
from relay.model import MessageId, Signed, TransferId, mint_uuid7
from relay.signing import evidence
from relay.signing.notary import NodeNotary
from relay.transport.nodes import client, server, taking
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.taking import Taking
from relay.wire.transfer import read_transfer
from tests.conformance.mutants import mutant, put_in

_NOTARIES: list[NodeNotary] = []


def _resigning(change: Any) -> None:
    """From its second attempt on a transfer has another header, well signed."""
    sign, carry = NodeNotary._sign_transfers, NodesClient.carry
    seen: set[bytes] = set()

    def sign_transfers(self: NodeNotary, *arguments: Any) -> list[Signed]:
        _NOTARIES[:] = [self]
        return sign(self, *arguments)

    async def again(
        self: NodesClient, neighbour: Any, header: Signed, *rest: Any, **how: Any
    ) -> Signed:
        if header.document in seen:
            other = change(read_transfer(header.document))
            header = evidence.sign_transfer(other, _NOTARIES[0].signer, datetime.now(UTC))
        seen.add(header.document)
        return await carry(self, neighbour, header, *rest, **how)

    put_in(NodeNotary, "_sign_transfers", sign_transfers)
    put_in(NodesClient, "carry", again)


def _uuid() -> str:
    return mint_uuid7(datetime.now(UTC), secrets.token_bytes(10))


@mutant(
    "makes each attempt a transfer of its own",
    "W4.3/to-the-letter",
    "W4.12/no-other",
    "W7.5/in-doubt",
)
def makes_transfers_anew() -> None:
    _resigning(lambda header: replace(header, transfer_id=TransferId(_uuid())))


@mutant("sends what is in doubt again as another message", "W4.6/lost-answers")
def makes_messages_anew() -> None:
    async def ask(self: NodesClient, *_: Any) -> None:
        """Never for the answer that was lost."""

    put_in(NodesClient, "ask", ask)
    _resigning(
        lambda header: replace(
            header, transfer_id=TransferId(_uuid()), message_id=MessageId(_uuid())
        )
    )


@mutant("lets what was refused without evidence lie", "W12.4/sent-again")
def lets_the_refused_lie() -> None:
    refused, honest, lying = Attempts._refused, Attempts.reserve, set[TransferId]()

    def refusing(self: Attempts, channel: Any, out: Any) -> None:
        refused(self, channel, out)
        lying.add(out.header.transfer_id)

    def reserve(self: Attempts, transfer_id: TransferId) -> bool:
        return transfer_id not in lying and honest(self, transfer_id)

    put_in(Attempts, "_refused", refusing)
    put_in(Attempts, "reserve", reserve)


@mutant("lets what the answer to several left out lie", "W4.13/again-alone")
def lets_the_left_out_lie() -> None:
    honest, left = Attempts.reserve, set[TransferId]()

    async def unanswered(_: Attempts, __: Any, transfer_id: TransferId) -> None:
        left.add(transfer_id)

    def reserve(self: Attempts, transfer_id: TransferId) -> bool:
        return transfer_id not in left and honest(self, transfer_id)

    put_in(Attempts, "reserve", reserve)

    put_in(Attempts, "_unanswered", unanswered)


@mutant("sends anew what the answer to several left out", "W4.13/again-alone")
def sends_anew_what_was_left_out() -> None:
    async def unanswered(self: Attempts, channel: Any, transfer_id: Any) -> None:
        now = self.clock.now()
        await self.journal.postpone(
            transfer_id, in_doubt=False, error="left out", not_before=now, at=now
        )
        await self.journal.thaw(transfer_id, now, never_seen=False, reason="left out")
        channel.goes_no_more(transfer_id)
        channel.lanes.look_again()

    put_in(Attempts, "_unanswered", unanswered)


@mutant("forgets how much of an upload it has", "W6.1/in-pieces", "W6.1/wrong-offset")
def forgets_offsets() -> None:
    async def offset(self: Any, request: web.Request) -> web.Response:
        self._door.neighbour(request)
        return web.Response(status=204, headers={"Upload-Offset": "0"})

    async def upload(self: Any, request: web.Request) -> web.Response:
        self._door.neighbour(request)
        await request.read()
        return web.Response(status=204, headers={"Upload-Offset": "0"})

    put_in(server._Handlers, "offset", offset)
    put_in(server._Handlers, "upload", upload)


@mutant("does not say that an envelope is missing", "W6.1/not-there")
def misses_silently() -> None:
    honest = Taking._gone_ahead

    async def gone_ahead(self: Taking, *arguments: Any) -> Signed:
        try:
            return await honest(self, *arguments)
        except NotFoundError:
            raise OverloadError("come again") from None

    put_in(Taking, "_gone_ahead", gone_ahead)


@mutant("takes an upload for what its name says", "W6.1/other-bytes")
def believes_names() -> None:
    put_in(taking._Counted, "damaged", lambda *_: False)


@mutant("sends large envelopes within their transfers", "W6.1/goes-ahead")
def never_ahead() -> None:
    put_in(client, "AHEAD_BYTES", 1 << 40)


@mutant("hands no receipts back to a neighbour that lacks what came later", "W1.7/earlier-release")
def keeps_receipts_from_earlier_releases() -> None:
    honest = NodesClient.hand_back

    async def hand_back(self: NodesClient, neighbour: Any, receipts: Any) -> None:
        async with self._ask(neighbour, "GET", "/axis/v1/node", b"", {}) as response:
            if "log-witness" not in (await response.json())["capabilities"]:
                raise TransportError("it is too old")
        await honest(self, neighbour, receipts)

    put_in(NodesClient, "hand_back", hand_back)


@mutant("sends nothing to a neighbour that lacks what came later", "W1.7/earlier-release")
def shuns_earlier_releases() -> None:
    honest = NodesClient.carry

    async def carry(self: NodesClient, neighbour: Any, *arguments: Any, **how: Any) -> Signed:
        async with self._ask(neighbour, "GET", "/axis/v1/node", b"", {}) as response:
            if "log-witness" not in (await response.json())["capabilities"]:
                raise TransportError("it is too old")
        return await honest(self, neighbour, *arguments, **how)

    put_in(NodesClient, "carry", carry)

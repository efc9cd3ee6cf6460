"""Faults of a node whose neighbour was restored, and of one that was restored itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from relay.conformance.own import DISTRICT, KIT_DISTRICT
from relay.delivery.arrivals import TransferDesk
from relay.delivery.recovery import readmitting
from relay.delivery.recovery.ports import OwnReceipts, Reminder, SentBack
from relay.delivery.recovery.readmitting import Readmitter
from relay.delivery.recovery.recovering import RecoveryDesk
from relay.delivery.recovery.reminding import RemindingDesk
from relay.delivery.returns import ReturnDesk
from relay.errors import NotFoundError, OverloadError, PeerError, WireError
from relay.journal import early
from relay.journal.reminding import SQL
from relay.model import NodeId, Receipt, TransferHeader
from relay.transport.nodes import reminding
from relay.transport.nodes.reminding import ReminderFace
from relay.wire.transfer import read_transfer
from tests.conformance.mutants import mutant, put_in

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
Since = tuple[datetime, int | None]


@mutant(
    "answers whatever a restored node asks", "W8.1/no-since", "W8.1/bad-since", "W8.1/bad-cursor"
)
def answers_any_question() -> None:
    honest = reminding._asked

    def asked(request: web.Request) -> Since:
        try:
            return honest(request)
        except WireError:
            return LONG_AGO, None

    put_in(reminding, "_asked", asked)


@mutant("gives a restored node none of its receipts", "W8.2/own-receipts")
def gives_no_receipts() -> None:
    async def own_receipts(*_: Any) -> OwnReceipts:
        return OwnReceipts((), None)

    put_in(RemindingDesk, "own_receipts", own_receipts)


@mutant("gives a restored node its answers as well", "W8.2/no-answers")
def gives_answers() -> None:
    text = SQL["own_receipts"]
    SQL["own_receipts"] = text.replace("AND NOT EXISTS", "AND 1 OR NOT EXISTS")


@mutant(
    "answers anybody as its first neighbour", "W8.2/no-others", "W8.3/no-others", "W8.4/anothers"
)
def tells_anybody() -> None:
    for name in ("own_receipts", "remind", "sent"):
        put_in(RemindingDesk, name, _as_the_first(getattr(RemindingDesk, name)))


def _as_the_first(honest: Any) -> Any:
    async def told(self: RemindingDesk, _: NodeId, *asked: Any) -> Any:
        return await honest(self, NodeId(KIT_DISTRICT), *asked)

    return told


@mutant("answers a page without receipts with 200", "W8.2/none")
def gives_empty_pages() -> None:
    honest = ReminderFace.own_receipts

    async def own_receipts(self: ReminderFace, request: web.Request) -> web.Response:
        found = await honest(self, request)
        return web.Response(status=200) if found.status == 204 else found

    put_in(ReminderFace, "own_receipts", own_receipts)


@mutant(
    "reminds a restored node of nothing", "W8.3/transfers-again", "W8.3/receipts-again", "W8.3/sent"
)
def reminds_of_nothing() -> None:
    async def remind(*_: Any) -> Reminder:
        return Reminder(0, 0, 0, (), None)

    put_in(RemindingDesk, "remind", remind)


@mutant("tells a restored node what it sent once", "W8.3/repeatable")
def reminds_once() -> None:
    told: set[str] = set()
    honest = RemindingDesk.remind

    async def remind(self: RemindingDesk, *asked: Any) -> Reminder:
        page = await honest(self, *asked)
        new = tuple(one for one in page.sent if one not in told)
        told.update(new)
        return Reminder(page.transfers, page.receipts, page.gone, new, page.cursor)

    put_in(RemindingDesk, "remind", remind)


@mutant("tells a restored node of all times", "W8.3/since")
def ignores_since() -> None:
    honest = RemindingDesk.remind

    async def remind(self: RemindingDesk, neighbour: NodeId, _: Any, cursor: Any) -> Reminder:
        return await honest(self, neighbour, LONG_AGO, cursor)

    put_in(RemindingDesk, "remind", remind)


@mutant("cannot give back what a restored node sent", "W8.4/as-it-came", "W8.4/with-envelope")
def forgets_what_came() -> None:
    async def sent(*_: Any) -> Any:
        raise NotFoundError("it is gone")

    put_in(RemindingDesk, "sent", sent)


@mutant("answers with nothing where it has no transfer", "W8.4/unknown")
def has_everything() -> None:
    honest = ReminderFace.sent

    async def sent(self: ReminderFace, request: web.Request) -> web.StreamResponse:
        try:
            return await honest(self, request)
        except NotFoundError:
            return web.Response(status=200)

    put_in(ReminderFace, "sent", sent)


# ------------------------------------------------------------ restored itself

_DESKS: list[RecoveryDesk] = []


def _remember_desk() -> None:
    honest = RecoveryDesk.start

    async def start(self: RecoveryDesk) -> None:
        _DESKS.append(self)
        await honest(self)

    put_in(RecoveryDesk, "start", start)


@mutant("admits nothing that it gets back", "W8.5/as-it-was", "W8.6/receipt-kept")
def admits_nothing() -> None:
    async def prepare(*_: Any) -> Any:
        raise PeerError("what is gone is gone")

    put_in(Readmitter, "prepare", prepare)


@mutant("admits what it is given back unproven", "W8.5/other-envelope", "W8.5/other-signer")
def admits_unproven() -> None:
    def proven(
        _: Readmitter, neighbour: NodeId, transfer_id: Any, sent: SentBack
    ) -> TransferHeader:
        return read_transfer(sent.header.document)

    put_in(Readmitter, "_proven", proven)


@mutant("admits what others began as its own", "W8.5/other-origin")
def admits_what_others_began() -> None:
    honest, said = Readmitter._proven, readmitting._receipt

    def receipt(header: TransferHeader, deliveries: Any) -> Receipt:
        """Of its acceptance, which it signs itself."""
        return replace(said(header, deliveries), issuer=NodeId(DISTRICT))

    def proven(
        self: Readmitter, neighbour: NodeId, transfer_id: Any, sent: SentBack
    ) -> TransferHeader:
        header = self.notary.check_transfer(sent.header, self.place.node, self.clock.now())
        if header.origin == self.place.node:
            return honest(self, neighbour, transfer_id, sent)
        return header

    put_in(Readmitter, "_proven", proven)
    put_in(readmitting, "_receipt", receipt)


@mutant("takes submissions before it has its memory back", "W8.6/no-submissions")
def takes_submissions() -> None:
    put_in(RecoveryDesk, "waits_for", lambda _: None)


@mutant("takes nothing from anybody while it recovers", "W8.6/transfers", "W8.6/receipts")
def closes_itself() -> None:
    _remember_desk()
    for desk in (TransferDesk, ReturnDesk):
        put_in(desk, "take", _closed(desk.take))


def _closed(honest: Any) -> Any:
    async def take(self: Any, *arguments: Any, **how: Any) -> Any:
        if any(desk.recovering for desk in _DESKS):
            raise OverloadError("it recovers")
        return await honest(self, *arguments, **how)

    return take


@mutant("notes a receipt whose message is not back yet, and forgets it", "W8.6/receipt-kept")
def keeps_no_early_receipts() -> None:
    put_in(early, "keep", lambda *_: False)


@mutant("refuses as expired what it lost by its own fault", "W8.6/late")
def knows_no_delay() -> None:
    put_in(RecoveryDesk, "late", lambda *_: False)


@mutant("says that it never had what it may have lost", "W8.7/meanwhile", "W8.7/afterwards")
def denies_what_it_lost() -> None:
    put_in(RecoveryDesk, "may_have_had", lambda *_: False)


@mutant("does not take again what it may have lost", "W8.7/repeated")
def takes_nothing_again() -> None:
    _remember_desk()
    honest = TransferDesk.open

    async def opened(self: TransferDesk, *arguments: Any, **how: Any) -> Any:
        found = await honest(self, *arguments, **how)
        header = getattr(found, "header", None)
        if header is not None and any(
            not desk.recovering and desk.late(header.created_at) for desk in _DESKS
        ):
            raise OverloadError("it may have been lost")
        return found

    put_in(TransferDesk, "open", opened)

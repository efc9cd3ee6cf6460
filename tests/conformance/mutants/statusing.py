"""Faults with statuses and take-backs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from relay import lifecycle
from relay.delivery import saying
from relay.delivery.arrivals import TransferDesk
from relay.delivery.verdicts import VerdictDesk
from relay.envelope.reader import read
from relay.errors import PeerError
from relay.journal import admitting, handing, matching, obliging
from relay.journal.store import SqliteJournal
from relay.model import (
    DeliveryState,
    Event,
    MessageType,
    ObligationState,
    Reason,
    Receipt,
    Signed,
)
from relay.transport.nodes.client import NodesClient
from relay.wire import receipt as receipts
from tests.conformance.mutants import mutant, put_in

# ------------------------------------------------------------ statuses


def _silent_status(drops: Any) -> None:
    """Statuses that `drops` says yes to are answered as if they were taken, and are not."""
    honest = admitting.take_in

    def take_in(tx: Any, node: Any, arrival: Any, *rest: Any) -> Any:
        message = arrival.message
        if message is not None and message.report is not None and drops(tx, message):
            arrival = replace(arrival, message=None, deliveries=())
        return honest(tx, node, arrival, *rest)

    put_in(admitting, "take_in", take_in)


@mutant("drops statuses that come before their document", "W10.1/unmatched")
def drops_early_statuses() -> None:
    def early(tx: Any, message: Any) -> bool:
        named = message.report.document_id
        known = tx.run("SELECT 1 FROM messages WHERE document_id = ?", named).fetchone()
        return known is None

    _silent_status(early)


@mutant("drops statuses that say less than what was said before", "W10.1/any-order")
def drops_late_statuses() -> None:
    seen: dict[str, str] = {}

    def late(_: Any, message: Any) -> bool:
        report = message.report
        furthest = max(seen.get(report.document_id, ""), report.status_code)
        seen[report.document_id] = furthest
        return bool(report.status_code < furthest)

    _silent_status(late)


@mutant("keeps statuses for itself", "W10.1/carried-in")
def keeps_statuses() -> None:
    _silent_status(lambda *_: True)


@mutant(
    "sends no statuses to other nodes", "W10.1/carried-out", "W10.8/carried", "W10.5/travels-on"
)
def sends_no_statuses() -> None:
    honest = NodesClient.carry

    async def carry(
        self: NodesClient, neighbour: Any, header: Signed, *rest: Any, **how: Any
    ) -> Any:
        if b"<MessageType>status</MessageType>" in header.document:
            raise PeerError("statuses are not sent")
        return await honest(self, neighbour, header, *rest, **how)

    put_in(NodesClient, "carry", carry)


_SPOKEN_OF: set[str] = set()


def _hear_statuses() -> None:
    """Which documents statuses speak of."""
    honest = TransferDesk.take

    async def take(self: TransferDesk, opened: Any, seal: Any, envelope: Any, *rest: Any) -> Signed:
        if opened.header.message_type is MessageType.STATUS:
            _SPOKEN_OF.update(one.document_id for one in envelope.response_for)
        return await honest(self, opened, seal, envelope, *rest)

    put_in(TransferDesk, "take", take)


@mutant("takes a status for the end of a transport", "W10.1/not-the-transport")
def ends_at_a_status() -> None:
    _hear_statuses()
    honest = NodesClient.carry

    async def carry(
        self: NodesClient, neighbour: Any, header: Signed, seal: bytes, payload: Any, **how: Any
    ) -> Any:
        content = b"".join([chunk async for chunk in self.store.read(payload)])
        if read(content).document_id in _SPOKEN_OF:
            raise PeerError("its recipient spoke of it")
        return await honest(self, neighbour, header, seal, payload, **how)

    put_in(NodesClient, "carry", carry)


@mutant("speaks for an agency as if the agency did", "W10.1/own-words")
def speaks_as_the_agency() -> None:
    put_in(saying, "MARK", "")


@mutant("carries no second 13 about a document", "W10.8/asked-again")
def asks_once() -> None:
    honest, asked = NodesClient.carry, dict[str, str]()

    async def carry(
        self: NodesClient, neighbour: Any, header: Signed, seal: bytes, payload: Any, **how: Any
    ) -> Any:
        found = read(b"".join([chunk async for chunk in self.store.read(payload)]))
        if found.status is not None and found.status.status_code == "13":
            first = asked.setdefault(found.response_for[0].document_id, found.digest)
            if first != found.digest:
                raise PeerError("that was asked before")
        return await honest(self, neighbour, header, seal, payload, **how)

    put_in(NodesClient, "carry", carry)


# ------------------------------------------------------------ which documents a 13 means


@mutant(
    "takes nothing back",
    "W10.2/by-document-id",
    "W10.2/by-message-id",
    "W10.2/by-number",
    "W10.2/before-its-document",
    "W10.3/not-listed",
    "W10.3/not-given-out",
    "W10.3/evidence",
    "W10.4/destruction-asked",
)
def takes_nothing_back() -> None:
    put_in(obliging, "_race", lambda *_: None)


@mutant("knows documents by their DocumentId alone", "W10.2/by-message-id", "W10.2/by-number")
def knows_one_name() -> None:
    honest = matching._search

    def search(tx: Any, one: Any, ones: Any, others: Any, named: Any) -> Any:
        found = honest(tx, one, ones, others, named)
        known = "SELECT document_id FROM messages WHERE message_row = ?"
        return [
            each
            for each in found
            if tx.run(known, each.message_row).fetchone()[0] == named.document_id
        ]

    put_in(matching, "_search", search)


@mutant("forgets a 13 that finds no document", "W10.2/before-its-document")
def forgets_early_take_backs() -> None:
    put_in(matching, "_match_early", lambda *_: None)


@mutant("takes back what is sent anew", "W10.2/minted-later")
def takes_back_for_ever() -> None:
    put_in(matching, "may_speak_of", lambda *_: True)


@mutant("lets anyone take a document back", "W10.2/of-another")
def lets_anyone_take_back() -> None:
    honest = matching._of_request

    def of_request(tx: Any, cause: Any, recipients: Any, named: Any) -> Any:
        query = "SELECT sender FROM messages WHERE document_id = ? AND message_type = 'edoc'"
        found = tx.run(query, named.document_id).fetchone()
        other = cause if found is None else replace(cause, sender=found[0])
        return honest(tx, other, recipients, named)

    put_in(matching, "_of_request", of_request)


# ------------------------------------------------------------ what becomes of it


def _gives_out(self: Any, *_: Any) -> None:
    """Nothing is looked at."""


@mutant("gives out what was taken back", "W10.3/not-given-out")
def gives_out_taken_back() -> None:
    from relay.delivery import inbox

    put_in(inbox, "_refuse_taken_back", _gives_out)
    put_in(handing, "_refuse_taken_back", _gives_out)
    honest = lifecycle.step
    put_in(
        lifecycle,
        "step",
        lambda state, what: state if state is DeliveryState.TAKEN_BACK else honest(state, what),
    )


@mutant("offers a 13 whose document was taken back", "W10.3/not-listed")
def offers_take_backs() -> None:
    put_in(obliging, "_spare", lambda *_: None)


def _verdict_receipts(change: Any) -> None:
    honest = VerdictDesk._receipt

    def receipt(self: VerdictDesk, verdict: Any) -> Receipt:
        found = honest(self, verdict)
        return replace(found, evidence=tuple(map(change, found.evidence)))

    put_in(VerdictDesk, "_receipt", receipt)


@mutant("says of what was taken back that its recipient refused it", "W10.3/evidence")
def blames_the_recipient() -> None:
    def changed(item: Any) -> Any:
        taken = item.reason is Reason.TAKEN_BACK
        return replace(item, reason=Reason.REJECTED_BY_RECIPIENT) if taken else item

    _verdict_receipts(changed)


@mutant("decides take-backs and tells nobody", "W10.3/evidence", "W10.4/destruction-asked")
def tells_nobody() -> None:
    async def sweep(self: VerdictDesk) -> int:
        return 0

    put_in(VerdictDesk, "sweep", sweep)


@mutant(
    "does not write down what was fetched",
    "W10.3/fetched-is-durable",
    "W10.4/destruction-asked",
)
def forgets_fetches() -> None:
    async def mark_fetched(self: SqliteJournal, *_: Any) -> None:
        return

    put_in(SqliteJournal, "mark_fetched", mark_fetched)


@mutant("lets a consignment have any reason", "W10.4/no-other-reason")
def gives_any_reason() -> None:
    put_in(receipts, "_why_consigned", lambda _: True)


@mutant("takes back what may be further on", "W10.5/in-doubt", "W10.5/travels-on")
def takes_back_on_the_way() -> None:
    put_in(obliging._Spot, "waits_unsent", property(lambda self: self.next_hop is not None))
    honest = lifecycle.step

    def step(state: Any, happening: Any) -> Any:
        if happening is lifecycle.Happening.TAKEN_BACK:
            return DeliveryState.TAKEN_BACK
        return honest(state, happening)

    put_in(lifecycle, "step", step)


# ------------------------------------------------------------ how it is told


@mutant("takes a request for granted", "W10.6/requested")
def takes_for_granted() -> None:
    honest = lifecycle.obliged

    def obliged(proven: Any, answer: Any, **how: Any) -> Any:
        found = honest(proven, answer, **how)
        return ObligationState.TAKEN_BACK if found is ObligationState.REQUESTED else found

    put_in(lifecycle, "obliged", obliged)


@mutant("believes any evidence that a document was taken back", "W10.6/handed-over-stays")
def believes_take_backs() -> None:
    honest = lifecycle.settle

    def settle(state: Any, event: Any, reason: Any = None) -> Any:
        failed = event is Event.CONTENT_HANDOVER_FAILURE and reason is Reason.TAKEN_BACK
        return DeliveryState.TAKEN_BACK if failed else honest(state, event, reason)

    put_in(lifecycle, "settle", settle)


@mutant("takes every answer for consent", "W10.8/answered")
def takes_all_for_consent() -> None:
    honest = obliging._said
    put_in(obliging, "_said", lambda *arguments: (sum(honest(*arguments)), 0))


@mutant("believes an answer more than proof", "W10.8/evidence-first")
def believes_answers() -> None:
    put_in(
        lifecycle,
        "obliged",
        lambda proven, answer, **_: proven if answer is None else answer,
    )


# ------------------------------------------------------------ what revokes, updates or replaces


@mutant(
    "takes what revokes or replaces a document for a take-back",
    "W10.9/earlier-stays",
    "W10.9/earlier-travels-on",
)
def takes_revocations_for_take_backs() -> None:
    def decide(tx: Any, node: Any, obligation: int, delivery: int, at: Any) -> None:
        obliging._race(tx, node, obliging._spot(tx, delivery), None, at)

    put_in(obliging, "_decide", decide)
    put_in(obliging._Spot, "is_here", property(lambda self: self.state not in obliging._GIVEN_OUT))


@mutant("carries new documents alone", "W10.9/carried-in", "W10.9/carried-out")
def carries_new_documents_alone() -> None:
    honest = TransferDesk.take

    async def take(self: TransferDesk, opened: Any, seal: Any, envelope: Any, *rest: Any) -> Signed:
        if envelope.operation:
            raise PeerError("it is not new")
        return await honest(self, opened, seal, envelope, *rest)

    carry_honestly = NodesClient.carry

    async def carry(
        self: NodesClient, neighbour: Any, header: Signed, seal: bytes, payload: Any, **how: Any
    ) -> Any:
        if read(b"".join([chunk async for chunk in self.store.read(payload)])).operation:
            raise PeerError("it is not new")
        return await carry_honestly(self, neighbour, header, seal, payload, **how)

    put_in(TransferDesk, "take", take)
    put_in(NodesClient, "carry", carry)

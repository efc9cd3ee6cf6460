"""Faults in telling why a document waits, and in what is made of what others tell (W18)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from relay.conformance.proofs import leaf_of
from relay.delivery.attaching.ports import Arrived
from relay.delivery.attaching.sending import ProofCourier
from relay.delivery.passing import watching
from relay.delivery.timeline import passed
from relay.delivery.timeline.ports import Line, Source
from relay.errors import PeerError, WireError
from relay.journal import attaching as table
from relay.journal import passing
from relay.journal.attaching import AttachTable
from relay.journal.writer import Transaction
from relay.model import AgencyCode, NodeId, Receipt, Signed
from relay.node import attaching
from relay.node.attaching import OwnPublishedLog
from relay.transport.nodes.attaching_client import AttachClient
from relay.transport.nodes.client import NodesClient
from relay.wire import passage as passages
from relay.wire.attached import Answer, Answered
from relay.wire.passage import Passage, Wait, passage_fields, read_passage
from relay.wire.transfer import read_transfer
from tests.conformance.mutants import mutant, put_in

# ------------------------------------------------------------ what it tells


@mutant("sends what waited on only when its passage was taken", "W18.1/not-delayed")
def waits_for_its_passage() -> None:
    honest, attach = NodesClient.carry, AttachClient.attach
    waiting: set[str] = set()

    async def carry(
        self: NodesClient, neighbour: Any, header: Signed, *rest: Any, **how: Any
    ) -> Signed:
        transfer = read_transfer(header.document).transfer_id
        if transfer in waiting:
            raise PeerError("why it waits is not told yet")
        try:
            return await honest(self, neighbour, header, *rest, **how)
        except PeerError:
            waiting.add(transfer)
            raise

    async def attached(
        self: AttachClient, neighbour: NodeId, proofs: Sequence[bytes]
    ) -> Sequence[Answered]:
        answers = await attach(self, neighbour, proofs)
        taken = zip(proofs, answers, strict=True)
        if any(_is_passage(one) and told.answer is Answer.KEPT for one, told in taken):
            waiting.clear()
        return answers

    put_in(NodesClient, "carry", carry)
    put_in(AttachClient, "attach", attached)


def _is_passage(proof: bytes) -> bool:
    return leaf_of(proof).get("event") == passages.EVENT


def _telling(changed: Callable[[Passage], dict[str, object]]) -> None:
    """Its own passages say that."""
    put_in(passing, "passage_fields", lambda one: passage_fields(one) | changed(one))


@mutant("names the next node's recipients in its passages", "W18.2/fields")
def names_other_recipients() -> None:
    _telling(lambda one: {"recipients": [*one.recipients, AgencyCode("H98.404")]})


@mutant("tells what waits as gone", "W18.2/departed")
def tells_what_waits_as_gone() -> None:
    honest = watching._passages

    def told(node: NodeId, found: Iterable[Any], now: datetime) -> list[Passage]:
        return honest(node, [(one, watch, now) for one, watch, _ in found], now)

    put_in(watching, "_passages", told)


@mutant("tells reasons of its own", "W18.3/one-of-five")
def tells_reasons_of_its_own() -> None:
    def waits(one: Passage) -> list[dict[str, str]]:
        honest: Any = passage_fields(one)["waits"]
        return [wait | {"reason": "somebody-is-slow"} for wait in honest]

    _telling(lambda one: {"waits": waits(one)})


@mutant("tells the next node's words in its passages", "W18.3/no-words")
def tells_others_words() -> None:
    heard: list[str] = []
    honest = NodesClient.carry

    async def carry(self: NodesClient, *arguments: Any, **how: Any) -> Signed:
        try:
            return await honest(self, *arguments, **how)
        except PeerError as error:
            heard[:] = [str(error)]
            raise

    put_in(NodesClient, "carry", carry)
    _telling(lambda _: {"heard": list(heard)})


@mutant("proves its passages by another entry's path", "W18.4/proven")
def proves_no_passage() -> None:
    honest = OwnPublishedLog.prove

    async def prove(self: OwnPublishedLog, entries: Sequence[int], to: NodeId) -> Any:
        found = dict(await honest(self, entries, to))
        return {entry: _elsewhere(proof) for entry, proof in found.items()}

    put_in(OwnPublishedLog, "prove", prove)


def _elsewhere(proof: bytes) -> bytes:
    before, index, after = proof.partition(b"\nindex ")
    number, end, rest = after.partition(b"\n")
    if not _is_passage(proof):
        return proof
    return b"".join((before, index, str(int(number) ^ 1).encode(), end, rest))


@mutant("hands passages to whoever takes proofs", "W18.4/not-without")
def hands_passages_to_all() -> None:
    async def takes(*_: Any) -> bool:
        return True

    put_in(ProofCourier, "_takes_passages", takes)


# ------------------------------------------------------------ what it is told

Told = Callable[[Mapping[str, Any], Receipt], Passage | None]


@mutant(
    "takes what is no passage for a proof of the receipt",
    "W18.5/another-message",
    "W18.5/another-origin",
    "W18.5/not-taken-over",
    "W18.5/reasons",
    "W18.5/bounds",
    "W18.5/forms",
)
def takes_any_passage() -> None:
    honest: Told = attaching.told_in

    def told_in(fields: Mapping[str, Any], receipt: Receipt) -> Passage | None:
        try:
            return honest(fields, receipt)
        except WireError:
            return None

    put_in(attaching, "told_in", told_in)


@mutant("takes no passages", "W18.5/kept")
def takes_no_passages() -> None:
    honest: Told = attaching.told_in

    def told_in(fields: Mapping[str, Any], receipt: Receipt) -> Passage | None:
        if honest(fields, receipt) is not None:
            raise WireError("no passages here")
        return None

    put_in(attaching, "told_in", told_in)


@mutant("refuses passages with reasons of a later version", "W18.3/unknown-taken")
def knows_its_own_reasons() -> None:
    def read(fields: Any) -> Passage:
        found = read_passage(fields)
        if any(wait.reason is None for wait in found.waits):
            raise WireError("a reason that nobody knows")
        return found

    put_in(attaching, "read_passage", read)


@mutant("shows whatever another node gives as the reason", "W18.3/unknown-not-shown")
def shows_any_reason() -> None:
    honest = passages._wait

    def read(found: Any) -> Wait:
        return replace(honest(found), reason=found["reason"])

    put_in(passages, "_wait", read)
    put_in(passed, "_WHY", defaultdict(lambda: "who knows", passed._WHY))


def _running(statement: str, value: str) -> Callable[[Transaction], None]:
    def run(tx: Transaction) -> None:
        tx.run(statement, value)

    return run


@mutant("keeps passages to itself", "W18.6/handed-on")
def keeps_passages_to_itself() -> None:
    honest = AttachTable.keep

    async def keep(self: AttachTable, arrived: Sequence[Arrived], at: datetime) -> Any:
        to = await honest(self, arrived, at)
        statement = "DELETE FROM attachments WHERE receipt = ? AND about <> ''"
        for one in arrived:
            if one.passage is not None:
                await self.journal.perform(_running(statement, one.digest))
        return to

    put_in(AttachTable, "keep", keep)


@mutant("refuses passages earlier than what it has", "W18.6/earlier")
def refuses_earlier_passages() -> None:
    honest: Told = attaching.told_in
    newest: dict[str, datetime] = {}

    def told_in(fields: Mapping[str, Any], receipt: Receipt) -> Passage | None:
        found = honest(fields, receipt)
        if found is not None:
            if found.at < newest.get(found.receipt, found.at):
                raise WireError("a later one is here")
            newest[found.receipt] = found.at
        return found

    put_in(attaching, "told_in", told_in)


@mutant("keeps the passage that came last, whatever its time", "W18.6/latest-stays")
def keeps_what_came_last() -> None:
    text = table.SQL["keep_passage"]
    put_in(table, "SQL", {**table.SQL, "keep_passage": text.partition("WHERE excluded")[0]})


@mutant("shows a passage as if it were a receipt", "W18.7/shown")
def shows_passages_as_receipts() -> None:
    honest = passed._line

    def line(*arguments: Any) -> Line:
        return replace(honest(*arguments), source=Source.RECEIPT)

    put_in(passed, "_line", line)


@mutant("takes a passage for the end of a delivery", "W18.7/settles-nothing")
def settles_by_passages() -> None:
    honest = AttachTable.keep
    statement = (
        "UPDATE deliveries SET state = 'handed-over' WHERE message_row ="
        " (SELECT message_row FROM receipts WHERE digest = ?)"
    )

    async def keep(self: AttachTable, arrived: Sequence[Arrived], at: datetime) -> Any:
        for one in arrived:
            if one.passage is not None and one.passage.departed is not None:
                await self.journal.perform(_running(statement, one.digest))
        return await honest(self, arrived, at)

    put_in(AttachTable, "keep", keep)

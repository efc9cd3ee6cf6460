"""Faults in answers and in receipts that travel back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from relay.conformance.own import DISTRICT
from relay.delivery import arrivals, returns
from relay.delivery.arrivals import TransferDesk
from relay.delivery.neighbours import standing
from relay.delivery.returns import MOST_AT_ONCE, ReturnDesk
from relay.errors import RelayError, WireError
from relay.model import Reason, Receipt, Signed
from relay.routing.next_hop import Here, NoRoute
from relay.routing.next_hop import next_hop as next_hop_of
from relay.transport.nodes import server
from relay.transport.nodes.client import NodesClient
from relay.wire import receipt as receipts
from tests.conformance.mutants import mutant, put_in


def _receipt(change: Any) -> None:
    honest = TransferDesk._receipt

    def receipt(self: TransferDesk, *arguments: Any) -> Receipt:
        found: Receipt = change(honest(self, *arguments))
        return found

    put_in(TransferDesk, "_receipt", receipt)


@mutant("names its answers by another type", "W5.1/container")
def names_another_type() -> None:
    put_in(server, "RECEIPTS_TYPE", "application/octet-stream")


@mutant("accepts recipients that it does not know", "W5.3/unknown-recipient", "W5.3/each")
def accepts_anyone() -> None:
    honest = next_hop_of

    def next_hop(*arguments: Any) -> Any:
        found = honest(*arguments)
        return Here() if isinstance(found, NoRoute) else found

    put_in(arrivals, "next_hop", next_hop)


@mutant("refuses what it cannot read without saying why", "W5.3/bad-envelope")
def hides_why() -> None:
    def hidden(found: Receipt) -> Receipt:

        return replace(
            found,
            evidence=tuple(
                replace(one, reason=Reason.POLICY) if one.reason else one for one in found.evidence
            ),
        )

    _receipt(hidden)


@mutant("names no receipt of the hop before", "W5.4/previous")
def names_no_previous() -> None:
    _receipt(
        lambda found: replace(
            found, evidence=tuple(replace(one, previous=None) for one in found.evidence)
        )
    )


@mutant("keeps receipts to itself", "W5.7/handover", "W5.7/handover-failure")
def keeps_receipts() -> None:
    async def hand_back(self: NodesClient, *_: Any) -> None:
        return

    put_in(NodesClient, "hand_back", hand_back)


@mutant("hands back its own receipts alone", "W5.8/handed-on")
def hands_back_its_own() -> None:
    honest = NodesClient.hand_back

    async def hand_back(self: NodesClient, neighbour: Any, found: Any) -> None:
        own = [one for one in found if f"<Issuer>{DISTRICT}<".encode() in one.document]
        if own:
            await honest(self, neighbour, own)

    put_in(NodesClient, "hand_back", hand_back)


@mutant("hands a receipt back once, taken or not", "W5.8/comes-again")
def hands_back_once() -> None:
    honest = NodesClient.hand_back

    async def hand_back(self: NodesClient, *arguments: Any) -> None:
        with suppress(RelayError):
            await honest(self, *arguments)

    put_in(NodesClient, "hand_back", hand_back)


@mutant("takes a receipt once, and its repeat for a fault", "W5.8/idempotent")
def refuses_repeats() -> None:
    honest, seen = ReturnDesk.take, set()

    async def take(self: ReturnDesk, neighbour: Any, found: Any) -> None:
        for one in found:
            if one.digest in seen:
                raise WireError("it was here before")
            seen.add(one.digest)
        await honest(self, neighbour, found)

    put_in(ReturnDesk, "take", take)


@mutant("takes no receipt, and says of each what is wrong", "W5.8/idempotent", "W13.7/taken")
def takes_no_receipts() -> None:
    async def take(self: ReturnDesk, *_: Any) -> None:
        raise WireError("it is not taken")

    put_in(ReturnDesk, "take", take)


@mutant("takes what holds of several receipts and drops the rest", "W5.8/none-of-a-batch")
def takes_what_holds() -> None:
    honest = ReturnDesk.take

    async def take(self: ReturnDesk, neighbour: Any, found: Any) -> None:
        if not 1 < len(found) <= MOST_AT_ONCE:
            return await honest(self, neighbour, found)
        for one in found:
            with suppress(RelayError):
                await honest(self, neighbour, [one])
        return None

    put_in(ReturnDesk, "take", take)


@mutant("keeps what holds of several receipts that it refuses", "W5.8/none-of-a-batch")
def keeps_of_what_it_refuses() -> None:
    honest = ReturnDesk.take

    async def take(self: ReturnDesk, neighbour: Any, found: Any) -> None:
        for one in found if len(found) > 1 else ():
            with suppress(RelayError):
                await honest(self, neighbour, [one])
        await honest(self, neighbour, found)

    put_in(ReturnDesk, "take", take)


@mutant("answers receipts with receipts", "W5.8/no-receipt-of-a-receipt")
def answers_receipts() -> None:
    honest = ReturnDesk.take

    async def take(self: ReturnDesk, neighbour: Any, found: Any) -> None:
        await honest(self, neighbour, found)
        await self.wire.hand_back(neighbour, found)

    put_in(ReturnDesk, "take", take)


@mutant("takes anybody's receipt from anybody", "W5.9/wrong-side", "W5.9/by-who-serves")
def takes_any_receipt() -> None:
    put_in(returns, "require_issuer", lambda *_: None)


@mutant("takes any node's word that a recipient has a document", "W5.9/by-who-serves")
def takes_any_nodes_word() -> None:
    put_in(standing, "_AT_THE_END", frozenset())


@mutant("refuses receipts about what went another way", "W5.9/not-its-delivery")
def refuses_others() -> None:
    honest = ReturnDesk._prove

    async def prove(self: ReturnDesk, neighbour: Any, signed: Signed, check: Any) -> Receipt:
        found = await honest(self, neighbour, signed, check)
        for one in found.evidence:
            agency = self.directory.find(one.recipient)
            if agency is not None and agency.node == self.node:
                raise WireError("it did not go that way")
        return found

    put_in(ReturnDesk, "_prove", prove)


@mutant("takes receipts without end", "W5.10/two-hundred")
def takes_without_end() -> None:
    put_in(returns, "MOST_AT_ONCE", 1_000_000)


@mutant("lets anything be said where nothing failed", "W5.11/detail")
def lets_anything_be_said() -> None:
    put_in(receipts, "_is_remote_word", lambda _: True)

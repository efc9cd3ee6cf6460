"""Whatever operators do, in whichever order: nothing is forgotten, nothing held is repeated."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from relay.delivery.operators.orders import Action, Freed, Order
from relay.delivery.records import DeliveryRow, Freeze
from relay.journal.operating import OperatingTable
from relay.journal.store import SqliteJournal
from relay.lifecycle import IllegalStepError
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    Lane,
    NodeId,
    Reason,
    Signed,
    TransferId,
)

NODE, TINH, TW = NodeId("xa-a"), NodeId("tinh"), NodeId("tw")
CONTENT = b"<edXML/>"


def _order(make: Any, action: Action) -> Order:
    return Order(action, "local:vanhanh", "thử", make.at)


async def _freeze_next(journal: SqliteJournal, make: Any, hop: NodeId) -> TransferId | None:
    ready = await journal.ready(hop, Lane.NORMAL, 50)
    if not ready:
        return None
    transfer = TransferId(make.uuid())
    header = Signed(transfer.encode(), b"<signature/>")
    await journal.freeze([Freeze(transfer, hop, ready[0], header, make.at)])
    return transfer


async def _consistent(journal: SqliteJournal) -> None:
    forgotten = await journal.rows(
        "SELECT d.delivery_id FROM deliveries d JOIN transfers t USING (transfer_id)"
        " WHERE d.state IN ('queued', 'in-flight', 'in-doubt') AND t.open = 0"
    )
    resting = await journal.rows(
        "SELECT t.transfer_id FROM transfers t WHERE t.open = 2 AND NOT EXISTS"
        " (SELECT 1 FROM deliveries d WHERE d.transfer_id = t.transfer_id AND d.state = 'held')"
    )
    restless = await journal.rows(
        "SELECT t.transfer_id FROM transfers t JOIN deliveries d USING (transfer_id)"
        " WHERE t.open = 1 AND d.state = 'held'"
    )
    elsewhere = await journal.rows(
        "SELECT 1 FROM transfers t JOIN deliveries d USING (transfer_id)"
        " WHERE t.open > 0 AND d.next_hop <> t.neighbour"
    )
    assert (forgotten, resting, restless, elsewhere) == ([], [], [], [])


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_forgotten_and_nothing_held_is_repeated(
    journal: SqliteJournal, make: Any, seed: int
) -> None:
    """Two hundred random steps of operators, dispatcher and neighbours."""
    dice = random.Random(seed)
    table = OperatingTable(journal, NODE)
    transfers: dict[TransferId, NodeId] = {}
    done = 0
    for step in range(200):
        rows = [
            DeliveryRow(r[0]) for r in await journal.rows("SELECT delivery_row FROM deliveries")
        ]
        some = dice.sample(rows, min(len(rows), dice.randrange(1, 4))) if rows else []
        freed = None
        if transfers and dice.random() < 0.5:
            freed = Freed(dice.choice(list(transfers)), never_seen=dice.random() < 0.5)
        with contextlib.suppress(IllegalStepError):
            match dice.randrange(9):
                case 0 | 1:
                    hop = dice.choice([TINH, TW])
                    admission = make.admission(
                        CONTENT, ("G01", "G02"), next_hop=hop, key=f"k{step}"
                    )
                    await journal.admit(admission)
                case 2:
                    hop = dice.choice([TINH, TW])
                    if (transfer := await _freeze_next(journal, make, hop)) is not None:
                        transfers[transfer] = hop
                case 3:
                    done += (await table.hold(_order(make, Action.HOLD), some, freed)).rows
                case 4:
                    done += (await table.let_go(_order(make, Action.RELEASE), some)).rows
                case 5:
                    hops = {row: dice.choice([TINH, TW]) for row in some}
                    moved = await table.reroute(_order(make, Action.REDIRECT), hops, freed)
                    done += moved.rows
                case 6 if some:
                    target = (await table.targets(some[:1]))[0]
                    waiting = target.waiting
                    proof = make.receipt(
                        waiting.message_id,
                        CONTENT,
                        Evidence(
                            Event.RELAY_FAILURE, waiting.recipient, None, Reason.CANCELLED, "x"
                        ),
                    )
                    order = _order(make, Action.CANCEL)
                    if target.transfer is not None:
                        freed = Freed(target.transfer.transfer_id, never_seen=True)
                    await table.end(order, [target], proof, freed)
                    done += 1
                case 7 if transfers:
                    transfer = dice.choice(list(transfers))
                    await journal.resend(transfer, make.at)
                    await journal.postpone(
                        transfer,
                        in_doubt=dice.random() < 0.5,
                        error="x",
                        not_before=make.at,
                        at=make.at,
                    )
                case 8 if transfers:
                    transfer = dice.choice(list(transfers))
                    await _answer(journal, make, transfer, transfers[transfer])
        await _consistent(journal)
    assert done > 20
    assert len(transfers) > 5


async def _answer(journal: SqliteJournal, make: Any, transfer: TransferId, hop: NodeId) -> None:
    """What the neighbour says of all that it was sent, if the transfer still waits for it."""
    found = await journal.rows(
        "SELECT m.message_id, d.recipient FROM transfers t JOIN messages m USING (message_row)"
        " JOIN deliveries d ON d.transfer_id = t.transfer_id WHERE t.transfer_id = ? AND t.open > 0",
        (transfer,),
    )
    if not found:
        return
    evidence = (Evidence(Event.RELAY_ACCEPTANCE, AgencyCode(code)) for _, code in found)
    signed, receipt = make.receipt(found[0][0], CONTENT, *evidence, issuer=hop)
    await journal.settle(transfer, signed, receipt, make.at)


async def test_a_transfer_in_doubt_is_not_freed_on_a_guess(
    journal: SqliteJournal, make: Any
) -> None:
    """Who believed it was only queued is told that it is not, and nothing is changed."""
    await journal.admit(make.admission(CONTENT, ("G01",)))
    transfer = await _freeze_next(journal, make, TINH)
    assert transfer is not None
    await journal.postpone(transfer, in_doubt=True, error="x", not_before=make.at, at=make.at)
    rows = await OperatingTable(journal, NODE).rows_of(make_name := await _only_id(journal))

    with pytest.raises(IllegalStepError, match="in doubt"):
        await OperatingTable(journal, NODE).hold(
            _order(make, Action.HOLD), rows, Freed(transfer, never_seen=False)
        )

    found = await journal.rows("SELECT delivery_id, state FROM deliveries")
    assert [tuple(row) for row in found] == [(make_name, "in-doubt")]


async def _only_id(journal: SqliteJournal) -> str:
    return str((await journal.rows("SELECT delivery_id FROM deliveries"))[0][0])


async def test_the_queue_in_memory_cannot_send_what_was_redirected(
    journal: SqliteJournal, make: Any
) -> None:
    """What the old neighbour's channel still holds is refused by the freeze."""
    await journal.admit(make.admission(CONTENT, ("G01",)))
    (stale,) = await journal.ready(TINH, Lane.NORMAL, 10)
    table = OperatingTable(journal, NODE)
    await table.reroute(_order(make, Action.REDIRECT), {stale.rows[0]: TW})

    transfer = TransferId(make.uuid())
    frozen = await journal.freeze([Freeze(transfer, TINH, stale, Signed(b"h", b"s"), make.at)])

    assert frozen == [False]

    assert len(await journal.ready(TW, Lane.NORMAL, 10)) == 1


async def test_what_an_operator_did_goes_with_the_delivery(
    journal: SqliteJournal, make: Any
) -> None:
    """Retention removes the row; who and why stay in the log."""
    await journal.admit(make.admission(CONTENT, ("G01",)))
    table = OperatingTable(journal, NODE)
    await table.hold(_order(make, Action.HOLD), await table.rows_of(await _only_id(journal)))
    assert len(await journal.rows("SELECT * FROM interventions")) == 1

    await journal.perform(lambda tx: tx.run("DELETE FROM deliveries"))

    assert await journal.rows("SELECT * FROM interventions") == []

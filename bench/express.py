"""How many normal documents go before an express one, by the order in the neighbour's own journal.

A node has a backlog of normal documents and its neighbour is down. One express document is handed in
before the neighbour comes up, the others while it is being caught up with.

Touches: a node of the stage and its neighbour.
Raises:  RuntimeError when an express document does not arrive or anything was refused.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import observe
from bench.documents import template
from bench.load import issue_token, post
from bench.stage import data, down, up
from bench.waiting import RECIPIENT, SIZE_BYTES, Waiting, sender
from relay.model import Priority
from relay.settings.reading import load

BETWEEN_SECONDS = 0.3
UNDER_WAY = 500
"""Documents that have arrived when the first of those is handed in: the window has grown by then."""
ARRIVE_SECONDS = 120.0
_LOOK_SECONDS = 0.05
_FIRST_NUMBER = 900_000_000


@dataclass(frozen=True, slots=True)
class Express:
    queued: int
    window: int
    """Transfers at once that the node may have under way: what may be ahead by right."""
    ahead_of_waiting: int
    """Normal documents that arrived before the one that waited for the neighbour."""
    ahead_of_later: tuple[int, ...]
    """For each of the others, ascending: normal ones that arrived between its acceptance and it."""
    wait_ms: tuple[float, ...]
    """Of the others, ascending: from the acceptance to the arrival, by the nodes' own clocks, which
    are one machine's."""


async def express(stage: Waiting, during: int, say: Callable[[str], None]) -> Express:
    """One before the neighbour is up, and `during` ≥ 1 more."""
    full, neighbour = stage.full, stage.neighbour
    queued = stage.queued(full)
    await up(stage.network, full)
    token = await issue_token(full.control, sender(full))
    documents = template(SIZE_BYTES, sender(full), RECIPIENT, Priority.EXPRESS)

    async def hand_in(number: int) -> str:
        body = documents.numbered(_FIRST_NUMBER + number)
        return await post(full.native_url, token, stage.network.root, body)

    say(f"an express document among {queued:,} normal ones")
    ids = [await hand_in(0)]
    await up(stage.network, neighbour)
    with observe.journal(data(neighbour)) as journal:
        some = min(UNDER_WAY, queued // 4)
        await _until(journal, f"SELECT count(*) >= {some} FROM arrivals", ())
        for number in range(1, during + 1):
            ids.append(await hand_in(number))
            await asyncio.sleep(BETWEEN_SECONDS)
        marks = ", ".join("?" * len(ids))
        there = f"SELECT count(*) = {len(ids)} FROM messages WHERE message_id IN ({marks})"
        await _until(journal, there, ids)
    await down(full, neighbour)
    return _judged(stage, queued, ids)


async def _until(journal: sqlite3.Connection, question: str, values: Sequence[str]) -> None:
    deadline = time.monotonic() + ARRIVE_SECONDS
    while not journal.execute(question, values).fetchone()[0]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not arrived after {ARRIVE_SECONDS:g} s")
        await asyncio.sleep(_LOOK_SECONDS)


def _judged(stage: Waiting, queued: int, ids: Sequence[str]) -> Express:
    with observe.journal(data(stage.full)) as first, observe.journal(data(stage.neighbour)) as then:
        _require_sound(then)
        accepted = {one: _accepted_at(first, one) for one in ids}
        arrived = {one: _arrival(then, one) for one in ids}
        ahead = {one: _ahead(then, arrived[one][0], accepted[one]) for one in ids[1:]}
        waiting = _ahead(then, arrived[ids[0]][0], 0)
    settings = load(stage.full.config)
    return Express(
        queued=queued,
        window=settings.delivery.transfers_at_once,
        ahead_of_waiting=waiting,
        ahead_of_later=tuple(sorted(ahead.values())),
        wait_ms=tuple(sorted(arrived[one][1] - accepted[one] for one in ids[1:])),
    )


def _require_sound(journal: sqlite3.Connection) -> None:
    """Whatever came was taken: a refusal costs less than a document and would be a wrong neighbour."""
    unsound = journal.execute(
        "SELECT (SELECT count(*) FROM arrivals WHERE message_row IS NULL)"
        " + (SELECT count(*) FROM deliveries WHERE state <> 'available')"
    ).fetchone()[0]
    if unsound:
        raise RuntimeError(f"{unsound} documents were refused by the neighbour")


def _accepted_at(journal: sqlite3.Connection, message_id: str) -> int:
    asked = "SELECT accepted_at FROM messages WHERE message_id = ?"
    return int(journal.execute(asked, (message_id,)).fetchone()[0])


def _arrival(journal: sqlite3.Connection, message_id: str) -> tuple[int, int]:
    asked = "SELECT arrival_row, at FROM arrivals JOIN messages USING (message_row) WHERE message_id = ?"
    row, at = journal.execute(asked, (message_id,)).fetchone()
    return int(row), int(at)


def _ahead(journal: sqlite3.Connection, arrival_row: int, since: int) -> int:
    return int(
        journal.execute(
            "SELECT count(*) FROM arrivals JOIN messages USING (message_row)"
            " WHERE arrival_row < ? AND at >= ? AND priority < ?",
            (arrival_row, since, int(Priority.EXPRESS)),
        ).fetchone()[0]
    )

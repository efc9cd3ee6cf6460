"""E7: the same again, in every way that a system or a neighbour may repeat itself.

The same submission a thousand times from 32 connections, by either face; again after its node was killed;
again after the retry window, when its expiry is long past; each time the answer must be the first one,
byte for byte.
The same transfer 32 times at once, from a neighbour that the experiment plays itself with that node's
keys: one delivery, one answer. And a document that was refused, handed in again: a new message for the
refused recipient alone.

Touches: a city of its own; the keys of the node that is played.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from relay.delivery.clock import Clock
from relay.identity import load_keys
from relay.model import (
    AgencyCode,
    MessageId,
    MessageType,
    NodeId,
    Payload,
    Priority,
    Signed,
    TraceStep,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.settings.reading import load
from relay.signing.notary import NodeNotary
from relay.signing.tls import client_context, peer_node
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.connections import Connections
from tests.acceptance.experiments.city import CENTRAL, OTHER_COMMUNE, PROVINCE, City, founded
from tests.acceptance.experiments.desks import insist
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.quiet import quiesce
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import Relation, Traffic, at_work

TITLE = "E7 duplicates"
PLANS = (CENTRAL, PROVINCE, OTHER_COMMUNE)
PLAYED = "xb"
TO = NodeId("tinh")
UP = Relation("tinh", "H01", ("G22",))
GONE = "G99"
WINDOW_SECONDS = 15
EXTRA = f"expiry_normal = {WINDOW_SECONDS}\n"
CONNECTIONS = 32


async def run(folder: Path, quick: bool) -> Tally:
    async with (
        founded(folder, PLANS, extra=EXTRA, prepare=_prepare) as city,
        at_work(city, seed=7) as traffic,
    ):
        problems = await _submissions(city, traffic, 200 if quick else 1000)
        if not quick:
            problems += await _submissions(city, traffic, 1000, by_axis=True)
            problems += await _after_window(traffic)
        for size in (2_000,) if quick else (2_000, 300_000, 900_000):
            problems += await _transfers(city, traffic, size)
        problems += await _after_refusal(traffic)
        tally = await judge(traffic)
    tally.problems += problems
    return tally


def _prepare(city: City) -> None:
    """One node is played by the experiment; all but the ministry's node believe in one agency more."""
    city.down.add(PLAYED)
    shared = city.network.folder / "directory.toml"
    own = city.network.folder / "directory-tw.toml"
    text = shared.read_text(encoding="utf-8")
    own.write_text(text, encoding="utf-8")
    gone = (
        f'\n[[agencies]]\ncode = "{GONE}"\nname = "Bộ đã giải thể"\ntier = "central"\nnode = "tw"\n'
    )
    shared.write_text(text + gone, encoding="utf-8")
    config = city.node("tw").config
    changed = config.read_text(encoding="utf-8").replace(
        "../directory.toml", "../directory-tw.toml"
    )
    config.write_text(changed, encoding="utf-8")


# ---------------------------------------------------------------- submissions


async def _submissions(
    city: City, traffic: Traffic, times: int, *, by_axis: bool = False
) -> list[str]:
    """From all connections at once, and again across a kill."""
    content = traffic.write(UP, by_axis=by_axis)
    answers = await _from_all(traffic, content, times)
    await city.kill("tinh")
    answers += await _from_all(traffic, content, times // 10)
    return _different(answers)


async def _after_window(traffic: Traffic) -> list[str]:
    """When the document is delivered and its expiry long past."""
    contents = [traffic.write(UP, by_axis=by_axis) for by_axis in (False, True)]
    answers = [await _from_all(traffic, content, CONNECTIONS) for content in contents]
    await quiesce(traffic)
    await asyncio.sleep(WINDOW_SECONDS + 1)
    again = [await _from_all(traffic, content, CONNECTIONS) for content in contents]
    return [
        problem
        for before, after in zip(answers, again, strict=True)
        for problem in _different(before + after)
    ]


async def _from_all(traffic: Traffic, content: bytes, times: int) -> list[bytes]:
    async def hand_in() -> list[bytes]:
        again = range(-(-times // CONNECTIONS))
        return [(await traffic.send(UP, content)).answer for _ in again]

    given = await asyncio.gather(*(hand_in() for _ in range(CONNECTIONS)))
    return [answer for some in given for answer in some]


def _different(answers: list[bytes]) -> list[str]:
    different = len(set(answers))
    return [f"{different} answers to {len(answers)} times the same"] if different > 1 else []


# ---------------------------------------------------------------- transfers


async def _transfers(city: City, traffic: Traffic, size_bytes: int) -> list[str]:
    content = traffic.write(Relation(PLAYED, "H01.16", ("H01",)), size_bytes)
    traffic.ledger.offer(content)
    signed, seal, client = _played(city, content)
    payload = Payload(digest_of(content), len(content), content, None)
    try:
        answers = await asyncio.gather(
            *(insist(lambda: client.carry(TO, signed, seal, payload)) for _ in range(CONNECTIONS))
        )
        await city.kill(TO)
        await city.ready(TO)
        answers.append(await client.carry(TO, signed, seal, payload))
    finally:
        await client.close()
    async with asyncio.timeout(30):
        while digest_of(content) not in traffic.collected:
            await asyncio.sleep(0.02)
    different = len({(one.document, one.signature) for one in answers})
    return [f"{different} answers to the same transfer"] if different > 1 else []


class _Memory:
    """The played node's payloads."""

    async def read(self, payload: Payload, offset: int = 0) -> AsyncIterator[bytes]:
        yield (payload.content or b"")[offset:]


def _played(city: City, content: bytes) -> tuple[Signed, bytes, NodesClient]:
    """A transfer of the played node, its seal, and the way to send it."""
    settings = load(city.node(PLAYED).config)
    directory = settings.make_directory()
    keys = load_keys(settings, directory)
    node = NodeId(PLAYED)
    notary = NodeNotary(node, keys.sign, keys.agencies, keys.trust, directory.aliases)
    clock = Clock()
    now = clock.now()
    header = TransferHeader(
        transfer_id=TransferId(clock.mint()),
        message_id=MessageId(clock.mint()),
        origin=node,
        sent_by=node,
        sent_to=TO,
        message_type=MessageType.DOCUMENT,
        sender=AgencyCode("H01.16"),
        recipients=(AgencyCode("H01"),),
        priority=Priority.NORMAL,
        digest=digest_of(content),
        size_bytes=len(content),
        created_at=now,
        expires_at=now + timedelta(days=1),
        trace=(TraceStep(node, now, digest_of(b"a receipt")),),
    )
    tls = client_context(
        settings.keys.tls.certificate,
        settings.keys.tls.key,
        city.network.root,
        check_hostname=False,
    )
    urls = {TO: f"https://127.0.0.1:{city.node(TO).nodes_port}"}
    wait = timedelta(seconds=30)
    connections = Connections(lambda chain: peer_node(chain[0]))
    client = NodesClient(urls, tls, _Memory(), connections, CONNECTIONS, wait)  # type: ignore[arg-type]
    seal = notary.seal(header.digest, header.sender, now).signature
    return notary.sign_transfer(header, now), seal, client


# ---------------------------------------------------------------- after a negative receipt


async def _after_refusal(traffic: Traffic) -> list[str]:
    """The recipient that has it is not bothered again; the refused one is tried anew."""
    both = Relation("tinh", "H01", ("G22", GONE))
    content = traffic.write(both)
    first = await traffic.send(both, content)
    await quiesce(traffic)
    refused = Relation("tinh", "H01", (GONE,))
    again = await traffic.send_again(refused, content)
    await quiesce(traffic)
    return [] if again.message_id != first.message_id else ["what was refused was not tried again"]

"""A directory of a whole country at a node: imported, asked, listed, passed on, started with; and how long
the node answers nothing else meanwhile.

A thread of the load asks the node for /healthz on one open connection, over and over: what a call waits
beyond what it waits at an idle node, the node's event loop was held (or this machine was busy).

Touches: one folder, loopback ports, child processes.
Raises:  RuntimeError for an answer that is not as it should be.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from bench import observe
from bench.observe import quantile
from bench.stage import down, pid, stage, up
from relay.agencies import Agency, NodeEntry
from relay.delivery.directory.explaining import explain
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.model import AgencyCode, NodeId, Tier
from relay.routing.directory import Directory
from relay.routing.listing import write_csv
from relay.routing.next_hop import Place, next_hop
from relay.transport.axis.signature import sign

HERE, ABOVE = "province", "central"
_PLANS = (
    NodePlan(ABOVE, Tier.CENTRAL, None, ABOVE, (AgencyPlan("G22", "Bộ Mẫu", Tier.CENTRAL),)),
    NodePlan(
        HERE,
        Tier.PROVINCE,
        ABOVE,
        HERE,
        (AgencyPlan("H01", "UBND tỉnh Mẫu", Tier.PROVINCE, "000.00.00.H01"),),
    ),
)
_PING = b"GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n"
_PAUSE_SECONDS = 0.002
QUIET_SECONDS = 3.0
HEARD_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Of calls while something went on, in ms."""

    p50: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done with it."""

    what: str
    seconds: float
    cpu_seconds: float
    """Of the node and of what it starts."""
    waits: Waits | None
    rss_mib: float
    """Afterwards."""
    rss_peak_mib: float
    """Since its start."""


@dataclass(frozen=True, slots=True)
class Listed:
    agencies: int
    table_mib: float
    steps: tuple[Step, ...]
    rss_before_mib: float
    rss_peak_mib: float
    lookups_us: dict[str, float] = field(default_factory=dict)


def table(count: int) -> list[Agency]:
    """So many communes' agencies with names, both forms of codes and addresses."""
    found = []
    for number in range(count):
        district, place = divmod(number, 990)
        code = AgencyCode(f"H01.{district + 1}.{place + 1}")
        old = f"{place + 1:03d}.{district // 99:02d}.{district % 99 + 1:02d}.H01"
        name = f"Ủy ban nhân dân xã Đông Hòa số {place + 1}, huyện {district + 1}, tỉnh Mẫu"
        mail = f"xa{place + 1}.{district + 1}@mau.example.vn"
        parent, node = AgencyCode("H01"), NodeId(HERE)
        found.append(Agency(code, name, Tier.COMMUNE, node, AgencyCode(old), parent, mail))
    return found


async def directory(folder: Path, count: int, say: Callable[[str], None]) -> Listed:
    agencies = table(count)
    content = "".join(write_csv(agencies)).encode()
    lookups = _lookups(agencies)
    say(f"look-up in {count:,}: {lookups['new form, first time']:.1f} µs")
    async with stage(folder, _PLANS) as network:
        here = network.nodes[HERE]
        await up(network, here)
        before = observe.usage(pid(here)).rss_mib
        steps = [step async for step in _steps(network, count, content, agencies[0], say)]
        peak = max(step.rss_peak_mib for step in steps)
        return Listed(count, len(content) / (1 << 20), tuple(steps), before, peak, lookups)


async def _steps(
    network: Network, count: int, content: bytes, one: Agency, say: Callable[[str], None]
) -> AsyncIterator[Step]:
    here, above = network.nodes[HERE], network.nodes[ABOVE]

    async def measured(what: str, node: RunningNode, work: Any) -> Step:
        with _pinging(node) as waits:
            began, before = time.monotonic(), observe.with_children(pid(node))
            await work
            seconds, spent = time.monotonic() - began, observe.with_children(pid(node)) - before
        usage = observe.usage(pid(node))
        step = Step(what, seconds, spent, _waits(waits), usage.rss_mib, usage.rss_peak_mib)
        say(f"{what}: {seconds:.2f} s, longest wait {step.waits.most if step.waits else 0:.0f} ms")
        return step

    yield await measured("nothing", here, asyncio.sleep(QUIET_SECONDS))
    yield await measured("import", here, _import(here, content, count))
    small = "".join(write_csv([one])).replace("Đông Hòa", "Đông Hưng").encode()
    yield await measured("a change of one", here, _import(here, small, 1))
    yield await measured("getAgenciesList", here, _call(here, "getAgenciesList"))
    yield await measured("getSynchronizeUnit", here, _call(here, "getSynchronizeUnit"))
    since = ("sinceVersion", "2")
    yield await measured(
        "getSynchronizeUnit, one changed", here, _call(here, "getSynchronizeUnit", since)
    )
    await up(network, above)
    yield await measured("heard by a neighbour", above, _heard(above))
    await down(above)
    await down(here)
    began = time.monotonic()
    await up(network, here)
    seconds = time.monotonic() - began
    await asyncio.sleep(1)
    say(f"start: {seconds:.2f} s")
    usage = observe.usage(pid(here))
    spent = observe.with_children(pid(here))
    yield Step("start", seconds, spent, None, usage.rss_mib, usage.rss_peak_mib)


# ------------------------------------------------------------ what is asked


async def _import(node: RunningNode, content: bytes, changed: int) -> None:
    told = await _native(node, "POST", "/v1/directory/import?why=bench", content)
    if told.get("changed") != changed:
        raise RuntimeError(f"the import says {str(told)[:300]}")


async def _heard(node: RunningNode) -> None:
    async with asyncio.timeout(HEARD_SECONDS):
        while True:
            if (await _native(node, "GET", "/v1/directory/branches"))["branches"]:
                return
            await asyncio.sleep(0.1)


async def _native(node: RunningNode, method: str, path: str, content: bytes = b"") -> Any:
    async with (
        _session(aiohttp.UnixConnector(path=str(node.control))) as session,
        session.request(
            method,
            f"http://node{path}",
            data=_pieces(content),
            headers={"Content-Type": "text/csv"},
        ) as response,
    ):
        return await response.json(content_type=None)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1 << 16):
        yield content[start : start + (1 << 16)]


async def _call(node: RunningNode, call: str, *parameters: tuple[str, str]) -> None:
    signed = [
        ("systemid", node.systemid),
        *parameters,
        ("timestamp", "22112026T100525+0563"),
        ("Content-Type", "application/json"),
    ]
    headers = {**sign(signed, node.secret.encode()), "Content-Type": "application/json"}
    async with (
        _session(None) as session,
        session.post(f"{node.axis_url}/{call}", headers=headers, ssl=False) as response,
    ):
        last = b""
        async for chunk in response.content.iter_any():
            last = last[-100:] + chunk
        if response.status != 200 or not last.rstrip().endswith(b"}"):
            raise RuntimeError(f"{call} answers {response.status}")


@asynccontextmanager
async def _session(connector: aiohttp.BaseConnector | None) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(HEARD_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session


# ------------------------------------------------------------ how long the node answers nothing


@contextmanager
def _pinging(node: RunningNode) -> Iterator[list[float]]:
    found: list[float] = []
    ended = threading.Event()
    thread = threading.Thread(target=_ping, args=(node.control, found, ended), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _ping(control: Path, found: list[float], ended: threading.Event) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(control))
        while not ended.wait(_PAUSE_SECONDS):
            began = time.perf_counter()
            connection.sendall(_PING)
            answer = connection.recv(1 << 16)
            if b" 200 " not in answer[:20]:
                raise RuntimeError(f"/healthz answers {answer[:100]!r}")
            found.append((time.perf_counter() - began) * 1000)


def _waits(found: list[float]) -> Waits:
    ascending = sorted(found)
    return Waits(quantile(ascending, 0.5), quantile(ascending, 0.99), ascending[-1])


# ------------------------------------------------------------ how long a look-up takes


def _lookups(agencies: Sequence[Agency]) -> dict[str, float]:
    """In this process, of the same object that a node asks."""
    nodes = (
        NodeEntry(NodeId(ABOVE), Tier.CENTRAL),
        NodeEntry(NodeId(HERE), Tier.PROVINCE, NodeId(ABOVE)),
    )
    book = Directory(nodes, agencies)
    place = Place(NodeId(HERE), NodeId(ABOVE), frozenset({NodeId(ABOVE)}))
    few = agencies[:: max(len(agencies) // 1000, 1)]
    new, old = [one.code for one in few], [one.old_code or "" for one in few]
    short = [one.lstrip("0").lstrip(".") for one in old]
    return {
        "new form, first time": _each(book.find, new),
        "old form, first time": _each(book.find, old),
        "new form, again": _each(book.find, new),
        "old form, filled up, again": _each(book.find, short),
        "resolve": _each(book.resolve, old),
        "unlisted": _each(book.find, [f"{code}.X" for code in new]),
        "next hop": _each(lambda code: next_hop(book, place, AgencyCode(code)), new),
        "servers_of": _each(book.servers_of, few),
        "explain": _each(lambda code: explain(book, place, code), new),
    }


def _each(ask: Callable[[Any], object], about: Sequence[Any]) -> float:
    """Microseconds for one: the median, since a busy machine takes its turns in between."""
    found = []
    for one in about:
        began = time.perf_counter()
        ask(one)
        found.append(time.perf_counter() - began)
    return median(found) * 1e6

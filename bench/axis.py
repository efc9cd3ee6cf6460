"""The axis face of one node: empty polls, lists and sends a second, alone and with many documents in
the journal that were handed over before.

All of the many are of the one sender and to the one recipient that are measured: the worst case for
their lists. Requests are signed once for each call, as a long-lived client does; sends are signed each.

Touches: one folder, loopback ports, a child process.
Raises:  RuntimeError for an answer that is not OK, or a poll that is not empty.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from bench import observe
from bench.backlog import Window
from bench.documents import Template, template
from bench.observe import quantile
from bench.queued import fill
from bench.stage import data, down, pid, stage, up
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.model import Tier
from relay.signing.tls import face_client_context
from relay.transport.axis.signature import sign
from relay.transport.axis.times import write_stamp
from relay.transport.intake_stream import digest_forms

SIZE_BYTES = 5_000
SENDER, TAKER, POLLER = "H01", "H01.02", "H01.01"
"""The taker takes what the load sends, the poller took everything before."""
_POLLS, _SECRET = "vxp.bench.polls", b"0123456789abcdef-bench"
_EXTRA = (
    f'[[systems]]\nsystemid = "{_POLLS}"\nsecret = "{_SECRET.decode()}"\nagencies = ["{POLLER}"]'
)
_PLAN = NodePlan(
    "office",
    Tier.PROVINCE,
    None,
    "office",
    tuple(AgencyPlan(code, "Cơ quan Mẫu", Tier.PROVINCE) for code in (SENDER, TAKER, POLLER)),
)
LISTS = 20
"""How often each list is asked for, one after the other."""
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Axis:
    """One run. Rates are of the window over all connections; lists are asked one at a time."""

    documents: int
    """In the journal before it."""
    polls_per_second: float
    poll_p50_ms: float
    poll_p99_ms: float
    sends_per_second: float
    send_p50_ms: float
    send_p99_ms: float
    sent_list_ms: float
    """p50 of a page of 100 of the sent list."""
    done_list_ms: float
    """p50 of a page of 100 of what was taken over, of one day."""
    rss_mib: float


async def axis(
    folder: Path, many: int, repeat: int, window: Window, say: Callable[[str], None]
) -> tuple[list[Axis], list[Axis]]:
    """Alone, and with `many` documents."""
    found: tuple[list[Axis], list[Axis]] = ([], [])
    for documents, into in ((1, found[0]), (many, found[1])):
        async with _office(folder, documents, say) as (network, node):
            for turn in range(repeat):
                into.append(await _run(network, node, documents, window, turn * 100_000_000))
                said = f"axis face with {documents:,} documents, {turn + 1} of {repeat}"
                one = into[-1]
                say(
                    f"{said}: {one.polls_per_second:.0f} empty polls, {one.sends_per_second:.0f} sends a second"
                )
    return found


@asynccontextmanager
async def _office(
    folder: Path, documents: int, say: Callable[[str], None]
) -> AsyncIterator[tuple[Network, RunningNode]]:
    """Running; its journal has so many documents from the sender to the poller, all taken over."""
    async with stage(folder, [_PLAN], extra=_EXTRA) as network:
        node = network.nodes["office"]
        await up(network, node)
        desk = await _Desk.open(network, node)
        await desk.ask(*desk.sending(template(SIZE_BYTES, SENDER, POLLER).numbered(0), POLLER))
        desk.close()
        await down(node)
        say(f"writing {documents:,} documents")
        for _ in fill(data(node), documents, real_seals=False, served=True):
            await asyncio.sleep(0)  # where an interrupt ends it
        with observe.journal(data(node)) as journal:
            found = journal.execute("SELECT count(*) FROM messages").fetchone()[0]
        if found != documents + 1:
            raise RuntimeError(f"{found} documents in the journal, not {documents + 1}")
        await up(network, node)
        desk = await _Desk.open(network, node)
        for name in await desk.waiting():
            await desk.ask("updateStatus", [("docId", name), ("status", "done")], b"{}", _POLLS)
        desk.close()
        yield network, node


async def _run(
    network: Network, node: RunningNode, documents: int, window: Window, first: int
) -> Axis:
    polls = await _load(network, node, window, lambda desk: desk.poll())
    numbers, letters = count(first + 1), template(SIZE_BYTES, SENDER, TAKER)
    sends = await _load(network, node, window, lambda desk: desk.send(letters, numbers))
    desk = await _Desk.open(network, node)
    sent = [await desk.timed(*desk.sent_page()) for _ in range(LISTS)]
    done = [await desk.timed(*desk.done_page()) for _ in range(LISTS)]
    desk.close()
    return Axis(
        documents=documents,
        polls_per_second=len(polls) / window.seconds,
        poll_p50_ms=quantile(polls, 0.5) * 1000,
        poll_p99_ms=quantile(polls, 0.99) * 1000,
        sends_per_second=len(sends) / window.seconds,
        send_p50_ms=quantile(sends, 0.5) * 1000,
        send_p99_ms=quantile(sends, 0.99) * 1000,
        sent_list_ms=quantile(sorted(sent), 0.5) * 1000,
        done_list_ms=quantile(sorted(done), 0.5) * 1000,
        rss_mib=observe.usage(pid(node)).rss_mib,
    )


async def _load(
    network: Network,
    node: RunningNode,
    window: Window,
    call: Callable[[_Desk], asyncio.Future[object] | object],
) -> Sequence[float]:
    """Seconds of each call that ended within the window, ascending."""
    began = time.monotonic() + window.warm
    ended = began + window.seconds
    taken: list[float] = []

    async def one_after_another() -> None:
        desk = await _Desk.open(network, node)
        while (start := time.monotonic()) < ended:
            await call(desk)  # type: ignore[misc]
            if began <= (end := time.monotonic()) < ended:
                taken.append(end - start)
        desk.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(window.connections):
            group.create_task(one_after_another())
    return sorted(taken)


@dataclass(slots=True)
class _Desk:
    """A connection by hand: an HTTP library would take from the node what it takes itself."""

    node: RunningNode
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    stamp: str
    polling: bytes = b""

    @staticmethod
    async def open(network: Network, node: RunningNode) -> _Desk:
        where = urlsplit(node.axis_url)
        context = face_client_context(network.root)
        reader, writer = await asyncio.open_connection(
            where.hostname, where.port, ssl=context, limit=1 << 24
        )
        desk = _Desk(node, reader, writer, write_stamp(datetime.now(UTC)))
        desk.polling = desk._request("getReceivedEdocList", _KIND, b"", _POLLS)
        return desk

    def close(self) -> None:
        self.writer.close()

    async def poll(self) -> None:
        if b'"data":[]' not in await self._answer(self.polling):
            raise RuntimeError("a poll that should be empty is not")

    async def send(self, letters: Template, numbers: Iterator[int]) -> None:
        await self.ask(*self.sending(letters.numbered(next(numbers)), TAKER))

    def sending(self, body: bytes, to: str) -> tuple[str, list[tuple[str, str]], bytes]:
        named = digest_forms(sha256(body).digest())[1]
        signed = [*_KIND, ("hash-file", named), ("from", SENDER), ("to", f'["{to}"]')]
        return "sendEdoc", signed, body

    def sent_page(self) -> tuple[str, list[tuple[str, str]], bytes, str]:
        return "getSentEdocList", [*_KIND, ("pageSize", "100")], b"", self.node.systemid

    def done_page(self) -> tuple[str, list[tuple[str, str]], bytes, str]:
        day = f"{datetime.now(UTC):%d/%m/%Y}"
        asked = [*_KIND, ("status", "done"), ("fromDate", day), ("pageSize", "100")]
        return "getReceivedEdocList", asked, b"", _POLLS

    async def waiting(self) -> list[str]:
        answer = await self._answer(self.polling)
        return re.findall(r'"docId":"([^"]+)"', answer.decode())

    async def timed(self, *asked: object) -> float:
        began = time.monotonic()
        await self.ask(*asked)  # type: ignore[arg-type]
        return time.monotonic() - began

    async def ask(
        self, call: str, parameters: list[tuple[str, str]], body: bytes, systemid: str = ""
    ) -> bytes:
        return await self._answer(self._request(call, parameters, body, systemid))

    def _request(
        self, call: str, parameters: list[tuple[str, str]], body: bytes, systemid: str = ""
    ) -> bytes:
        name = systemid or self.node.systemid
        secret = _SECRET if name == _POLLS else self.node.secret.encode()
        signed = sign([("systemid", name), *parameters, ("timestamp", self.stamp)], secret)
        lines = "".join(f"{key}: {value}\r\n" for key, value in signed.items())
        head = f"POST /{call} HTTP/1.1\r\nHost: relay\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def _answer(self, request: bytes) -> bytes:
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await self.reader.readexactly(int(length[1])) if length else b""
        if b'"status":"OK"' not in body[:40]:
            raise RuntimeError(f"not OK: {body[:300]!r}")
        return body


_KIND = [("servicetype", "eDoc"), ("messagetype", "edoc")]

"""A real node on a small disk that is filled and freed under load.

`tinh` keeps its data on a tmpfs of its own; `xa` below it has room enough.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from relay.audit.entries import parse
from relay.cli.client import reach
from relay.cli.connect import Connection
from relay.errors import RelayError, TransportError
from relay.model import DeliveryState, digest_of
from relay.transport.axis.answered import AxisFailure

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

MIB = 1 << 20
HERE, BELOW = "H01", "H01.15.02"
LIMITS = f"drain = 2\n[limits]\nreserve_bytes = {16 * MIB}\nreserve_inodes = 100\n"
EXIT_DISK = 74


class Disk:
    """The tmpfs under a node's data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, leave_bytes: int) -> None:
        free = os.statvfs(self.folder)
        self._ballast.mkdir()
        with (self._ballast / "bytes").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - leave_bytes)

    def fill_up(self) -> None:
        """Every byte, while others write, too."""
        self._ballast.mkdir()
        with (
            (self._ballast / "bytes").open("wb", buffering=0) as file,
            contextlib.suppress(OSError),
        ):
            while True:
                file.write(bytes(4096))

    def use_inodes(self, leave: int) -> None:
        self._ballast.mkdir()
        for number in range(os.statvfs(self.folder).f_favail - leave):
            (self._ballast / str(number)).touch()

    def free(self) -> None:
        for file in self._ballast.iterdir():
            file.unlink()
        self._ballast.rmdir()


@pytest.fixture(scope="module")
def mounts() -> Iterator[list[Path]]:
    """Folders to be unmounted at the end."""
    made: list[Path] = []
    yield made
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any], mounts: list[Path]) -> AsyncIterator[Any]:
    def mount(network: Any) -> None:
        folder = network.nodes["tinh"].folder / "data"
        folder.mkdir()
        options = "size=64m,nr_inodes=1000"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("needs mount")
        mounts.append(folder)

    async with found_town(["tinh", "xa"], LIMITS, mount) as town:
        yield town


@pytest.fixture
def disk(town: Any) -> Disk:
    return Disk(town.node("tinh").folder / "data")


async def _asked(town: Any, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """On the control socket of `tinh`: the status and the response's headers."""
    connector = aiohttp.UnixConnector(path=str(town.node("tinh").control))
    headers = {"Content-Type": "application/xml"} if body is not None else {}
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"http://node{path}", data=body, headers=headers) as response,
    ):
        return response.status, {**response.headers, "body": await response.text()}


async def _ready(town: Any, status: int) -> str:
    async def look() -> str | None:
        found, told = await _asked(town, "GET", "/readyz")
        return str(told["body"]) if found == status else None

    return str(await town.until(look))


def _crossings(town: Any, since: int) -> list[tuple[str, str]]:
    leaves = town.rows("tinh", "SELECT leaf FROM entries WHERE entry_index >= ?", since)
    found = [parse(row["leaf"]) for row in leaves]
    return [
        (one["event"], one.get("type", "")) for one in found if one["event"].startswith("reserve-")
    ]


def _log_size(town: Any) -> int:
    return int(town.rows("tinh", "SELECT count(*) FROM entries")[0][0])


@pytest.mark.parametrize("what", ["space", "inodes"])
async def test_under_the_reserve_nothing_new_is_taken_and_what_was_taken_is_finished(
    town: Any, disk: Disk, what: str
) -> None:
    """Every face refuses in its own words, but for a repeat; a queued document is delivered, its receipt comes back
    and an acknowledgement is taken; freed, all goes on by itself, and the log tells of both."""
    since = _log_size(town)
    here = town.document(BELOW, [HERE])
    await town.send("xa", here, BELOW)
    (fetched,) = await town.delivered("tinh", here)
    async with town.outage("xa"):
        queued = town.document(HERE, [BELOW])
        message_id = await town.send("tinh", queued, HERE)
        if what == "space":
            disk.fill(8 * MIB)
        else:
            disk.use_inodes(50)
        assert f"free {what}" in await _ready(town, 503)

    assert await town.send("tinh", queued, HERE) == message_id
    new = town.document(HERE, [BELOW])
    with pytest.raises(AxisFailure) as refused:
        await town.dms("tinh").send_stream(
            _whole(new), digest=bytes.fromhex(digest_of(new)), size_bytes=len(new), sender=HERE
        )
    assert (refused.value.code, refused.value.passing) == ("20", True)
    status, told = await _asked(town, "POST", "/v1/envelopes", new)
    assert (status, int(told["Retry-After"]) > 0) == (503, True)
    waits = [town.document(BELOW, [HERE]), town.document(BELOW, [HERE], padding_bytes=3 * MIB)]
    for one in waits:
        await town.send("xa", one, BELOW)

    (delivered,) = await town.delivered("xa", queued)
    await town.acknowledge("xa", delivered["delivery_id"])
    await town.settled("tinh", message_id, DeliveryState.HANDED_OVER)
    await town.acknowledge("tinh", fetched["delivery_id"])
    await town.until(lambda: _refused_at(town, waits))
    assert not [one for one in waits if town.inbox("tinh", one)]
    assert not list((town.node("tinh").folder / "data" / "ahead").glob("xa/*"))
    assert town.node("tinh").process.returncode is None

    disk.free()
    await _ready(town, 200)
    for one in waits:
        await town.delivered("tinh", one)
    await town.send("tinh", new, HERE)
    assert _crossings(town, since) == [("reserve-reached", what), ("reserve-regained", "")]
    assert [len(town.inbox("tinh", one)) for one in waits] == [1, 1]
    town.logs_hold()


async def _refused_at(town: Any, waits: list[bytes]) -> bool:
    """Whether `xa` has met the refusal, and holds none of them in doubt for it."""
    digests = [digest_of(one) for one in waits]
    found = town.rows(
        "xa",
        "SELECT t.last_error, d.state FROM transfers t JOIN messages m USING (message_row)"
        f" JOIN deliveries d USING (message_row) WHERE m.digest IN ({','.join('?' * len(digests))})",
        *digests,
    )
    assert "in-doubt" not in {row["state"] for row in found}
    return any("HTTP 503" in row["last_error"] for row in found)


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_a_disk_that_is_really_full_ends_the_node_and_loses_nothing(
    town: Any, disk: Disk
) -> None:
    """Somebody else takes the last byte under load: exit code 74, also for a start on the full disk;
    once there is room everything acknowledged is there and is delivered once."""
    await _restarted(town)
    ledger: dict[str, bytes] = {}
    stop = asyncio.Event()
    senders = [asyncio.create_task(_send_on(town, ledger, stop)) for _ in range(4)]
    # Documents may be refused before the disk is full, and then nothing of theirs is written.
    senders.append(asyncio.create_task(_operate_on(town, stop)))

    async def some() -> bool:
        return len(ledger) >= 20

    try:
        await town.until(some)
        town.down.add("tinh")
        disk.fill_up()
        assert await asyncio.wait_for(town.node("tinh").process.wait(), 30) == EXIT_DISK
    finally:
        stop.set()
        await asyncio.gather(*senders)
    await town.network.spawn(town.node("tinh"))
    assert await asyncio.wait_for(town.node("tinh").process.wait(), 30) == EXIT_DISK
    disk.free()
    await town.up("tinh")

    for message_id, content in ledger.items():
        assert len(town.deliveries("tinh", message_id)) == 1
        assert len(await town.delivered("xa", content)) == 1
    town.logs_hold()


async def _restarted(town: Any) -> None:
    """A short write-ahead log, so that the next writes need room."""
    town.down.add("tinh")
    town.node("tinh").process.terminate()
    assert await asyncio.wait_for(town.node("tinh").process.wait(), 30) == 0
    await town.up("tinh")


async def _operate_on(town: Any, stop: asyncio.Event) -> None:
    """What has to be written, however little room there is."""
    connection = Connection("http://localhost", town.node("tinh").control)
    while not stop.is_set():
        with contextlib.suppress(RelayError, TransportError):
            async with reach(connection) as operator:
                await operator.post("/v1/tokens", {"holder": "mẫu", "scopes": ["auditor"]})
        await asyncio.sleep(0.1)


async def _send_on(town: Any, ledger: dict[str, bytes], stop: asyncio.Event) -> None:
    while not stop.is_set():
        content = town.document(HERE, [BELOW])
        with contextlib.suppress(RelayError, TransportError):
            message_id = await town.dms("tinh").send_stream(
                _whole(content),
                digest=bytes.fromhex(digest_of(content)),
                size_bytes=len(content),
                sender=HERE,
            )
            ledger[message_id] = content
        await asyncio.sleep(0.01)

"""Large documents and thin links, with real processes: flat memory, nothing sent twice, no litter."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from relay.demo.network import Network
from relay.demo.ports import free_ports
from relay.errors import RelayError
from relay.model import DeliveryState, digest_of
from relay.transport.axis.client import AxisFailure

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SENDER, PROVINCE, SAME_NODE = "H01.15.02", "H01", "H01.151"
LARGE_BYTES = 500_000_000
MEMORY_BYTES = 300 << 20
SIXTY_FOUR_KBIT = 8_000.0
SEED_BYTES = 3 << 18


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def linked(found_town: Callable[..., Any], thin_link: Any) -> AsyncIterator[tuple[Any, Any]]:
    """xa and tinh, with a link between them that the tests may thin or cut."""
    (port,) = free_ports(1)
    real: list[int] = []

    def through_the_link(network: Network) -> None:
        real.append(network.nodes["tinh"].nodes_port)
        config = network.nodes["xa"].config
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace(f"127.0.0.1:{real[0]}", f"127.0.0.1:{port}"), "utf-8")

    async with (
        found_town(["tinh", "xa"], after_build=through_the_link) as town,
        thin_link(real[0], listening=port) as link,
    ):
        yield town, link


def _large(town: Any, path: Path, recipients: list[str], size_bytes: int) -> str:
    """A document of about that size in a file, its attachment a repetition; its digest."""
    small = town.document(SENDER, recipients, padding_bytes=SEED_BYTES)
    at = small.index(b"JVBERi0") if b"JVBERi0" in small else _longest(small)
    piece = small[at : at + SEED_BYTES // 3 * 4]
    assert base64.b64decode(piece, validate=True)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in (small[:at], *([piece] * (size_bytes // len(piece))), small[at:]):
            digest.update(part)
            file.write(part)
    return digest.hexdigest()


def _longest(document: bytes) -> int:
    """Where the attachment's base64 begins: the longest run without a tag."""
    runs = document.split(b">")
    longest = max(runs, key=len)
    return document.index(longest)


def _peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) << 10


@asynccontextmanager
async def _native(town: Any, name: str, *agencies: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a token of these agencies."""
    node = town.node(name)
    wanted = {"holder": "vanthu", "scopes": [f"agency:{code}" for code in agencies]}
    control = aiohttp.UnixConnector(path=str(node.control))
    async with (
        aiohttp.ClientSession(connector=control) as operator,
        operator.post("http://node/v1/tokens", json=wanted) as response,
    ):
        secret = (await response.json())["secret"]
    async with aiohttp.ClientSession(
        node.native_url,
        connector=town.session.connector,
        connector_owner=False,
        headers={"Authorization": f"Bearer {secret}"},
    ) as session:
        yield session


async def _eventually(seconds: float, look: Callable[[], Any]) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := look()):
            await asyncio.sleep(0.1)
    return found


async def _hashed(chunks: AsyncIterator[bytes]) -> str:
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


async def _from_disk(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 18):
            yield chunk


@pytest.mark.timeout(600)
async def test_half_a_gigabyte_passes_at_flat_memory(
    linked: tuple[Any, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In by the native face, across one link once for two recipients, out by both faces; and getEdoc
    names the call that can give it."""
    town, link = linked
    path = tmp_path / "large.edxml"
    digest = _large(town, path, [PROVINCE, SAME_NODE], LARGE_BYTES)
    size = path.stat().st_size
    began = time.monotonic()
    async with _native(town, "xa", SENDER) as session:
        headers = {"Content-Type": "application/xml", "Content-Length": str(size)}
        async with session.post(
            "/v1/envelopes", data=_from_disk(path), headers=headers
        ) as response:
            assert response.status == 202, await response.text()
    handed_in = time.monotonic()

    def arrived() -> list[Any] | None:
        rows = town.rows(
            "tinh",
            "SELECT d.delivery_id FROM deliveries d JOIN messages m USING (message_row)"
            " WHERE m.digest = ? AND d.inbox_cursor IS NOT NULL",
            digest,
        )
        return rows if len(rows) == 2 else None

    rows = await _eventually(300, arrived)
    carried = time.monotonic()
    assert link.up_bytes < 1.02 * size, "the same bytes crossed the link more than once"

    one, other = (row["delivery_id"] for row in rows)
    async with _native(town, "tinh", PROVINCE, SAME_NODE) as session:
        at = f"/v1/deliveries/{one}/envelope"
        async with session.get(at) as response:
            assert response.status == 200
            assert await _hashed(response.content.iter_chunked(1 << 18)) == digest
            etag = response.headers["ETag"]
        resume = {"Range": f"bytes={size - 1000}-", "If-Range": etag}
        async with session.get(at, headers=resume) as response:
            assert response.status == 206
            assert await response.read() == path.read_bytes()[-1000:]
    async with town.dms("tinh").download(other) as chunks:
        assert await _hashed(chunks) == digest
    with pytest.raises(AxisFailure, match="downloadEdoc") as refused:
        await town.dms("tinh").get(other)
    assert refused.value.code == "21"
    fetched = time.monotonic()

    peaks = {name: _peak_bytes(town.node(name).pid) for name in ("xa", "tinh")}
    with capsys.disabled():
        print(
            f"\nlarge: {size >> 20} MiB handed in {handed_in - began:.1f} s, carried "
            f"{carried - handed_in:.1f} s, fetched twice {fetched - carried:.1f} s; peak memory "
            + ", ".join(f"{name} {peak >> 20} MiB" for name, peak in peaks.items())
        )
    assert max(peaks.values()) < MEMORY_BYTES


async def test_get_edoc_streams_its_base64(linked: tuple[Any, Any], tmp_path: Path) -> None:
    """A document just under the limit comes out of a node that never holds it."""
    town, _ = linked
    path = tmp_path / "medium.edxml"
    digest = _large(town, path, [PROVINCE], 60 << 20)
    await town.send("xa", path.read_bytes(), SENDER)

    (delivered,) = await town.delivered("tinh", path.read_bytes())

    assert digest_of(await town.dms("tinh").get(delivered["delivery_id"])) == digest
    assert _peak_bytes(town.node("tinh").pid) < MEMORY_BYTES


async def test_a_crash_before_admission_leaves_no_litter(linked: tuple[Any, Any]) -> None:
    """Its payload file was durable, but nobody was told so: at the next start it is removed."""
    town, _ = linked
    content = town.document(SENDER, [PROVINCE], padding_bytes=600_000)
    payloads = town.node("xa").folder / "data" / "payloads"
    file = payloads / digest_of(content)[:2] / digest_of(content)
    town.crashed.clear()
    town.arm("xa", "admit:uncommitted")
    with pytest.raises(RelayError):
        await town.dms("xa").send(content, sender=SENDER)
    assert file.exists()

    await town.node("xa").process.wait()
    await town.revive()
    assert town.crashed == ["xa"]
    await _eventually(20, lambda: not file.exists())

    await town.send("xa", content, SENDER)
    await town.delivered("tinh", content)
    assert file.read_bytes() == content


async def test_a_crash_at_the_neighbour_leaves_no_litter_either(linked: tuple[Any, Any]) -> None:
    """Between an upload and the commit of its transfer: the upload is used, and nothing is left over."""
    town, _ = linked
    content = town.document(SENDER, [PROVINCE], padding_bytes=1_500_000)
    data = town.node("tinh").folder / "data"
    town.arm("tinh", "take_in:uncommitted")

    await town.send("xa", content, SENDER)
    (delivered,) = await town.delivered("tinh", content)

    assert await town.dms("tinh").get(delivered["delivery_id"]) == content
    digests = {row["digest"] for row in town.rows("tinh", "SELECT digest FROM payloads")}
    await _eventually(20, lambda: not [p for p in (data / "ahead").rglob("*") if p.is_file()])
    await _eventually(
        20, lambda: {p.name for p in (data / "payloads").rglob("*") if p.is_file()} <= digests
    )


@pytest.mark.timeout(400)
async def test_a_document_comes_across_64_kbit_that_break_again_and_again(
    linked: tuple[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Longer than any answer may take, cut every 40 seconds: what is over there is not sent again."""
    town, link = linked
    content = town.document(SENDER, [PROVINCE], padding_bytes=800_000)
    assert len(content) > 1 << 20
    link.rate, link.cut_after, link.up_bytes, link.cuts = SIXTY_FOUR_KBIT, 320_000, 0, 0
    began = time.monotonic()
    try:
        message_id = await town.send("xa", content, SENDER)
        await _eventually(350, lambda: town.inbox("tinh", content))
    finally:
        link.rate, link.cut_after = 0.0, 0

    with capsys.disabled():
        print(
            f"\nthin link: {len(content)} bytes at 64 kbit/s in {time.monotonic() - began:.0f} s "
            f"over {link.cuts} cuts, {link.up_bytes} bytes sent"
        )
    assert link.cuts >= 3
    assert link.up_bytes < 1.5 * len(content)
    await town.settled("xa", message_id, DeliveryState.AVAILABLE)

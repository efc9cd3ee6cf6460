"""Other people's tools read a node's published log, byte for byte (`make tlog`; needs Go 1.24 or newer).

main.go beside this file is the reader: torchwood's client and x/mod's tlog and note packages.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import note_body, sign_note, vkey
from tests.acceptance.pair import Pair, founded
from tests.journal.published_log import ORIGIN, Log, publish

HERE = Path(__file__).parent
GO_NEEDED = (1, 24)
PLACES = ("go", "/usr/local/go/bin/go")


def _go() -> str:
    for place in PLACES:
        go = shutil.which(place)
        if go is None:
            continue
        said = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"go(\d+)\.(\d+)", said)
        if found and (int(found[1]), int(found[2])) >= GO_NEEDED:
            return go
    if os.environ.get("TESTS_NO_SKIP"):
        pytest.fail("needs go, 1.24 or newer")
    pytest.skip("skipped: needs go, 1.24 or newer")


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("tlog") / "tlog"
    built = subprocess.run(
        [_go(), "build", "-o", program, "."], cwd=HERE, capture_output=True, text=True, check=False
    )
    if "dial tcp" in built.stderr or "no such host" in built.stderr:
        pytest.skip("skipped: needs go's modules")
    assert built.returncode == 0, built.stderr
    return program


def _entries(output: bytes) -> Iterator[bytes]:
    while output:
        size = int.from_bytes(output[:4], "big")
        yield output[4 : 4 + size]
        output = output[4 + size :]


def _run(tool: Path, *arguments: str) -> list[bytes]:
    done = subprocess.run([tool, *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return list(_entries(done.stdout))


class SignedLog(Log):
    """With a real key."""

    def grow(self, count: int) -> bytes:
        super().grow(count)
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        self.public = key.public_key().public_bytes_raw()
        body = note_body(ORIGIN, self.frontier.size, self.frontier.root())
        return sign_note(body, ORIGIN, self.public, key.sign)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1000, 66_000])
def test_the_files_of_a_folder_are_a_log_to_them(tool: Path, tmp_path: Path, size: int) -> None:
    log = SignedLog(tmp_path)
    publisher = log.publisher()
    publish(publisher, log.grow(size // 2 + 1))
    publish(publisher, log.grow(size - size // 2 - 1))
    folder = str(log.folder / "0")
    proofs = ",".join(map(str, {0, size // 3, size - 1}))
    assert _run(tool, "-vkey", vkey(ORIGIN, log.public), "-proofs", proofs, folder) == log.leaves


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000", "tile/1/000.p/3", "tile/entries/002"])
def test_they_refuse_a_log_with_one_changed_byte(tool: Path, tmp_path: Path, name: str) -> None:
    """So that their silence above means something."""
    log = SignedLog(tmp_path)
    publish(log.publisher(), log.grow(1000))
    path = log.folder / "0" / name
    content = path.read_bytes()
    path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    done = subprocess.run(
        [tool, "-vkey", vkey(ORIGIN, log.public), str(log.folder / "0")],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with founded(tmp_path, "[log]\npublic = true\npublish_every = 0.1\n") as found:
        yield found


async def test_a_running_node_s_log_is_a_log_to_them_while_it_grows(pair: Pair, tool: Path) -> None:
    await pair.start("tinh")
    node = pair.running["tinh"]
    (host, port) = node.addresses["native"][0]
    base = f"https://{host}:{port}"
    logs = await (await pair.session.get(f"{base}/log/")).json()
    (one,) = logs["logs"]
    for _ in range(3):
        wanted = [node._note("clock-jumped", seconds=number) for number in range(150)]
        await asyncio.gather(*wanted)
        ((size,),) = pair.rows("tinh", "SELECT count(*) FROM entries")

        async def published(size: int = size) -> bool:
            found = await (await pair.session.get(f"{base}/log/")).json()
            return bool(found["logs"][0]["size"] >= size)

        await pair.until(published)
        read = await asyncio.to_thread(
            _run, tool, "-vkey", one["vkey"], "-ca", str(pair.network.root), f"{base}/log/0"
        )
        leaves = [leaf for (leaf,) in pair.rows("tinh", "SELECT leaf FROM entries")]
        assert len(read) >= size
        assert read == leaves[: len(read)]

"""Two nodes that were started apart from the kit, given to it by a file each: the way of docs/conformance.md.

Where the test runs as root, the nodes run as another user, who can read nothing of the kit's.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.conformance.own import PLANS, QUICK, RELAY
from relay.demo.native import at_socket
from relay.demo.network import Network
from relay.demo.nodes import SERVE
from relay.demo.ports import free_ports

DOCS = Path(__file__).parents[2] / "docs" / "conformance.md"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
AS_ANOTHER = os.geteuid() == 0 and shutil.which("setpriv") is not None
SOME = ("W1", "W4.5", "W8.2", "A1.4", "A1.9", "E1.2", "W14.9/taken", "W17.7", "W20.10")
"""On every change; with ALL_MUTANTS everything."""


@dataclass(slots=True)
class Place:
    """The nodes' folder, and the kit's beside it."""

    nodes: Path
    kit: Path
    network: Network

    async def relay(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "relay",
            *arguments,
            cwd=self.kit,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where another user can get, and sockets have short names."""
    with tempfile.TemporaryDirectory(prefix="kit-", dir="/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Place]:
    nodes, kit = folder / "nodes", folder / "kit"
    nodes.mkdir()
    kit.mkdir(mode=0o700)
    network = Network.build(nodes, PLANS[:2], now=datetime.now(UTC), extra=QUICK)
    try:
        yield Place(nodes, kit, network)
    finally:
        await network.stop()


async def start(place: Place) -> None:
    if AS_ANOTHER:
        for path in (place.nodes, *place.nodes.rglob("*")):
            os.chown(path, 65534, 65534)
    for node in place.network.nodes.values():
        node.serve = (*NOBODY, *SERVE) if AS_ANOTHER else SERVE
    await place.network.start()
    for node in place.network.nodes.values():
        assert node.process is not None
        owner = Path(f"/proc/{node.process.pid}").stat().st_uid
        assert owner == (65534 if AS_ANOTHER else os.geteuid())


async def write_files(place: Place) -> None:
    """a.toml and b.toml, as the page shows them."""
    shutil.copy(place.network.root, place.kit / "roots.pem")
    ports = iter(free_ports(6))
    for name, node, number in zip("ab", place.network.nodes.values(), (90, 91), strict=True):
        agency = node.plan.agencies[0].code
        async with at_socket(node.control) as operator:
            token = await operator.issue_token("conformance kit", [f"agency:{agency}"])
        lines = [
            f'id = "{node.plan.name}"',
            f'nodes = "https://127.0.0.1:{node.nodes_port}"',
            f'axis = "{node.axis_url}"',
            f'native = "{node.native_url}"',
            'roots = "roots.pem"',
            f'agency = "{agency}"',
            f'also = "{node.plan.agencies[0].old_code}"',
            f'systemid = "{node.systemid}"',
            f'secret = "{node.secret}"',
            f'token = "{token}"',
            f"verify = {json.dumps([*RELAY, 'evidence', 'verify', '--lines'])}",
            f"check_export = {json.dumps([*RELAY, 'audit', 'check-export', '--lines'])}",
            f"check_log = {json.dumps([*RELAY, 'audit', 'fsck', '--lines'])}",
            "[kit]",
            f'node = "kit-{name}"',
            f'agency = "{agency}.{number}"',
            f'listen = "127.0.0.1:{next(ports)}"',
            f'via = "127.0.0.1:{next(ports)}"',
            "[kit.authority]",
            f'listen = "127.0.0.1:{next(ports)}"',
        ]
        (place.kit / f"{name}.toml").write_text("\n".join(lines), encoding="utf-8")


def configure(place: Place, said: str) -> None:
    """What an operator does with what `--setup` says, to the letter."""
    blocks = re.split(r"^(?=# [a-z0-9-]+$)", said, flags=re.MULTILINE)[1:]
    assert len(blocks) == 2
    for block in blocks:
        name = block.partition("\n")[0].removeprefix("# ")
        node = place.network.nodes[name]
        others = [one for one in place.network.nodes.values() if one is not node]
        text = node.config.read_text(encoding="utf-8")
        for section, key in (("trust", "roots"), ("directory", "files")):
            found = re.search(rf'\[{section}\] +{key} = \[\.\.\., ("[^"]+")\]', block)
            assert found is not None, block
            shared = share(place, found[1].strip('"'))
            text = re.sub(rf"(?m)^({key} = \[.*)\]$", rf'\1, "{shared}"]', text)
        if via := re.search(r'#   url = "(https://[^"]+)"', block):
            text = text.replace(f"https://127.0.0.1:{others[0].nodes_port}", via[1])
        end = block.partition("# Add at the end:\n")[2]
        node.config.write_text(f"{text}\n{end}", encoding="utf-8")


def share(place: Place, path: str) -> Path:
    """A file of the kit's, where the nodes can read it: carried there as to another machine."""
    copy = place.nodes / f"kit-{Path(path).name}"
    shutil.copy(path, copy)
    copy.chmod(0o644)
    return copy


def commands() -> list[list[str]]:
    """The three of the page, word by word."""
    found = re.search(r"```\n((?:relay conformance .*\n){3})```", DOCS.read_text(encoding="utf-8"))
    assert found is not None
    return [line.split()[1:] for line in found[1].splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_nodes_given_by_file_pass_by_the_three_commands_of_the_page(place: Place) -> None:
    setup, judge, check = commands()
    await start(place)
    await write_files(place)
    status, said = await place.relay(*setup)
    assert status == 0, said
    await place.network.stop()
    configure(place, said)
    await start(place)

    only = [] if os.environ.get("ALL_MUTANTS") else [f"--only={name}" for name in SOME]
    status, said = await place.relay(*judge, *only, "--record", "record")
    assert status == 0, said
    assert " 0 FAIL, 0 INCONCLUSIVE" in said
    assert passed_in(said) >= 2 * len(SOME), said
    status, said = await place.relay(*check)
    assert status == 0, said
    assert "signed by kit-a" in said

    status, said = await place.relay("conformance", "--replay", "record")
    assert status == 0, said
    assert ", 0 do not" in said
    assert_no_secrets(place)
    await assert_less_is_not_claimed(place)


def passed_in(said: str) -> int:
    return int(re.findall(r"([0-9]+) PASS", said)[-1])


def assert_no_secrets(place: Place) -> None:
    """In whatever may be shown to others: the report, the recording."""
    texts = [(place.kit / f"{name}.toml").read_text(encoding="utf-8") for name in "ab"]
    secrets = {one for text in texts for one in re.findall(r'(?:secret|token) = "([^"]+)"', text)}
    assert len(secrets) == 4
    shown = [place.kit / "report.asice", *(place.kit / "record").rglob("*")]
    for path in (path for path in shown if path.is_file()):
        content = path.read_bytes()
        assert not any(one.encode() in content for one in secrets), path


async def assert_less_is_not_claimed(place: Place) -> None:
    """The same nodes, without a way through the kit and without credentials at the axis face."""
    for name in "ab":
        path = place.kit / f"{name}.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"(?m)^(via|secret) = .*$", "", text), encoding="utf-8")
    only = [f"--only={name}" for name in ("W1.4", "A1.4", "A1.9")]
    status, said = await place.relay("conformance", "a.toml", "b.toml", *only)
    assert status == 0, said
    assert "2 PASS, 0 FAIL, 0 INCONCLUSIVE, 6 NOT CLAIMED" in said

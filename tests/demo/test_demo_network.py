"""What the demo stands on: bounded waiting, ports that stay free, folders that can hold a node."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, cast

import pytest

from relay.demo import plan
from relay.demo.network import Network
from relay.demo.ports import free_ports
from relay.demo.waiting import NotYetError, until
from relay.errors import SettingsError, TransportError


async def test_waiting_ends_when_it_comes_true() -> None:
    """What is not there yet, or not reachable, is looked for again."""
    looks = iter([NotYetError("no"), TransportError("down"), "there"])

    async def look() -> str:
        found = next(looks)
        if isinstance(found, TransportError):
            raise found
        return str(found)

    assert await until("a step", look, lambda: None) == "there"


async def test_waiting_in_vain_names_the_step_and_what_stood_in_the_way() -> None:
    """A sentence for people, and no other exception than the tree's."""

    async def look() -> None:
        raise NotYetError("0 of 12")

    with pytest.raises(TransportError, match=r"^statuses: not within 0 s: 0 of 12$"):
        await until("statuses", look, lambda: None, seconds=0.1)


async def test_waiting_ends_at_once_when_a_node_died() -> None:
    """The guard is asked before each look, and its word is final."""
    looked = []

    async def look() -> None:
        looked.append(1)
        raise NotYetError("no")

    def guard() -> None:
        if looked:
            raise TransportError("node xa ended")

    with pytest.raises(TransportError, match=r"^node xa ended$"):
        await until("a step", look, guard)
    assert len(looked) == 1


def test_free_ports_differ_and_lie_below_those_of_outgoing_connections() -> None:
    """A node that was killed finds its port free, for the system gives it to nobody meanwhile."""
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < 32_768
    for port in ports[:3]:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


def test_processes_draw_no_port_of_each_other() -> None:
    """Though nobody listens there yet."""
    program = (
        "from relay.demo.ports import free_ports; print(*free_ports(200), flush=True); input()"
    )
    with ExitStack() as ending:
        others = [
            ending.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(4)
        ]
        drawn = [list(map(int, cast("TextIO", one.stdout).readline().split())) for one in others]
        drawn.append(free_ports(200))
        for one in others:
            one.communicate("\n")
    assert sum(map(len, drawn)) == len(set().union(*drawn)) == 5 * 200


def test_a_folder_too_deep_for_a_control_socket_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    """With its length and the limit, and nothing in it."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with pytest.raises(SettingsError, match=r"bytes, limit 10[37]: use a folder"):
        Network.build(folder, plan.NODES, now=datetime.now(UTC))
    assert list(folder.iterdir()) == []

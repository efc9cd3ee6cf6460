"""The block of README's "Use it" does what it says: two nodes, one letter, proved with the root."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from relay.demo.ports import free_ports

ROOT = Path(__file__).parents[2]
PORTS = ("8443", "8444", "8445", "8453", "8454", "8455")
INSTALL = "make install && . .venv/bin/activate\n"
PATIENCE_SECONDS = 90


@pytest.fixture
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of a clone the block uses, with ports that are free here."""
    folder = tmp_path_factory.mktemp("d")
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "script").write_text(block(), encoding="utf-8")
    drawn = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    for path in (folder / "script", *(folder / "config").glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        # The neighbours that are not started keep their addresses: nothing is sent there.
        path.write_text(
            re.sub(r"(127\.0\.0\.1):(\d+)", lambda m: f"{m[1]}:{drawn.get(m[2], m[2])}", text),
            encoding="utf-8",
        )
    return folder


def block() -> str:
    """The commands, but for the installation, which is what runs this test."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Use it\n")[1]
    found = section.split("```\n")[1]
    assert found.startswith(INSTALL)
    return found.removeprefix(INSTALL)


@pytest.fixture
def ran(clone: Path) -> Iterator[tuple[int, str, str]]:
    """Exit code and what it printed; whatever it left running is ended."""
    environment = {name: value for name, value in os.environ.items() if "RELAY_" not in name}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with (
        (clone / "out").open("wb") as out,
        (clone / "err").open("wb") as err,
        subprocess.Popen(
            ["bash", "-e", "script"],
            cwd=clone,
            env=environment,
            stdout=out,
            stderr=err,
            start_new_session=True,
        ) as process,
    ):
        try:
            code = process.wait(PATIENCE_SECONDS)
            yield code, (clone / "out").read_text(), (clone / "err").read_text()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_the_readme_carries_a_letter_from_nothing(ran: tuple[int, str, str], clone: Path) -> None:
    """Sent, fetched, acknowledged, tracked, verified with the root alone; both logs are whole."""
    code, out, err = ran
    assert code == 0, err
    fetched = (clone / "build/letter.edxml").read_bytes()
    assert fetched == (clone / "config/letter.edxml").read_bytes()
    assert "edoc" in out
    assert "12/UBND-VP" in out
    way = ("SubmissionAcceptance", "RelayAcceptance", "ContentConsignment", "ContentHandover")
    assert re.findall(r"(\w+) for H01\b", "".join(re.findall(r"VALID +receipt: .*", out))) == [*way]
    assert re.search(r"VALID +seal: agency seal of H01\.152", out)
    assert "INVALID" not in out
    assert "relay: error" not in err
    assert "ok, " in out

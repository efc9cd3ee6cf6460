"""The demo's last act: the letter's evidence file, judged by a stranger who has it and the root, and nothing else.

Touches: the sender's node; a new folder in the system's folder for temporary files, which stays; one child process.
Trusts:  the root certificate.
Raises:  TransportError where the node gives no file.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from relay.demo import plan
from relay.demo.checks import Check
from relay.demo.native import over_tls
from relay.demo.network import Network

_SAID_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Exported:
    """The two files that stay, and what a stranger found."""

    path: Path
    root: Path
    check: Check

    def as_json(self) -> dict[str, str]:
        return {"path": str(self.path), "root": str(self.root)}


async def export(network: Network, message_id: str, token: str) -> Exported:
    """`token` speaks for the sender."""
    origin = network.nodes[plan.SENDER.node]
    async with over_tls(origin.native_url, network.root, token) as native:
        content = await native.evidence(message_id)
    folder = Path(tempfile.mkdtemp(prefix="relay-evidence-"))
    path, root = folder / f"{message_id}.asice", folder / "root.pem"
    path.write_bytes(content)
    shutil.copyfile(network.root, root)
    return Exported(path, root, await _judged(path, root))


async def _judged(path: Path, root: Path) -> Check:
    """As anybody would: the two files in a folder of their own, the command, no node."""
    what = "the letter's evidence file holds for a stranger who has the root alone"
    with tempfile.TemporaryDirectory(prefix="relay-stranger-") as empty:
        for one in (path, root):
            shutil.copyfile(one, Path(empty) / one.name)
        command = ("-m", "relay", "evidence", "verify", path.name, "--root", root.name)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=empty,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    if process.returncode == 0:
        return Check(what, ())
    return Check(what, (said[-_SAID_LIMIT:].decode("utf-8", "replace"),))

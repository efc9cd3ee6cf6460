"""The demo's last act: the letter's evidence file, judged by a stranger who has it and the root, and nothing else.

A receipt is proven to stand in the node's log at once; that a neighbour cosigned the log with it takes seconds, for
which the demo waits and a node never does.

Touches: the sender's node; a new folder in the system's folder for temporary files, which stays; one child process.
Trusts:  the root certificate.
Raises:  TransportError where the node gives no file, or nobody cosigns its log.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from relay.audit.checkpoint import split_note
from relay.audit.proof_file import read_proof
from relay.demo import plan
from relay.demo.checks import Check
from relay.demo.native import NativeClient, over_tls
from relay.demo.network import Network
from relay.demo.waiting import NotYetError, until

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
        look = partial(_look_for_cosignatures, native, message_id)
        await until("a neighbour's word for each receipt", look, network.check_alive)
        content = await native.evidence(message_id)
    folder = Path(tempfile.mkdtemp(prefix="relay-evidence-"))
    path, root = folder / f"{message_id}.asice", folder / "root.pem"
    path.write_bytes(content)
    shutil.copyfile(network.root, root)
    return Exported(path, root, await _judged(path, root))


async def _look_for_cosignatures(native: NativeClient, message_id: str) -> None:
    """On the head under which each receipt is proven to stand in the sender's log, beside the node's own."""
    view = await native.message(message_id)
    for digest in {one["digest"] for each in view["deliveries"] for one in each["receipts"]}:
        _, signatures = split_note(read_proof(await native.receipt_proof(digest)).note)
        if len(signatures) < 2:
            raise NotYetError(f"nobody cosigned a head over receipt {digest[:12]}")


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

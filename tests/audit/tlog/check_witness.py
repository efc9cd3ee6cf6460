"""Cosignatures and witnesses between this project and other people's (`make tlog`; needs Go 1.24 or newer).

torchwood checks what we cosign and cosigns what we check; its litewitness, a witness by C2SP tlog-witness,
cosigns a log through our client.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from relay.audit.checkpoint import Checkpoint, head_of, note_body, sign_note, vkey
from relay.audit.cosignature import Cosigner, cosign, cosignatures, cosigner_name, parse_cosigner
from relay.audit.proofs import consistency_proof, over_leaves
from relay.audit.tree import Frontier, leaf_hash
from relay.delivery.clock import Clock
from relay.model import NodeId
from relay.signing.keys import verify_log_signature
from relay.transport.witnessing import OtherWitness
from relay.witness.asking import Cosigners
from relay.witness.ports import Got
from tests.audit.tlog.check_tlog import HERE, _go

ORIGIN = "truc-relay.example/log/xa"
LITEWITNESS = "filippo.io/torchwood/cmd/litewitness@v0.6.1"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)


def _note(leaves: list[bytes]) -> bytes:
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    body = note_body(ORIGIN, frontier.size, frontier.root())
    return sign_note(body, ORIGIN, KEY.public_key().public_bytes_raw(), KEY.sign)


def _believed(text: str) -> Cosigner:
    name, key = parse_cosigner(text)
    return Cosigner(name, key, partial(verify_log_signature, key))


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("cosign") / "cosign"
    _build(["build", "-o", str(program), "./cosign"], HERE)
    return program


def _build(arguments: list[str], folder: Path, **environment: str) -> None:
    built = subprocess.run(
        [_go(), *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if "dial tcp" in built.stderr or "no such host" in built.stderr:
        pytest.skip("skipped: needs go's modules")
    assert built.returncode == 0, built.stderr


def _run(tool: Path, note: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    log = vkey(ORIGIN, KEY.public_key().public_bytes_raw())
    return subprocess.run(
        [tool, "-log", log, *arguments], input=note, capture_output=True, check=False
    )


def test_they_accept_what_we_cosign_and_nothing_that_was_changed(tool: Path) -> None:
    key = Ed25519PrivateKey.generate()
    public, name = key.public_key().public_bytes_raw(), cosigner_name(NodeId("tinh"))
    note = _note([b"a", b"b", b"c"])
    line = cosign(note, name, public, key.sign, AT)
    known = Cosigner(name, public, partial(verify_log_signature, public)).vkey

    assert _run(tool, note + line, "-check", known).returncode == 0
    for spoilt in (
        note,
        _note([b"a", b"b", b"d"]) + line,
        note + cosign(note, name, public, key.sign, AT + timedelta(seconds=1))[:-12] + line[-12:],
    ):
        assert _run(tool, spoilt, "-check", known).returncode == 1


def test_we_accept_what_they_cosign(tool: Path) -> None:
    note = _note([b"a", b"b", b"c"])
    done = _run(tool, note, "-name", "witness.example/w1")
    assert done.returncode == 0, done.stderr
    known, _, signed = done.stdout.partition(b"\n")
    (found,) = cosignatures(signed, _believed(known.decode()))
    assert abs(found.at - datetime.now(UTC)) < timedelta(minutes=5)
    assert signed == note + found.line


# ---------------------------------------------------------------- their witness


@dataclass
class Memory:
    """What a journal keeps of cosignatures."""

    got: list[Got] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    head: Checkpoint | None = None

    async def cosigned_sizes(self, origin: str) -> dict[str, int]:
        return {one.witness: one.size for one in self.got}

    async def newest_cosigned(self, origin: str) -> list[Got]:
        return self.got[-1:]

    async def keep(self, got: Got) -> None:
        self.got.append(got)

    async def own_head(self) -> Checkpoint | None:
        return self.head

    async def refused_by(self, witness: str, reason: str, size: int, at: datetime) -> None:
        self.refused.append(reason)


@pytest.fixture
async def litewitness(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OtherWitness]:
    """Their witness, running, with our log in its database and its key in an agent of its own."""
    for program in ("ssh-agent", "ssh-add"):
        if shutil.which(program) is None:
            pytest.skip(f"skipped: needs {program}")
    _build(["install", LITEWITNESS], tmp_path, GOBIN=str(tmp_path), GOFLAGS="-mod=mod")
    socket, database = tmp_path / "agent.sock", tmp_path / "witness.db"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        fingerprint = await _hand_over_key(tmp_path, socket)
        port = "17380"
        command = [
            str(tmp_path / "litewitness"),
            *("-name", "witness.example/w1", "-db", str(database), "-ssh-agent", str(socket)),
            *("-listen", f"127.0.0.1:{port}", "-key", fingerprint),
        ]
        witness = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            known = await _vkey(witness)
            _register(database)
            url = f"http://127.0.0.1:{port}"
            yield OtherWitness(_believed(known), url, timedelta(seconds=10))
        finally:
            witness.kill()
            await witness.wait()
    finally:
        agent.terminate()
        agent.wait()


async def _hand_over_key(folder: Path, socket: Path) -> str:
    """The fingerprint of a new key in the agent."""
    async with asyncio.timeout(20):
        while not socket.exists():
            await asyncio.sleep(0.01)
    path = folder / "witness.key"
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
    subprocess.run(["ssh-add", str(path)], env=environment, check=True, capture_output=True)
    shown = subprocess.run(
        ["ssh-add", "-l"], env=environment, check=True, capture_output=True, text=True
    )
    return shown.stdout.split()[1]


async def _vkey(witness: asyncio.subprocess.Process) -> str:
    """What it says its verifier key is, once it listens."""
    assert witness.stderr is not None
    said, known = "", ""
    async with asyncio.timeout(20):
        while line := await witness.stderr.readline():
            said += line.decode()
            if found := re.search(r'vkey="?([^\s"]+)', line.decode()):
                known = found[1]
            if "listening" in line.decode() and known:
                return known
    raise AssertionError(said)


def _register(database: Path) -> None:
    """As its own tool does."""
    root = b64encode(Frontier().root()).decode()
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        connection.execute("INSERT INTO log VALUES (?, 0, ?)", (ORIGIN, root))
        key = vkey(ORIGIN, KEY.public_key().public_bytes_raw())
        connection.execute("INSERT INTO key VALUES (?, ?)", (ORIGIN, key))


async def test_their_witness_cosigns_our_log_as_it_grows_and_refuses_a_fork(
    litewitness: OtherWitness,
) -> None:
    book, leaves = Memory(), [b"%d" % number for number in range(7)]

    def cosigners() -> Cosigners:
        async def first_entry(origin: str) -> bytes:
            return leaves[0]

        wait = timedelta(seconds=10)
        return Cosigners([litewitness], book, first_entry, Clock(), lambda: 0.0, wait)

    async def ask(told: list[bytes]) -> tuple[Any, ...]:
        hashes = [leaf_hash(leaf) for leaf in told]
        note = _note(told)
        book.head = head_of(note)

        async def consistency(old: int) -> list[bytes]:
            return consistency_proof(old, len(hashes), over_leaves(hashes.__getitem__))

        return await cosigners().cosign(note, consistency)

    for size in (3, 4, 7):
        (line,) = await ask(leaves[:size])
        assert len(cosignatures(_note(leaves[:size]) + line, litewitness.known)) == 1
    book.got.clear()  # forgotten here: it names its size, and is proven to from there
    assert len(await ask([*leaves, b"more"])) == 1

    fork = [*leaves[:5], b"other", b"history", b"more"]
    # It says 422 where the standard has 409: another head of the size held.
    assert await ask(fork) == ()
    assert await ask([*fork, b"and more"]) == ()
    assert await ask(leaves[:6]) == ()
    assert book.refused == ["unproven", "unproven", "shrunk"]

"""A node dies, or its disk fails, at each step between an entry, its commit, its tile, the checkpoint and the
witness's cosignature. `xa` is the log, `tinh` its witness; each is the other's.

What lies there is judged before anything runs again; then everything must go on by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from relay.audit.checkpoint import Checkpoint, head_of, verify_note
from relay.audit.cosignature import Cosigner, cosignatures, cosigner_name
from relay.audit.proofs import consistency_proof, over_leaves, verify_consistency
from relay.cli.client import reach
from relay.cli.connect import Connection
from relay.errors import RelayError
from relay.journal.tile_files import TileFiles
from relay.model import NodeId
from relay.offline import verify_whole_log
from relay.settings.reading import load
from relay.signing.keys import LogSigner, verify_log_signature

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PUBLISH = "[log]\npublish_every = 0.1\n"
DEATHS = [
    ("xa", "append:uncommitted"),
    ("xa", "commit:done"),
    ("xa", "file:written"),
    ("xa", "put:done"),
    ("xa", "settle:done"),
    ("xa", "ask:answered"),
    ("xa", "keep:committed"),
    ("xa", "publish:begin"),
    ("xa", "publish:done"),
    ("tinh", "hold:uncommitted"),
    ("tinh", "decide:committed"),
    ("tinh", "sign:done"),
]
FATAL = [
    ("xa", "append:uncommitted SQLITE"),
    ("xa", "commit:begin EIO"),
    ("tinh", "hold:uncommitted SQLITE"),
]
"""The journal's disk fails: the node ends by itself."""
FAULTS = [
    ("xa", f"{point} {error}")
    for point in ("file:written", "settle:done", "publish:begin")
    for error in ("ENOSPC", "EIO")
]
"""The log's files cannot be written: the node goes on."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any]) -> AsyncIterator[Any]:
    async with found_town(["tinh", "xa"], after_build=_often) as town:
        yield town


def _often(network: Any) -> None:
    for node in network.nodes.values():
        text = node.config.read_text(encoding="utf-8")
        there = "\n[log]\n" in text
        text = text.replace("\n[log]\n", f"\n{PUBLISH}") if there else f"{text}\n{PUBLISH}"
        node.config.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("name", "point"), [*DEATHS, *FATAL])
async def test_what_a_death_leaves_holds_and_the_log_goes_on(
    town: Any, name: str, point: str
) -> None:
    town.arm(name, point)
    process = town.node(name).process
    async with asyncio.timeout(20):
        while process.returncode is None:
            await _append(town)
            await asyncio.sleep(0.02)

    left = _holds(town)
    await town.revive()
    await _goes_on(town, left)


@pytest.mark.parametrize(("name", "point"), FAULTS)
async def test_a_disk_that_fails_the_log_s_files_loses_nothing(
    town: Any, name: str, point: str
) -> None:
    """Nobody dies of it; published is what was published before, until it can be written again."""
    process = town.node(name).process
    town.arm(name, point)
    order = town.node(name).folder / "crash-at"
    async with asyncio.timeout(20):
        while order.exists():
            await _append(town)
            await asyncio.sleep(0.02)

    await _goes_on(town, _holds(town))
    assert town.node(name).process is process
    assert process.returncode is None


async def test_every_checkpoint_of_the_run_continues_every_one_before(town: Any) -> None:
    """All that were published or cosigned, of both nodes, through all the deaths above where those ran: each
    pair, with the proof that the log itself gives. So no two cosignatures contradict each other."""
    for _ in range(4):
        await _append(town)
        await _append(town, "tinh")
        await _goes_on(town, _holds(town))
        await town.until(partial(_is_published, town, "tinh"))
    for name, other in (("xa", "tinh"), ("tinh", "xa")):
        found = _noted(town, name, "published") | _noted(town, other, "cosigned")
        heads = sorted(found, key=lambda one: one.size)
        hashes = _hashes(town, name)
        assert len(heads) > 3
        assert all(one.size != two.size for one, two in pairwise(heads)), "two roots of one size"
        for place, old in enumerate(heads):
            for new in heads[place:]:
                proof = consistency_proof(old.size, new.size, over_leaves(hashes.__getitem__))
                verify_consistency(old.size, old.root, new.size, new.root, proof)
        assert town.rows(name, "SELECT 1 FROM witness_alarms") == []


async def _is_published(town: Any, name: str) -> bool:
    """All that is durable there now."""
    found = _published(town, name)
    (durable,) = town.rows(name, "SELECT count(*) FROM entries")[0]
    return found is not None and found.size == durable


async def _append(town: Any, name: str = "xa") -> None:
    """An entry there; whether anybody is told of it is another matter."""
    with contextlib.suppress(RelayError):
        async with reach(Connection("http://localhost", town.node(name).control)) as operator:
            await operator.post("/v1/tokens", {"holder": "mẫu", "scopes": ["auditor"]})


def _holds(town: Any) -> int:
    """As it lies there, whoever runs: journals, tiles, checkpoint and cosignatures hold; what is published is
    durable in the journal, what was cosigned is held by the witness. The size of `xa`'s published log."""
    for name, other in (("xa", "tinh"), ("tinh", "xa")):
        node = town.node(name)
        published = _published(town, name)
        verify_whole_log(node.config)
        (durable,) = town.rows(name, "SELECT count(*) FROM entries")[0]
        assert (0 if published is None else published.size) <= durable
        held = {
            (row["size"], bytes(row["root"]))
            for row in town.rows(other, "SELECT size, root FROM witness_seen")
        }
        cosigned = {(one.size, one.root) for one in _noted(town, other, "cosigned")}
        assert cosigned <= held, "cosigned, and not durable at the witness"
    found = _published(town, "xa")
    return 0 if found is None else found.size


async def _goes_on(town: Any, left: int) -> None:
    """A later checkpoint, cosigned, over tiles that prove it and all that was published before."""
    before = _published(town, "xa")
    await _append(town)

    async def cosigned() -> bool:
        found = _published(town, "xa")
        return found is not None and found.size > left and bool(_lines(town))

    await town.until(cosigned)
    verify_whole_log(town.node("xa").config)
    if before is not None:
        hashes = _hashes(town, "xa")
        after = _published(town, "xa")
        assert after is not None
        proof = consistency_proof(before.size, after.size, over_leaves(hashes.__getitem__))
        verify_consistency(before.size, before.root, after.size, after.root, proof)


def _files(town: Any, name: str) -> TileFiles:
    return TileFiles(town.node(name).folder / "data" / "log" / "0")


def _key(town: Any, name: str) -> LogSigner:
    section = load(town.node(name).config).keys.log
    return LogSigner.load(section.certificate, section.key)


def _published(town: Any, name: str) -> Checkpoint | None:
    note = _files(town, name).note()
    if note is None:
        return None
    key, head = _key(town, name).public_key, head_of(note)
    return verify_note(note, head.origin, key, partial(verify_log_signature, key))


def _lines(town: Any) -> list[Any]:
    """The cosignatures of `tinh` in the checkpoint of `xa`."""
    key = _key(town, "tinh").public_key
    known = Cosigner(cosigner_name(NodeId("tinh")), key, partial(verify_log_signature, key))
    note = _files(town, "xa").note()
    return [] if note is None else list(cosignatures(note, known))


def _hashes(town: Any, name: str) -> list[bytes]:
    rows = town.rows(name, "SELECT leaf_hash FROM entries ORDER BY entry_index")
    return [bytes(row[0]) for row in rows]


def _noted(town: Any, name: str, what: str) -> set[Checkpoint]:
    path = town.node(name).folder / what
    lines = path.read_bytes().splitlines() if path.exists() else []
    return {head_of(b64decode(line)) for line in lines}

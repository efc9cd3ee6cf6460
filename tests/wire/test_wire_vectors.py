"""The committed vectors of wire clauses: what was accepted stays accepted, what was refused refused."""

from __future__ import annotations

import asyncio
import re
import runpy
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from relay.agencies import NodeEntry
from relay.errors import SignatureError, TransportError, WireError
from relay.model import NodeId, Tier
from relay.routing.composing import Layer
from relay.routing.directory import Directory
from relay.routing.owning import objections
from relay.signing.evidence import verify_branch, verify_transfer
from relay.signing.trust import TrustStore
from relay.transport.nodes.directory import read_signed
from relay.transport.nodes.parts import CONTENT_TYPE, Body, read_parts
from relay.wire.attached import read_proofs, write_proofs
from relay.wire.branch import read_branch, write_branch
from relay.wire.receipt import read_receipt, write_receipt

FOLDER = Path(__file__).parents[1] / "vectors" / "wire"
TRUST = TrustStore([(FOLDER.parent / "signing" / "root.pem").read_bytes()])
CLAUSES = Path(__file__).parents[2] / "docs" / "wire-format.md"
ACCEPTED = sorted(FOLDER.glob("accepted/*"))
REFUSED = sorted(FOLDER.glob("refused/*"))


async def _receipt(content: bytes) -> None:
    assert write_receipt(read_receipt(content)) == content


async def _directory(content: bytes) -> None:
    assert write_branch(read_branch(content)) == content


async def _branch(content: bytes) -> None:
    said = read_branch(content)
    if found := objections(_known(), Layer(said.issuer, said.nodes, said.agencies)):
        raise SignatureError("not-owner", "; ".join(found))


def _known() -> Directory:
    known = read_branch((FOLDER / "known.directory").read_bytes())
    return Directory([NodeEntry(NodeId("tw"), Tier.CENTRAL), *known.nodes], known.agencies)


async def _signed(content: bytes) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    verify_branch(await read_signed(pieces()), TRUST, None)


async def _transfers(content: bytes) -> None:
    stream = StreamReader(
        Mock(spec=BaseProtocol, _reading_paused=False), 1 << 16, loop=asyncio.get_running_loop()
    )
    stream.feed_data(content)
    stream.feed_eof()
    body, first = Body(stream, CONTENT_TYPE), True
    while first or body.more:
        part, first = await read_parts(body), False
        verify_transfer(part.header, TRUST, None, NodeId("tinh-h01"))
        assert part.envelope is not None
        async for _ in part.envelope.chunks():
            pass


async def _proofs(content: bytes) -> None:
    assert write_proofs(read_proofs(content)) == content


JUDGES: dict[str, Callable[[bytes], Coroutine[Any, Any, None]]] = {
    ".receipt": _receipt,
    ".directory": _directory,
    ".branch": _branch,
    ".signed": _signed,
    ".transfers": _transfers,
    ".proofs": _proofs,
}


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.name)
async def test_accepted_vectors_hold(path: Path) -> None:
    """What an earlier version wrote is still read, byte for byte."""
    await JUDGES[path.suffix](path.read_bytes())


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.name)
async def test_refused_vectors_are_refused(path: Path) -> None:
    """With the error of a peer's bytes, or of a body that broke off; never another."""
    with pytest.raises((WireError, SignatureError, TransportError)):
        await JUDGES[path.suffix](path.read_bytes())


@pytest.mark.parametrize(
    "path", [p for p in REFUSED if p.suffix == ".branch"], ids=lambda path: path.name
)
def test_what_may_not_be_said_is_well_formed(path: Path) -> None:
    """It is refused for what it says: W9.6 and W9.7, not W9.1."""
    read_branch(path.read_bytes())


def test_every_vector_names_a_clause_that_is_there() -> None:
    """And each clause that has vectors has some of both kinds, but for those that only refuse."""
    clauses = set(re.findall(r"\*\*(W[0-9.]+)\*\*", CLAUSES.read_text(encoding="utf-8")))
    named = {
        kind: {path.name.partition("--")[0].upper() for path in paths}
        for kind, paths in (("accepted", ACCEPTED), ("refused", REFUSED))
    }
    assert named["accepted"] | named["refused"] <= clauses
    assert {"W4.13", "W5.11", "W9.1", "W9.3", "W9.6", "W9.7", "W10.4", "W10.5", "W20.3"} <= (
        named["accepted"] & named["refused"]
    )


def test_the_script_writes_the_vectors_that_are_here(tmp_path: Path) -> None:
    """Running make.py again leaves the working tree clean."""
    runpy.run_path(str(FOLDER / "make.py"))["make"](tmp_path)

    def of(folder: Path) -> dict[Path, bytes]:
        found = (p for p in folder.rglob("*") if p.is_file() and p.suffix in {*JUDGES})
        return {p.relative_to(folder): p.read_bytes() for p in found}

    assert of(tmp_path) == of(FOLDER)

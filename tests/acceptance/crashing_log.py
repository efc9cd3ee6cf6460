"""The points between an entry and a cosignature at which crashing_node.py can have a node die or fail.

    append:uncommitted   the entries and the head over them are in the transaction
    commit:begin         before its COMMIT
    commit:done          it is durable; nobody has been told yet
    file:written         a file of the log is on the disk, under another name
    put:done             a tile is there, its folder perhaps not yet durable
    settle:done          the tiles of a round are durable, the checkpoint is an older one's
    ask:answered         its cosignature is here, and kept nowhere
    keep:committed       the cosignature is durable, the checkpoint is an older one's
    publish:begin        before the checkpoint is renamed in
    publish:done         it is there
    hold:uncommitted     at the witness: the head it is to cosign is in the transaction
    decide:committed     at the witness: it is durable, nothing is signed
    sign:done            at the witness: signed, and told to nobody

Beside the configuration `published` and `cosigned` get a line for each checkpoint that this node published and
for each that it signed as a witness, in the moment it did: a test holds these against what a crash has left.
"""

from __future__ import annotations

import functools
import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from relay.journal import witnessing
from relay.journal.tile_files import CHECKPOINT, TileFiles, _Handle
from relay.journal.witnessing import WitnessTable
from relay.journal.writer import Writer
from relay.transport.nodes.witnessing_client import NeighbourWitness
from relay.witness import desk

At = Callable[[str], None]


def arm_log(at: At, folder: Path) -> None:
    _after(Writer, "_append", at, "append:uncommitted")
    Writer._commit = _commit(at, Writer._commit)  # type: ignore[method-assign]
    _after(_Handle, "write", at, "file:written")
    _after(TileFiles, "put", at, "put:done")
    TileFiles.publish = _publish(at, folder, TileFiles.publish)  # type: ignore[method-assign]
    _after(TileFiles, "settle", at, "settle:done")
    NeighbourWitness.add_checkpoint = _ask(at, NeighbourWitness.add_checkpoint)  # type: ignore[method-assign]
    _after(witnessing, "_hold", at, "hold:uncommitted")
    _after_coroutine(WitnessTable, "keep", at, "keep:committed")
    _after_coroutine(WitnessTable, "decide", at, "decide:committed")
    desk.cosign = _cosign(at, folder, desk.cosign)  # type: ignore[attr-defined]


def _after(owner: Any, name: str, at: At, point: str) -> None:
    real = getattr(owner, name)

    @functools.wraps(real)
    def call(*args: Any, **named: Any) -> Any:
        result = real(*args, **named)
        at(point)
        return result

    setattr(owner, name, call)


def _after_coroutine(owner: Any, name: str, at: At, point: str) -> None:
    real = getattr(owner, name)

    @functools.wraps(real)
    async def call(*args: Any, **named: Any) -> Any:
        result = await real(*args, **named)
        at(point)
        return result

    setattr(owner, name, call)


def _commit(at: At, real: Callable[..., None]) -> Callable[..., None]:
    def call(self: Any, batch: Any) -> None:
        try:
            at("commit:begin")
        except Exception as error:  # noqa: BLE001  as the COMMIT itself fails
            batch.error = error
            return
        real(self, batch)
        if batch.frontier is not None:
            at("commit:done")

    return call


def _ask(at: At, real: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **named: Any) -> Any:
        answer = await real(*args, **named)
        at("ask:answered")
        return answer

    return call


def _publish(at: At, folder: Path, real: Callable[..., None]) -> Callable[..., None]:
    def call(self: Any, note: bytes, name: str = CHECKPOINT) -> None:
        if name == CHECKPOINT:
            at("publish:begin")
        real(self, note, name)
        if name == CHECKPOINT:
            _note(folder / "published", note)
            at("publish:done")

    return call


def _cosign(at: At, folder: Path, real: Callable[..., bytes]) -> Callable[..., bytes]:
    def call(note: bytes, *args: Any) -> bytes:
        line = real(note, *args)
        _note(folder / "cosigned", note)
        at("sign:done")
        return line

    return call


def _note(path: Path, note: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, b64encode(note) + b"\n")
    finally:
        os.close(handle)

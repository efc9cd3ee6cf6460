"""Logs made in memory, their keys and heads, and a real journal for the witness who judges them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relay.audit.add_checkpoint import AddCheckpoint, write_request
from relay.audit.checkpoint import head_of, note_body, sign_note
from relay.audit.cosignature import Cosigner, cosigner_name
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, log_name, named_head
from relay.audit.proofs import consistency_proof, over_leaves
from relay.audit.tree import Frontier, leaf_hash
from relay.delivery.clock import Clock
from relay.errors import TransportError
from relay.journal.store import SqliteJournal
from relay.journal.witnessing import WitnessTable
from relay.model import NodeId
from relay.signing.keys import verify_log_signature
from relay.witness.desk import WitnessDesk
from relay.witness.judging import Opening
from relay.witness.ports import LogKeyOf, OwnKey, WitnessAnswer

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Key:
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def believed(self) -> LogKeyOf:
        return LogKeyOf(self.public, partial(verify_log_signature, self.public))

    def own(self, name: str) -> OwnKey:
        return OwnKey(name, self.public, self.private.sign)


@dataclass
class Log:
    """A node's log, of which any history can be told."""

    node: str = "xa"
    key: Key = field(default_factory=Key)
    epoch: Epoch = field(default_factory=Epoch)
    leaves: list[bytes] = field(default_factory=list)
    name: str = ""

    @property
    def origin(self) -> str:
        return self.name or log_name(NodeId(self.node), self.epoch)

    def grow(self, count: int, story: str = "") -> Log:
        start = len(self.leaves)
        self.leaves += [b"%d %s" % (start + n, story.encode()) for n in range(count)]
        return self

    def fork(self, at: int, count: int, story: str = "another") -> Log:
        """Another history from entry `at` on, by the same key, under the same name."""
        return replace(self, leaves=self.leaves[:at]).grow(count, story)

    def restored(self, at: int, tag: str = "a" * 16) -> Log:
        """The next epoch, begun from a backup of the first `at` entries."""
        before = replace(self, leaves=self.leaves[:at])
        named = named_head(head_of(before.note()))
        first = entry(AuditEvent.EPOCH_STARTED, AT, NodeId(self.node), **named, reason="restored")
        return replace(self, epoch=Epoch(self.epoch.number + 1, tag), leaves=[_bytes(first)])

    def rekeyed(self, key: Key, tag: str = "b" * 16) -> Log:
        """The next epoch, begun because another key signs from now on; nothing is lost."""
        return replace(self.restored(len(self.leaves), tag), key=key)

    def note(self, size: int | None = None) -> bytes:
        frontier = Frontier()
        for leaf in self.leaves[:size]:
            frontier.append(leaf_hash(leaf))
        body = note_body(self.origin, frontier.size, frontier.root())
        return sign_note(body, self.origin, self.key.public, self.key.private.sign)

    def proof(self, old: int, size: int | None = None) -> list[bytes]:
        hashes = [leaf_hash(leaf) for leaf in self.leaves]
        return consistency_proof(old, size or len(hashes), over_leaves(hashes.__getitem__))

    def request(self, old: int, size: int | None = None) -> bytes:
        return write_request(AddCheckpoint(old, tuple(self.proof(old, size)), self.note(size)))

    def opening(self, size: int | None = None) -> Opening:
        return Opening(self.leaves[0], tuple(self.proof(1, size)))

    def consistency(self, size: int | None = None) -> Callable[[int], Awaitable[list[bytes]]]:
        async def consistency(old: int) -> list[bytes]:
            return self.proof(old, size)

        return consistency


def _bytes(made: object) -> bytes:
    """An entry's leaf, whatever else it carries."""
    return made if isinstance(made, bytes) else made.leaf  # type: ignore[attr-defined]


@dataclass
class Keys:
    """witness.ports.LogKeys, of what tests say."""

    known: dict[str, Key] = field(default_factory=dict)
    renewed: dict[str, Key] = field(default_factory=dict)
    asked: int = 0

    async def of_node(self, node: NodeId, *, anew: bool = False) -> LogKeyOf:
        if anew:
            self.asked += 1
            self.known.update(self.renewed)
        if node not in self.known:
            raise TransportError("nobody is there")
        return self.known[node].believed


@dataclass
class Witness:
    """A witness on a journal of its own; `restart` is a new process on the same folder."""

    name: str
    folder: Path
    keys: Keys
    key: Key = field(default_factory=Key)
    journal: SqliteJournal = field(init=False)
    desk: WitnessDesk = field(init=False)
    at: datetime = AT

    async def start(self) -> None:
        def sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
            name = log_name(NodeId(self.name), epoch)
            body = note_body(name, size, root)
            return sign_note(body, name, self.key.public, self.key.private.sign)

        self.journal = await SqliteJournal.open(
            self.folder, NodeId(self.name), sign_head, on_fatal=lambda _: None
        )
        own = self.key.own(cosigner_name(NodeId(self.name)))
        self.desk = WitnessDesk(
            self.table,
            self.keys,
            own,
            Clock(wall=lambda: self.at),
            frozenset(map(NodeId, ["xa", "xb"])),
        )

    async def restart(self) -> None:
        await self.journal.close()
        await self.start()

    @property
    def table(self) -> WitnessTable:
        return WitnessTable(self.journal, NodeId(self.name))

    @property
    def cosigner(self) -> Cosigner:
        believed = self.key.believed
        return Cosigner(cosigner_name(NodeId(self.name)), believed.public_key, believed.verify)

    async def add(
        self, body: bytes, by: str = "xa", opening: Opening | None = None
    ) -> WitnessAnswer:
        self.at += timedelta(seconds=1)
        return await self.desk.add_checkpoint(body, by, opening)

    async def events(self) -> list[dict[str, object]]:
        from relay.audit.entries import parse

        return [parse(one.leaf) for one in await self.journal.entries(0, 1000)]


MakeWitness = Callable[..., Awaitable[Witness]]


@pytest.fixture
async def found_witness(tmp_path: Path) -> AsyncIterator[MakeWitness]:
    made: list[Witness] = []

    async def found(*logs: Log, name: str = "tinh") -> Witness:
        keys = Keys({log.node: log.key for log in logs})
        witness = Witness(name, tmp_path / name, keys)
        await witness.start()
        made.append(witness)
        return witness

    yield found
    for one in made:
        await one.journal.close()


@pytest.fixture
def make_log() -> type[Log]:
    return Log


@pytest.fixture
def make_key() -> type[Key]:
    return Key

"""The kit's own log, which it hands in to be cosigned: entries that anybody can make again.

An entry follows from its index and the log's name, so that any two heads are of one tree, in this run and in
those before, which the judged node remembers. How a later epoch began is kept beside the kit's certificates, and
so is an entry that says something.

Touches: one file in the folder of the kit's certificates.
Raises:  ValueError for a head that cannot be.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from relay.audit.checkpoint import Checkpoint, note_body, sign_note
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, epoch_of, log_name, named_head
from relay.audit.proofs import consistency_proof, inclusion_proof, over_leaves
from relay.audit.tree import Frontier, leaf_hash
from relay.conformance.instants import now
from relay.signing.keys import LogSigner


@dataclass(frozen=True, slots=True)
class Tree:
    """The entries of one log: its own, or from `other_from` on those of another history."""

    origin: str
    opening: bytes = b""
    """The first entry, where an epoch was before."""
    other_from: int | None = None
    written: Mapping[int, bytes] = field(default_factory=dict)
    """Entries that say something, by their index."""

    def leaf(self, index: int) -> bytes:
        if index == 0 and self.opening:
            return self.opening
        if index in self.written:
            return self.written[index]
        told_apart = self.other_from is not None and index >= self.other_from
        return f"entry {index}{' otherwise' if told_apart else ''} of {self.origin}".encode()

    def head(self, size: int) -> Checkpoint:
        frontier = Frontier()
        for index in range(size):
            frontier.append(self._hash(index))
        return Checkpoint(self.origin, size, frontier.root())

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        return tuple(consistency_proof(old, size, over_leaves(self._hash)))

    def path_of_first(self, size: int) -> tuple[bytes, ...]:
        return self.path_of(0, size)

    def path_of(self, index: int, size: int) -> tuple[bytes, ...]:
        return tuple(inclusion_proof(index, size, over_leaves(self._hash)))

    def otherwise_from(self, index: int) -> Tree:
        """Another history, the same up to there."""
        return replace(self, other_from=index)

    def _hash(self, index: int) -> bytes:
        return leaf_hash(self.leaf(index))


@dataclass(slots=True)
class OwnLog:
    """The log of one of the kit's nodes, in its present epoch."""

    signer: LogSigner
    kept: Path
    tree: Tree
    size: int = 1
    """Of the largest head that was handed in: a smaller one would be a rollback, and an alarm (W15.10)."""

    @classmethod
    def load(cls, folder: Path, signer: LogSigner) -> OwnLog:
        """`folder` is that of the node's certificates."""
        kept = folder / "log.json"
        if not kept.exists():
            return cls(signer, kept, Tree(log_name(signer.node, Epoch())))
        found = json.loads(kept.read_text(encoding="utf-8"))
        written = {int(place): b64decode(leaf) for place, leaf in found.get("written", {}).items()}
        tree = Tree(found["origin"], b64decode(found["opening"]), written=written)
        return cls(signer, kept, tree, found["size"])

    @property
    def epoch(self) -> Epoch:
        return epoch_of(self.tree.origin)

    def note(self, tree: Tree, size: int) -> bytes:
        """A signed head of the tree, as the log's own key signs it."""
        return self.signed(tree.head(size))

    def signed(self, head: Checkpoint) -> bytes:
        body = note_body(head.origin, head.size, head.root)
        return sign_note(body, head.origin, self.signer.public_key, self.signer.sign)

    def later(self, before: Checkpoint, number: int | None = None) -> Tree:
        """An epoch that names `before` as the head it goes on from: the next one, or one of that number."""
        chosen = self.epoch.number + 1 if number is None else number
        origin = log_name(self.signer.node, Epoch(chosen, secrets.token_hex(8)))
        fields = {**named_head(before), "reason": "restored"}
        opening = entry(AuditEvent.EPOCH_STARTED, now(), self.signer.node, **fields)
        return Tree(origin, opening.leaf)

    def write(self, leaf: bytes) -> int:
        """The index of an entry that says something; it stays there in later runs."""
        index = self.size
        self.tree = replace(self.tree, written={**self.tree.written, index: leaf})
        self.reached(index + 1)
        return index

    def begin(self, tree: Tree, size: int) -> None:
        """From now on this is the log; the next run knows it."""
        self.tree, self.size = tree, 1
        self.reached(size)

    def reached(self, size: int) -> None:
        self.size = max(self.size, size)
        text = {
            "origin": self.tree.origin,
            "opening": b64encode(self.tree.opening).decode(),
            "size": self.size,
            "written": {
                str(place): b64encode(leaf).decode() for place, leaf in self.tree.written.items()
            },
        }
        self.kept.write_text(json.dumps(text), encoding="utf-8")

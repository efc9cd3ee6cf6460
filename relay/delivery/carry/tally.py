"""What became of a carry file so far, while it is being read.

Touches: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from relay.delivery.carry.ports import Imported
from relay.errors import OverloadError, TransportError
from relay.model import Digest, Event, NodeId, Signed, TransferId
from relay.wire.carry import Manifest

_REFUSES = f"<Event>{Event.RELAY_REJECTION.uri}</Event>".encode()
_LONGEST_FAULT = 300


@dataclass(slots=True)
class Tally:
    manifest: Manifest
    digest: Digest
    answered: dict[TransferId, tuple[Digest, int]] = field(default_factory=dict)
    """Of this node to the file's transfers: digest and size in bytes."""
    taken: list[Digest] = field(default_factory=list)
    refused: int = 0
    unproven: int = 0
    put_off: int = 0
    damaged: int = 0
    settled: int = 0
    stray: int = 0
    statements: int = 0
    broken: str = ""
    temporary: bool = False

    @property
    def neighbour(self) -> NodeId:
        return self.manifest.sent_by

    def answer(self, transfer_id: TransferId, signed: Signed) -> None:
        size_bytes = len(signed.document) + len(signed.signature)
        self.answered[transfer_id] = (signed.digest, size_bytes)
        self.refused += _REFUSES in signed.document

    @property
    def answers(self) -> list[tuple[Digest, int]]:
        """In the order of the file."""
        return [self.answered[t] for t in self.manifest.transfer_ids if t in self.answered]

    def breaks(self, error: Exception) -> None:
        """Nothing behind this can be read."""
        self.broken = str(error)[:_LONGEST_FAULT]
        self.temporary = isinstance(error, OverloadError | TransportError)

    def told(self) -> Imported:
        return Imported(
            carry_id=self.manifest.carry_id,
            neighbour=self.neighbour,
            digest=self.digest,
            transfers=sum(1 for _ in self.manifest.transfer_ids),
            answered=len(self.answered),
            refused=self.refused,
            unproven=self.unproven,
            put_off=self.put_off,
            damaged=self.damaged,
            settled=self.settled,
            receipts=len(self.taken),
            stray=self.stray,
            statements=self.statements,
            broken=self.broken,
            temporary=self.temporary,
        )

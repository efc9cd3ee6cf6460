"""What witnessing needs of journal, keys and wire, and what it tells operators.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.audit.add_checkpoint import AddCheckpoint
from relay.audit.checkpoint import Checkpoint, Sign, Verify
from relay.audit.cosignature import Cosigner
from relay.model import NodeId
from relay.witness.judging import Opening, Verdict

CAPABILITY = "log-witness"
"""In a node's capabilities: it cosigns its neighbours' heads."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A checkpoint whose signature held, ready to be judged."""

    asked: AddCheckpoint
    head: Checkpoint
    log: str
    """Whose: a node's id, or the origin of a log that is no node's."""
    by: str
    """Who handed it in."""
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class LogKeyOf:
    """A key that signs a log, believed now."""

    public_key: bytes
    verify: Verify


class LogKeys(Protocol):
    """Whose keys are believed; asked anew each time, for a certificate may have been revoked."""

    async def of_node(self, node: NodeId, *, anew: bool = False) -> LogKeyOf:
        """The key of a neighbour's log, by its certificate; `anew` asks the neighbour. Raises
        TransportError, PeerError (SignatureError where the certificate proves nothing)."""
        ...


@dataclass(frozen=True, slots=True)
class OwnKey:
    """As whom this node cosigns."""

    name: str
    public_key: bytes
    sign: Sign


class WitnessBook(Protocol):
    """The journal's side of judging: what is returned is durable."""

    async def decide(self, presented: Presented, at: datetime) -> Verdict:
        """Judge and, where it is so judged, take the head for the newest cosigned: in one transaction
        with everything that it is judged by (W15.5). Alarms and new epochs are entries of the log, and alarms
        keep both notes."""
        ...

    async def clear(self, origin: str, by: str, why: str, at: datetime) -> int:
        """Alarms of this log that end; NotFoundError where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Got:
    """A cosignature of a head of this node's log."""

    witness: str
    origin: str
    size: int
    note: bytes
    line: bytes
    at: datetime
    """By the witness's clock."""


class CosignedBook(Protocol):
    """The journal's side of asking: the newest cosignature of each witness, for each epoch."""

    async def cosigned_sizes(self, origin: str) -> dict[str, int]: ...
    async def keep(self, got: Got) -> None: ...


class AskWitness(Protocol):
    """One witness, as it is asked: a neighbour's node or anybody's who speaks tlog-witness."""

    @property
    def name(self) -> str:
        """For operators."""
        ...

    async def cosigner(self, *, anew: bool = False) -> Cosigner | None:
        """As whom it cosigns; None where it witnesses nothing (now). `anew`: what it signed does not hold
        under the key that is known, it may have another. Raises as `add_checkpoint` does."""
        ...

    async def add_checkpoint(self, body: bytes, opening: Opening | None) -> WitnessAnswer:
        """Raises TransportError, PeerError."""
        ...


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    status: int
    body: bytes
    content_type: str = ""


# ---------------------------------------------------------------- what operators are shown


@dataclass(frozen=True, slots=True)
class Watched:
    """A log that this node cosigns."""

    log: str
    origin: str
    size: int
    cosigned_at: datetime
    note: bytes


@dataclass(frozen=True, slots=True)
class Alarm:
    """Two signed notes that cannot be of one history. `proof` is what shows it where their sizes differ."""

    number: int
    log: str
    origin: str
    kind: str
    why: str
    ours: bytes
    theirs: bytes
    proof: tuple[bytes, ...]
    leaf: bytes
    """The first entry of theirs, where that contradicts ours."""
    handed_in_by: str
    at: datetime
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class WitnessStanding:
    """How it stands with one witness of this node's log."""

    witness: str
    size: int | None
    cosigned_at: datetime | None
    behind: int | None
    trouble: str


@dataclass(frozen=True, slots=True)
class Overview:
    at: datetime
    origin: str
    size: int
    """Of this node's log, in its present epoch."""
    witnesses: Sequence[WitnessStanding]
    watched: Sequence[Watched]
    alarms: Sequence[Alarm]


class WitnessDoor(Protocol):
    """For the native face."""

    async def overview(self) -> Overview: ...

    async def checkpoint(self) -> bytes:
        """The newest cosigned head with its cosignatures. NotFoundError where none was."""
        ...

    async def clear(self, origin: str, by: str, why: str) -> int: ...
    async def add_checkpoint(self, body: bytes, by: str) -> WitnessAnswer:
        """From a stranger: for logs that the settings name."""
        ...

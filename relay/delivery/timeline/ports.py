"""A message's timeline over all tiers, each line with where it is from; and what that asks of the journal.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from relay.delivery.ports import Caller, MessageView
from relay.model import (
    AgencyCode,
    DeliveryId,
    Digest,
    MessageId,
    NodeId,
    Reason,
    TraceStep,
    TransferId,
)
from relay.wire.passage import Passage


class Step(StrEnum):
    """What a line tells of a message's stay at one node."""

    ARRIVED = "arrived"
    VERIFIED = "verified"
    WAITED = "waited"
    """Why it did not go on, or did later; over."""
    LEFT = "left"
    DELIVERED = "delivered"
    """To its recipient: at its disposal, fetched, acknowledged."""
    ENDED = "ended"
    """Without its recipient having it, or taken back."""
    ANSWERED = "answered"
    """What the recipient says of it, or is asked: business, not transport."""
    STANDS = "stands"
    """Where it is now."""


class Source(StrEnum):
    """Where a line is from, the strongest first."""

    RECEIPT = "receipt"
    """A signed receipt of `issuer`, verified when it was taken in here; its digest is in the line."""
    LOG = "log"
    """This node's own audit log; the index of the entry is in the line."""
    JOURNAL = "journal"
    """This node's own record, as it stands now."""
    PROOF = "proof"
    """An entry of the log of `issuer`, proven when its proof was taken in here: codes and times by that node's clock."""
    HEADER = "header"
    """The signed header of the transfer it came with, so its sender's word of nodes further back."""
    STATUS = "status"
    """A message of its own, sealed like any other: its id is in the line."""
    WORD = "word"
    """What a remote that signs nothing said, repeated in a receipt of `issuer`: no evidence."""
    NOTHING = "nothing"
    """Not known."""


class Known(StrEnum):
    """What vouches that the message was at a node."""

    SIGNED = "signed"
    HEADER = "header"
    NONE = "none"
    """A remote without evidence."""
    MISSING = "missing"
    """The next node names it; no receipt of its own is here."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, or that is not known. `recipients` are a part of those of its stay."""

    step: Step
    event: str
    """An ETSI event, an event of the log, a state, or a status code."""
    text: str
    at: datetime | None
    """By the clock of the node it is from."""
    recipients: tuple[AgencyCode, ...]
    source: Source
    issuer: NodeId | None = None
    signer: str = ""
    """The subject of the certificate that signed; empty where it is not looked up."""
    receipt: Digest | None = None
    entry: int | None = None
    message: MessageId | None = None
    reason: Reason | None = None
    lasted: timedelta | None = None
    """How long it waited; None where clocks of two nodes contradict each other."""
    clocks_differ: timedelta | None = None
    """By so much at least the two nodes' clocks differ."""
    until: datetime | None = None
    """The next attempt."""
    superseded_by: Digest | None = None
    """A later receipt that says otherwise."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A message at one node on its way to these recipients, and where they went from there."""

    node: NodeId
    known: Known
    came_from: NodeId | None
    transfer_id: TransferId | None
    recipients: tuple[AgencyCode, ...]
    lines: tuple[Line, ...]
    onward: tuple[Stay, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    view: MessageView
    node: NodeId
    """Whose knowledge this is."""
    sealed_by: str
    """The subject of the seal's certificate; empty where it is not sealed yet."""
    way: tuple[Stay, ...]
    final: bool
    """Every delivery has ended for good; an unknown outcome has not."""
    entries_left_out: bool = False
    """Of more entries of this node's log than are looked through, the later are not in it."""


# ---------------------------------------------------------------- what it is assembled from


@dataclass(frozen=True, slots=True)
class OwnEntry:
    index: int
    fields: Mapping[str, Any]
    """Of the leaf, parsed."""


@dataclass(frozen=True, slots=True)
class OwnArrival:
    """How deliveries came here; no neighbour where a system handed them in."""

    neighbour: NodeId | None
    transfer_id: TransferId | None
    trace: tuple[TraceStep, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Records:
    """What this node itself wrote down of one message."""

    entries: tuple[OwnEntry, ...] = ()
    arrivals: Mapping[DeliveryId, OwnArrival] = field(default_factory=dict)
    since: Mapping[DeliveryId, datetime] = field(default_factory=dict)
    """When each delivery came into its state."""
    more: bool = False
    """There are more entries than these."""
    seal: bytes | None = None
    signatures: Mapping[Digest, bytes] = field(default_factory=dict)
    """Of receipts, as many as names of signers are looked up for."""
    passages: tuple[Passage, ...] = ()
    """What other nodes proved of it, the newest first."""


class TimelineJournal(Protocol):
    async def records(self, view: MessageView) -> Records: ...


SignerOf = Callable[[bytes], str]
"""The subject of the certificate in a stored signature; ValueError or SignatureError where none can be read."""


class TimelineDoor(Protocol):
    """Who may see the message may see its timeline."""

    async def timeline(self, caller: Caller, message_id: MessageId) -> Timeline: ...

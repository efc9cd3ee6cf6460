"""What the native face holds in its hands: the doors of delivery, the clock and its limits.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING

from aiohttp import web

from relay.delivery.carry.ports import CarryDesk
from relay.delivery.directory.desk import DirectoryDoor
from relay.delivery.evidence.archive_ports import ArchiveDoor
from relay.delivery.evidence.ports import EvidenceDoor
from relay.delivery.operators.forgetting import ForgettingDesk
from relay.delivery.operators.inspecting import QueueReader
from relay.delivery.operators.orders import Control
from relay.delivery.operators.proving import Proofs
from relay.delivery.operators.published import LogFiles
from relay.delivery.operators.renewing import CertificateDoor
from relay.delivery.operators.systems import SystemsDesk
from relay.delivery.operators.trusting import TrustDoor
from relay.delivery.ports import (
    Caller,
    Inbox,
    Intake,
    LogReader,
    Obligations,
    Outbox,
    PayloadStore,
    Refusals,
    Tokens,
    Tracking,
)
from relay.delivery.pressure.gate import OPEN, Gate
from relay.delivery.pressure.refused import UNNOTED
from relay.delivery.pressure.repeats import Repeats
from relay.delivery.reconciling.ports import Reconciler
from relay.delivery.recovery.ports import Recovering
from relay.delivery.stamping.ports import StampReader
from relay.delivery.statistics.figures import Statistics
from relay.delivery.timeline.ports import TimelineDoor
from relay.envelope.limits import Limits
from relay.transport.ahead import AheadStore
from relay.witness.ports import WitnessDoor

if TYPE_CHECKING:
    from relay.transport.native.log_export import LogExporter


@dataclass(frozen=True, slots=True)
class Inside:
    intake: Intake
    inbox: Inbox
    outbox: Outbox
    tracking: Tracking
    log: LogReader
    tokens: Tokens
    store: PayloadStore
    limits: Limits
    clock: Callable[[], datetime]
    ready: Callable[[], str | None]
    """None when the node takes documents, else why it does not."""
    local_operator: bool
    entropy: Callable[[int], bytes]
    control: Control
    queue: QueueReader
    recovery: Recovering
    carry: CarryDesk | None = None
    systems: SystemsDesk | None = None
    refusals: Refusals = UNNOTED
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the node stops: streams that never end by themselves end then."""
    looking: Counter[str] = field(default_factory=Counter)
    """Who has a page of the log looked for."""
    following: Counter[str] = field(default_factory=Counter)
    """Who waits for new entries of the log, to bound their number."""
    followers: int = 64
    """The most of them."""
    presenting: Counter[str] = field(default_factory=Counter)
    """Strangers who hand in a checkpoint."""
    obligations: Obligations | None = None
    ahead: AheadStore | None = None
    """Envelopes that come piece by piece."""
    gate: Gate = OPEN
    """Asked before an envelope is read."""
    directory: DirectoryDoor | None = None
    evidence: EvidenceDoor | None = None
    archive: ArchiveDoor | None = None
    stamps: StampReader | None = None
    trust: TrustDoor | None = None
    words: ForgettingDesk | None = None
    certificates: CertificateDoor | None = None
    statistics: Statistics | None = None
    timelines: TimelineDoor | None = None
    watching: Counter[str] = field(default_factory=Counter)
    """Live streams of timelines by the caller's name, to bound their number."""
    log_exports: LogExporter | None = None
    exporting: set[object] = field(default_factory=set)
    """Exports of the log under way."""
    reconciling: Counter[str] = field(default_factory=Counter)
    """Claims of systems that are being compared."""
    proofs: Proofs | None = None
    published: LogFiles | None = None
    sending_log: Counter[str] = field(default_factory=Counter)
    """Large files of it under way."""
    public_log: bool = False
    """Whether the published log is open to anyone."""
    witnesses: WitnessDoor | None = None
    reconciler: Reconciler | None = None
    repeats: Repeats | None = None
    """First answers where the gate takes nothing new."""


CALLER = web.RequestKey("caller", Caller)
"""Set once the caller is known."""


class Who(Enum):
    """Whom a route serves."""

    ANYONE = auto()
    CALLER = auto()
    READER = auto()
    OPERATOR = auto()
    LOG_READER = auto()
    """As READER, or anyone where the log is public."""


NOBODY = Caller(holder="", agencies=frozenset())
"""Stands for the caller where a route serves anyone."""

Handler = Callable[[Inside, Caller, web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    handler: Handler
    who: Who = Who.CALLER

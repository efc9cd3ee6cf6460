"""What the native face holds in its hands: the doors of delivery, the clock and its limits.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from aiohttp import web

from relay.delivery.carry.ports import CarryDesk
from relay.delivery.directory.desk import DirectoryDoor
from relay.delivery.evidence.ports import EvidenceDoor
from relay.delivery.operators.inspecting import QueueReader
from relay.delivery.operators.orders import Control
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
from relay.delivery.recovery.ports import Recovering
from relay.delivery.stamping.ports import StampReader
from relay.delivery.statistics.figures import Statistics
from relay.envelope.limits import Limits


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
    streams: set[str] = field(default_factory=set)
    """Request ids of the live streams, to bound their number."""
    obligations: Obligations | None = None
    gate: Gate = OPEN
    """Asked before an envelope is read."""
    directory: DirectoryDoor | None = None
    evidence: EvidenceDoor | None = None
    stamps: StampReader | None = None
    trust: TrustDoor | None = None
    certificates: CertificateDoor | None = None
    statistics: Statistics | None = None


REQUEST_ID = web.RequestKey("request_id", str)
CALLER = web.RequestKey("caller", Caller)
"""Set once the caller is known."""


class Who(Enum):
    """Whom a route serves."""

    ANYONE = auto()
    CALLER = auto()
    READER = auto()
    OPERATOR = auto()


NOBODY = Caller(holder="", agencies=frozenset())
"""Stands for the caller where a route serves anyone."""

Handler = Callable[[Inside, Caller, web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    handler: Handler
    who: Who = Who.CALLER

"""What every call of the face works with.

Touches: nothing; the parts of the inside it names, through their Protocols.
Trusts:  nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from relay.delivery.directory.desk import DirectoryDesk
from relay.delivery.ports import Inbox, Intake, Outbox, PayloadStore
from relay.delivery.pressure.gate import OPEN, Gate
from relay.delivery.pressure.repeats import Repeats
from relay.envelope.limits import Limits
from relay.model import AgencyCode
from relay.transport.axis.binding import Binding
from relay.transport.axis.systems import Systems


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one call may cost."""

    get_bytes: int = 64 << 20
    """getEdoc answers with base64 in JSON, which clients hold in memory several times over."""
    list_rows: int = 5_000
    """Without pageSize a list holds all there is: a client that never acknowledges would otherwise
    see its oldest rows for ever. Above this the rest comes once these are acknowledged."""
    spare_body_bytes: int = 64 << 10
    """Body of a call that has no use for one."""
    idle: timedelta = timedelta(minutes=2)
    """How long a client may neither send nor take a byte."""


@dataclass(frozen=True, slots=True)
class Face:
    intake: Intake
    inbox: Inbox
    outbox: Outbox
    store: PayloadStore
    systems: Systems
    limits: Limits
    bounds: Bounds
    clock: Callable[[], datetime]
    resolve: Callable[[str], AgencyCode]
    """A code as people write it → the directory's; raises a RelayError for one it does not know."""
    gate: Gate = OPEN
    """Asked before a document is read."""
    binding: Binding = field(default_factory=Binding)
    rest_prefix: str = "/lgsp"
    """Where the REST variant begins, on the same listener."""
    agencies: DirectoryDesk | None = None
    """The directory and who may change it; None where the calls for it are not offered."""
    repeats: Repeats | None = None
    """First answers where the gate takes nothing new; None: refused as the rest."""

"""What a remote's FAIL means: refused for good, this package waits, or the remote as a whole.

Touches: nothing.
"""

from __future__ import annotations

from relay.delivery.bridges.ports import RemoteRefusalError
from relay.errors import PeerError, TransportError
from relay.model import Reason

RECEIVER_UNKNOWN, RECEIVER_LOCKED, BAD_SYSTEM = "18", "23", "15"
OF_ONE_RECIPIENT = frozenset({RECEIVER_UNKNOWN, RECEIVER_LOCKED})
"""Codes that may speak of one recipient of several."""
_FOR_GOOD = {
    RECEIVER_UNKNOWN: Reason.UNKNOWN_RECIPIENT,
    RECEIVER_LOCKED: Reason.CLOSED_RECIPIENT,
    "19": Reason.POLICY,
    "10": Reason.BAD_ENVELOPE,
    "22": Reason.BAD_ENVELOPE,
}
MOST_TRIES = 5
"""Attempts before a code that may pass (21, and those nobody knows) counts as a refusal."""


def reason_of(refusal: RemoteRefusalError, tries: int) -> Reason:
    """Why it is refused for good. Raises TransportError while the remote itself is in trouble, PeerError
    while only this package has to wait."""
    if refusal.passing or refusal.code == BAD_SYSTEM:
        raise TransportError(str(refusal)) from refusal
    if (reason := _FOR_GOOD.get(refusal.code)) is not None:
        return reason
    if tries < MOST_TRIES:
        raise PeerError(str(refusal)) from refusal
    return Reason.BAD_ENVELOPE if refusal.code == "21" else Reason.POLICY

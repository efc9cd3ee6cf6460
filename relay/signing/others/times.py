"""When a signature was made: the timestamp's word, else the signer's, put right where it is local time.

Signing programs in use write Vietnam's local time and call it UTC, so their claims lie seven hours
ahead. That is recognised where a claim is about seven hours past the timestamp, where the PDF's own
date shows the same digits with another zone, or where the claim is later than the signature is known to
have existed and seven hours less is not.

Touches: nothing. Raises: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from relay.judgement import Flaw

VIETNAM = timedelta(hours=7)
TOLERANCE = timedelta(minutes=15)
"""Between a signer's clock and others': a signature and its timestamp are not made in one instant."""


@dataclass(frozen=True, slots=True)
class SigningTime:
    claimed_at: datetime | None
    signed_at: datetime | None
    flaws: tuple[Flaw, ...]


def signing_time(
    claimed: datetime | None,
    stamped: datetime | None,
    known: datetime,
    written: datetime | None = None,
) -> SigningTime:
    """`known`: when the signature existed for certain, such as its acceptance. `written`: another date of
    the signer's, with its zone, such as a PDF's /M."""
    if claimed is not None and claimed.tzinfo is None:
        claimed = claimed.replace(tzinfo=UTC)
    local = claimed is not None and _is_local(claimed, stamped, known, written)
    flaws = [Flaw.LOCAL_TIME] if local else []
    if stamped is not None:
        return SigningTime(claimed, stamped, tuple(flaws))
    flaws.append(Flaw.NO_TIMESTAMP)
    believed = claimed - VIETNAM if claimed is not None and local else claimed
    if believed is not None and believed > known + TOLERANCE:
        flaws.append(Flaw.FROM_THE_FUTURE)
    return SigningTime(claimed, believed, tuple(flaws))


def _is_local(
    claimed: datetime, stamped: datetime | None, known: datetime, written: datetime | None
) -> bool:
    if stamped is not None:
        return abs(claimed - VIETNAM - stamped) <= TOLERANCE
    if written is not None and written.tzinfo is not None:
        ahead = claimed - written
        if abs(ahead - VIETNAM) <= TOLERANCE:
            return True
    return known + TOLERANCE < claimed <= known + VIETNAM + TOLERANCE

"""Containers that a node gives out, judged as any stranger would: evidence files (W14) and exported logs (W17).

Touches: nothing. Trusts: the roots; every byte of a file is hostile.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from relay.conformance.stand import Stand
from relay.conformance.verdicts import FailedError, InconclusiveError
from relay.errors import PeerError
from relay.signing.bundle_words import Outcome, Step
from relay.signing.trust import TrustStore
from relay.wire import bundle
from relay.wire.packed import Bounds, content_of, read_packed

LIMIT_BYTES = 1 << 28
_BOUNDS = Bounds(LIMIT_BYTES, bundle.FILES_LIMIT, bundle.check_name)


def trust_of(stand: Stand) -> TrustStore:
    """The roots of both judged nodes, and the kit's own: it signs receipts, too."""
    places = (stand.subject.roots, stand.other.roots, stand.authority.root)
    return TrustStore([one.read_bytes() for one in places])


def entries_of(content: bytes) -> dict[str, bytes]:
    """By name, in their order. FAIL where it is no container of the one form."""
    file = BytesIO(content)
    try:
        return {one.name: content_of(file, one, LIMIT_BYTES) for one in read_packed(file, _BOUNDS)}
    except PeerError as error:
        raise FailedError(f"the file is no container of the one form: {error}") from error


def require_step(steps: Sequence[Step], *what: str) -> None:
    """FAIL where one of these steps refuses the file; INCONCLUSIVE where an earlier one ended the judging."""
    refused = [one for one in steps if one.outcome is Outcome.REFUSED]
    for one in refused:
        if one.what in what:
            raise FailedError(f"{one.what}: {one.said} ({one.reason})")
    reached = {one.what for one in steps}
    if not reached.issuperset(what):
        said = (
            f"{refused[0].what}: {refused[0].said}" if refused else "there is nothing of the kind"
        )
        raise InconclusiveError(f"not judged, for {said}")

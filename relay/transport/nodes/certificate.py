"""A neighbour's TLS certificate as operators are shown it: whose it says it is, and until when it holds.

Touches: the clock, for when it was seen. Trusts: the handshake, which verified it.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from relay.delivery.operators.inspecting import PeerCertificate


def shown_certificate(found: Mapping[str, Any] | None) -> PeerCertificate | None:
    """From `SSLObject.getpeercert()`; None where there is no verified certificate."""
    if not found or "notAfter" not in found:
        return None
    names = [f"{key}={value}" for part in found.get("subject", ()) for key, value in part]
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)
    return PeerCertificate(", ".join(names)[:500], until, datetime.now(UTC))

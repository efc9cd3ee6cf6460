"""Who is believed, for what, and from when to when: pinned anchors by role, and paths that lead to them.

anchors (what is pinned) → search (paths whose every step holds) → path (what a path must keep as a whole)
→ store (the one that everybody asks, replaced from within while the node runs).
"""

from relay.signing.trust.anchors import (
    Anchors,
    Role,
    certificates_of,
    read_anchors,
    require_issuers,
)
from relay.signing.trust.path import Path, Window
from relay.signing.trust.store import TrustStore

__all__ = [
    "Anchors",
    "Path",
    "Role",
    "TrustStore",
    "Window",
    "certificates_of",
    "read_anchors",
    "require_issuers",
]

"""Four real nodes on loopback and the main job carried through them.

plan (who) → network (certificates, configurations, processes) → story (what happens) → checks (what
is proven) → report (what is shown).

Touches: one temporary folder, loopback ports, child processes; the streams it is given.
Raises:  nothing; what went wrong is told, and the exit code is 1.
"""

from __future__ import annotations

import sys
from typing import TextIO


def run(
    *,
    keep: bool = False,
    as_json: bool = False,
    bridge: bool = False,
    revoke: bool = False,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """The whole demo; 0 only if everything holds. Data goes to `out`, progress to `err`.

    With `revoke` another story is played: a certificate is revoked while documents are queued
    (revoking.py). With `bridge` the ministry's node is reached by a route of kind `axis` only.
    `keep` leaves the nodes running until SIGINT or SIGTERM and says how to reach them.
    """
    from relay.demo.stage import perform  # noqa: PLC0415  the parts of a node are slow to import

    return perform(
        keep=keep,
        as_json=as_json,
        out=out or sys.stdout,
        err=err or sys.stderr,
        bridge=bridge,
        revoke=revoke,
    )

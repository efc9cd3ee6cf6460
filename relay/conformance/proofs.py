"""Proofs of a log as they are handed over (W20): what they are about, and what is answered to them.

Touches: what a peer touches. Raises: FailedError where the answer is another.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from relay.conformance.listener import PROOFS_PATH as PATH
from relay.conformance.peer import Answer, Peer
from relay.conformance.verdicts import require_equal
from relay.wire.attached import write_proofs

TYPE = "application/vnd.truc-relay.proofs+xml"


def leaf_of(proof: bytes) -> dict[str, Any]:
    """The entry a tlog-proof is about, as `extra` has it; empty where it has none."""
    for line in proof.split(b"\n"):
        if line.startswith(b"extra "):
            extra = json.loads(base64.b64decode(line[6:]))
            leaf: dict[str, Any] = json.loads(base64.b64decode(extra["leaf"]))
            return leaf
    return {}


async def handed(peer: Peer, *proofs: bytes) -> Answer:
    return await peer.post(PATH, write_proofs(proofs), {"Content-Type": TYPE})


def answers_of(answer: Answer) -> list[str]:
    require_equal(answer.status, 200, "the status")
    return [one["answer"] for one in json.loads(answer.body)["proofs"]]


__all__ = ["PATH", "TYPE", "answers_of", "handed", "leaf_of"]

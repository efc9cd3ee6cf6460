"""Proofs of a log as they are handed over (W20): what they are about, and what is answered to them.

Touches: what a peer touches. Raises: FailedError where the answer is another.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from relay.audit.checkpoint import note_body, sign_note, vkey
from relay.audit.proof_file import LogProof
from relay.conformance.history import OwnLog, Tree
from relay.conformance.listener import PROOFS_PATH
from relay.conformance.peer import Answer, Peer, json_object
from relay.conformance.verdicts import FailedError
from relay.signing.keys import LogSigner
from relay.wire.attached import write_proofs

TYPE = "application/vnd.truc-relay.proofs+xml"


def leaf_of(proof: bytes) -> dict[str, Any]:
    """The entry a tlog-proof is about, as `extra` has it; empty where it has none."""
    for line in proof.split(b"\n"):
        if line.startswith(b"extra "):
            return _leaf_in(line[6:])
    return {}


def _leaf_in(encoded: bytes) -> dict[str, Any]:
    try:
        extra = json.loads(base64.b64decode(encoded))
        leaf = json.loads(base64.b64decode(extra["leaf"]))
    except (ValueError, TypeError, KeyError):
        return {}
    return leaf if isinstance(leaf, dict) else {}


def named_by(signer: LogSigner, tree: Tree, size: int, index: int) -> LogProof:
    """That an entry of this tree stands under its head of that size, which this key signed."""
    head = tree.head(size)
    body = note_body(head.origin, head.size, head.root)
    note = sign_note(body, head.origin, signer.public_key, signer.sign)
    key = vkey(head.origin, signer.public_key)
    return LogProof(
        index, tree.path_of(index, size), note, tree.leaf(index), key, tuple(signer.chain)
    )


def proven_in(log: OwnLog, index: int) -> LogProof:
    """Of an entry of the kit's log, under its present head."""
    return named_by(log.signer, log.tree, log.size, index)


async def handed(peer: Peer, *proofs: bytes) -> Answer:
    return await peer.post(PROOFS_PATH, write_proofs(proofs), {"Content-Type": TYPE})


def answers_of(answer: Answer) -> list[str]:
    found = json_object(answer).get("proofs")
    try:
        return [one["answer"] for one in found or ()]
    except (TypeError, KeyError):
        raise FailedError(f"`proofs` is no list of answers: {found!r:.200}") from None

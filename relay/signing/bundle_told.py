"""What came of judging a file, for another program: one JSON object (docs/conformance.md, "Commands that judge files").

Touches: nothing.
Trusts:  the steps, which somebody judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay.signing.bundle_hops import Hops, Way
from relay.signing.bundle_words import Outcome, Step

_PROOFS = ("proof", "hop proof")


def told_verdict(file: str, steps: Sequence[Step]) -> dict[str, Any]:
    """What every kind of file has."""
    refused = [one.reason for one in steps if one.outcome is Outcome.REFUSED]
    return {"file": file, "holds": not refused, "reasons": refused}


def told_evidence(file: str, steps: Sequence[Step], hops: Hops | None) -> dict[str, Any]:
    """Of an evidence file; `hops` is None where the file as a whole is refused."""
    proofs = [one for one in steps if one.what in _PROOFS and one.outcome is Outcome.HOLDS]
    missing = [one for one in steps if one.what in _PROOFS and one.outcome is Outcome.UNKNOWN]
    revocation = [one.outcome for one in steps if one.what == "revocation"]
    return told_verdict(file, steps) | {
        "revocation": "not-revoked" if revocation == [Outcome.HOLDS] else "unknown",
        "proofs": [_proof(one) for one in proofs],
        "no_proof_came": [digest for one in missing for digest in one.facts["receipts"].split()],
        "findings": [_findings(one) for one in steps if one.what == "findings"],
        "recipients": {} if hops is None else {code: _way(way) for code, way in hops.ways.items()},
    }


def told_export(file: str, steps: Sequence[Step]) -> dict[str, Any]:
    """Of an exported log."""
    names = [one.facts.get("cosigned_by", "") for one in steps if one.what == "witnesses"]
    return told_verdict(file, steps) | {"cosigned_by": " ".join(names).split()}


def _proof(step: Step) -> dict[str, Any]:
    facts = step.facts
    cosigned = facts["cosigned_by"].split()
    return {"receipt": facts["receipt"], "log": facts["node"], "cosigned_by": cosigned}


def _findings(step: Step) -> dict[str, Any]:
    return {"by": step.facts.get("by"), "said": list(step.notes)}


def _way(way: Way) -> dict[str, Any]:
    last, node = way.ending
    return {
        "event": last.event.value,
        "reason": None if last.reason is None else last.reason.value,
        "by": node,
        "without_evidence": [one.missing.value for one in way.gaps],
    }

"""How a message fared at another node, as that node's log says it: what was found, and why it waited.

Pure. Trusts: that the entry was proven when its proof was taken in; not that what it says is true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from relay.delivery.timeline.ports import Line, Source, Step
from relay.wire.passage import Passage, Wait, WaitReason
from relay.wire.values import instant_text

UNKNOWN: Final = "unknown-reason"
_WHY: Final[Mapping[WaitReason | None, str]] = {
    WaitReason.NEIGHBOUR_UNAVAILABLE: "the next node cannot be reached or takes nothing",
    WaitReason.NEIGHBOUR_REFUSES_NOW: "the next node does not take this one",
    WaitReason.ANSWER_MISSING: "sent on without an answer: the next node may have it",
    WaitReason.LANE_WAITS: "others are before it",
    WaitReason.HELD: "held there until it is released",
    None: "for a reason that is not known in this version",
}


def passed(passage: Passage, taken_over: bool) -> Iterator[Line]:
    """`taken_over`: a receipt of the next node says so, and when."""
    findings = f"findings: {', '.join(passage.findings)}" if passage.findings else "no findings"
    text = f"transfer and seal proven there, kind {passage.seal}; {findings}"
    yield _line(passage, Step.VERIFIED, "seal", text, passage.arrived)
    for wait in passage.waits:
        yield _waited(passage, wait)
    if passage.departed is not None and not taken_over:
        text = "it left by then, as its own log says"
        yield _line(passage, Step.LEFT, "passage", text, passage.departed)


def still_waits(passage: Passage) -> bool:
    return bool(passage.waits) and passage.waits[-1].until is None


def waits_there(passage: Passage, event: str) -> Line:
    """Where it stands, as of when that was told."""
    why = _WHY[passage.waits[-1].reason]
    attempts = f"; tried {passage.attempts} times" if passage.attempts > 1 else ""
    text = f"waits at {passage.node}: {why}{attempts}; told {instant_text(passage.at)}"
    return _line(passage, Step.STANDS, event, text, passage.waits[-1].since)


def _waited(passage: Passage, wait: Wait) -> Line:
    line = _line(passage, Step.WAITED, wait.reason or UNKNOWN, _WHY[wait.reason], wait.since)
    if wait.until is None:
        return line
    return replace(line, lasted=wait.until - wait.since)


def _line(passage: Passage, step: Step, event: str, text: str, at: datetime) -> Line:
    line = Line(step, event, text, at, (), Source.PROOF, passage.node)
    return replace(line, receipt=passage.receipt)

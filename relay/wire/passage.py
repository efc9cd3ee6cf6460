"""How a message fared at a node on its way, as an entry `passage` of that node's log says it (docs/wire-format.md W18).

Touches: nothing.
Trusts:  nothing of the fields it reads, but that they are those of an entry.
Raises:  WireError.

Codes and times only: no host, address or text of anybody's, for why a document waits is each operator's own
affair (ADR 0035, 0043).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from relay.errors import WireError
from relay.model import AgencyCode, Digest, NodeId, SealKind
from relay.wire import values

EVENT: Final = "passage"
MOST_WAITS: Final = 20
_MOST_RECIPIENTS: Final = 500
_MOST_FINDINGS: Final = 50
_MOST_ATTEMPTS: Final = 2**31
_WORD: Final = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)


class WaitReason(StrEnum):
    """Why a message waits at a node: all that is said of it (W18.3)."""

    NEIGHBOUR_UNAVAILABLE = "neighbour-unavailable"
    """The next node cannot be reached, or takes nothing now."""
    NEIGHBOUR_REFUSES_NOW = "neighbour-refuses-now"
    """The next node did not take this one so far, without evidence."""
    ANSWER_MISSING = "answer-missing"
    """It was sent and no answer came: the next node may have it."""
    LANE_WAITS = "lane-waits"
    """Others are before it."""
    HELD = "held"
    """An operator, or a rule of that node, holds it."""


@dataclass(frozen=True, slots=True)
class Wait:
    reason: WaitReason | None
    """None for a word of a later version."""
    since: datetime
    until: datetime | None
    """None: still, when it was told."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Of deliveries that came with one transfer and waited alike; `receipt` is the answer to that transfer (W18.7)."""

    at: datetime
    node: NodeId
    message: str
    origin: NodeId
    receipt: Digest
    came_from: NodeId
    recipients: tuple[AgencyCode, ...]
    arrived: datetime
    seal: str
    findings: tuple[str, ...]
    waits: tuple[Wait, ...]
    attempts: int
    departed: datetime | None
    """At the latest; None: it is still there, or ended there."""


def passage_fields(one: Passage) -> dict[str, object]:
    """Those of the entry beside its time, node and event."""
    return {
        "message": one.message,
        "origin": one.origin,
        "receipt": one.receipt,
        "neighbour": one.came_from,
        "recipients": list(one.recipients),
        "arrived": values.instant_text(one.arrived),
        "seal": one.seal,
        "findings": list(one.findings),
        "waits": [_wait_fields(wait) for wait in one.waits],
        "attempts": one.attempts,
        "departed": None if one.departed is None else values.instant_text(one.departed),
    }


def _wait_fields(wait: Wait) -> dict[str, str]:
    until = {} if wait.until is None else {"until": values.instant_text(wait.until)}
    return {"reason": wait.reason or "", "since": values.instant_text(wait.since), **until}


def about_recipients(recipients: Sequence[str]) -> str:
    """A name for these recipients, in whatever order."""
    return hashlib.sha256("\n".join(sorted(recipients)).encode()).hexdigest()


def read_passage(fields: Mapping[str, Any]) -> Passage:
    """What the entry says, if it says no more than a passage may (W18.5)."""
    if fields.get("event") != EVENT:
        raise WireError("the entry is no passage")
    departed = fields.get("departed")
    attempts = fields.get("attempts", 0)
    if not isinstance(attempts, int) or not 0 <= attempts < _MOST_ATTEMPTS:
        raise WireError("attempts of a passage are no count")
    return Passage(
        values.instant(_text(fields, "at"), "at"),
        values.node(_text(fields, "node"), "node"),
        values.uuid7(_text(fields, "message"), "message"),
        values.node(_text(fields, "origin"), "origin"),
        values.digest(_text(fields, "receipt"), "receipt"),
        values.node(_text(fields, "neighbour"), "neighbour"),
        tuple(values.agency(one, "recipient") for one in _texts(fields, "recipients")),
        values.instant(_text(fields, "arrived"), "arrived"),
        _seal(_text(fields, "seal")),
        tuple(_findings(fields)),
        tuple(_wait(one) for one in _list(fields, "waits", MOST_WAITS)),
        attempts,
        None if departed is None else values.instant(_text(fields, "departed"), "departed"),
    )


def _seal(word: str) -> str:
    if word not in set(SealKind):
        raise WireError("the seal of a passage is of no known kind")
    return word


def _findings(fields: Mapping[str, Any]) -> Sequence[str]:
    found = _list(fields, "findings", _MOST_FINDINGS)
    if not all(isinstance(one, str) and _WORD.fullmatch(one) for one in found):
        raise WireError("findings of a passage are no codes")
    return found


def _wait(found: object) -> Wait:
    if not isinstance(found, dict) or not {"reason", "since"} <= found.keys() <= _OF_A_WAIT:
        raise WireError("a wait of a passage is not of its form")
    word = found["reason"]
    if not isinstance(word, str) or not _WORD.fullmatch(word):
        raise WireError("the reason of a wait is no word")
    until = None if "until" not in found else values.instant(_text(found, "until"), "until")
    since = values.instant(_text(found, "since"), "since")
    if until is not None and until < since:
        raise WireError("a wait ends before it began")
    return Wait(WaitReason(word) if word in set(WaitReason) else None, since, until)


_OF_A_WAIT: Final = frozenset({"reason", "since", "until"})


def _text(fields: Mapping[str, Any], name: str) -> str:
    found = fields.get(name)
    if not isinstance(found, str):
        raise WireError(f"a passage has no {name}")
    return found


def _texts(fields: Mapping[str, Any], name: str) -> Sequence[str]:
    found = _list(fields, name, _MOST_RECIPIENTS)
    if not found or not all(isinstance(one, str) for one in found):
        raise WireError(f"a passage has no {name}")
    return found


def _list(fields: Mapping[str, Any], name: str, limit: int) -> Sequence[Any]:
    found = fields.get(name, [])
    if not isinstance(found, list) or len(found) > limit:
        raise WireError(f"{name} of a passage is no list of at most {limit}")
    return found

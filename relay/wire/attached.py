"""Proofs of receipts on their way back, and what is answered to each (docs/wire-format.md W20.3).

Touches: nothing.
Trusts:  nothing; a proof is judged by whoever has the receipt it is about.
Raises:  WireError.

    <Proofs xmlns="urn:truc-relay:wire:1"> ( <Proof>base64</Proof> )+ </Proofs>

    {"proofs":[{"answer":"kept"},{"answer":"refused","why":"…"}]}

The first in its one form, as in container.py. The second has one answer for each proof, in their order, and is
read as what any JSON writer makes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pybase64

from relay.errors import WireError
from relay.wire.values import NAMESPACE, unbase64

MOST_PROOFS: Final = 64
PROOF_BYTES: Final = 256 << 10
"""Of one: a leaf of 64 KiB written twice in base64, certificates, a path and a head."""
LIMIT_BYTES: Final = 2 << 20
ANSWER_BYTES: Final = 64 << 10
WHY_CHARACTERS: Final = 300
_OPEN = f'<Proofs xmlns="{NAMESPACE}">'.encode()
_CLOSE = b"</Proofs>"
_ITEM = re.compile(rb"<Proof>([A-Za-z0-9+/]+={0,2})</Proof>")


class Answer(StrEnum):
    """What became of one proof."""

    KEPT = "kept"
    """It is durable here, or was before."""
    UNKNOWN = "unknown-receipt"
    """The receipt is not here, or not yet: it may come again."""
    LATER = "later"
    """Whether its log's certificate is revoked cannot be said now: it may come again."""
    REFUSED = "refused"
    """It does not prove what it is about, and never will."""


@dataclass(frozen=True, slots=True)
class Answered:
    answer: Answer
    why: str = ""


def write_proofs(proofs: Sequence[bytes]) -> bytes:
    """At least one."""
    if not 0 < len(proofs) <= MOST_PROOFS:
        raise WireError(f"{len(proofs)} proofs, limit 1 to {MOST_PROOFS}")
    items = (b"<Proof>%b</Proof>" % pybase64.b64encode(one) for one in proofs)
    return _OPEN + b"".join(items) + _CLOSE


def read_proofs(content: bytes) -> tuple[bytes, ...]:
    """What write_proofs was given, if these bytes are exactly what it would write."""
    if len(content) > LIMIT_BYTES:
        raise WireError(f"proofs of {len(content)} bytes, limit {LIMIT_BYTES} bytes")
    if not content.startswith(_OPEN) or not content.endswith(_CLOSE):
        raise WireError(f"the root is not Proofs of {NAMESPACE}, in canonical form")
    found: list[bytes] = []
    position, end = len(_OPEN), len(content) - len(_CLOSE)
    while position < end:
        match = _ITEM.match(content, position, end)
        if match is None or len(found) >= MOST_PROOFS:
            raise WireError(f"no proof in canonical form at byte {position}")
        found.append(unbase64(match[1], "a proof", PROOF_BYTES))
        position = match.end()
    if not found:
        raise WireError("there is no proof")
    return tuple(found)


def write_answers(answers: Sequence[Answered]) -> bytes:
    shown = [
        {"answer": one.answer.value} | ({"why": one.why[:WHY_CHARACTERS]} if one.why else {})
        for one in answers
    ]
    return json.dumps({"proofs": shown}).encode()


def read_answers(content: bytes, count: int) -> tuple[Answered, ...]:
    """As many answers as proofs were sent, each of a word that is known."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        raise WireError("the answer to proofs is not JSON") from None
    shown = told.get("proofs") if isinstance(told, dict) else None
    if not isinstance(shown, list) or len(shown) != count:
        raise WireError(f"the answer is not one to {count} proofs")
    return tuple(map(_answered, shown))


def _answered(shown: Any) -> Answered:
    word, why = (shown.get("answer"), shown.get("why", "")) if isinstance(shown, dict) else ("", "")
    if not isinstance(word, str) or not isinstance(why, str) or word not in set(Answer):
        raise WireError("the answer to a proof is no word known")
    printable = "".join(one if one.isprintable() else " " for one in why[:WHY_CHARACTERS])
    return Answered(Answer(word), printable)

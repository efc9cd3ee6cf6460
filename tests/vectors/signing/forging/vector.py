"""One vector: a signature with something wrong about it, and all that is needed to judge it.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

NOT_ASKED = frozenset(
    {"head", "pinned", "export", "crl", "ocsp", "standing", "asof", "stamped", "answered"}
)
"""Entries of which other people's verifiers are not asked: what is judged there they do not know."""


@dataclass(frozen=True)
class Vector:
    """Named after its fault.

    `document` is given where it is not the usual one of its kind. `control` is the accepted vector that differs in
    nothing but the fault. `says` is in the refusal's message, for the errors that have no word.
    """

    fault: str
    case: str
    kind: str
    what: str
    signature: bytes
    document: bytes | None = None
    control: str = ""
    says: str = ""
    holds_as: tuple[str, ...] = ()
    """Entries where it holds rightly: a good seal, but not this sender's."""

    @property
    def name(self) -> str:
        return f"{self.fault}--{self.case}.{self.kind}"


Vectors: TypeAlias = Iterator[Vector]

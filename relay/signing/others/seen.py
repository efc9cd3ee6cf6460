"""What one look into a file or document gives: its flaws and its signatures.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from relay.judgement import Cover, Flaw, Form, Signature, verdict_of


@dataclass(frozen=True, slots=True)
class Seen:
    flaws: tuple[Flaw, ...]
    signatures: tuple[Signature, ...] = ()


def in_order(flaws: Collection[Flaw]) -> tuple[Flaw, ...]:
    """Each once, as Flaw has them."""
    return tuple(flaw for flaw in Flaw if flaw in flaws)


def nameless(
    form: Form,
    flaws: Collection[Flaw],
    algorithm: str = "",
    covers: Cover | None = None,
    field: str = "",
) -> Signature:
    """A signature of whose signer nothing is known."""
    found = in_order(flaws)
    return Signature(
        form, verdict_of(found), found, None, algorithm, None, None, False, covers, field
    )

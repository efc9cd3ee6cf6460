"""Agency codes in their old and new form: what a code says by itself.

Old form (QCVN 102), most specific group first: 000.00.15.H51. New form (Decision 20/2020), most
general group first: H51.15. A code tells form, level and parent; it does not tell the tier, and
which code of the other form names the same agency is the directory's knowledge.

Touches: nothing. Trusts: nothing, every text is hostile. Raises: EnvelopeError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NewType

from relay.errors import EnvelopeError
from relay.model import AgencyCode

MAX_CHARACTERS = 35

CodeHint = NewType("CodeHint", str)
"""A code of the other form found by arithmetic: a guess to show people, never to route on."""

_OLD = re.compile(r"(?:(?:[0-9]{1,3}\.)?[0-9]{1,2}\.)?[0-9]{1,2}\.[A-Z][A-Z0-9][A-Z0-9]")
_NEW = re.compile(r"[A-Z][A-Z0-9]+(?:\.[A-Z0-9]+)*")
_CANONICAL = re.compile(
    r"(?!W[0-9]{2}\Z|VXP\.)[A-Z][A-Z0-9]+(?:\.[A-Z0-9]+)*"
    r"|[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.(?!W[0-9]{2}\Z)[A-Z][A-Z0-9][A-Z0-9]"
)
"""What `normalise` leaves as it is, told without taking it apart."""
_CENTRE = re.compile(r"(?:[0-9]{1,3}\.){1,3}W[0-9]{2}|W[0-9]{2}|VXP(?:\.[A-Z0-9]+)+")
_OLD_WIDTHS = (2, 2, 3)  # of the groups CC, BB, AAA: from general to specific


class Form(StrEnum):
    OLD = "old"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Code:
    """A parsed code. `groups` run from general to specific in both forms, without the zero groups
    that fill an old code up: 000.00.15.H51 and H51.15 both have ("H51", "15").
    """

    form: Form
    groups: tuple[str, ...]

    @property
    def text(self) -> AgencyCode:
        """The canonical text: old codes filled up to 13 characters."""
        if self.form is Form.NEW:
            return AgencyCode(".".join(self.groups))
        below = list(self.groups[1:])
        filled = below + ["0"] * (len(_OLD_WIDTHS) - len(below))
        digits = [group.zfill(width) for group, width in zip(filled, _OLD_WIDTHS, strict=True)]
        return AgencyCode(".".join([*reversed(digits), self.groups[0]]))

    @property
    def level(self) -> int:
        """1 for a ministry or province. Old: by the place of the most specific group, so that
        002.00.20.H13, which skips a level, is of level 4."""
        return len(self.groups)

    @property
    def parent(self) -> Code | None:
        """None at level 1. Old: without the left-most group that is not zero."""
        above = self.groups[:-1]
        if not above:
            return None
        return Code(self.form, _trim(above) if self.form is Form.OLD else above)


def parse(text: str) -> Code:
    """The code a text spells: trimmed, upper-cased, short old forms filled on the left.

    A connection centre's id (NN.PP.W00, vxp.saas.NN) is refused: it is a system, not an agency.
    """
    return _parse(text) if len(text) > MAX_CHARACTERS else _parse_known(text)


def _parse(text: str) -> Code:
    shown = text.strip()
    if len(shown) > MAX_CHARACTERS:
        raise EnvelopeError(
            f"agency code of {len(shown)} characters", limit=f"{MAX_CHARACTERS} characters"
        )
    upper = shown.upper() if shown.isascii() else ""
    if _CENTRE.fullmatch(upper):
        raise EnvelopeError(f"{upper} is a connection centre, not an agency")
    if _NEW.fullmatch(upper):
        return Code(Form.NEW, tuple(upper.split(".")))
    if _OLD.fullmatch(upper):
        return _parse_old(upper)
    raise EnvelopeError(f"{_quoted(shown)} is not an agency code" if shown else "empty agency code")


_parse_known = lru_cache(maxsize=4096)(_parse)
"""Short texts only. A document's few codes are asked for again and again on its way."""


def _quoted(text: str) -> str:
    """In ASCII and at most 35 characters, however many of them are escapes."""
    escaped = ascii(text)[1:-1]
    if len(escaped) > MAX_CHARACTERS:
        escaped = escaped[: MAX_CHARACTERS - 3] + "..."
    return f'"{escaped}"'


def normalise(text: str) -> AgencyCode:
    """The canonical text of the same form; idempotent, at most 35 characters."""
    if len(text) <= MAX_CHARACTERS and _CANONICAL.fullmatch(text):
        return AgencyCode(text)
    return parse(text).text


def is_ancestor(above: str, below: str) -> bool:
    """True when `above` is on the parent chain of `below`. By group: H01 is not above H011.5.

    Codes of different forms are never ancestors of each other; ask the directory.
    """
    a, b = parse(above), parse(below)
    return a.form is b.form and len(a.groups) < len(b.groups) and _starts(b.groups, a.groups)


def is_connection_centre(text: str) -> bool:
    """True for the systemid of a connection centre, which stands where codes stand."""
    shown = text.strip()
    return (
        len(shown) <= MAX_CHARACTERS
        and shown.isascii()
        and _CENTRE.fullmatch(shown.upper()) is not None
    )


def conversion_hint(text: str) -> CodeHint | None:
    """The code of the other form by arithmetic: 000.00.12.H53 to H53.12 and back.

    None where arithmetic has no answer. Only a hint: skipped levels and three-digit communes are
    lost, and what a renumbering did is not in the digits.
    """
    code = parse(text)
    if code.form is Form.OLD:
        kept = [group for group in code.groups[1:] if group.strip("0")]
        return CodeHint(".".join([code.groups[0], *kept]))
    below = code.groups[1:]
    if len(code.groups[0]) != 3 or len(below) > len(_OLD_WIDTHS):
        return None
    for group, width in zip(below, _OLD_WIDTHS, strict=False):
        if not group.isdigit() or len(group) > width or not group.strip("0"):
            return None
    return CodeHint(Code(Form.OLD, code.groups).text)


def _parse_old(text: str) -> Code:
    *digits, top = text.split(".")
    specific_last = [
        group.zfill(width) for group, width in zip(reversed(digits), _OLD_WIDTHS, strict=False)
    ]
    return Code(Form.OLD, _trim((top, *specific_last)))


def _trim(groups: tuple[str, ...]) -> tuple[str, ...]:
    end = len(groups)
    while end > 1 and not groups[end - 1].strip("0"):
        end -= 1
    return groups[:end]


def _starts(groups: tuple[str, ...], beginning: tuple[str, ...]) -> bool:
    return groups[: len(beginning)] == beginning

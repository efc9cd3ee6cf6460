"""State secrets are never carried: tell a standalone marking from running text.

edXML has no field for it, so a marking is an element whose whole text is one of the three words of
the law. The words inside a sentence ("bảo mật") mean nothing.

Touches: nothing.
"""

from __future__ import annotations

import unicodedata
from enum import Enum

_MARKINGS = frozenset({"mật", "tối mật", "tuyệt mật"})
_WITHOUT_MARKS = frozenset({"MAT", "TOI MAT", "TUYET MAT"})
MARKING_ENDS = ("t", "T")
"""What every marking ends in, so that most texts need no further look."""
LONGEST = 32
"""No marking is longer in characters, decomposed and with some white space around it."""


class Marking(Enum):
    CERTAIN = "certain"
    POSSIBLE = "possible"


def marking_of(text: str) -> Marking | None:
    """CERTAIN for a marking in any letter case and normal form; POSSIBLE for one written in
    capitals without diacritics, which may as well be a word or an abbreviation."""
    if len(text) > LONGEST or not text.endswith(MARKING_ENDS):
        return None
    folded = " ".join(unicodedata.normalize("NFC", text).split())
    if folded.lower() in _MARKINGS:
        return Marking.CERTAIN
    return Marking.POSSIBLE if folded in _WITHOUT_MARKS else None

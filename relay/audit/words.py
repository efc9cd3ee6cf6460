"""Words beside the log: who did something and why stand in a leaf as salted digests only.

A person's name or own words must not be in a log from which nothing can be taken out. So a leaf of
version 2 holds, in their place, a digest of the words with a salt of this entry's own; the words and
the salt stand beside it. While they stand there anyone can check that they are the leaf's; once they
are removed nobody can tell, or try out, whose they were, and the log still verifies.

    digest = SHA-256("truc-relay.example/log/word" LF place LF salt text), in lower-case hex

where `place` is where in the leaf the digest stands (`by`; `refusals.0.by` in the first member of a
list), salt is 16 bytes and text is UTF-8. Words are by, why and holder. A machine's name as `by`
(system:…, node:…) is a code, and stands in the leaf as it is.

Touches: nothing; the salt is handed in.
Trusts:  nothing that `proven`, `check` and `replaced` are given.
Raises:  AuditError for words that are not the leaf's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from relay.errors import AuditError

DOMAIN: Final = b"truc-relay.example/log/word\n"
SALT_BYTES: Final = 16
WORDS: Final = frozenset({"by", "why", "holder"})
"""Fields of a leaf whose texts stand beside it."""
MACHINES: Final = ("system:", "node:")
"""How a `by` begins that names no person; of a token holder it begins with token:."""
WORDS_LIMIT_BYTES: Final = 65_535
WordsRow = tuple[object, object, object, object]
"""Index, leaf, salt and words as stored: an int, two bytes and a text, but a row may hold anything."""
DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def digest_of(place: str, text: str, salt: bytes) -> str:
    """What stands in the leaf instead of the text."""
    return hashlib.sha256(DOMAIN + place.encode() + b"\n" + salt + text.encode()).hexdigest()


def _is_personal(name: str, value: object) -> bool:
    """Whether a field's value stands beside the leaf rather than in it."""
    if name not in WORDS:
        return False
    return not (name == "by" and isinstance(value, str) and value.startswith(MACHINES))


def take_out(fields: Mapping[str, object]) -> dict[str, str]:
    """The words in the fields of an entry, by their place. Raises ValueError for any that are no text."""
    found = {name: _text(value) for name, value in fields.items() if _is_personal(name, value)}
    for name, value in fields.items():
        if isinstance(value, (list, tuple)):
            found |= _of_members(name, value)
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a leaf holds no {type(value).__name__} where words are due")
    return value


def _of_members(name: str, members: Sequence[object]) -> dict[str, str]:
    return {
        f"{name}.{number}.{place}": text
        for number, member in enumerate(members)
        if isinstance(member, dict)
        for place, text in take_out(member).items()
    }


def replaced(fields: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """The fields with another text at each of these places. Raises AuditError where there is none."""
    changed = dict(fields)
    for place, text in texts.items():
        try:
            _replace(changed, place.split("."), text)
        except (LookupError, TypeError, ValueError):
            raise AuditError(f"words beside the leaf name a place it has not: {place[:40]!r}") from None  # fmt: skip
    return changed


def _replace(fields: dict[str, Any], path: list[str], text: str) -> None:
    name, *rest = path
    if not rest:
        if not isinstance(fields[name], str):
            raise TypeError(name)
        fields[name] = text
        return
    number, *inner = rest
    members = list(fields[name])
    at = int(number)
    if str(at) != number:
        raise ValueError(number)
    members[at] = dict(members[at])
    _replace(members[at], inner, text)
    fields[name] = members


def proven(
    leaf_fields: Mapping[str, Any], salt: object, stored: object
) -> tuple[bytes, dict[str, str]]:
    """The salt and the words of a row beside a leaf, once they are that leaf's, or AuditError."""
    if not isinstance(salt, bytes) or len(salt) != SALT_BYTES:
        raise AuditError("the salt beside the leaf was edited: it is not of its size")
    words = _read(stored)
    check(leaf_fields, salt, words)
    return salt, words


def _read(stored: object) -> dict[str, str]:
    try:
        words = json.loads(stored) if isinstance(stored, str) else None
    except (ValueError, RecursionError):
        words = None
    if not isinstance(words, dict) or not words:
        raise AuditError("the words beside the leaf were edited: they are no object")
    if not all(isinstance(text, str) for text in words.values()):
        raise AuditError("the words beside the leaf were edited: one is no text")
    return words


def check(fields: Mapping[str, Any], salt: bytes, words: Mapping[str, str]) -> None:
    """Return when each of these words is what the leaf holds the digest of, or raise AuditError.

    Words that are missing are no fault: they may have been removed on purpose.
    """
    try:
        expected = {place: digest_of(place, text, salt) for place, text in words.items()}
    except UnicodeEncodeError:
        raise AuditError("the words beside the leaf were edited: they are not UTF-8") from None
    if any(place.rpartition(".")[2] not in WORDS for place in words) or fields.get("v") == 1:
        raise AuditError("there are words beside a leaf that has no digest of any")
    if replaced(fields, expected) != fields:
        wrong = next(p for p in words if replaced(fields, {p: expected[p]}) != fields)
        raise AuditError(f"the words beside the leaf were edited: {wrong[:40]!r} is not its own")

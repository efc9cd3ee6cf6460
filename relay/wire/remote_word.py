"""The detail of evidence about a remote without evidence of its own: its word, and the answer it was read in.

    non-erds remote=<bridge> call=<call> doc=<docId> answer=<SHA-256> [<name>=<word> …]

The node that signs it vouches for having heard that, and for nothing else. The form is stable, so that
whoever shows a receipt can say "no evidence" of the remote's own part.

Touches: nothing. Trusts: nothing; a docId is the remote's text, and is cut to printable ASCII.
Raises:  nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.model import Digest, Event
from relay.wire.values import DETAIL_LIMIT

MARK = "non-erds "
DOC_ID_CHARACTERS = 64
SPOKEN = frozenset(
    {
        Event.RELAY_TO_NON_ERDS,
        Event.RECEIVED_FROM_NON_ERDS,
        Event.CONTENT_CONSIGNMENT,
        Event.CONTENT_HANDOVER,
    }
)
"""Events that are no failure, and may have a remote's word as their detail all the same."""
_PAIR = re.compile(r"([a-z]{1,12})=([!-~]{1,80})")
_WORD = re.compile(
    r"non-erds remote=([A-Za-z0-9][A-Za-z0-9._-]{0,63}) call=([A-Za-z]{1,40})"
    r"(?: doc=([!-~]{1,64}))?(?: answer=([0-9a-f]{64}))?((?: (?!doc=|answer=)[a-z]{1,12}=[!-~]{1,80})*)"
)


@dataclass(frozen=True, slots=True)
class RemoteWord:
    """What a remote said, and in which of its answers."""

    remote: str
    call: str
    doc_id: str = ""
    answer: Digest | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    """Short words: how a package in doubt was found, how often it was repeated, what was refused."""


def write_word(word: RemoteWord) -> str:
    """As it stands in Evidence.detail; facts that find no room are left out, the last first."""
    text = f"{MARK}remote={word.remote} call={word.call}"
    if doc := _fit(word.doc_id, DOC_ID_CHARACTERS):
        text += f" doc={doc}"
    if word.answer is not None:
        text += f" answer={word.answer}"
    for name, value in word.facts.items():
        more = f" {name}={_fit(value, 80) or '-'}"
        if len(text) + len(more) <= DETAIL_LIMIT:
            text += more
    return text


def read_word(detail: str) -> RemoteWord | None:
    """None for a detail of any other kind."""
    found = _WORD.fullmatch(detail)
    if found is None:
        return None
    remote, call, doc, answer, facts = found.groups()
    return RemoteWord(
        remote,
        call,
        doc or "",
        None if answer is None else Digest(answer),
        dict(_PAIR.findall(facts)),
    )


def _fit(text: str, characters: int) -> str:
    return "".join(char for char in text if "!" <= char <= "~" and char not in "<>&")[:characters]

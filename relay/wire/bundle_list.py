"""What an evidence file says is in it: the member about/contents.json of files of version 2 (W19).

Touches: nothing.
Trusts:  nothing; it is its exporter's word, and counts where the other members bear it out.
Raises:  WireError.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from relay.errors import WireError
from relay.judgement import Judgement
from relay.model import Digest, Finding, MessageId, NodeId

VERSION: Final = 2
"""Files without a list are version 1."""


@dataclass(frozen=True, slots=True)
class ListedStatus:
    """A status or request that is in the file, as a message of its own."""

    message: MessageId
    digest: Digest


@dataclass(frozen=True, slots=True)
class ContentsList:
    """`unproven` and `left_out` say in a word why a receipt has no proof, or a message is not in the file.
    `witnesses` names the certificates of each node that cosigned, its own first."""

    version: int
    node: NodeId
    message: MessageId
    origin: NodeId
    unproven: dict[Digest, str]
    statuses: tuple[ListedStatus, ...]
    left_out: dict[MessageId, str]
    witnesses: dict[NodeId, tuple[Digest, ...]]
    findings: tuple[Finding, ...]
    verdicts: Judgement | None
    proved_by_issuer: tuple[Digest, ...] = ()
    """Receipts of which the file holds a proof from the log of the node that signed them, too."""


def write_list(listed: ContentsList) -> bytes:
    return bytes(_adapter().dump_json(listed))


def read_list(content: bytes) -> ContentsList:
    """Of exactly the one form: written again it is the same bytes."""
    try:
        found = _adapter().validate_json(content)
        again = _adapter().dump_json(found)
    except ValueError:
        raise WireError("the list of contents is not of its form") from None
    assert isinstance(found, ContentsList)  # noqa: S101  what the adapter is of
    if found.version != VERSION:
        raise WireError(f"a list of contents of version {found.version}, known is {VERSION}")
    if again != content:
        raise WireError("the list of contents is not in its one form")
    return found


@lru_cache(maxsize=1)
def _adapter() -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415  most commands never need it

    return TypeAdapter(ContentsList)

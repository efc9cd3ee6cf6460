"""What an archive file holds and under which names: an ASiC-E container of evidence files (docs/archive.md).

Touches: nothing.
Trusts:  nothing; an index that is not in its one form is refused.
Raises:  WireError.

    mimetype
    messages/<origin>/<message id>.asice   evidence files of W14, whole and each signed by itself
    archive.json                           who wrote it, its number, the file before it, what it holds
    META-INF/manifest.xml
    META-INF/signatures001.xml             the writing node's, over every other file, as in W14.4
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from relay.errors import WireError
from relay.model import Digest, MessageId, NodeId
from relay.wire import bundle

INDEX = "archive.json"
SIGNATURE = "META-INF/signatures001.xml"
FILES_LIMIT = 20_000
INDEX_LIMIT_BYTES = 16 << 20
FILE_LIMIT_BYTES = 64 << 30

_FILE_NAME = re.compile(
    r"(?P<node>[A-Za-z0-9][A-Za-z0-9._-]{0,63})-archive-(?P<number>[0-9]{6,9})-[0-9]{8}\.asice"
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HELD = re.compile(r"messages/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[0-9a-f-]{36}\.asice")


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """An evidence file within; `digest` is of its bytes, `envelope` of its document."""

    origin: NodeId
    message_id: MessageId
    digest: Digest
    size_bytes: int
    envelope: Digest
    renews: Digest | None = None
    """The evidence file of the message in an earlier archive file: receipts came after it."""

    @property
    def name(self) -> str:
        return entry_name(self.origin, self.message_id)


@dataclass(frozen=True, slots=True)
class ArchiveIndex:
    node: NodeId
    number: int
    written_at: datetime
    previous: Digest | None
    """Of the whole file before it; None: this is the first."""
    messages: tuple[HeldMessage, ...]


def entry_name(origin: NodeId, message_id: MessageId) -> str:
    return bundle.check_name(f"messages/{origin}/{message_id}.asice")


def file_name(node: NodeId, number: int, at: datetime) -> str:
    return f"{node}-archive-{number:06}-{at.astimezone(UTC):%Y%m%d}.asice"


def number_of(name: str) -> int | None:
    """The number that a file's name claims; None: no name of an archive file."""
    found = _FILE_NAME.fullmatch(name)
    return None if found is None else int(found["number"])


def write_index(index: ArchiveIndex) -> bytes:
    """Equal values are equal bytes."""
    return _text(
        {
            "v": 1,
            "node": index.node,
            "number": index.number,
            "written_at": index.written_at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "previous": index.previous or "",
            "messages": [
                {
                    "origin": one.origin,
                    "message": one.message_id,
                    "digest": one.digest,
                    "size": one.size_bytes,
                    "envelope": one.envelope,
                    "renews": one.renews or "",
                }
                for one in index.messages
            ],
        }
    )


def read_index(content: bytes) -> ArchiveIndex:
    """What write_index was given, if these bytes are exactly what it would write."""
    try:
        index = _index(json.loads(content.decode()))
        again = write_index(index)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise WireError(f"{INDEX} cannot be read") from None
    if again != content:
        raise WireError(f"{INDEX} is not in its one form")
    return index


def names_of(messages: Iterable[HeldMessage]) -> list[str]:
    """Every entry of such a file but its signature, in order."""
    return [bundle.MIMETYPE, *(one.name for one in messages), INDEX, bundle.MANIFEST]


def find(messages: Sequence[HeldMessage], message_id: str) -> HeldMessage | None:
    return next((one for one in messages if one.message_id == message_id), None)


def _index(found: dict[str, object]) -> ArchiveIndex:
    previous, number, messages = found["previous"], found["number"], found["messages"]
    if not isinstance(messages, list) or len(messages) > FILES_LIMIT:
        raise ValueError
    return ArchiveIndex(
        NodeId(str(found["node"])),
        _whole(number),
        datetime.fromisoformat(str(found["written_at"])),
        _digest(previous) if previous else None,
        tuple(_held(one) for one in messages),
    )


def _held(found: dict[str, object]) -> HeldMessage:
    renews = found["renews"]
    held = HeldMessage(
        NodeId(str(found["origin"])),
        MessageId(str(found["message"])),
        _digest(found["digest"]),
        _whole(found["size"]),
        _digest(found["envelope"]),
        _digest(renews) if renews else None,
    )
    if not _HELD.fullmatch(held.name):
        raise ValueError
    return held


def _whole(found: object) -> int:
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise ValueError
    return found


def _digest(found: object) -> Digest:
    if not isinstance(found, str) or not _DIGEST.fullmatch(found):
        raise ValueError
    return Digest(found)


def _text(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

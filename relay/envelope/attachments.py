"""Attachments taken out of an envelope again, for people and tests: the relay itself never does.

Touches: nothing. Trusts: nothing. Raises: EnvelopeError, also for base64 that does not decode.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relay.envelope.limits import DEFAULT, SLICE_BYTES, Limits
from relay.envelope.reader import EnvelopeReader
from relay.envelope.zipping import UnzipLimits, is_wrapped, unzip_one
from relay.errors import EnvelopeError
from relay.model import Attachment


@dataclass(frozen=True, slots=True)
class Piece:
    """The next decoded bytes of the attachment at `position`, which counts from 0."""

    position: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Extracted:
    """One attachment with its bytes; `unwrapped` when they came out of a one-entry ZIP."""

    attachment: Attachment
    content: bytes
    unwrapped: bool


def pieces(chunks: Iterable[bytes], limits: Limits = DEFAULT) -> Iterator[Piece]:
    """The decoded attachments of an envelope that arrives in chunks, in constant memory.

    `position` is that in Envelope.attachments. ZIPs are given as they are. The last bytes may have
    been yielded before a fault is found: only after the end is the whole envelope known to be sound.
    """
    waiting: list[Piece] = []

    def take(position: int, content: bytes, fault: str) -> None:
        if fault:
            raise EnvelopeError(f"base64 of attachment {position + 1}: {fault}")
        if content:
            waiting.append(Piece(position, content))

    reader = EnvelopeReader(limits, take)
    for chunk in chunks:
        view = memoryview(chunk)
        for start in range(0, len(view), SLICE_BYTES):
            reader.feed(view[start : start + SLICE_BYTES])
            yield from waiting
            waiting.clear()
    reader.close()
    yield from waiting


def extract(
    content: bytes,
    limits: Limits = DEFAULT,
    *,
    unwrap: bool = True,
    unzip_limits: UnzipLimits | None = None,
) -> tuple[Extracted, ...]:
    """Every attachment of an envelope, in the order of Envelope.attachments.

    With `unwrap`, a ZIP that only wraps the named file is opened, within `unzip_limits`.
    """
    gathered: dict[int, list[bytes]] = {}

    def take(position: int, decoded: bytes, fault: str) -> None:
        if fault:
            raise EnvelopeError(f"base64 of attachment {position + 1}: {fault}")
        gathered.setdefault(position, []).append(decoded)

    reader = EnvelopeReader(limits, take)
    reader.feed(content)
    envelope = reader.close()
    return tuple(
        _extracted(attachment, b"".join(gathered.get(position, ())), unwrap, unzip_limits)
        for position, attachment in enumerate(envelope.attachments)
    )


def _extracted(
    attachment: Attachment, content: bytes, unwrap: bool, unzip_limits: UnzipLimits | None
) -> Extracted:
    if unwrap and is_wrapped(content, attachment.name):
        return Extracted(
            attachment, unzip_one(content, unzip_limits or UnzipLimits()), unwrapped=True
        )
    return Extracted(attachment, content, unwrapped=False)

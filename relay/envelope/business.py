"""What a document is as business, whatever software re-serialised it: compared by parts, named by a hash.

A document is From, Code, PromulgationDate, Subject, operation, and the sorted names and SHA-256 of its
attachments, decoded and taken out of the ZIP that only wraps them. A status is From, what it speaks of,
its code, text and time. Attachments stream by in constant memory.

Touches: nothing. Trusts: nothing. Raises: EnvelopeError for bytes that are no envelope.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relay.envelope.codes import normalise
from relay.envelope.dates import read_date
from relay.envelope.limits import DEFAULT, Limits
from relay.envelope.reader import EnvelopeReader
from relay.envelope.unwrapping import Budget, Unwrapping
from relay.envelope.zipping import UnzipLimits
from relay.errors import EnvelopeError
from relay.model import Digest, Envelope

_VERSION = "truc-relay business 1"


@dataclass(frozen=True, slots=True)
class Difference:
    """One of the parts, as each side has it."""

    part: str
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Business:
    """The parts in their canonical form, in order: (name, text)."""

    parts: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> Digest:
        """The business hash."""
        text = json.dumps([_VERSION, *self.parts], ensure_ascii=False, separators=(",", ":"))
        return Digest(hashlib.sha256(text.encode()).hexdigest())

    def differences(self, other: Business) -> Iterator[Difference]:
        mine, theirs = _grouped(self.parts), _grouped(other.parts)
        for part in dict.fromkeys((*mine, *theirs)):
            if mine.get(part) != theirs.get(part):
                yield Difference(part, mine.get(part, "nothing"), theirs.get(part, "nothing"))


class BusinessReader:
    """Fed an envelope's bytes as they come."""

    __slots__ = ("_budget", "_limits", "_reader", "_unwrapping")

    def __init__(self, limits: Limits = DEFAULT, unzip_limits: UnzipLimits | None = None) -> None:
        self._limits = unzip_limits or UnzipLimits()
        self._budget = Budget(self._limits.content_bytes)
        self._unwrapping: dict[int, Unwrapping] = {}
        self._reader = EnvelopeReader(limits, self._take)

    def feed(self, chunk: bytes) -> None:
        self._reader.feed(chunk)

    def close(self) -> tuple[Envelope, Business]:
        envelope = self._reader.close()
        contents = [
            (_text(one.name), self._content(position, one.name))
            for position, one in enumerate(envelope.attachments)
        ]
        return envelope, Business((*_head(envelope), *_listed(contents)))

    def _take(self, position: int, content: bytes, fault: str) -> None:
        found = self._unwrapping.setdefault(position, Unwrapping(self._limits, self._budget))
        found.feed(content)
        if fault:
            found.spoil(fault)

    def _content(self, position: int, name: str) -> str:
        found = self._unwrapping.get(position)
        return "none" if found is None else found.close(name)


def business_of(
    chunks: Iterable[bytes], limits: Limits = DEFAULT, unzip_limits: UnzipLimits | None = None
) -> Business:
    reader = BusinessReader(limits, unzip_limits)
    for chunk in chunks:
        reader.feed(chunk)
    return reader.close()[1]


def _head(envelope: Envelope) -> Iterator[tuple[str, str]]:
    yield "From", _code(envelope.sender.organ_id)
    if envelope.status is not None:
        about = envelope.response_for[0]
        yield "ResponseFor", _code(about.organ_id)
        yield "ResponseFor code", _text(about.code)
        yield "ResponseFor document", _text(about.document_id)
        yield "ResponseFor date", _date(about.promulgation_date)
        yield "StatusCode", _text(envelope.status.status_code)
        yield "Description", _text(envelope.status.description)
        yield "Timestamp", _date(envelope.status.timestamp)
        return
    yield "Code", f"{_text(envelope.code_number)}/{_text(envelope.code_notation)}"
    yield "PromulgationDate", _date(envelope.promulgation_date)
    yield "Subject", _text(envelope.subject)
    yield "operation", str(max(envelope.operation, 0))


def _listed(contents: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, digest in sorted(contents):
        yield f"attachment {name}", digest


def _grouped(parts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Attachments of one name stand together."""
    found: dict[str, str] = {}
    for name, text in parts:
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _code(text: str) -> str:
    try:
        return normalise(text)
    except EnvelopeError:
        return _text(text)


def _text(text: str) -> str:
    """Composed, and with single spaces: what a serialiser may change and a reader does not see."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _date(text: str) -> str:
    at = read_date(text.strip())
    return _text(text) if at is None else at.isoformat()

"""Tries at whatever reads a stranger's bytes: envelopes, documents of the wire, bodies of transfers.

Touches: nothing. Trusts: nothing. Raises: AssertionError where something is read as what it is not.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from unittest.mock import Mock

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from relay.envelope.reader import EnvelopeReader, read
from relay.errors import EnvelopeError, TransportError, WireError
from relay.model import Signed
from relay.transport.nodes import parts
from relay.wire.attached import (
    Answer,
    Answered,
    read_answers,
    read_proofs,
    write_answers,
    write_proofs,
)
from relay.wire.batch import read_batch, write_batch
from relay.wire.branch import read_branch, write_branch
from relay.wire.carry import read_carry, write_carry
from relay.wire.container import read_receipts, write_receipts
from relay.wire.receipt import read_receipt, write_receipt
from relay.wire.statements import read_statements, write_statements
from relay.wire.transfer import read_transfer, write_transfer
from tests.fuzz.attempt import ACCEPTED, Try, require
from tests.fuzz.mutator import Mutator
from tests.fuzz.originals import Originals, small_envelopes, travelling
from tests.fuzz.spoiling import spoilt
from tests.fuzz.spoiling_bytes import BYTES
from tests.vectors.signing.forging.originals import KINDS


def envelopes() -> Try:
    """Any bytes are an envelope of their own digest or an EnvelopeError, however they are cut."""
    good = small_envelopes()

    def attempt(m: Mutator) -> str:
        content = spoilt(m, m.random.choice(good), m.random.choice(good))
        try:
            found = read(content)
        except EnvelopeError as error:
            _require_same_refusal(m, content, error)
            return "envelope"
        require(found.digest == hashlib.sha256(content).hexdigest(), "a digest of other bytes")
        require(found.size_bytes == len(content), "a size of other bytes")
        require(_read_in_pieces(m, content) == found, "another envelope when cut otherwise")
        return ACCEPTED

    return attempt


def _read_in_pieces(m: Mutator, content: bytes) -> object:
    reader = EnvelopeReader()
    at = m.place(content)
    reader.feed(content[:at])
    reader.feed(content[at:])
    return reader.close()


def _require_same_refusal(m: Mutator, content: bytes, error: EnvelopeError) -> None:
    try:
        _read_in_pieces(m, content)
    except EnvelopeError as other:
        require(str(other) == str(error), f"{error}, but when cut otherwise {other}")
    else:
        raise AssertionError(f"{error}, but accepted when cut otherwise")


READERS: dict[str, Callable[[bytes], bytes]] = {
    "transfer": lambda content: write_transfer(read_transfer(content)),
    "receipt": lambda content: write_receipt(read_receipt(content)),
    "carry": lambda content: write_carry(read_carry(content)),
    "directory": lambda content: write_branch(read_branch(content)),
    "batch": lambda content: write_batch(read_batch(content)),
}
"""Read and written again."""


def documents(kind: str) -> Try:
    """What is read is written back to the letter: no other bytes say the same."""
    good, again = KINDS[kind].document, READERS[kind]
    others = [one.document for one in KINDS.values()]

    def attempt(m: Mutator) -> str:
        content = spoilt(m, good, m.random.choice(others))
        try:
            written = again(content)
        except WireError:
            return "wire"
        require(written == content, "it was read, and is not what would be written")
        return ACCEPTED

    return attempt


def containers(originals: Originals) -> Try:
    found = travelling(originals)
    good = [write_receipts(receipts) for receipts in found]

    def attempt(m: Mutator) -> str:
        content = spoilt(m, m.random.choice(good), m.random.choice(good))
        try:
            receipts = read_receipts(content, 1 << 20)
        except WireError:
            return "wire"
        require(write_receipts(receipts) == content, "it is not what would be written")
        return ACCEPTED

    return attempt


def statements(originals: Originals) -> Try:
    """Likewise of what travels beside a signature."""
    good = [*originals.statements, *originals.revoking]

    def attempt(m: Mutator) -> str:
        content = spoilt(m, m.random.choice(good), m.random.choice(good))
        try:
            found = read_statements(content)
        except WireError:
            return "wire"
        require(write_statements(found) == content, "it is not what would be written")
        return ACCEPTED

    return attempt


def attached() -> Try:
    """Likewise of proofs that follow receipts, and what is answered to them: any bytes are read or refused."""
    proofs = [write_proofs([b"proof", b"x" * 300]), write_proofs([b"another"])]
    told = (Answered(Answer.KEPT), Answered(Answer.REFUSED, "of another log"))
    answers = [write_answers(told), write_answers(told[1:])]

    def attempt(m: Mutator) -> str:
        batch = spoilt(m, proofs[0], proofs[1])
        answer = spoilt(m, answers[0], answers[1], BYTES)
        try:
            if m.random.random() < 0.5:
                written = write_proofs(read_proofs(batch))
                require(written == batch, "it is not what would be written")
            else:
                whole = "".join(one.why for one in read_answers(answer, 2))
                require(whole.isprintable(), "words that do something to a terminal")
        except WireError:
            return "wire"
        return ACCEPTED

    return attempt


# ---------------------------------------------------------------- the body of a transfer


def bodies(originals: Originals) -> Try:
    """What is read stands in the body as it is, each part behind the one before."""
    header, seal, letter = (originals.of(entry)[0] for entry in ("transfer", "seal", "letter"))
    signed_header = Signed(header.document, header.signature)
    one = (signed_header, seal.signature, letter.document)
    good = [
        parts.several([one]),
        parts.several([one, one]),
        parts.preamble(signed_header, seal.signature, None),
    ]

    def attempt(m: Mutator) -> str:
        content = spoilt(m, m.random.choice(good), m.random.choice(good), BYTES)
        kind = parts.CONTENT_TYPE
        if m.random.random() < 0.1:
            kind = spoilt(m, kind.encode(), kind.encode(), BYTES).decode("latin-1")
        try:
            pieces = asyncio.run(_read_parts(content, kind))
        except (WireError, TransportError) as error:
            return type(error).__name__
        _require_in_order(content, pieces)
        return ACCEPTED

    return attempt


async def _read_parts(content: bytes, kind: str) -> list[bytes]:
    protocol = Mock(spec=BaseProtocol, _reading_paused=False)
    stream = StreamReader(protocol, limit=1 << 16, loop=asyncio.get_running_loop())
    stream.feed_data(content)
    stream.feed_eof()
    body = parts.Body(stream, kind)
    found: list[bytes] = []
    while True:
        one = await parts.read_parts(body)
        found += [one.header.document, one.header.signature, one.seal]
        if one.envelope is None:
            return found
        found.append(b"".join([chunk async for chunk in one.envelope.chunks()]))
        if not body.more:
            return found


def _require_in_order(content: bytes, pieces: Sequence[bytes]) -> None:
    at = 0
    for piece in pieces:
        found = content.find(piece, at)
        require(found >= 0, "a part that is not in the body, or out of order")
        at = found + len(piece)

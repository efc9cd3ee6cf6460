"""What is fuzzed, each with its inputs, the errors that it may raise, and what it may accept.

A target takes a mutator and tries one input. It returns the word of the refusal, "accepted" where the input
was rightly accepted, and raises whatever should not have happened: AssertionError for a false accept.

Touches: nothing. Trusts: the accepted vectors. Raises: as said.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from unittest.mock import Mock

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from relay.audit import checkpoint
from relay.envelope.reader import EnvelopeReader, read
from relay.errors import AuditError, EnvelopeError, RelayError, TransportError, WireError
from relay.model import NodeId, Signed
from relay.signing.keys import verify_log_signature
from relay.signing.seal import ProvenSeal
from relay.signing.tls import NodePeers
from relay.signing.trust import TrustStore
from relay.transport.nodes import parts
from relay.wire.branch import read_branch, write_branch
from relay.wire.carry import read_carry, write_carry
from relay.wire.container import read_receipts, write_receipts
from relay.wire.receipt import read_receipt, write_receipt
from relay.wire.transfer import read_transfer, write_transfer
from tests.fuzz.mutations import BYTES, CERTIFICATES, XML, Mutator, rewritten, spoilt
from tests.fuzz.originals import Original, Originals, containers, small_envelopes
from tests.vectors.signing.forging.honest import signed_again
from tests.vectors.signing.forging.keys import AT, certificate, derived, signer
from tests.vectors.signing.forging.originals import ISSUING, KINDS, NODE_DER, ROOT, TINH, signed
from tests.vectors.signing.forging.resigned import TLS_USES
from tests.vectors.signing.judging import word_of

ACCEPTED = "accepted"
Try = Callable[[Mutator], str]


@dataclass(frozen=True)
class Target:
    """`share` of all inputs go to it, as a weight."""

    name: str
    share: int
    attempt: Try


def targets() -> list[Target]:
    originals = Originals()
    return [
        *(
            Target(entry, 3 if entry == "seal" else 2, _signatures(originals, entry))
            for entry in originals.entries
        ),
        Target("insider", 3, _insider(originals)),
        Target("certificates", 4, _certificates(originals)),
        Target("handshake", 2, _handshakes()),
        Target("envelope", 4, _envelopes()),
        *(Target(f"{kind}-document", 1, _documents(kind)) for kind in _READERS),
        Target("container", 1, _containers(originals)),
        Target("parts", 1, _parts(originals)),
        Target("log-head", 1, _heads()),
    ]


# ---------------------------------------------------------------- signatures


def _signatures(originals: Originals, entry: str) -> Try:
    """A signature, its document or both spoilt, exchanged, or taken from the corpus of refused ones."""
    judge, good = originals.entries[entry], originals.of(entry)

    def attempt(m: Mutator) -> str:
        one, other = m.random.choice(good), m.random.choice(originals.all)
        signature, document = _input(m, one, other, originals.spoilt)
        try:
            proven = judge(signature, document)
        except RelayError as error:
            return word_of(error)
        originals.require_right(entry, document, proven)
        return ACCEPTED

    return attempt


def _input(
    m: Mutator, one: Original, other: Original, refused: Sequence[bytes]
) -> tuple[bytes, bytes]:
    chance = m.random.random()
    if chance < 0.08:
        return rewritten(m, one.signature), one.document
    if chance < 0.16:
        return spoilt(m, m.random.choice(refused), one.signature), one.document
    if chance < 0.24:
        return one.signature, spoilt(m, one.document, other.document)
    if chance < 0.28:
        return other.signature, m.random.choice((one.document, other.document))
    if chance < 0.34:
        return spoilt(m, other.signature, one.signature), other.document
    return spoilt(m, one.signature, other.signature), one.document


def _insider(originals: Originals) -> Try:
    """A spoilt seal, signed again for what it then says by the node that made it: whatever that is, it
    stays this node's word as a node, and of these bytes."""
    good, judge = originals.of("seal")[0], originals.entries["seal"]
    right = judge(good.signature, good.document)

    def attempt(m: Mutator) -> str:
        text = spoilt(m, good.signature, m.random.choice(originals.spoilt), XML)
        with contextlib.suppress(etree.LxmlError, ValueError):
            text = signed_again(text.decode(), good.document)
        try:
            proven = judge(text, good.document)
        except RelayError as error:
            return word_of(error)
        assert isinstance(right, ProvenSeal)
        assert isinstance(proven, ProvenSeal)
        _require(replace(proven, signed_at=right.signed_at) == right, f"{proven} is proven")
        return ACCEPTED

    return attempt


def _certificates(originals: Originals) -> Try:
    """Certificates of the chain spoilt, by someone who has the leaf's key and signs for what they say."""
    key, judge = derived("tinh-h01"), originals.entries["seal"]

    def attempt(m: Mutator) -> str:
        leaf, above = NODE_DER, [ISSUING]
        if m.random.random() < 0.7:
            leaf = spoilt(m, NODE_DER, ISSUING, CERTIFICATES)
        else:
            above = [
                spoilt(m, m.random.choice((ISSUING, ROOT)), NODE_DER, CERTIFICATES)
                for _ in range(m.random.randint(1, 3))
            ]
        signature = signed("seal", signer(leaf, *above, key=key))
        try:
            proven = judge(signature, KINDS["seal"].document)
        except RelayError as error:
            return word_of(error)
        originals.require_right("seal", KINDS["seal"].document, proven)
        return ACCEPTED

    return attempt


def _handshakes() -> Try:
    """The chain of a connection spoilt: no certificate but the node's own makes anybody that node."""
    root = x509.load_der_x509_certificate(ROOT).public_bytes(Encoding.PEM)
    leaf = certificate(
        "tls", "Issuing", ["urn:truc-relay:node:tinh-h01:tls"], vouching=False, uses=TLS_USES
    )
    judge = NodePeers(TrustStore([root]), lambda: AT)
    _require(judge([leaf, ISSUING]) == TINH, "the handshake that is right is refused")

    def attempt(m: Mutator) -> str:
        chain = [leaf, ISSUING, ROOT]
        spoilt_one = m.random.choice((0, 0, 0, 1))
        other = m.random.choice((NODE_DER, ISSUING))
        chain[spoilt_one] = spoilt(m, chain[spoilt_one], other, CERTIFICATES)
        try:
            judge(chain)
        except RelayError as error:
            return word_of(error)
        _require(chain[0] == leaf, "another certificate is this node's")
        return ACCEPTED

    return attempt


# ---------------------------------------------------------------- readers


def _envelopes() -> Try:
    """Any bytes are an envelope of their own digest or an EnvelopeError, however they are cut."""
    good = small_envelopes()

    def attempt(m: Mutator) -> str:
        content = spoilt(m, m.random.choice(good), m.random.choice(good))
        try:
            found = read(content)
        except EnvelopeError as error:
            _require_same_refusal(m, content, error)
            return "envelope"
        _require(found.digest == hashlib.sha256(content).hexdigest(), "a digest of other bytes")
        _require(found.size_bytes == len(content), "a size of other bytes")
        _require(_read_in_pieces(m, content) == found, "another envelope when cut otherwise")
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
        _require(str(other) == str(error), f"{error}, but when cut otherwise {other}")
    else:
        raise AssertionError(f"{error}, but accepted when cut otherwise")


_READERS: dict[str, Callable[[bytes], bytes]] = {
    "transfer": lambda content: write_transfer(read_transfer(content)),
    "receipt": lambda content: write_receipt(read_receipt(content)),
    "carry": lambda content: write_carry(read_carry(content)),
    "directory": lambda content: write_branch(read_branch(content)),
}
"""Read and written again."""


def _documents(kind: str) -> Try:
    """What is read is written back to the letter: no other bytes say the same."""
    good, again = KINDS[kind].document, _READERS[kind]
    others = [one.document for one in KINDS.values()]

    def attempt(m: Mutator) -> str:
        content = spoilt(m, good, m.random.choice(others))
        try:
            written = again(content)
        except WireError:
            return "wire"
        _require(written == content, "it was read, and is not what would be written")
        return ACCEPTED

    return attempt


def _containers(originals: Originals) -> Try:
    found = containers(originals)
    good = [write_receipts(receipts) for receipts in found]

    def attempt(m: Mutator) -> str:
        content = spoilt(m, m.random.choice(good), m.random.choice(good))
        try:
            receipts = read_receipts(content, 1 << 20)
        except WireError:
            return "wire"
        _require(write_receipts(receipts) == content, "it is not what would be written")
        return ACCEPTED

    return attempt


# ---------------------------------------------------------------- the body of a transfer


def _parts(originals: Originals) -> Try:
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
        _require(found >= 0, "a part that is not in the body, or out of order")
        at = found + len(piece)


# ---------------------------------------------------------------- the log's head


def _heads() -> Try:
    """A signed head of the log; nobody else's key makes one, and nothing in it may change."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    name = checkpoint.origin_of(NodeId("tinh-h01"))
    heads = [
        checkpoint.sign_note(checkpoint.note_body(name, size, bytes(32)), name, public, key.sign)
        for size in (7, 8)
    ]

    def verify(signature: bytes, content: bytes) -> None:
        verify_log_signature(public, signature, content)

    right = [checkpoint.verify_note(head, name, public, verify) for head in heads]

    def attempt(m: Mutator) -> str:
        one = m.random.randrange(2)
        note = spoilt(m, heads[one], heads[1 - one], BYTES)
        try:
            found = checkpoint.verify_note(note, name, public, verify)
        except AuditError:
            return "audit"
        _require(found in right, f"a head that nobody signed: {found}")
        return ACCEPTED

    return attempt


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)

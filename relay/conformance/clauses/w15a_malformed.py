"""W15.4: requests to a witness that are none."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from relay.conformance.handing_in import add, held, request
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require_equal
from relay.conformance.witness import CAPABILITY

book = Book()


@dataclass(frozen=True, slots=True)
class _Parts:
    """Of an honest request."""

    old: bytes
    hashes: list[bytes]
    body: bytes
    signatures: bytes

    def written(
        self,
        *,
        old: bytes | None = None,
        hashes: list[bytes] | None = None,
        body: bytes | None = None,
        signatures: bytes | None = None,
    ) -> bytes:
        lines = [old or self.old, *(self.hashes if hashes is None else hashes)]
        head = b"".join(line + b"\n" for line in lines)
        end = self.signatures if signatures is None else signatures
        return head + b"\n" + (body or self.body) + b"\n" + end


def _another_form(line: bytes) -> bytes:
    """Base64 that most readers take for the same 32 bytes: the bits that nobody reads are set."""
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return line[:-2] + letters[letters.index(line[-2:-1]) + 1 :][:1] + b"="


def _malformed_size(parts: _Parts) -> bytes:
    origin, size, rest = parts.body.split(b"\n", 2)
    return parts.written(body=b"\n".join([origin, b"0" + size, rest]))


MALFORMED: dict[str, tuple[str, Callable[[_Parts], bytes]]] = {
    "no-old": ("without an old size", lambda parts: parts.written(old=b"new 1")),
    "leading-zero": (
        "whose old size begins with a zero",
        lambda parts: parts.written(old=parts.old.replace(b"old ", b"old 0")),
    ),
    "signed-number": (
        "whose old size has a sign",
        lambda parts: parts.written(old=parts.old.replace(b"old ", b"old +")),
    ),
    "base64": (
        "with a hash in another form of base64",
        lambda parts: parts.written(hashes=[_another_form(parts.hashes[0]), *parts.hashes[1:]]),
    ),
    "short-hash": (
        "with a hash of 31 bytes",
        lambda parts: parts.written(hashes=[b64encode(bytes(31)), *parts.hashes[1:]]),
    ),
    "sixty-four-hashes": (
        "with 64 hashes",
        lambda parts: parts.written(hashes=[b64encode(bytes(32))] * 64),
    ),
    "sixty-five-signatures": (
        "whose checkpoint has 65 signatures",
        lambda parts: parts.written(signatures=parts.signatures * 65),
    ),
    "no-signature": (
        "whose checkpoint has no signature",
        lambda parts: parts.written(signatures=b""),
    ),
    "size": ("whose checkpoint's size begins with a zero", _malformed_size),
    "control-character": (
        "whose checkpoint has a control character",
        lambda parts: parts.written(body=parts.body + b"a\tb\n"),
    ),
    "no-checkpoint": ("without a checkpoint", lambda parts: parts.old + b"\n\n"),
}


def _asserts_malformed(name: str, said: str, change: Callable[[_Parts], bytes]) -> None:
    @book.asserts(
        "W15.4",
        name,
        f"A request {said} is 400",
        Part.NEIGHBOUR,
        capability=CAPABILITY,
    )
    async def malformed(stand: Stand) -> None:
        size = await held(stand, 5)
        head, _, note = request(stand, size, size + 2).partition(b"\n\n")
        old, *hashes = head.split(b"\n")
        body, _, signatures = note.partition(b"\n\n")
        answer = await add(stand, change(_Parts(old, hashes, body + b"\n", signatures)))
        require_equal(answer.status, 400, "the status")


for _name, (_said, _change) in MALFORMED.items():
    _asserts_malformed(_name, _said, _change)

"""Spoil bytes: flips, cuts, moves, splices, and what parsers stumble over put in.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz.mutator import Mutator, Operation

_TOKENS = (
    b"<!DOCTYPE x>", b"<!--x-->", b"<?x y?>", b"<![CDATA[x]]>", b"&#65;", b"&amp;", b"&x;", b"\0",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", "\u2028".encode(), "\u202e".encode(),
    b'<?xml version="1.0"?>', b'<?xml version="1.1"?>', b' xmlns:x="urn:x"', b' xmlns="urn:x"',
    b' Id="signature"', b' Id="signed-properties"', b' xml:base="x"', b"</", b"/>", b"]]>", b"--",
    b"-1", b"0", b"00", b"9" * 20, b"1e9", b"\r\n", b"\x0c", b"\x0b", b"\x85", b"=", b"====",
    b"urn:truc-relay:", b"2026-11-23T24:00:00Z", b"0000-00-00T00:00:00.000Z",
    b"http://www.w3.org/2000/09/xmldsig#sha1", b"\r\n\r\n", b"Content-Length: 5", b"\xe2\x80\x94 ",
)  # fmt: skip


def _flip(m: Mutator, content: bytes, _: bytes) -> bytes:
    if not content:
        return b"\0"
    at, changed = m.random.randrange(len(content)), bytearray(content)
    changed[at] ^= 1 << m.random.randrange(8)
    return bytes(changed)


def _byte(m: Mutator, content: bytes, _: bytes) -> bytes:
    at = m.place(content)
    return content[:at] + bytes((m.random.randrange(256),)) + content[at + 1 :]


def _drop(m: Mutator, content: bytes, _: bytes) -> bytes:
    start, end = m.stretch(content)
    return content[:start] + content[end:]


def _double(m: Mutator, content: bytes, _: bytes) -> bytes:
    start, end = m.stretch(content)
    return content[:end] + content[start:end] + content[end:]


def _move(m: Mutator, content: bytes, _: bytes) -> bytes:
    start, end = m.stretch(content)
    rest = content[:start] + content[end:]
    at = m.place(rest)
    return rest[:at] + content[start:end] + rest[at:]


def _insert(m: Mutator, content: bytes, _: bytes) -> bytes:
    at = m.place(content)
    return content[:at] + m.random.choice(_TOKENS) + content[at:]


def _cut_off(m: Mutator, content: bytes, _: bytes) -> bytes:
    return content[: m.place(content)]


def _splice(m: Mutator, content: bytes, other: bytes) -> bytes:
    return content[: m.place(content)] + other[m.place(other) :]


def _overwrite(m: Mutator, content: bytes, other: bytes) -> bytes:
    """A stretch of the other at the same place."""
    start, end = m.stretch(content)
    return content[:start] + other[start:end] + content[end:]


BYTES: Sequence[Operation] = (
    _flip, _byte, _drop, _double, _move, _insert, _cut_off, _splice, _overwrite,
)  # fmt: skip

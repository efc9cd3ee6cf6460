"""Ways to spoil bytes: flips, cuts, splices, and edits that know tags, attributes, base64 and DER.

All of it is decided by the seed, so that a number names an input.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

Operation: TypeAlias = Callable[["Mutator", bytes, bytes], bytes]
"""Of the content and another of its kind, from which something may be taken."""

_TAG = re.compile(rb"</?[A-Za-z:]+[^<>]*>")
_ELEMENT = re.compile(rb"<([A-Za-z:]+)(?: [^<>]*)?>[^<>]*</\1>")
_ATTRIBUTE = re.compile(rb' [A-Za-z:]+="[^"<>]*"')
_BASE64 = re.compile(rb"(?<=>)[A-Za-z0-9+/]{16,}={0,2}(?=<)")
_SPACES = (b" ", b"\n", b"\r\n", b"\t", b"\r")
_TOKENS = (
    b"<!DOCTYPE x>", b"<!--x-->", b"<?x y?>", b"<![CDATA[x]]>", b"&#65;", b"&amp;", b"&x;", b"\0",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", "\u2028".encode(), "\u202e".encode(),
    b'<?xml version="1.0"?>', b'<?xml version="1.1"?>', b' xmlns:x="urn:x"', b' xmlns="urn:x"',
    b' Id="signature"', b' Id="signed-properties"', b' xml:base="x"', b"</", b"/>", b"]]>", b"--",
    b"-1", b"0", b"00", b"9" * 20, b"1e9", b"\r\n", b"\x0c", b"\x0b", b"\x85", b"=", b"====",
    b"urn:truc-relay:", b"2026-11-23T24:00:00Z", b"0000-00-00T00:00:00.000Z",
    b"http://www.w3.org/2000/09/xmldsig#sha1", b"\r\n\r\n", b"Content-Length: 5", b"\xe2\x80\x94 ",
)  # fmt: skip


class Mutator:
    """Randomness with a seed."""

    __slots__ = ("random",)

    def __init__(self, seed: object) -> None:
        self.random = random.Random(str(seed))

    def place(self, content: bytes) -> int:
        return self.random.randint(0, len(content))

    def stretch(self, content: bytes) -> tuple[int, int]:
        """Mostly a short one."""
        start = self.place(content)
        longest = 8 if self.random.random() < 0.7 else len(content)
        return start, min(len(content), start + self.random.randint(1, max(1, longest)))

    def found(self, pattern: re.Pattern[bytes], content: bytes) -> tuple[int, int]:
        """One of the matches; an empty stretch where there is none."""
        spans = [match.span() for match in pattern.finditer(content)]
        return self.random.choice(spans) if spans else (0, 0)


# ---------------------------------------------------------------- bytes


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


# ---------------------------------------------------------------- XML


def _drop_tag(m: Mutator, content: bytes, _: bytes) -> bytes:
    start, end = m.found(_TAG, content)
    return content[:start] + content[end:]


def _double_element(m: Mutator, content: bytes, _: bytes) -> bytes:
    start, end = m.found(_ELEMENT, content)
    return content[:end] + content[start:end] + content[end:]


def _swap_elements(m: Mutator, content: bytes, _: bytes) -> bytes:
    (a, b), (c, d) = sorted((m.found(_ELEMENT, content), m.found(_ELEMENT, content)))
    if b > c:
        return content[:a] + content[b:]
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _transplant(m: Mutator, content: bytes, other: bytes) -> bytes:
    """An element of the other in the place of one of the same name, or of any."""
    start, end = m.found(_ELEMENT, content)
    name = content[start : content.find(b">", start)]
    same = re.compile(re.escape(name) + rb">[^<>]*</[A-Za-z:]+>") if name else _ELEMENT
    a, b = m.found(same, other)
    return content[:start] + other[a:b] + content[end:]


def _edit_text(m: Mutator, content: bytes, other: bytes) -> bytes:
    """Bytes inside one element's text."""
    start, end = m.found(_ELEMENT, content)
    inner = content[start:end]
    opening, closing = inner.find(b">") + 1, inner.rfind(b"<")
    text = m.random.choice(BYTES)(m, inner[opening:closing], other[start:end])
    return content[: start + opening] + text + content[start + closing :]


def _edit_attribute(m: Mutator, content: bytes, _: bytes) -> bytes:
    start, end = m.found(_ATTRIBUTE, content)
    one = content[start:end]
    value = one.split(b'"')[1] if one else b""
    changed = m.random.choice(
        (b"", one + one, one.replace(b'"', b"'"), one.replace(value, b""), one.replace(value, value + b" "),
         one.replace(b"=", b" = "), one.upper(), b' xmlns:y="urn:y"' + one, one.replace(b"#", b""))
    )  # fmt: skip
    return content[:start] + changed + content[end:]


def _add_attribute(m: Mutator, content: bytes, _: bytes) -> bytes:
    end = m.found(_TAG, content)[1]
    if not end:
        return content
    name = m.random.choice((b"Id", b"ID", b"id", b"xml:id", b"xmlns", b"xmlns:ds", b"URI", b"Type"))
    value = m.random.choice((b"signature", b"signed-properties", b"document", b"", b"urn:x"))
    return content[: end - 1] + b" " + name + b'="' + value + b'"' + content[end - 1 :]


def _wrap(m: Mutator, content: bytes, other: bytes) -> bytes:
    """The whole, or an element, inside another one or beside another whole."""
    start, end = m.found(_ELEMENT, content)
    return m.random.choice(
        (
            b"<x>" + content + b"</x>",
            b"<x>" + content + other + b"</x>",
            content[:start] + b"<x>" + content[start:end] + b"</x>" + content[end:],
            content[:start] + other + content[start:],
            content[:end] + b"<ds:Object>" + other + b"</ds:Object>" + content[end:],
        )
    )


XML: Sequence[Operation] = (
    _drop_tag, _double_element, _swap_elements, _transplant, _edit_text, _edit_attribute,
    _add_attribute, _wrap,
)  # fmt: skip


# ---------------------------------------------------------------- base64


def _edit_base64(m: Mutator, content: bytes, other: bytes) -> bytes:
    start, end = m.found(_BASE64, content)
    if start == end:
        return content
    return content[:start] + _spoilt_base64(m, content[start:end], other) + content[end:]


def _spoilt_base64(m: Mutator, text: bytes, other: bytes) -> bytes:
    at = m.random.randrange(len(text))
    match m.random.randrange(8):
        case 0:
            return text[:at] + m.random.choice(_SPACES) + text[at:]
        case 1:
            return text[:at] + m.random.choice(b"ABab01+/=-_").to_bytes(1, "big") + text[at + 1 :]
        case 2:
            return text.rstrip(b"=")
        case 3:
            return text + b"="
        case 4:
            a, b = m.found(_BASE64, other)
            return other[a:b] or text
        case 5:
            loose = text.rstrip(b"=")
            return loose[:-1] + bytes((loose[-1] + 1,)) + text[len(loose) :]
        case _:
            raw = base64.b64decode(text.rstrip(b"=")[: len(text) // 4 * 4 - 4] or b"AAAA")
            return base64.b64encode(m.random.choice((*BYTES, *DER))(m, raw, raw[::-1]))


# ---------------------------------------------------------------- DER


def _positions(content: bytes) -> list[tuple[int, int, int]]:
    """Tag, content and end of each value, as deep as it is built of others; 400 at most."""
    found: list[tuple[int, int, int]] = []
    open_ = [(0, len(content))]
    while open_ and len(found) < 400:
        at, end = open_.pop()
        while at + 2 <= end and len(found) < 400:
            size, head = content[at + 1], 2
            if size & 0x80:
                count = size & 0x7F
                size, head = int.from_bytes(content[at + 2 : at + 2 + count], "big"), 2 + count
            if at + head + size > end:
                break
            found.append((at, at + head, at + head + size))
            if content[at] & 0x20:
                open_.append((at + head, at + head + size))
            at += head + size
    return found


def _edit_der(m: Mutator, content: bytes, _: bytes) -> bytes:
    """One value's tag, length or content; the lengths around it stay, so that the form survives."""
    positions = _positions(content)
    if not positions:
        return _flip(m, content, b"")
    simple = [one for one in positions if not content[one[0]] & 0x20]
    kind = m.random.randrange(14)
    start, inside, end = m.random.choice(simple if kind > 2 and simple else positions)
    changed = bytearray(content)
    match kind:
        case 0:
            changed[start] ^= 1 << m.random.randrange(8)
        case 1:
            changed[start] = m.random.choice(
                (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x30, 0xA0)
            )
        case 2:
            changed[start + 1] = m.random.randrange(256)
        case 3 | 4 | 5 | 6 | 7 | 8 if end > inside:
            changed[m.random.randrange(inside, end)] ^= 1 << m.random.randrange(8)
        case 9 if end > inside:
            changed[inside:end] = bytes(end - inside)
        case 10 if end > inside:
            changed[inside:end] = b"\xff" * (end - inside)
        case _:
            a, b = m.random.choice(positions)[1:]
            changed[inside:end] = content[a:b][: end - inside].ljust(end - inside, b"\0")
    return bytes(changed)


def _drop_der(m: Mutator, content: bytes, _: bytes) -> bytes:
    """A value taken out or doubled, and the lengths around it made right."""
    positions = _positions(content)
    if len(positions) < 2:
        return content
    start, end = m.random.choice(positions[1:])[::2]
    put = content[start:end] * m.random.choice((0, 2))
    changed = bytearray(content[:start] + put + content[end:])
    grown = len(put) - (end - start)
    for at, within, stop in positions:
        if at < start and stop >= end and within <= start:
            _set_length(changed, at, within, stop - within + grown)
    return bytes(changed)


def _set_length(content: bytearray, at: int, inside: int, size: int) -> None:
    """In as many bytes as it had."""
    if inside - at == 2:
        content[at + 1] = min(max(size, 0), 0x7F)
    else:
        room = inside - at - 2
        content[at + 2 : inside] = min(max(size, 0), (1 << 8 * room) - 1).to_bytes(room, "big")


DER: Sequence[Operation] = (_edit_der, _drop_der)
CERTIFICATES: Sequence[Operation] = (*BYTES, *(_edit_der for _ in range(24)), _drop_der, _drop_der)
"""Mostly in a form that can still be read."""
TEXTS: Sequence[Operation] = (*BYTES, *XML, _edit_base64, _edit_base64, _edit_base64)


def spoilt(
    m: Mutator, content: bytes, other: bytes, operations: Sequence[Operation] = TEXTS
) -> bytes:
    """Mostly one thing done to it, now and then several."""
    for _ in range(m.random.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        content = m.random.choice(operations)(m, content, other)
    return content


def rewritten(m: Mutator, content: bytes) -> bytes:
    """The same XML in other bytes, mostly: white space, quotes, order, short forms, a declaration."""
    for _ in range(m.random.randint(1, 4)):
        content = m.random.choice(_REWRITINGS)(m, content)
    return content


def _space_in_base64(m: Mutator, content: bytes) -> bytes:
    start, end = m.found(_BASE64, content)
    at = m.random.randint(start, end)
    return content[:at] + m.random.choice(_SPACES) * m.random.randint(1, 3) + content[at:]


def _space_in_tag(m: Mutator, content: bytes) -> bytes:
    end = m.found(_TAG, content)[1]
    before = end - 2 if content[end - 2 : end] == b"/>" else end - 1
    return content[:before] + m.random.choice(_SPACES) + content[before:]


def _other_quotes(m: Mutator, content: bytes) -> bytes:
    start, end = m.found(_ATTRIBUTE, content)
    return content[:start] + content[start:end].replace(b'"', b"'") + content[end:]


def _short_form(m: Mutator, content: bytes) -> bytes:
    start, end = m.found(re.compile(rb"></[A-Za-z:]+>"), content)
    return content[:start] + b"/>" + content[end:] if end else content


def _declared(m: Mutator, content: bytes) -> bytes:
    declaration = m.random.choice(
        (b'<?xml version="1.0"?>', b"<?xml version='1.0' encoding='UTF-8'?>\n", b"\n", b" ")
    )
    return declaration + content


def _space_behind(m: Mutator, content: bytes) -> bytes:
    return content + m.random.choice((*_SPACES, b"\x0c", b"\x0b", b"\x85", b"\0"))


def _exchanged_attributes(m: Mutator, content: bytes) -> bytes:
    start, end = m.found(re.compile(rb'( [A-Za-z:]+="[^"]*")( [A-Za-z:]+="[^"]*")'), content)
    first, _, second = content[start:end].rpartition(b" ")
    return content[:start] + (b" " + second + first if end else b"") + content[end:]


def _declared_again(m: Mutator, content: bytes) -> bytes:
    start, end = m.found(re.compile(rb"<ds:[A-Za-z0-9]+"), content)
    again = b' xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
    return content[:end] + again + content[end:] if end > start else content


_REWRITINGS = (
    _space_in_base64, _space_in_base64, _space_in_tag, _other_quotes, _short_form, _declared,
    _space_behind, _exchanged_attributes, _declared_again,
)  # fmt: skip

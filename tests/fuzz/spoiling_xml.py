"""Spoil XML: tags, attributes, elements moved and doubled, and the base64 inside.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from tests.fuzz.mutator import ATTRIBUTE, BASE64, ELEMENT, SPACES, TAG, Mutator, Operation
from tests.fuzz.spoiling_bytes import BYTES
from tests.fuzz.spoiling_der import DER


def _drop_tag(m: Mutator, content: bytes, _: bytes) -> bytes:
    start, end = m.found(TAG, content)
    return content[:start] + content[end:]


def _double_element(m: Mutator, content: bytes, _: bytes) -> bytes:
    start, end = m.found(ELEMENT, content)
    return content[:end] + content[start:end] + content[end:]


def _swap_elements(m: Mutator, content: bytes, _: bytes) -> bytes:
    (a, b), (c, d) = sorted((m.found(ELEMENT, content), m.found(ELEMENT, content)))
    if b > c:
        return content[:a] + content[b:]
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _transplant(m: Mutator, content: bytes, other: bytes) -> bytes:
    """An element of the other in the place of one of the same name, or of any."""
    start, end = m.found(ELEMENT, content)
    name = content[start : content.find(b">", start)]
    same = re.compile(re.escape(name) + rb">[^<>]*</[A-Za-z:]+>") if name else ELEMENT
    a, b = m.found(same, other)
    return content[:start] + other[a:b] + content[end:]


def _edit_text(m: Mutator, content: bytes, other: bytes) -> bytes:
    """Bytes inside one element's text."""
    start, end = m.found(ELEMENT, content)
    inner = content[start:end]
    opening, closing = inner.find(b">") + 1, inner.rfind(b"<")
    text = m.random.choice(BYTES)(m, inner[opening:closing], other[start:end])
    return content[: start + opening] + text + content[start + closing :]


def _edit_attribute(m: Mutator, content: bytes, _: bytes) -> bytes:
    start, end = m.found(ATTRIBUTE, content)
    one = content[start:end]
    value = one.split(b'"')[1] if one else b""
    changed = m.random.choice(
        (b"", one + one, one.replace(b'"', b"'"), one.replace(value, b""), one.replace(value, value + b" "),
         one.replace(b"=", b" = "), one.upper(), b' xmlns:y="urn:y"' + one, one.replace(b"#", b""))
    )  # fmt: skip
    return content[:start] + changed + content[end:]


def _add_attribute(m: Mutator, content: bytes, _: bytes) -> bytes:
    end = m.found(TAG, content)[1]
    if not end:
        return content
    name = m.random.choice((b"Id", b"ID", b"id", b"xml:id", b"xmlns", b"xmlns:ds", b"URI", b"Type"))
    value = m.random.choice((b"signature", b"signed-properties", b"document", b"", b"urn:x"))
    return content[: end - 1] + b" " + name + b'="' + value + b'"' + content[end - 1 :]


def _wrap(m: Mutator, content: bytes, other: bytes) -> bytes:
    """The whole, or an element, inside another one or beside another whole."""
    start, end = m.found(ELEMENT, content)
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


def _edit_base64(m: Mutator, content: bytes, other: bytes) -> bytes:
    start, end = m.found(BASE64, content)
    if start == end:
        return content
    return content[:start] + _spoilt_base64(m, content[start:end], other) + content[end:]


def _spoilt_base64(m: Mutator, text: bytes, other: bytes) -> bytes:
    at = m.random.randrange(len(text))
    match m.random.randrange(8):
        case 0:
            return text[:at] + m.random.choice(SPACES) + text[at:]
        case 1:
            return text[:at] + m.random.choice(b"ABab01+/=-_").to_bytes(1, "big") + text[at + 1 :]
        case 2:
            return text.rstrip(b"=")
        case 3:
            return text + b"="
        case 4:
            a, b = m.found(BASE64, other)
            return other[a:b] or text
        case 5:
            loose = text.rstrip(b"=")
            return loose[:-1] + bytes((loose[-1] + 1,)) + text[len(loose) :]
        case _:
            raw = base64.b64decode(text.rstrip(b"=")[: len(text) // 4 * 4 - 4] or b"AAAA")
            return base64.b64encode(m.random.choice((*BYTES, *DER))(m, raw, raw[::-1]))


TEXTS: Sequence[Operation] = (*BYTES, *XML, _edit_base64, _edit_base64, _edit_base64)

"""The same XML in other bytes: what a verifier may take, and then must take as the same.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import re

from tests.fuzz.mutator import ATTRIBUTE, BASE64, SPACES, TAG, Mutator


def rewritten(m: Mutator, content: bytes) -> bytes:
    """The same XML in other bytes, mostly: white space, quotes, order, short forms, a declaration."""
    for _ in range(m.random.randint(1, 4)):
        content = m.random.choice(_REWRITINGS)(m, content)
    return content


def _space_in_base64(m: Mutator, content: bytes) -> bytes:
    start, end = m.found(BASE64, content)
    at = m.random.randint(start, end)
    return content[:at] + m.random.choice(SPACES) * m.random.randint(1, 3) + content[at:]


def _space_in_tag(m: Mutator, content: bytes) -> bytes:
    end = m.found(TAG, content)[1]
    before = end - 2 if content[end - 2 : end] == b"/>" else end - 1
    return content[:before] + m.random.choice(SPACES) + content[before:]


def _other_quotes(m: Mutator, content: bytes) -> bytes:
    start, end = m.found(ATTRIBUTE, content)
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
    return content + m.random.choice((*SPACES, b"\x0c", b"\x0b", b"\x85", b"\0"))


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

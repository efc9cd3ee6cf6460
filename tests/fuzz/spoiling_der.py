"""Spoil DER: a value's tag, length or content, a value taken out or doubled.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz.mutator import Mutator, Operation
from tests.fuzz.spoiling_bytes import BYTES


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
        return m.random.choice(BYTES)(m, content, b"")
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

"""The statements of revocation in a carry file: which go along, and what is made of those that came (W7.9).

What goes along is what this node's own verdicts about the signers in the file rest on, its own
certificates first, then in the order of the documents: small ones together, then large ones alone, as
far as there is room. What comes is proven one container at a time, before anything else of the file is
judged.

Touches: the node's statements, through their door.
Trusts:  nothing of what came; the door proves each statement by itself.
Raises:  WireError when the file cannot be read on; JournalError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.carry.containers import contained
from relay.delivery.carry.ports import CarriedStatements, StatementBox
from relay.delivery.carry.reading import CarryReader
from relay.delivery.carry.tally import Tally
from relay.errors import JournalError
from relay.model import Digest, digest_of
from relay.wire.carry import STATEMENTS_LIMIT, statements_name
from relay.wire.statements import (
    CONTENT_LIMIT_BYTES,
    LARGE_CONTENT_BYTES,
    LARGE_LIMIT_BYTES,
    LIMIT_BYTES,
    MOST_STATEMENTS,
    Stapled,
    read_statements,
    room_bytes,
    write_statements,
)

MOST_BYTES = 64 << 20
"""Of all statements in a file; there would be room for more where an authority has many large lists."""
MOST_FOUND = STATEMENTS_LIMIT * MOST_STATEMENTS
_PER_CONTAINER_BYTES = 400
"""What each adds beside its content: heads, names, its place in the manifest, its root."""
_TOGETHER_BYTES = LIMIT_BYTES // 2
Item = tuple[Digest, tuple[bytes, ...]]
"""A statement, and the chain that it is about."""


@dataclass(slots=True)
class Along:
    """The statements for one file, found as its signatures are chosen."""

    door: CarriedStatements
    _found: dict[Digest, tuple[bytes, ...]] = field(default_factory=dict)

    async def rests_on(self, signatures: Sequence[bytes]) -> None:
        """Each statement goes once, however many signers rest on it."""
        if signatures and len(self._found) < MOST_FOUND:
            for digest, chain in (await self.door.resting(signatures)).items():
                self._found.setdefault(digest, chain)

    async def boxes(self, room_bytes: int) -> tuple[StatementBox, ...]:
        """Containers of them, in at most so many bytes of the file."""
        packing = _Packing(min(room_bytes, MOST_BYTES))
        large: list[Item] = []
        for item in self._found.items():
            one = await self._content(item)
            if one is None or len(one.content) > LARGE_CONTENT_BYTES:
                continue  # it has to be fetched by whoever needs it
            if len(one.content) > CONTENT_LIMIT_BYTES:
                large.append(item)
            else:
                await packing.add(item, one)
        await packing.close()
        for item in large:
            one = await self._content(item)
            if one is not None:
                await packing.add(item, one)
                await packing.close()
        return tuple(packing.boxes)

    async def _content(self, item: Item) -> Stapled | None:
        """One at a time: a list is of some megabytes."""
        digest, chain = item
        content = (await self.door.contents([digest])).get(digest)
        return None if content is None else Stapled(chain, content)


@dataclass(slots=True)
class _Packing:
    """Boxes, and the one that is being filled."""

    room_bytes: int
    boxes: list[StatementBox] = field(default_factory=list)
    _items: list[Item] = field(default_factory=list)
    _held: list[Stapled] = field(default_factory=list)
    _held_bytes: int = 0

    async def add(self, item: Item, one: Stapled) -> None:
        """If there is room."""
        cost = room_bytes(one)
        if self._held and (
            self._held_bytes + cost > _TOGETHER_BYTES or len(self._held) == MOST_STATEMENTS
        ):
            await self.close()
        opening = 0 if self._held else _PER_CONTAINER_BYTES
        if cost + opening > self.room_bytes or len(self.boxes) == STATEMENTS_LIMIT:
            return
        self.room_bytes -= cost + opening
        self._items.append(item)
        self._held.append(one)
        self._held_bytes += cost

    async def close(self) -> None:
        if not self._held:
            return
        content = await _written(self._held)
        digest = await aside(len(content) > LONG_DOCUMENT_BYTES, digest_of, content)
        self.boxes.append(StatementBox(tuple(self._items), digest, len(content)))
        self._items, self._held, self._held_bytes = [], [], 0


async def content_of(box: StatementBox, door: CarriedStatements | None) -> bytes:
    """The same bytes each time."""
    digests = [digest for digest, _ in box.statements]
    found = {} if door is None else await door.contents(digests)
    if len(found) != len(digests):
        said = "newer statements of revocation took the place of some: write the file again"
        raise JournalError(said)
    return await _written([Stapled(chain, found[digest]) for digest, chain in box.statements])


async def _written(found: Sequence[Stapled]) -> bytes:
    long = sum(len(one.content) for one in found) > LONG_DOCUMENT_BYTES
    return await aside(long, write_statements, found)


async def take_in(reader: CarryReader, tally: Tally, door: CarriedStatements | None) -> None:
    """What proves nothing is left out and does not stand in the way of the rest. Where nothing is checked
    for revocation they are passed over."""
    for index, container in enumerate(tally.manifest.statements):
        name = statements_name(index)
        found = await contained(reader, name, container, tally, LARGE_LIMIT_BYTES, read_statements)
        if door is not None and found:
            tally.statements += await door.take(tally.neighbour, found)

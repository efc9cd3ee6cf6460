"""All that the directory says at one time, packed: agencies as the journal's texts of them, indexes as
sorted lines, stamps as arrays of numbers. A hundred thousand agencies take some thirty megabytes.

Touches: nothing. Trusts: whoever made the records; only texts that `stored_text` wrote come in.
Raises:  SettingsError while it is made, with every contradiction at once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

from relay.agencies import Agency, NodeEntry, Stamp, Standing
from relay.errors import SettingsError
from relay.model import AgencyCode, NodeId
from relay.routing.lines import Lines, lines_of
from relay.routing.stored import Essence, essence_of, stored_agency, stored_text
from relay.routing.tree import loops

GONE = "gone"
_STANDINGS = ("", *(one.value for one in Standing), GONE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Row(NamedTuple):
    """An agency as a book has it. `number` 0: without a stamp. A tuple, for a start makes a hundred
    thousand of them."""

    code: AgencyCode
    record: str
    """What stored_text wrote."""
    number: int = 0
    version: int = 0
    modified_ms: int = 0
    standing: str = ""
    """As of the day it was last looked at; GONE where it has left the view."""


@dataclass(frozen=True, slots=True)
class Book:
    nodes: Mapping[NodeId, NodeEntry]
    records: Lines
    """In the order of codes."""
    aliases: Lines
    """`form TAB code` of each form that is not the code of the agency it names."""
    heirs: Lines
    """`successor TAB code code …`: whom it follows."""
    served: Mapping[NodeId, str]
    """Of each node the codes of the living that it serves, with spaces between."""
    numbers: array[int]
    versions: array[int]
    modified: array[int]
    standings: bytes
    by_version: array[int]
    """Places of those with stamps, the longest unchanged first."""

    # ------------------------------------------------------------ one agency

    def look(self, form: str) -> tuple[Agency, int] | None:
        """The agency that a form names as it is listed, and its place. The living before a tombstone:
        a code may have become another form of an agency."""
        found = self._by_code(form)
        if found is not None and not found[0].deleted:
            return found
        other = _value(self.aliases, form)
        return found if other is None else self._by_code(other)

    def place(self, code: str) -> int | None:
        """Of the record that has this code as its own, which a form need not lead to."""
        position = self.records.find(code, _mark(code))
        return None if position < 0 else self.records.number(code, position)

    def _by_code(self, code: str) -> tuple[Agency, int] | None:
        position = self.records.find(code, _mark(code))
        if position < 0:
            return None
        return stored_agency(self.records.line(position)), self.records.number(code, position)

    def other_forms(self) -> Iterator[tuple[str, str]]:
        """Form and code of each alias."""
        for line in self.aliases.walk():
            form, _, code = line.decode().partition("\t")
            yield form, code

    def predecessors(self, form: str) -> list[str]:
        return (_value(self.heirs, form) or "").split()

    def stamp(self, place: int) -> Stamp | None:
        number = self.numbers[place]
        if not number:
            return None
        modified_at = _EPOCH + self.modified[place] * _MILLISECOND
        return Stamp(number, self.versions[place], modified_at)

    # ------------------------------------------------------------ many

    def after(self, code: str) -> Iterator[Agency]:
        """In the order of codes, those behind this one."""
        for line in self.records.walk(self.records.before(code)):
            agency = stored_agency(line.decode())
            if agency.code > code:
                yield agency

    def rows(self, since: int = 0) -> Iterator[Row]:
        """Every record, in the order of codes; with `since` those changed after that version, the longest
        ago first."""
        for place, line in self._places(since):
            yield self._row(place, line)

    def walk(self, since: int = 0) -> Iterator[tuple[Agency, Stamp | None]]:
        for place, line in self._places(since):
            yield stored_agency(line), self.stamp(place)

    def _places(self, since: int) -> Iterator[tuple[int, str]]:
        if since:
            return self.records.several(self._changed_after(since))
        return ((place, line.decode()) for place, line in enumerate(self.records.walk()))

    def _changed_after(self, version: int) -> Iterator[int]:
        key = self.versions.__getitem__
        first = bisect_right(self.by_version, version, key=key)
        return islice(self.by_version, first, None)

    def _row(self, place: int, record: str) -> Row:
        stamp = self.numbers[place], self.versions[place], self.modified[place]
        return Row(_code_of(record), record, *stamp, _STANDINGS[self.standings[place]])

    @property
    def version(self) -> int:
        """Of the newest change."""
        return self.versions[self.by_version[-1]] if self.by_version else 0


def bind(nodes: Iterable[NodeEntry], rows: Iterable[Row]) -> Book:
    """A book of these rows, which come in the order of their codes, of equal codes the living first."""
    tree = {entry.node_id: entry for entry in nodes}
    return _Binding(tree, list(_tree_problems(tree))).bind(rows)


@dataclass(slots=True)
class _Binding:
    nodes: dict[NodeId, NodeEntry]
    problems: list[str]
    aliases: list[tuple[str, bool, str]] = field(default_factory=list)
    """Form, whether it is a tombstone's, code."""
    heirs: list[tuple[str, bool, str]] = field(default_factory=list)
    """Successor, whether who names it is a tombstone, code."""
    served: dict[NodeId, list[str]] = field(default_factory=dict)
    numbers: array[int] = field(default_factory=lambda: array("I"))
    versions: array[int] = field(default_factory=lambda: array("I"))
    modified: array[int] = field(default_factory=lambda: array("Q"))
    standings: bytearray = field(default_factory=bytearray)

    def bind(self, rows: Iterable[Row]) -> Book:
        records = lines_of(self._taken(rows))
        aliases = lines_of(self._named(records))
        self.heirs.sort()
        if self.problems:
            raise SettingsError(self.problems)
        versions, numbers = self.versions, self.numbers
        changed = (place for place in range(records.count) if numbers[place])
        return Book(
            self.nodes,
            records,
            aliases,
            lines_of(_grouped(self.heirs)),
            {node: " ".join(codes) for node, codes in self.served.items()},
            numbers,
            versions,
            self.modified,
            bytes(self.standings),
            array("I", sorted(changed, key=versions.__getitem__)),
        )

    def _taken(self, rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
        last = None
        for row in rows:
            essence = essence_of(row.record)
            if row.code == last:
                if not essence.deleted:
                    self.problems.append(f"directory: code {row.code} names two agencies")
                continue
            last = row.code
            self._note(essence)
            self.numbers.append(row.number)
            self.versions.append(row.version)
            self.modified.append(row.modified_ms)
            self.standings.append(_STANDINGS.index(row.standing))
            yield row.code, row.record

    def _note(self, one: Essence) -> None:
        code = one.code
        if one.node not in self.nodes and not one.deleted:  # a tombstone's may have gone with it
            self.problems.append(f"directory: agency {code} is served by unknown node {one.node}")
        if one.opens is not None and one.closes is not None and one.opens >= one.closes:
            self.problems.append(
                f"directory: agency {code} closes on {one.closes}, but opens on {one.opens}"
            )
        if one.old_code is not None:
            self.aliases.append((one.old_code, one.deleted, code))
        if not one.deleted:
            self.served.setdefault(one.node, []).append(code)
        for heir in one.successors:
            if heir in (code, one.old_code):
                self.problems.append(f"directory: agency {code} is its own successor")
            self.heirs.append((heir, one.deleted, code))

    def _named(self, records: Lines) -> Iterator[tuple[str, str]]:
        """Each form once, of the living if one has it. A code of its own that lives is no other's form."""
        self.aliases.sort()
        last = None
        for form, deleted, code in self.aliases:
            position = records.find(form, _mark(form))
            own = position >= 0 and not essence_of(records.line(position)).deleted
            if form == last or own:
                if not deleted:
                    self.problems.append(f"directory: code {form} names two agencies")
                continue
            last = form
            yield form, f"{form}\t{code}"


def _tree_problems(nodes: Mapping[NodeId, NodeEntry]) -> Iterator[str]:
    for entry in nodes.values():
        if entry.parent is not None and entry.parent not in nodes:
            yield f"directory: node {entry.node_id} has unknown parent {entry.parent}"
        elif loops(nodes, entry.node_id):
            yield f"directory: node {entry.node_id} is its own ancestor"


def _grouped(pairs: Iterable[tuple[str, bool, str]]) -> Iterator[tuple[str, str]]:
    for key, group in groupby(pairs, itemgetter(0)):
        yield key, f"{key}\t{' '.join(code for _, _, code in group)}"


def _mark(code: str) -> bytes:
    """How the record of a code begins. A text that is no code finds nothing."""
    return f'["{code}",'.encode("utf-8", "replace")


def _value(lines: Lines, key: str) -> str | None:
    position = lines.find(key, f"{key}\t".encode("utf-8", "replace"))
    return None if position < 0 else lines.line(position)[len(key) + 1 :]


def row_of(line: bytes) -> Row:
    """Of a record by itself."""
    record = line.decode()
    return Row(_code_of(record), record)


def _code_of(record: str) -> AgencyCode:
    return AgencyCode(record[2 : record.index('"', 2)])


def rows_of(agencies: Iterable[Agency], stamps: Mapping[AgencyCode, Stamp]) -> Iterator[Row]:
    """In the order that `bind` asks for."""
    for one in sorted(agencies, key=lambda one: (one.code, one.deleted)):
        stamp = stamps.get(one.code)
        if stamp is None:
            yield Row(one.code, stored_text(one))
        else:
            modified_ms = (stamp.modified_at - _EPOCH) // _MILLISECOND
            yield Row(one.code, stored_text(one), stamp.number, stamp.version, modified_ms)

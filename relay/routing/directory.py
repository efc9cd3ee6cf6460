"""The directory: agencies with both forms of their codes, nodes with their place in the tree.

One object for the whole life of a node, asked by everyone and replaced from within (`become`, in one
assignment) when what it says changes: nobody has to be told, and nobody sees half of a change
(docs/adr/0018-one-directory-replaced-within.md).

Touches: nothing; built from values, then only asked.
Trusts:  whoever built it; the codes it is asked about are hostile.
Raises:  SettingsError while it is built, with every contradiction at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from relay.agencies import Agency, NodeEntry, Stamp, Standing
from relay.envelope.codes import Form, conversion_hint, normalise, parse
from relay.errors import EnvelopeError, SettingsError
from relay.model import AgencyCode, NodeId
from relay.routing.tree import loops

__all__ = ["Agency", "Directory", "NodeEntry"]


@dataclass(frozen=True, slots=True)
class _Book:
    """All that the directory says at one time."""

    nodes: Mapping[NodeId, NodeEntry]
    forms: dict[str, Agency] = field(default_factory=dict)
    listed: dict[AgencyCode, Agency] = field(default_factory=dict)
    served: dict[NodeId, set[AgencyCode]] = field(default_factory=dict)
    heirs: dict[str, list[AgencyCode]] = field(default_factory=dict)
    """Of a successor's code as written: the codes it follows."""
    stamps: Mapping[AgencyCode, Stamp] = field(default_factory=dict)
    codes: list[AgencyCode] = field(default_factory=list)
    versions: list[tuple[int, AgencyCode]] = field(default_factory=list)

    def close(self) -> None:
        """Once, when everything is in it."""
        self.codes.extend(sorted(self.listed))
        stamps = self.stamps
        self.versions.extend(
            sorted((stamps[code].version, code) for code in self.codes if code in stamps)
        )


class Directory:
    """Look up agencies by either form of their code, and the way between nodes."""

    def __init__(
        self,
        nodes: Iterable[NodeEntry],
        agencies: Iterable[Agency],
        stamps: Mapping[AgencyCode, Stamp] | None = None,
    ) -> None:
        self._book = book = _Book({entry.node_id: entry for entry in nodes}, stamps=stamps or {})
        problems = _tree_problems(book.nodes)
        for agency in sorted(agencies, key=lambda one: one.deleted):  # the living first
            problems += _add(book, agency)
        if problems:
            raise SettingsError(problems)
        book.close()

    def become(self, other: Directory) -> None:
        """From now on this one says what the other says. Whoever walks through it goes on in the old."""
        self._book = other._book

    # ------------------------------------------------------------ agencies

    def find(self, code: str) -> Agency | None:
        """The agency of a code in any form a document may write it, closed ones and tombstones too;
        None for garbage."""
        forms = self._book.forms
        agency = forms.get(code)
        if agency is not None:
            return agency  # written as it is listed, which it mostly is
        try:
            return forms.get(normalise(code))
        except EnvelopeError:
            return None

    def resolve(self, code: str) -> AgencyCode:
        """The directory's code for it; what is not listed keeps its own canonical text.

        Raises EnvelopeError for text that is no agency code.
        """
        text = normalise(code)
        agency = self._book.forms.get(text)
        return text if agency is None else agency.code

    def aliases(self, code: AgencyCode) -> frozenset[str]:
        """Every code that names the same agency."""
        agency = self._book.forms.get(code)
        return frozenset({code} if agency is None else agency.forms)

    def forms_of(self, codes: Iterable[str]) -> frozenset[AgencyCode]:
        """These agencies' codes in every form: other nodes may know them by the other one."""
        return frozenset(
            AgencyCode(form) for code in codes for form in self.aliases(self.resolve(code))
        )

    def served_by(self, node: NodeId) -> frozenset[AgencyCode]:
        return frozenset(self._book.served.get(node, ()))

    def nearest_above(self, code: str) -> Agency | None:
        """The first listed agency on the parent chain that the code itself spells."""
        forms = self._book.forms
        try:
            for above in _parents(code):
                agency = forms.get(above)
                if agency is not None:
                    return agency
        except EnvelopeError:
            pass
        return None

    def other_form(self, code: str) -> Agency | None:
        """For an unlisted code: a listed agency that arithmetic says it may mean. A hint, no route."""
        try:
            hint = conversion_hint(code)
        except EnvelopeError:
            return None
        return None if hint is None else self.find(hint)

    def predecessors(self, agency: Agency) -> tuple[AgencyCode, ...]:
        """Who names it as a successor."""
        heirs = self._book.heirs
        return tuple(dict.fromkeys(code for form in agency.forms for code in heirs.get(form, ())))

    def heir(self, agency: Agency, on: date) -> Agency | None:
        """Who stands for it on that day: itself while open; after its closing the one successor, before
        its opening the one predecessor, as far as that leads. None where there is a choice to make."""
        seen: set[AgencyCode] = set()
        at: Agency | None = agency
        while at is not None and at.code not in seen:
            standing = at.standing(on)
            if standing is Standing.OPEN:
                return at
            seen.add(at.code)
            closed = standing is Standing.CLOSED
            ways = at.successors if closed else self.predecessors(at)
            at = self.find(ways[0]) if len(ways) == 1 else None
        return None

    def servers_of(self, agency: Agency) -> frozenset[NodeId]:
        """The node that serves it, and those of whoever took over: who may speak of what came for it."""
        found: set[NodeId] = set()
        seen: set[AgencyCode] = set()
        coming = [agency]
        while coming:
            at = coming.pop()
            if at.code in seen:
                continue
            seen.add(at.code)
            found.add(at.node)
            if at.dated:
                ways = (*at.successors, *self.predecessors(at))
                coming += [next_one for code in ways if (next_one := self.find(code)) is not None]
        return frozenset(found)

    # ------------------------------------------------------------ all of it

    @property
    def version(self) -> int:
        """Of the newest change."""
        versions = self._book.versions
        return versions[-1][0] if versions else 0

    def __len__(self) -> int:
        return len(self._book.codes)

    def page(self, after: str, limit: int) -> list[Agency]:
        """Agencies in the order of their codes, tombstones too."""
        book = self._book
        start = bisect_right(book.codes, after)
        return [book.listed[code] for code in book.codes[start : start + limit]]

    def walk(self, since: int = 0) -> Iterator[tuple[Agency, Stamp | None]]:
        """Every agency as of now, whatever is replaced meanwhile; with `since` those changed after that
        version, the longest ago first."""
        book = self._book
        codes: Sequence[AgencyCode] = book.codes
        if since:
            start = bisect_right(book.versions, since, key=lambda pair: pair[0])
            codes = [code for _, code in book.versions[start:]]
        return ((book.listed[code], book.stamps.get(code)) for code in codes)

    def stamp(self, code: AgencyCode) -> Stamp | None:
        return self._book.stamps.get(code)

    # ------------------------------------------------------------ nodes

    @property
    def nodes(self) -> Mapping[NodeId, NodeEntry]:
        return self._book.nodes

    def knows_node(self, node: NodeId) -> bool:
        return node in self._book.nodes

    def entry(self, node: NodeId) -> NodeEntry | None:
        return self._book.nodes.get(node)

    def child_towards(self, here: NodeId, target: NodeId) -> NodeId | None:
        """The child of `here` in whose branch `target` lies; None when it lies in none."""
        nodes = self._book.nodes
        at: NodeId | None = target
        while at is not None and (entry := nodes.get(at)) is not None:
            if entry.parent == here:
                return at
            at = entry.parent
        return None

    def in_branch_of(self, here: NodeId, code: AgencyCode) -> bool:
        """Whether an unlisted code lies under an agency that `here` or a node below it serves."""
        forms = self._book.forms
        for above in _parents(code):
            agency = forms.get(above)
            if agency is not None and (
                agency.node == here or self.child_towards(here, agency.node) is not None
            ):
                return True
        return False


def _parents(code: str) -> Iterator[str]:
    """The codes above this one, the nearest first. Raises EnvelopeError for text that is no code."""
    own = parse(code)
    if own.form is Form.NEW:
        text: str = own.text
        while text := text.rpartition(".")[0]:
            yield text
        return
    at = own.parent
    while at is not None:
        yield at.text
        at = at.parent


def _add(book: _Book, agency: Agency) -> list[str]:
    problems = []
    if agency.node not in book.nodes:
        problems.append(f"directory: agency {agency.code} is served by unknown node {agency.node}")
    forms = book.forms
    for form in agency.forms:
        other = forms.setdefault(form, agency)
        if other is not agency and not agency.deleted:
            problems.append(f"directory: code {form} names two agencies")
    if forms[agency.code] is agency or agency.deleted:
        book.listed.setdefault(agency.code, agency)
        if not agency.deleted:
            book.served.setdefault(agency.node, set()).add(agency.code)
        for code in agency.successors:
            book.heirs.setdefault(code, []).append(agency.code)
    return problems + _date_problems(agency)


def _date_problems(agency: Agency) -> list[str]:
    problems = []
    opens, closes = agency.valid_from, agency.valid_to
    if opens is not None and closes is not None and opens >= closes:
        problems.append(f"directory: agency {agency.code} closes on {closes}, but opens on {opens}")
    if agency.successors and set(agency.successors) & set(agency.forms):
        problems.append(f"directory: agency {agency.code} is its own successor")
    return problems


def _tree_problems(nodes: Mapping[NodeId, NodeEntry]) -> list[str]:
    problems = []
    for entry in nodes.values():
        if entry.parent is not None and entry.parent not in nodes:
            problems.append(f"directory: node {entry.node_id} has unknown parent {entry.parent}")
        elif loops(nodes, entry.node_id):
            problems.append(f"directory: node {entry.node_id} is its own ancestor")
    return problems

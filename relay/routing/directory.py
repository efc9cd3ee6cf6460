"""The directory: agencies with both forms of their codes, nodes with their place in the tree.

One object for the whole life of a node, asked by everyone and replaced from within (`become`, in one
assignment) when what it says changes: nobody has to be told, and nobody sees half of a change
(docs/adr/0018-one-directory-replaced-within.md).

Touches: nothing; built from values, then only asked.
Trusts:  whoever built it; the codes it is asked about are hostile.
Raises:  SettingsError while it is built, with every contradiction at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from itertools import islice

from relay.agencies import Agency, NodeEntry, Stamp, Standing
from relay.envelope.codes import MAX_CHARACTERS, Form, conversion_hint, normalise, parse
from relay.errors import EnvelopeError
from relay.model import AgencyCode, NodeId
from relay.routing.book import Book, bind, rows_of
from relay.routing.tree import in_branch

__all__ = ["Agency", "Directory", "NodeEntry"]

REMEMBERED = 4096
"""Agencies that are kept unpacked: whoever is asked about all day long."""


class _Open:
    """A book, and what of it was asked for lately."""

    __slots__ = ("book", "look")

    def __init__(self, book: Book) -> None:
        self.book = book
        self.look: Callable[[str], tuple[Agency, int] | None] = lru_cache(REMEMBERED)(book.look)
        """Never asked about more than a code's length: what strangers write is remembered, too."""


class Directory:
    """Look up agencies by either form of their code, and the way between nodes."""

    def __init__(
        self,
        nodes: Iterable[NodeEntry],
        agencies: Iterable[Agency],
        stamps: Mapping[AgencyCode, Stamp] | None = None,
    ) -> None:
        self._open = _Open(bind(nodes, rows_of(agencies, stamps or {})))

    @classmethod
    def of(cls, book: Book) -> Directory:
        """What a book says that was bound before."""
        made = cls((), ())
        made.become(book)
        return made

    def become(self, book: Book) -> None:
        """From now on this one says what the book says. Whoever walks through it goes on in the old."""
        self._open = _Open(book)

    @property
    def book(self) -> Book:
        """As it is now; it never changes."""
        return self._open.book

    # ------------------------------------------------------------ agencies

    def find(self, code: str) -> Agency | None:
        """The agency of a code in any form a document may write it, closed ones and tombstones too;
        None for garbage (E1.5)."""
        agency = self._listed(code)
        if agency is not None:
            return agency  # written as it is listed, which it mostly is
        try:
            text = normalise(code)
        except EnvelopeError:
            return None
        return None if text == code else self._listed(text)

    def _listed(self, form: str) -> Agency | None:
        if len(form) > MAX_CHARACTERS:
            return None
        found = self._open.look(form)
        return None if found is None else found[0]

    def resolve(self, code: str) -> AgencyCode:
        """The directory's code for it; what is not listed keeps its own canonical text.

        Raises EnvelopeError for text that is no agency code.
        """
        text = normalise(code)
        agency = self._listed(text)
        return text if agency is None else agency.code

    def aliases(self, code: AgencyCode) -> frozenset[str]:
        """Every code that names the same agency."""
        agency = self._listed(code)
        return frozenset({code} if agency is None else agency.forms)

    def forms_of(self, codes: Iterable[str]) -> frozenset[AgencyCode]:
        """These agencies' codes in every form: other nodes may know them by the other one."""
        return frozenset(
            AgencyCode(form) for code in codes for form in self.aliases(self.resolve(code))
        )

    def served_by(self, node: NodeId) -> frozenset[AgencyCode]:
        """The living; of a node that serves very many this is no quick question."""
        return frozenset(map(AgencyCode, self.book.served.get(node, "").split()))

    def forms_served_within(self, top: NodeId) -> set[str]:
        """Every form that leads to a living agency in this branch; for whoever asks of very many."""
        book = self.book
        within = (codes for node, codes in book.served.items() if in_branch(book.nodes, top, node))
        found = {code for codes in within for code in codes.split()}
        return found.union(form for form, code in book.other_forms() if code in found)

    def nearest_above(self, code: str) -> Agency | None:
        """The first listed agency on the parent chain that the code itself spells."""
        try:
            for above in _parents(code):
                agency = self._listed(above)
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
        book = self.book
        found = (code for form in agency.forms for code in book.predecessors(form))
        return tuple(map(AgencyCode, dict.fromkeys(found)))

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
        return self.book.version

    def __len__(self) -> int:
        return self.book.records.count

    def page(self, after: str, limit: int) -> list[Agency]:
        """Agencies in the order of their codes, tombstones too."""
        return list(islice(self.book.after(after), limit))

    def walk(self, since: int = 0) -> Iterator[tuple[Agency, Stamp | None]]:
        """Every agency as of now, whatever is replaced meanwhile; with `since` those changed after that
        version, the longest ago first."""
        return self.book.walk(since)

    def stamp(self, code: AgencyCode) -> Stamp | None:
        """Of the record with this very code."""
        now = self._open
        found = now.look(code)
        if found is not None and found[0].code == code:
            return now.book.stamp(found[1])
        place = now.book.place(code)
        return None if place is None else now.book.stamp(place)

    # ------------------------------------------------------------ nodes

    @property
    def nodes(self) -> Mapping[NodeId, NodeEntry]:
        return self.book.nodes

    def knows_node(self, node: NodeId) -> bool:
        return node in self.book.nodes

    def entry(self, node: NodeId) -> NodeEntry | None:
        return self.book.nodes.get(node)

    def child_towards(self, here: NodeId, target: NodeId) -> NodeId | None:
        """The child of `here` in whose branch `target` lies; None when it lies in none."""
        nodes = self.book.nodes
        at: NodeId | None = target
        while at is not None and (entry := nodes.get(at)) is not None:
            if entry.parent == here:
                return at
            at = entry.parent
        return None

    def in_branch_of(self, here: NodeId, code: AgencyCode) -> bool:
        """Whether an unlisted code lies under an agency that `here` or a node below it serves."""
        for above in _parents(code):
            agency = self._listed(above)
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

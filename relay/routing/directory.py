"""The directory: agencies with both forms of their codes, nodes with their place in the tree.

Touches: nothing; built once from values, then only asked.
Trusts:  whoever built it; the codes it is asked about are hostile.
Raises:  SettingsError while it is built, with every contradiction at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from relay.envelope.codes import is_ancestor, normalise
from relay.errors import EnvelopeError, SettingsError
from relay.model import AgencyCode, NodeId, Tier


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency: `code` is its name inside the relay, `node` serves it."""

    code: AgencyCode
    name: str
    tier: Tier
    node: NodeId
    old_code: AgencyCode | None = None
    parent: AgencyCode | None = None


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A node and its place: `parent` None at the top."""

    node_id: NodeId
    tier: Tier
    parent: NodeId | None = None


class Directory:
    """Look up agencies by either form of their code, and the way between nodes."""

    def __init__(self, nodes: Iterable[NodeEntry], agencies: Iterable[Agency]) -> None:
        self._nodes = {entry.node_id: entry for entry in nodes}
        self._agencies: dict[str, Agency] = {}
        problems = self._tree_problems()
        for agency in agencies:
            problems += self._add(agency)
        if problems:
            raise SettingsError(problems)

    def find(self, code: str) -> Agency | None:
        """The agency of a code in any form a document may write it; None for garbage too."""
        try:
            return self._agencies.get(normalise(code))
        except EnvelopeError:
            return None

    def resolve(self, code: str) -> AgencyCode:
        """The directory's code for it; what is not listed keeps its own canonical text.

        Raises EnvelopeError for text that is no agency code.
        """
        text = normalise(code)
        agency = self._agencies.get(text)
        return text if agency is None else agency.code

    def aliases(self, code: AgencyCode) -> frozenset[str]:
        """Every code that names the same agency."""
        agency = self._agencies.get(code)
        if agency is None:
            return frozenset({code})
        return frozenset({agency.code} | ({agency.old_code} if agency.old_code else set()))

    def forms_of(self, codes: Iterable[str]) -> frozenset[AgencyCode]:
        """These agencies' codes in every form: other nodes may know them by the other one."""
        return frozenset(
            AgencyCode(form) for code in codes for form in self.aliases(self.resolve(code))
        )

    def served_by(self, node: NodeId) -> frozenset[AgencyCode]:
        return frozenset(a.code for a in self._agencies.values() if a.node == node)

    def knows_node(self, node: NodeId) -> bool:
        return node in self._nodes

    def entry(self, node: NodeId) -> NodeEntry | None:
        return self._nodes.get(node)

    def child_towards(self, here: NodeId, target: NodeId) -> NodeId | None:
        """The child of `here` in whose branch `target` lies; None when it lies in none."""
        at: NodeId | None = target
        while at is not None and (entry := self._nodes.get(at)) is not None:
            if entry.parent == here:
                return at
            at = entry.parent
        return None

    def in_branch_of(self, here: NodeId, code: AgencyCode) -> bool:
        """Whether an unlisted code lies under an agency that `here` or a node below it serves."""
        for agency in set(self._agencies.values()):
            own = agency.node == here or self.child_towards(here, agency.node) is not None
            known = {agency.code, *([agency.old_code] if agency.old_code else [])}
            if own and any(is_ancestor(form, code) for form in known):
                return True
        return False

    def _add(self, agency: Agency) -> list[str]:
        problems = []
        if agency.node not in self._nodes:
            problems.append(
                f"directory: agency {agency.code} is served by unknown node {agency.node}"
            )
        for form in (agency.code, agency.old_code):
            if form is None:
                continue
            other = self._agencies.setdefault(form, agency)
            if other is not agency:
                problems.append(f"directory: code {form} names two agencies")
        return problems

    def _tree_problems(self) -> list[str]:
        problems = []
        for entry in self._nodes.values():
            if entry.parent is not None and entry.parent not in self._nodes:
                problems.append(
                    f"directory: node {entry.node_id} has unknown parent {entry.parent}"
                )
            elif self._loops(entry.node_id):
                problems.append(f"directory: node {entry.node_id} is its own ancestor")
        return problems

    def _loops(self, node: NodeId) -> bool:
        seen = {node}
        at = self._nodes[node].parent
        while at is not None and at in self._nodes:
            if at in seen:
                return True
            seen.add(at)
            at = self._nodes[at].parent
        return False

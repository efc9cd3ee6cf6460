"""Whom a proven certificate may speak for, by the directory as it is now (certs/README.md, clause 3.4).

An issuing CA that names branches certifies nodes of these branches, and agencies that nodes of them serve;
whatever else it certified counts for nothing. An issuer that names none may certify anyone, unless the
settings say that it must name one.

Touches: nothing. Trusts: the directory; the path was proven before.
Raises:  SignatureError (wrong-branch).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from relay.errors import SignatureError
from relay.model import AgencyCode, Digest, NodeId
from relay.routing.directory import Directory
from relay.routing.tree import in_branch
from relay.signing.faults import Fault
from relay.signing.trust import Path

Bound = Callable[[Path], None]
"""Raises SignatureError where a node's certificate is by an issuer of another branch."""


@dataclass(frozen=True, slots=True)
class Binding:
    directory: Directory
    here: NodeId
    unlimited: bool = True
    """Whether an issuer that names no branch is believed about everyone."""

    def require_node(self, path: Path) -> None:
        """Raise unless every issuer of this node's certificate may certify it (W11.4)."""
        node = path.leaf.identity.node
        if node is None:
            raise SignatureError(Fault.WRONG_NODE, "the certificate names no node")
        self._require(path, f"node {node}", [node] if self.directory.knows_node(node) else [])

    def require_agency(self, path: Path, code: AgencyCode) -> None:
        """The same of an agency's: it lies where the node that serves it does."""
        agency = self.directory.find(code)
        self._require(
            path, f"agency {code}", [] if agency is None else self.directory.servers_of(agency)
        )

    def certificates_of(self, code: AgencyCode) -> frozenset[Digest]:
        """Those that the directory binds to the agency."""
        agency = self.directory.find(code)
        return frozenset() if agency is None else frozenset(agency.certificates)

    def _require(self, path: Path, whose: str, places: Iterable[NodeId]) -> None:
        if not path.branches and not self.unlimited:
            raise SignatureError(
                Fault.WRONG_BRANCH, f"no issuer of the certificate of {whose} names a branch"
            )
        known = tuple(places)
        for tops in path.branches:
            if not any(self._certifies(top, known) for top in tops):
                raise SignatureError(
                    Fault.WRONG_BRANCH,
                    f"its issuer certifies for {', '.join(sorted(tops))[:120]}; {whose} is not there",
                )

    def _certifies(self, top: NodeId, places: tuple[NodeId, ...]) -> bool:
        """What is listed nowhere lies above or beside this node, or it would be listed here; so must the
        branch that it is of."""
        nodes = self.directory.nodes
        if places:
            return any(in_branch(nodes, top, place) for place in places)
        return not in_branch(nodes, self.here, top)

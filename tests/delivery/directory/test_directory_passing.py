"""What a neighbour is told of directories, and what is kept back from one of an older version."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from relay.agencies import Agency, NodeEntry
from relay.delivery.directory.passing import DirectoryCourier
from relay.delivery.directory.ports import Held
from relay.delivery.neighbours.retry import RetryPolicy
from relay.model import AgencyCode, Digest, NodeId, Signed, Tier
from relay.routing.directory import Directory
from relay.wire.branch import Branch, write_branch

HERE, XA = NodeId("tinh"), NodeId("xa")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
NODES = (NodeEntry(HERE, Tier.PROVINCE), NodeEntry(XA, Tier.COMMUNE, HERE))


@dataclass
class Told:
    """A neighbour's side: what it holds and takes, what it was told."""

    certificates: bool = False
    documents: list[Signed] = field(default_factory=list)

    async def held(self, neighbour: NodeId) -> dict[NodeId, int]:
        return {}

    def takes_certificates(self, neighbour: NodeId) -> bool:
        return self.certificates

    async def tell(self, neighbour: NodeId, signed: Signed) -> None:
        self.documents.append(signed)


@dataclass
class Kept:
    """A keeper with one document of this node's own."""

    signed: Signed
    directory: Directory = field(default_factory=lambda: Directory(NODES, ()))

    def held(self) -> list[Held]:
        return [Held(HERE, 1, self.signed.digest, NOW + timedelta(days=30))]

    async def document(self, issuer: NodeId) -> Signed:
        return self.signed

    @property
    def keeper(self) -> Kept:
        """It stands for the ear, too."""
        return self


def _courier(wire: Told, *certificates: Digest) -> DirectoryCourier:
    agency = Agency(AgencyCode("H01"), "Tỉnh", Tier.PROVINCE, HERE, certificates=certificates)
    branch = Branch(HERE, 1, NOW, NOW + timedelta(days=30), (), (agency,))
    keeper: Any = Kept(Signed(write_branch(branch), b"<Signature/>"))
    second, day = timedelta(seconds=1), timedelta(days=1)
    policy = RetryPolicy(second, second, day, day, day)
    return DirectoryCourier(HERE, frozenset({XA}), keeper, wire, policy, lambda: 0.5)  # type: ignore[arg-type]


async def test_an_older_neighbour_is_told_what_it_can_read() -> None:
    """A document that binds nothing has the form it always had."""
    wire = Told()

    await _courier(wire)._bring(XA)

    assert len(wire.documents) == 1


async def test_what_binds_certificates_waits_for_the_neighbours_upgrade() -> None:
    """It would refuse the document whole; the same document goes once it says that it reads them."""
    wire = Told()
    courier = _courier(wire, Digest("0" * 64))
    await courier._bring(XA)
    assert wire.documents == []

    wire.certificates = True
    await courier._bring(XA)

    assert len(wire.documents) == 1

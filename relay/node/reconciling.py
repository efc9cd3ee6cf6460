"""Reconciliation, joined: what neighbours may ask of this node, and what operators and systems may.

Touches: nothing yet.
"""

from __future__ import annotations

from relay.delivery.reconciling.desk import ReconcilingDesk
from relay.delivery.reconciling.listing import ListingDesk
from relay.journal.exchanged import ExchangeTable
from relay.journal.kept import KeptTable
from relay.node.ground import Ground
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.reconciling_client import ListingClient
from relay.transport.nodes.recovering import RecoveryClient


def make_listing(ground: Ground) -> ListingDesk:
    exchanges = ExchangeTable(ground.journal, ground.node)
    return ListingDesk(exchanges, ground.settings.retention.rows, ground.clock)


def make_reconciler(ground: Ground, nodes: NodesClient) -> ReconcilingDesk:
    return ReconcilingDesk(
        ground.node,
        ground.neighbours,
        ExchangeTable(ground.journal, ground.node),
        KeptTable(ground.journal, ground.node),
        ListingClient(nodes, RecoveryClient(nodes, ground.journal, ground.limits)),
        ground.directory.resolve,
        ground.known,
        ground.settings.retention.rows,
        ground.clock,
    )

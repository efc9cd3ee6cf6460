"""What of a table cannot stand beside what is known: unknown nodes, codes of others, days the wrong way.

Touches: nothing. Trusts: the directory; nothing of the table. Raises: nothing; a sentence for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from relay.agencies import Agency
from relay.model import NodeId
from relay.routing.directory import Directory, NodeEntry
from relay.routing.listing import Listing
from relay.routing.tree import loops


def unsound(directory: Directory, listing: Listing, here: str) -> Iterator[str]:
    """What of a listing cannot stand beside what is known, each in a sentence."""
    nodes = {**directory.nodes, **{entry.node_id: entry for entry in listing.nodes}}
    yield from _node_problems(directory, listing.nodes, nodes, here)
    for agency in listing.agencies:
        if agency.node not in nodes:
            yield f"agency {agency.code}: no node {agency.node} is known"
        opens, closes = agency.valid_from, agency.valid_to
        if opens is not None and closes is not None and opens >= closes and not agency.deleted:
            yield f"agency {agency.code}: closes on {closes}, but opens on {opens}"
        if agency.successors and set(agency.successors) & set(agency.forms):
            yield f"agency {agency.code}: is its own successor"
        yield from _taken(directory.find, agency)


def _taken(find: Callable[[str], Agency | None], agency: Agency) -> Iterator[str]:
    """A code may change its agency only where the old code of one becomes the new code of the same."""
    for form in agency.forms:
        other = find(form)
        if other is None or other.code == agency.code or other.deleted:
            continue
        if not (form == agency.old_code == other.code):
            yield f"agency {agency.code}: code {form} is one of {other.code}"


def _node_problems(
    directory: Directory,
    entries: Iterable[NodeEntry],
    nodes: dict[NodeId, NodeEntry],
    here: str,
) -> Iterator[str]:
    for entry in entries:
        if entry.node_id == here and entry != directory.entry(entry.node_id):
            yield f"node {here}: this node's own place is its configuration's to say"
        elif entry.parent is None:
            yield f"node {entry.node_id}: the top of the tree is the configuration's to say"
        elif entry.parent not in nodes:
            yield f"node {entry.node_id}: no node {entry.parent} is known"
        elif loops(nodes, entry.node_id):
            yield f"node {entry.node_id}: would be its own ancestor"

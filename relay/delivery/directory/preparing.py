"""A change of the directory prepared: what a node would see, keep and say after it.

Pure work on values, a second or more for a hundred thousand agencies, so that it can be done in a
process of its own (node/directory_aside.py) and leaves nothing behind in the node but its result.

Touches: nothing. Trusts: what the journal has; nothing of a table, and of a neighbour's document only
         that its issuer signed it.
Raises:  DirectoryError, SignatureError (not the issuer's to say), WireError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from itertools import islice

from relay.agencies import Agency, NodeEntry
from relay.delivery.directory.sound import unsound
from relay.delivery.directory.viewing import Sight, Sources, see
from relay.errors import DirectoryError, SettingsError, SignatureError
from relay.model import AgencyCode, NodeId
from relay.routing.book import Book, Row, bind, row_of
from relay.routing.composing import Layer
from relay.routing.directory import Directory
from relay.routing.lines import Lines, lines_of
from relay.routing.listing import Listing, Table, read_table
from relay.routing.owning import objections
from relay.routing.stored import stored_agency, stored_text
from relay.wire.branch import Branch, BranchHead, read_branch, write_branch

MOST_PROBLEMS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Stored:
    """All that the journal has of it."""

    own: tuple[str, ...]
    """Records decided here, as stored_text writes them."""
    nodes: tuple[NodeEntry, ...]
    documents: tuple[bytes, ...]
    """What owners of branches signed, this node's own among them."""
    held: int
    """The version of this node's own document; 0 for none."""
    ledger: tuple[Row, ...]
    tree: tuple[NodeEntry, ...]
    """Of the view that is in force."""


@dataclass(frozen=True, slots=True)
class Seed:
    """What the configuration says, packed: a node keeps it as long as it runs."""

    nodes: tuple[NodeEntry, ...]
    records: bytes
    """A line for each agency, as stored_text writes it."""

    @classmethod
    def of(cls, layer: Layer) -> Seed:
        return cls(layer.nodes, "\n".join(map(stored_text, layer.agencies)).encode())

    def layer(self) -> Layer:
        lines = self.records.decode().split("\n") if self.records else []
        return Layer(None, self.nodes, tuple(map(stored_agency, lines)))

    @property
    def digest(self) -> str:
        hashed = blake2b(self.records, digest_size=16)
        for entry in self.nodes:
            hashed.update(f"\n{entry.node_id} {entry.tier} {entry.parent}".encode())
        return hashed.hexdigest()


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be seen anew, and what comes to what the journal has."""

    here: NodeId
    seed: Seed
    at: datetime
    on: date
    valid_for: timedelta
    agencies: tuple[Agency, ...] = ()
    nodes: tuple[NodeEntry, ...] = ()
    table: Table | None = None
    """More of both, from a stranger's file."""
    heard: bytes | None = None
    """What another owner signed, proven to be its."""
    regained: bytes | None = None
    """What this node signed itself, before it was restored."""
    least_version: int = 0
    """Of the document that this node must sign then; 0: only if its word changes."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A document to sign."""

    head: BranchHead
    content: bytes
    agencies: int


@dataclass(frozen=True, slots=True)
class Made:
    book: Book
    changed: int
    remarks: tuple[str, ...]
    own: Lines
    """Records to keep, by their codes."""
    nodes: tuple[NodeEntry, ...]
    issued: Issued | None
    heard: int
    """How many agencies the document heard speaks of."""

    def own_rows(self) -> Iterator[Row]:
        return map(row_of, self.own.walk())


def prepare(work: Work, stored: Stored) -> Made:
    before = _sources(work, stored)
    if work.heard is not None:
        branch = read_branch(work.heard)
        _require_owned(stored, branch)
        after = replace(before, branches={**before.branches, branch.issuer: branch})
        return _made(_seen(work, stored, after), Listing(()), heard=len(branch.agencies))
    new = _new(work, stored)
    after = replace(
        before,
        own={**before.own, **{agency.code: agency for agency in new.agencies}},
        nodes={**before.nodes, **{entry.node_id: entry for entry in new.nodes}},
    )
    sight = _seen(work, stored, after)
    issued = None
    if work.least_version or new.nodes or after.concern_branch(before, new.agencies):
        issued = _issue(work, after, max(work.least_version, stored.held + 1))
    return _made(sight, new, issued)


def _new(work: Work, stored: Stored) -> Listing:
    if work.regained is not None:
        branch = read_branch(work.regained)
        return Listing(branch.agencies, branch.nodes)
    if work.table is None:
        return Listing(work.agencies, work.nodes)
    listing = read_table(work.table)
    found = unsound(_present(stored), listing, work.here)
    if problems := list(islice(found, MOST_PROBLEMS)):
        raise DirectoryError(problems)
    return listing


def _require_owned(stored: Stored, branch: Branch) -> None:
    against = objections(_present(stored), Layer(branch.issuer, branch.nodes, branch.agencies))
    if against:
        raise SignatureError("not-owner", "; ".join(against)[:500])


def _present(stored: Stored) -> Directory:
    return Directory.of(bind(stored.tree, stored.ledger))


def _sources(work: Work, stored: Stored) -> Sources:
    branches = map(read_branch, stored.documents)
    own = map(stored_agency, stored.own)
    return Sources(
        work.here,
        work.seed.layer(),
        own={agency.code: agency for agency in own},
        nodes={entry.node_id: entry for entry in stored.nodes},
        branches={branch.issuer: branch for branch in branches},
    )


def _seen(work: Work, stored: Stored, sources: Sources) -> Sight:
    ledger: dict[AgencyCode, Row] = {row.code: row for row in stored.ledger}
    try:
        return see(sources, ledger, work.on, (work.at - _EPOCH) // _MILLISECOND)
    except SettingsError as error:
        raise DirectoryError(error.problems) from None


def _issue(work: Work, sources: Sources, version: int) -> Issued:
    _, ours = sources.split()
    head = BranchHead(work.here, version, work.at, work.at + work.valid_for)
    branch = Branch(*head.parts(), ours.nodes, ours.agencies)
    return Issued(head, write_branch(branch), len(ours.agencies))


def _made(sight: Sight, new: Listing, issued: Issued | None = None, heard: int = 0) -> Made:
    return Made(
        sight.book, sight.changed, sight.remarks, _kept(new.agencies), new.nodes, issued, heard
    )


def _kept(agencies: Iterable[Agency]) -> Lines:
    by_code = {agency.code: agency for agency in agencies}
    return lines_of((code, stored_text(by_code[code])) for code in sorted(by_code))

"""Keeps the directory of a running node: every change durable first, then in force everywhere at once.

A change is prepared beside the event loop (a hundred thousand agencies take a second), written in one
transaction with its audit entries and, where it is about this node's branch, with the document that
tells the others, and only then laid under the one `Directory` that everybody asks.

If the process dies before the commit nothing has changed; after it, the start shows the change.

Touches: the journal; tells who listens. Trusts: nothing of a neighbour's document until it is proven.
Raises:  SignatureError, WireError, ConflictError (an older version), DirectoryError, TransportError (a
         clock that is ahead); JournalError.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import ParamSpec, TypeVar

import structlog

from relay.agencies import VIETNAM, Agency, NodeEntry, day_of
from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.clock import Clock
from relay.delivery.directory.ports import (
    Changed,
    Decision,
    DirectoryJournal,
    DirectoryNotary,
    Held,
    Written,
)
from relay.delivery.directory.viewing import Ledger, Sight, Sources, ledger_of, see
from relay.errors import (
    AccessError,
    ConflictError,
    DirectoryError,
    KeyUnavailableError,
    PeerError,
    SettingsError,
    SignatureError,
    TransportError,
)
from relay.model import AgencyCode, NodeId, Signed
from relay.routing.behind import lies_behind
from relay.routing.composing import Layer
from relay.routing.directory import Directory
from relay.routing.owning import objections
from relay.wire.branch import Branch, head_of, read_branch

log = structlog.get_logger("relay.directory")
LOOK_AGAIN = timedelta(hours=1)
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Ready:
    """A change that only has to be written down."""

    sources: Sources
    sight: Sight
    issued: tuple[tuple[Branch, Signed], ...] = ()


@dataclass(slots=True)
class DirectoryKeeper:
    """One for a node; the only one that writes its directory."""

    directory: Directory
    journal: DirectoryJournal
    notary: DirectoryNotary
    clock: Clock
    sources: Sources
    tolerance: timedelta
    valid_for: timedelta
    grace: timedelta
    doubted: Callable[[], bool] = lambda: False
    """Whether neighbours contradict this node's clock: no date is judged by it, and none written."""
    listeners: list[Callable[[], None]] = field(default_factory=list)
    """Told after each change."""
    _ledger: Ledger = field(default_factory=dict)
    _held: dict[NodeId, Held] = field(default_factory=dict)
    _seen_on: date = date.min
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    # ------------------------------------------------------------ at the start, and as days pass

    async def start(self) -> None:
        """What the journal has, over the configuration as it is now. Before anything is served."""
        stored = await self.journal.load()
        branches = await asyncio.to_thread(_read_all, stored.documents, self.sources.here)
        self._held = {branch.issuer: _held(branch, signed) for branch, signed in branches}
        here = self.sources.here
        self.sources = replace(
            self.sources,
            own={agency.code: agency for agency in stored.own},
            nodes={entry.node_id: entry for entry in stored.nodes},
            branches={b.issuer: b for b, _ in branches if b.issuer != here},
        )
        self._ledger = await asyncio.to_thread(ledger_of, stored.ledger)
        known = {row.code: row.record for row in stored.ledger}
        await self._look("node", "start", known)

    async def run(self) -> None:
        """Until cancelled: codes open and close with the day, and this node's word is renewed."""
        while True:
            await asyncio.sleep(_until_next_look(self.clock.now()))
            if day_of(self.clock.now()) != self._seen_on:
                await self._look("node", "a new day", {})
            try:
                await self._renew()
            except KeyUnavailableError as error:
                log.error("directory-not-renewed", error=str(error))

    async def _look(self, by: str, why: str, known: dict[AgencyCode, str]) -> None:
        async with self._lock:
            now = self.clock.now()
            sight = await self._aside(self._see, self.sources, now, known)
            if sight.rows:
                await self.journal.write(Written(now, sight.version, by, why, ledger=sight.rows))
            self._come_into_force(_Ready(self.sources, sight), now)
        self._tell()

    async def _renew(self) -> None:
        """Well before neighbours would no longer take what this node says of its branch."""
        async with self._lock:
            held, now = self._held.get(self.sources.here), self.clock.now()
            if held is None or self.doubted() or held.expires_at - now > self.valid_for / 2:
                return
            issued = await self._aside(self._issue, self.sources, now, held.version + 1)
            version = self.directory.version
            await self.journal.write(Written(now, version, "node", "renewed", documents=(issued,)))
            self._note_document(*issued)
        self._tell()

    # ------------------------------------------------------------ changes made here

    async def change(
        self,
        by: str,
        why: str,
        agencies: Iterable[Agency] = (),
        nodes: Iterable[NodeEntry] = (),
        decision: Decision | None = None,
        *,
        dry_run: bool = False,
    ) -> Changed:
        """These records from now on stand here for their codes."""
        async with self._lock:
            now = self.clock.now()
            new, entries = tuple(agencies), tuple(nodes)
            ready = await self._aside(self._prepare, new, entries, now)
            sight = ready.sight
            done = Changed(sight.version, len(sight.rows), len(sight.directory), sight.remarks)
            if dry_run:
                return done
            await self.journal.write(
                Written(
                    now,
                    sight.version,
                    by,
                    why,
                    new,
                    entries,
                    ready.issued,
                    None,
                    sight.rows,
                    decision,
                )
            )
            self._come_into_force(ready, now)
        self._tell()
        return done

    def _prepare(
        self,
        new: tuple[Agency, ...],
        entries: tuple[NodeEntry, ...],
        now: datetime,
        least_version: int = 0,
    ) -> _Ready:
        before = self.sources
        after = replace(
            before,
            own={**before.own, **{agency.code: agency for agency in new}},
            nodes={**before.nodes, **{entry.node_id: entry for entry in entries}},
        )
        sight = self._see(after, now, {})
        if not (least_version or entries or after.concern_branch(before, new)):
            return _Ready(after, sight)
        held = self._held.get(before.here)
        version = max(least_version, 1 if held is None else held.version + 1)
        return _Ready(after, sight, (self._issue(after, now, version),))

    def _issue(self, sources: Sources, now: datetime, version: int) -> tuple[Branch, Signed]:
        _, ours = sources.split()
        here = sources.here
        branch = Branch(here, version, now, now + self.valid_for, ours.nodes, ours.agencies)
        return branch, self.notary.sign_branch(branch, now)

    # ------------------------------------------------------------ documents of other owners

    def held(self) -> list[Held]:
        return sorted(self._held.values(), key=lambda one: one.issuer)

    async def document(self, issuer: NodeId) -> Signed | None:
        return await self.journal.document(issuer)

    async def take(self, neighbour: NodeId, signed: Signed) -> None:
        """A neighbour hands in what an owner signed; returns once it is durable. A repeat is nothing."""
        try:
            branch = await aside(
                len(signed.document) > LONG_DOCUMENT_BYTES, self.notary.check_branch, signed
            )
            async with self._lock:
                if self._known(branch, signed):
                    return
                await self._take(neighbour, branch, signed)
        except PeerError as error:
            await self._refused(neighbour, signed, error)
            raise
        self._tell()

    def _known(self, branch: Branch, signed: Signed) -> bool:
        held = self._held.get(branch.issuer)
        if held is None or branch.version > held.version:
            return False
        if branch.version == held.version and signed.digest == held.digest:
            return True
        raise ConflictError(
            f"directory of {branch.issuer}: version {branch.version}, held here: {held.version}"
        )

    async def _take(self, neighbour: NodeId, branch: Branch, signed: Signed) -> None:
        now = self.clock.now()
        self._require_timely(branch, now)
        layer = Layer(branch.issuer, branch.nodes, branch.agencies)
        self._require_way(neighbour, branch)
        against = await asyncio.to_thread(objections, self.directory, layer)
        if against:
            raise SignatureError("not-owner", "; ".join(against)[:500])
        after = replace(self.sources, branches={**self.sources.branches, branch.issuer: branch})
        sight = await self._aside(self._see, after, now, {})
        await self.journal.write(
            Written(
                now,
                sight.version,
                f"node:{branch.issuer}",
                documents=((branch, signed),),
                heard_from=neighbour,
                ledger=sight.rows,
            )
        )
        self._come_into_force(_Ready(after, sight, ((branch, signed),)), now)

    def _require_timely(self, branch: Branch, now: datetime) -> None:
        if self.doubted():
            raise TransportError(f"directory of {branch.issuer}: this node doubts its clock")
        if branch.issued_at > now + self.tolerance:
            raise TransportError(f"directory of {branch.issuer}: issued in the future")
        if now > branch.expires_at + self.grace:
            raise SignatureError(
                "expired-directory",
                f"directory of {branch.issuer}: expired at {branch.expires_at.isoformat()}",
            )

    def _require_way(self, neighbour: NodeId, branch: Branch) -> None:
        here = self.sources.here
        if branch.issuer == here:
            raise AccessError("nobody tells this node what it said itself")
        if not lies_behind(self.directory, here, neighbour, branch.issuer):
            raise SignatureError(
                "wrong-node", f"a directory of {branch.issuer} does not come from {neighbour}"
            )

    async def _refused(self, neighbour: NodeId, signed: Signed, error: PeerError) -> None:
        reason = (
            error.reason
            if isinstance(error, SignatureError)
            else _WORDS.get(type(error), "bad-document")
        )
        log.warning("directory-refused", neighbour=neighbour, reason=reason, error=str(error)[:300])
        await self.journal.refused(neighbour, reason, signed.digest, self.clock.now())

    async def regain(self, neighbour: NodeId, signed: Signed) -> None:
        """A neighbour has a newer word of this very node, which was restored since: taken back as it was."""
        branch = await aside(
            len(signed.document) > LONG_DOCUMENT_BYTES, self.notary.check_branch, signed
        )
        held = self._held.get(branch.issuer)
        if branch.issuer != self.sources.here or (held and held.version >= branch.version):
            return
        async with self._lock:
            now = self.clock.now()
            ready = await self._aside(
                self._prepare, branch.agencies, branch.nodes, now, branch.version + 1
            )
            await self.journal.write(
                Written(
                    now,
                    ready.sight.version,
                    "node",
                    f"regained from {neighbour}",
                    branch.agencies,
                    branch.nodes,
                    ready.issued,
                    neighbour,
                    ready.sight.rows,
                )
            )
            self._come_into_force(ready, now)
        log.warning("directory-regained", neighbour=neighbour, version=branch.version)
        self._tell()

    # ------------------------------------------------------------ within

    async def _aside(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """In a thread, and without the collector: a walk through a million records that all stay would
        stop everything else for a second, and find nothing."""
        gc.disable()
        try:
            return await asyncio.to_thread(work, *args, **named)
        finally:
            gc.freeze()
            gc.enable()

    def _see(self, sources: Sources, now: datetime, known: dict[AgencyCode, str]) -> Sight:
        try:
            return see(sources, self._ledger, known, self.directory, day_of(now), now)
        except SettingsError as error:
            raise DirectoryError(error.problems) from None

    def _come_into_force(self, ready: _Ready, now: datetime) -> None:
        sight = ready.sight
        self.sources, self._ledger, self._seen_on = ready.sources, sight.ledger, day_of(now)
        for branch, signed in ready.issued:
            self._note_document(branch, signed)
        self.directory.become(sight.directory)
        for remark in sight.remarks:
            log.warning("directory", remark=remark)
        if sight.rows:
            log.info("directory-changed", version=sight.version, agencies=len(sight.rows))

    def _note_document(self, branch: Branch, signed: Signed) -> None:
        self._held[branch.issuer] = _held(branch, signed)

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()


_WORDS: dict[type, str] = {ConflictError: "rolled-back", AccessError: "not-ours-to-hear"}


def _held(branch: Branch, signed: Signed) -> Held:
    return Held(branch.issuer, branch.version, signed.digest, branch.expires_at)


def _read_all(documents: Iterable[Signed], here: NodeId) -> list[tuple[Branch, Signed]]:
    """Of this node's own only the head: the records it was made of are stored by themselves."""
    found = []
    for signed in documents:
        branch = head_of(signed.document)
        found.append((branch if branch.issuer == here else read_branch(signed.document), signed))
    return found


def _until_next_look(now: datetime) -> float:
    """Seconds to the next day in Vietnam, at most an hour."""
    local = now.astimezone(VIETNAM)
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=1, microsecond=0)
    return min((midnight - local).total_seconds(), LOOK_AGAIN.total_seconds())

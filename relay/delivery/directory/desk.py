"""Changes of the directory by people and systems: imported, asked for, approved, rejected.

A system may ask for its own agencies only: to register what lies under them, to delete what it speaks
for. Its question waits for an operator's yes, unless the configuration says that no yes is needed.

Touches: the keeper and the journal. Trusts: that the face let only an operator import and decide.
Raises:  DirectoryError, AccessError, NotFoundError, NotPossibleError, QuotaError, JournalError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from relay.agencies import Agency, day_of
from relay.delivery.clock import Clock
from relay.delivery.directory.keeping import DirectoryKeeper
from relay.delivery.directory.ports import (
    Changed,
    Decision,
    DirectoryJournal,
    Request,
    RequestKind,
    RequestState,
)
from relay.delivery.directory.sound import unsound
from relay.delivery.ports import Caller
from relay.errors import AccessError, DirectoryError, NotFoundError, PeerError
from relay.model import AgencyCode
from relay.routing.directory import Directory
from relay.routing.listing import Listing, Table
from relay.routing.next_hop import Place

MOST_PENDING = 1000


@dataclass(slots=True)
class DirectoryDesk:
    """delivery.directory.ports.Agencies."""

    keeper: DirectoryKeeper
    journal: DirectoryJournal
    clock: Clock
    accepts: bool
    """Whether what systems register needs no operator."""
    registered: dict[str, frozenset[AgencyCode]] = field(default_factory=dict)
    """Of each system what it registered and was approved: it speaks for that, too."""

    async def start(self) -> None:
        self.registered = await self.journal.registered()

    @property
    def directory(self) -> Directory:
        return self.keeper.directory

    # ------------------------------------------------------------ operators

    async def take_over(
        self, caller: Caller, table: Table, why: str, *, dry_run: bool = False
    ) -> Changed:
        """Each record stands for its code from now on; what the table does not name stays."""
        _require_operator(caller)
        return await self.keeper.change(caller.holder, why, table=table, dry_run=dry_run)

    def _require_sound(self, agency: Agency) -> None:
        found = unsound(self.directory, Listing((agency,)), self.keeper.here)
        if problems := list(found):
            raise DirectoryError(problems)

    async def pending(self, after: int, limit: int) -> Sequence[Request]:
        return await self.journal.pending(after, limit)

    async def decide(
        self, caller: Caller, request_id: int, state: RequestState, why: str
    ) -> Request:
        _require_operator(caller)
        request = await self.journal.request(request_id)
        if request is None:
            raise NotFoundError(f"no request {request_id}")
        if state is RequestState.REJECTED:
            await self.journal.reject(request_id, caller.holder, why, self.clock.now())
        else:
            await self._approve(request, caller.holder, why)
        return await self.journal.request(request_id) or request

    async def _approve(self, request: Request, by: str, why: str) -> None:
        self._require_sound(request.agency)
        decision = Decision(request.request_id, RequestState.APPROVED)
        before = self.registered.get(request.systemid, frozenset())
        if request.kind is RequestKind.REGISTER:
            self.registered[request.systemid] = before | {request.agency.code}
        try:
            await self.keeper.change(by, why, (request.agency,), decision=decision)
        except PeerError:
            self.registered[request.systemid] = before
            raise

    # ------------------------------------------------------------ systems

    async def ask(
        self, caller: Caller, systemid: str, kind: RequestKind, agency: Agency
    ) -> Request:
        """Durable; in force at once only where no operator is asked."""
        self._require_sound(agency)
        request = await self.journal.ask(systemid, kind, agency, self.clock.now(), MOST_PENDING)
        if self.accepts and request.state is RequestState.PENDING:
            await self._approve(request, f"system:{systemid}", "directory.registrations = accept")
            return replace(request, state=RequestState.APPROVED)
        return request

    def registration(
        self, caller: Caller, systemid: str, code: str, above: str, name: str, mail: str
    ) -> Agency:
        """The record that a system means, if it is one of its own: known as such, or under one.

        `above` is a parent's code, or a connection centre, which says nothing here.
        """
        directory, here = self.directory, self.keeper.here
        own = directory.resolve(code)
        known, parent = directory.find(own), directory.find(above)
        owner = parent or directory.nearest_above(own)
        if known is not None and own in caller.agencies:
            ends = None if known.deleted else known.valid_to
            return replace(
                known,
                name=name,
                mail=mail,
                centre=systemid,
                node=here,
                valid_to=ends,
                deleted=False,
            )
        if known is not None and not known.deleted:
            raise AccessError(f"{code} is an agency already, and not one of {systemid}")
        if owner is None or owner.code not in caller.agencies:
            raise AccessError(f"{code} lies under no agency of {systemid}")
        return Agency(own, name, owner.tier, here, parent=owner.code, mail=mail, centre=systemid)

    def deletion(self, caller: Caller, systemid: str, code: str) -> Agency:
        agency = self.directory.find(code)
        if agency is None:
            raise NotFoundError(f"no agency {code}")
        if agency.code not in caller.agencies:
            raise AccessError(f"{code} is not an agency of {systemid}")
        if agency.deleted:
            return agency
        return replace(agency, deleted=True, valid_to=agency.valid_to or day_of(self.clock.now()))


@dataclass(frozen=True, slots=True)
class DirectoryDoor:
    """What a face needs to show the directory as seen from this node, and to change it."""

    desk: DirectoryDesk
    place: Place


def _require_operator(caller: Caller) -> None:
    if not caller.operator:
        raise AccessError("only an operator may do that")

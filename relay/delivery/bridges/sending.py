"""Hand a frozen transfer to a remote that gives no evidence, and sign our own of what it said.

sendEdoc is not idempotent at foreign remotes, so "the remote may have it" is durable before each
attempt, and an attempt without an answer is looked for, for a while, before it is made again. So is what
a restore may have forgotten. What may be there twice has a finding and an entry that say so:

    dies before `asking` commits     nothing was sent
    after it, before the DocId is    in doubt: looked for in the sent list, then repeated by policy
      durable
    after the DocId is durable       settled from what is stored, without asking anybody

Touches: the remote, the journal, the notary.
Trusts:  nothing of the remote but that its JSON was its word.
Raises:  TransportError (the remote waits), UnansweredError (in doubt), PeerError (this package waits).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from relay.delivery.bridges.doubt import Found, Search, Sought
from relay.delivery.bridges.ports import (
    WHOLE,
    BridgeJournal,
    Outgoing,
    Package,
    Remote,
    RemoteRefusalError,
    Twice,
)
from relay.delivery.bridges.refusals import BAD_SYSTEM, OF_ONE_RECIPIENT, reason_of
from relay.delivery.clock import Clock
from relay.delivery.records import Notary
from relay.errors import PeerError, TransportError, UnansweredError
from relay.lines import Line
from relay.model import (
    AgencyCode,
    Digest,
    Event,
    Evidence,
    NodeId,
    Payload,
    Receipt,
    Signed,
    TransferHeader,
)
from relay.wire.remote_word import RemoteWord, write_word
from relay.wire.transfer import read_transfer

log = structlog.get_logger("relay.bridge")
SEND, SENT = "sendEdoc", "getSentEdocList"


@dataclass(frozen=True, slots=True)
class Sender:
    """The way out over one bridge; what delivery.records.Wire is to a neighbour."""

    bridge: NodeId
    node: NodeId
    remote: Remote
    journal: BridgeJournal
    notary: Notary
    search: Search
    clock: Clock
    told: Callable[[AgencyCode, str], str]
    """How the remote is told of a recipient, by its code and what the sender wrote."""
    repeats: bool
    """Whether a package that the sent list does not show is sent again."""
    settles: timedelta
    """How long after each attempt it is looked for before that."""

    async def carry(self, header: Signed, payload: Payload) -> Signed:
        """One attempt: our own evidence for each recipient."""
        transfer = read_transfer(header.document)
        outgoing = await self.journal.outgoing(transfer.transfer_id)
        whole = tuple(transfer.recipients)
        if not outgoing.packages.keys() - {WHOLE}:
            outcome = await self._hand_over(transfer, outgoing, payload, WHOLE, whole)
            if len(whole) == 1 or not self._of_one(outcome):
                return await self._sign(
                    transfer, [self._evidence(transfer, c, outcome) for c in whole]
                )
        return await self._sign(transfer, await self._one_by_one(transfer, outgoing, payload))

    async def _one_by_one(
        self, transfer: TransferHeader, outgoing: Outgoing, payload: Payload
    ) -> list[Evidence]:
        """A package for each recipient. Once the remote has one of them, the transfer is in doubt until
        all are answered: nobody may take it for untouched."""
        evidence: list[Evidence] = []
        for code in transfer.recipients:
            try:
                outcome = await self._hand_over(transfer, outgoing, payload, code, (code,))
            except (TransportError, PeerError) as error:
                if any(one.event is Event.RELAY_TO_NON_ERDS for one in evidence):
                    raise UnansweredError(
                        f"only some of its packages are answered: {error}"
                    ) from error
                raise
            evidence.append(self._evidence(transfer, code, outcome))
        return evidence

    async def ask(self, header: Signed, payload: Payload) -> Signed | None:
        """What became of it, without another attempt; None when the remote has nothing of it."""
        transfer = read_transfer(header.document)
        outgoing = await self.journal.outgoing(transfer.transfer_id)
        evidence = []
        for part, recipients in _parts(outgoing, transfer):
            known = await self._known(transfer, outgoing, payload, part, recipients)
            evidence += [self._evidence(transfer, c, known) for c in recipients if known]
        if not evidence:
            return None
        if len(evidence) < len(transfer.recipients):
            raise UnansweredError("the remote has only some of its packages")
        return await self._sign(transfer, evidence)

    # ------------------------------------------------------------ one package

    async def _hand_over(
        self,
        transfer: TransferHeader,
        outgoing: Outgoing,
        payload: Payload,
        part: str,
        recipients: Sequence[AgencyCode],
    ) -> RemoteWord | RemoteRefusalError:
        """What the remote says of it, now or earlier."""
        package = outgoing.packages.get(part)
        before = 0 if package is None else package.asked
        twice = self._perhaps_twice(outgoing, before)
        try:
            known = await self._known(transfer, outgoing, payload, part, recipients)
        except RemoteRefusalError as refusal:
            if refusal.passing or refusal.code == BAD_SYSTEM:
                raise
            known, twice = None, Twice.NOT_ASKED  # it does not offer its sent list
        if known is not None:
            return known
        if package is not None and before:
            self._may_repeat(package)
        return await self._attempt(transfer, outgoing, payload, part, recipients, before, twice)

    @staticmethod
    def _perhaps_twice(outgoing: Outgoing, before: int) -> Twice | None:
        if before:
            return Twice.NOT_LISTED
        return Twice.RESTORED if outgoing.unsure else None

    def _may_repeat(self, package: Package) -> None:
        """A remote may take a package long after we gave up waiting for its answer, and list it later still."""
        if not self.repeats:
            raise PeerError(
                f"{self.bridge} may have it, though its sent list does not show it; not repeated by policy"
            )
        due = package.asked_at + self.settles * package.asked
        if self.clock.now() < due:
            raise UnansweredError(
                f"no answer, and not in the sent list; looked for until {due:%H:%M:%S}Z, then sent again"
            )

    async def _attempt(
        self,
        transfer: TransferHeader,
        outgoing: Outgoing,
        payload: Payload,
        part: str,
        recipients: Sequence[AgencyCode],
        before: int,
        twice: Twice | None,
    ) -> RemoteWord | RemoteRefusalError:
        named, at = (transfer.transfer_id, part), self.clock.now()
        await self.journal.asking(self.bridge, *named, outgoing.message_row, at, twice)
        written = [self.told(code, outgoing.addressed.get(code, code)) for code in recipients]
        try:
            doc_id, answer = await self.remote.send(
                payload, outgoing.sender_as, transfer.message_type, written
            )
        except RemoteRefusalError as refusal:
            await self.journal.not_taken(*named)
            reason_of(refusal, outgoing.attempts + 1)
            return refusal
        except UnansweredError:
            raise
        except TransportError:
            await self.journal.not_taken(*named)
            raise
        facts = {"repeated": str(before)} if before else {}
        if twice in (Twice.RESTORED, Twice.NOT_ASKED):
            facts["unsure"] = twice.value
        await self.journal.has_it(*named, doc_id, facts, answer, self.clock.now())
        return RemoteWord(self.bridge, SEND, doc_id, answer.digest, facts)

    async def _known(
        self,
        transfer: TransferHeader,
        outgoing: Outgoing,
        payload: Payload,
        part: str,
        recipients: Sequence[AgencyCode],
    ) -> RemoteWord | None:
        package = outgoing.packages.get(part)
        if package is None or (package.doc_id is None and not package.asked):
            if not outgoing.unsure:
                return None
            package = Package(part, 0, outgoing.accepted_at, None, {}, None)
        if package.doc_id is not None:
            call = SENT if "found" in package.facts else SEND
            return RemoteWord(
                self.bridge, call, package.doc_id, package.answer, dict(package.facts)
            )
        sought = Sought(transfer, outgoing, package, tuple(recipients), payload)
        found = await self.search.look(sought)
        return None if found is None else await self._remember(transfer, part, found)

    async def _remember(self, transfer: TransferHeader, part: str, found: Found) -> RemoteWord:
        log.info(Line.FOUND_IN_SENT_LIST, bridge=self.bridge, transfer=transfer.transfer_id)
        facts = {"found": found.match}
        at = self.clock.now()
        await self.journal.has_it(transfer.transfer_id, part, found.doc_id, facts, found.answer, at)
        return RemoteWord(self.bridge, SENT, found.doc_id, found.answer.digest, facts)

    @staticmethod
    def _of_one(outcome: RemoteWord | RemoteRefusalError) -> bool:
        return isinstance(outcome, RemoteRefusalError) and outcome.code in OF_ONE_RECIPIENT

    # ------------------------------------------------------------ evidence

    def _evidence(
        self,
        transfer: TransferHeader,
        code: AgencyCode,
        outcome: RemoteWord | RemoteRefusalError,
    ) -> Evidence:
        previous: Digest = transfer.trace[-1].receipt
        if isinstance(outcome, RemoteWord):
            return Evidence(Event.RELAY_TO_NON_ERDS, code, previous, detail=write_word(outcome))
        word = RemoteWord(self.bridge, SEND, "", outcome.answer.digest, {"fail": outcome.code})
        reason = reason_of(outcome, 1 << 30)
        return Evidence(Event.RELAY_TO_NON_ERDS_FAILURE, code, previous, reason, write_word(word))

    async def _sign(self, transfer: TransferHeader, evidence: Sequence[Evidence]) -> Signed:
        at = self.clock.now()
        receipt = Receipt.about(
            transfer,
            issuer=self.node,
            at=at,
            transfer_id=transfer.transfer_id,
            evidence=tuple(evidence),
        )
        return await self.notary.issue_receipt(receipt, at, patient=True)


def _parts(
    outgoing: Outgoing, transfer: TransferHeader
) -> list[tuple[str, tuple[AgencyCode, ...]]]:
    alone = [code for code in transfer.recipients if code in outgoing.packages]
    if alone:
        return [(code, (code,)) for code in alone]
    return [(WHOLE, tuple(transfer.recipients))]

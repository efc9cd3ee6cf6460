"""What a remote says of the packages it has, from its sent list: our evidence of its word.

sendStatus and receiveStatus move a delivery forward only, by lifecycle.py's table; what moves nothing
is said again to nobody.

Touches: the remote, the journal, the notary.
Trusts:  nothing of the remote but that its JSON was its word.
Raises:  RemoteRefusalError, UnansweredError, TransportError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from relay import lifecycle
from relay.delivery.bridges.apart import Apart
from relay.delivery.bridges.ports import (
    Answer,
    BridgeJournal,
    Followed,
    Heard,
    Remote,
    RemoteRefusalError,
    SentListed,
)
from relay.delivery.clock import Clock
from relay.delivery.ports import Acknowledgement
from relay.delivery.records import Notary
from relay.errors import UnansweredError
from relay.lines import Line
from relay.model import Event, Evidence, MessageType, NodeId, Reason, Receipt
from relay.wire.remote_word import RemoteWord, write_word

log = structlog.get_logger("relay.bridge")
FOLLOWED_FOR = timedelta(days=60)
A_PAGE = 2000
"""Deliveries read from the journal at once."""
PAGES_A_LOOK = 5
"""Where more are followed than these, a look goes on where the one before ended."""
ASKED_SINGLY = 8
"""Packages asked for by their docId; for more, one look at the whole list costs less."""
_DONE, _FAIL = "done", "fail"
_Lists = dict[MessageType, tuple[dict[str, list[SentListed]], Answer]]


@dataclass(slots=True)
class Follower:
    bridge: NodeId
    node: NodeId
    remote: Remote
    journal: BridgeJournal
    notary: Notary
    clock: Clock
    forms: Callable[[str], frozenset[str]]
    receipts_wait: Callable[[Iterable[NodeId]], None]
    not_shown: Apart
    _behind: Followed | None = None
    """Where the next look goes on; None: with the newest."""

    async def look(self) -> int:
        """One look at what is followed, the newest first, or at what the one before had no time for; how much
        was heard that is new."""
        since = self.clock.now() - FOLLOWED_FOR
        lists: _Lists = {}
        heard = 0
        for _ in range(PAGES_A_LOOK):
            page = await self.journal.followed(self.bridge, since, self._behind, A_PAGE)
            for kind in MessageType:
                of_kind = [one for one in page if one.message_type is kind]
                if of_kind:
                    heard += await self._look(kind, of_kind, lists)
            self._behind = page[-1] if len(page) == A_PAGE else None
            if self._behind is None:
                break
        return heard

    async def _look(self, kind: MessageType, followed: Sequence[Followed], lists: _Lists) -> int:
        by_doc: dict[str, list[Followed]] = {}
        for one in followed:
            by_doc.setdefault(one.doc_id, []).append(one)
        if kind in lists or len(by_doc) > ASKED_SINGLY:
            listed, answer = lists[kind] = lists.get(kind) or await self._whole_list(kind)
            rows = [row for doc_id in by_doc for row in listed.get(doc_id, ())]
            return await self._compare(by_doc, rows, answer)
        heard = 0
        for doc_id in by_doc:
            if not self.not_shown.waits(doc_id):
                heard += await self._look_singly(kind, doc_id, by_doc)
        return heard

    async def _whole_list(self, kind: MessageType) -> tuple[dict[str, list[SentListed]], Answer]:
        rows, answer = await self.remote.sent(kind, None)
        listed: dict[str, list[SentListed]] = {}
        for row in rows:
            listed.setdefault(row.doc_id, []).append(row)
        return listed, answer

    async def _look_singly(
        self, kind: MessageType, doc_id: str, by_doc: Mapping[str, Sequence[Followed]]
    ) -> int:
        try:
            rows, answer = await self.remote.sent(kind, doc_id)
        except (RemoteRefusalError, UnansweredError) as error:
            if not self.not_shown.failed(doc_id):
                raise
            log.warning(Line.PACKAGE_NOT_SHOWN, bridge=self.bridge, error=str(error))
            return 0
        self.not_shown.answered(doc_id)
        return await self._compare(by_doc, rows, answer)

    async def _compare(
        self,
        by_doc: Mapping[str, Sequence[Followed]],
        rows: Iterable[SentListed],
        answer: Answer,
    ) -> int:
        heard = 0
        for row in rows:
            for one in by_doc.get(row.doc_id, ()):
                if one.recipient in self.forms(row.recipient):
                    heard += await self._hear(one, row, answer)
        return heard

    async def _hear(self, one: Followed, row: SentListed, answer: Answer) -> bool:
        event = news(one, row)
        if event is None:
            return False
        at = self.clock.now()
        receipt = Receipt.about(
            one,
            issuer=self.node,
            at=at,
            transfer_id=one.transfer_id,
            evidence=(self._evidence(one, event, row, answer),),
        )
        signed = await self.notary.issue_receipt(receipt, at, patient=True)
        heard = Heard(one, event, signed, receipt, answer)
        self.receipts_wait(await self.journal.hear(heard, at))
        return True

    def _evidence(self, one: Followed, event: Event, row: SentListed, answer: Answer) -> Evidence:
        facts = {"sent": row.sending, "received": row.receiving}
        word = RemoteWord(self.bridge, "getSentEdocList", one.doc_id, answer.digest, facts)
        failed = event.value.endswith("Failure")
        reason = _REASONS.get(event) if failed else None
        return Evidence(event, one.recipient, one.previous, reason, write_word(word))


_REASONS = {
    Event.RELAY_TO_NON_ERDS_FAILURE: Reason.UNREACHABLE,
    Event.CONTENT_HANDOVER_FAILURE: Reason.REJECTED_BY_RECIPIENT,
}


def news(one: Followed, row: SentListed) -> Event | None:
    """The event that this row says happened and that moves the delivery; None for nothing new."""
    sending, receiving = row.sending.casefold(), row.receiving.casefold()
    if receiving == _DONE:
        return _moving(one, Event.CONTENT_HANDOVER)
    if sending == _FAIL:
        return _moving(one, Event.RELAY_TO_NON_ERDS_FAILURE)
    if receiving == _FAIL:
        known = one.acknowledgement is Acknowledgement.FAIL
        return None if known else Event.CONTENT_HANDOVER_FAILURE
    if sending == _DONE or receiving == "processing":
        return _moving(one, Event.CONTENT_CONSIGNMENT)
    return None


def _moving(one: Followed, event: Event) -> Event | None:
    return event if lifecycle.settle(one.state, event) is not one.state else None

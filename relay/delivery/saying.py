"""A status in the node's own words: made here, in an agency's name, and marked as the relay's.

Document systems know statuses and no receipts, so where a node is set to do so it says by one what it
knows: refusals.py (02), arrived.py (01), bridges/answering.py (15). The description begins with words
that say that no one at the agency wrote it. It goes through the intake like any other message; its
idempotency key keeps it single if the process dies before the note that it was said.

Touches: the intake, the payload store. Trusts: the journal's own words.
Raises:  OverloadError while nothing is taken in; JournalError.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from relay.delivery.clock import Clock
from relay.delivery.ports import Caller, Intake, PayloadStore, Submission
from relay.envelope.documents import Staff, StatusMessage
from relay.envelope.reader import read
from relay.envelope.writer import write_status
from relay.errors import ConflictError, PeerError
from relay.lines import Line
from relay.model import AgencyCode, NodeId, Party, ResponseFor

LOOK_SECONDS = 5.0
AT_ONCE = 50
MARK = "[Trục liên thông tự động thông báo, không phải của đơn vị nhận]"
"""W10.1: known by it at other nodes, too."""
log = structlog.get_logger("relay.saying")


@dataclass(frozen=True, slots=True)
class Saying:
    """One status: about whose document, in whose name, and why it is said once."""

    agency: AgencyCode
    about: ResponseFor
    code: str
    vietnamese: str
    english: str
    key: str

    @property
    def words(self) -> str:
        return f"{MARK} {self.vietnamese} / the relay says: {self.english}"


@dataclass(frozen=True, slots=True)
class Speaker:
    node: NodeId
    intake: Intake
    store: PayloadStore
    clock: Clock

    async def say(self, saying: Saying) -> None:
        """Once. What the intake refuses for good is told to the operator and not tried again."""
        caller = Caller(f"node:{self.node}", frozenset({saying.agency}))
        try:
            content = write_status(self._status(saying))
            upload = self.store.begin(len(content))
            upload.write(content)
            payload = await upload.finish()
            await self.intake.submit(
                Submission(caller, read(content), payload, idempotency_key=saying.key)
            )
        except ConflictError:
            return  # said before; only the note of it was lost
        except PeerError as error:
            log.warning(Line.STATUS_NOT_SAID, status=saying.code, key=saying.key, error=str(error))

    def _status(self, saying: Saying) -> StatusMessage:
        return StatusMessage(
            sender=Party(saying.agency, f"Trục Relay, node {self.node}"),
            response_for=saying.about,
            status_code=saying.code,
            description=saying.words,
            at=self.clock.now(),
            staff=Staff(department="Trục Relay", staff=f"node {self.node} (tự động)"),
        )

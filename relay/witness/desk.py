"""The witness: judge what is handed in of a log, and cosign what follows all that was cosigned of it.

    1  the request's shape, and the checkpoint's                    400
    2  whose log it is; one that nobody here knows                  404
    3  a signature by that log's own key, believed now              403
    4  the verdict, in the journal's transaction (judging.py)       as the table there says
    5  durable: now, and only now, the cosignature is made          200

If the process dies before 4 is committed, nothing was cosigned. After it the head is held, though nobody
may have its cosignature: the log asks again, is told the size (409), and gets one for that head or a later
one. So no cosignature exists of a head that a restart could forget.

Touches: the witness book, the keys of neighbours' logs. Trusts: those keys. Raises: JournalError.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from relay.audit.add_checkpoint import SIZE_TYPE, AddCheckpoint, read_request, write_size
from relay.audit.checkpoint import (
    Checkpoint,
    head_of,
    read_signature,
    signed_alone,
    split_note,
    verify_note,
)
from relay.audit.cosignature import cosign
from relay.delivery.clock import Clock
from relay.errors import (
    AuditError,
    OverloadError,
    PeerError,
    SignatureError,
    TransportError,
    UncertainError,
)
from relay.lines import Line
from relay.model import NodeId
from relay.witness.judging import ALARMS, Opening, Verdict, Word, node_of
from relay.witness.ports import LogKeyOf, LogKeys, OwnKey, Presented, WitnessAnswer, WitnessBook

AT_ONCE = 8
"""Requests being judged at the same time; each holds a note and waits for one commit."""
ANEW_SECONDS = 60.0
"""How often at most a neighbour is asked for its key because a signature does not hold."""
TEXT_LIMIT_BYTES = 4096
"""Of what a checkpoint says, extension lines among it: a thousand of each log are kept."""
STOPPED_TYPE = "text/x.truc-relay.log-stopped"
"""Of the answer 403 that means an alarm, not a signature."""
log = structlog.get_logger("relay.witness")


@dataclass(slots=True)
class WitnessDesk:
    """Whose logs: the neighbours', and those that the settings name."""

    book: WitnessBook
    keys: LogKeys
    own: OwnKey
    clock: Clock
    neighbours: frozenset[NodeId]
    others: Mapping[str, LogKeyOf] = field(default_factory=dict)
    """By origin."""
    _judging: int = 0
    _asked_anew: dict[NodeId, float] = field(default_factory=dict)

    async def add_checkpoint(
        self, body: bytes, by: str, opening: Opening | None = None, *, strangers: bool = False
    ) -> WitnessAnswer:
        """The answer to a request by `by`; to `strangers` only neighbours' logs are unknown ones."""
        if self._judging >= AT_ONCE:
            raise OverloadError(f"{self._judging} checkpoints are being judged, limit {AT_ONCE}", 1)
        self._judging += 1
        try:
            return await self._answer(body, by, opening, strangers=strangers)
        finally:
            self._judging -= 1

    async def _answer(
        self, body: bytes, by: str, opening: Opening | None, *, strangers: bool
    ) -> WitnessAnswer:
        try:
            asked = read_request(body)
            said = _said(asked.note)
        except AuditError as error:
            return _refusal(Verdict(Word.MALFORMED, why=str(error)))
        node = node_of(said.origin)
        if said.origin in self.others:
            whose, keys = said.origin, [self.others[said.origin]]
        elif node in self.neighbours and node is not None and not strangers:
            whose, keys = node, []
        else:
            return _refusal(Verdict(Word.UNKNOWN, why="no log of this name is known here"))
        try:
            head, note = await self._proven(asked, said, node, keys)
        except (AuditError, SignatureError) as error:
            if isinstance(error, UncertainError):
                raise OverloadError(
                    f"the log's certificate cannot be judged now: {error}"[:200], 30
                ) from None
            return _refusal(Verdict(Word.UNSIGNED, why=str(error)))
        except (TransportError, PeerError) as error:
            raise OverloadError(f"the log's key cannot be had now: {error}"[:200], 30) from error
        return await self._judged(Presented(replace(asked, note=note), head, whose, by, opening))

    async def _proven(
        self,
        asked: AddCheckpoint,
        said: Checkpoint,
        node: NodeId | None,
        configured: list[LogKeyOf],
    ) -> tuple[Checkpoint, bytes]:
        """The checkpoint, signed by a key that is believed, and the note with that signature alone: whoever
        hands it in may not say how much is kept of it. A signature that does not hold may be by a key
        that is newer than the one known here."""
        if configured or node is None:
            return await _signed(asked.note, said.origin, configured[0])
        key = await self.keys.of_node(node)
        try:
            return await _signed(asked.note, said.origin, key)
        except AuditError:
            if not self._may_ask(node):
                raise
        renewed = await self.keys.of_node(node, anew=True)
        return await _signed(asked.note, said.origin, renewed)

    def _may_ask(self, node: NodeId) -> bool:
        now = self.clock.monotonic()
        if now - self._asked_anew.get(node, -ANEW_SECONDS) < ANEW_SECONDS:
            return False
        self._asked_anew[node] = now
        return True

    async def _judged(self, presented: Presented) -> WitnessAnswer:
        verdict = await self.book.decide(presented, self.clock.now())
        _say(presented, verdict)
        if verdict.word is not Word.COSIGNED:
            return _refusal(verdict)
        own = self.own
        line = cosign(presented.asked.note, own.name, own.public_key, own.sign, self.clock.now())
        return WitnessAnswer(200, line, "text/plain")


def _said(note: bytes) -> Checkpoint:
    """What the note says, once all of it has the form of one. Raises AuditError."""
    body, lines = split_note(note)
    if len(body) > TEXT_LIMIT_BYTES:
        raise AuditError(f"text of {len(body)} bytes, limit {TEXT_LIMIT_BYTES}")
    for line in lines:
        read_signature(line)
    return head_of(note)


async def _signed(note: bytes, origin: str, key: LogKeyOf) -> tuple[Checkpoint, bytes]:
    def proven() -> tuple[Checkpoint, bytes]:
        head = verify_note(note, origin, key.public_key, key.verify)
        return head, signed_alone(note, origin, key.public_key)

    return await asyncio.to_thread(proven)


def _refusal(verdict: Verdict) -> WitnessAnswer:
    if verdict.status == 409:
        return WitnessAnswer(409, write_size(verdict.size), SIZE_TYPE)
    kind = STOPPED_TYPE if verdict.word in {Word.STOPPED, Word.TWIN} else "text/plain"
    return WitnessAnswer(verdict.status, f"{verdict.word}: {verdict.why}\n".encode(), kind)


def _say(presented: Presented, verdict: Verdict) -> None:
    told = {"log": presented.head.origin, "size": presented.head.size, "by": presented.by}
    if verdict.word in ALARMS:
        log.critical(
            Line.LOG_FORKED,
            **told,
            why=verdict.why,
        )
    elif verdict.word is Word.ROLLED_BACK:
        log.critical(Line.LOG_ROLLED_BACK, **told, why=verdict.why)
    elif verdict.epoch:
        log.log(
            logging.CRITICAL if verdict.lost else logging.WARNING,
            Line.LOG_BEGAN_ANEW,
            **told,
            rolled_back=verdict.lost,
        )
    elif verdict.word in {Word.UNPROVEN, Word.STOPPED}:
        log.warning(Line.CHECKPOINT_NOT_COSIGNED, **told, verdict=verdict.word, why=verdict.why)

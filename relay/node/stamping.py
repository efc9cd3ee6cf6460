"""Timestamps: the settings' authorities, and the desk that asks them.

Touches: their CA files, once.
Raises:  SettingsError.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from relay.delivery.evidence.ports import Gather, Gathered
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.ports import Kept, MessageView, StatementKind
from relay.delivery.stamping.ports import Authority, Token, Wanted
from relay.delivery.stamping.stamping import StampDesk
from relay.errors import SignatureError
from relay.journal.stamping import StampTable
from relay.node.ground import Ground
from relay.node.revocation import make_beside
from relay.settings.timestamps import AuthoritySection
from relay.signing.faults import Fault
from relay.signing.stamped import stamped_bytes
from relay.signing.timestamps import TimestampTrust, ask
from relay.signing.tls import face_client_context
from relay.transport.timestamping import AuthorityClient


@dataclass(frozen=True, slots=True)
class PinnedAuthority:
    """stamping.AskAuthority: what does not prove itself under the role's anchors is no token."""

    name: str
    client: AuthorityClient
    trust: TimestampTrust
    policy: str | None

    async def __call__(self, content: bytes) -> Token:
        request = ask(content)
        answer = await self.client.post(request.content)
        token, proven = await asyncio.to_thread(self.trust.answered, answer, request)
        if self.policy not in (None, proven.policy):
            said = f"stamped under policy {proven.policy[:60]}, asked for {self.policy}"
            raise SignatureError(Fault.WRONG_POLICY, said)
        return Token(self.name, token, proven.gen_time)


def make_stamp_table(ground: Ground) -> StampTable:
    on_request = bool(ground.settings.timestamps.authorities)
    return StampTable(ground.journal, ground.node, stamped_bytes, on_request)


def make_gather(ground: Ground) -> Gather:
    """What goes into an evidence file beside what was signed."""
    table, desk = make_stamp_table(ground), make_beside(ground)

    async def gather(view: MessageView, at: datetime) -> Gathered:
        tokens = await table.of_message(view.origin, view.message_id, at)
        beside = await desk.beside(view.message_id)
        said = {kind: _of(kind, beside.statements) for kind in StatementKind}
        crls, ocsps = said[StatementKind.CRL], said[StatementKind.OCSP]
        return Gathered(tokens, beside.certificates, crls, ocsps)

    return gather


def make_stamp_desk(ground: Ground) -> StampDesk:
    section = ground.settings.timestamps
    trust = TimestampTrust(ground.notary.trust)
    return StampDesk(
        make_stamp_table(ground),
        [Authority(one.name, _pinned(one, trust)) for one in section.authorities],
        Wanted(section.heads_every, section.seals_an_hour, section.seals_within, section.at_once),
        ground.clock,
        random.SystemRandom().random,
        section.look_every,
        RetryPolicy(section.retry_first, section.retry_cap),
    )


def _of(kind: StatementKind, statements: Iterable[Kept]) -> tuple[bytes, ...]:
    return tuple(one.content for one in statements if one.kind is kind)


def _pinned(section: AuthoritySection, trust: TimestampTrust) -> PinnedAuthority:
    tls = None if section.ca is None else face_client_context(section.ca)
    client = AuthorityClient(section.url, section.answer_within, tls)
    return PinnedAuthority(section.name, client, trust, section.policy)

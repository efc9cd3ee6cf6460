"""Timestamps: the settings' authorities, each with its own anchors, and the desk that asks them.

Touches: the anchors' files, once.
Raises:  SettingsError.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from relay.delivery.stamping.ports import Authority, Token, Wanted
from relay.delivery.stamping.stamping import StampDesk
from relay.journal.stamping import StampTable
from relay.node.ground import Ground
from relay.settings.timestamps import AuthoritySection
from relay.signing.stamped import stamped_bytes
from relay.signing.timestamps import TimestampTrust, ask
from relay.signing.tls import face_client_context
from relay.transport.timestamping import AuthorityClient


@dataclass(frozen=True, slots=True)
class PinnedAuthority:
    """stamping.AskAuthority: what does not prove itself under its own anchors is no token."""

    name: str
    client: AuthorityClient
    trust: TimestampTrust

    async def __call__(self, content: bytes) -> Token:
        request = ask(content)
        answer = await self.client.post(request.content)
        token, proven = await asyncio.to_thread(self.trust.answered, answer, request)
        return Token(self.name, token, proven.gen_time)


def make_stamp_table(ground: Ground) -> StampTable:
    on_request = bool(ground.settings.timestamps.authorities)
    return StampTable(ground.journal, ground.node, stamped_bytes, on_request)


def make_stamp_desk(ground: Ground) -> StampDesk:
    section = ground.settings.timestamps
    return StampDesk(
        make_stamp_table(ground),
        [Authority(one.name, _pinned(one)) for one in section.authorities],
        Wanted(section.heads_every, section.seals_an_hour, section.seals_within, section.at_once),
        ground.clock,
        random.SystemRandom().random,
    )


def _pinned(section: AuthoritySection) -> PinnedAuthority:
    tls = None if section.ca is None else face_client_context(section.ca)
    client = AuthorityClient(section.url, section.answer_within, tls)
    trust = TimestampTrust(path.read_bytes() for path in section.anchors)
    return PinnedAuthority(section.name, client, trust)

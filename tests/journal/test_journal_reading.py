"""Readers beside the writer: a read after a commit sees it, whatever else is being read."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from relay.delivery.ports import Caller, InboxQuery
from relay.delivery.records import Admitted
from relay.journal.payloads import INLINE_BYTES
from relay.journal.store import SqliteJournal
from relay.model import AgencyCode, DeliveryState, digest_of

ROUNDS = 40
WHO = Caller("system:vxp.g01", frozenset({AgencyCode("G01")}))


async def test_a_payload_outlives_its_release_however_busy_the_readers_are(
    journal: SqliteJournal, make: Any
) -> None:
    """Whoever asks, after an admission, whether its file is still needed is told that it is.

    A statement that one reader has begun and not finished would hold the next one to the state from
    before the admission, and the file of an accepted document would be removed.
    """

    async def read_on() -> None:
        while True:
            await journal.inbox(WHO.agencies, InboxQuery())

    readers = [asyncio.create_task(read_on()) for _ in range(4)]
    try:
        for number in range(ROUNDS):
            content = b"%06d" % number * (INLINE_BYTES // 4)
            upload = journal.begin(len(content))
            upload.write(content)
            payload = await upload.finish()
            admission = make.admission(
                content, key=f"k{number}", next_hop=None, state=DeliveryState.AVAILABLE
            )
            message = replace(admission.message, payload=payload)
            assert isinstance(await journal.admit(replace(admission, message=message)), Admitted)
            await journal.release(payload)
            assert payload.path is not None
            assert payload.path.exists(), f"the payload of message {number} is gone"
            found = await journal.payload(digest_of(content))
            assert b"".join([chunk async for chunk in journal.read(found)]) == content
    finally:
        for reader in readers:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

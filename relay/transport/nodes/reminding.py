"""What a restored neighbour may ask (docs/wire-format.md W8): its receipts, a reminder, what it sent.

Touches: HTTP. Trusts: that the guard named the neighbour; nothing of the query.
Raises:  WireError for a query of the wrong shape, NotFoundError, JournalError.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from relay.delivery.ports import PayloadStore
from relay.delivery.recovery.ports import Newest
from relay.delivery.recovery.reminding import RemindingDesk
from relay.errors import JournalError, WireError
from relay.model import NodeId, Signed, TransferId
from relay.transport.nodes import parts
from relay.wire import values
from relay.wire.container import write_receipts

RECOVERY_PATH = "/axis/v1/recovery"
OWN_RECEIPTS_PATH = "/axis/v1/recovery/receipts"
CURSOR = "Recovery-Cursor"
"""The header that says where the next page of receipts begins; absent on the last."""
_RECEIPTS_TYPE = "application/vnd.truc-relay.receipts+xml"
_CURSOR = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class ReminderFace:
    desk: RemindingDesk
    store: PayloadStore
    neighbour: Callable[[web.Request], NodeId]

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_post(RECOVERY_PATH, self.remind)
        router.add_get(OWN_RECEIPTS_PATH, self.own_receipts)
        router.add_get("/axis/v1/transfers/{id}/sent", self.sent)

    async def remind(self, request: web.Request) -> web.Response:
        since, cursor = _asked(request)
        page = await self.desk.remind(self.neighbour(request), since, cursor)
        return web.json_response(
            {
                "transfers": page.transfers,
                "receipts": page.receipts,
                "gone": page.gone,
                "sent": list(page.sent),
                "cursor": page.cursor,
            }
        )

    async def own_receipts(self, request: web.Request) -> web.Response:
        since, cursor = _asked(request)
        page = await self.desk.own_receipts(self.neighbour(request), since, cursor)
        headers = {} if page.cursor is None else {CURSOR: str(page.cursor)}
        if not page.receipts:
            return web.Response(status=204, headers=headers)
        return web.Response(
            body=write_receipts(page.receipts), content_type=_RECEIPTS_TYPE, headers=headers
        )

    async def sent(self, request: web.Request) -> web.StreamResponse:
        """The body of a transfer as it came, the envelope always in it, at flat memory."""
        transfer_id = TransferId(request.match_info["id"])
        found, payload = await self.desk.sent(self.neighbour(request), transfer_id)
        before = parts.preamble(found.header, found.seal.signature, payload.size_bytes)
        chunks = self.store.read(payload)
        first = await anext(chunks, b"")  # a store that fails at once is still answered as that
        response = web.StreamResponse(headers={"Content-Type": parts.CONTENT_TYPE})
        response.content_length = len(before) + payload.size_bytes + len(parts.ending)
        await response.prepare(request)
        await response.write(before + first)
        try:
            async for chunk in chunks:
                await response.write(chunk)
        except JournalError as error:
            raise ConnectionResetError from error  # the head is out: only a cut can say it
        await response.write(parts.ending)
        await response.write_eof()
        return response


def newest_shown(newest: Newest) -> dict[str, object]:
    """As `GET /axis/v1/node` shows it to the neighbour that signed it (W1.6)."""
    return {"newest": {"receipt": _shown(newest.receipt), "transfer": _shown(newest.transfer)}}


def _shown(signed: Signed | None) -> dict[str, str] | None:
    if signed is None:
        return None
    return {
        "document": b64encode(signed.document).decode(),
        "signature": b64encode(signed.signature).decode(),
    }


def _asked(request: web.Request) -> tuple[datetime, int | None]:
    since = values.instant(request.query.get("since", ""), "since")
    cursor = request.query.get("cursor")
    if cursor is not None and _CURSOR.fullmatch(cursor) is None:
        raise WireError(f"cursor {values.shown(cursor)} is not of the required form")
    return since, None if cursor is None else int(cursor)

"""What a neighbour may ask of the exchange with it (docs/wire-format.md W21): lists, a page at a time (W21.1).

Touches: HTTP. Trusts: that the guard named the neighbour; nothing of the query.
Raises:  WireError for a query of the wrong shape, OverloadError, JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from relay.delivery.reconciling.listing import ListingDesk
from relay.errors import OverloadError, WireError
from relay.model import NodeId
from relay.transport.nodes.listed import PATH, read_query, write_page

_KNOWN = frozenset({"side", "since", "until", "cursor"})


@dataclass(frozen=True, slots=True)
class ListingFace:
    """One page at a time for each neighbour: lists are read on the connection that all readers share."""

    desk: ListingDesk
    neighbour: Callable[[web.Request], NodeId]
    _busy: set[NodeId] = field(default_factory=set)

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get(PATH, self.listing)

    async def listing(self, request: web.Request) -> web.Response:
        neighbour, query = self.neighbour(request), request.query
        if set(query) - _KNOWN or len(query) != len(set(query)):
            raise WireError("a list is asked for with side, since, until and cursor, each once")
        side, window = read_query(
            query.get("side", ""),
            query.get("since", ""),
            query.get("until", ""),
            query.get("cursor"),
        )
        if neighbour in self._busy:
            raise OverloadError("a page for this neighbour is being read", 1)
        self._busy.add(neighbour)
        try:
            told = await self.desk.listing(neighbour, side, window)
            body = await asyncio.to_thread(write_page, told)
        finally:
            self._busy.discard(neighbour)
        return web.Response(body=body, content_type="application/json")

"""The published log for neighbours (docs/wire-format.md W16): checkpoints and hash tiles, no entries (W16.3).

Hash tiles are enough to check that a log only grows. What is in an entry, who writes to whom, is for this
node's own auditors.

Touches: HTTP, the published log's door. Trusts: that the guard has named the neighbour.
Raises:  NotFoundError.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web

from relay.delivery.operators.published import LogFiles
from relay.errors import NotFoundError
from relay.transport.published import published_file

CAPABILITY = "log-tiles"
PREFIX = "/axis/v1/log/"


@dataclass(frozen=True, slots=True)
class PublishedFace:
    files: LogFiles
    sending: Counter[str] = field(default_factory=Counter)

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get(PREFIX + "{epoch}/{path:.+}", self.file)

    async def file(self, request: web.Request) -> web.StreamResponse:
        epoch, path = request.match_info["epoch"], request.match_info["path"]
        if request.raw_path != f"{PREFIX}{epoch}/{path}":
            raise NotFoundError("no file of the log has that name")
        return await published_file(
            request, self.files, epoch, path, public=False, sending=self.sending, entries=False
        )

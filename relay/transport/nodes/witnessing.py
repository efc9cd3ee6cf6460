"""What neighbours hand in to be cosigned, and whose key signs this node's log (docs/wire-format.md W15).

Touches: HTTP. Trusts: that the guard named the neighbour; nothing of a body or header.
Raises:  LengthError, WireError, NotFoundError, OverloadError.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from relay.audit.add_checkpoint import PROOF_LINES, read_hashes
from relay.delivery.ports import Refusals
from relay.errors import AuditError, NotFoundError, WireError
from relay.model import NodeId
from relay.transport.places import place
from relay.transport.witnessing import read_body, shown
from relay.witness.desk import WitnessDesk
from relay.witness.judging import Opening

ADD_PATH: Final = "/axis/v1/witness/add-checkpoint"
KEY_PATH: Final = "/axis/v1/log/key"
OPENING_HEADER: Final = "Relay-Log-Opening"
"""The first leaf of a log that has epochs before it, in base64, and the path to the head, in order."""
OPENING_LIMIT_CHARACTERS: Final = 12 * 1024
MOST: Final = 64
OF_ONE: Final = 2
"""Checkpoints of one neighbour being read or judged: a slow one keeps nobody else from being witnessed."""
_PRESENTED: Final = "checkpoints are being taken"
_REFUSALS: Final = frozenset({400, 403, 422})
"""Answers that are refusals of a neighbour, and entries; 404 and 409 are how the protocol goes on."""


def write_opening(opening: Opening) -> str:
    return " ".join(b64encode(one).decode() for one in (opening.leaf, *opening.path))


def read_opening(given: Sequence[str]) -> Opening | None:
    """Of the header's values, of which one is enough. Raises WireError."""
    if not given:
        return None
    if len(given) > 1:
        raise WireError(f"{len(given)} openings, limit 1")
    (text,) = given
    if len(text) > OPENING_LIMIT_CHARACTERS:
        raise WireError(f"an opening of {len(text)} characters, limit {OPENING_LIMIT_CHARACTERS}")
    leaf, *path = text.split(" ")
    if len(path) > PROOF_LINES:
        raise WireError(f"an opening with a path of {len(path)} hashes, limit {PROOF_LINES}")
    try:
        return Opening(b64decode(leaf, validate=True), read_hashes(path))
    except (ValueError, AuditError):
        raise WireError("an opening is not base64") from None


@dataclass(frozen=True, slots=True)
class LogFace:
    """`desk` is None where this node witnesses nothing; its own key is shown all the same."""

    certificates: Callable[[], Sequence[bytes]]
    """Of the log's key as of now, DER, its own first."""
    desk: WitnessDesk | None
    neighbour: Callable[[web.Request], NodeId]
    refusals: Refusals
    held: Counter[str] = field(default_factory=Counter)

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get(KEY_PATH, self.key)
        router.add_post(ADD_PATH, self.add_checkpoint)

    async def key(self, request: web.Request) -> web.Response:
        self.neighbour(request)
        shown_certificates = [b64encode(der).decode() for der in self.certificates()]
        return web.json_response({"certificates": shown_certificates})

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        neighbour = self.neighbour(request)
        if self.desk is None:
            raise NotFoundError("this node witnesses no logs")
        opening = read_opening(request.headers.getall(OPENING_HEADER, []))
        with place(self.held, neighbour, _PRESENTED, most=MOST, of_one=OF_ONE):
            answer = await self.desk.add_checkpoint(await read_body(request), neighbour, opening)
        if answer.status in _REFUSALS:
            reason = answer.body.partition(b":")[0].decode()
            await self.refusals.known("nodes", neighbour, f"checkpoint-{reason}")
        return shown(answer)

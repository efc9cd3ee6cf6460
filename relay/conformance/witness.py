"""The kit as a witness of the judged node's log (W15): it cosigns what follows all it saw, and keeps what it was shown.

Touches: nothing. Trusts: nothing of a request; what a head is signed with is for whoever judges it.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from relay.audit.add_checkpoint import SIZE_TYPE, AddCheckpoint, read_request, write_size
from relay.audit.checkpoint import Checkpoint, head_of
from relay.audit.cosignature import cosign, cosigner_name
from relay.audit.proofs import verify_consistency
from relay.conformance.instants import now
from relay.errors import AuditError
from relay.signing.keys import LogSigner

CAPABILITY = "log-witness"
ADD_PATH = "/axis/v1/witness/add-checkpoint"
KEY_PATH = "/axis/v1/log/key"
KEPT_LIMIT = 20_000
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Handed:
    """A head that was handed in to be cosigned."""

    asked: AddCheckpoint
    head: Checkpoint
    at: float
    """Of the event loop's clock."""


Saying = Callable[[Handed], web.Response]


@dataclass(slots=True)
class Witness:
    """One of the kit's nodes, as the judged node asks it."""

    signer: LogSigner
    handed: list[Handed] = field(default_factory=list)
    heads: dict[str, Checkpoint] = field(default_factory=dict)
    """The newest that was cosigned of each log."""
    wrong: list[str] = field(default_factory=list)
    """What no log may hand in, as it came."""
    certificates: Sequence[bytes] | None = None
    """Shown instead of the true ones."""
    asked_for_key: int = 0
    says: Saying | None = None
    """Instead of the honest answer."""

    @property
    def name(self) -> str:
        return cosigner_name(self.signer.node)

    @contextmanager
    def saying(self, says: Saying) -> Iterator[None]:
        """Until the end of the block, instead of the honest answer."""
        self.says = says
        try:
            yield
        finally:
            self.says = None

    @contextmanager
    def showing(self, certificates: Sequence[bytes]) -> Iterator[None]:
        """Until the end of the block the log's key has these certificates."""
        self.certificates = certificates
        try:
            yield
        finally:
            self.certificates = None

    def answered(self, request: web.Request, body: bytes) -> web.Response | None:
        """None where the call is none to a witness."""
        if (request.method, request.path) == ("GET", KEY_PATH):
            self.asked_for_key += 1
            shown = self.signer.chain if self.certificates is None else self.certificates
            return web.json_response({"certificates": [b64encode(der).decode() for der in shown]})
        if (request.method, request.path) == ("POST", ADD_PATH):
            return self._add(body)
        return None

    def line(self, note: bytes) -> bytes:
        """The cosignature of a note."""
        return cosign(note, self.name, self.signer.public_key, self.signer.sign, now())

    def _add(self, body: bytes) -> web.Response:
        try:
            asked = read_request(body)
            handed = Handed(asked, head_of(asked.note), asyncio.get_running_loop().time())
        except AuditError as error:
            self.wrong.append(str(error))
            return _plain(400, str(error))
        if len(self.handed) < KEPT_LIMIT:
            self.handed.append(handed)
        if self.says is not None:
            return self.says(handed)
        return self._judged(handed)

    def _judged(self, handed: Handed) -> web.Response:
        head, old = handed.head, handed.asked.old
        held = self.heads.get(head.origin)
        size = 0 if held is None else held.size
        if old > head.size:
            self.wrong.append(f"`old` {old} over the size {head.size}")
            return _plain(400, "old is over the size")
        if old != size:
            return web.Response(
                status=409, body=write_size(size), headers={"Content-Type": SIZE_TYPE}
            )
        if held is not None:
            try:
                verify_consistency(size, held.root, head.size, head.root, handed.asked.proof)
            except AuditError as error:
                self.wrong.append(f"from {size} to {head.size} entries: {error}")
                return _plain(422, str(error))
        self.heads[head.origin] = head
        return web.Response(body=self.line(handed.asked.note), headers={"Content-Type": PLAIN})


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)


def refusing(_: Handed) -> web.Response:
    """As a witness refuses that holds the log for another than it cosigned."""
    return _plain(422, "the proof does not hold")

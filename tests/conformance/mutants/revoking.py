"""Faults in what is taken of statements of revocation, and what is made of them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from relay.delivery.arrivals import TransferDesk, _Refusal
from relay.delivery.revocation.stapling import StapledWire, Stapler
from relay.errors import SignatureError, TransportError, UncertainError, WireError
from relay.journal.revocation import RevocationTable
from relay.model import NodeId, Reason
from relay.signing.revocation import crl
from relay.signing.revocation.checking import RevocationCheck
from relay.signing.revocation.crl import Crl
from relay.signing.revocation.verdicts import Statement
from relay.transport.nodes import statements
from relay.transport.nodes.statements import StatementFace
from relay.transport.nodes.statements_client import StatementClient
from relay.wire import statements as statement_form
from relay.wire.statements import Stapled, read_statements
from tests.conformance.mutants import mutant, put_in

_REVOKED = ("seal", "node-seal", "header", "receipt", "connection")
_FORMS = (
    "none",
    "too-many",
    "no-certificate",
    "long-chain",
    "long-content",
    "long-certificate",
    "long",
    "white-space",
    "base64",
    "doctype",
)


@mutant(
    "answers 204 to statements and reads none",
    *(f"W12.1/{name}" for name in _FORMS),
    "W12.2/counts",
    "W12.2/not-the-rest",
    "W12.2/durable",
)
def reads_no_statements() -> None:
    async def take(self: StatementFace, request: web.Request) -> web.Response:
        self.neighbour(request)
        async for _ in request.content.iter_any():
            pass
        return web.Response(status=204)

    put_in(StatementFace, "take", take)


@mutant("refuses statements", "W12.1/taken")
def refuses_statements() -> None:
    async def take(self: StatementFace, request: web.Request) -> web.Response:
        self.neighbour(request)
        return web.Response(status=422)

    put_in(StatementFace, "take", take)


@mutant("takes few statements, and small ones", "W12.1/sixty-four", "W12.1/as-long-as-may-be")
def takes_few_statements() -> None:
    def read(content: bytes) -> Any:
        found = read_statements(content)
        if len(found) > 32 or any(len(one.content) > 100_000 for one in found):
            raise WireError("too many statements, or too long")
        return found

    put_in(statements, "read_statements", read)


@mutant("leaves out statements that are large", "W12.5/counts", "W12.5/vouches")
def leaves_out_large() -> None:
    def read(content: bytes) -> Any:
        return [one for one in read_statements(content) if len(one.content) < 256 << 10]

    put_in(statements, "read_statements", read)


@mutant("takes statements of any size", "W12.5/too-long")
def takes_any_size() -> None:
    put_in(statement_form, "LARGE_CONTENT_BYTES", 1 << 30)
    put_in(statement_form, "LARGE_LIMIT_BYTES", 1 << 30)
    put_in(statements, "LARGE_LIMIT_BYTES", 1 << 30)


@mutant("sends large statements to whoever takes small ones", "W12.5/not-to-all")
def sends_large_to_all() -> None:
    async def knows(self: StatementClient, neighbour: NodeId) -> bool:
        return True

    put_in(StatementClient, "knows_large", knows)


@mutant("refuses statements for one that proves nothing", "W12.2/not-the-rest")
def refuses_for_one() -> None:
    async def take(self: Stapler, neighbour: NodeId, found: Any) -> int:
        for one in found:
            self.signers.take(one)
        return 0

    put_in(Stapler, "take", take)


@mutant(
    "takes a CRL for whoever it speaks of",
    "W12.2/another-issuer",
    "W12.2/signature",
    "W12.2/end-entity",
)
def takes_any_crl() -> None:
    honest = RevocationCheck.__call__
    revoked: set[int] = set()
    read = crl._read

    def seen(der: bytes) -> Any:
        found = read(der)
        revoked.update(entry.serial_number for entry in found)
        return found

    def check(self: RevocationCheck, path: Any, purpose: Any) -> None:
        if path.leaf.certificate.serial_number in revoked:
            raise SignatureError("revoked-certificate", "somebody said so")
        honest(self, path, purpose)

    put_in(crl, "_read", seen)
    put_in(RevocationCheck, "__call__", check)


@mutant("forgets statements when it ends", "W12.2/durable")
def forgets_statements() -> None:
    async def nothing(self: RevocationTable, *_: Any) -> None:
        return None

    for name in ("store", "note_revoked"):
        put_in(RevocationTable, name, nothing)


@mutant("sends nothing to whom it cannot tell what it knows", "W12.3/without", "W12.3/not-taken")
def sends_nothing_untold() -> None:
    honest, several = StapledWire.carry, StapledWire.carry_several

    async def told(stapler: Stapler, neighbour: NodeId) -> None:
        if not await stapler._knows(neighbour):
            raise TransportError("it knows no statements")
        await stapler.wire.tell_statements(neighbour, [Stapled((b"x",), b"x")])

    async def carry(self: StapledWire, neighbour: NodeId, *sent: Any, **how: Any) -> Any:
        await told(self.stapler, neighbour)
        return await honest(self, neighbour, *sent, **how)

    async def carry_several(self: StapledWire, neighbour: NodeId, *sent: Any, **how: Any) -> Any:
        await told(self.stapler, neighbour)
        return await several(self, neighbour, *sent, **how)

    put_in(StapledWire, "carry", carry)
    put_in(StapledWire, "carry_several", carry_several)


@mutant(
    "takes what revoked certificates sign",
    *(f"W12.4/revoked-{what}" for what in _REVOKED),
)
def ignores_revocation() -> None:
    put_in(RevocationCheck, "__call__", lambda *_: None)


@mutant("takes one revocation for all of an issuer's", "W12.4/others")
def revokes_all() -> None:
    honest = Crl.statement

    def statement(self: Crl, certificate: Any) -> Statement | None:
        found = honest(self, certificate)
        if found is None or not self.entries:
            return found
        return Statement(
            self.digest, self.this_update, self.next_update, next(iter(self.entries.values()))
        )

    put_in(Crl, "statement", statement)


@mutant("gives evidence against what it cannot judge yet", "W12.4/not-judged-yet")
def judges_what_it_cannot() -> None:
    honest = TransferDesk._proven

    def proven(self: TransferDesk, *arguments: Any) -> Any:
        try:
            return honest(self, *arguments)
        except UncertainError as error:
            return _Refusal(Reason.BAD_SEAL, f"{error.reason}: {error}")

    put_in(TransferDesk, "_proven", proven)

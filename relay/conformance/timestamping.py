"""The kit as the timestamp authority that the judged node asks (W14.9): an answer is honest or spoilt by what it is about.

Only what an assertion expects is stamped at all. Whatever else the node asks about is put off (503), so that the
evidence of other documents stays as it is while other assertions look at it.

Touches: one port.
Trusts:  nothing of a request: what cannot be read is kept, and put off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aiohttp import web
from asn1crypto import cms, tsp

from relay.conformance import tokens
from relay.conformance.certificates import Made, issuing, sign_of, stamping
from relay.conformance.credentials import RUNNER, Authority
from relay.conformance.exchanges import Exchange, Exchanges
from relay.conformance.instants import now
from relay.conformance.office import Office
from relay.model import Digest, digest_of
from relay.signing.pki_tsa import POLICY, REQUEST_LIMIT_BYTES, TimestampResponder, response_of
from relay.transport.timestamping import REPLY

ASKED_LIMIT = 10_000
"""Requests kept; a node asks again about each thing that it gets no timestamp of."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as far as it can be read."""

    method: str
    content_type: str
    body: bytes
    question: tsp.TimeStampReq | None
    """None: it is none."""
    exchange: Exchange

    @property
    def algorithm(self) -> str:
        return str(self._said["message_imprint"]["hash_algorithm"]["algorithm"])

    @property
    def imprint(self) -> Digest:
        return Digest(self._said["message_imprint"]["hashed_message"].hex())

    @property
    def nonce(self) -> int | None:
        found: int | None = self._said["nonce"]
        return found

    @property
    def wants_certificate(self) -> bool:
        return self._said["cert_req"] is True

    @property
    def _said(self) -> dict[str, Any]:
        if self.question is None:
            raise ValueError("not a request")
        found: dict[str, Any] = self.question.native
        return found


@dataclass
class Stampers:
    """Who stamps in the kit's name, and who has no business to. Certificates are made when they are first needed."""

    authority: Authority
    policy: str | None = None
    """Under which alone the node takes timestamps, where it was told of one."""

    @cached_property
    def _honest(self) -> Made:
        return issuing(self.authority).make(stamping())

    @cached_property
    def _untrusted(self) -> Made:
        """Below a root that nobody has."""
        return Office(now()).authority

    @cached_property
    def _a_node(self) -> Made:
        """Below the kit's root, and for no timestamps."""
        return issuing(self.authority).make(sign_of(RUNNER))

    @property
    def _usual(self) -> str:
        return self.policy or POLICY

    def honest(self, policy: str = "") -> TimestampResponder:
        return tokens.responder(self._honest, now(), policy=policy or self._usual)

    def untrusted(self) -> TimestampResponder:
        return tokens.responder(self._untrusted, now(), policy=self._usual)

    def a_node(self) -> TimestampResponder:
        return tokens.responder(self._a_node, now(), policy=self._usual)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and the token in it."""

    token: cms.ContentInfo
    status: str = "granted"


Stamp = Callable[[Stampers, Asked], Said]

# ------------------------------------------------------------ answers


def honest(by: Stampers, asked: Asked) -> Said:
    return Said(by.honest().token(tokens.imprint(asked.imprint), asked.nonce))


def of_another_nonce(by: Stampers, asked: Asked) -> Said:
    return Said(by.honest().token(tokens.imprint(asked.imprint), (asked.nonce or 0) ^ 1))


def of_no_nonce(by: Stampers, asked: Asked) -> Said:
    return Said(by.honest().token(tokens.imprint(asked.imprint), None))


def not_granted(by: Stampers, asked: Asked) -> Said:
    """A rejection, and a token that holds beside."""
    return Said(honest(by, asked).token, "rejection")


def of_other_bytes(by: Stampers, asked: Asked) -> Said:
    other = digest_of(b"something else")
    return Said(by.honest().token(tokens.imprint(other), asked.nonce))


def of_another_policy(by: Stampers, asked: Asked) -> Said:
    stamper = by.honest(f"{by.policy or POLICY}.1")
    return Said(stamper.token(tokens.imprint(asked.imprint), asked.nonce))


def by_nobody_known(by: Stampers, asked: Asked) -> Said:
    return Said(by.untrusted().token(tokens.imprint(asked.imprint), asked.nonce))


def by_no_authority(by: Stampers, asked: Asked) -> Said:
    return Said(by.a_node().token(tokens.imprint(asked.imprint), asked.nonce))


def with_bad_signature(by: Stampers, asked: Asked) -> Said:
    return Said(tokens.with_bad_signature(honest(by, asked).token))


# ------------------------------------------------------------ the authority


@dataclass(slots=True)
class Expected:
    """One thing that is stamped, in this way."""

    stamp: Stamp
    asked: list[Asked] = field(default_factory=list)
    given: list[bytes] = field(default_factory=list)
    """The tokens, one for each request."""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """A request about it, since whoever waits for one looked."""


@dataclass(slots=True)
class TimestampAuthority:
    stampers: Stampers
    asked: list[Asked] = field(default_factory=list)
    """All requests, in the order they came."""
    expected: dict[Digest, Expected] = field(default_factory=dict)
    """By imprint."""

    def expect(self, imprint: Digest, stamp: Stamp) -> Expected:
        self.expected[imprint] = Expected(stamp)
        return self.expected[imprint]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=REQUEST_LIMIT_BYTES)
        app.router.add_route("*", "/{path:.*}", self._asked)
        return app

    async def _asked(self, request: web.Request) -> web.StreamResponse:
        asked = _read(request, await request.read())
        if len(self.asked) < ASKED_LIMIT:
            self.asked.append(asked)
        expected = None if asked.question is None else self.expected.get(asked.imprint)
        if expected is None:
            asked.exchange.status = 503
            return web.Response(status=503)
        said = expected.stamp(self.stampers, asked)
        expected.given.append(said.token.dump())
        expected.asked.append(asked)
        expected.came.set()
        asked.exchange.status = 200
        asked.exchange.answer = response_of(said.token, said.status)
        return web.Response(body=asked.exchange.answer, content_type=REPLY)


def _read(request: web.Request, body: bytes) -> Asked:
    exchange = Exchanges().begin(
        "timestamp authority asked", request.method, request.path_qs, request.headers, body
    )
    return Asked(request.method, request.content_type, body, _question(body), exchange)


def _question(body: bytes) -> tsp.TimeStampReq | None:
    try:
        found = tsp.TimeStampReq.load(body, strict=True)
        return found if found.native else None  # reads all of it
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


@asynccontextmanager
async def answering(authority: TimestampAuthority, place: str) -> AsyncIterator[TimestampAuthority]:
    """At that host and port, until the end of the block."""
    host, _, port = place.rpartition(":")
    runner = web.AppRunner(authority.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host.strip("[]"), int(port)).start()
    try:
        yield authority
    finally:
        await runner.cleanup()

"""W12: statements of revocation, told by the kit's own authority."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pybase64
from aiohttp import web

from relay.conformance.absence import to_the_second, transfer_awaited
from relay.conformance.certificates import (
    Issuing,
    Made,
    agency_of,
    crl,
    issuing,
    official,
    sign_of,
    tls_of,
)
from relay.conformance.controls import takes_transfers
from relay.conformance.judging import (
    STATEMENTS,
    STATEMENTS_TYPE,
    accepted,
    connected_with,
    refused,
    rejected,
    tell,
    told_of,
)
from relay.conformance.listener import PROOFS, Listener
from relay.conformance.peer import Prepared
from relay.conformance.resigned import handover, headed, sealed
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    Part,
    require,
    require_equal,
)
from relay.model import Reason, SealKind, digest_of
from relay.wire.statements import Stapled

PATH = "/axis/v1/statements"
SOON = 10.0
CONTENT_LIMIT_BYTES = 256 << 10
CERTIFICATE_LIMIT_BYTES = 16 << 10


def _own(stand: Stand) -> Issuing:
    return issuing(stand.authority, [stand.subject.id])


def about(stand: Stand) -> tuple[Issuing, Made]:
    """An agency's certificate, and whose it is to revoke it."""
    by = _own(stand)
    return by, by.make(agency_of(stand.peer.agency))


def _prepared(stand: Stand) -> Prepared:
    return stand.peer.transfer(stand.letter_in(), [stand.subject.agency])


def sealed_by(stand: Stand, issued: Made) -> Prepared:
    return sealed(_prepared(stand), SealKind.AGENCY, issued.signer())


async def is_refused_as_revoked(stand: Stand, issued: Made) -> None:
    answer = await stand.peer.send(sealed_by(stand, issued))
    rejected(stand.peer, answer, Reason.REVOKED_CERTIFICATE, "revoked-certificate")


async def believes(stand: Stand) -> None:
    """What it is told counts for what comes next, and nothing else does."""
    by, issued = about(stand)
    await told_of(stand, issued, by, issued)
    await is_refused_as_revoked(stand, issued)
    await takes_transfers(stand)


book = Book(Part.NEIGHBOUR, capability=STATEMENTS, control=believes)


# ------------------------------------------------------------ W12.1: the container


@book.asserts("W12.1", "taken", "A container of statements is taken: 204")
async def taken(stand: Stand) -> None:
    by, issued = about(stand)
    answer = await tell(stand, Stapled(issued.ders, crl(by.issuer)))
    require_equal(answer.status, 204, "the status")


@book.asserts("W12.1", "sixty-four", "64 statements are taken")
async def sixty_four(stand: Stand) -> None:
    by, issued = about(stand)
    answer = await tell(stand, *[Stapled(issued.ders, crl(by.issuer))] * 64)
    require_equal(answer.status, 204, "the status")


@book.asserts("W12.1", "as-long-as-may-be", "A statement of 256 KiB is taken, if it proves nothing")
async def as_long_as_may_be(stand: Stand) -> None:
    _, issued = about(stand)
    answer = await tell(stand, Stapled(issued.ders, bytes(CONTENT_LIMIT_BYTES)))
    require_equal(answer.status, 204, "the status")


def _item(chain: list[bytes], content: bytes) -> bytes:
    inner = b"".join(b"<Certificate>%b</Certificate>" % pybase64.b64encode(one) for one in chain)
    return b"<Statement>%b<Content>%b</Content></Statement>" % (inner, pybase64.b64encode(content))


def _container(*items: bytes) -> bytes:
    return b'<Statements xmlns="urn:truc-relay:wire:1">' + b"".join(items) + b"</Statements>"


_SPOILT: dict[str, tuple[str, Callable[[list[bytes], bytes], bytes]]] = {
    "none": ("no statement", lambda *_: _container()),
    "too-many": ("65 statements", lambda chain, one: _container(*[_item(chain, one)] * 65)),
    "no-certificate": ("no certificate", lambda _, one: _container(_item([], one))),
    "long-chain": (
        "five certificates",
        lambda chain, one: _container(_item((chain * 3)[:5], one)),
    ),
    "long-content": (
        "a statement over 256 KiB beside another",
        lambda chain, one: _container(
            _item(chain, one), _item(chain, bytes(CONTENT_LIMIT_BYTES + 1))
        ),
    ),
    "long-certificate": (
        "a certificate over 16 KiB",
        lambda _, one: _container(_item([bytes(CERTIFICATE_LIMIT_BYTES + 1)], one)),
    ),
    "long": (
        "over 2 MiB",
        lambda chain, _: _container(*[_item(chain, bytes(CONTENT_LIMIT_BYTES))] * 8),
    ),
    "white-space": (
        "white space",
        lambda chain, one: _container(_item(chain, one)).replace(b"<Content>", b" <Content>"),
    ),
    "base64": (
        "base64 in another form",
        lambda chain, one: _container(_item(chain, one)).replace(b"</Content>", b"\n</Content>"),
    ),
    "doctype": (
        "a document type",
        lambda chain, one: b"<!DOCTYPE Statements>" + _container(_item(chain, one)),
    ),
}


def _about_form(name: str, said: str, spoilt: Callable[[list[bytes], bytes], bytes]) -> None:
    @book.asserts("W12.1", name, f"A container with {said} is refused")
    async def container(stand: Stand) -> None:
        by, issued = about(stand)
        body = spoilt(list(issued.ders), crl(by.issuer))
        answer = await stand.peer.post(PATH, body, {"Content-Type": STATEMENTS_TYPE})
        require(400 <= answer.status < 500, f"answered {answer.status}")


for _name, _form in _SPOILT.items():
    _about_form(_name, *_form)


# ------------------------------------------------------------ W12.2: what proves anything


@book.asserts("W12.2", "counts", "A CRL that was taken counts for what comes next")
async def counts(stand: Stand) -> None:
    by, issued = about(stand)
    await told_of(stand, issued, by, issued)
    await is_refused_as_revoked(stand, issued)


@book.asserts(
    "W12.2", "durable", "A CRL that was taken outlives a crash", Part.NEIGHBOUR, Part.CRASH
)
async def durable(stand: Stand) -> None:
    by, issued = about(stand)
    await told_of(stand, issued, by, issued)
    await stand.crash()
    await is_refused_as_revoked(stand, issued)


@book.asserts(
    "W12.2",
    "not-the-rest",
    "What proves nothing is left out, and the rest is taken all the same",
)
async def not_the_rest(stand: Stand) -> None:
    by, issued = about(stand)
    junk = Stapled(issued.ders, secrets.token_bytes(200))
    answer = await tell(stand, junk, Stapled(issued.ders, crl(by.issuer, issued)), junk)
    require_equal(answer.status, 204, "the status")
    await is_refused_as_revoked(stand, issued)


@book.asserts("W12.2", "another-issuer", "A CRL of another issuer says nothing of a certificate")
async def another_issuer(stand: Stand) -> None:
    by, issued = about(stand)
    other = _own(stand)
    answer = await tell(stand, Stapled(issued.ders, crl(other.issuer, issued)))
    require_equal(answer.status, 204, "the status")
    await told_of(stand, issued, by)
    accepted(stand.peer, await stand.peer.send(sealed_by(stand, issued)))


@book.asserts("W12.2", "signature", "A CRL in an issuer's name by another key says nothing")
async def signature(stand: Stand) -> None:
    by, issued = about(stand)
    other = _own(stand)
    false = replace(by.issuer, key=other.issuer.key)
    answer = await tell(stand, Stapled(issued.ders, crl(false, issued)))
    require_equal(answer.status, 204, "the status")
    await told_of(stand, issued, by)
    accepted(stand.peer, await stand.peer.send(sealed_by(stand, issued)))


@book.asserts("W12.2", "end-entity", "A CRL by an end entity says nothing of another")
async def end_entity(stand: Stand) -> None:
    """Or any agency could revoke any other."""
    by, issued = about(stand)
    agency = by.make(official())
    false = replace(by.issuer, certificate=agency.chain[0], key=agency.key)
    chain = (*issued.ders, agency.ders[0])
    answer = await tell(stand, Stapled(chain, crl(false, issued)))
    require_equal(answer.status, 204, "the status")
    await told_of(stand, issued, by)
    accepted(stand.peer, await stand.peer.send(sealed_by(stand, issued)))


# ------------------------------------------------------------ W12.3: told on the way


@contextmanager
def _taking(listener: Listener, *capabilities: str, status: int) -> Iterator[None]:
    """Until the end of the block the kit's neighbour says that, and answers statements with this. It takes proofs all
    the same: a node may remember for minutes that one takes none."""

    async def take(request: web.Request, _: bytes) -> web.StreamResponse | None:
        return web.Response(status=status) if request.path == PATH else None

    before = listener.others, listener.capabilities
    listener.others, listener.capabilities = take, [PROOFS, *capabilities]
    try:
        yield
    finally:
        listener.others, listener.capabilities = before


async def _sends_to_both(stand: Stand) -> None:
    """The second neighbour takes statements, and what it is sent is sent to the first as well."""
    envelope = stand.letter_out(stand.peer.agency, stand.second.agency)
    await stand.dms.send(envelope)
    digest = digest_of(envelope)
    await stand.second_listener.transfer_of(digest, SOON)
    what = "what the other neighbour was sent"
    await transfer_awaited(stand, digest, SOON, what, goes_through=to_the_second)


@book.asserts(
    "W12.3",
    "without",
    "A neighbour that knows no statements is sent what others are sent",
    Part.SECOND,
    Part.AXIS,
)
async def without(stand: Stand) -> None:
    with (
        _taking(stand.listener, status=404),
        _taking(stand.second_listener, STATEMENTS, status=204),
    ):
        await _sends_to_both(stand)


@book.asserts(
    "W12.3",
    "not-taken",
    "A neighbour that does not take statements is sent what others are sent",
    Part.SECOND,
    Part.AXIS,
)
async def not_taken(stand: Stand) -> None:
    """It says that it knows them, and answers 404 to each."""
    with (
        _taking(stand.listener, STATEMENTS, status=404),
        _taking(stand.second_listener, STATEMENTS, status=204),
    ):
        await _sends_to_both(stand)


# ------------------------------------------------------------ W12.4: what becomes of signatures


@book.asserts("W12.4", "revoked-seal", "A seal by a revoked certificate is refused, signed")
async def revoked_seal(stand: Stand) -> None:
    by, issued = about(stand)
    await told_of(stand, issued, by, issued)
    await is_refused_as_revoked(stand, issued)


@book.asserts("W12.4", "revoked-node-seal", "A node's seal by a revoked certificate is, too")
async def revoked_node_seal(stand: Stand) -> None:
    by = _own(stand)
    issued = by.make(sign_of(stand.peer.node))
    await told_of(stand, issued, by, issued)
    prepared = sealed(_prepared(stand), SealKind.NODE, issued.signer())
    rejected(
        stand.peer,
        await stand.peer.send(prepared),
        Reason.REVOKED_CERTIFICATE,
        "revoked-certificate",
    )


@book.asserts("W12.4", "revoked-header", "A header by a revoked certificate gets no evidence")
async def revoked_header(stand: Stand) -> None:
    by = _own(stand)
    issued = by.make(sign_of(stand.peer.node))
    await told_of(stand, issued, by, issued)
    answer = await stand.peer.send(headed(_prepared(stand), issued.signer()))
    refused(answer, "revoked-certificate")


@book.asserts("W12.4", "revoked-receipt", "A receipt by a revoked certificate is refused")
async def revoked_receipt(stand: Stand) -> None:
    by = _own(stand)
    issued = by.make(sign_of(stand.peer.node))
    await told_of(stand, issued, by, issued)
    refused(await stand.peer.hand_back(handover(stand, issued.signer())), "revoked-certificate")


@book.asserts("W12.4", "revoked-connection", "A connection with a revoked certificate is refused")
async def revoked_connection(stand: Stand) -> None:
    by = _own(stand)
    issued = by.make(tls_of(stand.peer.node))
    await told_of(stand, issued, by, issued)
    answer = await connected_with(stand, issued)
    require(answer is None or answer.status in {403, 422}, f"answered {answer and answer.status}")


@book.asserts("W12.4", "others", "Another certificate of the same issuer counts as before")
async def others(stand: Stand) -> None:
    by, issued = about(stand)
    other = by.make(agency_of(stand.peer.agency))
    await told_of(stand, issued, by, other)
    accepted(stand.peer, await stand.peer.send(sealed_by(stand, issued)))

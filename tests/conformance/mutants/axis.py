"""Faults of a node's axis face."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from relay.delivery import acceptance, inbox
from relay.delivery.acceptance import IntakeDesk
from relay.delivery.inbox import InboxDesk
from relay.delivery.ports import Acknowledgement, Fetched
from relay.errors import EnvelopeError, RelayError
from relay.journal import store
from relay.journal.store import VIEWS
from relay.model import AgencyCode, MessageType, Seal, SealKind
from relay.routing.next_hop import Here, NoRoute
from relay.routing.next_hop import next_hop as next_hop_of
from relay.transport import intake_stream
from relay.transport.axis import answers, dialect, documents, listing, sending, server
from relay.transport.axis.dialect import USES, Call
from relay.transport.axis.refusals import AxisRefusal, ErrorCode, refusal_of
from relay.transport.axis.signature import authenticate, collect, signed_members
from relay.transport.axis.systems import System
from relay.transport.axis.times import judge, parse_stamp
from tests.conformance.mutants import mutant, put_in


@mutant("believes whoever names a system", "A1.1/hash-header", "A1.1/alike")
def takes_any_secret() -> None:
    def believing(headers: Mapping[str, bytes], systems: Any, *_: Any) -> System:
        found = systems.lookup(headers["systemid"].decode())
        if found is None:
            raise AxisRefusal(ErrorCode.BAD_SYSTEM, "unknown-system", "Sai systemid", "unknown")
        return found  # type: ignore[no-any-return]

    put_in(dialect, "authenticate", believing)


@mutant("tells an unknown system from a wrong secret", "A1.1/alike")
def tells_systems() -> None:
    def telling(headers: Mapping[str, bytes], systems: Any, *rest: Any) -> System:
        if systems.lookup(headers["systemid"].decode()) is None:
            raise AxisRefusal(ErrorCode.BAD_SYSTEM, "unknown-system", "Sai systemid", "unknown")
        return authenticate(headers, systems, *rest)

    put_in(dialect, "authenticate", telling)


@mutant("believes headers whatever was signed", "A1.2/another-value", "A1.2/unsigned")
def believes_the_unsigned() -> None:
    def every(headers: Mapping[str, bytes]) -> dict[str, str]:
        return {name: value.decode() for name, value in headers.items()}

    put_in(dialect, "signed_members", every)


@mutant("takes the last of a header that stands twice", "A1.2/twice")
def takes_the_last() -> None:
    def last(raw_headers: Iterable[tuple[bytes, bytes]]) -> dict[str, bytes]:
        return collect({name.lower(): value for name, value in raw_headers}.items())

    put_in(dialect, "collect", last)


def _one_form(number: int) -> None:
    honest = intake_stream.digest_forms
    put_in(intake_stream, "digest_forms", lambda digest: (honest(digest)[number],) * 2)


@mutant("takes a hash-file with its zeros only", "A1.3/unpadded")
def demands_zeros() -> None:
    _one_form(0)


@mutant("takes a hash-file without zeros only", "A1.3/padded")
def demands_no_zeros() -> None:
    _one_form(1)


@mutant("does not compare a document with its hash", "A1.3/other-document")
def ignores_hashes() -> None:
    put_in(intake_stream, "is_named", lambda *_: True)


@mutant("takes a line's end for part of the document", "A1.3/line-end")
def keeps_line_ends() -> None:
    async def whole(*arguments: Any, **named: Any) -> Any:
        return await intake_stream.receive(*arguments, **{**named, "strip_crlf": False})

    put_in(sending, "receive", whole)


@mutant("takes a repeated send for another one", "A1.4/same-doc-id")
def sends_again() -> None:
    put_in(acceptance, "key_of", lambda *_: secrets.token_hex(32))


@mutant("answers failures without the call's own field", "A1.5/failure-fields")
def leaves_fields_out() -> None:
    put_in(answers, "EMPTY", {call: {} for call in Call})


@mutant("says nothing to a call that there is not", "A1.5/no-such-call")
def says_nothing() -> None:
    def answer_http(_: web.Request, error: web.HTTPException) -> web.Response:
        return web.Response(status=error.status)

    put_in(server, "_answer_http", answer_http)


@mutant("takes a document it cannot read for a fault of its own", "A1.5/broken-document")
def blames_itself() -> None:
    def refusal(error: Any) -> AxisRefusal:
        if isinstance(error, EnvelopeError):
            return AxisRefusal(ErrorCode.SYSTEM_ERROR, "system", "Loi he thong", "system error")
        return refusal_of(error)

    put_in(server, "refusal_of", refusal)


@mutant("refuses a timestamp that is not of now", "A1.6/old-timestamp")
def demands_freshness() -> None:
    def strictly(stamp: str | None, *rest: Any) -> Any:
        at = parse_stamp(stamp or "")
        if at is None or datetime.now(UTC) - at > timedelta(minutes=5):
            raise AxisRefusal(ErrorCode.BAD_SYSTEM, "old", "Timestamp qua cu", "too old")
        return judge(stamp, *rest)

    put_in(dialect, "judge", strictly)


@mutant("makes sense of what earlier calls left over", "A1.7/left-over")
def reads_what_is_left() -> None:
    honest = listing.count

    async def count(face: Any, call: Any, request: web.Request) -> web.StreamResponse:
        dialect.doc_id(call)
        await face.inbox.find(call.system.caller(), dialect.doc_id(call))
        return await honest(face, call, request)

    put_in(dialect, "USES", {**USES, Call.COUNT_DOCUMENTS: frozenset({"docid"})})
    put_in(server, "HANDLERS", {**server.HANDLERS, Call.COUNT_DOCUMENTS: count})


@mutant("knows docId in one spelling", "A1.7/doc-id")
def spells_one_way() -> None:
    def one_way(headers: Mapping[str, bytes]) -> dict[str, str]:
        members = signed_members(headers)
        if b'"XroadVnpt-docid"' in headers["sign-header"]:
            members["docid"] = ""
        return members

    put_in(dialect, "signed_members", one_way)


@mutant("takes any sender from any system", "A1.8/other-sender", "A1.8/another-from")
def lets_anyone_send() -> None:
    def sender(self: IntakeDesk, submission: Any) -> AgencyCode:
        return self.directory.resolve(submission.envelope.sender.organ_id)

    put_in(sending, "_own_sender", lambda _, call: call.values["from"])
    put_in(IntakeDesk, "_sender", sender)


@mutant("takes documents for recipients that it does not know", "A1.8/no-recipient")
def takes_any_recipient() -> None:
    def next_hop(*arguments: Any) -> Any:
        found = next_hop_of(*arguments)
        return Here() if isinstance(found, NoRoute) else found

    put_in(acceptance, "next_hop", next_hop)


@mutant("gives out whatever it holds to whoever names it", "A1.9/others")
def shows_everything() -> None:
    asked = VIEWS["inbox_item"].replace("AND d.inbox_cursor IS NOT NULL", "")
    asked = asked.replace("d.inbox_cursor", "0", 1).replace("d.available_at", "d.updated_at", 1)

    async def fetch(self: InboxDesk, caller: Any, delivery_id: Any) -> Fetched:
        facts = await self._facts(caller, delivery_id)
        payload = await self.journal.payload(facts.item.digest)
        return Fetched(facts.item, payload, Seal(SealKind.NODE, b""))

    put_in(store, "VIEWS", {**VIEWS, "inbox_item": asked})
    put_in(inbox, "_whose", lambda _: None)
    put_in(InboxDesk, "fetch", fetch)


@mutant("lets whoever names a document acknowledge it", "A1.9/touches")
def lets_anyone_acknowledge() -> None:
    honest = listing.update

    async def update(face: Any, call: Any, request: web.Request) -> web.StreamResponse:
        try:
            return await honest(face, call, request)
        except RelayError:
            return web.Response(body=answers.success({}), content_type="application/json")

    put_in(server, "HANDLERS", {**server.HANDLERS, Call.UPDATE: update})


@mutant("takes what was fetched for acknowledged", "A1.10/until-done")
def lists_once() -> None:
    honest = InboxDesk.fetch

    async def fetch(self: InboxDesk, caller: Any, delivery_id: Any) -> Fetched:
        found = await honest(self, caller, delivery_id)
        await self.acknowledge(caller, delivery_id, Acknowledgement.DONE)
        return found

    put_in(InboxDesk, "fetch", fetch)


@mutant("lists for ever what was acknowledged", "A1.10/until-done")
def lists_for_ever() -> None:
    async def acknowledge(self: InboxDesk, *_: Any) -> None:
        """Of no consequence."""

    put_in(InboxDesk, "acknowledge", acknowledge)


@mutant("gives out other bytes by getEdoc", "A1.11/both-ways")
def gets_other_bytes() -> None:
    class Faulty:
        @staticmethod
        def b64encode(content: bytes) -> bytes:
            return b64encode(_other(content))

    put_in(documents, "pybase64", Faulty)


@mutant("gives out other bytes by downloadEdoc", "A1.11/both-ways")
def downloads_other_bytes() -> None:
    honest, proven = documents.download, documents._proven

    async def other(*arguments: Any) -> Any:
        async for chunk in proven(*arguments):
            yield _other(chunk)

    async def download(*arguments: Any) -> web.StreamResponse:
        put_in(documents, "_proven", other)
        try:
            return await honest(*arguments)
        finally:
            put_in(documents, "_proven", proven)

    put_in(server, "HANDLERS", {**server.HANDLERS, Call.DOWNLOAD: download})


def _other(content: bytes) -> bytes:
    return content.replace(b">KT<", b">KX<")


@mutant("writes counts as texts", "A1.12/numbers")
def counts_in_texts() -> None:
    async def count(face: Any, call: Any, _: web.Request) -> web.StreamResponse:
        number = await face.inbox.count(call.system.caller(), MessageType.DOCUMENT)
        body = answers.success({"count": str(number)})
        return web.Response(body=body, content_type="application/json")

    put_in(server, "HANDLERS", {**server.HANDLERS, Call.COUNT_DOCUMENTS: count})

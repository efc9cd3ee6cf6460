"""Faults in asking for timestamps, and in taking them (W14.9)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any, cast

from asn1crypto import tsp
from rfc3161_client import decode_timestamp_response

from relay.errors import SignatureError
from relay.node import stamping
from relay.node.stamping import PinnedAuthority
from relay.signing import timestamps
from relay.signing.faults import Fault
from relay.signing.timestamps import ProvenTimestamp, TimestampRequest, TimestampTrust
from relay.signing.trust import Path
from tests.conformance.mutants import mutant, put_in


@mutant("asks for every timestamp with the same nonce", "W14.9/request")
def asks_with_one_nonce() -> None:
    honest = timestamps.ask

    def ask(content: bytes) -> TimestampRequest:
        asked = honest(content)
        question = tsp.TimeStampReq.load(asked.content)
        question["nonce"] = 7
        return replace(asked, content=question.dump(force=True), nonce=7)

    put_in(stamping, "ask", ask)


@mutant("looks at no nonce in an answer", "W14.9/nonce", "W14.9/no-nonce")
def looks_at_no_nonce() -> None:
    honest = TimestampTrust.answered

    def answered(self: TimestampTrust, response: bytes, request: TimestampRequest) -> Any:
        nonce = decode_timestamp_response(response).tst_info.nonce
        return honest(self, response, replace(request, nonce=nonce))

    put_in(TimestampTrust, "answered", answered)


@mutant("takes the token of an answer that is not granted", "W14.9/not-granted")
def takes_what_is_not_granted() -> None:
    honest = timestamps._decoded

    def decoded(response: bytes) -> Any:
        answer = tsp.TimeStampResp.load(response)
        answer["status"] = {"status": "granted"}
        return honest(answer.dump(force=True))

    put_in(timestamps, "_decoded", decoded)


@mutant("takes timestamps under any policy", "W14.9/policy")
def looks_at_no_policy() -> None:
    honest = stamping._pinned

    def pinned(*arguments: Any) -> PinnedAuthority:
        return replace(honest(*arguments), policy=None)

    put_in(stamping, "_pinned", pinned)


@mutant(
    "keeps what authorities answer and proves nothing of it",
    "W14.9/imprint",
    "W14.9/untrusted",
    "W14.9/purpose",
    "W14.9/signature",
)
def proves_no_stamps() -> None:
    def answered(_: TimestampTrust, response: bytes, request: TimestampRequest) -> Any:
        found = timestamps._decoded(response)
        info, nobody = found.tst_info, cast("Path", None)
        if info.nonce != request.nonce:
            raise SignatureError(Fault.WRONG_NONCE, "the answer is to another request")
        at, policy = info.gen_time.astimezone(UTC), info.policy.dotted_string
        serial, imprint = info.serial_number, request.imprint
        proven = ProvenTimestamp(imprint, at, timedelta(), serial, policy, nobody)
        return found.time_stamp_token(), proven

    put_in(TimestampTrust, "answered", answered)


@mutant("takes no timestamp for one", "W14.9/taken")
def keeps_no_stamps() -> None:
    def answered(*_: Any) -> None:
        raise SignatureError(Fault.BAD_TIMESTAMP, "no timestamps here")

    put_in(TimestampTrust, "answered", answered)

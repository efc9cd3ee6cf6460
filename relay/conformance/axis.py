"""A call of the axis dialect, made by hand: whatever an assertion wants to have wrong, it can have wrong.

Touches: connections to a judged node's axis face.
Raises:  UnreachableError; FailedError for an answer that is none of the dialect.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from multidict import CIMultiDict

from relay.conformance.dms import Dms
from relay.conformance.instants import now
from relay.conformance.peer import Answer, asked
from relay.conformance.verdicts import FailedError

PREFIX = "XroadVnpt-"
_LOCAL = timezone(timedelta(hours=7))
_GSON = {char: f"\\u{ord(char):04x}" for char in "<>&='"}


def stamp(at: datetime) -> str:
    """ddMMyyyyTHHmmss+ and milliseconds in four digits, of the clock on the wall."""
    local = at.astimezone(_LOCAL)
    return f"{local:%d%m%YT%H%M%S}+{local.microsecond // 1000:04}"


def hash_file(content: bytes, *, padded: bool = False) -> str:
    digest = hashlib.sha256(content).digest()
    return digest.hex() if padded else "".join(f"{byte:x}" for byte in digest)


@dataclass(frozen=True, slots=True)
class Made:
    """A request: what is signed, and what is sent beside or instead."""

    call: str
    secret: bytes
    members: tuple[tuple[str, str], ...]
    """Names without the prefix."""
    body: bytes = b""
    instead: tuple[tuple[str, str], ...] = ()
    """Headers that are sent otherwise than signed, names with the prefix; or that are not signed at all."""
    unsigned: frozenset[str] = frozenset()
    """Members that are sent and not signed."""

    def headers(self) -> list[tuple[str, str]]:
        signed = {
            f"{PREFIX}{name}": value for name, value in self.members if name not in self.unsigned
        }
        text = json.dumps(signed, ensure_ascii=True, separators=(",", ":"))
        text = "".join(_GSON.get(char, char) for char in text)
        sent = {f"{PREFIX}{name}": value for name, value in self.members}
        sent |= {
            f"{PREFIX}sign-header-key": ";".join(
                n for n, _ in self.members if n not in self.unsigned
            ),
            f"{PREFIX}sign-header": text,
            f"{PREFIX}hash-header": hmac.new(self.secret, text.encode(), "sha256").hexdigest(),
            f"{PREFIX}version": "3.0.201608",
        }
        sent |= dict(self.instead)
        return [*sent.items(), ("Content-Type", dict(self.members)["Content-Type"])]

    def but(self, **changes: Any) -> Made:
        return replace(self, **changes)

    def other(self, name: str, value: str) -> Made:
        """A header of another value than was signed."""
        return replace(self, instead=(*self.instead, (f"{PREFIX}{name}", value)))


def made(dms: Dms, call: str, parameters: Mapping[str, str], body: bytes = b"{}") -> Made:
    """As the agency's system makes it."""
    kind = "application/octet-stream" if call == "sendEdoc" else "application/json"
    members = {"systemid": dms.subject.systemid, **parameters}
    members |= {"timestamp": parameters.get("timestamp", stamp(now())), "Content-Type": kind}
    return Made(call, dms.subject.secret.encode(), tuple(members.items()), body)


def sending(dms: Dms, envelope: bytes, **parameters: str) -> Made:
    """sendEdoc of a document."""
    named = {
        "servicetype": "eDoc",
        "messagetype": "edoc",
        "hash-file": hash_file(envelope),
        "from": dms.subject.agency,
    }
    return made(dms, "sendEdoc", named | parameters, envelope)


async def told(
    dms: Dms, request: Made, *, method: str = "POST", twice: Sequence[tuple[str, str]] = ()
) -> Answer:
    """The answer as it came; `twice` are headers sent beside those of the request."""
    headers = CIMultiDict([*request.headers(), *twice])
    return await asked(
        dms.session,
        dms.exchanges,
        f"DMS at {dms.subject.id}",
        method,
        f"{dms.subject.axis}/{request.call}",
        request.body if method == "POST" else None,
        headers,
    )


def said(answer: Answer) -> dict[str, Any]:
    """The answer of the dialect that this is. FAIL where it is none."""
    if answer.status != 200:
        raise FailedError(f"answered {answer.status}, not 200")
    return fields(answer)


def fields(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer of whatever status."""
    if not answer.body.isascii():
        raise FailedError("the answer is not ASCII")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise FailedError(f"the answer is no JSON: {answer.body[:100]!r}") from None
    if not isinstance(found, dict):
        raise FailedError("the answer is no JSON object")
    for name in ("status", "ErrorCode", "ErrorDesc"):
        if not isinstance(found.get(name), str):
            raise FailedError(f"{name} is no text")
    return found

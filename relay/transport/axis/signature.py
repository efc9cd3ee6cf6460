"""The dialect's signature: which headers are signed, by whom, and how a client signs.

Touches: nothing; bytes as they were received go in, never text that a decoder has touched.
Trusts:  nothing. The sign-header is not parsed before its HMAC holds.
Raises:  AxisRefusal 15.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from relay.envelope.limits import in_units
from relay.transport.axis.refusals import AxisRefusal, ErrorCode
from relay.transport.axis.systems import System, Systems

PREFIX = "XroadVnpt-"
VERSION = "3.0.201608"
SIGN_HEADER_BYTES = 64 << 10
"""It names every recipient: a circular to a few thousand of them fills most of this."""

_PREFIX = PREFIX.lower().encode()
_PROOF = ("systemid", "sign-header", "hash-header")
# What Gson, the client library's JSON writer, escapes beyond JSON itself.
_GSON = {char: f"\\u{ord(char):04x}" for char in "<>&='"}


def collect(raw_headers: Iterable[tuple[bytes, bytes]]) -> dict[str, bytes]:
    """The dialect's headers by lower-case name without the prefix, values as received."""
    found: dict[str, bytes] = {}
    for raw_name, value in raw_headers:
        lowered = raw_name.lower()
        if not lowered.startswith(_PREFIX):
            continue
        name = lowered[len(_PREFIX) :].decode("ascii", "replace")
        if name in found:
            raise _refuse("duplicate-header", "Header trung lap", f"header {name[:40]} came twice")
        found[name] = value
    return found


def authenticate(
    headers: Mapping[str, bytes],
    systems: Systems,
    now: datetime | None = None,
    failed: Callable[[System], None] = lambda _: None,
) -> System:
    """The system whose secret made the HMAC over the sign-header's received bytes (A1.1).

    The same work and the same answer whether the systemid or the secret is wrong; only the node's
    own log says which. `failed` is told the system whose secret it was not.
    """
    for name in _PROOF:
        if not headers.get(name):
            raise _refuse("missing-header", f"Thieu header {name}", f"header {name} is missing")
    signed = headers["sign-header"]
    if len(signed) > SIGN_HEADER_BYTES:
        raise _refuse(
            "long-sign-header",
            "Header sign-header qua dai, hay giam so don vi nhan moi lan gui",
            f"sign-header of {len(signed)} bytes, limit {in_units(SIGN_HEADER_BYTES)}: "
            "name fewer recipients in one call",
        )
    system = systems.lookup(headers["systemid"].decode("utf-8", "replace"))
    given = headers["hash-header"]
    holds = False
    for key, counts in systems.keys(system, now):
        holds |= hmac.compare_digest(mac(key, signed), given) & counts
    if system is not None and not holds:
        failed(system)
    if system is None or not holds:
        raise _refuse(
            "unknown-system" if system is None else "bad-signature",
            "Sai systemid hoac khoa bi mat",
            "unknown systemid, or hash-header is not the HMAC-SHA256 of sign-header with its secret",
            logged="unknown systemid" if system is None else "hash-header does not hold",
        )
    return system


def signed_members(headers: Mapping[str, bytes]) -> dict[str, str]:
    """The sign-header's members by lower-case name, each equal to its header (A1.2). Call it only
    after `authenticate`."""
    members = _read(headers["sign-header"])
    for name, value in members.items():
        if headers.get(name) != value.encode():
            raise _refuse(
                "header-differs",
                "Header khong khop voi sign-header",
                f"header {name[:40]} is missing or is not what sign-header says",
            )
    return members


def mac(key: bytes, text: bytes) -> bytes:
    """Lower-case hex HMAC-SHA256."""
    return hmac.new(key, text, hashlib.sha256).hexdigest().encode()


def sign(parameters: Sequence[tuple[str, str]], secret: bytes) -> dict[str, str]:
    """All headers of a call, signed in the order given, as the Java client writes them."""
    members = {PREFIX + name: value for name, value in parameters}
    text = json.dumps(members, separators=(",", ":"))
    for char, escaped in _GSON.items():
        text = text.replace(char, escaped)
    return {
        **members,
        PREFIX + "sign-header-key": ";".join(name for name, _ in parameters),
        PREFIX + "sign-header": text,
        PREFIX + "hash-header": mac(secret, text.encode()).decode(),
        PREFIX + "version": VERSION,
    }


def _read(text: bytes) -> dict[str, str]:
    try:
        parsed = _DECODER.decode(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _malformed("sign-header is not JSON") from None
    if not isinstance(parsed, dict):
        raise _malformed("sign-header is not a JSON object")
    return parsed


def _members(pairs: list[tuple[str, object]]) -> dict[str, str]:
    members: dict[str, str] = {}
    for full, value in pairs:
        if not full.lower().startswith(PREFIX.lower()):
            raise _malformed("a member of sign-header is not one of the dialect's headers")
        name = full[len(PREFIX) :].lower()
        if name in members:
            raise _malformed("a member of sign-header comes twice")
        if not isinstance(value, str) or not _is_text(value):
            raise _malformed("a member of sign-header is not a text")
        # Blanks around a value do not survive the way through HTTP.
        members[name] = value.strip(" \t")
    return members


_DECODER = json.JSONDecoder(object_pairs_hook=_members)


def _is_text(value: str) -> bool:
    """False for lone halves of surrogate pairs, which JSON can write and UTF-8 cannot."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def _malformed(what: str) -> AxisRefusal:
    return _refuse("bad-sign-header", "Header sign-header sai dinh dang", what)


def _refuse(why: str, vietnamese: str, english: str, logged: str = "") -> AxisRefusal:
    return AxisRefusal(ErrorCode.BAD_SYSTEM, why, vietnamese, english, logged=logged)

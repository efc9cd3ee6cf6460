"""What a request asks: query, path, headers and small JSON bodies, each strictly validated.

Touches: the request's head, and bodies up to their stated limit.
Trusts:  nothing.
Raises:  RequestError naming the parameter, LengthError, MediaTypeError, NotFoundError for a path
         that can be no id.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence

from aiohttp import web

from relay.envelope.limits import in_units
from relay.errors import NotFoundError
from relay.model import DeliveryId, Digest, MessageId
from relay.transport.problems import LengthError, MediaTypeError, RequestError

LARGEST = (1 << 63) - 1
"""The largest cursor a journal can hold."""
WHY_CHARACTERS = 500
_NUMBER = re.compile(r"[0-9]{1,19}")
_INDEX = re.compile(r"0|[1-9][0-9]{0,18}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def only(request: web.Request, *known: str) -> None:
    """Refuse a query parameter that is not `known`: a misspelt filter must not be ignored."""
    if not request.rel_url.raw_query_string:
        return
    for name in request.query:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise RequestError(
                f"unknown query parameter, known here: {allowed}", parameter=name[:64]
            )


def one(request: web.Request, name: str) -> str | None:
    """The parameter's single value; None where it is absent."""
    values = request.query.getall(name, [])
    if len(values) > 1:
        raise RequestError(f"{name} is given {len(values)} times, limit 1", parameter=name)
    return values[0] if values else None


def number(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    text = one(request, name)
    if text is None:
        return default
    value = int(text) if _NUMBER.fullmatch(text) else -1
    if not low <= value <= high:
        raise RequestError(f"{name} must be a whole number from {low} to {high}", parameter=name)
    return value


def word(request: web.Request, name: str, words: Sequence[str]) -> str | None:
    text = one(request, name)
    if text is not None and text not in words:
        raise RequestError(f"{name} must be one of: {', '.join(words)}", parameter=name)
    return text


def uuid(request: web.Request, name: str) -> str | None:
    text = one(request, name)
    if text is not None and not _UUID.fullmatch(text):
        raise RequestError(f"{name} must be a UUID in lower case", parameter=name)
    return text


def codes(request: web.Request, name: str, most: int) -> tuple[str, ...] | None:
    """A repeated parameter of agency codes as the caller wrote them; None where there is none."""
    values = request.query.getall(name, [])
    if len(values) > most:
        raise RequestError(f"{len(values)} recipients, limit {most}", parameter=name)
    for value in values:
        if not 0 < len(value.strip()) <= 64 or not value.isascii() or not value.isprintable():
            raise RequestError(f"{name} must be an agency code", parameter=name)
    return tuple(value.strip() for value in values) or None


def idempotency_key(request: web.Request) -> str | None:
    values = request.headers.getall("Idempotency-Key", [])
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise RequestError(
            "the key must be given once, in 1 to 255 visible ASCII characters",
            parameter="Idempotency-Key",
        )
    return values[0]


def message_id(request: web.Request) -> MessageId:
    return MessageId(_named(request, _UUID, "message"))


def delivery_id(request: web.Request) -> DeliveryId:
    return DeliveryId(_named(request, _UUID, "delivery"))


def digest(request: web.Request) -> Digest:
    return Digest(_named(request, _DIGEST, "receipt"))


def upload_digest(request: web.Request) -> Digest:
    return Digest(_named(request, _DIGEST, "upload"))


def uploaded(request: web.Request) -> Digest | None:
    """Which upload a submission hands in; None where the envelope is in its body."""
    text = one(request, "upload")
    if text is None:
        return None
    if not _DIGEST.fullmatch(text):
        raise RequestError("upload must be a SHA-256 in lower-case hex", parameter="upload")
    return Digest(text)


def token_id(request: web.Request) -> str:
    text = request.match_info["id"]
    if not text.isascii() or not text.isprintable() or len(text) > 64:
        raise NotFoundError("no token has that id")
    return text


def index_in_path(request: web.Request) -> int:
    """Of an entry of the log, in its one form."""
    index = int(_named(request, _INDEX, "entry"))
    if index > LARGEST:
        raise NotFoundError("no entry has that id")
    return index


def _named(request: web.Request, pattern: re.Pattern[str], noun: str) -> str:
    text = next(iter(request.match_info.values()))
    if not pattern.fullmatch(text):
        raise NotFoundError(f"no {noun} has that id")
    return text


def refuse_coding(request: web.Request) -> None:
    """Bodies come as they are: what is signed and counted must be what was sent."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":
        raise MediaTypeError("the body must not be compressed", parameter="Content-Encoding")


async def body(request: web.Request, limit_bytes: int) -> bytes:
    """The whole body; its bytes are moved once, since a table of agencies has tens of millions."""
    refuse_coding(request)
    if (request.content_length or 0) > limit_bytes:
        raise _too_long(request.content_length or 0, limit_bytes)
    content = io.BytesIO()
    async for chunk in request.content.iter_any():
        content.write(chunk)
        if content.tell() > limit_bytes:
            raise _too_long(content.tell(), limit_bytes)
    return content.getvalue()


async def members(
    request: web.Request, limit_bytes: int, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, object]:
    """The members of a JSON object: all the required ones, none that is not known, none twice."""
    if request.content_type != "application/json":
        raise MediaTypeError("the body must be application/json", parameter="Content-Type")
    found = parse_object(await body(request, limit_bytes))
    for name in found:
        if name not in required and name not in optional:
            raise RequestError("unknown member", parameter=name[:64])
    for name in required:
        if name not in found:
            raise RequestError("member is missing", parameter=name)
    return found


def parse_object(content: bytes) -> dict[str, object]:
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_none)
    except (ValueError, RecursionError):
        raise RequestError("the body is not JSON, or names a member twice") from None
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object")
    return value


def text_member(found: dict[str, object], name: str, most: int, *, lines: bool = False) -> str:
    """A text of up to `most` printable characters; with `lines` it may have several."""
    value = found.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise RequestError(f"must be a text of up to {most} characters", parameter=name)
    if not (value.replace("\n", " ").replace("\t", " ") if lines else value).isprintable():
        raise RequestError("holds control characters", parameter=name)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is named twice")
    return found


def _none(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _too_long(size_bytes: int, limit_bytes: int) -> LengthError:
    return LengthError(f"a body of {in_units(size_bytes)}", limit=in_units(limit_bytes))


def operators_words(request: web.Request) -> str:
    """`why`: for the audit log."""
    why = one(request, "why") or ""
    if len(why) > WHY_CHARACTERS or not why.isprintable():
        said = f"must be up to {WHY_CHARACTERS} printable characters"
        raise RequestError(said, parameter="why")
    return why

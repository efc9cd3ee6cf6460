"""The one table from a failure to the problem document (RFC 9457) that a client is shown.

Touches: nothing but aiohttp's response type.
Trusts:  the messages of relay.errors (neither payload nor keys); of anything else it shows nothing.
Raises:  nothing; RequestError and its kin are defined here for the faces that speak plain HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from relay.errors import (
    AccessError,
    ClosedRecipientError,
    ConflictError,
    DamagedError,
    DirectoryError,
    EnvelopeError,
    GoneError,
    JournalError,
    LostPayloadError,
    NotFoundError,
    NotPossibleError,
    OverloadError,
    PeerError,
    QuotaError,
    RecipientError,
    RelayError,
    RouteError,
    SignatureError,
    TakenBackError,
    TooLargeError,
    TransportError,
    WireError,
)

TYPE_PREFIX = "urn:truc-relay:problem:"
REQUEST_PREFIX = "urn:truc-relay:request:"
CONTENT_TYPE = "application/problem+json"


class RequestError(PeerError):
    """An HTTP request of the wrong shape; `parameter` names the part at fault, where there is one."""

    def __init__(self, message: str, *, parameter: str = "") -> None:
        self.parameter = parameter
        super().__init__(message)


class LengthError(RequestError):
    """A request body over its limit; `limit` is for people ("64 KiB")."""

    def __init__(self, message: str, *, limit: str) -> None:
        self.limit = limit
        super().__init__(f"{message}, limit {limit}")


class MediaTypeError(RequestError):
    """A body in a media type or coding this path does not take."""


class RangeError(RequestError):
    """No byte of the representation is in the range that was asked for."""

    def __init__(self, message: str, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        super().__init__(message, parameter="Range")


class UnauthenticatedError(AccessError):
    """No bearer token, or one that is not known; `challenge` is the RFC 6750 error word."""

    def __init__(self, message: str, challenge: str = "") -> None:
        self.challenge = challenge
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table; `word` completes the type URI and never changes its meaning."""

    status: int
    word: str
    title: str


INTERNAL = Kind(500, "internal", "The node failed; its operator finds why under the request id")
TOO_LARGE = Kind(413, "too-large", "More than this node takes")

TABLE: dict[type[BaseException], Kind] = {
    RequestError: Kind(400, "bad-request", "The request is malformed"),
    LengthError: TOO_LARGE,
    MediaTypeError: Kind(415, "unsupported-media-type", "The body is of a kind not taken here"),
    RangeError: Kind(416, "range-not-satisfiable", "The range lies outside the document"),
    UnauthenticatedError: Kind(401, "unauthenticated", "A valid bearer token is needed"),
    AccessError: Kind(403, "forbidden", "The caller may not do that"),
    NotFoundError: Kind(404, "not-found", "Nothing of the caller's has that name"),
    NotPossibleError: Kind(409, "not-possible", "Not possible as things stand"),
    GoneError: Kind(410, "gone", "It was here; its retention time is over"),
    TakenBackError: Kind(410, "taken-back", "Its sender took it back"),
    ConflictError: Kind(409, "conflict", "Other content stands under that name"),
    TooLargeError: TOO_LARGE,
    DamagedError: Kind(422, "damaged", "The bytes changed on their way here"),
    EnvelopeError: Kind(422, "bad-envelope", "The envelope cannot be carried"),
    SignatureError: Kind(422, "bad-signature", "The seal or signature does not hold"),
    DirectoryError: Kind(422, "bad-directory", "The directory cannot be changed so"),
    ClosedRecipientError: Kind(422, "closed-recipient", "The recipient's code is not open"),
    RouteError: Kind(422, "no-route", "A recipient cannot be reached"),
    WireError: Kind(422, "bad-document", "A document between nodes is malformed"),
    PeerError: Kind(400, "bad-request", "The request is malformed"),
    OverloadError: Kind(503, "overloaded", "The node is at its limit; come again"),
    JournalError: Kind(503, "cannot-store", "The node cannot store anything now"),
    LostPayloadError: Kind(503, "lost", "The disk of the node has lost the document"),
    TransportError: Kind(503, "unavailable", "The way there is not open now"),
    web.RequestPayloadError: Kind(400, "bad-request", "The request is malformed"),
    HttpProcessingError: Kind(400, "bad-request", "The request is malformed"),
}
"""Looked up along the class's own ancestry, so a new error has its parent's row."""

_HTTP: dict[int, Kind] = {
    404: Kind(404, "no-such-path", "There is nothing at this path"),
    405: Kind(405, "method-not-allowed", "This path does not take that method"),
    413: TOO_LARGE,
    417: Kind(417, "expectation-failed", "That expectation cannot be met"),
}

# What is told where the error's own words are not for strangers, or not for people.
_HIDDEN: dict[type[BaseException], str] = {
    LostPayloadError: "its operator may be able to bring it back from a backup",
    JournalError: "the node cannot write to its own disk; nothing was accepted",
    web.RequestPayloadError: "the body ended early or was framed wrongly",
    HttpProcessingError: "the request line or a header could not be read, or is too long",
}

WORDS = frozenset(kind.word for kind in (*TABLE.values(), *_HTTP.values(), INTERNAL))


@dataclass(frozen=True, slots=True)
class Problem:
    kind: Kind
    detail: str
    extras: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def is_expected(error: BaseException) -> bool:
    """False for a bug of ours or a failing disk: those deserve a loud line in the node's own log."""
    if isinstance(error, OverloadError):
        return True
    return not isinstance(error, JournalError) and kind_of(error) is not INTERNAL


def kind_of(error: BaseException) -> Kind:
    if isinstance(error, web.HTTPException):
        return _HTTP.get(error.status) or Kind(error.status, "http", _phrase(error.status))
    for ancestor in type(error).__mro__:
        if ancestor in TABLE:
            return TABLE[ancestor]
    return INTERNAL


def word_of(error: BaseException) -> str:
    """The reason in one stable word, for the audit log: what of a signature does not hold, else the
    problem's own word."""
    return error.reason if isinstance(error, SignatureError) else kind_of(error).word


def problem_of(error: BaseException) -> Problem:
    """What the client is told of `error`; of a bug or a disk failure it learns only that there was one."""
    kind = kind_of(error)
    return Problem(kind, _detail(error, kind), _extras(error), _headers(error))


def problem_response(problem: Problem, request_id: str) -> web.Response:
    document = {
        "type": TYPE_PREFIX + problem.kind.word,
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": problem.detail,
        "instance": REQUEST_PREFIX + request_id,
        **problem.extras,
    }
    return web.Response(
        status=problem.kind.status,
        body=json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        content_type=CONTENT_TYPE,
        headers={**problem.headers, "X-Request-ID": request_id},
    )


def _detail(error: BaseException, kind: Kind) -> str:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{error.method} is not taken here; {', '.join(sorted(error.allowed_methods))} is"
    if isinstance(error, OverloadError):
        return str(error)
    for hidden, text in _HIDDEN.items():
        if isinstance(error, hidden):
            return text
    return str(error) if isinstance(error, RelayError) else kind.title.lower()


def _extras(error: BaseException) -> dict[str, object]:
    extras: dict[str, object] = {}
    match error:
        case EnvelopeError():
            extras = {"what": error.what, "where": error.where, "limit": error.limit}
        case RecipientError():
            told = [asdict(trouble) for trouble in error.troubles]
            extras = {"codes": list(error.codes), "recipients": told}
        case DirectoryError():
            extras = {"problems": list(error.problems)}
        case RouteError():
            extras = {"codes": list(error.codes)}
        case SignatureError():
            extras = {"reason": error.reason}
        case LengthError():
            extras = {"limit": error.limit}
        case RequestError():
            extras = {"parameter": error.parameter}
        case QuotaError():
            seconds = error.retry_after_seconds
            extras = {"retry_after_seconds": seconds, "quota": error.quota}
        case OverloadError():
            extras = {"retry_after_seconds": error.retry_after_seconds}
    return {name: value for name, value in extras.items() if value not in ("", [])}


def _headers(error: BaseException) -> dict[str, str]:
    match error:
        case UnauthenticatedError():
            word = f', error="{error.challenge}"' if error.challenge else ""
            return {"WWW-Authenticate": f'Bearer realm="truc-relay"{word}'}
        case OverloadError():
            return {"Retry-After": str(error.retry_after_seconds)}
        case JournalError() | TransportError():
            return {"Retry-After": "30"}
        case RangeError():
            return {"Content-Range": f"bytes */{error.size_bytes}"}
        case web.HTTPMethodNotAllowed():
            return {"Allow": ", ".join(sorted(error.allowed_methods))}
    return {}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"

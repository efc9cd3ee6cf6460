"""The node's own certificates by HTTP, for operators: looked at, and taken up anew from their files.

Touches: the desk of certificates.
Trusts:  that the gate let only an operator in.
Raises:  RequestError, NotFoundError, NotPossibleError (a pair does not fit: nothing was changed).
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from relay.delivery.operators.ageing import AgeingCertificate
from relay.delivery.operators.renewing import CertificateDoor
from relay.delivery.ports import Caller
from relay.errors import NotFoundError, NotPossibleError, SettingsError
from relay.transport.native.asking import members, only
from relay.transport.native.fragments import Json as Described
from relay.transport.native.fragments import json_answer, json_body, operation
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.schemas import (
    DIGEST,
    INSTANT,
    TEXT,
    Schema,
    list_of,
    record,
    reference,
)
from relay.transport.native.views import Json, json_response, stamp

_BODY_BYTES: Final = 1 << 10
_SHOWN_CHARACTERS: Final = 500
_OWN: dict[str, Schema] = {
    "name": {
        **TEXT,
        "description": "tls, sign, log, gateway, or an agency's code; of an authority trust.roots and so on,"
        " by its list, or issuer",
    },
    "sha256": DIGEST,
    "not_after": INSTANT,
    "days_left": {"type": "integer", "description": "Whole days; negative once it has ended"},
}

CERTIFICATE_SCHEMAS: dict[str, Schema] = {
    "OwnCertificate": record("One that the node signs or serves with, or an authority's.", **_OWN),
    "OwnCertificates": record(
        "All of them, and the authorities on which they and the node's trust in others rest.",
        certificates=list_of(reference("OwnCertificate")),
        authorities=list_of(reference("OwnCertificate")),
    ),
    "CertificateReloadRequest": {
        "type": "object",
        "description": "Nothing: the files are where the configuration says.",
        "additionalProperties": False,
    },
    "RenewedCertificate": record("One in another's place.", **_OWN, before=DIGEST),
    "CertificateChange": record(
        "What is in use from now on.", renewed=list_of(reference("RenewedCertificate"))
    ),
}


def certificate_paths() -> Described:
    show = operation(
        "showCertificates",
        "The node's own certificates in use",
        {"200": json_answer("OwnCertificates")},
        (400, 401, 403, 404, 503),
    )
    reload = operation(
        "reloadCertificates",
        "Take up the certificates and keys as their files are now",
        {"200": json_answer("CertificateChange")},
        (400, 401, 403, 404, 409, 413, 415, 503),
    )
    body = json_body("CertificateReloadRequest")
    return {
        "/v1/certificates": {"get": show},
        "/v1/certificates/reload": {"post": {**reload, "requestBody": body}},
    }


async def show(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    door = _door(inside)
    return json_response(
        {
            "certificates": [_view(inside, one) for one in door.show()],
            "authorities": [_view(inside, one) for one in door.above()],
        }
    )


async def reload(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    await proceed(request)
    await members(request, _BODY_BYTES, ())
    try:
        renewed = await _door(inside).reload(caller)
    except SettingsError as error:
        told = "; ".join(error.problems)[:_SHOWN_CHARACTERS]
        raise NotPossibleError(f"nothing was changed: {told}") from None
    return json_response(
        {"renewed": [{**_view(inside, one.certificate), "before": one.before} for one in renewed]}
    )


def _door(inside: Inside) -> CertificateDoor:
    if inside.certificates is None:
        raise NotFoundError("this node shows nothing of its certificates")
    return inside.certificates


def _view(inside: Inside, one: AgeingCertificate) -> Json:
    return {
        "name": one.name,
        "sha256": one.sha256,
        "not_after": stamp(one.not_after),
        "days_left": one.days_left(inside.clock()),
    }

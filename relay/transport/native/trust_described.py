"""The OpenAPI description of whom the node trusts.

Touches: nothing.
"""

from __future__ import annotations

from relay.transport.native.fragments import Json, json_answer, json_body, operation
from relay.transport.native.schemas import (
    DIGEST,
    INSTANT,
    TEXT,
    Schema,
    list_of,
    or_null,
    record,
    reference,
)
from relay.transport.native.trust import WHY_CHARACTERS

TRUST_SCHEMAS: dict[str, Schema] = {
    "TrustedCertificate": record(
        "A CA certificate: an anchor, or one that helps to find paths.",
        listed_as={**TEXT, "description": "roots, intermediates, or the role it is pinned for"},
        sha256=DIGEST,
        subject=TEXT,
        not_after=INSTANT,
        branches={
            **list_of(TEXT),
            "description": "Nodes at the top of the branches it issues for; none: any",
        },
    ),
    "Trust": record(
        "Whom the node trusts.",
        certificates=list_of(reference("TrustedCertificate")),
        problem={
            **or_null(TEXT),
            "description": "Why the files are not in force as they lie there",
        },
    ),
    "TrustEntry": record("A certificate and its list.", listed_as=TEXT, sha256=DIGEST),
    "TrustChange": record(
        "What changed.",
        added=list_of(reference("TrustEntry")),
        removed=list_of(reference("TrustEntry")),
        closed={**list_of(TEXT), "description": "Neighbours of which connections were closed"},
    ),
    "TrustReloadRequest": {
        "type": "object",
        "description": "Read the files now.",
        "properties": {"why": {"type": "string", "minLength": 1, "maxLength": WHY_CHARACTERS}},
        "required": ["why"],
        "additionalProperties": False,
    },
}


def trust_paths() -> Json:
    show = operation(
        "showTrust",
        "Whom the node trusts",
        {"200": json_answer("Trust")},
        (400, 401, 403, 404, 503),
    )
    reload = operation(
        "reloadTrust",
        "Read the files of trusted certificates now",
        {"200": json_answer("TrustChange")},
        (400, 401, 403, 404, 409, 413, 415, 503),
    )
    return {
        "/v1/trust": {"get": show},
        "/v1/trust/reload": {"post": {**reload, "requestBody": json_body("TrustReloadRequest")}},
    }

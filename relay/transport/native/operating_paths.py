"""The paths of operators' actions in the OpenAPI description, beside those of openapi.py.

Touches: nothing.
"""

from __future__ import annotations

from relay.transport.native.fragments import Json, in_path, json_answer, json_body, operation
from relay.transport.native.schemas import UUID

_ACTED = (400, 401, 403, 404, 409, 413, 415, 503)
_ONE = {
    "hold": ("Do not send it, nor let it expire, until released", "Order"),
    "release": ("Let what is held go on", "Order"),
    "requeue": ("Queue it anew: its way by the present directory, no back-off", "Order"),
    "cancel": ("End it, with a signed negative receipt for its sender", "CancelOrder"),
    "redirect": ("Send it to another neighbour", "RedirectOrder"),
    "flush": ("Make the next attempt now", "Order"),
}
_ALL = {
    "hold": ("Hold what waits for a neighbour", "NeighbourOrder"),
    "release": ("Release what is held for a neighbour", "NeighbourOrder"),
    "requeue": ("Queue anew what waits for a neighbour, parked receipts too", "NeighbourOrder"),
    "flush": ("End the back-off of a neighbour, or of all", "FlushOrder"),
}


def operating_paths() -> Json:
    named = {**in_path("id", UUID), "description": "A delivery's id, or a message's for all of its"}
    paths: Json = {
        "/v1/queue/shape": {
            "get": operation(
                "showQueueShape",
                "What waits, by neighbour and age",
                {"200": json_answer("Shape")},
                (400, 401, 403, 503),
            )
        },
        "/v1/deliveries/{id}/why": {
            "get": operation(
                "explainDelivery",
                "Why it is not delivered",
                {"200": json_answer("Why")},
                (400, 401, 403, 404, 503),
            ),
            "parameters": [named],
        },
    }
    for action, (summary, body) in _ONE.items():
        post = {**_operation(f"{action}Delivery", summary), "requestBody": json_body(body)}
        paths[f"/v1/deliveries/{{id}}/{action}"] = {"post": post, "parameters": [named]}
    for action, (summary, body) in _ALL.items():
        post = {**_operation(f"{action}Queue", summary), "requestBody": json_body(body)}
        paths[f"/v1/queue/{action}"] = {"post": post}
    return paths


def _operation(name: str, summary: str) -> Json:
    return operation(name, summary, {"200": json_answer("Done")}, _ACTED)

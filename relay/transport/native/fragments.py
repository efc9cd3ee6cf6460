"""The small pieces that an OpenAPI description is put together from.

Touches: nothing.
"""

from __future__ import annotations

from typing import Any

from relay.transport.native.asking import WHY_CHARACTERS
from relay.transport.native.schemas import TEXT, Schema, reference

Json = dict[str, Any]


def reading(name: str, summary: str, answer: Json) -> Json:
    return operation(name, summary, {"200": answer}, (400, 401, 404, 503))


def open_to_all(name: str, summary: str, answers: Json) -> Json:
    return {**operation(name, summary, answers, ()), "security": []}


def operation(name: str, summary: str, answers: Json, refusals: tuple[int, ...]) -> Json:
    problems = {str(status): problem_answer(status) for status in refusals}
    return {"operationId": name, "summary": summary, "responses": {**answers, **problems}}


def problem_answer(status: int) -> Json:
    return {"$ref": f"#/components/responses/Problem{status}"}


def content(description: str, media_type: str, schema: Schema) -> Json:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def json_answer(name: str, description: str = "") -> Json:
    return content(description or name, "application/json", reference(name))


def json_body(name: str) -> Json:
    return {"required": True, "content": {"application/json": {"schema": reference(name)}}}


def xml_answer(description: str) -> Json:
    return content(description, "application/xml", TEXT)


def seal_answer() -> Json:
    kind = {"schema": TEXT, "description": "agency, agency-supplied, node or gateway"}
    return {**xml_answer("A detached XAdES signature"), "headers": {"Relay-Seal-Kind": kind}}


def in_path(name: str, schema: Schema) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def in_query(name: str, schema: Schema, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


LIMIT = in_query(
    "limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "A page"
)

WHY = in_query(
    "why", {"type": "string", "maxLength": WHY_CHARACTERS}, "The caller's words for the audit log"
)


def cursor(description: str) -> list[Json]:
    return [
        in_query("after", {"type": "integer", "minimum": 0, "default": 0}, description),
        LIMIT,
    ]

"""The OpenAPI description of witnesses.

Touches: nothing.
"""

from __future__ import annotations

from relay.transport.native.asking import WHY_CHARACTERS
from relay.transport.native.fragments import (
    Json,
    content,
    json_answer,
    json_body,
    open_to_all,
    operation,
    problem_answer,
)
from relay.transport.native.schemas import (
    INSTANT,
    TEXT,
    WHOLE,
    Schema,
    list_of,
    or_null,
    record,
    reference,
)
from relay.transport.native.witnesses import ORIGIN_CHARACTERS

WITNESS_SCHEMAS: dict[str, Schema] = {
    "WitnessStanding": record(
        "How it stands with one witness of this node's log.",
        witness=TEXT,
        size={**or_null(WHOLE), "description": "Entries of the newest head it cosigned"},
        cosigned_at=or_null(INSTANT),
        behind={**or_null(WHOLE), "description": "Entries that came since"},
        trouble={**TEXT, "description": "Why nothing comes of it now; empty where all is well"},
    ),
    "WatchedLog": record(
        "A log that this node cosigns, and the newest head that it cosigned.",
        log=TEXT,
        origin=TEXT,
        size=WHOLE,
        cosigned_at=INSTANT,
        note=TEXT,
    ),
    "LogAlarm": record(
        "Two signed notes of a log that cannot be of one history, and what shows it.",
        number=WHOLE,
        log=TEXT,
        origin=TEXT,
        kind={"type": "string", "enum": ["forked", "twin"]},
        why=TEXT,
        ours={**TEXT, "description": "The note that was cosigned here"},
        theirs={**TEXT, "description": "The note that contradicts it"},
        proof={**list_of(TEXT), "description": "Hashes of the proof that came with it, in base64"},
        first_entry={**TEXT, "description": "The first leaf of a new epoch, in base64, or empty"},
        handed_in_by=TEXT,
        at=INSTANT,
        cleared_at=or_null(INSTANT),
    ),
    "Witnesses": record(
        "Who cosigns this node's log, whose logs it cosigns, and what is in alarm.",
        at=INSTANT,
        origin=TEXT,
        size=WHOLE,
        witnesses=list_of(reference("WitnessStanding")),
        watched=list_of(reference("WatchedLog")),
        alarms=list_of(reference("LogAlarm")),
    ),
    "ClearAlarmRequest": {
        "type": "object",
        "description": "Cosign this log again.",
        "properties": {
            "origin": {"type": "string", "minLength": 1, "maxLength": ORIGIN_CHARACTERS},
            "why": {"type": "string", "minLength": 1, "maxLength": WHY_CHARACTERS},
        },
        "required": ["origin", "why"],
        "additionalProperties": False,
    },
    "ClearedAlarms": record("How many alarms ended.", cleared=WHOLE),
}


def witness_paths() -> Json:
    note = content("A signed note with cosignatures (C2SP)", "text/plain", TEXT)
    show = operation(
        "showWitnesses", "How it stands with witnesses", {"200": json_answer("Witnesses")}, _READ
    )
    clear = operation(
        "clearLogAlarm",
        "Cosign a log again that was in alarm",
        {"200": json_answer("ClearedAlarms")},
        (400, 401, 403, 404, 413, 415, 503),
    )
    return {
        "/v1/audit/checkpoint": {
            "get": operation(
                "getCosignedHead",
                "The newest head that any witness cosigned, with its cosignatures; /log/ has the published one",
                {"200": note},
                _READ,
            )
        },
        "/v1/audit/witnesses": {"get": show},
        "/v1/audit/witnesses/clear": {
            "post": {**clear, "requestBody": json_body("ClearAlarmRequest")}
        },
        "/v1/witness/add-checkpoint": {"post": _add_checkpoint()},
    }


_READ = (400, 401, 403, 404, 503)


def _add_checkpoint() -> Json:
    said = {
        "200": content("Cosignature lines", "text/plain", TEXT),
        "400": content("Malformed", "text/plain", TEXT),
        "403": content("No signature by a key that is believed", "text/plain", TEXT),
        "404": content("No log of that name is known here", "text/plain", TEXT),
        "409": content("The size of the newest head cosigned", "text/x.tlog.size", TEXT),
        "413": problem_answer(413),
        "422": content("The proof does not hold", "text/plain", TEXT),
        "503": problem_answer(503),
    }
    body = content("old size, proof, empty line, checkpoint", "text/plain", TEXT)
    return {
        **open_to_all("addCheckpoint", "Cosign a checkpoint (C2SP tlog-witness)", said),
        "requestBody": {"required": True, "content": body["content"]},
    }

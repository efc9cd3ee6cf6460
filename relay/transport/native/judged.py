"""What was found about signatures made by others, as the API shows it, and its schemas.

Touches: nothing. Raises: nothing.
"""

from __future__ import annotations

from typing import Any

from relay.delivery.ports import MessageView
from relay.judgement import Cover, Flaw, Form, SignerKind, Verdict, judgement_json
from relay.transport.native.schemas import (
    DIGEST,
    TEXT,
    Schema,
    list_of,
    or_null,
    record,
    reference,
    word,
)

Json = dict[str, Any]


def signatures_view(view: MessageView) -> Json:
    """`state` none: this node judges no signatures of it, being neither its origin nor its recipient's."""
    found = view.judgement
    if found is None:
        state = "waiting" if view.judging else "none"
        return {"state": state, "verdict": None, "as_of": None, "flaws": [], "parts": []}
    shown = judgement_json(found)
    return {
        "state": "judged",
        "verdict": shown["verdict"],
        "as_of": shown["at"],
        "flaws": shown["flaws"],
        "parts": shown["parts"],
    }


_INSTANT: Schema = {"type": "string", "format": "date-time"}
_VERDICT = or_null(word(Verdict))
_FLAWS = list_of(word(Flaw))
JUDGED_SCHEMAS: dict[str, Schema] = {
    "JudgedSignatures": record(
        "Signatures made by others in the document and its attachments; what this node found of them.",
        state={
            "enum": ["none", "waiting", "judged"],
            "description": "none: not judged at this node, which is neither where the document entered "
            "nor a recipient's.",
        },
        verdict={
            **_VERDICT,
            "description": "The worst of the parts; null where nothing is signed.",
        },
        as_of=or_null(_INSTANT),
        flaws=_FLAWS,
        parts=list_of(reference("JudgedPart")),
    ),
    "JudgedPart": record(
        "An attachment, or at position -1 the document's own XML.",
        position={"type": "integer", "minimum": -1},
        name=TEXT,
        kind=TEXT,
        digest=or_null(DIGEST),
        verdict=_VERDICT,
        flaws=_FLAWS,
        signatures=list_of(reference("JudgedSignature")),
    ),
    "JudgedSignature": record(
        "`claimed_at` is what the signer wrote; `signed_at` what is believed, by a timestamp where `stamped`.",
        form=word(Form),
        verdict=word(Verdict),
        flaws=_FLAWS,
        signer=or_null(
            record(
                "Whom the certificate names.",
                kind=word(SignerKind),
                organisation=TEXT,
                person=TEXT,
                subject=TEXT,
                issuer=TEXT,
                certificate=DIGEST,
            )
        ),
        algorithm=TEXT,
        claimed_at=or_null(_INSTANT),
        signed_at=or_null(_INSTANT),
        stamped={"type": "boolean"},
        covers=or_null(word(Cover)),
        field=TEXT,
    ),
}

"""What was found about signatures made by others, as the API shows it, and its schemas.

Touches: nothing. Raises: nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from relay.delivery.ports import MessageView
from relay.judgement import Cover, Flaw, Form, Part, Signature, SignerKind, Verdict
from relay.transport.native.schemas import (
    DIGEST,
    INSTANT,
    TEXT,
    Schema,
    list_of,
    or_null,
    record,
    reference,
    word,
)
from relay.transport.native.views import stamp

Json = dict[str, Any]


def signatures_view(view: MessageView) -> Json:
    """`state` none: this node judges no signatures of it, being neither its origin nor its recipient's."""
    found = view.judgement
    if found is None:
        state = "waiting" if view.judging else "none"
        return {"state": state, "verdict": None, "as_of": None, "flaws": [], "parts": []}
    return {
        "state": "judged",
        "verdict": found.verdict,
        "as_of": stamp(found.at),
        "flaws": list(found.flaws),
        "parts": [_part(part) for part in found.parts],
    }


def _part(part: Part) -> Json:
    return {
        "position": part.position,
        "name": part.name,
        "kind": part.kind,
        "digest": part.digest,
        "verdict": part.verdict,
        "flaws": list(part.flaws),
        "signatures": [_signature(one) for one in part.signatures],
    }


def _signature(one: Signature) -> Json:
    signer = one.signer
    return {
        "form": one.form,
        "verdict": one.verdict,
        "flaws": list(one.flaws),
        "signer": None
        if signer is None
        else {
            "kind": signer.kind,
            "organisation": signer.organisation,
            "person": signer.person,
            "subject": signer.subject,
            "issuer": signer.issuer,
            "certificate": signer.certificate,
        },
        "algorithm": one.algorithm,
        "claimed_at": _stamp(one.claimed_at),
        "signed_at": _stamp(one.signed_at),
        "stamped": one.stamped,
        "covers": one.covers,
        "field": one.field,
    }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


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
        as_of=or_null(INSTANT),
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
        claimed_at=or_null(INSTANT),
        signed_at=or_null(INSTANT),
        stamped={"type": "boolean"},
        covers=or_null(word(Cover)),
        field=TEXT,
    ),
}

"""References and attachments joined on ContentId, and what does not fit together.

Touches: nothing. Trusts: nothing; an AttachmentName is hostile until a person chose where to save.
"""

from __future__ import annotations

import re

from relay.envelope.contents import Content
from relay.envelope.elements import Element
from relay.envelope.findings import Findings, quoted
from relay.envelope.sniff import expected_kinds, is_misspelt, well_spelt
from relay.model import Attachment

_NO_CONTENT = Content()
_DIRECTION_MARK = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def references_of(root: Element) -> list[Element]:
    """Every Reference, in the order written."""
    bodies = root.first("edXMLEnvelope").all("edXMLBody")
    manifests = [manifest for body in bodies for manifest in body.all("edXMLManifest")]
    return [reference for manifest in manifests for reference in manifest.all("Reference")]


def join(
    references: list[Element], attachments: list[Element], findings: Findings
) -> tuple[Attachment, ...]:
    """One Attachment for each Attachment element, in the order written.

    Where it says nothing of name, type or description, its Reference's word is taken. A Reference
    without content is only a finding: there is nothing to carry.
    """
    referred = _by_content_id(references, findings)
    joined, seen = [], set[str]()
    for number, element in enumerate(attachments, 1):
        where = f"Attachment[{number}]"
        texts = element.texts(where, findings)
        content_id = plain_id(texts.get("ContentId", ""))
        if content_id in seen:
            findings.add("duplicate-content-id", quoted(content_id), where)
        seen.add(content_id)
        reference = referred.get(content_id, {})
        if not reference:
            findings.add("unreferenced-attachment", "no Reference has its ContentId", where)
        _remark_name(texts, where, findings)
        merged = {**reference, **{name: text for name, text in texts.items() if text}}
        content = element.content or _NO_CONTENT
        declared = merged.get("ContentType", "")
        _remark_types(declared, reference.get("ContentType", ""), where, findings)
        _remark_content(declared, content, where, findings)
        joined.append(_attachment(content_id, merged, content))
    for content_id in referred:
        if content_id not in seen:
            detail = f"nothing has ContentId {quoted(content_id)}"
            findings.add("missing-attachment", detail, "Reference")
    return tuple(joined)


def plain_id(content_id: str) -> str:
    """A ContentId without its "cid:"."""
    return content_id[4:].strip() if content_id[:4].lower() == "cid:" else content_id


def name_fault(name: str) -> str | None:
    """Why a name must not be used as a file's name as it stands; None when nothing is wrong."""
    if "/" in name or "\\" in name:
        return "path separator"
    if name in {".", ".."} or name[1:2] == ":":
        return "a place, not a name"
    if name.isprintable():
        return None
    if _DIRECTION_MARK.search(name):
        return "mark of writing direction"
    return "control character" if _CONTROL.search(name) else None


def _by_content_id(references: list[Element], findings: Findings) -> dict[str, dict[str, str]]:
    referred: dict[str, dict[str, str]] = {}
    for number, element in enumerate(references, 1):
        where = f"Reference[{number}]"
        texts = element.texts(where, findings)
        content_id = plain_id(texts.get("ContentId", ""))
        if content_id in referred:
            findings.add("duplicate-content-id", quoted(content_id), where)
        _remark_name(texts, where, findings)
        referred.setdefault(content_id, texts)
    return referred


def _attachment(content_id: str, texts: dict[str, str], content: Content) -> Attachment:
    return Attachment(
        content_id=content_id,
        name=texts.get("AttachmentName", ""),
        content_type=texts.get("ContentType", ""),
        description=texts.get("Description", ""),
        encoded_bytes=content.encoded_bytes,
    )


def _remark_name(texts: dict[str, str], where: str, findings: Findings) -> None:
    fault = name_fault(texts.get("AttachmentName", ""))
    if fault:
        findings.add("hostile-name", fault, f"{where}/AttachmentName")


def _remark_types(declared: str, referred: str, where: str, findings: Findings) -> None:
    if declared and is_misspelt(declared):
        findings.add("content-type-misspelt", quoted(declared), f"{where}/ContentType")
    if referred not in {"", declared} and well_spelt(referred) != well_spelt(declared):
        detail = f"{quoted(declared)}, its Reference says {quoted(referred)}"
        findings.add("content-type-mismatch", detail, f"{where}/ContentType")


def _remark_content(declared: str, content: Content, where: str, findings: Findings) -> None:
    if content.encoded_bytes == 0:
        findings.add("empty-attachment", "no content", where)
        return
    if content.fault:
        findings.add("bad-base64", content.fault, where)
    if content.ruined:
        findings.add("ruined-binary", "bytes replaced by EF BF BD: read as text on its way", where)
    expected = expected_kinds(declared)
    if expected is not None and content.kind not in expected and content.decoded_bytes:
        found = content.kind or "something else"
        findings.add("content-differs", f"declared {quoted(declared)}, found {found}", where)

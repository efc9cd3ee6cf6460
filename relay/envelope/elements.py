"""The elements of edXML by name and parent, and the light tree the reader keeps of them.

Namespaces are not looked at: QCVN, e-doc.vn, the SOAP namespace under the prefix edXML and none at
all are met for the same elements. Order is not looked at either.

Touches: nothing. Raises: EnvelopeError where an element stands twice that must be unambiguous.
"""

from __future__ import annotations

from relay.envelope.contents import Content
from relay.envelope.findings import Findings
from relay.envelope.limits import FIELD_CHARACTERS, SHORTEST_FIELD
from relay.errors import EnvelopeError

QCVN = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
NAMESPACES = frozenset(
    {QCVN, "http://www.e-doc.vn/Schema/", "http://schemas.xmlsoap.org/soap/envelope/", ""}
)

Shape = dict[str, "Shape"]
"""The children an element may have, by local name."""

LEAF: Shape = {}
"""Text only."""
OPAQUE: Shape = {}
"""Anything may stand inside; nobody here reads it."""


def _leaves(names: str) -> Shape:
    return dict.fromkeys(names.split(), LEAF)


_PARTY = _leaves(
    "OrganId OrganizationInCharge OrganName OrganAdd Email Telephone Fax Website",
)
_CODE = _leaves("CodeNumber CodeNotation")
EITHER: Shape = _leaves("CodeNumber CodeNotation")
"""Code in ResponseFor: "7816/VPCP-TTĐT" as one text, or the two parts."""
_STAFF = _leaves("Department Staff Mobile Email")
_MESSAGE_HEADER: Shape = {
    "From": _PARTY,
    "To": _PARTY,
    "Code": _CODE,
    "PromulgationInfo": _leaves("Place PromulgationDate"),
    "DocumentType": _leaves("Type TypeDetail TypeName"),
    "SignerInfo": _leaves("Competence Position FullName"),
    "OtherInfo": {
        **_leaves("Priority SphereOfPromulgation TyperNotation PromulgationAmount PageAmount"),
        **_leaves("Direction"),
        "Appendixes": _leaves("Appendix"),
        "ReplyFors": OPAQUE,
        "ReferenceCodes": OPAQUE,
    },
    "ResponseFor": {**_leaves("OrganId DocumentId PromulgationDate"), "Code": EITHER},
    "ResponseForTask": _leaves("TaskCode"),
    "ToPlaces": _leaves("Place"),
    "StaffInfo": _STAFF,
    **_leaves("DocumentId Subject Content DueDate SteeringType ApplicationType"),
    **_leaves("StatusCode Description Timestamp"),
}
_BUSINESS: Shape = {
    **_leaves("DocumentId BussinessDocType BussinessDocReason Paper"),
    "BussinessDocumentInfo": {
        **_leaves("DocumentInfo DocumentReceiver"),
        "ReceiverList": {"Receiver": _leaves("OrganId ReceiverType")},
    },
    "ReplacementInfoList": {
        "ReplacementInfo": {"DocumentId": LEAF, "OrganIdList": _leaves("OrganId")}
    },
    "StaffInfo": _STAFF,
}
_ATTACHMENTS: Shape = {
    "Attachment": _leaves("ContentId AttachmentName Description ContentType ContentTransferEncoded")
}
_BODY: Shape = {
    "edXMLManifest": {"Reference": _leaves("ContentId ContentType Description AttachmentName")},
    "AttachmentEncoded": _ATTACHMENTS,
}
_HEADER: Shape = {
    "MessageHeader": _MESSAGE_HEADER,
    "Status": _MESSAGE_HEADER,
    "TraceHeaderList": {
        "TraceHeader": _leaves("OrganId Timestamp"),
        "Bussiness": _BUSINESS,
    },
    "Bussiness": _BUSINESS,
    "Signature": OPAQUE,
}
_ROOT: Shape = {
    "edXMLEnvelope": {
        "edXMLHeader": _HEADER,
        "edXMLBody": _BODY,
        "AttachmentEncoded": _ATTACHMENTS,
        "Signature": OPAQUE,
    },
    "AttachmentEncoded": _ATTACHMENTS,
    "Signature": OPAQUE,
}
DOCUMENT: Shape = {"edXML": _ROOT}

# The second spelling in use; the first is the standard's own.
_ALIASES = {
    "Business": "Bussiness",
    "BusinessDocType": "BussinessDocType",
    "BusinessDocReason": "BussinessDocReason",
    "BusinessDocumentInfo": "BussinessDocumentInfo",
}

AMBIGUOUS = frozenset({"OrganId", "StatusCode"})
"""A second one of these, or one in pieces, would let two readers route the same bytes differently."""


_REPEATING = frozenset({"Appendix", "Place", "TaskCode"})


def _names(shape: Shape) -> set[str]:
    return set(shape).union(*(_names(child) for child in shape.values()))


def _expanded() -> dict[str, str]:
    local = {name: name for name in _names(DOCUMENT)} | _ALIASES
    spaces = [f"{space} " if space else "" for space in NAMESPACES]
    return {space + name: canonical for space in spaces for name, canonical in local.items()}


CANONICAL: dict[str, str] = _expanded()
"""expat's name ("namespace local") of every known element to its canonical local name."""


def canonical(name: str) -> str:
    """The canonical local name of a name in any namespace."""
    local = name.rpartition(" ")[2]
    return _ALIASES.get(local, local)


class Element:
    """A known element that holds others: `fields` are the names and texts (without surrounding
    white space) of those with text only, `children` the others; both in the order written."""

    __slots__ = ("children", "content", "fields", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: list[tuple[str, str]] = []
        self.children: list[Element] = []
        self.content: Content | None = None
        """Of an Attachment: what its ContentTransferEncoded was."""

    def all(self, name: str) -> list[Element]:
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> Element:
        """The first child of that name; where there is none, an element that holds nothing."""
        for child in self.children:
            if child.name == name:
                return child
        return NOTHING

    def only(self, name: str) -> Element | None:
        """The one child of that name, None without any; a second one is refused."""
        found = self.all(name)
        if len(found) > 1:
            raise EnvelopeError(f"second {name}", where=self.name)
        return found[0] if found else None

    def has(self, name: str) -> bool:
        return any(field == name for field, _ in self.fields) or self.first(name) is not NOTHING

    def texts(self, where: str, findings: Findings) -> dict[str, str]:
        """The fields by name. Of a name that stands twice the first counts and the others are
        remarked; those that tell who and what are refused."""
        texts: dict[str, str] = {}
        for name, text in self.fields:
            if name in texts:
                if name in _REPEATING:
                    continue
                if name in AMBIGUOUS:
                    raise EnvelopeError(f"second {name}", where=where)
                findings.add("duplicate-element", "the first one counts", f"{where}/{name}")
                continue
            texts[name] = text
            if len(text) > SHORTEST_FIELD and len(text) > FIELD_CHARACTERS.get(name, len(text)):
                detail = f"{len(text)} characters, limit {FIELD_CHARACTERS[name]}"
                findings.add("too-long", detail, f"{where}/{name}")
        return texts


NOTHING = Element("")
"""Stands where an optional element is absent; nobody adds to it."""

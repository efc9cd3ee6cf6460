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

Shape = dict[str, tuple[str, "Shape"]]
"""The children an element may have: expat's name of each ("namespace local", in every namespace and
spelling) to its canonical local name and its own children."""

LEAF: Shape = {}
"""Text only."""
CONTENT: Shape = {}
"""Base64 only."""
OPAQUE: Shape = {}
"""Anything may stand inside; nobody here reads it."""

# The second spelling in use; the first is the standard's own.
_ALIASES = {
    "Business": "Bussiness",
    "BusinessDocType": "BussinessDocType",
    "BusinessDocReason": "BussinessDocReason",
    "BusinessDocumentInfo": "BussinessDocumentInfo",
}


def canonical(name: str) -> str:
    """The canonical local name of expat's name, whatever its namespace (E1.1)."""
    local = name.rpartition(" ")[2]
    return _ALIASES.get(local, local)


def _shape(leaves: str, **others: Shape) -> Shape:
    children = dict.fromkeys(leaves.split(), LEAF) | others
    spelt = {name: name for name in children}
    spelt |= {alias: name for alias, name in _ALIASES.items() if name in children}
    return {
        f"{space} {local}".strip(): (name, children[name])
        for space in NAMESPACES
        for local, name in spelt.items()
    }


_PARTY = _shape(
    "OrganId OrganizationInCharge OrganName OrganAdd Email Telephone Fax Website",
)
EITHER = _shape("CodeNumber CodeNotation")
"""Code in ResponseFor: "7816/VPCP-TTĐT" as one text, or the two parts."""
_STAFF = _shape("Department Staff Mobile Email")
_MESSAGE_HEADER = _shape(
    "DocumentId Subject Content DueDate SteeringType ApplicationType"
    " StatusCode Description Timestamp",
    From=_PARTY,
    To=_PARTY,
    Code=_shape("CodeNumber CodeNotation"),
    PromulgationInfo=_shape("Place PromulgationDate"),
    DocumentType=_shape("Type TypeDetail TypeName"),
    SignerInfo=_shape("Competence Position FullName"),
    OtherInfo=_shape(
        "Priority SphereOfPromulgation TyperNotation PromulgationAmount PageAmount Direction",
        Appendixes=_shape("Appendix"),
        ReplyFors=OPAQUE,
        ReferenceCodes=OPAQUE,
    ),
    ResponseFor=_shape("OrganId DocumentId PromulgationDate", Code=EITHER),
    ResponseForTask=_shape("TaskCode"),
    ToPlaces=_shape("Place"),
    StaffInfo=_STAFF,
)
_BUSINESS = _shape(
    "DocumentId BussinessDocType BussinessDocReason Paper",
    BussinessDocumentInfo=_shape(
        "DocumentInfo DocumentReceiver",
        ReceiverList=_shape("", Receiver=_shape("OrganId ReceiverType")),
    ),
    ReplacementInfoList=_shape(
        "", ReplacementInfo=_shape("DocumentId", OrganIdList=_shape("OrganId"))
    ),
    StaffInfo=_STAFF,
)
_ATTACHMENTS = _shape(
    "",
    Attachment=_shape(
        "ContentId AttachmentName Description ContentType", ContentTransferEncoded=CONTENT
    ),
)
_BODY = _shape(
    "",
    edXMLManifest=_shape("", Reference=_shape("ContentId ContentType Description AttachmentName")),
    AttachmentEncoded=_ATTACHMENTS,
)
_HEADER = _shape(
    "",
    MessageHeader=_MESSAGE_HEADER,
    Status=_MESSAGE_HEADER,
    TraceHeaderList=_shape("", TraceHeader=_shape("OrganId Timestamp"), Bussiness=_BUSINESS),
    Bussiness=_BUSINESS,
    Signature=OPAQUE,
)
_ENVELOPE = _shape(
    "", edXMLHeader=_HEADER, edXMLBody=_BODY, AttachmentEncoded=_ATTACHMENTS, Signature=OPAQUE
)
_ROOT = _shape("", edXMLEnvelope=_ENVELOPE, AttachmentEncoded=_ATTACHMENTS, Signature=OPAQUE)
DOCUMENT = _shape("", edXML=_ROOT)

AMBIGUOUS = frozenset({"OrganId", "StatusCode"})
"""A second one of these, or one in pieces, would let two readers route the same bytes differently."""

_REPEATING = frozenset({"Appendix", "Place", "TaskCode"})


class Element:
    """A known element that holds others. `fields` are the names and texts (without surrounding
    white space) of those with text only. Of the others, `children` are the first of each name and
    `repeated` those that follow one of the same name. All in the order written."""

    __slots__ = ("children", "content", "fields", "name", "repeated")

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: list[tuple[str, str]] = []
        self.children: dict[str, Element] = {}
        self.repeated: list[Element] = []
        self.content: Content | None = None
        """Of an Attachment: what its ContentTransferEncoded was."""

    def add(self, child: Element) -> None:
        if child.name in self.children:
            self.repeated.append(child)
        else:
            self.children[child.name] = child

    def all(self, name: str) -> list[Element]:
        first = self.children.get(name)
        if first is None:
            return []
        return [first, *(child for child in self.repeated if child.name == name)]

    def first(self, name: str) -> Element:
        """The first child of that name; where there is none, an element that holds nothing."""
        return self.children.get(name, NOTHING)

    def only(self, name: str) -> Element | None:
        """The one child of that name, None without any; a second one is refused."""
        if any(child.name == name for child in self.repeated):
            raise EnvelopeError(f"second {name}", where=self.name)
        return self.children.get(name)

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

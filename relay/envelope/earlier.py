"""What a document says of an earlier one that it revokes, updates or replaces.

Touches: nothing. Raises: EnvelopeError for more agencies than a document may have.
"""

from __future__ import annotations

from relay.envelope.elements import Element
from relay.envelope.findings import Findings
from relay.envelope.limits import Limits
from relay.errors import EnvelopeError
from relay.model import BusinessInfo, Replaced

_REMOVED = "0"
_FLAGS = {"0": False, "1": True}
_WHERE = "Bussiness"


def read_business(
    header: Element, operation: int, limits: Limits, findings: Findings
) -> BusinessInfo | None:
    """None for a document that is new. `header` is the edXMLHeader; the first Bussiness counts."""
    if operation not in (1, 2, 3):
        return None
    found = _stated(header)[0]
    info = BusinessInfo(
        _first(found, "DocumentId"),
        *_receivers(found, findings),
        _replaced(found, findings),
    )
    named = len(info.removed) + len(info.added) + sum(len(r.organ_ids) for r in info.replaced)
    if named > limits.recipients:
        raise EnvelopeError(f"{named} agencies", where=_WHERE, limit=str(limits.recipients))
    return info


def read_paper(header: Element) -> bool | None:
    """Whether a paper copy follows the electronic one, where the document says so."""
    return next((_FLAGS.get(_first(found, "Paper")) for found in _stated(header)), None)


def _stated(header: Element) -> list[Element]:
    return [*header.first("TraceHeaderList").all(_WHERE), *header.all(_WHERE)]


def _first(element: Element, name: str) -> str:
    """Remarks on what stands twice were made when the operation was read."""
    return next((text for field, text in element.fields if field == name), "")


def _receivers(found: Element, findings: Findings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    removed: list[str] = []
    added: list[str] = []
    listed = found.first("BussinessDocumentInfo").first("ReceiverList").all("Receiver")
    for number, element in enumerate(listed, 1):
        texts = element.texts(f"{_WHERE}/Receiver[{number}]", findings)
        if code := texts.get("OrganId", ""):
            (removed if texts.get("ReceiverType") == _REMOVED else added).append(code)
    return tuple(removed), tuple(added)


def _replaced(found: Element, findings: Findings) -> tuple[Replaced, ...]:
    listed = found.first("ReplacementInfoList").all("ReplacementInfo")
    return tuple(
        Replaced(
            element.texts(f"{_WHERE}/ReplacementInfo[{number}]", findings).get("DocumentId", ""),
            tuple(text for name, text in element.first("OrganIdList").fields if name == "OrganId"),
        )
        for number, element in enumerate(listed, 1)
    )

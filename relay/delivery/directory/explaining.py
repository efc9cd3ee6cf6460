"""How a code is understood here, in sentences for people: form, parents, tier, node, validity, way.

Touches: nothing. Trusts: the directory; the code is hostile. Raises: EnvelopeError for no code at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from relay.agencies import Agency, Standing
from relay.delivery.directory.ports import Explained
from relay.envelope.codes import Code, Form, conversion_hint, parse
from relay.model import AgencyCode
from relay.routing.directory import Directory
from relay.routing.next_hop import BridgeRoute, Here, Hop, Place, Via, next_hop

_FORMS = {
    Form.OLD: "the old form (QCVN 102: the most specific group first)",
    Form.NEW: "the new form (Decision 20/2020: the most general group first)",
}


def explain(directory: Directory, place: Place, text: str) -> Explained:
    """What is said of a code, listed or not."""
    code = parse(text)
    agency = directory.find(text)
    hop = next_hop(directory, place, AgencyCode(code.text))
    above = None if code.parent is None else code.parent.text
    sentences = [*_of_code(code), *_of_agency(directory, place, agency, code.text)]
    return Explained(
        code=code.text,
        form=code.form.value,
        level=code.level,
        parent=above,
        agency=agency,
        stamp=None if agency is None else directory.stamp(agency.code),
        standing=None if agency is None else agency.standing(place.today()).value,
        next_hop=_neighbour(place, hop),
        sentences=(*sentences, *_of_hop(directory, place, agency, hop)),
    )


def _of_code(code: Code) -> Iterator[str]:
    yield f"{code.text} is a code of {_FORMS[code.form]}, of level {code.level}."
    if code.parent is None:
        yield "By itself it has no parent: it is a ministry's, a province's or the like."
    else:
        yield f"By itself it lies under {code.parent.text}."


def _of_agency(
    directory: Directory, place: Place, agency: Agency | None, text: str
) -> Iterator[str]:
    if agency is None:
        yield from _of_unlisted(directory, text)
        return
    also = f", also {agency.old_code}" if agency.old_code else ""
    yield f"The directory lists it as {agency.name} ({agency.code}{also})."
    if agency.parent is not None:
        yield f"Its parent in the directory is {agency.parent}."
    yield (
        f"Its tier is {agency.tier}, and node {agency.node} serves it: the directory says so, "
        "the code does not."
    )
    yield _validity(agency, place)
    yield from _heirs(directory, agency)


def _of_unlisted(directory: Directory, text: str) -> Iterator[str]:
    yield "The directory does not list it."
    other = directory.other_form(text)
    if other is not None:
        yield f"By arithmetic it may be the other form of {other.code} ({other.name}), which is listed."
    elif (hint := conversion_hint(text)) is not None:
        yield f"By arithmetic its other form would be {hint}, which is not listed either."
    above = directory.nearest_above(text)
    if above is not None:
        yield f"The nearest listed agency above it is {above.code} ({above.name})."


def _validity(agency: Agency, place: Place) -> str:
    since = "" if agency.valid_from is None else f" since {agency.valid_from}"
    match agency.standing(place.today()):
        case Standing.OPEN:
            until = "" if agency.valid_to is None else f"; it closes on {agency.valid_to}"
            return f"It is open{since}{until}."
        case Standing.NOT_YET:
            return f"It is not open yet: it opens on {agency.valid_from}."
    on = "" if agency.valid_to is None else f" since {agency.valid_to}"
    return f"It is closed{on}{' and deleted' if agency.deleted else ''}."


def _heirs(directory: Directory, agency: Agency) -> Iterator[str]:
    if agency.successors:
        several = "s are" if len(agency.successors) > 1 else " is"
        yield f"Its successor{several} {', '.join(agency.successors)}."
    before = directory.predecessors(agency)
    if before:
        yield f"It took over from {', '.join(before)}."


def _of_hop(directory: Directory, place: Place, agency: Agency | None, hop: Hop) -> Iterator[str]:
    heir = None
    if agency is not None and place.forwards:
        heir = directory.heir(agency, place.today())
    if heir is not None and agency is not None and heir.code != agency.code:
        yield f"What is for it goes to {heir.code}, as directory.closed_codes says."
    served = heir or agency
    match hop:
        case Here():
            yield f"A document for it ends here, at {place.node}, which serves it."
        case Via(neighbour):
            yield f"From {place.node} a document for it goes to {neighbour}, {_because(directory, place, neighbour, served)}."
        case _:
            yield f"A document for it is refused here: {hop.reason}, {hop.detail}."


def _because(directory: Directory, place: Place, neighbour: str, agency: Agency | None) -> str:
    if (bridge := _bridge(place, neighbour)) is not None:
        return _over(bridge, agency)
    if agency is None:
        return "the uplink, since unlisted codes go up (directory.unknown_codes)"
    if agency.node == neighbour:
        return "which serves it and is a neighbour"
    if directory.child_towards(place.node, agency.node) == neighbour:
        return f"in whose branch {agency.node} lies"
    return f"the uplink, since {agency.node} lies outside this node's branch"


def _bridge(place: Place, neighbour: str) -> BridgeRoute | None:
    return next((one for one in place.bridges if one.name == neighbour), None)


def _over(bridge: BridgeRoute, agency: Agency | None) -> str:
    if agency is not None and not bridge.agencies.isdisjoint(agency.forms):
        return "a bridge that is set to lead to it"
    if bridge.everything_else:
        return "the bridge for everything else, since it lies outside this node's branch"
    return "a bridge that is set to lead to it, or to what is above it"


def _neighbour(place: Place, hop: Hop) -> str | None:
    match hop:
        case Here():
            return place.node
        case Via(neighbour):
            return neighbour
    return None

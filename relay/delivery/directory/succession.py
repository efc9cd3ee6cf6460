"""Who stands for a code that is closed, where the configuration lets documents go on to a successor.

Both codes are kept: at the origin the delivery is the successor's, addressed as the sender wrote it; on
the way, where a neighbour's directory was older, the delivery keeps the code under which it is known
to all nodes and goes where the successor is served. Either way an audit entry names both.

Touches: nothing. Trusts: the directory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from relay.agencies import Standing
from relay.delivery.addressing import Address, Addressed
from relay.delivery.records import Kin
from relay.model import AgencyCode, Finding
from relay.routing.directory import Agency, Directory
from relay.routing.next_hop import Place


def heir_of(directory: Directory, place: Place, code: AgencyCode) -> AgencyCode | None:
    """The open agency that gets what is for this code; None where it is open itself, or nobody is."""
    agency = directory.find(code)
    if agency is None or not agency.dated or not place.forwards:
        return None
    heir = directory.heir(agency, place.today())
    return None if heir is None or heir.code == agency.code else heir.code


def succeeded(directory: Directory, place: Place, to: Address) -> Address:
    """Each recipient that is closed replaced by its heir; each agency once."""
    found: dict[AgencyCode, Addressed] = {}
    for one in to.recipients:
        heir = heir_of(directory, place, one.code)
        instead = one if heir is None else replace(one, code=heir, instead_of=one.code)
        found.setdefault(instead.code, instead)
    return replace(to, recipients=tuple(found.values()))


def told_beyond(directory: Directory, place: Place, code: AgencyCode, written: str) -> str:
    """How a remote that has no part in this directory is told of a recipient: as the sender wrote it,
    unless that is a closed code, which the remote would refuse: then by the code of who stands for it."""
    stands = heir_of(directory, place, code) or code
    named = directory.find(written)
    return stands if named is not None and named.code != stands else written


def kin_of(directory: Directory, place: Place, codes: Iterable[AgencyCode]) -> Kin:
    """Who is spoken of when one of these codes is named. A document keeps the form of the code that its
    origin knew, and its take-back or its status may name the other; or it came for a code that is closed
    by now, and they name the successor, or the other way round. Whether documents go on to successors
    does not matter here: it is about documents that went."""
    found: dict[AgencyCode, frozenset[AgencyCode]] = {}
    for code in codes:
        agency = directory.find(code)
        if agency is not None and len(family := _family(directory, place, agency)) > 1:
            found.update(dict.fromkeys(family, family))
    return found


def _family(directory: Directory, place: Place, agency: Agency) -> frozenset[AgencyCode]:
    if agency.dated or directory.predecessors(agency):
        heir = directory.heir(agency, place.today())
        if heir is not None and (kin := _represented(directory, place, heir)):
            return frozenset({*heir.forms, *kin})
    return frozenset(agency.forms)


def findings_of(recipients: Iterable[Addressed]) -> tuple[Finding, ...]:
    return tuple(
        Finding("closed-recipient", f"{one.instead_of} is closed: sent to {one.code}", "To")
        for one in recipients
        if one.instead_of is not None
    )


def speaks_for(directory: Directory, place: Place, codes: Iterable[str]) -> frozenset[AgencyCode]:
    """These agencies in every form and, where documents go on to successors, those they stand for."""
    found: set[AgencyCode] = set()
    coming = [agency for code in codes if (agency := directory.find(code)) is not None]
    for agency in coming:
        found.update(agency.forms)
        if place.forwards:
            found.update(_represented(directory, place, agency))
    return frozenset(found | directory.forms_of(codes))


def _represented(directory: Directory, place: Place, heir: Agency) -> set[AgencyCode]:
    on, found = place.today(), set[AgencyCode]()
    coming, seen = [heir], {heir.code}
    while coming:
        at = coming.pop()
        for code in (*directory.predecessors(at), *at.successors):
            other = directory.find(code)
            if other is None or other.code in seen or other.standing(on) is Standing.OPEN:
                continue
            seen.add(other.code)
            coming.append(other)
            stands = directory.heir(other, on)
            if stands is not None and stands.code == heir.code:
                found.update(other.forms)
    return found

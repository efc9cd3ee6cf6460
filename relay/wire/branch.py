"""The directory of a branch as XML: what its owner says of the agencies and nodes in it.

Touches: nothing.
Trusts:  nothing; what was read is well formed, not yet proven, and not yet its issuer's to say.
Raises:  WireError.

    <Directory xmlns="urn:truc-relay:wire:1">
      <Issuer/> <Version/> <Issued/> <Expires/>
      <Nodes> ( <Node> <Id/> <Tier/> <Parent/> </Node> )* </Nodes>
      <Agencies>
        ( <Agency> <Code/> <OldCode/>? <Name/> <Tier/> <ServedBy/> <Parent/>? <Mail/>? <Centre/>?
            <ValidFrom/>? <ValidTo/>? <Successor/>* <Certificate/>* <Deleted>true</Deleted>? </Agency> )*
      </Agencies>
    </Directory>

Nodes stand in the order of their ids, agencies of their codes, each once. The canonical text has so
little freedom that one pattern is the grammar of an agency: a hundred thousand of them are read
without an XML parser, and without a tree of them in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from relay.agencies import Agency, NodeEntry
from relay.errors import WireError
from relay.model import AgencyCode, Digest, NodeId, Tier
from relay.wire import values
from relay.wire.values import element, optional

LIMIT_BYTES = 64 << 20
HEAD_BYTES = 1024
AGENCY_LIMIT = 200_000
NODE_LIMIT = 20_000
SUCCESSOR_LIMIT = 64
CERTIFICATE_LIMIT = 16

_TIERS = {tier.value: tier for tier in Tier}
_TIER = re.compile("|".join(_TIERS))
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HEAD = re.compile(
    f'<Directory xmlns="{values.NAMESPACE}">'
    + element("Issuer", values.NODE_ID)
    + element("Version", values.COUNT)
    + element("Issued", values.INSTANT)
    + element("Expires", values.INSTANT)
    + "<Nodes>"
)
_NODE = re.compile(
    "<Node>"
    + element("Id", values.NODE_ID)
    + element("Tier", _TIER)
    + element("Parent", values.NODE_ID)
    + "</Node>"
)
_BETWEEN = "</Nodes><Agencies>"
_SUCCESSOR = re.compile(element("Successor", values.AGENCY_CODE))
_CERTIFICATE = re.compile(element("Certificate", values.DIGEST))
_AGENCY = re.compile(
    "<Agency>"
    + element("Code", values.AGENCY_CODE)
    + optional("OldCode", values.AGENCY_CODE)
    + element("Name", values.DETAIL)
    + element("Tier", _TIER)
    + element("ServedBy", values.NODE_ID)
    + optional("Parent", values.AGENCY_CODE)
    + optional("Mail", values.DETAIL)
    + optional("Centre", values.DETAIL)
    + optional("ValidFrom", _DAY)
    + optional("ValidTo", _DAY)
    + f"((?:<Successor>{values.AGENCY_CODE.pattern}</Successor>){{0,{SUCCESSOR_LIMIT}}})"
    + f"((?:<Certificate>{values.DIGEST.pattern}</Certificate>){{0,{CERTIFICATE_LIMIT}}})"
    + "(?:<Deleted>(true)</Deleted>)?"
    + "</Agency>"
)
_END = "</Agencies></Directory>"


@dataclass(frozen=True, slots=True)
class Branch:
    """What the owner of a branch says of it: all that it decided, in one document with one version (W9.2)."""

    issuer: NodeId
    version: int
    issued_at: datetime
    expires_at: datetime
    nodes: tuple[NodeEntry, ...]
    agencies: tuple[Agency, ...]


@dataclass(frozen=True, slots=True)
class BranchHead:
    """What stands before the records: enough to judge whether the rest is to be read."""

    issuer: NodeId
    version: int
    issued_at: datetime
    expires_at: datetime

    def parts(self) -> tuple[NodeId, int, datetime, datetime]:
        return self.issuer, self.version, self.issued_at, self.expires_at


def write_branch(branch: Branch) -> bytes:
    """The one canonical form of `branch`, whatever the order of its parts."""
    _check_counts(len(branch.nodes), len(branch.agencies))
    values.node(branch.issuer, "Issuer")
    values.check_count(branch.version, "Version")
    values.check_instant(branch.issued_at, "Issued")
    values.check_instant(branch.expires_at, "Expires")
    head = (
        f'<Directory xmlns="{values.NAMESPACE}"><Issuer>{branch.issuer}</Issuer>'
        f"<Version>{branch.version}</Version>"
        f"<Issued>{values.instant_text(branch.issued_at)}</Issued>"
        f"<Expires>{values.instant_text(branch.expires_at)}</Expires><Nodes>"
    )
    parts = [
        head,
        *(_node(one) for one in sorted(branch.nodes, key=lambda one: one.node_id)),
        _BETWEEN,
        *(_agency(one) for one in sorted(branch.agencies, key=lambda one: one.code)),
        _END,
    ]
    content = "".join(parts).encode()
    if len(content) > LIMIT_BYTES:
        raise WireError(f"Directory of {len(content)} bytes, limit {LIMIT_BYTES} bytes")
    return content


def binds_certificates(content: bytes) -> bool:
    """Whether a document that was read whole has what nodes of an older version refuse (W11.6)."""
    return b"<Certificate>" in content


def read_head(content: bytes) -> BranchHead:
    """Of these bytes, whatever comes behind it."""
    if len(content) > LIMIT_BYTES:
        raise WireError(f"Directory of {len(content)} bytes, limit {LIMIT_BYTES} bytes")
    return _head(_HEAD.match(content[:HEAD_BYTES].decode("utf-8", "replace")))


def _head(found: re.Match[str] | None) -> BranchHead:
    if found is None:
        raise WireError(f"the root is not Directory of {values.NAMESPACE}, in canonical form")
    issued, expires = values.instant(found[3], "Issued"), values.instant(found[4], "Expires")
    return BranchHead(NodeId(found[1]), int(found[2]), issued, expires)


def read_branch(content: bytes) -> Branch:
    """The branch these bytes say, if they are exactly what write_branch would write for it."""
    if len(content) > LIMIT_BYTES:
        raise WireError(f"Directory of {len(content)} bytes, limit {LIMIT_BYTES} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise WireError("Directory is not UTF-8") from None
    found = _HEAD.match(text)
    head = _head(found)
    nodes, position = _all(_NODE, text, found.end() if found else 0, NODE_LIMIT)
    if not text.startswith(_BETWEEN, position):
        raise WireError(f"no node in canonical form at character {position}")
    agencies, position = _all(_AGENCY, text, position + len(_BETWEEN), AGENCY_LIMIT)
    if not (text.startswith(_END, position) and position + len(_END) == len(text)):
        raise WireError(f"no agency in canonical form at character {position}")
    branch = Branch(
        issuer=head.issuer,
        version=head.version,
        issued_at=head.issued_at,
        expires_at=head.expires_at,
        nodes=tuple(map(_read_node, nodes)),
        agencies=tuple(map(_read_agency, agencies)),
    )
    _check_order([one.node_id for one in branch.nodes], "node")
    _check_order([one.code for one in branch.agencies], "agency")
    return branch


def _all(
    pattern: re.Pattern[str], text: str, position: int, limit: int
) -> tuple[list[tuple[str | None, ...]], int]:
    """What the pattern matches one behind the other, and where that ends."""
    found: list[tuple[str | None, ...]] = []
    while (match := pattern.match(text, position)) is not None:
        found.append(match.groups())
        position = match.end()
        if len(found) > limit:
            raise WireError(f"more than {limit} entries in a Directory")
    return found, position


def _read_node(found: tuple[str | None, ...]) -> NodeEntry:
    name, tier, parent = found
    return NodeEntry(NodeId(name or ""), _TIERS[tier or ""], NodeId(parent or ""))


def _read_agency(found: tuple[str | None, ...]) -> Agency:
    code, old, name, tier, node, parent, mail, centre, opens, closes, heirs, prints, deleted = found
    return Agency(
        code=AgencyCode(code or ""),
        name=values.unescaped(name or ""),
        tier=_TIERS[tier or ""],
        node=NodeId(node or ""),
        old_code=None if old is None else AgencyCode(old),
        parent=None if parent is None else AgencyCode(parent),
        mail=values.unescaped(mail or ""),
        centre=values.unescaped(centre or ""),
        valid_from=None if opens is None else _day(opens),
        valid_to=None if closes is None else _day(closes),
        successors=tuple(AgencyCode(heir) for heir in _SUCCESSOR.findall(heirs or "")),
        deleted=deleted is not None,
        certificates=tuple(Digest(one) for one in _CERTIFICATE.findall(prints or "")),
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WireError(f"{values.shown(text)} is no day") from None


def _check_order(names: list[str], what: str) -> None:
    if any(one >= two for one, two in pairwise(names)):
        raise WireError(f"the Directory names an {what} twice, or not in order")


def _check_counts(nodes: int, agencies: int) -> None:
    if nodes > NODE_LIMIT or agencies > AGENCY_LIMIT:
        raise WireError(
            f"{nodes} nodes, limit {NODE_LIMIT}, or {agencies} agencies, limit {AGENCY_LIMIT}"
        )


def _node(one: NodeEntry) -> str:
    if one.parent is None:
        raise WireError(f"node {one.node_id} has no parent: nobody is above it to say so")
    values.node(one.node_id, "Id")
    values.node(one.parent, "Parent")
    return (
        f"<Node><Id>{one.node_id}</Id><Tier>{one.tier}</Tier><Parent>{one.parent}</Parent></Node>"
    )


def _agency(one: Agency) -> str:
    for code in (*one.forms, *one.successors, *([one.parent] if one.parent else [])):
        values.agency(code, "Code")
    if len(one.successors) > SUCCESSOR_LIMIT:
        raise WireError(f"{len(one.successors)} successors, limit {SUCCESSOR_LIMIT}")
    if len(one.certificates) > CERTIFICATE_LIMIT:
        raise WireError(f"{len(one.certificates)} certificates, limit {CERTIFICATE_LIMIT}")
    for print_ in one.certificates:
        values.digest(print_, "Certificate")
    return "".join(_elements(one))


def _elements(one: Agency) -> Iterator[str]:
    yield f"<Agency><Code>{one.code}</Code>"
    yield from _if("OldCode", one.old_code)
    yield f"<Name>{_words(one.name)}</Name><Tier>{one.tier}</Tier><ServedBy>{one.node}</ServedBy>"
    yield from _if("Parent", one.parent)
    yield from _if("Mail", _words(one.mail))
    yield from _if("Centre", _words(one.centre))
    yield from _if("ValidFrom", _day_text(one.valid_from))
    yield from _if("ValidTo", _day_text(one.valid_to))
    yield _successors(one.successors)
    yield "".join(f"<Certificate>{print_}</Certificate>" for print_ in one.certificates)
    yield "<Deleted>true</Deleted></Agency>" if one.deleted else "</Agency>"


def _successors(codes: Iterable[AgencyCode]) -> str:
    return "".join(f"<Successor>{code}</Successor>" for code in codes)


def _if(name: str, text: str | None) -> Iterator[str]:
    if text:
        yield f"<{name}>{text}</{name}>"


def _day_text(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _words(text: str) -> str:
    return values.escaped(values.detail(text))

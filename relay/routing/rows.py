"""One row of a table of agencies or nodes, judged member by member.

Touches: nothing. Trusts: nothing; a row comes from a stranger's table.
Raises:  ValueError that says what is wrong with which member.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from relay.agencies import Agency, NodeEntry
from relay.envelope.codes import normalise
from relay.errors import EnvelopeError
from relay.model import AgencyCode, Digest, NodeId, Tier
from relay.wire.values import DIGEST, NODE_ID, fit_detail

COLUMNS = (
    "code", "old_code", "name", "tier", "node", "parent", "mail", "centre",
    "valid_from", "valid_to", "successors", "deleted", "certificates",
)  # fmt: skip
KNOWN = frozenset(COLUMNS)
NEEDED = ("code", "name", "tier", "node")
NAME_LIMIT = 200
SUCCESSOR_LIMIT = 64
CERTIFICATE_LIMIT = 16
_TIERS = {tier.value: tier for tier in Tier}
_TRUTH = {"": False, "0": False, "false": False, "1": True, "true": True}


def row_of(agency: Agency) -> dict[str, Any]:
    """As JSON has it; what is absent is null."""
    return {
        "code": agency.code,
        "old_code": agency.old_code,
        "name": agency.name,
        "tier": agency.tier.value,
        "node": agency.node,
        "parent": agency.parent,
        "mail": agency.mail,
        "centre": agency.centre,
        "valid_from": None if agency.valid_from is None else agency.valid_from.isoformat(),
        "valid_to": None if agency.valid_to is None else agency.valid_to.isoformat(),
        "successors": list(agency.successors),
        "deleted": agency.deleted,
        "certificates": list(agency.certificates),
    }


def agency_of(row: Mapping[str, Any]) -> Agency:
    """Raises ValueError that says what is wrong with which member."""
    code = _code(row, "code")
    if code is None:
        raise ValueError("code is missing")
    tier = _TIERS.get(_text(row, "tier", 20).lower())
    if tier is None:
        raise ValueError(f"tier must be one of: {', '.join(_TIERS)}")
    name = _text(row, "name", NAME_LIMIT)
    if not name:
        raise ValueError("name is missing")
    old_code = _code(row, "old_code")
    return Agency(
        code=code,
        name=name,
        tier=tier,
        node=_node(row, "node"),
        old_code=None if old_code == code else old_code,
        parent=_code(row, "parent"),
        mail=_text(row, "mail", NAME_LIMIT),
        centre=_text(row, "centre", 64),
        valid_from=_date(row, "valid_from"),
        valid_to=_date(row, "valid_to"),
        successors=_successors(row.get("successors")),
        deleted=_truth(row.get("deleted")),
        certificates=_certificates(row.get("certificates")),
    )


def node_of(row: Mapping[str, Any]) -> NodeEntry:
    if not set(row) <= {"id", "tier", "parent"}:
        raise ValueError("an object of id, tier and parent")
    tier = _TIERS.get(_text(row, "tier", 20).lower())
    if tier is None:
        raise ValueError(f"tier must be one of: {', '.join(_TIERS)}")
    parent = None if row.get("parent") in (None, "") else _node(row, "parent")
    return NodeEntry(_node(row, "id"), tier, parent)


def _text(row: Mapping[str, Any], name: str, limit: int) -> str:
    value = row.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    text = value.strip()
    if len(text) > limit:
        raise ValueError(f"{name} has {len(text)} characters, limit {limit}")
    if not text.isprintable() and fit_detail(text) != text:
        raise ValueError(f"{name} holds a control character")
    return text


def _code(row: Mapping[str, Any], name: str) -> AgencyCode | None:
    text = _text(row, name, 64)
    return None if not text else _normal(text, name)


def _normal(text: str, name: str) -> AgencyCode:
    try:
        return normalise(text)
    except EnvelopeError as error:
        raise ValueError(f"{name}: {error}") from None


def _node(row: Mapping[str, Any], name: str) -> NodeId:
    text = _text(row, name, 64)
    if NODE_ID.fullmatch(text) is None:
        raise ValueError(f"{name} must be a node's id")
    return NodeId(text)


def _date(row: Mapping[str, Any], name: str) -> date | None:
    text = _text(row, name, 20)
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise ValueError(f"{name} must be a day such as 2025-07-01")
    return found


def _several(value: object, name: str, limit: int) -> list[str]:
    texts = value.split() if isinstance(value, str) else value
    if texts is None:
        return []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{name} must be texts")
    if len(texts) > limit:
        raise ValueError(f"{len(texts)} {name}, limit {limit}")
    return texts


def _successors(value: object) -> tuple[AgencyCode, ...]:
    texts = _several(value, "successors", SUCCESSOR_LIMIT)
    return tuple(dict.fromkeys(_normal(text, "successors") for text in texts))


def _certificates(value: object) -> tuple[Digest, ...]:
    texts = _several(value, "certificates", CERTIFICATE_LIMIT)
    for text in texts:
        if DIGEST.fullmatch(text) is None:
            raise ValueError("certificates are SHA-256 digests, 64 lower-case hex digits")
    return tuple(Digest(text) for text in dict.fromkeys(texts))


def _truth(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    found = _TRUTH.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("deleted must be true or false")
    return found

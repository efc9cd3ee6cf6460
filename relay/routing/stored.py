"""An agency's record as the journal and the directory's book keep it: one line of JSON.

Touches: nothing. Trusts: what it reads, which only `stored_text` wrote.
"""

from __future__ import annotations

import json
from datetime import date
from typing import NamedTuple

from relay.agencies import Agency
from relay.model import AgencyCode, NodeId, Tier

_TIERS = {tier.value: tier for tier in Tier}
_quoted = json.encoder.encode_basestring
_read = json.JSONDecoder().raw_decode


class Essence(NamedTuple):
    """What an index needs of a record."""

    code: AgencyCode
    old_code: AgencyCode | None
    node: NodeId
    opens: str | None
    closes: str | None
    """As ISO dates, which are in the order of their days."""
    successors: list[AgencyCode]
    deleted: bool


def stored_text(agency: Agency) -> str:
    """Equal records have equal texts, which begin with the code and hold no line break; those without
    certificates the text they had before there were any."""
    successors = ",".join(map(_quoted, agency.successors))
    prints = ",".join(map(_quoted, agency.certificates))
    return (
        f"[{_quoted(agency.code)},{_or_null(agency.old_code)},{_quoted(agency.name)},"
        f"{_quoted(agency.tier.value)},{_quoted(agency.node)},{_or_null(agency.parent)},"
        f"{_quoted(agency.mail)},{_quoted(agency.centre)},{_day(agency.valid_from)},"
        f"{_day(agency.valid_to)},[{successors}],{'true' if agency.deleted else 'false'}"
        f"{f',[{prints}]' if prints else ''}]"
    )


def _or_null(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def _day(day: date | None) -> str:
    return "null" if day is None else f'"{day.isoformat()}"'


def stored_agency(text: str) -> Agency:
    found, _ = _read(text)
    opens, closes = found[8], found[9]
    return Agency(
        found[0], found[2], _TIERS[found[3]], found[4], found[1], found[5], found[6], found[7],
        None if opens is None else date.fromisoformat(opens),
        None if closes is None else date.fromisoformat(closes),
        tuple(found[10]), found[11], tuple(found[12]) if len(found) > 12 else (),
    )  # fmt: skip


def essence_of(text: str) -> Essence:
    found, _ = _read(text)
    return Essence(found[0], found[1], found[4], found[8], found[9], found[10], found[11])

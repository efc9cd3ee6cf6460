"""Lists of what came and of what was sent, for a system's agencies: which rows, and then the rows.

First the numbers of the rows are found, by an index for each thing that is asked; then the rows are read
in slices, each a statement of its own. So however long the list is, other reads wait for one slice of it,
not for all. What changes between the slices is shown as it is then.

Touches: the journal's reader. Trusts: the journal's own rows. Raises: JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from relay.delivery.ports import Acknowledgement, InboxItem, InboxQuery, SentItem, SentQuery
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.journal.views import inbox_item, sent_item
from relay.model import AgencyCode, MessageType

SQL = load("lists")
ROWS_AT_A_TIME = 200
"""A few milliseconds of the only reading connection."""

Item = TypeVar("Item")
Read = Callable[[str, dict[str, object]], Awaitable[list[Any]]]


async def inbox(
    read: Read, agencies: frozenset[AgencyCode] | None, query: InboxQuery
) -> list[InboxItem]:
    found = await read(inbox_statement(agencies, query), inbox_values(agencies, query))
    return await _in_slices(read, "inbox_rows", found, 1, inbox_item)


async def sent(
    read: Read, agencies: frozenset[AgencyCode] | None, query: SentQuery
) -> list[SentItem]:
    found = await read(sent_statement(agencies, query), sent_values(agencies, query))
    return await _in_slices(read, "sent_rows", found, 16, sent_item)


async def _in_slices(
    read: Read,
    name: str,
    found: Sequence[Sequence[int]],
    key: int,
    view: Callable[[Sequence[Any]], Item],
) -> list[Item]:
    """In the order found; `key` is the place of its number in a row."""
    numbers = [one[0] for one in found]
    items: list[Item] = []
    for start in range(0, len(numbers), ROWS_AT_A_TIME):
        part = numbers[start : start + ROWS_AT_A_TIME]
        place = {number: at for at, number in enumerate(part)}
        several = await read(SQL[name], {"rows": json.dumps(part)})
        several.sort(key=lambda row: place[row[key]])
        items += map(view, several)
    return items


# ---------------------------------------------------------------- what came


def inbox_values(agencies: frozenset[AgencyCode] | None, query: InboxQuery) -> dict[str, object]:
    asked = query.acknowledgement
    return {
        "after": query.after,
        "acknowledgement": asked,
        "open": int(asked is None and not query.every_state),
        **_values(agencies, query),
    }


def inbox_statement(agencies: frozenset[AgencyCode] | None, query: InboxQuery) -> str:
    """With only the conditions that are asked, so that an index serves each of them."""
    if agencies is None:
        return SQL["inbox"]
    asked = ["inbox_listed"]
    if query.acknowledgement is not None:
        asked.append(_ASKED.get(query.acknowledgement, "inbox_acknowledged"))
    elif not query.every_state:
        asked.append("inbox_open")
    if query.acknowledgement is Acknowledgement.DONE:
        asked.remove("inbox_listed")  # it cannot be but handed over
    asked += _bounds("inbox", query)
    asked += [] if query.message_type is None else ["inbox_kind"]
    by_day = query.acknowledgement is Acknowledgement.DONE and not query.after
    asked += [] if by_day else ["inbox_after"]
    join = "" if query.message_type is None else SQL["inbox_kind_join"]
    first = SQL["inbox_first"].replace("{join}", join).replace("{filters}", _joined(asked))
    first = first.replace(
        "{inner}", "d.available_at, d.inbox_cursor" if by_day else "d.inbox_cursor"
    )
    return (
        SQL["inbox_of"]
        .replace("{first}", _walks("UNION ALL", first, agencies, [{}]))
        .replace("{places}", "2, 1" if by_day else "1")
    )


# ---------------------------------------------------------------- what was sent


def sent_values(agencies: frozenset[AgencyCode] | None, query: SentQuery) -> dict[str, object]:
    pairs = [f"{kind} {state}" for kind, state in _pairs(query)]
    return {
        "kinds": json.dumps(list(MessageType)),
        "message": query.message_id,
        "states": json.dumps(pairs) if query.states is not None else None,
        "walked": json.dumps([state for _, state in _pairs(query)]),
        **_values(agencies, query),
    }


def sent_statement(agencies: frozenset[AgencyCode] | None, query: SentQuery) -> str:
    """The same for what was sent. Each kind and each state is walked by itself, the newest first."""
    if query.message_id is not None:
        return SQL["sent_one"]
    if agencies is None:
        return SQL["sent"]
    if query.states is None:
        first, walks = SQL["sent_first"], [{"kind": _kind(kind)} for kind in _kinds(query)]
        union, asked = "UNION ALL", _bounds("sent", query)
    else:
        first = SQL["sent_first_of_state"]
        walks = [
            {"kind": _kind(kind), "state": f"(:walked ->> {place})"}
            for place, (kind, _) in enumerate(_pairs(query))
        ]
        union, asked = "UNION", _bounds("sent_state", query)  # one message may be in several states
    filled = first.replace("{filters}", _joined(asked))
    states = "" if query.states is None else SQL["sent_states"]
    return (
        SQL["sent_of"]
        .replace("{first}", _walks(union, filled, agencies, walks))
        .replace("{states}", states)
    )


def _kinds(query: SentQuery) -> list[MessageType]:
    return list(MessageType) if query.message_type is None else [query.message_type]


def _kind(kind: MessageType) -> str:
    return f"(:kinds ->> {list(MessageType).index(kind)})"


def _pairs(query: SentQuery) -> list[tuple[MessageType, str]]:
    states = query.states or {}
    return [(kind, state) for kind in _kinds(query) for state in sorted(states.get(kind, ()))]


# ---------------------------------------------------------------- statements


def _values(
    agencies: frozenset[AgencyCode] | None, query: InboxQuery | SentQuery
) -> dict[str, object]:
    return {
        "agencies": None if agencies is None else json.dumps(sorted(agencies)),
        "kind": query.message_type,
        "since": _ms(query.since),
        "until": _ms(query.until),
        "limit": query.limit,
        "skip": query.skip,
        "most": query.skip + query.limit,
    }


def _bounds(which: str, query: InboxQuery | SentQuery) -> list[str]:
    """Names of the conditions that are asked."""
    given = {"since": query.since, "until": query.until}
    return [f"{which}_{name}" for name, value in given.items() if value is not None]


def _walks(
    union: str, first: str, agencies: Collection[str], walks: Sequence[Mapping[str, str]]
) -> str:
    """One walk along an index for each agency and each of `walks`. Codes are named by their place in
    :agencies, so no text of theirs comes into the statement."""
    return f"\n{union} ".join(_each(first, agencies, walks)) or _NOTHING


def _each(
    first: str, agencies: Collection[str], walks: Sequence[Mapping[str, str]]
) -> Iterator[str]:
    for walk in walks:
        one = first
        for name, value in walk.items():
            one = one.replace(f"{{{name}}}", value)
        if len(agencies) * len(walks) > _MOST_WALKS:
            yield one.replace("= {code}", "IN (SELECT value FROM json_each(:agencies))")
            continue
        for place in range(len(agencies)):
            yield one.replace("{code}", f"(:agencies ->> {place})")


def _joined(names: Sequence[str]) -> str:
    return " ".join(SQL[name] for name in names)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms(at)


_MOST_WALKS = 100
"""SQLite joins five hundred; whoever speaks for more agencies has their rows sorted."""
_NOTHING = "SELECT * FROM (SELECT NULL, NULL LIMIT 0)"
_ASKED = {Acknowledgement.DONE: "inbox_done", Acknowledgement.INITIAL: "inbox_put_back"}
"""What was put back waits again, as what was never taken."""

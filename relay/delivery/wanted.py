"""Which entries of the log a reader wants, judged by a leaf's own words.

A leaf has each text between quotation marks and escaped, so that a value's whole JSON text in it is a
sign that it may be wanted (`signs`): a journal can pass over most leaves without reading their JSON.

Touches: nothing.
Trusts:  nothing of a leaf: one that is no JSON object is wanted by nobody who asks for anything.
Raises:  nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

AGENCIES: Final = ("sender", "recipient", "recipients", "agencies", "successors")
"""The fields that name agencies; those below name messages and other nodes."""
MESSAGES: Final = ("message", "document")
NODES: Final = ("neighbour", "peer", "origin", "issuer", "nodes")


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that are given must hold of an entry; of several values of one kind, any. None: all entries."""

    events: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    """Beginnings of events' names: `delivery` stands for delivery-failed and its like."""
    agencies: frozenset[str] = frozenset()
    message: str | None = None
    nodes: frozenset[str] = frozenset()

    def signs(self) -> tuple[tuple[bytes, ...], ...]:
        """Of each group a wanted leaf holds at least one; not every leaf that does is wanted."""
        events = [f'"event":"{name}"' for name in sorted(self.events)]
        events += [f'"event":"{name}-' for name in sorted(self.families)]
        groups = [
            events,
            _quoted(self.agencies),
            _quoted([] if self.message is None else [self.message]),
            _quoted(self.nodes),
        ]
        return tuple(tuple(sign.encode() for sign in group) for group in groups if group)

    def takes(self, leaf: bytes) -> bool:
        if self == EVERYTHING:
            return True
        try:
            entry = json.loads(leaf)
        except (ValueError, RecursionError):
            return False
        return isinstance(entry, dict) and self._takes(entry)

    def _takes(self, entry: dict[str, Any]) -> bool:
        messages = frozenset() if self.message is None else frozenset({self.message})
        return (
            self._takes_event(str(entry.get("event", "")))
            and _names(entry, AGENCIES, self.agencies)
            and _names(entry, MESSAGES, messages)
            and _names(entry, NODES, self.nodes)
        )

    def _takes_event(self, event: str) -> bool:
        if not self.events and not self.families:
            return True
        return event in self.events or any(event.startswith(f"{one}-") for one in self.families)


EVERYTHING: Final = Wanted()


def _quoted(values: Iterable[str]) -> list[str]:
    return [json.dumps(value, ensure_ascii=False) for value in sorted(values)]


def _names(entry: dict[str, Any], fields: Iterable[str], wanted: frozenset[str]) -> bool:
    return not wanted or any(_holds(entry.get(name), wanted) for name in fields)


def _holds(value: object, wanted: frozenset[str]) -> bool:
    if isinstance(value, list):
        return any(isinstance(one, str) and one in wanted for one in value)
    return isinstance(value, str) and value in wanted

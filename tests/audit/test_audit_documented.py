"""docs/audit-log.md lists each event and field that the product can write, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.audit.entries import AuditEvent
from tests.documented_events import documented, undocumented

RELAY = Path(__file__).parents[2] / "relay"


def test_the_events_of_the_page_are_those_of_the_product() -> None:
    assert set(documented()) == {event.value for event in AuditEvent}


@pytest.mark.parametrize("event", list(AuditEvent))
def test_each_event_is_written_somewhere(event: AuditEvent) -> None:
    """An event that nobody writes is a promise that nobody keeps."""
    word = re.compile(rf'AuditEvent\.{event.name}\b|"{event.value}"')
    places = [path for path in RELAY.rglob("*.py") if path.parent.name != "audit"]

    assert any(word.search(path.read_text("utf-8")) for path in places)


def test_each_field_of_the_page_is_written_somewhere() -> None:
    """As a keyword or a name, outside of the room of the log itself."""
    rooms = [RELAY / "journal", RELAY / "delivery", RELAY / "node", RELAY / "audit"]
    text = "\n".join(path.read_text("utf-8") for room in rooms for path in room.rglob("*.py"))
    fields = {field for fields in documented().values() for field in fields}

    assert not {one for one in fields if not re.search(rf'\b{one}=|"{one}"', text)}


def test_a_field_that_is_not_on_the_page_is_seen() -> None:
    """The watch over every test that writes entries (tests/conftest.py) is awake."""
    known = documented()

    assert undocumented({"v": 2, "event": "token-revoked", "subject": "x"}, known) == {"subject"}
    assert undocumented({"v": 2, "event": "no-such-event"}, known) == {"no-such-event"}
    assert not undocumented({"v": 2, "event": "token-revoked", "token": "x", "by": "y"}, known)

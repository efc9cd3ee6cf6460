"""Take-backs over real node processes: the race as a DMS sees it, and a crash at each point of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from relay.model import MessageType, ResponseFor
from relay.transport.axis.answered import AxisFailure

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SENDER, RECIPIENT = "H01.15.02", "H01"
EXTRA = f"""
[business]
arrived_status_for = ["{RECIPIENT}"]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any]) -> AsyncIterator[Any]:
    def speak(network: Any) -> None:
        config = network.nodes["tinh"].config
        config.write_text(config.read_text(encoding="utf-8") + EXTRA, encoding="utf-8")

    async with found_town(["tinh", "xa"], after_build=speak) as town:
        yield town


def _id(town: Any) -> str:
    town._number += 1
    return f"D-{town._number}"


async def _sent(town: Any) -> tuple[str, str, str]:
    """A document at its recipient's node: its own id, its message, the recipient's docId."""
    name = _id(town)
    content = town.document(SENDER, [RECIPIENT], document_id=name)
    message = await town.send("xa", content, SENDER)
    (row,) = await town.delivered("tinh", content)
    return name, message, row["delivery_id"]


async def _take_back(town: Any, name: str) -> str:
    about = ResponseFor(RECIPIENT, "", name, "2026/11/23")
    content = town.status(SENDER, about, "13")
    return str(await town.send("xa", content, SENDER, kind=MessageType.STATUS))


def _stand(town: Any, node: str, cause: str) -> list[str]:
    rows = town.rows(node, "SELECT state FROM obligations WHERE cause_id = ?", cause)
    return [row["state"] for row in rows]


async def _agreed(town: Any, cause: str, state: str) -> None:
    async def look() -> bool:
        return all(_stand(town, node, cause) == [state] for node in ("tinh", "xa"))

    await town.until(look)


@pytest.mark.parametrize(
    ("node", "point"),
    [
        ("xa", "admit:committed"),  # the 13 is accepted, its sender unaware
        ("tinh", "take_in:uncommitted"),  # decided, and not committed
        ("tinh", "take_in:committed"),  # committed, receipt not yet signed
        ("tinh", "prove:uncommitted"),  # signed, not committed
        ("tinh", "prove:committed"),  # durable, not yet on its way back
        ("tinh", "hand_back:answered"),
        ("xa", "record_receipts:uncommitted"),
    ],
)
async def test_a_crash_changes_nothing_of_a_take_back(town: Any, node: str, point: str) -> None:
    """Taken back at both nodes in the end, never given out, with one receipt of each kind."""
    name, message, doc_id = await _sent(town)
    await town.settled("xa", message, "available")
    town.crashed.clear()
    town.arm(node, point)

    cause = await _take_back(town, name)
    await _agreed(town, cause, "taken-back")

    await town.until(_restarted(town))
    assert town.crashed == [node]
    with pytest.raises(AxisFailure, match="lay lai"):
        await town.dms("tinh").get(doc_id)
    events = [e for _, e in town.events("xa", message)]
    assert events.count("ContentHandoverFailure") == 1
    town.logs_hold()


async def test_fetched_is_durable_before_a_byte_leaves(town: Any) -> None:
    """The node dies between both: the recipient got nothing, and still destruction is asked, since nobody
    can know."""
    name, message, doc_id = await _sent(town)
    await town.settled("xa", message, "available")
    town.crashed.clear()
    town.arm("tinh", "mark_fetched:committed")
    with pytest.raises(Exception):  # noqa: B017, PT011  the connection breaks in one way or another
        await town.dms("tinh").get(doc_id)
    await town.until(_restarted(town))

    cause = await _take_back(town, name)
    await _agreed(town, cause, "destruction-asked")


def _restarted(town: Any) -> Callable[[], Any]:
    async def look() -> bool:
        return bool(town.crashed)

    return look


async def test_the_whole_course_as_both_systems_and_the_terminal_see_it(town: Any) -> None:
    """Fetched, acknowledged, told of by the node's own 01, taken back too late, answered with 16: in the
    lists, in `relay track`, in `relay obligations`."""
    name, message, doc_id = await _sent(town)
    assert await town.dms("tinh").get(doc_id)
    await town.acknowledge("tinh", doc_id)
    cause = await _take_back(town, name)
    await _agreed(town, cause, "destruction-asked")
    (offered,) = town.deliveries("tinh", cause)
    rows = await town.dms("tinh").received_list(MessageType.STATUS)
    assert offered["delivery_id"] in [row.docId for row in rows]

    answer = town.status(RECIPIENT, ResponseFor(SENDER, "", name, "2026/11/23"), "16")
    await town.send("tinh", answer, RECIPIENT, kind=MessageType.STATUS)
    await _agreed(town, cause, "declined")

    async def told() -> bool:
        return bool(_relay(town, "track", message)["deliveries"][0]["business"] == "arrived")

    await town.until(told)
    (delivery,) = _relay(town, "track", message)["deliveries"]
    assert {"13", "16", "01"} == {s["status_code"] for s in delivery["statuses"]}
    (own,) = [s for s in delivery["statuses"] if s["status_code"] == "01"]
    assert own["description"].startswith("[Trục liên thông tự động thông báo, không phải của")
    assert [(o["kind"], o["state"], o["answer"]) for o in delivery["obligations"]] == [
        ("take-back", "declined", "16")
    ]
    listed = _relay(town, "obligations", "--state", "declined")["obligations"]
    assert [one["cause"] for one in listed] == [cause]
    sent = [s for s in _relay(town, "sent")["sent"] if s["message_id"] == message]
    assert [(s["business"], s["obligation"]) for s in sent] == [("arrived", "declined")]


def _relay(town: Any, *words: str) -> Any:
    command = [
        sys.executable,
        "-m",
        "relay",
        *words,
        "--json",
        "--config",
        str(town.node("xa").config),
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

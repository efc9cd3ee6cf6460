"""Two real nodes compare what they believe: in this process, over TLS, with faults put into a journal."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import structlog
from typer.testing import CliRunner, Result

from relay.audit.entries import parse
from relay.cli.main import app
from relay.journal import exchanged
from relay.signing.tls import face_client_context
from tests.acceptance.pair import RECIPIENT, SENDER, Pair, founded

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
OF = "(SELECT message_row FROM messages WHERE message_id = ?)"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with founded(tmp_path_factory.mktemp("reconciling") / "nodes", "") as found:
        await found.start("tinh")
        await found.start("xa")
        yield found


@dataclass(frozen=True)
class Sent:
    """Three documents of a test's own, and since when."""

    pair: Pair
    since: str
    messages: tuple[str, ...]


@pytest_asyncio.fixture(loop_scope="module")
async def sent(nodes: Pair) -> Sent:
    await asyncio.sleep(0.002)  # ids are told apart by milliseconds
    since = datetime.now(UTC).isoformat()
    messages = tuple([await nodes.submit() for _ in range(3)])
    await nodes.until(lambda: all(nodes.ends(one) == [("available", None)] for one in messages))
    return Sent(nodes, since, messages)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


async def relay(*words: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [str(one) for one in words])


async def reconciled(sent: Sent, here: str, there: str, *more: object) -> Result:
    config = sent.pair.network.nodes[here].config
    words = ("reconcile", there, "--since", sent.since, "--grace", 0, "--config", config)
    return await relay(*words, *more)


async def spoil(sent: Sent, name: str, statement: str, *values: object) -> None:
    """As no code of ours would."""
    await sent.pair.running[name]._journal.perform(lambda tx: tx.run(statement, *values))


def differences(result: Result) -> list[tuple[str, str, str, str, str]]:
    found = json.loads(result.stdout)["differences"]
    return [(d["kind"], d["what"], d["direction"], d["where"], d["message_id"]) for d in found]


async def test_neighbours_agree_until_a_row_goes_a_digest_changes_or_bytes_come_twice(
    sent: Sent,
) -> None:
    """Each fault is named once, by kind, by who lacks it, and by the agency it concerns; both ends of the
    hop find it; the exit code says so, and an entry of the log that it was looked for."""
    agreed = await reconciled(sent, "xa", "tinh", "--json")
    assert agreed.exit_code == 0, agreed.output
    whole = json.loads(agreed.stdout)
    assert whole["compared"] == {"sent": 3, "received": 0}
    assert (whole["same"], whole["agencies"][0]["agency"]) == (3, SENDER)

    lost, changed, twice = sent.messages
    await spoil(sent, "tinh", f"DELETE FROM deliveries WHERE message_row = {OF}", lost)
    await spoil(
        sent, "xa", "UPDATE messages SET digest = ? WHERE message_id = ?", "0" * 64, changed
    )

    sender = await reconciled(sent, "xa", "tinh", "--json")
    assert sender.exit_code == 1, sender.output
    assert sorted(differences(sender)) == [
        ("different", "digest", "sent", "tinh", changed),
        ("missing", "row-lost", "sent", "tinh", lost),
    ]
    receiver = await reconciled(sent, "tinh", "xa", "--json")
    assert sorted(differences(receiver)) == [
        ("different", "digest", "received", "xa", changed),
        ("missing", "row-lost", "received", "tinh", lost),
    ]
    told = json.loads(receiver.stdout)["differences"]
    assert {d["agency"] for d in told} == {RECIPIENT}
    assert all(re.fullmatch("[0-9]+/CV-M", d["document"]) for d in told)

    first = f"SELECT digest FROM messages WHERE message_id = '{twice}'"
    for name in ("xa", "tinh"):
        await spoil(
            sent, name, f"UPDATE messages SET digest = ({first}) WHERE message_id = ?", changed
        )
    doubled = await reconciled(sent, "xa", "tinh", "--json")
    kinds = [one[:2] for one in differences(doubled)]
    assert ("doubled", "same-bytes") in kinds

    leaves = [parse(leaf) for (leaf,) in sent.pair.rows("xa", "SELECT leaf FROM entries")]
    runs = [leaf for leaf in leaves if leaf["event"] == "reconciled"]
    assert [(one["neighbour"], one["missing"], one["different"]) for one in runs[:2]] == [
        ("tinh", 0, 0),
        ("tinh", 1, 1),
    ]


async def test_a_transfer_that_is_unknown_at_one_end_is_missing_there(sent: Sent) -> None:
    """Whole transfers, not only rows: what either end alone remembers."""
    here, there = sent.messages[:2]
    for table in ("arrivals", "deliveries", "messages"):
        await spoil(sent, "tinh", f"DELETE FROM {table} WHERE message_row = {OF}", there)
        if table != "arrivals":
            await spoil(sent, "xa", f"DELETE FROM {table} WHERE message_row = {OF}", here)
    found = await reconciled(sent, "xa", "tinh", "--json")
    assert sorted(differences(found)) == [
        ("missing", "not-known", "sent", "tinh", there),
        ("missing", "not-known", "sent", "xa", here),
    ]
    graced = await reconciled(sent, "xa", "tinh", "--json", "--grace", 900)
    assert graced.exit_code == 0, graced.output
    assert {one[0] for one in differences(graced)} == {"under-way"}


async def test_bytes_that_changed_where_they_arrived_are_found_from_there_and_from_here(
    sent: Sent,
) -> None:
    """What stands in the journal counts, not what the header once said."""
    other = "f" * 64
    await spoil(
        sent, "tinh", "UPDATE messages SET digest = ? WHERE message_id = ?", other, sent.messages[0]
    )
    for here, there in (("xa", "tinh"), ("tinh", "xa")):
        found = await reconciled(sent, here, there, "--json")
        assert [one[1] for one in differences(found)] == ["digest"], found.output
        (one,) = json.loads(found.stdout)["differences"]
        assert one["ours" if here == "tinh" else "theirs"] == other


async def test_what_waits_for_a_neighbour_is_not_compared_and_what_is_in_doubt_is_under_way(
    sent: Sent,
) -> None:
    first, second = sent.messages[:2]
    await spoil(
        sent, "xa", f"UPDATE deliveries SET state = 'in-doubt' WHERE message_row = {OF}", first
    )
    await spoil(
        sent,
        "xa",
        "UPDATE deliveries SET state = 'queued', transfer_id = NULL, next_hop = 'nowhere'"
        f" WHERE message_row = {OF}",
        second,
    )
    for table in ("arrivals", "deliveries", "messages"):
        for message in (first, second):
            await spoil(sent, "tinh", f"DELETE FROM {table} WHERE message_row = {OF}", message)
    found = await reconciled(sent, "xa", "tinh", "--json")
    assert found.exit_code == 0, found.output
    assert differences(found) == [("under-way", "not-known", "sent", "tinh", first)]


async def test_clerks_get_a_table_and_a_sheet_in_both_languages(sent: Sent) -> None:
    lost = sent.messages[0]
    await spoil(sent, "tinh", f"DELETE FROM deliveries WHERE message_row = {OF}", lost)
    table = await reconciled(sent, "xa", "tinh")
    assert table.exit_code == 1
    assert "THIẾU / MISSING" in table.stdout
    assert lost in table.stdout
    text = (await reconciled(sent, "xa", "tinh", "--csv", "--agency", SENDER)).stdout
    assert text.startswith("\ufeff")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["KẾT LUẬN / KIND"] == "thiếu / missing"
    assert row["MÃ GÓI TIN / MESSAGE ID"] == lost
    other = await reconciled(sent, "xa", "tinh", "--agency", "H01.16")
    assert other.exit_code == 0, other.output


async def test_a_misspelt_agency_does_not_pass_for_one_of_which_all_is_the_same(sent: Sent) -> None:
    """Nor for one without figures or obligations: every command that takes one says that nobody has it."""
    config = sent.pair.network.nodes["xa"].config
    for found in (
        await reconciled(sent, "xa", "tinh", "--agency", "H01.77"),
        await relay("stats", "--agency", "H01.77", "--config", config),
        await relay("obligations", "--agency", "H01.77", "--config", config),
        await relay("archive", "hold", "H01.77", "--why", "x", "--config", config),
    ):
        assert (found.exit_code, found.stdout) == (66, ""), found.output
        assert "no agency H01.77 is in the directory, and no message here" in found.stderr


async def test_in_the_smallest_pages_the_answer_is_the_same(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes hold a page of each other's list, however long it is; both pairs of lists are walked."""
    lost = sent.messages[1]
    await spoil(sent, "tinh", f"DELETE FROM deliveries WHERE message_row = {OF}", lost)
    for name in (
        "SENT_LOOK",
        "TRANSFERS_AT_A_TIME",
        "RECIPIENTS",
        "RECEIVED_LOOK",
        "PLACES_AT_A_TIME",
    ):
        monkeypatch.setattr(exchanged, name, 1)
    for here, there in (("xa", "tinh"), ("tinh", "xa")):
        found = await reconciled(sent, here, there, "--json")
        assert [one[1] for one in differences(found)] == ["row-lost"], found.output
        assert json.loads(found.stdout)["same"] == 2


async def test_a_neighbour_of_an_older_release_is_said_to_be_one(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.transport.nodes.reconciling_client.CAPABILITY", "unheard-of")
    found = await reconciled(sent, "xa", "tinh")
    assert found.exit_code == 65, found.output
    assert "release" in found.output


async def test_only_neighbours_are_reconciled_with(sent: Sent) -> None:
    stranger = await reconciled(sent, "xa", "xb")
    assert stranger.exit_code == 66, stranger.output
    await sent.pair.stop("tinh")
    gone = await reconciled(sent, "xa", "tinh")
    await sent.pair.start("tinh")
    assert gone.exit_code in (69, 75), gone.output


async def test_a_system_hands_in_what_it_believes_over_http_and_is_told_by_agency(
    sent: Sent,
) -> None:
    """With its agency's token, at the real native face: what it lacks, what the relay lacks, what it names
    twice; another agency's token is refused, and sees nothing."""
    pair, node = sent.pair, sent.pair.network.nodes["xa"]
    issued = await relay(
        "token", "issue", "--holder", "so-van-ban", "--scope", f"agency:{SENDER}", "--config", node.config, "--json"
    )  # fmt: skip
    secret = json.loads(issued.stdout)["secret"]
    first, second, third = sent.messages
    unknown = "01900000-0000-7000-8000-000000000000"
    documents = [
        {"direction": "sent", "message_id": first},
        {"direction": "sent", "message_id": first},
        {"direction": "sent", "message_id": second, "digest": "0" * 64, "agency": RECIPIENT},
        {"direction": "sent", "message_id": unknown, "agency": RECIPIENT, "at": _ago(hours=2)},
    ]
    asked = {"since": sent.since, "grace_seconds": 0, "documents": documents}
    status, found = await _post(pair, node, secret, asked)
    assert status == 200, found
    assert sorted((d["kind"], d["what"], d["where"], d["message_id"]) for d in found["differences"]) == [
        ("different", "digest", "relay", second),
        ("doubled", "listed-twice", "dms", first),
        ("missing", "not-known", "dms", third),
        ("missing", "not-known", "relay", unknown),
    ]  # fmt: skip
    (line,) = found["agencies"]
    assert (line["agency"], line["same"], line["missing"]) == (RECIPIENT, 1, 2)
    assert (await _post(pair, node, secret, asked))[1]["counts"] == found["counts"]
    status, refused = await _post(pair, node, secret, {**asked, "agency": RECIPIENT})
    assert status == 403, refused


async def test_a_system_is_told_what_it_received_and_never_acknowledged_or_fetched(
    sent: Sent,
) -> None:
    pair, node = sent.pair, sent.pair.network.nodes["tinh"]
    scope = f"agency:{RECIPIENT}"
    issued = await relay(
        "token", "issue", "--holder", "vp", "--scope", scope, "--config", node.config, "--json"
    )
    secret = json.loads(issued.stdout)["secret"]
    listed, taken, waits = sent.messages
    deliveries = dict(
        pair.rows("tinh", "SELECT message_id, delivery_id FROM deliveries JOIN messages USING (message_row)")
    )  # fmt: skip
    done = f"/v1/deliveries/{deliveries[taken]}/ack"
    status, answer = await _post(pair, node, secret, {"status": "done"}, done)
    assert status == 200, answer
    documents = [
        {"direction": "received", "delivery_id": deliveries[listed]},
        {"direction": "received", "message_id": taken, "agency": SENDER},
    ]
    asked = {"since": sent.since, "grace_seconds": 0, "documents": documents}
    status, found = await _post(pair, node, secret, asked)
    assert status == 200, found
    said = sorted((d["kind"], d["what"], d["message_id"]) for d in found["differences"])
    assert said == [
        ("different", "not-acknowledged", listed),
        ("missing", "not-fetched", waits),
    ]
    assert found["compared"] == {"sent": 0, "received": 3}


def _ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


async def _post(
    pair: Pair, node: Any, secret: str, asked: dict[str, object], path: str = "/v1/reconcile"
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(
            f"{node.native_url}{path}", json=asked, ssl=face_client_context(pair.network.root)
        ) as answer,
    ):  # fmt: skip
        return answer.status, await answer.json()

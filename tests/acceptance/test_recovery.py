"""A restored province gets back from its neighbours what was exchanged with it after the backup.

The province is origin, recipient and on the way of documents that its backup does not hold. Each test
takes the backup, lets documents pass, kills the node, restores it, and looks at everybody's books.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.audit.words import replaced
from relay.model import DeliveryState
from relay.offline import verify_whole_log

pytestmark = [pytest.mark.slow]
COMMUNE, OTHER, PROVINCE, LOCAL, MINISTRY = "H01.15.02", "H01.16", "H01", "H01.151", "G22"
HERE = "tinh"
ALL = ["tw", "tinh", "xa"]


def _relay(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "relay", *arguments, "--json"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


class Exchange:
    """Documents that pass the province after its backup, each in another way."""

    def __init__(self, town: Any) -> None:
        self.town = town
        self.sent: dict[str, tuple[str, bytes, str, str]] = {}
        """What it is: node, content, sender, message id."""
        self.before: dict[str, list[tuple[str, str, str]]] = {}

    async def _send(self, name: str, node: str, sender: str, to: list[str], size: int = 0) -> bytes:
        content = self.town.document(sender, to, padding_bytes=size)
        message_id = await self.town.send(node, content, sender)
        self.sent[name] = (node, content, sender, message_id)
        return bytes(content)

    async def pass_by(self) -> None:
        town = self.town
        await self._send("origin", HERE, PROVINCE, [COMMUNE, MINISTRY, LOCAL])
        await self._send("large", HERE, PROVINCE, [MINISTRY], 1_500_000)
        done = await self._send("done", HERE, PROVINCE, [COMMUNE])
        recipient = await self._send("recipient", "xa", COMMUNE, [PROVINCE])
        await self._send("unread", "tw", MINISTRY, [PROVINCE])
        transit = await self._send("transit", "xa", COMMUNE, [MINISTRY])
        await self._send("on its way", "tw", MINISTRY, [COMMUNE])
        for node, content in (("xa", done), (HERE, recipient), ("tw", transit)):
            (row,) = await town.delivered(node, content)
            await town.acknowledge(node, row["delivery_id"])
        for name, (node, _, _, message_id) in self.sent.items():
            state = DeliveryState.AVAILABLE
            if name in {"done", "recipient", "transit"}:
                state = DeliveryState.HANDED_OVER
            await town.settled(node, message_id, state)
            await self._quiet(message_id)
        self.before = {name: self.books(name) for name in self.sent}

    async def _quiet(self, message_id: str) -> None:
        """Until its receipts are where they belong."""

        async def nothing_waits() -> bool:
            return not any(
                self.town.rows(
                    name,
                    "SELECT 1 FROM returns r JOIN receipts c ON c.digest = r.receipt"
                    " JOIN messages m USING (message_row) WHERE m.message_id = ?",
                    message_id,
                )
                for name in self.town.network.nodes
            )

        await self.town.until(nothing_waits)

    def books(self, name: str) -> list[tuple[str, str, str]]:
        """(node, recipient, state) of the message at every node that knows it."""
        message_id = self.sent[name][3]
        return sorted(
            (node, row["recipient"], row["state"])
            for node in self.town.network.nodes
            for row in self.town.deliveries(node, message_id)
        )

    async def all_as_before(self) -> None:
        """Every delivery stands everywhere where it stood, and was handed over once."""

        async def same() -> bool:
            return {name: self.books(name) for name in self.sent} == self.before

        try:
            await self.town.until(same)
        except AssertionError:
            assert {name: self.books(name) for name in self.sent} == self.before
            raise
        for name, (_, content, _, _) in self.sent.items():
            served = {(n, r) for n, r, _ in self.before[name] if _serves(n, r)}
            for node in self.town.network.nodes:
                rows = self.town.inbox(node, content)
                assert {(node, r["recipient"]) for r in rows} == {
                    one for one in served if one[0] == node
                }

    async def repeats_are_repeats(self) -> None:
        for node, content, sender, message_id in self.sent.values():
            assert await self.town.send(node, content, sender) == message_id


def _serves(node: str, code: str) -> bool:
    return {
        "tw": {MINISTRY},
        HERE: {PROVINCE, LOCAL},
        "xa": {COMMUNE},
        "xb": {OTHER},
    }[node].__contains__(code)


async def _lose(town: Any, exchange: Exchange, copy: Path, *, name: str = HERE) -> None:
    """Backup, exchange, crash, restore; the node is not started again."""
    config = town.node(name).config
    _relay("backup", str(config), str(copy))
    await exchange.pass_by()
    await town.kill(name)
    town.node(name).control.parent.rename(copy.with_name("lost"))
    _relay("restore", str(config), str(copy))


async def _recovery(town: Any, name: str = HERE) -> dict[str, Any]:
    """As the node tells it; None while its control socket is not there yet."""
    connector = aiohttp.UnixConnector(path=str(town.node(name).control))
    try:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://node/v1/recovery") as response,
        ):
            return dict(await response.json())
    except (aiohttp.ClientError, OSError):
        return {}


async def _finished(town: Any) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await _recovery(town)
        return found if found.get("state") == "finished" else None

    return dict(await town.until(look))


async def _spawn(town: Any, name: str = HERE) -> None:
    town.down.discard(name)
    await town.network.spawn(town.node(name))


def _by_neighbour(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["neighbour"]: one for one in found["neighbours"]}


def _told(town: Any, event: str, name: str = HERE) -> list[dict[str, Any]]:
    rows = town.rows(
        name,
        "SELECT leaf, coalesce(words, '{}') FROM entries LEFT JOIN entry_words USING (entry_index)"
        " ORDER BY entry_index",
    )
    found = [replaced(json.loads(leaf), json.loads(words)) for leaf, words in rows]
    return [one for one in found if one["event"] == event]


async def test_what_was_exchanged_since_the_backup_comes_back(
    found_town: Callable[..., Any], tmp_path: Path
) -> None:
    """As origin, as recipient and on the way: everybody's books are as they were, nothing is handed
    over twice, a repeat is a repeat, and the log goes on in a second epoch."""
    async with found_town(ALL) as town:
        exchange = Exchange(town)
        old = await town.send("xa", town.document(COMMUNE, [PROVINCE]), COMMUNE)
        await town.settled("xa", old, DeliveryState.AVAILABLE)
        await _lose(town, exchange, tmp_path / "copy")
        lost = town.rows("tw", "SELECT trace FROM arrivals WHERE neighbour = ?", HERE)
        await town.up(HERE)
        found = await _finished(town)
        await exchange.all_as_before()
        await exchange.repeats_are_repeats()

        # The first receipts were made again to the byte: what chains on to them still does.
        steps = [json.loads(row["trace"])[0] for row in lost]
        made_again = {
            row["digest"]
            for row in town.rows(HERE, "SELECT digest FROM receipts WHERE issuer = ?", HERE)
        }
        assert {digest for node, _, digest in steps if node == HERE} <= made_again
        # Acknowledged before: not offered anew.
        open_there = [row.docId for row in await town.dms(HERE).received_list()]
        (handed,) = town.inbox(HERE, exchange.sent["recipient"][1])
        assert handed["acknowledgement"] == "done"
        assert handed["delivery_id"] not in open_there
        # The sender's list is whole.
        message_id = exchange.sent["origin"][3]
        rows = await town.dms(HERE).sent_list(doc_id=message_id)
        assert {row.toCode for row in rows} == {COMMUNE, MINISTRY, LOCAL}
        # Every document is read back to the byte.
        (large,) = town.inbox("tw", exchange.sent["large"][1])
        assert await town.dms("tw").get(large["delivery_id"]) == exchange.sent["large"][1]
        told = _by_neighbour(found)
        assert {name: one["step"] for name, one in told.items()} == {
            "tw": "answered",
            "xa": "answered",
        }
        assert sum(one["documents"] for one in told.values()) == 3
        (entry,) = _told(town, "recovery-finished")
        assert (entry["documents"], entry["missing"], entry["skipped"]) == (3, 0, 0)
        assert len(verify_whole_log(town.node(HERE).config).verdicts) == 2
        town.logs_hold()


@pytest.mark.parametrize(
    "point",
    ["reminded:uncommitted", "reminded:committed", "readmit:uncommitted", "readmit:committed"],
)
async def test_a_crash_in_the_middle_of_recovery_costs_nothing(
    found_town: Callable[..., Any], tmp_path: Path, point: str
) -> None:
    """It is killed once more while it recovers; what was done is not done twice, the rest is done."""
    async with found_town(ALL) as town:
        exchange = Exchange(town)
        await _lose(town, exchange, tmp_path / "copy")
        town.arm(HERE, point)
        await _spawn(town)
        await _finished(town)
        await exchange.all_as_before()
        await exchange.repeats_are_repeats()
        assert town.crashed == [HERE]
        (entry,) = _told(town, "recovery-finished")
        assert entry["documents"] == 3
        assert len(verify_whole_log(town.node(HERE).config).verdicts) == 2
        town.logs_hold()


async def test_intake_waits_for_a_neighbour_that_is_down(
    found_town: Callable[..., Any], tmp_path: Path
) -> None:
    """Until it answers a repeat is turned away, by both faces; transfers are taken meanwhile."""
    async with found_town(ALL) as town:
        exchange = Exchange(town)
        await _lose(town, exchange, tmp_path / "copy")
        await town.kill("tw")
        await _spawn(town)

        async def waits_for_one() -> bool:
            steps = (
                {n: one["step"] for n, one in _by_neighbour(await _recovery(town)).items()}
                if await _recovery(town)
                else {}
            )
            return steps == {"tw": "receipts", "xa": "answered"}

        await town.until(waits_for_one)
        assert await _ready(town) == (503, "not ready: recovering")
        node, content, sender, _ = exchange.sent["large"]
        refusal = await _refused(town, node, content, sender)
        assert refusal[0] == "20"
        # What comes from a neighbour is taken all the while.
        fresh = town.document(COMMUNE, [PROVINCE])
        message_id = await town.send("xa", fresh, COMMUNE)
        await town.settled("xa", message_id, DeliveryState.AVAILABLE)

        await town.up("tw")
        await _finished(town)
        assert (await _ready(town))[0] == 200
        await exchange.all_as_before()
        await exchange.repeats_are_repeats()
        town.logs_hold()


async def test_an_operator_goes_on_without_a_neighbour(
    found_town: Callable[..., Any], tmp_path: Path
) -> None:
    """`relay recovery --skip`: with who and why in the log; the others' documents are back."""
    async with found_town(ALL) as town:
        exchange = Exchange(town)
        await _lose(town, exchange, tmp_path / "copy")
        await town.kill("tw")
        await _spawn(town)

        async def other_is_done() -> bool:
            found = await _recovery(town)
            return bool(found) and _by_neighbour(found)["xa"]["step"] == "answered"

        await town.until(other_is_done)
        config = str(town.node(HERE).config)
        shown = _relay("recovery", "--config", config)
        assert shown["state"] == "recovering"
        assert _by_neighbour(shown)["tw"]["last_error"]
        after = _relay("recovery", "--config", config, "--skip", "tw", "--why", "nhà mạng mất điện")
        assert after["state"] == "finished"
        assert _by_neighbour(after)["tw"]["step"] == "skipped"
        assert (await _ready(town))[0] == 200
        (entry,) = _told(town, "recovery-skipped")
        assert (entry["neighbour"], entry["why"]) == ("tw", "nhà mạng mất điện")
        assert entry["by"].startswith("local:")
        # Known from the commune's side, at both its other recipients too.
        message_id = exchange.sent["origin"][3]
        assert {r["recipient"] for r in town.deliveries(HERE, message_id)} == {
            COMMUNE,
            MINISTRY,
            LOCAL,
        }
        await town.up("tw")
        node, content, sender, message_id = exchange.sent["origin"]
        assert await town.send(node, content, sender) == message_id
        await town.settled(HERE, message_id, DeliveryState.AVAILABLE)
        assert len(town.inbox("tw", content)) == 1
        town.logs_hold()


async def test_a_rollback_that_nobody_announced_is_found(
    found_town: Callable[..., Any], tmp_path: Path
) -> None:
    """The data folder is copied back. At its start the node sees documents it signed and does not
    know: a new epoch begins, and it recovers as if it had been restored."""
    async with found_town(ALL) as town:
        exchange = Exchange(town)
        data = town.node(HERE).control.parent
        await town.kill(HERE)
        shutil.copytree(data, tmp_path / "snapshot", ignore=shutil.ignore_patterns("*.sock"))
        await town.up(HERE)
        await exchange.pass_by()
        await town.kill(HERE)
        data.rename(tmp_path / "lost")
        shutil.copytree(tmp_path / "snapshot", data)
        await town.up(HERE)
        await _finished(town)
        await exchange.all_as_before()
        await exchange.repeats_are_repeats()
        (found,) = _told(town, "rollback-found")
        assert found["type"] in {"receipt", "transfer"}
        (_, second) = verify_whole_log(town.node(HERE).config).verdicts
        first = json.loads(
            town.rows(HERE, "SELECT leaf FROM entries WHERE entry_index = ?", 1 << 40)[0][0]
        )
        assert (first["event"], first["reason"]) == ("epoch-started", "rolled-back")
        # The next start finds nothing new.
        async with town.outage(HERE):
            pass
        await town.until(lambda: _is_ready(town))
        assert len(verify_whole_log(town.node(HERE).config).verdicts) == 2
        assert second.checkpoint.size > 0
        town.logs_hold()


async def _is_ready(town: Any) -> bool:
    return (await _ready(town))[0] == 200


async def _ready(town: Any) -> tuple[int, str]:
    connector = aiohttp.UnixConnector(path=str(town.node(HERE).control))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://node/readyz") as response,
    ):
        told = await response.json(content_type=None)
        return response.status, str(told.get("detail", ""))


async def _refused(town: Any, node: str, content: bytes, sender: str) -> tuple[str, str]:
    """How the axis face turns a submission away."""
    from relay.errors import RelayError
    from relay.model import digest_of

    async def pieces() -> Any:
        yield content

    try:
        await town.dms(node).send_stream(
            pieces(),
            digest=bytes.fromhex(digest_of(content)),
            size_bytes=len(content),
            sender=sender,
            recipients=None,
        )
    except RelayError as error:
        return str(getattr(error, "code", "")), str(error)
    return "0", ""

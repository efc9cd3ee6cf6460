"""The directory of running nodes: changed without a restart, passed on, refused where it is not theirs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from relay.cli.main import app

CLOSED_DISTRICT = {
    "code": "H01.15",
    "old_code": "000.00.15.H01",
    "name": "UBND huyện",
    "tier": "district",
    "node": "tinh",
    "valid_to": "2025-07-01",
    "successors": ["H01.151"],
}
NEW_COMMUNE = {"code": "H01.152", "name": "UBND xã Mới", "tier": "commune", "node": "tinh"}


async def test_a_change_holds_at_every_node_without_a_restart(village: Any) -> None:
    """What the province says of its branch is in force at the ministry and at the commune."""
    await village.take_over("tinh", NEW_COMMUNE)
    for name in ("tinh", "tw", "xa"):
        await village.until_known(name, "H01.152", node="tinh")
    sent = await village.send("xa", "H01.16", "H01.152")
    assert sent["status"] == "OK", sent
    for name in ("tw", "xa"):
        [entry] = village.entries(name, "directory-received")
        assert (entry["issuer"], entry["peer"], entry["version"]) == ("tinh", "tinh", 1)
    [changed] = [e for e in village.entries("tinh", "directory-changed") if e["why"] == "a decree"]
    assert changed["agencies"] == ["H01.152"]
    assert changed["by"].startswith("local:")


async def test_a_closed_code_is_refused_with_its_successor(village: Any) -> None:
    """In the clerk's words on the axis face, as a problem document natively, signed between nodes."""
    await village.down("tinh")  # so that the commune does not hear of it before it sends
    refused = await village.send("xa", "H01.16", "H01.15")
    assert refused["status"] == "OK"
    await village.up("tinh")
    await village.take_over("tinh", CLOSED_DISTRICT)
    await village.until_known("xa", "H01.15", standing="closed")

    told = await village.send("xa", "H01.16", "000.00.15.H01")
    assert told == {
        "status": "FAIL",
        "ErrorCode": "23",
        "ErrorDesc": "Don vi nhan H01.15 da dong tu 2025-07-01, ma moi H01.151"
        " / recipient closed, successor H01.151",
        "DocId": "",
    }


async def test_a_node_that_knows_more_refuses_with_a_signed_receipt(village: Any) -> None:
    """The sender learns the successor from the next node's RelayRejection."""
    await village.down("xa")
    await village.take_over("tinh", CLOSED_DISTRICT)
    await village.down("tinh")
    await village.up("xa")  # it has heard of nothing: its configuration lists the district as open
    sent = await village.send("xa", "H01.16", "H01.15")
    assert sent["status"] == "OK"
    await village.up("tinh")

    async def failed() -> Any:
        rows = (await village.call("xa", "getSentEdocList"))["data"]
        return [row for row in rows if row["sendStatus"] == "fail"]

    [row] = await village.until(failed)
    assert "H01.15 is closed since 2025-07-01, successor H01.151" in row["sendStatusDesc"]
    [refusal] = village.entries("tinh", "transfer-refused")
    assert refusal["reason"] == "closed-recipient"


async def test_a_closed_code_is_a_problem_natively(village: Any) -> None:
    """Of a type of its own, with the successor as data."""
    await village.take_over("tinh", CLOSED_DISTRICT)
    _, issued = await village.native(
        "tinh", "POST", "/v1/tokens", {"holder": "Le Mau", "scopes": ["agency:H01"]}
    )
    import aiohttp

    content = village.document("H01", "H01.15")
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{village.plan('tinh').native_url}/v1/envelopes",
            data=content,
            headers={
                "Authorization": f"Bearer {issued['secret']}",
                "Content-Type": "application/xml",
            },
            ssl=False,
        ) as response,
    ):
        problem = await response.json(content_type=None)
    assert response.status == 422
    assert problem["type"].endswith(":closed-recipient")
    assert problem["recipients"] == [
        {"kind": "closed", "code": "H01.15", "since": "2025-07-01", "others": ["H01.151"]}
    ]


async def test_policy_forward_brings_it_to_the_successor_with_both_codes(
    raised: Callable[..., Awaitable[Any]],
) -> None:
    """At the origin the delivery is the successor's; the code that was written stays beside it."""
    village = await raised('closed_codes = "forward"')
    await village.take_over("tinh", {**CLOSED_DISTRICT, "successors": ["H01.16"]})
    await village.until_known("xa", "H01.15", standing="closed")
    assert (await village.send("tinh", "H01", "000.00.15.H01"))["status"] == "OK"
    [row] = await village.until(lambda: village.inbox("xa"))
    assert row["from"] == "H01"
    found = village.rows("tinh", "SELECT recipient, addressed_as FROM deliveries")
    assert found == [("H01.16", "000.00.15.H01")]
    [entry] = village.entries("tinh", "recipient-succeeded")
    assert (entry["recipients"], entry["successors"]) == (["H01.15"], ["H01.16"])


async def test_what_was_under_way_when_the_code_closed_is_forwarded_too(
    raised: Callable[..., Awaitable[Any]],
) -> None:
    """The delivery keeps the code all nodes know it by, and the successor's system finds and takes it."""
    village = await raised('closed_codes = "forward"')
    await village.down("tinh")
    assert (await village.send("tw", "G22", "H01.15"))["status"] == "OK"
    await village.up("tinh")
    await village.take_over("tinh", {**CLOSED_DISTRICT, "successors": ["H01.16"]})

    async def arrived() -> Any:
        return [row for row in await village.inbox("xa") if row["from"] == "G22"]

    if not (found := await village.inbox("tinh")):  # it came before the change: then it stays there
        found = await village.until(arrived)
    told = await village.call(
        "xa" if found[0]["docId"] in [r["docId"] for r in await village.inbox("xa")] else "tinh",
        "updateStatus",
        ("docId", found[0]["docId"]),
        ("status", "done"),
    )
    assert told["status"] == "OK", told

    async def handed_over() -> Any:
        rows = village.rows("tw", "SELECT state FROM deliveries")
        return rows == [("handed-over",)]

    await village.until(handed_over)


async def test_changes_outlive_a_restart_and_reach_who_was_away(village: Any) -> None:
    """Both the node that made it and the one that was down have it afterwards."""
    await village.down("xa")
    told = await village.take_over("tinh", NEW_COMMUNE)
    await village.down("tinh")
    await village.up("tinh")
    again = await village.agency("tinh", "H01.152")
    assert again["version"] == told["version"]
    await village.up("xa")
    await village.until_known("xa", "H01.152", node="tinh")


async def test_a_commune_cannot_speak_for_its_province(village: Any) -> None:
    """What its operator imports about others holds at that node alone, and is not in what it signs."""
    await village.take_over(
        "xa",
        {
            "code": "H01",
            "name": "Mạo danh",
            "tier": "province",
            "node": "tinh",
            "valid_to": "2020-01-01",
        },
        {"code": "H01.16", "name": "UBND xã Mười Sáu", "tier": "commune", "node": "xa"},
    )
    await village.until_known("tw", "H01.16", name="UBND xã Mười Sáu")
    assert (await village.agency("xa", "H01"))["standing"] == "closed"
    for name in ("tw", "tinh"):
        assert (await village.agency(name, "H01"))["name"] == "UBND tỉnh"


async def test_an_import_is_taken_whole_or_not_at_all(village: Any) -> None:
    """Every row that cannot stand is named; nothing of the table is in force."""
    rows = [
        NEW_COMMUNE,
        {"code": "H01.153", "name": "X", "tier": "commune", "node": "nowhere"},
        {"code": "H01.154", "old_code": "000.00.15.H01", "name": "X", "tier": "commune", "node": "tinh"},
        {"code": "H01.155", "name": "X", "tier": "commune", "node": "tinh",
         "valid_from": "2026-01-01", "valid_to": "2025-01-01"},
    ]  # fmt: skip
    status, problem = await village.native(
        "tinh", "POST", "/v1/directory/import?why=x", {"agencies": rows}
    )
    assert (status, problem["type"].rpartition(":")[2]) == (422, "bad-directory")
    assert problem["problems"] == [
        "agency H01.153: no node nowhere is known",
        "agency H01.154: code 000.00.15.H01 is one of H01.15",
        "agency H01.155: closes on 2025-01-01, but opens on 2026-01-01",
    ]
    assert await village.agency("tinh", "H01.152") is None


async def test_a_new_node_is_told_of_with_its_agencies(village: Any) -> None:
    """The ministry then knows the way to what lies below the province."""
    await village.take_over(
        "tinh",
        {"code": "H01.170", "name": "UBND xã", "tier": "commune", "node": "xc"},
        nodes=[{"id": "xc", "tier": "commune", "parent": "tinh"}],
    )
    await village.until_known("tw", "H01.170", node="xc")
    _, told = await village.native("tw", "GET", "/v1/directory/H01.170/explain")
    assert told["next_hop"] == "tinh"


async def test_a_restored_node_gets_its_own_word_back(village: Any) -> None:
    """A journal from before a change: the neighbours have the signed document, and it is this node's."""
    import shutil

    data = village.plan("tinh").folder / "data"
    await village.down("tinh")
    shutil.copytree(data, data.with_name("before"), ignore=shutil.ignore_patterns("*.sock"))
    await village.up("tinh")
    await village.take_over("tinh", NEW_COMMUNE)
    await village.until_known("tw", "H01.152", node="tinh")
    await village.down("tinh")
    shutil.rmtree(data)
    data.with_name("before").rename(data)
    await village.up("tinh")
    await village.until_known("tinh", "H01.152", node="tinh")

    async def renewed() -> Any:
        _, told = await village.native("tw", "GET", "/v1/directory/branches")
        return [one for one in told["branches"] if one["version"] > 1]

    assert await village.until(renewed)


async def test_export_and_import_are_each_others_inverse(village: Any) -> None:
    """What one node exports another takes without a change."""
    await village.take_over("tinh", CLOSED_DISTRICT, NEW_COMMUNE)
    _, page = await village.native("tinh", "GET", "/v1/directory?limit=500")
    columns = ("code", "old_code", "name", "tier", "node", "parent", "mail", "centre",
               "valid_from", "valid_to", "successors", "deleted")  # fmt: skip
    rows = [{name: one[name] for name in columns} for one in page["agencies"]]
    status, told = await village.native(
        "tinh", "POST", "/v1/directory/import?why=x&dry_run=true", content=json.dumps(rows).encode()
    )
    assert (status, told["changed"]) == (200, 0)


async def test_a_new_form_of_a_code_reaches_systems_without_a_restart(village: Any) -> None:
    """An agency that was known by one code gets another: its system speaks for both, its clients learn it."""
    before = await village.call("xa", "getSynchronizeUnit")
    version = max(int(row["version"]) for row in before["data"])
    told = await village.take_over(
        "xa",
        {
            "code": "H01.16.01",
            "old_code": "H01.16",
            "name": "UBND xã",
            "tier": "commune",
            "node": "xa",
        },
    )
    assert told["changed"] == 2
    delta = await village.call("xa", "getSynchronizeUnit", ("sinceVersion", str(version)))
    assert {row["code"]: row["deleted"] for row in delta["data"]} == {
        "H01.16": "true",
        "H01.16.01": "false",
    }
    sent = await village.send("xa", "H01.16.01", "H01")
    assert sent["status"] == "OK", sent
    await village.until_known("tinh", "H01.16", old_code="H01.16")
    await village.send("tinh", "H01", "H01.16")
    assert await village.until(lambda: village.inbox("xa"))


async def test_a_certificate_is_bound_at_the_terminal_and_known_everywhere(village: Any) -> None:
    """`relay directory bind` adds to the record, the owner's signed word carries it, `--remove` ends it."""
    pem = village.network.folder / "pki" / "nodes" / "xa" / "sign.pem"
    print_ = hashlib.sha256(ssl.PEM_cert_to_DER_cert(_first(pem))).hexdigest()
    words = ["directory", "bind", "H01.16", str(pem), "--why", "thay khoá"]
    config = ["--config", str(village.plan("xa").config)]

    bound = await asyncio.to_thread(CliRunner().invoke, app, [*words, *config])
    await village.until_known("tw", "H01.16", certificates=[print_])
    removed = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--remove", *config])
    await village.until_known("tw", "H01.16", certificates=[])

    assert (bound.exit_code, removed.exit_code) == (0, 0)
    assert print_ in bound.stderr


def _first(pem: Path) -> str:
    end = "-----END CERTIFICATE-----\n"
    return pem.read_text(encoding="ascii").partition(end)[0] + end

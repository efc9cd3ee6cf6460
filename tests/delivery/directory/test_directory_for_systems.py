"""The axis calls of the directory: fields as existing clients parse them, changes held for an operator."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from relay.transport.axis.signature import sign

AGENCY = {"id", "pid", "code", "name", "mail", "oldCode"}
DECISION_20 = {"id", "code", "code102", "name", "mail"}
UNIT = {"id", "pid", "code", "name", "mail", "version", "centerCode", "deleted", "modifyDate",
        "isAgency"}  # fmt: skip


@pytest.fixture
async def village(raised: Callable[..., Awaitable[Any]]) -> Any:
    return await raised(names=("tinh",))


def _registration(**said: str) -> bytes:
    members = ("id", "pcode", "code", "name", "mail", "mobile", "fax")
    return json.dumps({name: said.get(name, "") for name in members}).encode()


async def _register(village: Any, **said: str) -> dict[str, Any]:
    return dict(await village.call("tinh", "registerAgency", body=_registration(**said)))


def _by_code(told: dict[str, Any]) -> dict[str, Any]:
    assert (told["status"], told["ErrorCode"]) == ("OK", "0")
    return {row["code"]: row for row in told["data"]}


async def test_the_lists_have_every_field_as_a_text(village: Any) -> None:
    """What a client misses or cannot parse makes it throw after a call that succeeded."""
    for call, fields in (
        ("getAgenciesList", AGENCY),
        ("getAgenciesListQD20", DECISION_20),
        ("getSynchronizeUnit", UNIT),
    ):
        told = await village.call("tinh", call)
        rows = _by_code(told)
        assert {"G22", "H01", "H01.15", "H01.151", "H01.16"} == set(rows)
        for row in rows.values():
            assert set(row) == fields
            assert all(isinstance(value, str) for value in row.values())
    listed = _by_code(await village.call("tinh", "getAgenciesList"))
    assert listed["H01.15"]["pid"] == listed["H01"]["id"]
    assert (listed["H01"]["pid"], listed["H01"]["oldCode"]) == ("0", "000.00.00.H01")
    assert listed["H01"]["name"] == "UBND tỉnh"


async def test_decision_20_lists_by_level(village: Any) -> None:
    """The header level asks for codes of that level only."""
    told = await village.call("tinh", "getAgenciesListQD20", ("level", "1"))
    assert set(_by_code(told)) == {"G22", "H01"}
    told = await village.call("tinh", "getAgenciesListQD20", ("level", "x"))
    assert (told["status"], told["data"]) == ("FAIL", [])


async def test_a_delta_has_what_changed_since_a_version(village: Any) -> None:
    """A client that says what version it has gets the rest; one that does not gets everything."""
    rows = _by_code(await village.call("tinh", "getSynchronizeUnit"))
    version = max(int(row["version"]) for row in rows.values())
    for newest in (version, 1_000_001, (1 << 31) - 1):
        again = await village.call("tinh", "getSynchronizeUnit", ("sinceVersion", str(newest)))
        assert (again["ErrorCode"], again["data"]) == ("0", [])
    await village.take_over(
        "tinh",
        {"code": "H01.15", "old_code": "000.00.15.H01", "name": "UBND huyện", "tier": "district",
         "node": "tinh", "valid_to": "2025-07-01", "successors": ["H01.151"]},
        {"code": "H01.152", "name": "UBND xã Mới", "tier": "commune", "node": "tinh"},
    )  # fmt: skip
    told = await village.call("tinh", "getSynchronizeUnit", ("sinceVersion", str(version)))
    delta = _by_code(told)
    assert {code: row["deleted"] for code, row in delta.items()} == {
        "H01.15": "true",
        "H01.152": "false",
    }
    assert delta["H01.15"]["id"] == rows["H01.15"]["id"]
    assert {int(row["version"]) for row in delta.values()} == {version + 1}
    assert "H01.15" not in _by_code(await village.call("tinh", "getAgenciesList"))
    full = _by_code(await village.call("tinh", "getSynchronizeUnit"))
    assert len(full) == len(rows) + 1


async def test_the_library_version_that_every_call_bears_is_no_delta(village: Any) -> None:
    """`XroadVnpt-version: 3.0.201608` stands unsigned in every call of existing clients."""
    told = await village.call("tinh", "getSynchronizeUnit", ("version", "3.0.201608"))
    assert len(told["data"]) == 5


async def test_a_registration_waits_for_an_operators_yes(village: Any) -> None:
    """Until then nothing changes; afterwards the system speaks for the agency without a restart."""
    said = {"code": "H01.151.07", "pcode": "H01.151", "name": "Văn phòng", "mail": "a@b.vn"}
    for _ in range(2):  # the signature binds no body: a repeat changes nothing
        told = await _register(village, **said)
        assert (told["status"], told["ErrorCode"]) == ("OK", "0")
        assert "cho quan tri duyet" in told["ErrorDesc"]
    assert await village.agency("tinh", "H01.151.07") is None
    refused = await village.send("tinh", "H01.151.07", "H01")
    assert refused["ErrorCode"] == "19"

    _, page = await village.native("tinh", "GET", "/v1/directory/requests")
    [request] = page["requests"]
    assert (request["kind"], request["agency"]["parent"]) == ("register", "H01.151")
    path = f"/v1/directory/requests/{request['request_id']}/approve"
    status, decided = await village.native("tinh", "POST", path, {"why": "by letter 12"})
    assert (status, decided["state"]) == (200, "approved")
    status, _ = await village.native("tinh", "POST", path, {"why": "again"})
    assert status == 409
    agency = await village.agency("tinh", "H01.151.07")
    assert (agency["tier"], agency["node"], agency["mail"]) == ("commune", "tinh", "a@b.vn")
    assert agency["centre"] == village.plan("tinh").systemid
    sent = await village.send("tinh", "H01.151.07", "H01")
    assert sent["status"] == "OK", sent
    [asked] = village.entries("tinh", "registration-asked")
    [done] = village.entries("tinh", "registration-decided")
    assert asked["agencies"] == done["agencies"] == ["H01.151.07"]
    assert (done["why"], done["state"]) == ("by letter 12", "approved")
    told = await _register(village, **said)
    assert "cho quan tri" not in told["ErrorDesc"]


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"code": "G22.05", "name": "x"}, "G22.05 lies under no agency"),
        ({"code": "G22", "name": "x"}, "not one of"),
        ({"code": "H01.16", "name": "x"}, "not one of"),
        ({"code": "999.010.01.H22", "pcode": "00.22.W00", "name": "n"}, "is not an agency code"),
        ({"code": "", "name": "x"}, "code and name are needed"),
        ({"code": "H01.151.08", "name": "x" * 201}, "name must be a text"),
        ({"code": "H01.151.08", "name": "x\u202ey"}, "name must be a text"),
    ],
)
async def test_a_system_registers_only_what_is_its_own(
    village: Any, said: dict[str, str], word: str
) -> None:
    """Neither another's agency nor a code under nobody of its own, nor what is no code at all."""
    told = await _register(village, **said)
    assert (told["status"], told["ErrorCode"]) == ("FAIL", "19")
    assert word in told["ErrorDesc"]
    _, page = await village.native("tinh", "GET", "/v1/directory/requests")
    assert page["requests"] == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"code": 1e400}', b"\xff", b"[" * 60_000])
async def test_a_body_that_is_no_registration_is_refused_in_the_dialect(
    village: Any, body: bytes
) -> None:
    """Whatever comes, the answer is the dialect's JSON."""
    told = await village.call("tinh", "registerAgency", body=body)
    assert told["status"] == "FAIL"


async def test_with_accept_a_registration_is_in_force_at_once(
    raised: Callable[..., Awaitable[Any]],
) -> None:
    """And so is its end, with a tombstone in the delta."""
    village = await raised('registrations = "accept"', names=("tinh",))
    told = await _register(village, code="H01.151.07", name="Văn phòng")
    assert told["ErrorDesc"] == "Thanh cong / success"
    before = await village.agency("tinh", "H01.151.07")
    told = await village.call("tinh", "deleteAgency", ("AgencyCode", "H01.151.07"), body=b"{}")
    assert told["status"] == "OK"
    told = await village.call(
        "tinh", "getSynchronizeUnit", ("sinceVersion", str(before["version"]))
    )
    [row] = told["data"]
    assert (row["code"], row["deleted"]) == ("H01.151.07", "true")
    refused = await village.send("tinh", "H01", "H01.151.07")
    assert refused["ErrorCode"] == "23"


async def test_a_system_deletes_only_its_own(village: Any) -> None:
    """An agency of another node, one that is not there, and no code at all are refused."""
    for code in ("H01.16", "H01.999", "??"):
        told = await village.call("tinh", "deleteAgency", ("AgencyCode", code), body=b"{}")
        assert told["status"] == "FAIL", code
    told = await village.call("tinh", "deleteAgency", body=b"{}")
    assert told["status"] == "FAIL"


async def test_a_rejected_request_changes_nothing(village: Any) -> None:
    """The operator's no is kept with its reason; asked again it waits again."""
    await _register(village, code="H01.151.07", name="Văn phòng")
    status, decided = await village.native(
        "tinh", "POST", "/v1/directory/requests/1/reject", {"why": "unknown office"}
    )
    assert (status, decided["state"], decided["why"]) == (200, "rejected", "unknown office")
    assert await village.agency("tinh", "H01.151.07") is None
    await _register(village, code="H01.151.07", name="Văn phòng")
    _, page = await village.native("tinh", "GET", "/v1/directory/requests")
    assert [one["request_id"] for one in page["requests"]] == [2]


async def test_the_other_form_of_a_code_is_a_hint_in_the_refusal(village: Any) -> None:
    """A commune that has no old code yet: arithmetic says whom the sender may mean."""
    told = await village.send("tinh", "H01", "000.00.16.H01")
    assert told["ErrorCode"] == "18"
    assert told["ErrorDesc"] == (
        "Khong co ma don vi nhan 000.00.16.H01, co the la ma H01.16"
        " / unknown recipient, perhaps the other form of H01.16"
    )


async def test_a_long_list_streams_while_others_are_served(village: Any) -> None:
    """Twenty thousand agencies go out in slices; the same answer as a client's own count of them."""
    rows = [
        {"code": f"H01.151.{n}", "name": f"Phòng số {n}", "tier": "commune", "node": "tinh"}
        for n in range(20_000)
    ]
    await village.take_over("tinh", *rows)
    told = _by_code(await village.call("tinh", "getAgenciesList"))
    assert len(told) == 20_005


# ---------------------------------------------------------------- systems added while the node runs


async def _add(village: Any, systemid: str, *agencies: str) -> bytes:
    asked = {"systemid": systemid, "agencies": list(agencies), "rest": True}
    status, told = await village.native("tinh", "POST", "/v1/systems", asked)
    assert status == 201, told
    return str(told["secret"]).encode()


async def _as(village: Any, systemid: str, secret: bytes) -> dict[str, Any]:
    """A call of that system for an inbox."""
    signed = [
        ("systemid", systemid),
        ("servicetype", "eDoc"),
        ("messagetype", "edoc"),
        ("timestamp", "22112026T100525+0563"),
    ]
    url = f"{village.plan('tinh').axis_url}/getReceivedEdocList"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, headers=sign(signed, secret), ssl=False) as response,
    ):
        return dict(await response.json(content_type=None))


async def test_a_system_added_at_run_time_follows_the_directory(raised: Any) -> None:
    """It reads what came for the closed code that its agency took over, from the change on."""
    village = await raised('closed_codes = "forward"')
    secret = await _add(village, "vxp.moi", "H01.151")
    sent = await village.send("tinh", "H01", "H01.15")
    assert sent["status"] == "OK", sent
    assert (await _as(village, "vxp.moi", secret))["data"] == []
    await village.take_over(
        "tinh",
        {
            "code": "H01.15", "old_code": "000.00.15.H01", "name": "UBND huyện", "tier": "district",
            "node": "tinh", "valid_to": "2025-07-01", "successors": ["H01.151"],
        },
    )  # fmt: skip
    told = await _as(village, "vxp.moi", secret)
    assert [row["from"] for row in told["data"]] == ["H01"]


async def test_a_change_of_the_directory_brings_no_revoked_system_back(village: Any) -> None:
    """And changes of systems keep what the directory says that the others speak for."""
    secret = await _add(village, "vxp.moi", "H01.151")
    assert (await _as(village, "vxp.moi", secret))["status"] == "OK"
    said = {"systemid": "vxp.moi", "why": "a contract ended"}
    status, _ = await village.native("tinh", "POST", "/v1/systems/revoke", said)
    assert status == 200
    await _approved(village, code="H01.151.07", pcode="H01.151", name="Văn phòng")
    refused = await _as(village, "vxp.moi", secret)
    assert (refused["status"], refused["ErrorCode"]) == ("FAIL", "15")
    assert (await village.send("tinh", "H01.151.07", "H01"))["status"] == "OK"
    await _add(village, "vxp.khac", "H01.151")
    assert (await village.send("tinh", "H01.151.07", "H01"))["status"] == "OK"


async def test_the_rest_variant_lists_what_the_dialects_own_call_lists(village: Any) -> None:
    """GET /lgsp/v1/getAgenciesList answers with the directory."""
    secret = await _add(village, "vxp.moi", "H01.151")
    url = f"{village.plan('tinh').axis_url}/lgsp/v1/getAgenciesList"
    headers = {"X-SystemId": "vxp.moi", "X-SecretKey": secret.decode()}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, ssl=False) as response,
    ):
        told = await response.json(content_type=None)
    assert told == await village.call("tinh", "getAgenciesList")
    assert "H01.151" in {row["code"] for row in told["data"]}


async def _approved(village: Any, **said: str) -> None:
    await _register(village, **said)
    _, page = await village.native("tinh", "GET", "/v1/directory/requests")
    path = f"/v1/directory/requests/{page['requests'][0]['request_id']}/approve"
    status, _ = await village.native("tinh", "POST", path, {"why": "by letter 12"})
    assert status == 200

"""Following a message, collecting deliveries, acknowledging: the reading side of the native face."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from relay.delivery.ports import Caller, SentQuery
from relay.errors import GoneError
from relay.model import DeliveryState, NodeId, Reason
from relay.transport.native.schemas import SCHEMAS
from relay.wire.container import read_receipts
from relay.wire.receipt import read_receipt

Letter = Callable[..., bytes]
Http = Callable[..., aiohttp.ClientSession]
NOBODYS = "0199aaaa-0000-7000-8000-000000000000"


async def sent(http: Http, content: bytes) -> dict[str, Any]:
    kind = {"Content-Type": "application/xml"}
    async with http().post("/v1/envelopes", data=io.BytesIO(content), headers=kind) as response:
        assert response.status == 202
        answer: dict[str, Any] = await response.json()
        return answer


async def got(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def refused(response: aiohttp.ClientResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    document = await response.json(content_type=None)
    return response.status, document.get("parameter", document["type"].rpartition(":")[2])


async def test_a_message_is_shown_with_its_way(http: Http, letter: Letter) -> None:
    """State, receipts chained to each other, and the trace of nodes with arrival times."""
    accepted = await sent(http, letter())
    view = await got(http(), f"/v1/messages/{accepted['message_id']}")
    delivery = view["deliveries"][0]

    assert view["sender"] == "000.00.20.H13"
    assert view["notation"] == "12/SM-VP"
    assert delivery["state"] == "available"
    assert [receipt["event"] for receipt in delivery["receipts"]] == [
        "SubmissionAcceptance",
        "ContentConsignment",
    ]
    assert delivery["receipts"][1]["previous"] == accepted["receipt"]
    assert delivery["trace"] == [
        {
            "node": "tinh-h01",
            "at": accepted["accepted_at"],
            "event": "SubmissionAcceptance",
            "receipt": accepted["receipt"],
            "evidence": "signed",
        }
    ]


async def test_a_receipt_comes_in_the_nodes_own_container(http: Http, letter: Letter) -> None:
    """Its bytes have the digest that names it, so a client can check what it was given."""
    accepted = await sent(http, letter())
    async with http().get(f"/v1/receipts/{accepted['receipt']}") as response:
        (signed,) = read_receipts(await response.read(), 1 << 20)

    assert response.content_type == "application/xml"
    assert signed.digest == accepted["receipt"]
    assert read_receipt(signed.document).message_id == accepted["message_id"]


async def test_a_seal_comes_with_its_kind(http: Http, letter: Letter) -> None:
    """By message for the sender, by delivery for the recipient."""
    accepted = await sent(http, letter())
    (delivery,) = (await got(http("recipient"), "/v1/deliveries"))["deliveries"]
    for token, path in (
        ("sender", f"/v1/messages/{accepted['message_id']}/seal"),
        ("recipient", f"/v1/deliveries/{delivery['delivery_id']}/seal"),
    ):
        async with http(token).get(path) as response:
            assert response.headers["Relay-Seal-Kind"] == "node"
            assert await response.read() == b"<Signature>seal</Signature>"


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/messages/{NOBODYS}",
        "/v1/messages/not-an-id",
        f"/v1/messages/{NOBODYS.upper()}",
        f"/v1/messages/{NOBODYS}/seal",
        f"/v1/receipts/{'0' * 64}",
        "/v1/receipts/0",
        f"/v1/deliveries/{NOBODYS}/envelope",
        "/v1/deliveries/%2e%2e%2f/envelope",
        f"/v1/deliveries/{NOBODYS}/seal",
        "/v1/nothing",
        "/",
    ],
)
async def test_what_is_not_there_is_404(http: Http, path: str) -> None:
    """Ids that do not exist, cannot exist, and paths that do not."""
    async with http().get(path) as response:
        assert (await refused(response))[0] == 404


async def test_anothers_message_is_404_like_one_that_is_not_there(
    http: Http, letter: Letter
) -> None:
    """Whether an id exists is not for strangers; operators and auditors see every message."""
    accepted = await sent(http, letter(to=("000.00.20.H13",)))
    path = f"/v1/messages/{accepted['message_id']}"
    statuses = {}
    for token in ("sender", "recipient", "operator", "auditor"):
        async with http(token).get(path) as response:
            statuses[token] = response.status

    assert statuses == {"sender": 200, "recipient": 404, "operator": 200, "auditor": 200}


async def test_deliveries_are_listed_by_cursor(http: Http, letter: Letter) -> None:
    """Pages join without gap or overlap, and an empty page keeps the cursor."""
    for number in range(5):
        await sent(http, letter(f"số {number}"))
    seen, after = [], 0
    while page := (await got(http("recipient"), f"/v1/deliveries?after={after}&limit=2"))[
        "deliveries"
    ]:
        assert len(page) <= 2
        seen += [item["subject"] for item in page]
        after = page[-1]["cursor"]

    assert seen == [f"số {number}" for number in range(5)]
    assert (await got(http("recipient"), f"/v1/deliveries?after={after}"))["next"] == after


async def test_a_list_holds_the_callers_own_only(http: Http, letter: Letter) -> None:
    """The sender is not the recipient, and an operator has no inbox."""
    await sent(http, letter())
    for token in ("sender", "operator"):
        assert (await got(http(token), "/v1/deliveries"))["deliveries"] == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("after=-1", "after"),
        ("after=1e3", "after"),
        ("after=%D9%A1", "after"),
        ("after=99999999999999999999", "after"),
        ("after=9999999999999999999", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1&limit=2", "limit"),
        ("type=letter", "type"),
        ("acknowledgement=never", "acknowledgement"),
        ("wait=30", "wait"),
        ("after=", "after"),
    ],
)
async def test_a_bad_list_parameter_is_refused_by_name(
    http: Http, query: str, parameter: str
) -> None:
    """Numbers are plain digits in their range, words are known words, nothing is given twice."""
    async with http("recipient").get(f"/v1/deliveries?{query}") as response:
        assert await refused(response) == (400, parameter)


@pytest.fixture(params=[0, 300_000], ids=["in memory", "in a file"])
async def delivered(request: Any, http: Http, letter: Letter) -> tuple[str, bytes]:
    content = letter(filler=request.param)
    await sent(http, content)
    (item,) = (await got(http("recipient"), "/v1/deliveries"))["deliveries"]
    return f"/v1/deliveries/{item['delivery_id']}/envelope", content


async def test_an_envelope_comes_back_byte_for_byte(
    http: Http, delivered: tuple[str, bytes]
) -> None:
    """Exact bytes, exact length, and their digest in the standard header; the delivery is fetched."""
    path, content = delivered
    async with http("recipient").get(path) as response:
        received = await response.read()
    (item,) = (await got(http("recipient"), "/v1/deliveries"))["deliveries"]
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()

    assert received == content
    assert response.headers["Content-Length"] == str(len(content))
    assert response.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert item["state"] == "fetched"


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=5-99999999", 5, None),
    ],
)
async def test_one_range_of_an_envelope(
    http: Http, delivered: tuple[str, bytes], wanted: str, start: int, stop: int | None
) -> None:
    """206 with the bytes asked for: a thin link can resume."""
    path, content = delivered
    async with http("recipient").get(path, headers={"Range": wanted}) as response:
        part = await response.read()

    assert response.status == 206
    assert part == content[start:stop]
    assert response.headers["Content-Range"].endswith(f"/{len(content)}")


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=9-3", "bytes=x-"]
)
async def test_a_range_that_is_none_gets_everything(
    http: Http, delivered: tuple[str, bytes], wanted: str
) -> None:
    """RFC 9110: what is not understood is ignored."""
    path, content = delivered
    async with http("recipient").get(path, headers={"Range": wanted}) as response:
        assert (response.status, await response.read()) == (200, content)


@pytest.mark.parametrize("wanted", ["bytes=99999999-", "bytes=-0"])
async def test_a_range_outside_is_416(
    http: Http, delivered: tuple[str, bytes], wanted: str
) -> None:
    """The answer tells the real size."""
    path, content = delivered
    async with http("recipient").get(path, headers={"Range": wanted}) as response:
        assert (await refused(response))[0] == 416
        assert response.headers["Content-Range"] == f"bytes */{len(content)}"


async def test_a_range_of_other_bytes_gets_everything(
    http: Http, delivered: tuple[str, bytes]
) -> None:
    """If-Range with another document's tag must not glue two documents together."""
    path, content = delivered
    async with http("recipient").get(
        path, headers={"Range": "bytes=5-", "If-Range": '"x"'}
    ) as response:
        assert await response.read() == content
        tag = response.headers["ETag"]
    async with http("recipient").get(
        path, headers={"Range": "bytes=5-", "If-Range": tag}
    ) as response:
        assert await response.read() == content[5:]


async def test_what_left_by_retention_is_410(
    world: Any, http: Http, letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason in words; the message and the list still show it."""
    await sent(http, letter())
    (item,) = (await got(http("recipient"), "/v1/deliveries"))["deliveries"]

    async def gone(*_: object) -> None:
        raise GoneError("the envelope left this node by its retention policy")

    monkeypatch.setattr(world, "fetch", gone)
    async with http("recipient").get(f"/v1/deliveries/{item['delivery_id']}/envelope") as response:
        problem = await response.json(content_type=None)

    assert (response.status, problem["type"]) == (410, "urn:truc-relay:problem:gone")
    assert "retention" in problem["detail"]
    assert (await got(http("recipient"), "/v1/deliveries"))["deliveries"] == [item]
    view = await got(http("recipient"), f"/v1/messages/{item['message_id']}")
    assert view["digest"] == item["digest"]
    async with http("recipient").get(f"/v1/deliveries/{item['delivery_id']}/seal") as response:
        assert (response.status, await response.read()) == (200, b"<Signature>seal</Signature>")


async def test_a_download_that_fails_half_way_is_cut_off(
    world: Any, http: Http, letter: Letter
) -> None:
    """The client sees a broken transfer, never a short document that looks whole."""
    await sent(http, letter(filler=300_000))
    (item,) = (await got(http("recipient"), "/v1/deliveries"))["deliveries"]
    world.store.cut_after = 1 << 17
    with pytest.raises(aiohttp.ClientError):
        async with http("recipient").get(
            f"/v1/deliveries/{item['delivery_id']}/envelope"
        ) as response:
            await response.read()


async def test_acknowledging_done_hands_over_and_may_be_repeated(
    http: Http, letter: Letter
) -> None:
    """Afterwards it is no longer listed as open, but still under `all`."""
    await sent(http, letter())
    (item,) = (await got(http("recipient"), "/v1/deliveries"))["deliveries"]
    for _ in range(2):
        path = f"/v1/deliveries/{item['delivery_id']}/ack"
        async with http("recipient").post(path, json={"status": "done"}) as response:
            assert (await response.json())["state"] == "handed-over"

    assert (await got(http("recipient"), "/v1/deliveries"))["deliveries"] == []
    assert (
        len((await got(http("recipient"), "/v1/deliveries?acknowledgement=all"))["deliveries"]) == 1
    )


async def test_what_was_done_cannot_fail_afterwards(http: Http, letter: Letter) -> None:
    """409, and it stays done."""
    await sent(http, letter())
    (item,) = (await got(http("recipient"), "/v1/deliveries"))["deliveries"]
    path = f"/v1/deliveries/{item['delivery_id']}/ack"
    for said, status in (("done", 200), ("fail", 409), ("done", 200)):
        async with http("recipient").post(path, json={"status": said}) as response:
            document = await response.json(content_type=None)
            assert response.status == status
            assert "already acknowledged done" in document.get("detail", "") or status == 200


async def test_a_sender_sees_how_each_delivery_ended(
    world: Any, http: Http, letter: Letter
) -> None:
    """The newest first, with who refused and why, for the sender and operators only."""
    first = await sent(http, letter("cũ"))
    last = await sent(http, letter("mới", to=("000.00.15.H51", "000.00.20.H13")))
    rows = (await got(http(), "/v1/sent"))["sent"]
    (item,) = await world.outbox.list(
        Caller("x", frozenset(), operator=True), SentQuery(message_id=first["message_id"])
    )
    world.outbox.ended[item.delivery_id] = replace(
        item,
        state=DeliveryState.REFUSED,
        reason=Reason.UNKNOWN_RECIPIENT,
        detail="unknown code",
        failed_at_node=NodeId("bo-g22"),
    )
    (refusal,) = (await got(http(), f"/v1/sent?message_id={first['message_id']}"))["sent"]

    assert [row["message_id"] for row in rows] == [last["message_id"]] * 2 + [first["message_id"]]
    assert rows[0].keys() == set(SCHEMAS["SentDelivery"]["properties"])
    assert (rows[0]["state"], rows[0]["reason"]) == ("available", None)
    assert {name: refusal[name] for name in ("state", "reason", "detail", "failed_at_node")} == {
        "state": "refused",
        "reason": "unknown-recipient",
        "detail": "unknown code",
        "failed_at_node": "bo-g22",
    }
    assert len((await got(http("operator"), "/v1/sent"))["sent"]) == 3
    assert (await got(http("recipient"), "/v1/sent"))["sent"] == []
    assert (await got(http(), "/v1/sent?skip=1&limit=1&type=edoc"))["sent"] == rows[1:2]
    assert (await got(http(), "/v1/sent?type=status"))["sent"] == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("skip=-1", "skip"),
        ("skip=1000001", "skip"),
        ("type=fax", "type"),
        ("message_id=x", "message_id"),
        ("after=1", "after"),
    ],
)
async def test_a_bad_parameter_of_the_sent_list_is_refused_by_name(
    http: Http, query: str, parameter: str
) -> None:
    """Each within its bounds, and no other."""
    async with http().get(f"/v1/sent?{query}") as response:
        assert await refused(response) == (400, parameter)


async def test_a_path_that_is_none_is_named(http: Http) -> None:
    """In ASCII and cut short, with where the paths are described."""
    async with http().get("/v1/đi" + "x" * 200) as response:
        detail = (await response.json(content_type=None))["detail"]
    assert detail == (
        f"no route of the API is at /v1/\\u0111i{'x' * 89}; /v1/openapi.json lists them"
    )


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        (b'{"status":"initial"}', 400, "status"),
        (b'{"status":["done"]}', 400, "status"),
        (b'{"reason":"x"}', 400, "status"),
        (b'{"status":"done","more":1}', 400, "more"),
        (b'{"status":"fail","reason":"a\\u0000b"}', 400, "reason"),
        (b'{"status":"fail","reason":"\\ud800"}', 400, "reason"),
        (b'{"status":"fail","reason":' + b'"' + b"x" * 2001 + b'"}', 400, "reason"),
        (b'{"status":"done","status":"fail"}', 400, "bad-request"),
        (b"[]", 400, "bad-request"),
        (b"", 400, "bad-request"),
        (b"\xff", 400, "bad-request"),
        (b"[" * 60_000, 400, "bad-request"),
        (b'{"status":NaN}', 400, "bad-request"),
        (b" " * 70_000, 413, "too-large"),
    ],
)
async def test_an_acknowledgement_out_of_shape_is_refused(
    http: Http, letter: Letter, body: bytes, status: int, parameter: str
) -> None:
    """Unknown words, members twice, deep nesting, control characters, too many bytes."""
    await sent(http, letter())
    (item,) = (await got(http("recipient"), "/v1/deliveries"))["deliveries"]
    path = f"/v1/deliveries/{item['delivery_id']}/ack"
    kind = {"Content-Type": "application/json"}
    async with http("recipient").post(path, data=body, headers=kind) as response:
        assert await refused(response) == (status, parameter)


async def test_an_acknowledgement_must_be_json(http: Http) -> None:
    """415 for a form."""
    path = f"/v1/deliveries/{NOBODYS}/ack"
    async with http("recipient").post(path, data={"status": "done"}) as response:
        assert await refused(response) == (415, "Content-Type")


async def test_what_was_said_of_revocation_comes_with_a_message(http: Http, letter: Letter) -> None:
    """To those who may see it: certificates and statements, as bytes."""
    accepted = await sent(http, letter())
    path = f"/v1/messages/{accepted['message_id']}/statements"

    found = await got(http(), path)

    assert set(found) == set(SCHEMAS["Statements"]["properties"])
    assert [base64.b64decode(one) for one in found["certificates"]] == [b"cert"]
    (one,) = found["statements"]
    assert set(one) == set(SCHEMAS["Statements"]["properties"]["statements"]["items"]["properties"])
    assert base64.b64decode(one["content"]) == b"crl"
    async with http().get(f"/v1/messages/{NOBODYS}/statements") as response:
        assert response.status == 404

"""What a signed request of the dialect says, and what makes it no request at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.ports import Acknowledgement
from relay.errors import SettingsError
from relay.model import AgencyCode, MessageType
from relay.transport.axis import dialect
from relay.transport.axis.dialect import AxisCall, Call, read_call
from relay.transport.axis.refusals import AxisRefusal, ErrorCode
from relay.transport.axis.signature import mac, sign
from relay.transport.axis.systems import Freshness, FreshnessPolicy, System, Systems
from relay.transport.axis.times import parse_bound, parse_stamp, write_stamp, write_time

VECTORS = Path(__file__).parents[2] / "vectors" / "axis"
SECRET = b"s3cret-key"
NOW = datetime(2026, 11, 22, 3, 5, 26, tzinfo=UTC)
SYSTEM = System("vxp.test.01", (SECRET,), frozenset({AgencyCode("000.00.20.H13")}))
SYSTEMS = Systems([SYSTEM, System("vxp.test.02", (b"new", b"old"), frozenset())])

Headers = list[tuple[bytes, bytes]]


def recorded() -> Iterator[tuple[str, Call, Headers]]:
    """Every request of the vectors."""
    for file in sorted((VECTORS / "requests").glob("*.http")):
        for number, text in enumerate(file.read_text().split(" HTTP/1.1\n")[1:]):
            head = text.split("\n\n")[0].splitlines()
            pairs = [line.partition(": ") for line in head]
            headers = [(name.encode(), value.encode()) for name, _, value in pairs]
            starts = [line for line in file.read_text().splitlines() if line.endswith("HTTP/1.1")]
            call = Call(starts[number].split()[1].rpartition("/")[2])
            yield f"{file.stem}-{number}", call, headers


RECORDED = {name: (call, headers) for name, call, headers in recorded()}


def signed(*parameters: tuple[str, str], secret: bytes = SECRET, **extra: str) -> Headers:
    values = [("systemid", "vxp.test.01"), *parameters]
    headers = {**sign(values, secret), **{f"XroadVnpt-{k}": v for k, v in extra.items()}}
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def signed_text(text: str, *headers: tuple[str, str]) -> Headers:
    """A request whose sign-header is this very text."""
    pairs = [("systemid", "vxp.test.01"), *headers, ("sign-header", text)]
    pairs.append(("hash-header", mac(SECRET, text.encode()).decode()))
    return [(f"XroadVnpt-{name}".encode(), value.encode()) for name, value in pairs]


def refused(call: Call, headers: Headers, systems: Systems = SYSTEMS) -> AxisRefusal:
    with pytest.raises(AxisRefusal) as caught:
        read_call(call, headers, systems, NOW)
    return caught.value


@pytest.mark.parametrize("vector", json.loads((VECTORS / "signatures.json").read_text()))
def test_published_signatures_are_reproduced(vector: dict[str, str]) -> None:
    """The HMAC is over the sign-header's text exactly as it was received."""
    made = mac(vector["secret"].encode(), vector["sign_header"].encode())
    assert made.decode() == vector["hash_header"]


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_request_is_understood(name: str) -> None:
    """What the Java client wrote passes unmodified, sticky headers of earlier calls included."""
    call, headers = RECORDED[name]
    read = read_call(call, headers, SYSTEMS, NOW)
    assert (read.call, read.system.systemid) == (call, "vxp.test.01")
    assert set(read.values) <= dialect.USES.get(call, frozenset())
    assert "D:/edoc/in" not in repr(read) + repr(dict(read.values))


@pytest.mark.parametrize("name", RECORDED)
def test_our_signature_is_the_java_clients_to_the_byte(name: str) -> None:
    """Signing the same parameters in the same order gives the same three signature headers."""
    _, headers = RECORDED[name]
    values = {key.decode(): value.decode() for key, value in headers}
    order = values["XroadVnpt-sign-header-key"].split(";")
    made = sign([(one, values[f"XroadVnpt-{one}"]) for one in order], SECRET)
    for header in ("sign-header", "sign-header-key", "hash-header", "version"):
        assert made[f"XroadVnpt-{header}"] == values[f"XroadVnpt-{header}"]


def test_escapes_of_the_java_json_writer_are_signed_and_read() -> None:
    """Gson writes = and ' and < as \\u escapes; the member still equals its header."""
    headers = signed(("docId", "a='<b>&c"))
    text = dict(headers)[b"XroadVnpt-sign-header"]
    assert rb"a\u003d\u0027\u003cb\u003e\u0026c" in text
    assert read_call(Call.GET, headers, SYSTEMS, NOW).values["docid"] == "a='<b>&c"


@given(st.data())
def test_any_change_of_the_signed_text_is_refused(data: st.DataObject) -> None:
    """One flipped bit in sign-header or hash-header, and nobody is authenticated."""
    call, headers = RECORDED["sendEdoc-1"]
    name = data.draw(st.sampled_from([b"XroadVnpt-sign-header", b"XroadVnpt-hash-header"]))
    value = bytearray(dict(headers)[name])
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= 1 << data.draw(st.integers(0, 7))
    changed = [(key, bytes(value) if key == name else old) for key, old in headers]
    assert refused(call, changed).why == "bad-signature"


@given(st.data())
def test_any_change_of_a_signed_header_is_refused(data: st.DataObject) -> None:
    """A header that differs from its member is refused, whichever it is."""
    call, headers = RECORDED["sendEdoc-1"]
    order = dict(headers)[b"XroadVnpt-sign-header-key"].decode().split(";")
    name = f"XroadVnpt-{data.draw(st.sampled_from(order))}".encode()
    other = data.draw(st.binary(min_size=1, max_size=20).filter(lambda b: b != dict(headers)[name]))
    changed = [(key, other if key == name else old) for key, old in headers]
    assert refused(call, changed).code is ErrorCode.BAD_SYSTEM


@given(st.binary(max_size=300), st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20))))
def test_any_headers_give_a_call_or_a_refusal(text: bytes, others: Headers) -> None:
    """Even a sign-header of arbitrary bytes with a true HMAC raises nothing else."""
    headers = [
        (b"xroadvnpt-systemid", b"vxp.test.01"),
        (b"XROADVNPT-sign-header", text),
        (b"XroadVnpt-hash-header", mac(SECRET, text)),
        *((b"XroadVnpt-" + name, value) for name, value in others),
    ]
    try:
        assert isinstance(read_call(Call.SEND, headers, SYSTEMS, NOW), AxisCall)
    except AxisRefusal as refusal:
        assert refusal.text.isascii()  # noqa: PT017 - either outcome is right, nothing else is


def test_wrong_secret_and_unknown_system_cannot_be_told_apart() -> None:
    """Same code, same text, and as many HMACs, so guessing systemids teaches nothing."""
    wrong = refused(Call.GET, signed(("docId", "x"), secret=b"wrong"))
    values = [("systemid", "vxp.none"), ("docId", "x")]
    unknown = refused(Call.GET, [(k.encode(), v.encode()) for k, v in sign(values, SECRET).items()])
    assert (wrong.code, wrong.text) == (unknown.code, unknown.text) == ("15", wrong.text)
    assert len(SYSTEMS.keys(None)) == len(SYSTEMS.keys(SYSTEM)) == 2


@pytest.mark.parametrize("name", ["systemid", "sign-header", "hash-header"])
def test_a_missing_proof_is_named(name: str) -> None:
    """Before any HMAC, for known and unknown systems alike; an empty one is missing, too."""
    full = f"XroadVnpt-{name}".encode()
    for systemid in ("vxp.test.01", "vxp.none"):
        values = sign([("systemid", systemid), ("docId", "x")], b"wrong")
        headers = [(k.encode(), v.encode()) for k, v in values.items() if k.encode() != full]
        for left in (headers, [*headers, (full, b"")]):
            refusal = refused(Call.GET, left)
            assert (refusal.why, str(refusal)) == ("missing-header", f"header {name} is missing")


def test_the_shape_of_a_sign_header_is_judged_after_its_hmac() -> None:
    """Only who has the secret learns that its JSON is broken."""
    headers = signed_text('{"XroadVnpt-systemid":')
    assert str(refused(Call.GET, headers)) == "sign-header is not JSON"
    assert str(refused(Call.GET, signed_text("[]"))) == "sign-header is not a JSON object"
    forged = [(k, b"0" * 64 if k.lower().endswith(b"hash-header") else v) for k, v in headers]
    assert refused(Call.GET, forged).why == "bad-signature"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("pagesize", "many", "header pagesize must be a number from 0 to 2147483647"),
        ("pageindex", "many", "header pageindex must be a number from 0 to 1000000"),
        ("fromdate", "23 Nov 2026", "header fromdate must be dd/MM/yyyy HH:mm:ss"),
        ("messagetype", "fax", "header messagetype must be one of: edoc, status"),
        ("status", "lost", "header status must be one of: initial, processing, done, fail"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_is_allowed(name: str, value: str, text: str) -> None:
    """In words that fit the parameter."""
    call = AxisCall(Call.RECEIVED, SYSTEM, {name: value}, frozenset(), "", None)
    readers: dict[str, Callable[[], object]] = {
        "pagesize": lambda: dialect.page(call, 100),
        "pageindex": lambda: dialect.page(call, 100),
        "fromdate": lambda: dialect.bound(call, "fromdate"),
        "messagetype": lambda: dialect.message_type(call),
        "status": lambda: dialect.acknowledgement(call),
    }
    with pytest.raises(AxisRefusal) as caught:
        readers[name]()
    assert str(caught.value) == text


def test_a_decoy_key_authenticates_nobody() -> None:
    """The key that fills the work up for systems with fewer secrets never counts."""
    assert refused(Call.GET, signed(("docId", "x"), secret=b"decoy")).why == "bad-signature"


def test_a_secret_can_be_changed_without_a_stop() -> None:
    """While two secrets are configured, each of them is valid."""
    for secret in (b"new", b"old"):
        values = [("systemid", "vxp.test.02"), ("docId", "x")]
        headers = [(k.encode(), v.encode()) for k, v in sign(values, secret).items()]
        assert read_call(Call.GET, headers, SYSTEMS, NOW).system.systemid == "vxp.test.02"


def test_contradicting_systems_do_not_start() -> None:
    """A systemid given twice and a system without secret are named together."""
    bare = System("b", (), frozenset())
    with pytest.raises(SettingsError) as caught:
        Systems([bare, bare])
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ([*signed(("docId", "x")), (b"xroadvnpt-DOCID", b"x")], "duplicate-header"),
        (signed(("docId", "x"), fromDate="1"), None),
        (signed(docId="x"), "unsigned-header"),
        (signed_text('{"XroadVnpt-systemid":"vxp.test.01"'), "bad-sign-header"),
        (signed_text('["XroadVnpt-systemid"]'), "bad-sign-header"),
        (signed_text('{"XroadVnpt-systemid":"vxp.test.01","XROADVNPT-SYSTEMID":"vxp.test.01"}'), "bad-sign-header"),
        (signed_text('{"XroadVnpt-systemid":"other","XroadVnpt-systemid":"vxp.test.01"}'), "bad-sign-header"),
        (signed_text('{"XroadVnpt-systemid":["vxp.test.01"]}'), "bad-sign-header"),
        (signed_text('{"XroadVnpt-systemid":{"a":"vxp.test.01"}}'), "bad-sign-header"),
        (signed_text('{"systemid":"vxp.test.01"}'), "bad-sign-header"),
        (signed_text('{"XroadVnpt-systemid":"\\ud800"}'), "bad-sign-header"),
        (signed_text('{"XroadVnpt-systemid":"vxp.test.01","XroadVnpt-docId":"x"}'), "header-differs"),
        (signed_text("{}"), "unsigned-header"),
        (signed_text("[" * 60_000), "bad-sign-header"),
        (signed_text('{"XroadVnpt-systemid":' + "9" * 6000 + "}"), "bad-sign-header"),
        (signed_text("x" * 65_537), "long-sign-header"),
    ],
)  # fmt: skip
def test_malformed_signatures_are_refused_each_for_its_reason(
    headers: Headers, why: str | None
) -> None:
    """Duplicates, unsigned parameters, other shapes of JSON, and what is too long."""
    if why is None:
        read_call(Call.GET, headers, SYSTEMS, NOW)
        return
    refusal = refused(Call.GET, headers)
    assert (refusal.why, refusal.code) == (why, "15")
    assert refusal.text.isascii()
    assert " / " in refusal.text


def test_only_what_a_call_uses_is_kept() -> None:
    """filePath and another call's status are signed and still no part of a getEdoc."""
    headers = signed(("docId", "x"), ("filePath", "C:/mat/khau"), ("status", "done"))
    call = read_call(Call.GET, headers, SYSTEMS, NOW)
    assert dict(call.values) == {"docid": "x"}
    assert call.others == {"systemid", "filepath", "status"}
    assert "khau" not in repr(call)


@pytest.mark.parametrize("spelling", ["docId", "docid", "DOCID"])
def test_both_spellings_of_doc_id_are_read(spelling: str) -> None:
    """Header names do not differ by case."""
    call = read_call(Call.GET, signed((spelling, "d1")), SYSTEMS, NOW)
    assert dialect.doc_id(call) == "d1"


@pytest.mark.parametrize("text", ["", "x" * 65, "tài-liệu"])
def test_a_doc_id_that_cannot_be_ours_is_not_looked_up(text: str) -> None:
    """Missing, long or outside ASCII: answered like one that is not found."""
    call = AxisCall(Call.GET, SYSTEM, {"docid": text} if text else {}, frozenset(), "", None)
    with pytest.raises(AxisRefusal) as caught:
        dialect.doc_id(call)
    assert caught.value.code is ErrorCode.FILE_ERROR


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('["28.22.H17"]', ("28.22.H17",)),
        ('[" H01 ","H02","H01"]', ("H01", "H02")),
        ("[]", None),
        ("null", "18"),
        ("28.22.H17", "18"),
        ('{"a":1}', "18"),
        ("[1]", "18"),
        ('[["H01"]]', "18"),
        ('[""]', "18"),
        ('["a\\u0000"]', "18"),
        ('["' + "9" * 65 + '"]', "18"),
        ("[" * 50_000, "18"),
        ('["H01","H02","H03","H04"]', "18"),
    ],
)
def test_the_recipient_list_is_an_array_of_codes_or_refused(
    text: str, codes: tuple[str, ...] | str | None
) -> None:
    """Strings only, trimmed, without repeats, at most the limit."""
    call = AxisCall(Call.SEND, SYSTEM, {"to": text}, frozenset(), "", None)
    if codes == "18":
        with pytest.raises(AxisRefusal) as caught:
            dialect.declared_recipients(call, 3)
        assert caught.value.code is ErrorCode.RECEIVER_UNKNOWN
    else:
        assert dialect.declared_recipients(call, 3) == codes


@given(st.text(max_size=40))
def test_any_recipient_text_gives_codes_or_a_refusal(text: str) -> None:
    """Hostile text never becomes another kind of failure."""
    call = AxisCall(Call.SEND, SYSTEM, {"to": text}, frozenset(), "", None)
    try:
        dialect.declared_recipients(call, 100)
    except AxisRefusal as refusal:
        assert refusal.code is ErrorCode.RECEIVER_UNKNOWN  # noqa: PT017


def test_words_are_read_in_any_case_and_others_refused() -> None:
    """status and messagetype are closed lists."""
    call = AxisCall(
        Call.RECEIVED, SYSTEM, {"status": "DONE", "messagetype": "EDOC"}, frozenset(), "", None
    )
    assert dialect.acknowledgement(call) is Acknowledgement.DONE
    assert dialect.message_type(call) is MessageType.DOCUMENT
    odd = replace(call, values={"status": "lost", "messagetype": "mail"})
    for reader in (dialect.acknowledgement, dialect.message_type):
        with pytest.raises(AxisRefusal):
            reader(odd)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (0, 50)),
        ({"pagesize": "10"}, (0, 10)),
        ({"pagesize": "10", "pageindex": "0"}, (0, 10)),
        ({"pagesize": "10", "pageindex": "1"}, (0, 10)),
        ({"pagesize": "10", "pageindex": "3"}, (20, 10)),
        ({"pagesize": "999999"}, (0, 50)),
        ({"pagesize": "2147483647"}, (0, 50)),
        ({"pagesize": "2147483648"}, None),
        ({"pagesize": "0"}, (0, 50)),
        ({"pagesize": "-1"}, None),
        ({"pagesize": "٣"}, None),
        ({"pageindex": "9" * 5000}, None),
    ],
)
def test_pages_count_from_zero_or_one(
    values: dict[str, str], expected: tuple[int, int] | None
) -> None:
    """Both readings see the first page; sizes are capped; nonsense is refused."""
    call = AxisCall(Call.RECEIVED, SYSTEM, values, frozenset(), "", None)
    if expected is None:
        with pytest.raises(AxisRefusal):
            dialect.page(call, 50)
    else:
        assert dialect.page(call, 50) == expected


def test_the_plus_of_a_timestamp_is_milliseconds() -> None:
    """22112026T100525+0519 is 10:05:25.519 in Hanoi, and not an hour in any zone."""
    at = datetime(2026, 11, 22, 3, 5, 25, 519_000, tzinfo=UTC)
    assert parse_stamp("22112026T100525+0519") == at
    assert write_stamp(at) == "22112026T100525+0519"


@pytest.mark.parametrize(
    "text", ["", "32112026T100525+0519", "22112026T100525+1000", "22112026T100525", "00000000T000000+0000", "0101０001T000000+0000"]
)  # fmt: skip
def test_what_is_no_timestamp_is_none(text: str) -> None:
    """Impossible days, four-digit milliseconds, other digits than ASCII."""
    assert parse_stamp(text) is None


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 29), timezones=st.just(UTC)))  # noqa: DTZ001
def test_timestamps_are_read_back(at: datetime) -> None:
    """Written and read, to the millisecond."""
    assert parse_stamp(write_stamp(at)) == at.replace(microsecond=at.microsecond // 1000 * 1000)


@given(st.text(max_size=25), st.booleans())
def test_any_text_as_a_bound_is_a_time_or_nothing(text: str, end: bool) -> None:
    """No other outcome."""
    assert parse_bound(text, end=end) is None or parse_bound(text, end=end).tzinfo is UTC  # type: ignore[union-attr]


def test_bounds_of_a_list_take_in_their_last_second() -> None:
    """A row shown as 10:05:25 is found by asking until 10:05:25; a bare day means all of it."""
    at = datetime(2026, 11, 22, 3, 5, 25, 900_000, tzinfo=UTC)
    until = parse_bound(write_time(at), end=True)
    since = parse_bound(write_time(at), end=False)
    assert since is not None
    assert until is not None
    assert since <= at <= until
    day = parse_bound("22/11/2026", end=True)
    assert day is not None
    assert write_time(day) == "22/11/2026 23:59:59"


@pytest.mark.parametrize(
    "text",
    [
        "22/11/2026 10:05:25",
        "22-11-2026 10:05:25",
        "22.11.2026 10:05:25",
        "2026/11/22 10:05:25",
        "2026-11-22 10:05:25",
        "2026-11-22T10:05:25",
        "2026-11-22 10:05:25.123",
        " 22/11/2026 10:05:25 ",
    ],
)
def test_a_time_is_read_as_vendors_write_it(text: str) -> None:
    """The day or the year first; each of them unlike any other."""
    assert parse_bound(text, end=False) == datetime(2026, 11, 22, 3, 5, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["11/22/2026", "22/11/26", "30/02/2026", "22/11-2026", "2026-22-11", "22/11/2026 24:00:00",
     "22/11/2026 10:05:60", "22/11/2026 10", "22/11/2026T", "0000-00-00", "22112026", "+2026-11-22"],
)  # fmt: skip
def test_a_time_that_could_mean_another_is_none(text: str) -> None:
    """Refused with what is allowed, never guessed."""
    assert parse_bound(text, end=False) is None


def test_a_period_the_wrong_way_round_is_refused() -> None:
    """One of the two may be left over from an earlier call: an empty list would hide documents for ever."""
    values = {"fromdate": "23/11/2026", "todate": "22/11/2026"}
    with pytest.raises(AxisRefusal, match="todate must be no earlier than fromdate"):
        dialect.period(AxisCall(Call.RECEIVED, SYSTEM, values, frozenset(), "", None))
    same = {"fromdate": "22/11/2026", "todate": "22/11/2026"}
    since, until = dialect.period(AxisCall(Call.RECEIVED, SYSTEM, same, frozenset(), "", None))
    assert since is not None
    assert until is not None
    assert since < until


@pytest.mark.parametrize(
    "text",
    ["01/01/0001 00:00:00", "01/01/0001", "1/1/0001 00:00", "0001-01-01T00:00:00", "0001/01/01 00:00:00.0000000",
     "01/01/0001 23:59:59"],
)  # fmt: skip
def test_the_first_day_there_is_limits_nothing(text: str) -> None:
    """Clients on .NET send DateTime.MinValue for a date that nobody chose, as either end: their list is no
    empty one, and no refused one."""
    values = {"fromdate": text, "todate": text}
    assert dialect.period(AxisCall(Call.RECEIVED, SYSTEM, values, frozenset(), "", None)) == (
        None,
        None,
    )
    since, until = dialect.period(
        AxisCall(Call.SENT, SYSTEM, values | {"fromdate": "22/11/2026"}, frozenset(), "", None)
    )
    assert (write_time(since), until) == ("22/11/2026 00:00:00", None)


def test_the_last_day_there_is_comes_after_every_other() -> None:
    """DateTime.MaxValue; and the second day is a day like any other."""
    values = {"fromdate": "02/01/0001 07:00:00", "todate": "31/12/9999 23:59:59"}
    since, until = dialect.period(AxisCall(Call.RECEIVED, SYSTEM, values, frozenset(), "", None))
    assert since == datetime(1, 1, 2, tzinfo=UTC)
    assert until == datetime(9999, 12, 31, 16, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize("version", [0, 41, 1_000_001, (1 << 31) - 1, (1 << 32) - 1])
def test_a_client_may_have_any_version_that_a_directory_gives(version: int) -> None:
    """It grows with each change, for ever; a number that none can be is refused."""
    call = AxisCall(Call.SYNCHRONIZE, SYSTEM, {"sinceversion": str(version)}, frozenset(), "", None)
    assert dialect.since_version(call) == version
    beyond = replace(call, values={"sinceversion": str(1 << 32)})
    with pytest.raises(AxisRefusal, match="a number from 0 to 4294967295"):
        dialect.since_version(beyond)


@pytest.mark.parametrize(
    ("policy", "stamp", "finding", "accepted"),
    [
        (FreshnessPolicy.WARN, "22112026T100525+0519", None, True),
        (FreshnessPolicy.WARN, "12112026T100525+0519", "stale-timestamp", True),
        (FreshnessPolicy.WARN, "22112027T100525+0519", "stale-timestamp", True),
        (FreshnessPolicy.WARN, "yesterday", "bad-timestamp", True),
        (FreshnessPolicy.WARN, None, "missing-timestamp", True),
        (FreshnessPolicy.OFF, "12112026T100525+0519", None, True),
        (FreshnessPolicy.OFF, None, None, True),
        (FreshnessPolicy.ENFORCE, "22112026T100525+0519", None, True),
        (FreshnessPolicy.ENFORCE, "12112026T100525+0519", "stale-timestamp", False),
        (FreshnessPolicy.ENFORCE, None, "missing-timestamp", False),
    ],
)
def test_an_old_timestamp_matters_only_where_the_operator_says_so(
    policy: FreshnessPolicy, stamp: str | None, finding: str | None, accepted: bool
) -> None:
    """Long-lived clients poll with the timestamp of their start; by default that is a warning."""
    system = replace(SYSTEM, freshness=Freshness(policy, timedelta(hours=1)))
    parameters = [("docId", "x"), *([("timestamp", stamp)] if stamp else [])]
    headers = signed(*parameters)
    if accepted:
        found = read_call(Call.GET, headers, Systems([system]), NOW).finding
        assert (found.code if found else None) == finding
    else:
        refusal = refused(Call.GET, headers, Systems([system]))
        assert (refusal.code, refusal.why) == ("15", finding)


def test_an_unsigned_timestamp_is_no_timestamp() -> None:
    """Anyone on the way could have refreshed it."""
    system = replace(SYSTEM, freshness=Freshness(FreshnessPolicy.ENFORCE))
    headers = signed(("docId", "x"), timestamp="22112026T100525+0519")
    assert refused(Call.GET, headers, Systems([system])).why == "missing-timestamp"

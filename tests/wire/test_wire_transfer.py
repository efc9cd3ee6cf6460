"""The transfer header on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import WireError
from relay.model import (
    AgencyCode,
    Digest,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    TraceStep,
    TransferHeader,
    TransferId,
    mint_uuid7,
)
from relay.wire.transfer import LIMIT_BYTES, read_transfer, write_transfer

CODES = st.from_regex(r"\A[A-Z0-9]{1,8}(\.[A-Z0-9]{1,8}){0,2}\Z").map(AgencyCode)
NODES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z").map(NodeId)
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda b: Digest(b.hex()))
INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - the time zone is given beside it
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=7))]),
).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
UUIDS = st.builds(
    mint_uuid7,
    st.just(datetime(2026, 11, 23, tzinfo=UTC)),
    st.binary(min_size=10, max_size=10),
)
HEADERS = st.builds(
    TransferHeader,
    transfer_id=UUIDS.map(TransferId),
    message_id=UUIDS.map(MessageId),
    origin=NODES,
    sent_by=NODES,
    sent_to=NODES,
    message_type=st.sampled_from(MessageType),
    sender=CODES,
    recipients=st.lists(CODES, min_size=1, max_size=5, unique=True).map(tuple),
    priority=st.sampled_from(Priority),
    digest=DIGESTS,
    size_bytes=st.integers(0, 10**16 - 1),
    created_at=INSTANTS,
    expires_at=INSTANTS,
    trace=st.lists(st.builds(TraceStep, NODES, INSTANTS, DIGESTS), max_size=3).map(tuple),
)


@given(HEADERS)
def test_what_is_written_reads_back_the_same(header: TransferHeader) -> None:
    """read(write(x)) == x for every header that can be written."""
    assert read_transfer(write_transfer(header)) == header


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_clearly(content: bytes) -> None:
    """Arbitrary bytes are a WireError and nothing else."""
    with pytest.raises(WireError):
        read_transfer(content)


@given(data=st.data())
def test_a_changed_byte_is_refused_or_says_exactly_what_was_read(data: st.DataObject) -> None:
    """Whatever is accepted is in its one canonical form."""
    content = bytearray(write_transfer(data.draw(HEADERS)))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    try:
        header = read_transfer(bytes(content))
    except WireError:
        return
    assert write_transfer(header) == bytes(content)


def test_the_form_is_the_documented_one(header: TransferHeader) -> None:
    """Nodes of other make can be written from this text."""
    assert write_transfer(header).decode() == (
        '<Transfer xmlns="urn:truc-relay:wire:1">'
        "<TransferId>019ab000-0000-7000-8000-000000000002</TransferId>"
        "<MessageId>019ab000-0000-7000-8000-000000000001</MessageId>"
        "<Origin>tinh-h01</Origin><SentBy>tinh-h01</SentBy><SentTo>tw</SentTo>"
        "<MessageType>edoc</MessageType><From>H01.151</From>"
        "<Recipients><To>H36.02</To><To>000.00.00.G22</To></Recipients>"
        "<Priority>3</Priority>"
        f"<PayloadDigest>{header.digest}</PayloadDigest><PayloadSize>8</PayloadSize>"
        "<Created>2026-11-23T04:05:06.123Z</Created><Expires>2026-11-26T04:05:06.123Z</Expires>"
        "<Trace><Step><Node>tinh-h01</Node><At>2026-11-23T04:05:06.123Z</At>"
        f"<Receipt>{header.trace[0].receipt}</Receipt></Step></Trace></Transfer>"
    )


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "a byte order mark": lambda c: b"\xef\xbb\xbf" + c,
    "utf-16": lambda c: c.decode().encode("utf-16"),
    "an XML declaration": lambda c: b'<?xml version="1.0"?>' + c,
    "a doctype": lambda c: b"<!DOCTYPE Transfer>" + c,
    "an entity": lambda c: c.replace(b">tw<", b">&tw;<"),
    "a character reference": lambda c: c.replace(b">tw<", b">&#116;w<"),
    "a comment": lambda c: c.replace(b"<Origin>", b"<!-- --><Origin>"),
    "CDATA": lambda c: c.replace(b">tw<", b"><![CDATA[tw]]><"),
    "white space between": lambda c: c.replace(b"<Origin>", b" <Origin>"),
    "white space inside": lambda c: c.replace(b">tw<", b"> tw<"),
    "white space in a tag": lambda c: c.replace(b"<Origin>", b"<Origin >"),
    "a trailing line break": lambda c: c + b"\n",
    "another namespace": lambda c: c.replace(b"wire:1", b"wire:2"),
    "a prefix": lambda c: (
        c.replace(b"xmlns=", b"xmlns:x=").replace(b"<", b"<x:").replace(b"<x:/", b"</x:")
    ),
    "an attribute": lambda c: c.replace(b"<Origin>", b'<Origin a="b">'),
    "an unknown element": lambda c: c.replace(b"<Origin>", b"<New>1</New><Origin>"),
    "an unknown last element": lambda c: c.replace(b"</Transfer>", b"<New>1</New></Transfer>"),
    "an element inside a text": lambda c: c.replace(b">tw<", b">tw<b></b><"),
    "a repeated element": lambda c: c.replace(b"<SentTo>tw</SentTo>", b"<SentTo>tw</SentTo>" * 2),
    "a missing element": lambda c: c.replace(b"<SentTo>tw</SentTo>", b""),
    "an empty element": lambda c: c.replace(b">tw<", b"><"),
    "another order": lambda c: c.replace(b"<From>H01.151</From>", b"").replace(
        b"<Priority>", b"<From>H01.151</From><Priority>"
    ),
    "no recipient": lambda c: c.replace(b"<To>H36.02</To><To>000.00.00.G22</To>", b""),
    "a repeated recipient": lambda c: c.replace(b"000.00.00.G22", b"H36.02"),
    "a self-closed trace": lambda c: c[: c.index(b"<Trace>")] + b"<Trace/></Transfer>",
    "a lower-case code": lambda c: c.replace(b"H36.02", b"h36.02"),
    "a code of 36 characters": lambda c: c.replace(b"H36.02", b"H" * 36),
    "a code that ends in a dot": lambda c: c.replace(b"H36.02", b"H36."),
    "a node of 65 characters": lambda c: c.replace(b">tw<", b">" + b"n" * 65 + b"<"),
    "a node with a colon": lambda c: c.replace(b">tw<", b">t:w<"),
    "a UUID of version 4": lambda c: c.replace(b"-7000-", b"-4000-"),
    "an upper-case UUID": lambda c: c.replace(b"019ab", b"019AB"),
    "an upper-case digest": lambda c: c.replace(b"<PayloadDigest>", b"<PayloadDigest>A"),
    "a size with a leading zero": lambda c: c.replace(b">8<", b">08<"),
    "a negative size": lambda c: c.replace(b">8<", b">-8<"),
    "a size in other digits": lambda c: c.replace(b">8<", "<٨<".encode().replace(b"<", b">", 1)),
    "an unknown priority": lambda c: c.replace(b"<Priority>3", b"<Priority>5"),
    "an unknown type": lambda c: c.replace(b"edoc", b"memo"),
    "an instant in whole seconds": lambda c: c.replace(b".123Z", b"Z"),
    "an instant with an offset": lambda c: c.replace(b".123Z", b".123+00:00"),
    "the thirteenth month": lambda c: c.replace(b"2026-11-23T", b"2026-13-23T"),
    "a leap second": lambda c: c.replace(b"04:05:06", b"04:05:60"),
    "another root": lambda c: c.replace(b"Transfer>", b"Receipt>").replace(
        b"<Transfer ", b"<Receipt "
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_other_bytes_are_refused(header: TransferHeader, change: Callable[[bytes], bytes]) -> None:
    """Everything but the canonical form of a legal header is refused."""
    good = write_transfer(header)
    bad = change(good)
    assert bad != good

    with pytest.raises(WireError):
        read_transfer(bad)


def test_the_most_recipients_fit(header: TransferHeader) -> None:
    """Five thousand recipients with the longest codes are under the limit of size."""
    codes = tuple(AgencyCode(f"{i:035d}") for i in range(5_000))

    content = write_transfer(replace(header, recipients=codes))

    assert len(content) < LIMIT_BYTES
    assert read_transfer(content).recipients == codes


def test_limits_are_named(header: TransferHeader) -> None:
    """A refusal says the value and the limit, for writers and readers alike."""
    codes = tuple(AgencyCode(f"H{i}") for i in range(5_001))
    with pytest.raises(WireError, match="5001 or more recipients, limit 1 to 5000"):
        write_transfer(replace(header, recipients=codes))
    many = "".join(f"<To>{code}</To>" for code in codes).encode()
    with pytest.raises(WireError, match="limit 1 to 5000"):
        read_transfer(write_transfer(header).replace(b"<To>H36.02</To>", many))
    with pytest.raises(WireError, match="18 or more steps in the trace, limit 17"):
        write_transfer(replace(header, trace=header.trace * 18))
    with pytest.raises(WireError, match="limit 1048576 bytes"):
        read_transfer(b"<" + b" " * LIMIT_BYTES)


def test_a_header_that_would_not_read_back_cannot_be_written(header: TransferHeader) -> None:
    """Microseconds, naive instants and unfit ids stop at the writer."""
    for bad in (
        replace(header, created_at=header.created_at + timedelta(microseconds=1)),
        replace(header, created_at=header.created_at.replace(tzinfo=None)),
        replace(header, sent_to=NodeId("t<w")),
        replace(header, sender=AgencyCode("")),
        replace(header, size_bytes=-1),
        replace(header, recipients=()),
    ):
        with pytest.raises(WireError):
            write_transfer(bad)


def test_messages_do_not_repeat_hostile_text(header: TransferHeader) -> None:
    """A refusal shows at most forty characters of a value, in ASCII."""
    long = write_transfer(header).replace(
        b">tw<", b"><".replace(b"><", b">" + "ặ".encode() * 5000 + b"<")
    )

    with pytest.raises(WireError) as caught:
        read_transfer(long)

    assert len(str(caught.value)) < 350
    assert str(caught.value).isascii()


def test_deep_nesting_is_refused() -> None:
    """A hundred thousand open elements are refused by the parser's own limit."""
    with pytest.raises(WireError):
        read_transfer(b'<Transfer xmlns="urn:truc-relay:wire:1">' + b"<a>" * 100_000)

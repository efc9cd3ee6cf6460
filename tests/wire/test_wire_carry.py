"""The manifest of a carry file on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import WireError
from relay.model import Digest, NodeId, TransferId, digest_of, mint_uuid7
from relay.wire import carry
from relay.wire.carry import (
    CarriedContainer,
    CarriedPayload,
    CarriedTransfer,
    CarryId,
    Manifest,
    read_carry,
    write_carry,
)

AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)
NODES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z").map(NodeId)
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda b: Digest(b.hex()))
UUIDS = st.builds(mint_uuid7, st.just(AT), st.binary(min_size=10, max_size=10))
SIZES = st.integers(0, 10**16 - 1)
CONTAINERS = st.lists(st.builds(CarriedContainer, DIGESTS, SIZES), max_size=3).map(tuple)
TRANSFERS = st.builds(CarriedTransfer, UUIDS.map(TransferId), DIGESTS)


def _payloads(
    transfers: list[CarriedTransfer], digests: list[Digest]
) -> tuple[CarriedPayload, ...]:
    """Every transfer under some payload."""
    groups = [transfers[i :: len(digests)] for i in range(len(digests))]
    return tuple(
        CarriedPayload(digest, 7, tuple(group))
        for digest, group in zip(digests, groups, strict=True)
        if group
    )


MANIFESTS = st.builds(
    Manifest,
    carry_id=UUIDS.map(CarryId),
    sent_by=NODES,
    sent_to=NODES,
    created_at=st.integers(0, 10**12).map(lambda n: AT + timedelta(milliseconds=n)),
    answers=CONTAINERS,
    receipts=CONTAINERS,
    taken=st.lists(DIGESTS, min_size=1, max_size=3).map(tuple),
    statements=CONTAINERS,
    payloads=st.builds(
        _payloads,
        st.lists(TRANSFERS, max_size=5, unique_by=lambda one: one.transfer_id),
        st.lists(DIGESTS, min_size=1, max_size=3, unique=True),
    ),
)


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        carry_id=CarryId("019ab000-0000-7000-8000-000000000009"),
        sent_by=NodeId("xa-h01"),
        sent_to=NodeId("tinh-h01"),
        created_at=AT,
        answers=(CarriedContainer(digest_of(b"answers"), 7),),
        receipts=(CarriedContainer(digest_of(b"receipts"), 8),),
        taken=(digest_of(b"receipt"),),
        payloads=(
            CarriedPayload(
                digest_of(b"envelope"),
                8,
                (
                    CarriedTransfer(
                        TransferId("019ab000-0000-7000-8000-000000000002"), digest_of(b"header")
                    ),
                ),
            ),
        ),
    )


@given(MANIFESTS)
def test_what_is_written_reads_back_the_same(manifest: Manifest) -> None:
    """read(write(x)) == x for every manifest that can be written."""
    assert read_carry(write_carry(manifest)) == manifest


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_clearly(content: bytes) -> None:
    """Arbitrary bytes are a WireError and nothing else."""
    with pytest.raises(WireError):
        read_carry(content)


@given(data=st.data())
def test_a_changed_byte_is_refused_or_says_exactly_what_was_read(data: st.DataObject) -> None:
    """Whatever is accepted is in its one canonical form."""
    content = bytearray(write_carry(data.draw(MANIFESTS)))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        manifest = read_carry(bytes(content))
    except WireError:
        return
    assert write_carry(manifest) == bytes(content)


def test_the_form_is_the_documented_one(manifest: Manifest) -> None:
    """Nodes of other make can be written from this text."""
    assert write_carry(manifest).decode() == (
        '<Carry xmlns="urn:truc-relay:wire:1">'
        "<CarryId>019ab000-0000-7000-8000-000000000009</CarryId>"
        "<SentBy>xa-h01</SentBy><SentTo>tinh-h01</SentTo>"
        "<Created>2026-11-23T04:05:06.123Z</Created>"
        f"<Answers><Container><Digest>{digest_of(b'answers')}</Digest><Size>7</Size></Container></Answers>"
        f"<Receipts><Container><Digest>{digest_of(b'receipts')}</Digest><Size>8</Size></Container></Receipts>"
        f"<Taken><Receipt>{digest_of(b'receipt')}</Receipt></Taken>"
        f"<Payloads><Payload><PayloadDigest>{digest_of(b'envelope')}</PayloadDigest>"
        "<PayloadSize>8</PayloadSize><Transfers><Transfer>"
        "<TransferId>019ab000-0000-7000-8000-000000000002</TransferId>"
        f"<Header>{digest_of(b'header')}</Header></Transfer></Transfers></Payload></Payloads></Carry>"
    )


STATEMENTS = (CarriedContainer(digest_of(b"statements"), 9),)


def test_statements_stand_between_what_was_taken_and_the_payloads(manifest: Manifest) -> None:
    """And a manifest without any is to the byte what earlier releases read."""
    without = write_carry(manifest)
    element = (
        f"<Statements><Container><Digest>{digest_of(b'statements')}</Digest><Size>9</Size>"
        "</Container></Statements>"
    ).encode()

    written = write_carry(replace(manifest, statements=STATEMENTS))

    assert b"Statements" not in without
    assert written == without.replace(b"</Taken>", b"</Taken>" + element)
    assert read_carry(written).statements == STATEMENTS


@pytest.mark.parametrize("before", ["<Answers>", "<Receipts>", "<Taken>", "</Carry>"])
def test_statements_anywhere_else_are_refused(manifest: Manifest, before: str) -> None:
    """There is one order."""
    written = write_carry(replace(manifest, statements=STATEMENTS)).decode()
    start, end = written.index("<Statements>"), written.index("<Payloads>")
    moved = (written[:start] + written[end:]).replace(before, written[start:end] + before)
    with pytest.raises(WireError):
        read_carry(moved.encode())


@pytest.mark.parametrize("element", ["<Statements></Statements>", "<Statements/>"])
def test_an_element_without_statements_is_refused(manifest: Manifest, element: str) -> None:
    """A file without any has one form, which is the old one."""
    written = write_carry(manifest).decode().replace("<Payloads>", f"{element}<Payloads>")
    with pytest.raises(WireError):
        read_carry(written.encode())


def _more(manifest: Manifest, count: int) -> Manifest:
    transfers = tuple(
        CarriedTransfer(TransferId(mint_uuid7(AT, n.to_bytes(10, "big"))), digest_of(b""))
        for n in range(count)
    )
    return replace(manifest, payloads=(replace(manifest.payloads[0], transfers=transfers),))


WRONG: dict[str, tuple[Callable[[Manifest], Manifest], str]] = {
    "nothing": (
        lambda m: replace(m, answers=(), receipts=(), taken=(), payloads=()),
        "names nothing",
    ),
    "a payload for nobody": (
        lambda m: replace(m, payloads=(replace(m.payloads[0], transfers=()),)),
        "by no transfer",
    ),
    "a payload twice": (lambda m: replace(m, payloads=m.payloads * 2), "named twice"),
    "a transfer twice": (
        lambda m: replace(
            m, payloads=(replace(m.payloads[0], transfers=m.payloads[0].transfers * 2),)
        ),
        "named twice",
    ),
    "too many transfers": (lambda m: _more(m, carry.TRANSFER_LIMIT + 1), "limit 10000"),
    "too many containers": (
        lambda m: replace(m, answers=m.answers * (carry.CONTAINER_LIMIT + 1)),
        "limit 1000",
    ),
    "too many statements": (
        lambda m: replace(m, statements=STATEMENTS * (carry.STATEMENTS_LIMIT + 1)),
        "limit 64",
    ),
    "nothing but statements": (
        lambda m: replace(m, answers=(), receipts=(), taken=(), payloads=(), statements=STATEMENTS),
        "names nothing",
    ),
    "too much taken": (
        lambda m: replace(m, taken=m.taken * (carry.TAKEN_LIMIT + 1)),
        "limit 20000",
    ),
    "a bad digest": (lambda m: replace(m, taken=(Digest("A" * 64),)), "Receipt"),
    "a bad node": (lambda m: replace(m, sent_to=NodeId("../x")), "SentTo"),
    "a bad size": (
        lambda m: replace(m, payloads=(replace(m.payloads[0], size_bytes=-1),)),
        "PayloadSize",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_manifest_says_is_not_written(name: str, manifest: Manifest) -> None:
    """So nothing is written that would not be read."""
    change, words = WRONG[name]
    with pytest.raises(WireError, match=words):
        write_carry(change(manifest))


@pytest.mark.parametrize(
    "name", ["nothing", "a payload for nobody", "a payload twice", "a transfer twice",
             "too many transfers", "too many containers", "too many statements",
             "nothing but statements", "too much taken"],
)  # fmt: skip
def test_nor_is_it_read(name: str, manifest: Manifest) -> None:
    """The counts hold for whoever wrote it."""
    change, words = WRONG[name]
    with pytest.raises(WireError, match=words):
        read_carry(carry._text(change(manifest)))


def test_the_most_of_everything_fits_its_limit(manifest: Manifest) -> None:
    """Ten thousand transfers, each with a payload of its own, and all the rest."""
    full = replace(
        _more(manifest, carry.TRANSFER_LIMIT),
        answers=manifest.answers * carry.CONTAINER_LIMIT,
        receipts=manifest.receipts * carry.CONTAINER_LIMIT,
        taken=manifest.taken * carry.TAKEN_LIMIT,
        statements=STATEMENTS * carry.STATEMENTS_LIMIT,
    )
    payloads = tuple(
        CarriedPayload(digest_of(str(n).encode()), 10**16 - 1, (one,))
        for n, one in enumerate(full.payloads[0].transfers)
    )
    content = write_carry(replace(full, payloads=payloads))
    assert len(content) < carry.LIMIT_BYTES
    assert read_carry(content).payloads == payloads

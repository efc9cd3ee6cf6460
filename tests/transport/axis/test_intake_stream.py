"""A body streams into reader and store at once; whatever is refused leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.envelope.limits import Limits
from relay.errors import (
    DamagedError,
    EnvelopeError,
    JournalError,
    RelayError,
    TooLargeError,
    TransportError,
)
from relay.model import digest_of
from relay.transport.intake_stream import SLICE_BYTES, digest_forms, is_named, receive

ABC = "ba7816bf8f1cfea414140de5dae2223b0361a396177a9cb410ff61f2015ad"
"""SHA-256 of "abc" as axis clients write it (the domain's own example)."""


async def pieces(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def named(content: bytes) -> str:
    return digest_forms(sha256(content).digest())[1]


def test_both_forms_of_a_digest_name_it_and_nothing_else_does() -> None:
    """Padded, unpadded, in either case; never a prefix, never another digest."""
    digest = sha256(b"abc").digest()
    assert digest_forms(digest)[1] == ABC
    for form in (ABC, ABC.upper(), sha256(b"abc").hexdigest()):
        assert is_named(form, digest)
    for other in ("", ABC[:-1], ABC + "0", sha256(b"abd").hexdigest(), "\ud800", "à"):
        assert not is_named(other, digest)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(1, 900), st.tuples(st.booleans(), st.booleans(), st.booleans()))
async def test_chunking_never_changes_what_is_taken(
    store: Any, edxml: Callable[..., bytes], size: int, shape: tuple[bool, bool, bool]
) -> None:
    """With or without the client's CR LF, in any pieces: the envelope is what the digest names."""
    crlf, own_crlf, padded = shape
    document = edxml() + b"\r\n" * own_crlf
    expected = digest_forms(sha256(document).digest())[0 if padded else 1]
    envelope, payload = await receive(
        pieces(document + b"\r\n" * crlf, size),
        store,
        Limits(),
        expected=expected,
        strip_crlf=True,
    )
    assert payload.content == document
    assert envelope.digest == payload.digest == digest_of(document)


async def test_without_an_expected_digest_every_byte_is_the_envelope(
    store: Any, edxml: Callable[..., bytes]
) -> None:
    """The native face hands in exactly what it got."""
    document = edxml() + b"\r\n"
    for strip in (False, True):
        _, payload = await receive(pieces(document), store, Limits(), strip_crlf=strip)
        assert payload.content == document


async def test_a_large_body_goes_to_a_file(store: Any, edxml: Callable[..., bytes]) -> None:
    """And its digest is that of its bytes."""
    document = edxml(attachment_bytes=300_000)
    _, payload = await receive(
        pieces(document + b"\r\n", 65_536),
        store,
        Limits(),
        expected=named(document),
        strip_crlf=True,
    )
    assert payload.content is None
    assert payload.path is not None
    assert payload.path.read_bytes() == document


@pytest.mark.parametrize("extra", [b"", b"\r\n", b"\n\n", b"\r\n\r\n", b" "])
async def test_a_body_its_digest_does_not_name_leaves_nothing(
    store: Any, edxml: Callable[..., bytes], extra: bytes
) -> None:
    """One byte more, one byte other: refused, and the store is as before."""
    document = edxml(attachment_bytes=90_000)
    body = document.replace(b"AAAA", b"AAAB", 1) if extra in {b"", b"\r\n"} else document
    with pytest.raises(DamagedError):
        await receive(
            pieces(body + extra), store, Limits(), expected=named(document), strip_crlf=True
        )
    assert store.kept_bytes() == 0


async def test_damage_is_named_before_what_it_broke(
    store: Any, edxml: Callable[..., bytes]
) -> None:
    """Bytes lost on the way make bad XML too; the sender must hear of the loss, not of the XML."""
    document = edxml()
    with pytest.raises(DamagedError):
        await receive(pieces(document[:-40]), store, Limits(), expected=named(document))


async def test_a_bad_envelope_is_read_to_its_end_and_leaves_nothing(store: Any) -> None:
    """A client that writes before it listens gets to hear the refusal."""
    body, taken = b"<edXML>&nope;" + b"x" * 500_000, 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        async for piece in pieces(body, 10_000):
            taken += len(piece)
            yield piece

    with pytest.raises(EnvelopeError) as caught:
        await receive(counted(), store, Limits(), expected=named(body))
    assert not isinstance(caught.value, DamagedError)
    assert taken == len(body)
    assert store.kept_bytes() == 0


@pytest.mark.parametrize("over", [1, 2, 3])
@pytest.mark.parametrize("strip", [True, False])
async def test_the_limit_holds_to_the_byte(
    store: Any, edxml: Callable[..., bytes], over: int, strip: bool
) -> None:
    """The envelope counts, not the client's CR LF after it."""
    document = edxml()
    limits = Limits(envelope_bytes=len(document))
    _, payload = await receive(
        pieces(document + b"\r\n" * strip),
        store,
        limits,
        expected=named(document),
        strip_crlf=strip,
    )
    assert payload.size_bytes == len(document)
    longer = document + b" " * over
    exact = rf"\({len(longer)} bytes\), limit 1\.7 KiB \({len(document)} bytes\)$"
    for expected in (named(longer), None):
        with pytest.raises(TooLargeError, match=exact):
            await receive(pieces(longer), store, limits, expected=expected, strip_crlf=strip)


async def test_an_endless_body_is_cut_at_the_limit(store: Any, edxml: Callable[..., bytes]) -> None:
    """It is not read on once the limit is crossed, and the text has amount and limit."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield edxml(attachment_bytes=3_000_000)[:3_000_000]
        while True:
            taken += 1
            yield b"A" * 100_000

    with pytest.raises(TooLargeError, match=r"^4\.\d MiB \(\d{7} bytes\), limit 4 MiB$"):
        await receive(endless(), store, Limits(envelope_bytes=4 << 20))
    assert taken <= 13
    assert store.kept_bytes() == 0


async def test_a_declared_length_over_the_limit_is_refused_unread(store: Any) -> None:
    """Nothing is read and nothing is begun."""
    with pytest.raises(TooLargeError, match="41 MiB, limit 32 MiB"):
        await receive(pieces(b"x"), store, Limits(envelope_bytes=32 << 20), declared_bytes=41 << 20)
    assert store.uploads == []


async def test_a_silent_body_is_given_up(store: Any) -> None:
    """After the idle time, with nothing kept."""

    async def silent() -> AsyncIterator[bytes]:
        yield b"<edXML>"
        await asyncio.sleep(60)

    with pytest.raises(TransportError, match=r"no byte for 0\.05 s"):
        await receive(silent(), store, Limits(), idle=timedelta(seconds=0.05))
    assert store.kept_bytes() == 0


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), aiohttp.ClientPayloadError(), aiohttp.web.RequestPayloadError()]
)  # fmt: skip
async def test_a_body_that_breaks_off_is_a_transport_error(store: Any, error: Exception) -> None:
    """Whatever the library calls it."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"<edXML>"
        raise error

    with pytest.raises(TransportError):
        await receive(broken(), store, Limits())
    assert store.kept_bytes() == 0


async def test_a_full_disk_stops_at_once(store: Any, edxml: Callable[..., bytes]) -> None:
    """A failing write is ours, not the sender's, and leaves no half payload."""
    upload = store.begin(1 << 20)

    def fail(chunk: bytes) -> None:
        raise JournalError("no space")

    upload.write = fail
    store.begin = lambda limit_bytes: upload
    with pytest.raises(JournalError):
        await receive(pieces(edxml()), store, Limits())
    assert store.kept_bytes() == 0


async def test_a_store_that_keeps_other_bytes_is_not_believed(
    store: Any, edxml: Callable[..., bytes]
) -> None:
    """What was read and what was stored must be the same; else our disk is at fault."""
    upload = store.begin(1 << 20)
    real_write = upload.write
    upload.write = lambda chunk: real_write(chunk.replace(b"AAAA", b"AAAB"))
    store.begin = lambda limit_bytes: upload
    with pytest.raises(JournalError, match="not the bytes that were read"):
        await receive(pieces(edxml(attachment_bytes=90_000)), store, Limits())
    assert store.kept_bytes() == 0


async def test_a_cancelled_intake_leaves_nothing(store: Any, edxml: Callable[..., bytes]) -> None:
    """A client that hangs up, or a node that stops."""
    started = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield edxml(attachment_bytes=60_000)[:50_000]
        started.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(receive(slow(), store, Limits()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.kept_bytes() == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.text(max_size=70), st.booleans())
async def test_any_bytes_are_an_envelope_or_a_relay_error(
    store: Any, content: bytes, expected: str, strip: bool
) -> None:
    """No other exception comes out, and nothing stays."""
    with pytest.raises(RelayError):
        await receive(
            pieces(content, 7), store, Limits(), expected=expected or None, strip_crlf=strip
        )
    assert store.kept_bytes() == 0


async def test_a_large_body_lets_others_run(store: Any, edxml: Callable[..., bytes]) -> None:
    """Even handed in as one piece of 8 MB, it is taken in slices, and others run in between."""
    document = edxml(attachment_bytes=6_000_000)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def whole() -> AsyncIterator[bytes]:
        yield document

    other = asyncio.create_task(count_turns())
    await receive(whole(), store, Limits(), expected=named(document), strip_crlf=True)
    other.cancel()
    assert turns >= len(document) // SLICE_BYTES - 2

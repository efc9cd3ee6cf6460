"""The body of a transfer, read by its lengths: however it is cut, and wherever it breaks off."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import TransportError, WireError
from relay.model import Signed
from relay.transport.nodes import parts
from relay.transport.nodes.parts import Body, Parts, read_parts

HEADER = Signed(b"<Transfer/>", b"<Signature/>")
SEAL = b"<Seal/>"
ENVELOPE = b"<edXML>" + b"\r\n--" + parts.BOUNDARY.encode() + b"--\r\n" + b"x" * 50 + b"</edXML>"
WHOLE = parts.preamble(HEADER, SEAL, len(ENVELOPE)) + ENVELOPE + parts.ending


def _body(pieces: list[bytes], content_type: str = parts.CONTENT_TYPE) -> Body:
    loop = asyncio.get_running_loop()
    protocol = Mock(spec=BaseProtocol, _reading_paused=False)
    stream = StreamReader(protocol, limit=1 << 16, loop=loop)
    for piece in pieces:
        stream.feed_data(piece)
    stream.feed_eof()
    return Body(stream, content_type)


async def _read(pieces: list[bytes]) -> tuple[Parts, bytes]:
    found = await read_parts(_body(pieces))
    assert found.envelope is not None
    return found, b"".join([chunk async for chunk in found.envelope.chunks()])


@given(st.sets(st.integers(1, len(WHOLE) - 1), max_size=12))
async def test_how_the_bytes_are_cut_changes_nothing(cuts: set[int]) -> None:
    """The envelope may even hold the boundary: only lengths count."""
    edges = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[a:b] for a, b in pairwise(edges)]

    found, envelope = await _read(pieces)

    assert (found.header, found.seal, envelope) == (HEADER, SEAL, ENVELOPE)


@given(st.integers(0, len(WHOLE) - 3))
async def test_a_body_that_breaks_off_anywhere_may_come_again(kept: int) -> None:
    """A cut is the network's fault, never a verdict on the sender."""
    with pytest.raises(TransportError):
        await _read([WHOLE[:kept]])


@given(st.binary(max_size=300))
async def test_any_bytes_are_refused_in_our_own_words(content: bytes) -> None:
    """Nothing but the two errors comes out, whatever comes in."""
    with pytest.raises((WireError, TransportError)):
        await read_parts(_body([content]))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Content-Length: 11", b"Content-Length: 12"),
        (b"Content-Length: 11", b"Content-Length: 10"),
        (b"Content-Length: 11", b"Content-Length: +11"),
        (b"Content-Length: 11", b"Content-Length: 11\r\nContent-Length: 12"),
        (b"Content-Length: 11", b"Content-Length: 1048577"),
        (b"Content-Length: 11", b"Content-Length: " + b"9" * 40),
        (b"Content-Length: 11", b"X-Long: " + b"x" * parts.HEAD_LIMIT_BYTES),
        (b"<transfer.xml>", b"<seal.xml>"),
        (b"Content-Length: 11\r\n\r\n", b"Content-Length: 11\n\n"),
    ],
)
async def test_parts_that_are_not_as_agreed_are_refused(before: bytes, after: bytes) -> None:
    """Lengths, names, order and bounds are exact."""
    assert WHOLE.count(before) >= 1
    with pytest.raises(WireError):
        await _read([WHOLE.replace(before, after, 1)])


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/xml",
        "multipart/related",
        'multipart/related; boundary=""',
        "multipart/mixed; boundary=a",
        "multipart/related; boundary=" + "b" * 71,
    ],
)
async def test_a_content_type_without_a_usable_boundary_is_refused(content_type: str) -> None:
    """Before anything of the body is looked at."""
    with pytest.raises(WireError):
        _body([], content_type)

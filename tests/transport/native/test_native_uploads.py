"""Envelopes handed in piece by piece: what is here stays, is its caller's alone, and is no acceptance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.delivery.ports import Caller
from relay.errors import EnvelopeError, OverloadError
from relay.journal.ahead import AheadFiles
from relay.model import AgencyCode, digest_of

Letter = Callable[..., bytes]
Http = Callable[..., aiohttp.ClientSession]
XML = {"Content-Type": "application/xml"}
QUOTA_BYTES = 600_000


@pytest.fixture
def build(build: Callable[..., web.Application], world: Any, tmp_path: Path) -> Any:
    """A face that takes uploads."""
    h13 = frozenset({AgencyCode("000.00.20.H13")})
    world.tokens.known("colleague", Caller("colleague", h13))
    return partial(build, ahead=AheadFiles(tmp_path / "ahead", QUOTA_BYTES))


async def _patch(
    session: aiohttp.ClientSession, digest: str, offset: object, content: bytes, **headers: str
) -> tuple[int, str | None]:
    told = {"Upload-Offset": str(offset), "Content-Type": "application/partial-upload", **headers}
    async with session.patch(
        f"/v1/uploads/{digest}", data=BytesIO(content), headers=told
    ) as response:
        return response.status, response.headers.get("Upload-Offset")


async def _offset(session: aiohttp.ClientSession, digest: str) -> tuple[int, str | None]:
    async with session.head(f"/v1/uploads/{digest}") as response:
        return response.status, response.headers.get("Upload-Offset")


async def _hand_in(
    session: aiohttp.ClientSession, digest: str, seal: Any = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    path = f"/v1/envelopes?upload={digest}"
    async with session.post(path, data=seal, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def _in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """Without a length that could be refused before the first of it is read."""
    yield content


async def test_what_came_in_pieces_is_accepted_as_one(
    world: Any, http: Http, letter: Letter
) -> None:
    """Each piece begins where the one before ended; handed in, it is the same document to the byte."""
    session, content = http(), letter(filler=100_000)
    digest = digest_of(content)
    assert await _offset(session, digest) == (204, "0")
    assert await _patch(session, digest, 0, content[:60_000]) == (204, "60000")
    assert await _offset(session, digest) == (204, "60000")
    assert await _patch(session, digest, 60_000, content[60_000:]) == (204, str(len(content)))

    status, answer = await _hand_in(session, digest)

    assert status == 202
    assert answer["receipt"] in world.receipts
    assert world.submissions[0].payload.digest == digest
    assert world.submissions[0].seal is None


async def test_whoever_lost_the_answer_asks_again_and_brings_nothing(
    world: Any, http: Http, letter: Letter
) -> None:
    """The upload stays for a while: on a thin link it took hours."""
    session, content = http(), letter()
    digest = digest_of(content)
    await _patch(session, digest, 0, content)

    first, again = await _hand_in(session, digest), await _hand_in(session, digest)

    assert first == again
    assert len(world.submissions) == 2


async def test_a_seal_comes_in_the_body(world: Any, http: Http, letter: Letter) -> None:
    """Of the agency's own, in any kind that an envelope may have; another kind, or too much, is refused."""
    session, content = http(), letter()
    digest = digest_of(content)
    await _patch(session, digest, 0, content)
    form, long = {"Content-Type": "multipart/form-data; boundary=x"}, b"x" * ((1 << 18) + 1)

    assert (await _hand_in(session, digest, b"--x--", **form))[0] == 415
    assert (await _hand_in(session, digest, long, **XML))[0] == 413
    assert (await _hand_in(session, digest, _in_pieces(long), **XML))[0] == 413
    assert (await _hand_in(session, digest, b"<seal/>", **XML))[0] == 202

    assert world.submissions[0].seal == b"<seal/>"


@pytest.mark.parametrize("offset", [1, "", "-0", "00", "many"])
async def test_any_other_offset_is_a_conflict_that_names_ours(
    http: Http, letter: Letter, offset: object
) -> None:
    """Nothing is laid over what is here, nor behind a gap."""
    session, content = http(), letter()

    assert await _patch(session, digest_of(content), offset, content) == (409, "0")
    assert await _offset(session, digest_of(content)) == (204, "0")


async def test_an_upload_is_its_callers_alone(http: Http, letter: Letter) -> None:
    """Who knows the digest has nothing by it, of the same agency or not."""
    content = letter()
    digest = digest_of(content)
    await _patch(http(), digest, 0, content)

    assert await _offset(http("colleague"), digest) == (204, "0")
    assert (await _hand_in(http("colleague"), digest))[0] == 404
    for stranger in ("operator", "auditor"):
        assert (await _patch(http(stranger), digest, 0, content))[0] == 403
    assert (await _patch(http(None), digest, 0, content))[0] == 401


async def test_what_is_not_whole_or_other_bytes_is_refused_and_dropped(
    world: Any, http: Http, letter: Letter
) -> None:
    """It could never be taken as it is: its caller brings it anew."""
    session, content = http(), letter()
    digest = digest_of(content)
    for bytes_brought in (content[:-10], content[:-1] + b" "):
        await _patch(session, digest, 0, bytes_brought)

        status, answer = await _hand_in(session, digest)

        assert (status, answer["type"]) == (422, "urn:truc-relay:problem:damaged")
        assert await _offset(session, digest) == (204, "0")
    assert world.submissions == []


@pytest.mark.parametrize(
    ("error", "left"), [(EnvelopeError("no-subject"), "0"), (OverloadError("full"), None)]
)
async def test_what_is_refused_for_now_stays(
    world: Any, http: Http, letter: Letter, error: Exception, left: str | None
) -> None:
    """A node that is busy does not cost its sender another upload; an envelope that is unfit goes."""
    session, content = http(), letter()
    digest = digest_of(content)
    await _patch(session, digest, 0, content)
    world.failing = error

    status, _ = await _hand_in(session, digest)

    assert status in {422, 503}
    assert await _offset(session, digest) == (204, left or str(len(content)))


async def test_uploads_are_bounded(http: Http) -> None:
    """By the largest envelope there may be, by a quota of the caller's, and in what a piece may be."""
    session = http()
    large = b"x" * 400_000
    assert (await _patch(session, "a" * 64, 0, large))[0] == 204
    assert (await _patch(session, "b" * 64, 0, large))[0] == 503
    assert (await _patch(session, "c" * 64, 0, b"x" * ((1 << 20) + 1)))[0] == 413
    gzip = {"Content-Encoding": "gzip"}
    assert (await _patch(session, "d" * 64, 0, b"x", **gzip))[0] == 415
    assert (await _patch(session, "d" * 64, 0, b"x", **XML))[0] == 415
    assert (await _offset(session, "D" * 64))[0] == 404
    assert (await _hand_in(session, "d" * 63))[0] == 400

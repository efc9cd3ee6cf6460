"""Parts by every name a client may give them, and the digests a client may name (RFC 9530)."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

Http = Callable[..., aiohttp.ClientSession]
Letter = Callable[..., bytes]
SEAL = b"<Signature>made at the agency</Signature>"
XML = {"Content-Type": "application/xml"}


def digest(content: bytes, algorithm: str = "sha-256") -> str:
    made = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{b64encode(made).decode()}:"


def multipart(*given: tuple[str, bytes], tail: bytes = b"") -> bytes:
    """Parts with these header lines."""
    lines = (f"--cut\r\n{head}\r\n".encode() + content + b"\r\n" for head, content in given)
    return b"".join(lines) + b"--cut--\r\n" + tail


def named(kind: str, name: str) -> str:
    if kind == "unnamed":
        return ""
    if kind == "id":
        return f"Content-ID: <{name}>\r\n"
    return f'Content-Disposition: form-data; name="{name}"\r\n'


async def post(http: Http, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "multipart/related; boundary=cut", **headers}
    async with http().post("/v1/envelopes", data=body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


@pytest.mark.parametrize("kind", ["id", "form-data"])
@pytest.mark.parametrize("names", [("envelope", "seal"), ("envelope.edxml", "seal.xml")])
@pytest.mark.parametrize("turned", [False, True])
async def test_a_part_may_have_the_name_of_its_file(
    world: Any, http: Http, letter: Letter, kind: str, names: tuple[str, str], turned: bool
) -> None:
    """As between nodes and in evidence: envelope.edxml and seal.xml; in any order."""
    given = [(named(kind, names[0]), letter()), (named(kind, names[1]), SEAL)]
    status, _ = await post(http, multipart(*(given[::-1] if turned else given)))

    assert status == 202
    assert world.submissions[0].seal == SEAL
    assert world.submissions[0].payload.digest == hashlib.sha256(letter()).hexdigest()


async def test_parts_without_a_name_are_envelope_and_seal(
    world: Any, http: Http, letter: Letter
) -> None:
    """In that order; a third has no meaning, and the refusal says how parts are called."""
    status, _ = await post(http, multipart(("", letter()), ("", SEAL)))
    assert (status, world.submissions[0].seal) == (202, SEAL)

    status, told = await post(http, multipart(("", letter()), ("", SEAL), ("", b"x")))
    assert status == 400
    assert "<envelope.edxml>" in told["detail"]
    assert len(world.submissions) == 1


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
async def test_the_digest_of_a_body_is_checked(
    world: Any, http: Http, letter: Letter, field: str, algorithm: str
) -> None:
    """What was named is taken; anything else is damage, and nothing is stored."""
    content = letter(filler=600_000)
    headers = {**XML, field: digest(content, algorithm)}
    assert (await post(http, content, **headers))[0] == 202

    status, told = await post(http, content + b" ", **headers)
    assert (status, told["type"].rpartition(":")[2]) == (422, "damaged")
    assert field in told["detail"]
    assert len(world.submissions) == 1
    assert len(list(world.store._folder.iterdir())) == 1


@pytest.mark.parametrize("filler", [0, 300_000, 900_000])
async def test_the_digest_of_a_body_of_parts_is_of_all_of_it(
    world: Any, http: Http, letter: Letter, filler: int
) -> None:
    """Boundaries, heads and what follows the last part are in it."""
    given = (named("id", "envelope"), letter(filler=filler)), (named("id", "seal"), SEAL)
    body = multipart(*given, tail=b"epilogue\r\n")
    assert (await post(http, body, **{"Content-Digest": digest(body)}))[0] == 202

    for other in (multipart(*given, tail=b"epilogue \r\n"), multipart(given[0], tail=b"epilogue")):
        status, told = await post(http, other, **{"Content-Digest": digest(body)})
        assert (status, told["type"].rpartition(":")[2]) == (422, "damaged")
    assert len(world.submissions) == 1
    assert len(world.store.released) >= 2


@pytest.mark.parametrize(
    "text", ["sha-256", "sha-256=abc", "sha-256=:!:", "sha-256=:YWJj:", "sha-256=::", "=:YWJj:"]
)
async def test_a_digest_that_cannot_be_read_is_malformed(
    world: Any, http: Http, letter: Letter, text: str
) -> None:
    """400 that says the form, before the body is stored."""
    status, told = await post(http, letter(), **XML, **{"Content-Digest": text})

    assert (status, told["parameter"]) == (400, "Content-Digest")
    assert "sha-256=:BASE64:" in told["detail"]
    assert world.submissions == []


async def test_several_digests_must_all_hold_and_others_are_passed_over(
    http: Http, letter: Letter
) -> None:
    """As RFC 9530 has it: who checks chooses the algorithms."""
    content = letter()
    both = f"{digest(content)}, md5=:YWJj:, {digest(content, 'sha-512')}"
    assert (await post(http, content, **XML, **{"Content-Digest": both}))[0] == 202
    one_wrong = f"{digest(content)}, {digest(b'other', 'sha-512')}"
    assert (await post(http, content, **XML, **{"Content-Digest": one_wrong}))[0] == 422


async def test_a_repeat_that_brings_a_seal_is_told_which_one_stands(
    http: Http, letter: Letter
) -> None:
    """The first message stands with its own; the answer is the first answer to the byte."""
    async with http().post("/v1/envelopes", data=letter(), headers=XML) as response:
        first = await response.read()
        assert "Relay-Seal-Kind" not in response.headers
    body = multipart((named("id", "seal"), SEAL), (named("id", "envelope"), letter()))
    kind = {"Content-Type": "multipart/related; boundary=cut"}
    async with http().post("/v1/envelopes", data=body, headers=kind) as response:
        assert await response.read() == first
        assert response.headers["Relay-Repeated"] == "true"
        assert response.headers["Relay-Seal-Kind"] == "node"


async def test_a_body_that_is_too_long_is_refused_before_it_is_asked_for(base: str) -> None:
    """A client that waits for 100 Continue is told by its Content-Length alone."""
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/envelopes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sender\r\n"
        b"Content-Type: application/xml\r\nContent-Length: 999999999999\r\n"
        b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    async with asyncio.timeout(10):
        line = await reader.readline()
    writer.close()

    assert line.startswith(b"HTTP/1.1 413 ")

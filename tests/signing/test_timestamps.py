"""Timestamps of third parties: what one proves, and every way in which it proves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from relay.errors import SignatureError
from relay.model import digest_of
from relay.node.stamping import PinnedAuthority
from relay.signing.certificates import Purpose
from relay.signing.pki_tsa import POLICY, TimestampResponder
from relay.signing.timestamps import TimestampTrust, ask
from relay.signing.trust import Role, TrustStore
from tests.conftest import needs

CONTENT = b"<ds:SignatureValue>AAAA</ds:SignatureValue>"
STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION


def _responder(entity: Any, now: datetime) -> TimestampResponder:
    ders = [entity.der, *(one.public_bytes(_encoding()) for one in entity.issuers)]
    return TimestampResponder(tuple(map(asn1_x509.Certificate.load, ders)), entity.key, lambda: now)


def _encoding() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


def _authority(pki: Any, kind: str = "p256", **options: Any) -> Any:
    """A certificate for timestamps, unless told otherwise."""
    made = {"extra": x509.ExtendedKeyUsage(STAMPING)} | options
    return pki.issue(kind=kind, label="TSA", **made)


@pytest.fixture
def stamp(pki: Any, now: datetime) -> Callable[..., bytes]:
    """An answer to a request for CONTENT."""

    def stamped(
        entity: Any | None = None, at: datetime | None = None, request: Any = None
    ) -> bytes:
        responder = _responder(entity or _authority(pki), at or now)
        return responder.answer((request or ask(CONTENT)).content)

    return stamped


@pytest.fixture
def trust(pki: Any) -> TimestampTrust:
    return TimestampTrust(pki.trust)


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_a_timestamp_says_when_the_bytes_were_there(
    pki: Any, trust: TimestampTrust, now: datetime, kind: str
) -> None:
    """The same from the answer and, later, from the token alone."""
    request = ask(CONTENT)
    answer = _responder(_authority(pki, kind), now).answer(request.content)

    token, proven = trust.answered(answer, request)

    assert proven.gen_time == now.replace(microsecond=0)
    assert proven.accuracy == timedelta(seconds=1)
    assert proven.subject == "CN=TSA"
    assert trust.verify(token, digest_of(CONTENT)) == proven


def test_openssl_takes_our_authority_for_one(
    pki: Any, now: datetime, tmp_path: Path, trust: TimestampTrust
) -> None:
    """Another program verifies the same answer, so that the two of ours do not only agree with each other."""
    request = ask(CONTENT)
    for name, content in (
        ("answer", _responder(_authority(pki), now).answer(request.content)),
        ("request", request.content),
        ("root", pki.root.pem),
    ):
        (tmp_path / name).write_bytes(content)
    command = [needs("openssl"), "ts", "-verify", "-in", "answer", "-queryfile", "request"]
    command += ["-CAfile", "root", "-attime", str(int(now.timestamp()))]

    found = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert found.returncode == 0, found.stderr.decode()


def _refused(work: Callable[[], object]) -> str:
    with pytest.raises(SignatureError) as caught:
        work()
    return caught.value.reason


def test_other_bytes(stamp: Callable[..., bytes], trust: TimestampTrust) -> None:
    """wrong-imprint."""
    token, _ = trust.answered(stamp(request=(asked := ask(CONTENT))), asked)

    assert _refused(lambda: trust.verify(token, digest_of(b"other"))) == "wrong-imprint"


def test_an_answer_to_another_request(stamp: Callable[..., bytes], trust: TimestampTrust) -> None:
    """wrong-nonce, though the bytes are the same: it may be years old."""
    assert _refused(lambda: trust.answered(stamp(), ask(CONTENT))) == "wrong-nonce"


def test_an_authority_that_is_known_to_be_revoked(
    stamp: Callable[..., bytes], trust: TimestampTrust, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its word is not taken any more, and the next authority is asked: an evidence file that held it beside the CRL
    would be refused. What is stored is judged as of its time, by whoever judges the file."""
    token, _ = trust.answered(stamp(request=(asked := ask(CONTENT))), asked)
    found = []

    def revoked(path: Any, purpose: Purpose) -> None:
        found.append((path.leaf.subject, purpose))
        raise SignatureError("revoked-certificate", "revoked since yesterday")

    monkeypatch.setattr(trust.trust, "check", revoked)

    assert _refused(lambda: trust.answered(stamp(request=asked), asked)) == "revoked-certificate"
    assert found == [("CN=TSA", Purpose.TIMESTAMP)]
    assert trust.verify(token, digest_of(CONTENT)).subject == "CN=TSA"


def test_an_issuing_ca_that_is_pinned_in_place_of_its_root(
    stamp: Callable[..., bytes], pki: Any
) -> None:
    """It does for every other role; here the words say what to pin, where they once called the signature bad."""
    request, pinned = ask(CONTENT), {Role.TIMESTAMP: [pki.issuing.pem]}
    trust = TimestampTrust(TrustStore([pki.root.pem], (), pinned))

    with pytest.raises(SignatureError, match=r"CN=Issuing is an issuing CA: .* the root above"):
        trust.answered(stamp(request=request), request)


def test_an_authority_nobody_pinned(
    make_pki: Any, certify: Any, stamp: Callable[..., bytes], pki: Any
) -> None:
    """untrusted where another root is pinned for the role; self-signed where it vouches for itself."""
    from cryptography.hazmat.primitives.asymmetric import ec

    request = ask(CONTENT)
    root = certify("Other", ec.generate_private_key(ec.SECP256R1()), ca=True)
    other = TimestampTrust(TrustStore([pki.root.pem], (), {Role.TIMESTAMP: [root.pem]}))
    own = certify(
        "TSA", ec.generate_private_key(ec.SECP256R1()), extra=x509.ExtendedKeyUsage(STAMPING)
    )

    assert _refused(lambda: other.answered(stamp(request=request), request)) == "untrusted"
    mine = TimestampTrust(pki.trust)
    assert _refused(lambda: mine.answered(stamp(own, request=request), request)) == "self-signed"


@pytest.mark.parametrize("days", [-4000, 4000])
def test_a_time_when_the_authority_was_not_valid(
    stamp: Callable[..., bytes], trust: TimestampTrust, now: datetime, days: int
) -> None:
    """wrong-time: before and after its certificate."""
    request = ask(CONTENT)
    answer = stamp(at=now + timedelta(days=days), request=request)

    assert _refused(lambda: trust.answered(answer, request)) == "wrong-time"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"extra": None}, "wrong-purpose"),
        ({"extra": None, "uses": STAMPING}, "bad-certificate"),
        ({"extra": x509.ExtendedKeyUsage([*STAMPING, MAIL])}, "bad-certificate"),
        ({"extra": x509.ExtendedKeyUsage([MAIL])}, "wrong-purpose"),
    ],
    ids=["no-use", "not-critical", "another-use-beside", "another-use"],
)
def test_a_certificate_that_is_for_something_else(
    pki: Any,
    stamp: Callable[..., bytes],
    trust: TimestampTrust,
    options: dict[str, Any],
    reason: str,
) -> None:
    """RFC 3161 asks for timeStamping, alone and critical."""
    request = ask(CONTENT)
    answer = stamp(_authority(pki, **options), request=request)

    assert _refused(lambda: trust.answered(answer, request)) == reason


def test_a_certificate_put_in_place_of_the_signers(
    pki: Any, trust: TimestampTrust, now: datetime
) -> None:
    """wrong-certificate: the token commits to the digest of one."""
    mine, other = _authority(pki), _authority(pki)
    request = ask(CONTENT)
    responder = _responder(mine, now)
    answer = tsp.TimeStampResp.load(responder.answer(request.content))
    held = answer["time_stamp_token"]["content"]["certificates"]
    place = next(n for n, one in enumerate(held) if one.chosen.dump() == mine.der)
    held[place] = _responder(other, now).chain[0]

    assert _refused(lambda: trust.answered(answer.dump(force=True), request)) == "wrong-certificate"


def test_a_signature_that_does_not_hold(stamp: Callable[..., bytes], trust: TimestampTrust) -> None:
    """Any bit of the token: a refusal with a word, never another error, never a proof."""
    request = ask(CONTENT)
    good = stamp(request=request)
    _, proven = trust.answered(good, request)
    for place in range(0, len(good), 7):
        changed = bytearray(good)
        changed[place] ^= 0x10
        with contextlib.suppress(SignatureError):
            # Only what nobody signed may differ, and then it proves the same.
            assert trust.answered(bytes(changed), request)[1] == proven, place


@pytest.mark.parametrize("content", [b"", b"\x30\x00", b"\x30\x80", b"x" * 70_000])
def test_what_is_no_timestamp(trust: TimestampTrust, content: bytes) -> None:
    """bad-timestamp, or too-large before anything is read."""
    expected = "too-large" if len(content) > 65_536 else "bad-timestamp"

    assert _refused(lambda: trust.answered(content, ask(CONTENT))) == expected
    assert _refused(lambda: trust.verify(content, digest_of(CONTENT))) in (
        expected,
        "bad-timestamp",
    )


def test_a_refusal_of_the_authority(trust: TimestampTrust, pki: Any, now: datetime) -> None:
    """bad-timestamp, with the authority's own word; another digest than SHA-256 is refused there, too."""
    responder = _responder(_authority(pki), now)

    assert _refused(lambda: trust.answered(responder.answer(b"?"), ask(CONTENT))) == "bad-timestamp"


def test_a_digest_other_than_sha_256(trust: TimestampTrust, pki: Any, now: datetime) -> None:
    """algorithm: 32 bytes are not enough to tell."""
    responder = _responder(_authority(pki), now)
    imprint = tsp.MessageImprint(
        {
            "hash_algorithm": {"algorithm": "sha3_256"},
            "hashed_message": hashlib.sha256(CONTENT).digest(),
        }
    )
    request = ask(CONTENT)
    token = responder.token(imprint, request.nonce)

    assert _refused(lambda: trust.verify(token.dump(), digest_of(CONTENT))) == "algorithm"


def test_one_that_is_not_exact_enough(trust: TimestampTrust, pki: Any, now: datetime) -> None:
    """wrong-time: plus or minus an hour proves too little."""
    request = ask(CONTENT)
    exact = _responder(_authority(pki), now)

    class Vague(TimestampResponder):
        def _signed(self, content: bytes, at: datetime) -> Any:
            info = tsp.TSTInfo.load(content)
            info["accuracy"] = {"seconds": 3600}
            return super()._signed(info.dump(force=True), at)

    vague = Vague(exact.chain, exact.key, exact.now)

    assert _refused(lambda: trust.answered(vague.answer(request.content), request)) == "wrong-time"


@pytest.mark.parametrize(
    ("policy", "word"), [(None, ""), (POLICY, ""), ("1.2.3.4", "wrong-policy")]
)
def test_a_timestamp_under_another_policy_than_asked_for(
    pki: Any, trust: TimestampTrust, now: datetime, policy: str | None, word: str
) -> None:
    """wrong-policy; without one in the settings any will do."""
    responder = _responder(_authority(pki), now)
    client = Mock(post=AsyncMock(side_effect=responder.answer))
    authority = PinnedAuthority("tsa-1", client, trust, policy)

    if word:
        assert _refused(lambda: asyncio.run(authority(CONTENT))) == word
    else:
        assert asyncio.run(authority(CONTENT)).authority == "tsa-1"


def test_before_what_it_stamps(
    stamp: Callable[..., bytes], trust: TimestampTrust, now: datetime
) -> None:
    """wrong-time, beyond the clocks' tolerance; within it nobody can tell."""
    request = ask(CONTENT)
    _, proven = trust.answered(stamp(request=request), request)

    proven.require_not_before(now + timedelta(minutes=5))
    assert _refused(lambda: proven.require_not_before(now + timedelta(minutes=6))) == "wrong-time"
    replace(proven, accuracy=timedelta(minutes=2)).require_not_before(now + timedelta(minutes=6))

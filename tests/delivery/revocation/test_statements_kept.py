"""CRLs and OCSP responses are fetched beside the work, stored, and outlive restarts and silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from relay.delivery.revocation.ports import Kind
from relay.demo.authority import Publisher, serve
from relay.demo.ports import free_ports
from relay.errors import SettingsError, SignatureError, TransportError
from relay.signing import pki, pki_revoking
from relay.signing.certificates import Purpose
from relay.signing.pki_words import Reason
from relay.signing.revocation.aims import issuer_id
from relay.signing.revocation.held import way_of
from relay.signing.revocation.verdicts import Freshness, RevocationState
from relay.transport.revocation.fetching import StatementFetcher, allowed
from tests.delivery.revocation.conftest import Authority, Learner

S = RevocationState
KEY = pki.KeyType.P256


class Published:
    """A PKI on loopback; `stop` takes it off."""

    def __init__(self, folder: Path) -> None:
        now, port = datetime.now(UTC), free_ports(1)[0]
        self.port, self.authority = port, Authority(folder)
        pki.init(folder, name="x", key=KEY, now=now, days=9, publish=f"http://127.0.0.1:{port}")
        pki.issue_branch(folder, "b", key=KEY, now=now, days=9)
        pki.issue_agency(folder, ["H01.1"], "b", key=KEY, now=now, days=9)
        pki.issue_agency(folder, ["H01.2"], "b", key=KEY, now=now, days=9)
        self.publisher = Publisher(folder, lambda: datetime.now(UTC), timedelta(days=1))
        self.hosts = frozenset({f"127.0.0.1:{port}"})
        self.path = self.authority.path("agencies/H01.1.pem", Purpose.AGENCY)
        self.other = self.authority.path("agencies/H01.2.pem", Purpose.AGENCY)

    async def start(self) -> None:
        self.runner, _ = await serve(self.publisher, "127.0.0.1", self.port)

    async def stop(self) -> None:
        await self.runner.cleanup()


@pytest.fixture
async def published(tmp_path: Path) -> AsyncIterator[Published]:
    found = Published(tmp_path / "published")
    await found.start()
    yield found
    await found.stop()


async def _look(learner: Learner) -> None:
    await learner.keeper.look()
    await learner.close()


@pytest.mark.parametrize("prefer", list(Kind))
async def test_a_certificate_is_unknown_until_its_statement_is_fetched(
    world: Any, published: Published, prefer: Kind
) -> None:
    """Then it is valid, then revoked; nobody waited for the network, and one CRL serves its issuer."""
    learner = Learner(world, published.hosts, prefer)

    assert learner.verdict(published.path).state is S.UNKNOWN
    await _look(learner)
    assert learner.verdict(published.path).state is S.VALID
    assert learner.verdict(published.other).state is (S.VALID if prefer is Kind.CRL else S.UNKNOWN)
    wanted = "/crl/branches/b/ca.crl" if prefer is Kind.CRL else "/ocsp/branches/b/ca"
    assert published.publisher.asked[wanted] == 1

    published.authority.revoke("agencies/H01.1.pem")
    world.late = timedelta(hours=2)
    await _look(learner)

    verdict = learner.verdict(published.path)
    assert verdict.state is S.REVOKED
    assert "keyCompromise" in verdict.why
    assert learner.verdict(published.other).state is S.VALID


async def test_a_clock_that_was_ahead_and_is_set_right_leaves_nothing_unknown(
    world: Any, published: Published
) -> None:
    """What was judged and planned by the wrong clock does not count until that day comes."""
    learner = Learner(world, published.hosts)
    world.late = timedelta(days=400)
    assert learner.verdict(published.path).state is S.UNKNOWN
    await _look(learner)
    assert learner.verdict(published.path).state is S.UNKNOWN

    world.late = timedelta()
    assert learner.verdict(published.path).state is S.VALID
    await _look(learner)
    published.authority.revoke("agencies/H01.1.pem")
    world.late = timedelta(hours=2)
    await _look(learner)

    assert learner.verdict(published.path).state is S.REVOKED


async def test_what_was_learned_outlives_a_restart_and_the_silence_of_authorities(
    world: Any, published: Published
) -> None:
    """From the journal; while it is fresh, and a grace longer. After that nothing is known, but for
    what was revoked."""
    first = Learner(world, published.hosts)
    first.verdict(published.path), first.verdict(published.other)
    published.authority.revoke("agencies/H01.2.pem")
    await _look(first)
    await published.stop()

    again = Learner(world, published.hosts, fresh=Freshness(grace=timedelta(days=1)))
    await again.keeper.start()

    assert again.verdict(published.path).state is S.VALID
    assert again.verdict(published.other).state is S.REVOKED
    world.late = timedelta(hours=20)
    assert again.verdict(published.path).state is S.VALID
    world.late = timedelta(days=3)
    await _look(again)
    assert again.verdict(published.path).state is S.UNKNOWN
    assert "stale" in again.verdict(published.path).why
    assert again.verdict(published.other).state is S.REVOKED
    await published.start()


async def test_the_other_kind_is_asked_while_the_first_fails(
    world: Any, published: Published
) -> None:
    """A responder without a key answers nothing; the CRL does."""
    (published.authority.folder / "branches" / "b" / "ca-ocsp.key.pem").unlink()
    learner = Learner(world, published.hosts, Kind.OCSP)
    learner.verdict(published.path)

    await learner.keeper.look()
    assert learner.verdict(published.path).state is S.UNKNOWN
    await _look(learner)

    assert learner.verdict(published.path).state is S.VALID


async def test_every_responder_is_asked_while_the_crl_of_all_fails(
    world: Any, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only that of the certificate that was met first."""

    async def nothing(self: Publisher, request: web.Request) -> web.Response:
        raise web.HTTPServiceUnavailable

    await published.stop()
    monkeypatch.setattr(Publisher, "crl", nothing)
    await published.start()
    learner = Learner(world, published.hosts)
    for path in (published.path, published.other):
        learner.verdict(path)

    await learner.keeper.look()
    await _look(learner)

    for path in (published.path, published.other):
        assert learner.verdict(path).state is S.VALID


async def test_nothing_is_fetched_of_whom_nobody_meets(world: Any, published: Published) -> None:
    """And nobody wakes for it."""
    learner = Learner(world, published.hosts, Kind.OCSP)
    learner.verdict(published.path)
    await _look(learner)
    world.late = timedelta(days=8)

    assert learner.held.due(world.clock.now()) == []
    assert learner.held.next_due(world.clock.now()) > 0


async def test_a_certificate_makes_nobody_call_a_host_that_is_not_configured(
    world: Any, published: Published
) -> None:
    """Whatever an attacker's certificate names: there is no target, and the fetcher refuses by itself."""
    learner = Learner(world, frozenset({"crl.example"}))
    assert learner.verdict(published.path).state is S.UNKNOWN

    await _look(learner)

    assert published.publisher.asked == {}
    assert learner.held.due(world.clock.now()) == []
    with pytest.raises(TransportError, match=r"no host in revocation\.hosts"):
        await learner.fetcher.fetch(
            f"http://127.0.0.1:{published.port}/crl/root.crl", None, 1 << 20
        )


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "https://crl.example/x",
        "http://crl.example:81/x",
        "http://crl.example@evil.example/x",
        "http://user@crl.example/x",
        "http://evil.example/crl.example",
        "http://crl.example.evil.example/",
        "ftp://crl.example/x",
        "http://crl.example:x/",
        "http:///x",
        "http://crl.example/a b",
        "http://crl.example/\n",
        "file:///etc/passwd",
        "http://crl.example/" + "x" * 3000,
    ],
)
def test_only_the_very_host_is_allowed(url: str) -> None:
    """By scheme, host and port; nothing that only looks like it."""
    assert not allowed(url, frozenset({"crl.example"}))
    assert allowed("http://crl.example/ca.crl", frozenset({"crl.example"}))
    assert allowed("http://crl.example:8080/x", frozenset({"crl.example:8080"}))


async def test_no_redirect_is_followed_and_no_answer_is_unbounded() -> None:
    """A configured host cannot send a node on, nor fill its memory."""

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(bytes(1 << 12))
        return response

    app = web.Application()
    app.router.add_get("/elsewhere", elsewhere)
    app.router.add_get("/endless", endless)
    runner, port = web.AppRunner(app), free_ports(1)[0]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    fetcher = StatementFetcher(frozenset({f"127.0.0.1:{port}"}), frozenset(), timedelta(seconds=5))
    try:
        with pytest.raises(TransportError, match="HTTP 302"):
            await fetcher.fetch(f"http://127.0.0.1:{port}/elsewhere", None, 1 << 10)
        with pytest.raises(TransportError, match="over 65536 bytes"):
            await fetcher.fetch(f"http://127.0.0.1:{port}/endless", None, 1 << 16)
    finally:
        await fetcher.close()
        await runner.cleanup()


async def test_failures_wait_longer_and_longer(world: Any, published: Published) -> None:
    """With jitter, up to the refresh interval; success forgets them."""
    await published.stop()
    learner = Learner(world, published.hosts)
    learner.verdict(published.path)
    waits = []
    for _ in range(3):
        await _look(learner)
        waits.append(learner.held.next_due(world.clock.now()))
        world.late += timedelta(hours=2)
    await published.start()

    assert waits[0] < waits[1] < waits[2] <= 3600
    world.late = timedelta()


async def test_a_forgotten_revocation_still_counts(world: Any, published: Published) -> None:
    """An authority drops revocations of expired certificates from its CRL; who noted one does not."""
    learner = Learner(world, published.hosts)
    learner.verdict(published.path)
    published.authority.revoke("agencies/H01.1.pem")
    await _look(learner)
    (published.authority.folder / "branches" / "b" / "ca.revoked.json").unlink()
    world.late = timedelta(minutes=1)

    learner.tell(published.authority, "branches/b/ca", path=published.path)

    assert learner.verdict(published.path).state is S.REVOKED
    again = Learner(world, published.hosts)
    await again.keeper.start()
    assert again.verdict(published.path).state is S.REVOKED


async def test_a_hold_of_a_certificate_ends(world: Any, published: Published) -> None:
    """And that it ended is an entry of the log."""
    learner = Learner(world, published.hosts)
    learner.verdict(published.path)
    published.authority.revoke("agencies/H01.1.pem", Reason.HOLD)
    await _look(learner)
    assert learner.verdict(published.path).state is S.REVOKED

    published.authority.revoke("agencies/H01.1.pem", Reason.REMOVE_FROM_CRL)
    world.late = timedelta(hours=2)
    learner.tell(published.authority, "branches/b/ca", path=published.path)
    await learner.holding.look(learner.held.revoked())

    assert learner.verdict(published.path).state is S.VALID
    leaves = [one.leaf.decode() for one in await world.journal.entries(0, 100)]
    assert any('"certificate-revoked"' in leaf for leaf in leaves)
    assert any('"certificate-restored"' in leaf for leaf in leaves)


async def test_a_revoked_authority_revokes_all_below_it(world: Any, published: Published) -> None:
    """The root's CRL names the issuing CA: no certificate of its branch counts any more."""
    learner = Learner(world, published.hosts)
    learner.verdict(published.path)
    published.authority.revoke("branches/b/ca.pem", Reason.CA_COMPROMISE)
    await _look(learner)

    assert learner.verdict(published.path).state is S.REVOKED
    assert "its issuer" in learner.verdict(published.path).why
    assert {one.purpose for one in learner.held.revoked()} == {"agency", "issuer"}


async def test_a_statement_of_nobody_concerned_is_refused(
    world: Any, published: Published, copied: Authority
) -> None:
    """What came along must be about the path it came with."""
    learner = Learner(world)
    with pytest.raises(SignatureError):
        learner.tell(copied, "branches/tinh-h01/ca", path=published.path)


async def test_a_development_pki_is_published_on_loopback_only(tmp_path: Path) -> None:
    """Its keys lie in files: it is for tests and the demo."""
    publisher = Publisher(tmp_path, lambda: datetime.now(UTC))
    with pytest.raises(SettingsError, match="loopback only"):
        await serve(publisher, "0.0.0.0", 0)
    for url in ("http://10.0.0.1:80", "https://127.0.0.1:1", "http://127.0.0.1", "http://x:1"):
        with pytest.raises(pki.PkiError):
            pki.init(tmp_path, name="x", key=KEY, now=datetime.now(UTC), days=1, publish=url)


async def test_what_nothing_rests_on_leaves_the_journal(world: Any, copied: Authority) -> None:
    """Of statements about one issuer stay the newest, and of those by which something was judged one for
    each time in force."""
    learner, table = Learner(world), Learner(world).table
    path = copied.path("agencies/H01.15.pem", Purpose.AGENCY)
    made: list[str] = []
    for hours, used in ((0, True), (2, True), (4, False), (30, True), (31, False), (32, False)):
        world.late = timedelta(hours=hours)
        now = world.clock.now()
        content = copied.crl("branches/tinh-h01/ca", now)
        proven = learner.held.take_about(way_of(path), content, now)
        await table.store(proven, now)
        made.append(proven.digest)
        if used:
            await table.keep([proven.digest])

    rows = await world.journal.rows("SELECT digest FROM statements ORDER BY this_update")

    assert [made.index(digest) for (digest,) in rows] == [0, 3, 5]
    await table.forget(world.clock.now() + timedelta(days=1))
    rows = await world.journal.rows("SELECT digest FROM statements ORDER BY this_update")
    assert [made.index(digest) for (digest,) in rows] == [0, 3]


async def test_an_issuer_may_publish_several_crls(world: Any, copied: Authority) -> None:
    """One about users, one about authorities: neither takes the other's place, after a restart either."""
    learner = Learner(world)
    path = copied.path("agencies/H01.15.pem", Purpose.AGENCY)
    now = world.clock.now()
    authority = pki_revoking.authorities(copied.folder)[0]
    issuing = path.issuers[0]

    def part(**scope: bool) -> bytes:
        plain = dict.fromkeys(
            ("only_contains_user_certs", "only_contains_ca_certs", "only_contains_attribute_certs"),
            False,
        )
        point = x509.IssuingDistributionPoint(
            full_name=None,
            relative_name=None,
            only_some_reasons=None,
            indirect_crl=False,
            **(plain | scope),
        )
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.issuer.certificate.subject)
            .last_update(now)
            .next_update(now + timedelta(days=1))
            .add_extension(point, critical=True)
        )
        signed = builder.sign(authority.issuer.key, SHA256())
        return signed.public_bytes(Encoding.DER)

    learner.tell(copied, "branches/tinh-h01/ca", path=path)
    assert learner.verdict(path).state is S.UNKNOWN
    with pytest.raises(SignatureError):
        learner.held.take_about(way_of(path), part(only_contains_user_certs=True), now)
    proven = learner.held.take_about(way_of(path), part(only_contains_ca_certs=True), now)
    await learner.table.store(proven, now)
    assert learner.verdict(path).state is S.VALID

    found = await learner.table.as_of(Kind.CRL, issuer_id(path.anchor), now)
    assert [one.digest for one in found] == [proven.digest]
    assert await learner.table.as_of(Kind.CRL, issuer_id(issuing), now) == []


async def test_an_expired_certificate_is_judged_by_what_was_said_before(
    world: Any, published: Published
) -> None:
    """What it signed may be on its way still; authorities say nothing of it any more."""
    early, late = Learner(world), Learner(world)
    world.late = timedelta(days=8, hours=23)
    for branch in ("root/root", "branches/b/ca"):
        early.tell(published.authority, branch, path=published.path)
    assert early.verdict(published.path).state is S.VALID

    world.late = timedelta(days=9, hours=1)
    for learner in (early, late):
        for branch in ("root/root", "branches/b/ca"):
            learner.tell(published.authority, branch, path=published.path)

    assert early.verdict(published.path).state is S.VALID
    assert late.verdict(published.path).state is S.UNKNOWN

"""`relay cert status` says what the node's journal knows of revocation, and of the authorities above."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.cli import cert
from relay.delivery.revocation.ports import RevokedCertificate
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.journal.revocation import RevocationTable
from relay.journal.store import DATABASE
from relay.model import Digest, NodeId, Tier
from relay.node.node import Node
from relay.settings.reading import load
from relay.signing import pki, pki_revoking
from relay.signing.certificates import read_chain
from relay.signing.pki_words import Reason
from relay.signing.revocation.aims import Plan
from relay.signing.revocation.held import HeldStatements, way_of
from relay.signing.revocation.verdicts import Freshness
from relay.signing.trust import TrustStore, certificates_of

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
PLAN = NodePlan(
    "tinh",
    Tier.PROVINCE,
    None,
    "tinh-h01",
    (AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE, "000.00.00.H01", own_key=True),),
)
AGENCY, CODE = "agencies/H01.pem", "000.00.00.H01"
CA = "branches/tinh-h01/ca.pem"


@dataclass
class Place:
    network: Network
    table: RevocationTable

    @property
    def running(self) -> RunningNode:
        return self.network.nodes["tinh"]

    @property
    def pki(self) -> Path:
        return self.network.folder / "pki"

    def revoke(self, name: str, at: datetime, reason: Reason = Reason.KEY_COMPROMISE) -> None:
        pki_revoking.revoke(self.pki, self.pki / name, reason=reason, now=at)

    async def told(self, made: datetime, valid: timedelta = 24 * HOUR) -> None:
        """The node has each authority's list as of then."""
        held = HeldStatements(Plan(lambda _: False, Freshness(), HOUR, lambda: 0.5))
        trust = TrustStore([self.network.root.read_bytes()])
        chain = read_chain(certificates_of((self.pki / AGENCY).read_bytes()))
        way = way_of(trust.path(chain, NOW, chain.leaf.used_for))
        for one in pki_revoking.authorities(self.pki):
            der = pki_revoking.crl(one, now=made, valid=valid)
            await self.table.store(held.take_about(way, der, NOW), NOW)

    def status(self, *more: str) -> Result:
        return CliRunner().invoke(cert.app, ["status", str(self.running.config), *more])

    def shown(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in json.loads(self.status("--json").stdout)}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    extra = "[delivery]\ndrain = 1\n\n[revocation]\ncheck = true\ngrace = 1\n"
    network = Network.build(tmp_path / "n", (PLAN,), now=NOW, extra=extra)
    node = Node(load(network.nodes["tinh"].config))
    await node.start()
    yield Place(network, RevocationTable(node._journal, NodeId("tinh")))
    await node.stop()


async def test_a_certificate_that_is_known_to_be_revoked_is_not_called_valid(place: Place) -> None:
    """Since when, for what reason, by what, made when and due when; and nothing is well with it."""
    since, made = NOW - 3 * HOUR, NOW - HOUR
    place.revoke(AGENCY, since)
    await place.told(made)

    shown = place.shown()
    agency, sign = shown[CODE], shown["sign"]

    assert agency["state"] == "revoked"
    assert agency["revocation"]["state"] == "REVOKED"
    assert agency["revocation"]["since"] == f"{since:%Y-%m-%dT%H:%M:%SZ}"
    assert agency["revocation"]["reason"] == "keyCompromise"
    (by,) = agency["revocation"]["statements"]
    assert (by["kind"], by["this_update"]) == ("crl", f"{made:%Y-%m-%dT%H:%M:%SZ}")
    assert by["next_update"] == f"{made + 24 * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    assert by["issuer"] == agency["issuer"]
    assert (sign["state"], sign["revocation"]["state"]) == ("ends soon", "VALID")
    assert place.status("--json").exit_code == 65
    table = place.status()
    assert table.exit_code == 65
    (line,) = [one for one in table.stdout.splitlines() if one.startswith(CODE)]
    assert "revoked" in line
    assert "(keyCompromise): CRL of" in line


async def test_what_nobody_said_anything_of_is_unknown(place: Place) -> None:
    """Nothing was heard, or nothing new: never a word that it is not revoked."""
    assert place.shown()["sign"]["revocation"]["why"] == "no CRL or OCSP response of it is held"

    await place.told(NOW - 9 * HOUR, valid=HOUR)
    sign = place.shown()["sign"]

    assert sign["revocation"]["state"] == "UNKNOWN"
    assert "is stale since" in sign["revocation"]["why"]
    (last,) = sign["revocation"]["statements"]
    assert last["this_update"] == f"{NOW - 9 * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    assert place.status().exit_code == 0


async def test_whoever_a_revoked_authority_certified_is_revoked_and_it_is_said_by_whom(
    place: Place,
) -> None:
    place.revoke(CA, NOW - HOUR, Reason.CA_COMPROMISE)
    await place.told(NOW)

    shown = place.shown()

    assert shown["issuer"]["state"] == "revoked"
    assert {shown[name]["state"] for name in ("tls", "sign", "log", CODE)} == {"revoked"}
    assert shown["sign"]["revocation"]["whose"] == shown["issuer"]["subject"]
    assert "its issuer CN=" in place.status().stdout


async def test_what_a_newer_list_forgot_stays_revoked(place: Place) -> None:
    """The node noted it when it learned of it."""
    sha256 = Digest(place.shown()["sign"]["sha256"])
    gone = RevokedCertificate(
        sha256, NOW - 9 * HOUR, "superseded", (), NodeId("tinh"), "sign", "ab"
    )
    await place.table.note_revoked(gone, NOW - HOUR)
    await place.told(NOW)

    sign = place.shown()["sign"]["revocation"]

    assert (sign["state"], sign["reason"]) == ("REVOKED", "superseded")
    assert sign["known_since"] == f"{NOW - HOUR:%Y-%m-%dT%H:%M:%SZ}"
    assert sign["statements"] == []


async def test_the_ends_of_issuers_and_anchors_are_shown(place: Place) -> None:
    """They are trust too: the issuing CA that only comes along, and the root of [trust]."""
    shown = place.shown()

    assert shown["issuer"]["speaks_for"] == ["tinh"]
    assert (shown["issuer"]["state"], shown["issuer"]["days_left"]) == ("ends soon", 29)
    assert shown["trust.roots"]["purpose"] == "authority"
    assert (shown["trust.roots"]["days_left"], shown["trust.roots"]["revocation"]) == (29, None)
    assert {"trust.roots", "issuer"} <= {
        line.split()[0] for line in place.status().stdout.splitlines()
    }


async def test_the_roots_by_which_clients_are_judged_are_among_them(
    place: Place, tmp_path: Path
) -> None:
    """Where they end every client of the native face is shut out."""
    clients = tmp_path / "clients"
    pki.init(clients, name="Khách", key=pki.KeyType.P256, now=NOW, days=6)
    config = place.running.config
    root = clients / "root" / "root.pem"
    text = config.read_text().replace("[listen]", f'[listen]\nnative_clients = ["{root}"]', 1)
    config.write_text(text)

    shown = place.shown()["listen.native_clients"]

    assert (shown["state"], shown["days_left"], shown["speaks_for"]) == ("ends soon", 5, [])


async def test_a_journal_that_cannot_be_read_makes_nothing_valid(place: Place) -> None:
    elsewhere = place.running.config.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / DATABASE).write_bytes(b"no database at all" * 100)
    config = place.running.config
    config.write_text(config.read_text().replace('data_dir = "data"', 'data_dir = "elsewhere"'))

    done = place.status("--json")

    assert "cannot be said" in done.stderr
    sign = next(one for one in json.loads(done.stdout) if one["name"] == "sign")
    assert sign["revocation"]["state"] == "UNKNOWN"

"""`relay cert` against a running node: what it signs and serves with changes without a restart."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from bench.documents import Template, template
from relay.audit.words import replaced
from relay.demo.native import NativeClient, at_socket, over_tls
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.errors import SettingsError
from relay.model import Tier, digest_of
from relay.node.node import Node
from relay.settings.reading import load
from relay.signing import pki, pki_files, pki_profiles
from relay.signing.evidence import verify_receipt
from relay.signing.pki_profiles import Profile, Span
from relay.signing.seal import verify_seal
from relay.signing.trust import TrustStore, certificates_of
from relay.signing.verifier import certificates_in
from relay.wire.container import read_receipts

PLAN = NodePlan(
    "tinh",
    Tier.PROVINCE,
    None,
    "tinh-h01",
    (
        AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE, "000.00.00.H01", own_key=True),
        AgencyPlan("H01.15", "Sở Mẫu", Tier.PROVINCE, "000.00.15.H01"),
    ),
)
LETTERS = template(3000, "000.00.00.H01", "000.00.15.H01")
BACK = template(3000, "000.00.15.H01", "000.00.00.H01")


@dataclass
class Place:
    network: Network
    node: RunningNode
    office: NativeClient
    operator: NativeClient
    process: Node

    async def restart(self, more: str = "") -> None:
        """With these lines more in its configuration."""
        with self.node.config.open("a") as file:
            file.write(more)
        await self.process.stop()
        self.process = Node(load(self.node.config))
        await self.process.start()

    @property
    def trust(self) -> TrustStore:
        return TrustStore([self.network.root.read_bytes()])

    async def send(self, number: int, letters: Template = LETTERS) -> tuple[bytes, bytes, bytes]:
        """A new document: its receipt's container, its seal, and its bytes."""
        content = letters.numbered(number)
        url = f"{self.office.base_url}/v1/envelopes"
        async with self.office.session.post(url, data=content) as answer:
            assert answer.status == 202, await answer.text()
            message = (await answer.json())["message_id"]
        view = await self.operator.message(message)
        accepted = view["deliveries"][0]["receipts"][0]
        receipt = await self.operator.receipt(accepted["digest"])
        return receipt, await self.operator.message_seal(message), content

    async def told(self, event: str) -> list[dict[str, Any]]:
        """The entries of this event in the node's log."""
        entries = (await self._get("/v1/audit?limit=200"))["entries"]
        return [
            replaced(one["entry"], one.get("words", {}))
            for one in entries
            if one["entry"]["event"] == event
        ]

    async def certificates(self) -> list[dict[str, Any]]:
        """The node's own, then the authorities above."""
        found = await self._get("/v1/certificates")
        return [*found["certificates"], *found["authorities"]]

    async def _get(self, path: str) -> Any:
        async with self.operator.session.get(self.operator.base_url + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def install(self, name: str) -> tuple[int, str]:
        """Ask, have it certified and install it, as an operator does."""
        code, asked, _ = await relay("cert", "request", str(self.node.config), name)
        assert code == 0
        made = pki.sign_request(
            self.network.folder / "pki",
            Path(asked.strip()).read_bytes(),
            "tinh-h01",
            now=datetime.now(UTC),
            days=20,
        )
        new = self.network.folder / f"{name}.new.pem"
        new.write_bytes(made)
        code, _, err = await relay("cert", "install", str(self.node.config), name, str(new))
        return code, err


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    network = Network.build(
        tmp_path / "n", (PLAN,), now=datetime.now(UTC), extra="[delivery]\ndrain = 1\n"
    )
    running = network.nodes["tinh"]
    node = Node(load(running.config))
    await node.start()
    async with at_socket(running.control) as operator:
        secret = await operator.issue_token(
            "office", ["agency:000.00.00.H01", "agency:000.00.15.H01"]
        )
        async with over_tls(running.native_url, network.root, secret) as office:
            place = Place(network, running, office, operator, node)
            yield place
    await place.process.stop()


async def relay(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_after_an_installation_receipts_seals_and_handshakes_are_the_new_certificates(
    place: Place,
) -> None:
    folder = place.network.folder / "pki"
    before = await place.send(1)
    old = {name: served(path) for name, path in _files(folder).items()}
    for name in ("sign", "000.00.00.H01", "tls"):
        assert (await place.install(name))[0] == 0
    after = await place.send(2)
    new = {name: served(path) for name, path in _files(folder).items()}

    assert signer(before[0]) == old["sign"] != new["sign"] == signer(after[0])
    assert certificates_in(before[1])[0] == old["agency"]
    assert certificates_in(after[1])[0] == new["agency"] != old["agency"]
    for receipt, seal, content in (before, after):  # both stay what they were
        verify_receipt(read_receipts(receipt, 1 << 20)[0], place.trust, None)
        verify_seal(seal, digest_of(content), place.trust, None)
    assert await shaken(place.node.native_port, place.network.root) == new["tls"] != old["tls"]
    assert await shaken(place.node.axis_port, place.network.root) == new["tls"]

    told = await place.told("certificate-renewed")
    assert [one["type"] for one in told] == ["sign", "000.00.00.H01", "tls"]
    assert told[0]["certificate"] == digest_of(new["sign"])
    assert told[0]["previous"] == digest_of(old["sign"])
    assert told[0]["by"].startswith("local:")


async def test_a_certificate_that_neighbours_would_refuse_is_not_installed(
    place: Place, tmp_path: Path
) -> None:
    config = str(place.node.config)
    before = served(_files(place.network.folder / "pki")["sign"])
    _, asked, _ = await relay("cert", "request", config, "sign")
    now = datetime.now(UTC)
    stranger = tmp_path / "other"
    pki.init(stranger, name="Khác", key=pki.KeyType.P256, now=now, days=9)
    pki.issue_branch(stranger, "b", key=pki.KeyType.P256, now=now, days=9)
    file = tmp_path / "new.pem"
    file.write_bytes(
        pki.sign_request(stranger, Path(asked.strip()).read_bytes(), "b", now=now, days=5)
    )
    code, out, err = await relay("cert", "install", config, "sign", str(file))
    assert (code, out) == (78, "")
    assert "would be refused: no path" in err
    authority = place.network.folder / "pki"
    pki.issue_branch(authority, "khac", key=pki.KeyType.P256, now=now, days=9, nodes=["khac"])
    beside = pki.sign_request(authority, Path(asked.strip()).read_bytes(), "khac", now=now, days=5)
    file.write_bytes(beside)
    code, _, err = await relay("cert", "install", config, "sign", str(file))
    assert (code, "its issuer certifies for khac" in err) == (78, True)
    assert served(_files(place.network.folder / "pki")["sign"]) == before
    assert signer((await place.send(3))[0]) == before


async def test_status_says_for_whom_until_when_and_what_is_asked_for(place: Place) -> None:
    config = str(place.node.config)
    await relay("cert", "request", config, "gateway")  # there is none: says so, changes nothing
    await relay("cert", "request", config, "sign")
    code, out, _ = await relay("cert", "status", config, "--json")
    found: list[dict[str, Any]] = json.loads(out)
    assert code == 0
    assert [(one["name"], one["speaks_for"]) for one in found] == [
        ("tls", ["tinh"]),
        ("sign", ["tinh"]),
        ("log", ["tinh"]),
        ("000.00.00.H01", ["000.00.00.H01", "H01"]),
        ("trust.roots", []),
        ("issuer", ["tinh"]),
    ]
    assert [one["days_left"] for one in found] == [29] * 6
    assert [one["state"] for one in found][1] == "ends soon, next asked for"
    assert Path(found[1]["request"]).exists()
    running = await place.certificates()
    assert [one["sha256"] for one in running] == [one["sha256"] for one in found]
    code, _, err = await relay("cert", "request", config, "seal")
    assert (code, "no certificate 'seal'" in err) == (78, True)


async def test_a_node_whose_certificates_end_within_thirty_days_says_so_when_it_starts(
    place: Place,
) -> None:
    """Also of the authority that issued them, and of the anchor that it trusts."""
    names = {"tls", "sign", "log", "000.00.00.H01", "issuer", "trust.roots"}
    async with asyncio.timeout(20):  # it says so while it is up already
        while len(told := await place.told("certificate-ends")) < len(names):
            await asyncio.sleep(0.05)
    assert {(one["type"], one["days"]) for one in told} == {(name, 29) for name in names}


async def test_a_key_that_only_the_kept_directory_binds_is_taken_up_by_each_start(
    place: Place,
) -> None:
    """An official's certificate names no agency: `relay directory bind` says whose it is, the
    configuration's files need not. Until something does, the start refuses it."""
    network, config = place.network, place.node.config
    made = pki.issue_official(
        network.folder / "pki", "van-thu", "tinh-h01",
        name="Văn thư Mẫu", key=pki.KeyType.P256, now=datetime.now(UTC), days=20,
    )  # fmt: skip
    key = made.with_name("van-thu.key.pem")
    words = ("directory", "bind", "H01.15", str(made), "--config", str(config), "--why", "khoá mới")
    assert (await relay(*words))[0] == 0
    await place.restart(f'\n[[keys.agencies]]\ncertificate = "{made}"\nkey = "{key}"\n')

    code, out, _ = await relay("cert", "status", str(config), "--json")
    named = {one["name"]: one["speaks_for"] for one in json.loads(out)}
    checked = await relay("config", "check", str(config))
    _, seal, content = await place.send(1, BACK)

    assert code == 0
    assert named["agencies.1"] == []
    assert (checked[0], "unless the directory that the node keeps" in checked[2]) == (0, True)
    assert certificates_in(seal)[0] == served(made)
    verify_seal(seal, digest_of(content), place.trust, None)

    new = made.with_name("van-thu.new.pem")
    new.write_bytes(_issued_anew(network.folder / "pki" / "branches" / "tinh-h01", key))
    code, _, err = await relay("cert", "install", str(config), "agencies.1", str(new))
    assert (code != 0, "in place, but not in use" in err, "names no agency" in err) == (True,) * 3
    assert (await relay(*words))[0] == 0  # what is in that place now
    code, out, err = await relay("cert", "reload", str(config))
    assert (code, out.split()[0]) == (0, "agencies.1"), err

    code, _, err = await relay(*words, "--remove")
    assert code == 0, err
    with pytest.raises(SettingsError, match=r"keys\.agencies\.1: the certificate names no agency"):
        await place.restart()


def _issued_anew(branch: Path, key_file: Path) -> bytes:
    """Another certificate of the same official, for the same key."""
    issuer, now = pki_files.load_issuer(branch / "ca.pem"), datetime.now(UTC)
    key = load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    profile = Profile("Official", "Văn thư Mẫu", (), vouches=True)
    span = Span(now - timedelta(minutes=1), now + timedelta(days=9))
    made = pki_profiles.end_entity(profile, key, issuer, span)
    return b"".join(one.public_bytes(Encoding.PEM) for one in (made, issuer.certificate))


def _files(folder: Path) -> dict[str, Path]:
    return {
        "tls": folder / "nodes" / "tinh" / "tls.pem",
        "sign": folder / "nodes" / "tinh" / "sign.pem",
        "agency": folder / "agencies" / "H01.pem",
    }


def served(path: Path) -> bytes:
    """The first certificate of a file, DER."""
    return certificates_of(path.read_bytes())[0]


def signer(container: bytes) -> bytes:
    return certificates_in(read_receipts(container, 1 << 20)[0].signature)[0]


async def shaken(port: int, root: Path) -> bytes:
    """What a new connection is shown."""
    context = ssl.create_default_context(cafile=str(root))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found

"""A whole node's log judged from the terminal: by witnesses that are configured or named, with a renewed certificate."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from relay.audit.checkpoint import head_of
from relay.audit.checkpoint import vkey as vkey_of
from relay.audit.cosignature import COSIGNATURE, cosign
from relay.audit.proof_file import read_proof
from relay.cli.main import app
from relay.demo.native import at_socket
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.model import Tier
from relay.node.node import Node
from relay.offline import own_log_key
from relay.settings.reading import load
from relay.signing import pki, renewal
from relay.signing.trust import certificates_of

PLAN = NodePlan(
    "tinh",
    Tier.PROVINCE,
    None,
    "tinh-h01",
    (AgencyPlan("H01", "UBND tỉnh Mẫu", Tier.PROVINCE, "000.00.00.H01"),),
)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = STRANGER.public_key().public_bytes_raw()
NAME = "witness.example/w1"
VKEY = vkey_of(NAME, PUBLIC, COSIGNATURE)
CONFIGURED = f'[[log.witnesses]]\nurl = "http://127.0.0.1:9/"\nvkey = "{VKEY}"\n'


def relay(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


async def _proof(running: RunningNode) -> bytes:
    async with at_socket(running.control) as operator:
        url = operator.base_url + "/v1/audit/entries/0/proof"
        async with operator.session.get(url) as answer:
            assert answer.status == 200
            return await answer.read()


async def _renewed(running: RunningNode, authority: Path) -> bytes:
    """The log's key is certified anew, and the node told so; the new certificate in DER."""
    log = load(running.config).keys.log
    place = renewal.Place(log.certificate, log.key)
    request = renewal.request(place, same_key=True).read_bytes()
    made = pki.sign_request(authority, request, "tinh-h01", now=datetime.now(UTC), days=20)
    renewal.install(place, made, datetime.now(UTC))
    async with at_socket(running.control) as operator:
        url = operator.base_url + "/v1/certificates/reload"
        async with operator.session.post(url, json={}) as answer:
            assert answer.status == 200, await answer.read()
    return certificates_of(made)[0]


def _cosigned(data: Path, *, lie: bool = False) -> None:
    """By a witness that is no neighbour, in the journal's table."""
    with closing(sqlite3.connect(data / "journal.sqlite")) as connection, connection:
        (note,) = connection.execute("SELECT note FROM log_head").fetchone()
        sign = (lambda _: bytes(64)) if lie else STRANGER.sign
        head, line = head_of(note), cosign(note, NAME, PUBLIC, sign, datetime.now(UTC))
        connection.execute(
            "INSERT OR REPLACE INTO cosignatures VALUES (?, ?, ?, ?, ?, 0)",
            (NAME, head.origin, head.size, note, line),
        )


async def test_a_log_is_judged_by_what_is_configured_named_and_renewed(tmp_path: Path) -> None:
    """Proofs carry the certificate in use; verify and fsck know the configured witnesses, and those named."""
    network = Network.build(tmp_path / "n", (PLAN,), now=datetime.now(UTC))
    running = network.nodes["tinh"]
    node = Node(load(running.config))
    await node.start()
    try:
        before = read_proof(await _proof(running)).chain
        fresh = await _renewed(running, tmp_path / "n" / "pki")
        proof = await _proof(running)
    finally:
        await node.stop()
    after = read_proof(proof).chain
    assert fresh not in before
    assert after[0] == fresh

    file = tmp_path / "e.tlog-proof"
    file.write_bytes(proof)
    judged = relay("audit", "check-proof", file, "--root", network.root, "--json")
    assert judged.exit_code == 0, judged.stderr
    outcomes = {one["what"]: one["outcome"] for one in json.loads(judged.stdout)}
    assert outcomes["key"] == "holds"
    assert (outcomes["witnesses"], outcomes["revocation"]) == ("unknown", "unknown")
    own = load(running.config).keys.log.certificate
    missed = relay("audit", "check-proof", file, "--root", network.root, "--witness", own)
    assert missed.exit_code == 65
    assert "no cosignature by truc-relay.example/witness/tinh" in missed.stdout
    assert (
        relay("audit", "check-proof", file, "--root", network.root, "--witness", "x+y").exit_code
        == 64
    )

    data, config = running.folder / "data", running.config
    _cosigned(data)
    unknown = json.loads(relay("audit", "verify", config, "--json").stdout)
    assert (unknown["cosignatures"], unknown["cosignatures_unjudged"]) == (0, 1)
    named = json.loads(relay("audit", "verify", config, "--json", "--witness", VKEY).stdout)
    assert (named["cosignatures"], named["cosignatures_unjudged"]) == (1, 0)
    _, key = own_log_key(load(config))
    copied = ("audit", "fsck", data, "--vkey", vkey_of(key.name, key.public_key), "--json")
    assert _kept(relay(*copied)) == "unknown"
    assert _kept(relay(*copied, "--witness", VKEY)) == "holds"

    config.write_text(config.read_text(encoding="utf-8") + CONFIGURED, encoding="utf-8")
    known = json.loads(relay("audit", "verify", config, "--json").stdout)
    assert (known["cosignatures"], known["cosignatures_unjudged"]) == (1, 0)
    assert _kept(relay("audit", "fsck", config, "--json")) == "holds"
    _cosigned(data, lie=True)
    refused = relay("audit", "verify", config)
    assert refused.exit_code == 65
    assert f"the cosignature by {NAME} does not hold" in refused.stderr
    assert _kept(relay("audit", "fsck", config, "--json")) == "damaged"


async def test_fsck_advises_no_restore_before_the_first_start_with_a_new_log_key(
    tmp_path: Path,
) -> None:
    """The new pair is named, and nothing is wrong: what the start will do is said."""
    network = Network.build(tmp_path / "n", (PLAN,), now=datetime.now(UTC))
    running = network.nodes["tinh"]
    node = Node(load(running.config))
    await node.start()
    await node.stop()
    pair = load(running.config).keys.log
    elsewhere = shutil.copytree(network.folder / "pki", tmp_path / "pki")
    shutil.rmtree(elsewhere / "nodes")
    pki.issue_node(
        elsewhere, "tinh", "tinh-h01", key=pki.KeyType.P256, now=datetime.now(UTC), days=9
    )
    pair.certificate.rename(pair.certificate.with_name("log.before.pem"))
    pair.key.rename(pair.key.with_name("log.before.key.pem"))
    for name in ("log.pem", "log.key.pem"):
        shutil.copy2(elsewhere / "nodes" / "tinh" / name, pair.key.with_name(name))

    done = relay("audit", "fsck", running.config)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "unknown  journal, epoch 0" in done.stdout
    assert "under which no epoch has begun here" in done.stdout
    assert "relay restore" not in done.stderr
    assert "start it: that begins the epoch of that key" in done.stderr

    node = Node(load(running.config))
    await node.start()
    await node.stop()
    done = relay("audit", "fsck", running.config)
    assert (done.exit_code, "remark" in done.stderr, "unknown" in done.stdout) == (0, False, False)


def _kept(result: Result) -> str:
    states = {one["store"]: one["condition"] for one in json.loads(result.stdout)}
    return str(states["cosignatures kept"])

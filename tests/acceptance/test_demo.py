"""`relay demo` as people run it: a process, its output, its exit code, and what it leaves behind."""

from __future__ import annotations

import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import aiohttp
import pytest

from relay.demo import checks, plan, run
from relay.demo.native import NativeClient
from relay.demo.story import Story
from relay.envelope.reader import read
from relay.errors import AuditError, TransportError
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 90.0
NEEDED = {"SubmissionAcceptance", "RelayAcceptance", "ContentConsignment", "ContentHandover"}


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command, with temporary files below `folder`; killed if the test leaves it running."""
    with (folder / "progress").open("w") as progress:
        process = subprocess.Popen(
            [sys.executable, "-m", "relay", "demo", *options],
            stdout=subprocess.PIPE,
            stderr=progress,
            text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def first_line(stream: IO[str] | None) -> str:
    """The next line, within a bounded time."""
    assert stream is not None
    ready, _, _ = select.select([stream], [], [], PATIENCE_SECONDS)
    assert ready, "nothing was printed"
    return stream.readline()


def gone(pid: int, seconds: float) -> bool:
    """Whether the process ends within that time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not Path(f"/proc/{pid}/cmdline").exists() or b"State:\tZ" in _status(pid):
            return True
        time.sleep(0.05)
    return False


def _status(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return b"State:\tZ"


@pytest.fixture
def short_tmp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short name: a control socket's path has 107 characters at the most."""
    return tmp_path_factory.mktemp("d")


# ---------------------------------------------------------------- the whole demo


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON object of one run that ended well."""
    folder = tmp_path_factory.mktemp("d")
    with demo(folder, "--json") as process:
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    progress = (folder / "progress").read_text()
    assert process.returncode == 0, progress
    assert progress.count("✓") >= 12
    found = json.loads(out)
    kept = Path(found["evidence"]["path"]).parent.name
    left = {path.name for path in folder.iterdir()}
    assert left == {"progress", kept}, "all but the evidence is removed"
    assert isinstance(found, dict)
    return found


def test_the_demo_holds_in_all_it_claims(told: dict[str, Any]) -> None:
    """Nothing but JSON is printed, and it says that everything holds."""
    assert told["ok"] is True
    assert told["duplicates"] == 0
    assert all(check["holds"] for check in told["checks"])
    assert "endpoints" not in told


def test_a_stranger_judges_the_evidence_after_the_demo(
    told: dict[str, Any], tmp_path: Path
) -> None:
    """The file stays, and holds with the root alone: seal, receipts, the log's word for each, statuses."""
    for one in told["evidence"].values():
        shutil.copy(one, tmp_path)
    file, root = (Path(told["evidence"][name]).name for name in ("path", "root"))
    command = [sys.executable, "-m", "relay", "evidence", "verify", file, "--root", root, "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)
    kinds = Counter(step["what"] for step in steps)
    assert kinds["receipt"] == kinds["proof"] > 4
    assert kinds["status"] == 6
    assert all(step["cosigned_by"] for step in steps if step["what"] == "proof")
    assert next(step["outcome"] for step in steps if step["what"] == "hops") == "holds"


def test_every_document_arrived_as_it_was_sent(told: dict[str, Any]) -> None:
    """Two documents for two recipients: four journeys, each with the same bytes at both ends."""
    to = {office.written for office in plan.RECEIVERS}
    assert len(told["documents"]) == 4
    assert {document["to"] for document in told["documents"]} == to
    assert len({document["message_id"] for document in told["documents"]}) == 2
    assert len({document["doc_id"] for document in told["documents"]}) == 4
    for document in told["documents"]:
        assert document["from"] == plan.SENDER.written
        assert document["sha256_sent"] == document["sha256_received"]
        assert len(document["sha256_sent"]) == 64


def test_every_journey_has_its_hops_and_verified_receipts(told: dict[str, Any]) -> None:
    """From the commune over district and province, and to the centre for the ministry."""
    ways = {
        "000.00.00.G22": [plan.COMMUNE, plan.DISTRICT, plan.PROVINCE, plan.CENTRAL],
        "H01.151": [plan.COMMUNE, plan.DISTRICT, plan.PROVINCE],
    }
    for document in told["documents"]:
        way = ways[document["to"]]
        assert [hop["node"] for hop in document["hops"]] == way
        times = [datetime.fromisoformat(hop["at"]) for hop in document["hops"]]
        assert times == sorted(times)
        assert all(hop["event"] and len(hop["receipt"]) == 64 for hop in document["hops"])
        assert all(receipt["verified"] is True for receipt in document["receipts"])
        assert {receipt["event"] for receipt in document["receipts"]} == NEEDED
        relays = [r["issuer"] for r in document["receipts"] if r["event"] == "RelayAcceptance"]
        assert relays == way[1:]


def test_every_status_came_back(told: dict[str, Any]) -> None:
    """Each recipient's 01, 03 and 06, once each."""
    for document in told["documents"]:
        codes = [status["status_code"] for status in document["statuses"]]
        assert sorted(codes) == ["01", "03", "06"]
        assert {status["sender"] for status in document["statuses"]} == {document["to"]}
        assert all(datetime.fromisoformat(status["at"]) for status in document["statuses"])


def test_the_province_was_killed_and_every_log_verifies(told: dict[str, Any]) -> None:
    """Four nodes of four tiers; only the province died."""
    nodes = {node["name"]: node for node in told["nodes"]}
    assert {node["tier"] for node in told["nodes"]} == {
        "central",
        "province",
        "district",
        "commune",
    }
    assert all(node["audit_verified"] is True for node in told["nodes"])
    assert all(node["audit_entries"] > 10 for node in told["nodes"])
    assert {name for name, node in nodes.items() if node["killed"]} == {plan.PROVINCE}


# ---------------------------------------------------------------- --keep


def test_over_a_bridge_the_remote_hop_is_marked_as_without_evidence(short_tmp: Path) -> None:
    """`--bridge --json`: exit 0 only if everything holds, and the ministry's end proves nothing by itself."""
    with demo(short_tmp, "--bridge", "--json") as process:
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, (short_tmp / "progress").read_text()
    found = json.loads(out)
    assert found["ok"] is True
    assert len(found["checks"]) == 10
    assert {node["name"] for node in found["nodes"]} >= {plan.CENTRAL, plan.MINISTRY_NODE}
    for document in found["documents"]:
        assert document["sha256_sent"] == document["sha256_received"]
        remotes = {r["event"]: r["remote"] for r in document["receipts"] if r["remote"]}
        last = document["hops"][-1]
        if document["to"] != "000.00.00.G22":
            assert (remotes, last["evidence"]) == ({}, "signed")
            continue
        assert (last["node"], last["evidence"]) == (plan.BRIDGE, "none")
        assert remotes.keys() >= {"RelayToNonERDS", "ContentHandover"}
        assert set(remotes.values()) == {plan.BRIDGE}


async def test_kept_nodes_answer_until_they_are_interrupted(short_tmp: Path) -> None:
    """The endpoints that are told work; SIGINT stops every node, clears up and is a success."""
    with demo(short_tmp, "--json", "--keep") as process:
        told = json.loads(first_line(process.stdout))
        assert told["ok"] is True
        endpoints = {endpoint["node"]: endpoint for endpoint in told["endpoints"]}
        assert set(endpoints) == {node.name for node in plan.NODES}
        for endpoint in endpoints.values():
            assert Path(endpoint["config"]).is_file()
            await answers(endpoint)
        for document in told["documents"]:
            await fetchable(endpoints, document)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert out == "", "one object and nothing else"
    assert all(gone(endpoint["pid"], 0.5) for endpoint in endpoints.values())
    kept = Path(told["evidence"]["path"]).parent.name
    assert {path.name for path in short_tmp.iterdir()} == {"progress", kept}


async def answers(endpoint: dict[str, Any]) -> None:
    """Both faces, with what the endpoint says of secrets, tokens and the root certificate."""
    connector = aiohttp.TCPConnector(ssl=face_client_context(Path(endpoint["ca"])))
    async with aiohttp.ClientSession(connector=connector) as session:
        client = AxisClient(
            endpoint["axis_url"],
            endpoint["systemid"],
            endpoint["secret"].encode(),
            session,
            now=datetime.now(UTC),
        )
        assert await client.received_list() == [], "everything is acknowledged"
        for token, may in ((endpoint["token"], 403), (endpoint["operator_token"], 200)):
            headers = {"Authorization": f"Bearer {token}"}
            native = endpoint["native_url"]
            async with session.get(f"{native}/v1/deliveries", headers=headers) as response:
                assert response.status == 200
            async with session.get(f"{native}/v1/tokens", headers=headers) as response:
                assert response.status == may


async def fetchable(endpoints: dict[str, Any], document: dict[str, Any]) -> None:
    """The recipient's token gets the very document from its own node."""
    node = next(office.node for office in plan.RECEIVERS if office.written == document["to"])
    endpoint = endpoints[node]
    connector = aiohttp.TCPConnector(ssl=face_client_context(Path(endpoint["ca"])))
    headers = {"Authorization": f"Bearer {endpoint['token']}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        url = f"{endpoint['native_url']}/v1/deliveries/{document['doc_id']}/envelope"
        async with session.get(url) as response:
            envelope = read(await response.read())
    assert envelope.digest == document["sha256_sent"]
    assert envelope.attachments[0].name.endswith(".pdf")


@pytest.mark.skipif(sys.platform != "linux", reason="skipped: a Linux promise")
def test_nodes_do_not_outlive_a_demo_that_was_killed(short_tmp: Path) -> None:
    """kill -9 of the demo is a SIGTERM to its nodes."""
    with demo(short_tmp, "--json", "--keep") as process:
        endpoints = json.loads(first_line(process.stdout))["endpoints"]
        process.kill()
        process.wait(PATIENCE_SECONDS)
        assert all(gone(endpoint["pid"], 20) for endpoint in endpoints)


# ---------------------------------------------------------------- when it does not hold


def test_a_demo_that_is_interrupted_is_no_success_and_leaves_nothing(short_tmp: Path) -> None:
    """SIGTERM while the nodes start: exit 1, JSON that says so, nodes stopped, folder removed."""
    with demo(short_tmp, "--json") as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not list(short_tmp.glob("relay-demo-*/*/node.log")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.terminate()
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    told = json.loads(out)
    assert process.returncode == 1
    assert (told["ok"], told["error"]) == (False, "interrupted")
    assert [path.name for path in short_tmp.iterdir()] == ["progress"]


def test_a_step_that_fails_is_named_and_the_folder_kept(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1, the step and where the logs are, on the stream for people and in the JSON."""

    async def fail(self: Story) -> None:
        raise TransportError("documents for H01.151: not within 30 s: nothing listed")

    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp))
    monkeypatch.setattr(Story, "play", fail)
    out, err = io.StringIO(), io.StringIO()
    assert run(as_json=True, out=out, err=err) == 1
    told = json.loads(out.getvalue())
    assert told["ok"] is False
    assert "documents for H01.151: not within 30 s" in told["error"]
    assert "documents for H01.151: not within 30 s" in err.getvalue()
    assert told["folder"] in err.getvalue()
    logs = list(Path(told["folder"]).glob("*/node.log"))
    assert len(logs) == len(plan.NODES)
    assert all(b"node-stopped" in log.read_bytes() for log in logs)


def test_what_does_not_hold_is_found_and_the_demo_fails(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed receipt, a seal of other bytes, an edited log and a double delivery: four checks."""
    receipt, deliveries = NativeClient.receipt, NativeClient.every_delivery

    async def changed_receipt(self: NativeClient, digest: str) -> bytes:
        container = await receipt(self, digest)
        at = container.index(b"</Document>") - 12
        return (
            container[:at]
            + (b"A" if container[at : at + 1] != b"A" else b"B")
            + container[at + 1 :]
        )

    async def no_seal(self: NativeClient, delivery_id: str) -> bytes:
        return b"<Signature/>"

    async def doubled(self: NativeClient) -> list[dict[str, Any]]:
        return 2 * await deliveries(self)

    def edited(config: Path) -> None:
        raise AuditError("the row was edited", 7)

    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp))
    monkeypatch.setattr(NativeClient, "receipt", changed_receipt)
    monkeypatch.setattr(NativeClient, "delivery_seal", no_seal)
    monkeypatch.setattr(NativeClient, "every_delivery", doubled)
    monkeypatch.setattr(checks, "verify_whole_log", edited)
    out, err = io.StringIO(), io.StringIO()
    assert run(as_json=True, out=out, err=err) == 1
    told = json.loads(out.getvalue())
    assert told["ok"] is False
    failed = {check["what"] for check in told["checks"] if not check["holds"]}
    assert failed == {
        "every receipt verifies offline",
        "every seal verifies offline",
        "every node's audit log verifies",
        "nothing arrived twice",
    }
    assert not any(r["verified"] for d in told["documents"] for r in d["receipts"])
    assert not any(node["audit_verified"] for node in told["nodes"])
    assert told["duplicates"] == 2 * 2 + 3 * 4
    kept = {Path(told["evidence"]["path"]).parent.name, Path(err.getvalue().split()[-1]).name}
    assert {path.name for path in short_tmp.iterdir()} == kept


def test_people_get_tables_and_checks(short_tmp: Path) -> None:
    """Without --json: the hops with their times, the logs and a line for each check."""
    with demo(short_tmp) as process:
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    for text in (*NEEDED, plan.PROVINCE, "status 06 arrived", "verifies"):
        assert text in out
    assert out.count("✓") == 8
    assert "✗" not in out

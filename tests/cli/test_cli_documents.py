"""A document's life at the terminal: sealed, sent, listed, fetched, acknowledged, tracked, verified."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from relay.signing import pki

As = Callable[..., Result]
Letter = Callable[..., Path]


def data(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_send_prints_the_message_id_and_nothing_else_on_stdout(as_: As, letter: Letter) -> None:
    """`id=$(relay send FILE)` works; a repeat prints the same id."""
    first, second = as_("sender", "send", letter()), as_("sender", "send", letter())

    assert first.exit_code == 0
    assert len(first.stdout.strip()) == 36
    assert first.stdout == second.stdout
    assert "durably" in first.stderr
    assert "before" in second.stderr


def test_recipients_and_key_are_passed_on(as_: As, live: Any, letter: Letter) -> None:
    """--to may be repeated; the idempotency key refuses other content."""
    sent = as_("sender", "send", letter(), "--to", "000.00.20.H13", "--to", "000.00.15.H51",
               "--idempotency-key", "k1")  # fmt: skip
    other = as_("sender", "send", letter("khác"), "--idempotency-key", "k1")

    assert sent.exit_code == 0
    assert live.world.submissions[0].declared_to == ("000.00.20.H13", "000.00.15.H51")
    assert (other.exit_code, other.stdout) == (65, "")


def test_an_agency_seals_and_hands_its_seal_in(
    relay: Callable[..., Result], as_: As, live: Any, letter: Letter, pki_folder: Path, root: Path
) -> None:
    """What `relay seal` makes beside the file goes in with it, and verifies against the root."""
    file, pair = letter(filler=200_000), pki_folder / "agencies" / "000.00.20.H13"
    made = relay("seal", file, "--cert", f"{pair}.pem", "--key", f"{pair}.key.pem")
    assert made.exit_code == 0, made.stderr
    seal = Path(made.stdout.strip())
    sent = as_("sender", "send", file, "--seal", seal)
    judged = relay("verify", file, seal, "--root", root, "--json")

    assert sent.exit_code == 0, sent.stderr
    assert live.world.submissions[0].seal == seal.read_bytes()
    (verdict,) = data(judged)
    assert (verdict["verdict"], verdict["kind"], verdict["by"]) == (
        "VALID",
        "agency-supplied",
        "000.00.20.H13",
    )
    assert verdict["notes"] == []


def test_what_is_no_envelope_is_not_sealed(
    relay: Callable[..., Result], pki_folder: Path, tmp_path: Path
) -> None:
    """Whoever seals the wrong file learns it at once: exit 65, no seal."""
    pair = pki_folder / "agencies" / "000.00.20.H13"
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"\xff\xd8 not edXML")
    made = relay("seal", file, "--cert", f"{pair}.pem", "--key", f"{pair}.key.pem")

    assert made.exit_code == 65
    assert list(tmp_path.iterdir()) == [file]


def test_another_agencys_document_is_not_sealed_by_mistake(
    relay: Callable[..., Result], letter: Letter, pki_folder: Path
) -> None:
    """The certificate must name the From; an option is for the other code of the same agency."""
    file, pair = letter(), pki_folder / "agencies" / "000.00.20.H13"
    file.write_text(file.read_text().replace("<OrganId>000.00.20.H13", "<OrganId>H13.20", 1))
    args = ("seal", file, "--cert", f"{pair}.pem", "--key", f"{pair}.key.pem")
    refused = relay(*args)

    assert refused.exit_code == 65
    assert "From H13.20, the certificate speaks for 000.00.20.H13" in refused.stderr
    assert "--other-sender" in refused.stderr
    assert relay(*args, "--other-sender").exit_code == 0


def test_a_certificate_that_names_no_agency_seals_and_is_judged_as_such(
    relay: Callable[..., Result],
    letter: Letter,
    pki_folder: Path,
    root: Path,
    tmp_path: Path,
) -> None:
    """As the Government's authority issues them: offline nobody can say whose it is."""
    folder = tmp_path / "pki"
    shutil.copytree(pki_folder, folder)
    now = datetime(2026, 11, 2, tzinfo=UTC)
    cert = pki.issue_official(folder, "mau", "mau", key=pki.KeyType.P256, now=now, days=600)
    file = letter()
    args = ("seal", file, "--cert", cert, "--key", cert.with_suffix(".key.pem"))
    assert relay(*args).exit_code == 65

    made = relay(*args, "--other-sender")
    judged = relay("verify", file, Path(made.stdout.strip()), "--root", root, "--json")

    (verdict,) = data(judged)
    assert (verdict["verdict"], verdict["by"]) == ("VALID", "")
    assert verdict["notes"] == [
        "the certificate names no agency: only a signed directory says whose it is"
    ]


def test_a_certificate_that_is_not_there_is_66(
    relay: Callable[..., Result], letter: Letter, tmp_path: Path
) -> None:
    """As any file that is named and missing."""
    none = tmp_path / "none.pem"
    assert relay("seal", letter(), "--cert", none, "--key", none).exit_code == 66


def test_a_repeat_with_a_seal_is_told_which_seal_stands(
    relay: Callable[..., Result], as_: As, letter: Letter, pki_folder: Path
) -> None:
    """The first message stands as it is, so the seal given now is not kept: no silence about that."""
    file, pair = letter(), pki_folder / "agencies" / "000.00.20.H13"
    first = as_("sender", "send", file)
    seal = relay("seal", file, "--cert", f"{pair}.pem", "--key", f"{pair}.key.pem").stdout.strip()
    again = as_("sender", "send", file, "--seal", seal)

    assert again.stdout == first.stdout
    assert (
        "the first message stands, sealed as node: the seal given now is not kept" in again.stderr
    )


def test_a_seal_is_never_written_over_another(
    relay: Callable[..., Result], letter: Letter, pki_folder: Path
) -> None:
    """It may be evidence by now: exit 73."""
    pair = pki_folder / "agencies" / "000.00.20.H13"
    args = ("seal", letter(), "--cert", f"{pair}.pem", "--key", f"{pair}.key.pem")

    assert [relay(*args).exit_code for _ in range(2)] == [0, 73]


def test_the_inbox_lists_fetches_and_acknowledges(as_: As, letter: Letter, tmp_path: Path) -> None:
    """The fetched file is byte for byte what was sent; once acknowledged it leaves the open list."""
    file = letter(filler=200_000)
    as_("sender", "send", file)
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    got, seal = tmp_path / "got.edxml", tmp_path / "got.seal.xml"
    fetched = as_("recipient", "fetch", item["delivery_id"], "-o", got, "--seal", seal, "--ack")

    assert fetched.exit_code == 0, fetched.stderr
    assert fetched.stdout.strip() == str(got)
    assert got.read_bytes() == file.read_bytes()
    assert seal.read_bytes().startswith(b"<ds:Signature")
    assert not (tmp_path / "got.edxml.part").exists()
    assert data(as_("recipient", "inbox", "--json"))["deliveries"] == []
    assert len(data(as_("recipient", "inbox", "--list", "all", "--json"))["deliveries"]) == 1


def test_a_document_has_its_name_on_the_disk_before_it_is_acknowledged(
    as_: As, letter: Letter, live: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever said `done` is not sent it again: a power cut must not leave it under another name."""
    as_("sender", "send", letter())
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    target, seen = tmp_path / "got.edxml", []
    real = os.fsync

    def fsync(file: int) -> None:
        real(file)
        if stat.S_ISDIR(os.fstat(file).st_mode):
            states = [i.state.value for k in live.world.kept.values() for i in k.items.values()]
            seen.append((target.exists(), states))

    monkeypatch.setattr(os, "fsync", fsync)
    fetched = as_("recipient", "fetch", item["delivery_id"], "--output", target, "--ack")

    assert fetched.exit_code == 0, fetched.stderr
    assert seen == [(True, ["fetched"])]


def test_the_inbox_table_names_number_and_subject(as_: As, letter: Letter) -> None:
    """For people: one line a document, whole ids even into a pipe."""
    as_("sender", "send", letter())
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    lines = as_("recipient", "inbox").stdout.splitlines()

    assert len(lines) == 2
    assert item["delivery_id"] in lines[1]
    assert "12/SM-VP" in lines[1]
    assert "V/v họp giao ban" in lines[1]


@pytest.mark.parametrize("have", ["half", "all", "other"])
def test_an_interrupted_fetch_goes_on(as_: As, letter: Letter, tmp_path: Path, have: str) -> None:
    """What is there already is kept; a part of something else, longer, is thrown away."""
    file = letter(filler=200_000)
    as_("sender", "send", file)
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    content, got = file.read_bytes(), tmp_path / "got"
    part = {"half": content[:90_000], "all": content, "other": b"x" * 300_000}[have]
    (tmp_path / "got.part").write_bytes(part)

    assert as_("recipient", "fetch", item["delivery_id"], "-o", got).exit_code == 0
    assert got.read_bytes() == content


def test_a_wrong_part_is_noticed_by_digest(as_: As, letter: Letter, tmp_path: Path) -> None:
    """Exit 65, the part is gone, and fetching again succeeds."""
    as_("sender", "send", letter(filler=200_000))
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    (tmp_path / "got.part").write_bytes(b"x" * 1000)
    codes = [
        as_("recipient", "fetch", item["delivery_id"], "-o", tmp_path / "got").exit_code
        for _ in range(2)
    ]

    assert codes == [65, 0]


def test_fetch_never_overwrites(as_: As, letter: Letter, tmp_path: Path) -> None:
    """Exit 73, and the file is as it was."""
    as_("sender", "send", letter())
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    (tmp_path / "got").write_text("mine")

    assert as_("recipient", "fetch", item["delivery_id"], "-o", tmp_path / "got").exit_code == 73
    assert (tmp_path / "got").read_text() == "mine"


def test_acknowledging_by_itself(as_: As, letter: Letter) -> None:
    """`fail` with a reason keeps it at the recipient's disposal; nonsense is a usage error."""
    as_("sender", "send", letter())
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    said = as_(
        "recipient", "ack", item["delivery_id"], "fail", "--reason", "không mở được", "--json"
    )

    assert data(said)["acknowledgement"] == "fail"
    assert as_("recipient", "ack", item["delivery_id"], "maybe").exit_code == 64


def test_track_shows_the_way_and_keeps_the_evidence(
    relay: Callable[..., Result], as_: As, letter: Letter, tmp_path: Path, root: Path
) -> None:
    """What --save keeps verifies offline with nothing but the root."""
    file, kept = letter(), tmp_path / "kept"
    message = as_("sender", "send", file).stdout.strip()
    shown = as_("sender", "track", message, "--save", kept)
    (kept / "envelope.edxml").write_bytes(file.read_bytes())
    judged = relay("verify", kept, "--root", root, "--json")

    assert shown.exit_code == 0, shown.stderr
    for word in ("available", "SubmissionAcceptance", "ContentConsignment", "tinh-h01", "12/SM-VP"):
        assert word in shown.stdout
    assert sorted(p.relative_to(kept).as_posix() for p in kept.rglob("*.xml")) == [
        "01-tinh-h01/receipt.xml",
        "01-tinh-h01/signature.xml",
        "02-tinh-h01/receipt.xml",
        "02-tinh-h01/signature.xml",
        "seal.xml",
    ]
    verdicts = data(judged)
    assert [v["verdict"] for v in verdicts] == ["VALID"] * 3
    assert {v["what"] for v in verdicts} == {"seal", "receipt"}
    assert all(v["revocation"] == "UNKNOWN" for v in verdicts)
    assert all(v.get("message_id", message) == message for v in verdicts)
    assert as_("sender", "track", message, "--save", kept).exit_code == 73


def test_track_as_json_is_the_apis_view(as_: As, letter: Letter) -> None:
    """For programs."""
    message = as_("sender", "send", letter()).stdout.strip()

    assert data(as_("sender", "track", message, "--json"))["message_id"] == message


def evidence(as_: As, letter: Letter, tmp_path: Path) -> Path:
    file = letter()
    message = as_("sender", "send", file).stdout.strip()
    as_("sender", "track", message, "--save", tmp_path / "kept")
    (tmp_path / "kept" / "envelope.edxml").write_bytes(file.read_bytes())
    return tmp_path / "kept"


@pytest.mark.parametrize(
    "changed",
    [
        "envelope.edxml",
        "01-tinh-h01/receipt.xml",
        "02-tinh-h01/signature.xml",
    ],
)
def test_a_changed_byte_is_found(
    relay: Callable[..., Result], as_: As, letter: Letter, tmp_path: Path, root: Path, changed: str
) -> None:
    """Exit 65; the changed pair is named, the others stay valid, if they are about this envelope."""
    kept = evidence(as_, letter, tmp_path)
    content = bytearray((kept / changed).read_bytes())
    content[len(content) // 2] ^= 1
    (kept / changed).write_bytes(content)
    result = relay("verify", kept, "--root", root, "--json")
    verdicts = json.loads(result.stdout)

    assert result.exit_code == 65
    bad = [v for v in verdicts if v["verdict"] == "INVALID"]
    still_valid = 0 if changed == "envelope.edxml" else 2
    assert [v["verdict"] for v in verdicts].count("VALID") == still_valid
    assert any(str(kept / changed) in v["files"] for v in bad)


def test_receipts_about_another_envelope_are_no_evidence_for_this_one(
    relay: Callable[..., Result], as_: As, letter: Letter, tmp_path: Path, root: Path
) -> None:
    """They are genuine, and said to be about something else; exit 65."""
    kept = evidence(as_, letter, tmp_path)
    (kept / "envelope.edxml").unlink()
    assert relay("verify", kept / "01-tinh-h01", "--root", root).exit_code == 0
    other = letter(subject="V/v việc khác")
    result = relay("verify", kept / "01-tinh-h01", other, "--root", root)

    assert result.exit_code == 65
    assert "INVALID receipt: about another envelope than the one given" in result.stdout


def test_a_refused_fetch_leaves_no_file(as_: As, tmp_path: Path) -> None:
    """Neither the document nor an empty part of it."""
    assert as_("recipient", "fetch", "nope", "-o", tmp_path / "got").exit_code == 66
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("got")] == []


def test_a_fetch_goes_on_after_each_cut(
    as_: As,
    relay: Callable[..., Result],
    live: Any,
    letter: Letter,
    tmp_path: Path,
    thin_link: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In one command, as long as each connection brings something; nothing is fetched twice."""
    monkeypatch.setattr("relay.cli.download.AGAIN_SECONDS", 0.01)
    document = letter(filler=1_000_000)
    as_("sender", "send", document)
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    link = thin_link(int(live.url.rpartition(":")[2]), cut_after=200_000)
    live.do(link.__aenter__())
    target = tmp_path / "got"
    url = f"http://127.0.0.1:{link.listening}"

    result = relay("fetch", item["delivery_id"], "-o", target, "--url", url, "--token", "recipient")
    live.do(link.__aexit__())

    assert result.exit_code == 0, result.stderr
    assert target.read_bytes() == document.read_bytes()
    assert link.cuts >= 4
    assert link.down_bytes < 1.2 * document.stat().st_size
    assert "going on from there" in result.stderr


def test_a_fetch_over_a_link_that_brings_nothing_ends(
    as_: As,
    relay: Callable[..., Result],
    live: Any,
    letter: Letter,
    tmp_path: Path,
    thin_link: Any,
) -> None:
    """And leaves neither the document nor a part of it."""
    as_("sender", "send", letter(filler=100_000))
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    link = thin_link(int(live.url.rpartition(":")[2]), cut_after=1)
    live.do(link.__aenter__())
    url = f"http://127.0.0.1:{link.listening}"

    result = relay(
        "fetch", item["delivery_id"], "-o", tmp_path / "got", "--url", url, "--token", "recipient"
    )
    live.do(link.__aexit__())

    assert result.exit_code == 75
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("got")] == []


def test_people_read_vietnams_time(as_: As, letter: Letter) -> None:
    """Wherever the terminal stands; the header says which zone it is."""
    message = as_("sender", "send", letter()).stdout.strip()
    view = data(as_("sender", "track", message, "--json"))
    at = datetime.fromisoformat(view["accepted_at"]).astimezone(timezone(timedelta(hours=7)))
    shown = as_("sender", "track", message).stdout

    assert f"accepted {at:%Y-%m-%d %H:%M:%S} +07:00" in shown
    assert "AT (+07:00)" in shown
    header = as_("recipient", "inbox").stdout.splitlines()[0]
    assert "ARRIVED (+07:00)" in header
    assert "TYPE" in header


def test_only_the_origin_is_said_to_have_accepted() -> None:
    """A node further on knows no receipt of the origin's: there the document arrived."""
    from relay.cli.track import _came

    view = {"origin": "xa-mau", "deliveries": [{"receipts": [{"issuer": "tinh-mau"}]}]}
    assert _came(view) == "arrived here"
    assert _came({**view, "origin": "tinh-mau"}) == "accepted"
    assert _came({**view, "deliveries": []}) == "accepted"


def test_another_root_proves_nothing(
    relay: Callable[..., Result], as_: As, letter: Letter, tmp_path: Path
) -> None:
    """The same evidence under a stranger's root is INVALID throughout."""
    kept = evidence(as_, letter, tmp_path)
    assert relay("pki", "init", tmp_path / "other", "--name", "Khác").exit_code == 0
    result = relay("verify", kept, "--root", tmp_path / "other" / "root" / "root.pem")

    assert result.exit_code == 65
    assert result.stdout.count("INVALID") == 3
    assert "\nVALID" not in result.stdout


def test_half_of_the_evidence_is_not_enough(
    relay: Callable[..., Result], as_: As, letter: Letter, tmp_path: Path, root: Path
) -> None:
    """A receipt without its signature, a seal without its envelope: named, exit 65."""
    kept = evidence(as_, letter, tmp_path)
    receipt = kept / "01-tinh-h01" / "receipt.xml"
    for lonely, said in ((receipt, "no signature"), (kept / "seal.xml", "was not given")):
        result = relay("verify", lonely, "--root", root)
        assert result.exit_code == 65
        assert result.stdout.startswith("UNKNOWN")
        assert said in result.stdout


def test_a_container_of_receipts_is_judged_one_by_one(
    relay: Callable[..., Result], as_: As, live: Any, letter: Letter, tmp_path: Path, root: Path
) -> None:
    """As nodes exchange them."""
    from relay.wire.container import write_receipts

    as_("sender", "send", letter())
    file = tmp_path / "receipts.xml"
    file.write_bytes(write_receipts(list(live.world.receipts.values())))
    result = relay("verify", file, "--root", root, "--json")

    assert [v["verdict"] for v in data(result)] == ["VALID", "VALID"]


def test_receipts_of_a_batch_are_kept_as_others_software_wants_them(
    relay: Callable[..., Result],
    as_: As,
    live: Any,
    letter: Letter,
    tmp_path: Path,
    root: Path,
    pki_folder: Path,
    xmlsec1: str,
) -> None:
    """Receipt and proof for us, the batch with its signature for xmlsec1; a changed byte is found."""
    from relay.model import NodeId
    from relay.signing.batches import sign_batch
    from relay.signing.keys import Signer

    file, kept = letter(), tmp_path / "kept"
    message = as_("sender", "send", file).stdout.strip()
    folder = pki_folder / "nodes" / "tinh-h01"
    signer = Signer.load(folder / "sign.pem", folder / "sign.key.pem")
    documents = [signed.document for signed in live.world.receipts.values()]
    for signed in sign_batch(documents, NodeId("tinh-h01"), signer, datetime.now(UTC)):
        live.world.receipts[signed.digest] = signed
    as_("sender", "track", message, "--save", kept)

    (receipts,) = {len(list(one.iterdir())) for one in kept.glob("[0-9][0-9]-*") if one.is_dir()}
    judged = data(relay("verify", kept, file, "--root", root, "--json"))
    place = kept / "01-tinh-h01"
    command = [xmlsec1, "--verify", "--trusted-pem", str(root), "batch-signature.xml"]
    done = subprocess.run(command, cwd=place, capture_output=True, check=False)

    assert receipts == len({"receipt.xml", "proof.xml", "batch.xml", "batch-signature.xml"})
    assert {(v["what"], v["verdict"]) for v in judged} == {
        ("seal", "VALID"),
        ("receipt", "VALID"),
        ("batch", "VALID"),
    }
    assert done.returncode == 0, done.stderr.decode()
    changed = bytearray((place / "receipt.xml").read_bytes())
    changed[-40] ^= 1
    (place / "receipt.xml").write_bytes(changed)
    again = relay("verify", place, "--root", root, "--json")
    assert again.exit_code == 65
    assert [
        v["said"].partition(":")[0] for v in json.loads(again.stdout) if v["verdict"] == "INVALID"
    ] == ["not-in-batch"]


def test_nothing_a_document_says_steers_the_terminal(as_: As, letter: Letter) -> None:
    """Direction marks in a subject are written out."""
    as_("sender", "send", letter("gấp \u202etxt.exe"))

    assert "\u202e" not in as_("recipient", "inbox").stdout
    assert "\\u202e" in as_("recipient", "inbox").stdout


def test_a_fetch_into_a_folder_that_cannot_be_written(
    as_: As, letter: Letter, tmp_path: Path
) -> None:
    """A missing folder is exit 66, with the path."""
    as_("sender", "send", letter())
    (item,) = data(as_("recipient", "inbox", "--json"))["deliveries"]
    target = tmp_path / "no" / "such" / "file"
    result = as_("recipient", "fetch", item["delivery_id"], "-o", target)

    assert result.exit_code == 66
    assert os.fspath(target) in result.stderr


def test_a_root_that_may_issue_nothing_is_a_mistake_of_the_command(
    relay: Callable[..., Result], letter: Letter, pki_folder: Path
) -> None:
    """Nothing was judged, so nothing is called INVALID: exit 64, with the file and what it should be."""
    leaf = pki_folder / "agencies" / "000.00.20.H13.pem"
    result = relay("verify", letter(), "--root", leaf)

    assert result.exit_code == 64
    assert str(leaf) in result.stderr
    assert "keyCertSign" in result.stderr

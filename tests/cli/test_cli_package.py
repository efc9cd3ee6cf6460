"""`relay archive package`: a folder for e-filing out of an evidence file, whatever the sender named things."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from relay.cli.outcome import CommandError
from relay.cli.package import make_package, workplace
from relay.envelope.filing import NAMESPACE, safe_name
from relay.envelope.writer import AttachmentContent, Document, Stamp, write_document
from relay.errors import WireError
from relay.model import Party, digest_of
from relay.wire import bundle
from relay.wire.archive import Archive
from tests.evidence.conftest import AT, RECIPIENT, SENDER


def _evidence(path: Path, name: str, content: bytes) -> Path:
    document = Document(
        sender=Party(SENDER, "UBND xã <Mẫu> & Thử"),
        recipients=(Party(RECIPIENT, "UBND tỉnh Mẫu"),),
        document_id="D1",
        code_number="101",
        code_notation="UBND-VP",
        promulgation_place="Mẫu",
        promulgation_date=AT.date(),
        document_type="Công văn",
        subject="V/v thử nghiệm",
        traces=(Stamp(SENDER, AT),),
        attachments=(AttachmentContent(name, "text/plain", content, zipped=True),),
    )
    archive = Archive()
    body = archive.entry(bundle.MIMETYPE, bundle.MIMETYPE_CONTENT)
    body += archive.entry(bundle.ENVELOPE, write_document(document))
    path.write_bytes(body + archive.ending())
    return path


def _package(evidence: Path, target: Path) -> list[Path]:
    with workplace(target) as place:
        return make_package(evidence, place, target)


def test_a_package_holds_document_attachments_metadata_and_evidence(tmp_path: Path) -> None:
    """Every file is named in the metadata with its digest; the attachment is what was attached."""
    evidence = _evidence(tmp_path / "e.asice", "báo cáo.txt", b"content")
    kept = evidence.read_bytes()

    files = _package(evidence, tmp_path / "out")

    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in files)
    assert names == [
        "document/01-báo cáo.txt",
        "document/envelope.edxml",
        "evidence.asice",
        "metadata.xml",
    ]
    assert (tmp_path / "out" / "document" / "01-báo cáo.txt").read_bytes() == b"content"
    assert (tmp_path / "out" / "evidence.asice").read_bytes() == kept
    root = ET.fromstring((tmp_path / "out" / "metadata.xml").read_bytes())
    names_ = {"f": NAMESPACE}
    document = root.find("f:Document", names_)
    assert document is not None
    assert document.findtext("f:OrganName", "", names_) == "UBND xã <Mẫu> & Thử"
    assert document.findtext("f:OrganId", "", names_) == SENDER
    assert document.findtext("f:PromulgationDate", "", names_) == "2026/11/23"
    for one in (*root.findall("f:File", names_), *root.findall("f:Evidence", names_)):
        path = tmp_path / "out" / one.findtext("f:Path", "", names_)
        assert one.findtext("f:Sha256", "", names_) == digest_of(path.read_bytes())


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "01-passwd"),
        ("C:\\Windows\\a.doc", "01-a.doc"),
        ("bao\u202ecao\x00fdp.exe", "01-baocaofdp.exe"),
        ("con.txt", "01-_con.txt"),
        ("...", "01-_"),
        ('a<b>:"|?*.pdf', "01-a_b______.pdf"),
        ("ă" * 300 + ".pdf", "01-" + "ă" * 58 + ".pdf"),
    ],
)
def test_no_name_of_a_sender_leads_out_of_the_folder(name: str, safe: str) -> None:
    """Paths, devices, marks that turn text around and names without end become plain ones."""
    assert safe_name(1, name) == safe


def test_what_is_no_evidence_file_leaves_no_folder(tmp_path: Path) -> None:
    """Neither the folder nor what it was made in."""
    (tmp_path / "e.asice").write_bytes(b"PK")
    with pytest.raises(WireError):
        _package(tmp_path / "e.asice", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["e.asice"]


@pytest.mark.parametrize("when", ["at once", "on the way", "with its name"])
def test_what_a_killed_run_left_is_cleared_away_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Wherever it was killed; the second run gives what the first would have."""
    evidence, target = _evidence(tmp_path / "e.asice", "a.txt", b"content"), tmp_path / "out"
    with monkeypatch.context() as dying:  # who is killed clears nothing away
        dying.setattr(shutil, "rmtree", lambda _: None)
        if when == "at once":
            target.with_name("out.part").mkdir()
        else:
            _begin(evidence, target, when)
    assert (tmp_path / "out.part").is_dir()

    if when == "with its name":
        with pytest.raises(CommandError, match="exists and is not overwritten"):
            _package(evidence, target)
    else:
        _package(evidence, target)

    assert (target / "document" / "01-a.txt").read_bytes() == b"content"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.asice", "out"]


def _begin(evidence: Path, target: Path, when: str) -> None:
    with workplace(target) as place:
        if when == "on the way":
            (place / "package" / "document").mkdir(parents=True)
            (place / "coming.asice.part").write_bytes(b"some")
        else:
            make_package(evidence, place, target)


@pytest.mark.parametrize("theirs", ["file", "folder"])
def test_what_lies_there_and_is_no_runs_is_left_alone(tmp_path: Path, theirs: str) -> None:
    """Whoever has a folder or file of that name keeps it, and is told."""
    evidence = _evidence(tmp_path / "e.asice", "a.txt", b"content")
    mine = tmp_path / "out.part"
    if theirs == "folder":
        mine.mkdir()
        mine = mine / "mine.txt"
    mine.write_bytes(b"mine")

    with pytest.raises(CommandError, match=r"out\.part exists and is not overwritten") as told:
        _package(evidence, tmp_path / "out")

    assert told.value.exit_code == 73
    assert mine.read_bytes() == b"mine"
    assert not (tmp_path / "out").exists()


def test_two_runs_do_not_work_in_one_folder(tmp_path: Path) -> None:
    """The second leaves the first one's work alone and says to come again."""
    evidence, target = _evidence(tmp_path / "e.asice", "a.txt", b"content"), tmp_path / "out"
    with workplace(target) as place:
        with pytest.raises(CommandError, match="another run") as told:
            _package(evidence, target)
        assert told.value.exit_code == 75
        make_package(evidence, place, target)
    assert (target / "document" / "01-a.txt").read_bytes() == b"content"

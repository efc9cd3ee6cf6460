"""The samples in config/ are true: each one starts a node, and together they show every key."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from relay.demo import configuration, plan
from relay.demo.network import Network
from relay.envelope.writer import (
    AttachmentContent,
    Business,
    Document,
    Signer,
    Staff,
    Stamp,
    write_document,
)
from relay.model import NodeId, Party
from relay.offline import check
from relay.settings.settings import Settings
from relay.signing import pki

CONFIG = Path(__file__).parent.parent / "config"
TIERS = ("central", "province", "district", "commune")
_LOOPBACKS = ((2, "127.0.0.1"), (10, "::1"))


def sample(name: str) -> dict[str, Any]:
    return tomllib.loads((CONFIG / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates for the nodes and agencies of the samples."""
    folder = tmp_path_factory.mktemp("authority")
    now, key = datetime.now(UTC), pki.KeyType.P256
    pki.init(folder, name="Mẫu", key=key, now=now, days=2)
    pki.issue_branch(folder, "all", key=key, now=now, days=2)
    for tier in TIERS:
        node = NodeId(sample(f"{tier}.toml")["node"]["id"])
        pki.issue_node(folder, node, "all", key=key, now=now, days=2)
    pki.issue_agency(folder, ["G22", "000.00.00.G22"], "all", key=key, now=now, days=2)
    pki.issue_agency(folder, ["H01.152"], "all", key=key, now=now, days=2)
    pki.issue_gateway(folder, "trung-uong", "all", key=key, now=now, days=2)
    return folder


@pytest.mark.parametrize("tier", TIERS)
def test_the_sample_of_each_tier_starts_a_node(authority: Path, tmp_path: Path, tier: str) -> None:
    """With certificates and secrets in the places it names, nothing is left to complain about."""
    home = tmp_path / "config"
    shutil.copytree(CONFIG, home)
    node = sample(f"{tier}.toml")["node"]["id"]
    shutil.copytree(authority / "nodes" / node, home / "certs")
    shutil.copy(authority / "root/root.pem", home / "certs")
    for file in (authority / "agencies").iterdir():
        shutil.copy(file, home / "certs")
    for end in (".pem", ".key.pem"):
        shutil.copy(authority / f"gateways/trung-uong{end}", home / f"certs/gateway{end}")
    for name in ("truc-quoc-gia-ca.pem", "tsa-1-ca.pem", "syslog-ca.pem"):
        shutil.copy(authority / "root/root.pem", home / "certs" / name)
    for name in ("dms.secret", "dms-saas.secret", "truc-quoc-gia.secret"):
        (home / name).write_text("not-in-the-sample\n")
        (home / name).chmod(0o600)
    shipped = (home / f"{tier}.toml").read_text(encoding="utf-8")
    mine = shipped.replace('secret = "replace-me"', 'secret = "not-in-the-sample"')
    (home / f"{tier}.toml").write_text(mine, encoding="utf-8")
    settings = check(home / f"{tier}.toml")
    directory = settings.make_directory()
    entry = directory.entry(NodeId(settings.node.id))
    assert entry is not None
    assert entry.tier == tier
    assert entry.parent == settings.uplink


def test_every_key_is_shown_in_a_sample() -> None:
    """A key of the settings that no sample has would never be found by an operator."""
    shown: set[str] = set()
    for tier in (*TIERS, "token"):
        shown |= set(keys_of_table(sample(f"{tier}.toml")))
    assert set(map(_anywhere, keys_of_model(Settings))) - set(map(_anywhere, shown)) == set()


def _anywhere(key: str) -> str:
    """A token is described alike wherever it stands, and so is a key's file with a password."""
    return re.sub(r"keys\.\w+\.(token\.|pkcs12|password_)", r"\1", key)


def keys_of_model(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """keys.tls.certificate, directory.nodes.id, …"""
    for name, field in model.model_fields.items():
        inner = [a for a in (field.annotation, *get_args(field.annotation)) if _is_model(a)]
        yield f"{above}{name}"
        for one in inner:
            yield from keys_of_model(one, f"{above}{name}.")


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def keys_of_table(table: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in table.items():
        yield f"{above}{name}"
        for row in value if isinstance(value, list) else [value]:
            if isinstance(row, dict):
                yield from keys_of_table(row, f"{above}{name}.")


def test_what_a_sample_calls_a_default_is_one() -> None:
    """central.toml shows the values that keys have when they are left out."""
    told = sample("central.toml")
    for section in ("limits", "delivery"):
        model = Settings.model_fields[section].annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        assert model.model_validate(told[section]) == model()
    assert told["listen"]["plain_http"] is False
    assert told["keys"]["slow"] is False
    assert told["directory"]["unknown_codes"] == "refuse"


@pytest.mark.parametrize(
    "name", [*(f"{tier}.toml" for tier in TIERS), "directory.toml", "token.toml"]
)
def test_every_key_has_its_comment(name: str) -> None:
    """Beside it or right above it; in one file, the first time its name stands there."""
    seen: set[str] = set()
    above = ""
    for line in (CONFIG / name).read_text(encoding="utf-8").splitlines():
        key = re.match(r"(\w+) = ", line)
        if key and key[1] not in seen | {"certificate", "key"}:
            assert "# " in line or above.startswith("#"), f"{name}: {line}"
            seen.add(key[1])
        above = line


# ---------------------------------------------------------------- config/letter.edxml


def sample_letter() -> bytes:
    """What config/letter.edxml holds: from the commune of commune.toml to the province."""
    at = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
    subject = "V/v báo cáo kết quả sửa chữa nhà văn hóa thôn Mẫu"
    words = f"UBND xã Tự Lo\nSố: 12/UBND-VP\n\n{subject}\n\nNguyễn Văn Mẫu (Chủ tịch)\n"
    text = AttachmentContent("Công văn 12.txt", "text/plain", words.encode(), "Bản chính")
    return write_document(
        Document(
            sender=Party("H01.152", "UBND xã Tự Lo", email="vanthu@example.invalid"),
            recipients=(Party("000.00.00.H01", "UBND tỉnh Mẫu"),),
            document_id="H01.152,2026/11/23,12/UBND-VP",
            code_number="12",
            code_notation="UBND-VP",
            promulgation_place="Xã Tự Lo",
            promulgation_date=at.date(),
            document_type="Công văn",
            subject=subject,
            traces=(Stamp("H01.152", at),),
            content=subject,
            signer=Signer("TM. ỦY BAN NHÂN DÂN", "Chủ tịch", "Nguyễn Văn Mẫu"),
            page_amount=1,
            to_places=("UBND tỉnh Mẫu", "Lưu: VT"),
            business=Business(operation=0, staff=Staff("Văn phòng", "Lê Thị Mẫu")),
            attachments=(text,),
        )
    )


def test_the_sample_letter_is_what_the_writer_makes() -> None:
    """So that it stays a document that every node takes, and can be made anew."""
    assert (CONFIG / "letter.edxml").read_bytes() == sample_letter()


# ---------------------------------------------------------------- config/demo


def test_the_demo_folder_shows_what_the_demo_writes(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line for line, but for ports and secrets and the remark at the top."""
    folder = tmp_path_factory.mktemp("d")
    monkeypatch.setattr(configuration, "loopbacks", lambda: _LOOPBACKS)
    network = Network.build(folder, plan.NODES, now=datetime.now(UTC), extra=plan.QUICK)
    written = {node.config: f"{name}.toml" for name, node in network.nodes.items()}
    written[folder / "directory.toml"] = "directory.toml"
    assert {path.name for path in (CONFIG / "demo").glob("*.toml")} == set(written.values())
    for path, name in written.items():
        told = (CONFIG / "demo" / name).read_text(encoding="utf-8")
        assert without_remark(told) == placeholders(path.read_text(encoding="utf-8")), name


def placeholders(text: str) -> str:
    """Ports and secrets are drawn anew each time."""
    text = re.sub(r"(127\.0\.0\.1|\[::1\]):\d+", r"\1:0", text)
    return re.sub(r'secret = "[0-9a-f]+"', 'secret = "drawn-anew-each-time"', text)


def without_remark(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))

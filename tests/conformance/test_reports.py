"""The reports of a run: what they say, and that nothing in them can be another's word."""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from signxml.xades import XAdESSignatureConfiguration, XAdESVerifier

from relay.conformance import credentials
from relay.conformance.performing import Performed
from relay.conformance.reports import document, filed, table
from relay.conformance.reports.document import About
from relay.conformance.verdicts import Assertion, Clause, Judged, Verdict
from relay.errors import RelayError, SignatureError, WireError
from relay.signing.trust import TrustStore
from relay.wire import bundle

AT = datetime(2026, 11, 29, 3, 4, 5, tzinfo=UTC)
HOSTILE = "</td><script>alert(1)</script>\"'&<img src=x onerror=y>\x00\x1b[31m\ufffe {{ 7*7 }}"


def one(number: int, verdict: Verdict, node: str = "huyen-a", detail: str = "") -> Judged:
    async def judge(_: Any) -> None:
        pass

    assertion = Assertion(
        Clause(f"W1.{number}"), f"name-{number}", "It <holds>", frozenset(), judge
    )
    return Judged(assertion, node, verdict, detail, 0.25)


def some() -> list[Judged]:
    every = [one(number, verdict, detail="why") for number, verdict in enumerate(Verdict)]
    return [*every, one(9, Verdict.FAIL, detail=HOSTILE), one(9, Verdict.PASS, "tinh-b")]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> credentials.Authority:
    made = credentials.Authority(tmp_path_factory.mktemp("kit") / "pki")
    return credentials.prepare(made.folder.parent, (), datetime.now(UTC))  # type: ignore[arg-type]


@pytest.fixture
def performed(authority: credentials.Authority) -> Performed:
    nodes = (
        document.Tested("huyen-a", "1.0 <b>", "https://a"),
        document.Tested("tinh-b", "", "https://b"),
    )
    about = About(AT, nodes, profile=HOSTILE, not_claimed=("W7",), only=("W1",))
    runner = credentials.runner(authority, (), datetime.now(UTC))
    return Performed(tuple(some()), about, runner)


def test_a_run_holds_where_nothing_failed_and_nothing_was_left_untold(
    performed: Performed,
) -> None:
    assert not performed.holds
    for verdict, holds in (
        (Verdict.PASS, True),
        (Verdict.NOT_CLAIMED, True),
        (Verdict.FAIL, False),
        (Verdict.INCONCLUSIVE, False),
    ):
        found = Performed(
            (one(1, Verdict.PASS), one(2, verdict)), performed.about, performed.runner
        )
        assert found.holds is holds


def test_the_json_says_clause_title_verdict_and_detail(performed: Performed) -> None:
    found = json.loads(json.dumps(performed.as_json()))
    assert [row["verdict"] for row in found["assertions"]] == [one.verdict for one in some()]
    assert found["assertions"][1] == {
        "clause": "W1.1",
        "name": "W1.1/name-1",
        "title": "It <holds>",
        "node": "huyen-a",
        "verdict": "FAIL",
        "detail": "why",
        "seconds": 0.25,
    }
    assert found["counts"] == {"PASS": 2, "FAIL": 2, "INCONCLUSIVE": 1, "NOT CLAIMED": 1}


def test_the_junit_xml_parses_and_counts(performed: Performed) -> None:
    """Whatever a node put into a detail."""
    root = ET.fromstring(performed.as_junit())
    suites = {one.get("name"): one for one in root.iter("testsuite")}
    assert suites.keys() == {"huyen-a", "tinh-b"}
    counts = {key: suites["huyen-a"].get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "2", "errors": "1", "skipped": "1"}
    for tag, count in (("testcase", 5), ("failure", 2), ("error", 1), ("skipped", 1)):
        assert len(list(suites["huyen-a"].iter(tag))) == count
    assert list(suites["tinh-b"].iter("failure")) == []
    said = [one.get("message", "") for one in root.iter("failure")]
    assert any("<script>alert(1)</script>" in one for one in said)


@pytest.mark.parametrize(
    "said", ["[bold red]PASS[/] all is well", "a :bomb: and :white_check_mark:", "[link=x]y[/link]"]
)
def test_the_terminal_shows_what_nodes_say_as_they_said_it(
    said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a colour nor a picture is theirs to choose, in the table or as it is found."""
    judged = one(1, Verdict.FAIL, detail=said)
    out = io.StringIO()
    table.print_judged([judged], out, kept=False)
    with table.progress(1) as told:
        told(judged)
    assert said in out.getvalue()
    assert said in capsys.readouterr().err


def test_the_page_escapes_what_nodes_say_and_loads_nothing(performed: Performed) -> None:
    page = performed.as_page().decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    tags = {tag.lower() for tag in re.findall(r"<([a-zA-Z]+)", page)}
    assert tags.isdisjoint({"script", "img", "link", "iframe", "object", "embed", "base", "form"})
    assert not re.search(r"<[^>]*\s(?:src|href|on[a-z]+|action|style)\s*=", page)
    assert "@import" not in page
    assert "url(" not in page
    assert "{{ 7*7 }}" in page


def test_the_page_has_every_clause_with_the_verdict_of_each_node(performed: Performed) -> None:
    page = performed.as_page().decode()
    for verdict in Verdict:
        assert f">{verdict}</td>" in page
    above, _, below = page.partition("Clause by clause")
    assert below.count("It &lt;holds&gt;") == 5
    assert above.count("It &lt;holds&gt;") == 3, "what did not hold stands first, too"
    assert ">W1 Connection</th>" in below
    assert "1.0 &lt;b&gt;" in page


# ---------------------------------------------------------------- the container


@pytest.fixture
def container(performed: Performed) -> bytes:
    return performed.as_filed(datetime.now(UTC))


@pytest.fixture
def trust(authority: credentials.Authority) -> TrustStore:
    return TrustStore([authority.root.read_bytes()])


def test_a_filed_report_is_proven(container: bytes, trust: TrustStore) -> None:
    found = filed.proven(container, trust)
    assert found.runner == credentials.RUNNER
    assert {filed.PAGE, filed.DOCUMENT, filed.JUNIT} <= found.files.keys()
    assert json.loads(found.files[filed.DOCUMENT])["counts"]["FAIL"] == 2


def test_a_filed_report_says_where_in_it_the_bytes_lie(
    performed: Performed, trust: TrustStore, tmp_path: Path
) -> None:
    """Not where they lay on the machine that judged."""
    folder = tmp_path / "kept" / "W1.1-name-1-huyen-a"
    folder.mkdir(parents=True)
    (folder / "001.request").write_bytes(b"bytes")
    first, *others = performed.judged
    there = replace(performed, judged=(replace(first, kept=str(folder)), *others))
    found = filed.proven(there.as_filed(datetime.now(UTC)), trust)
    told = [
        row["kept"]
        for row in json.loads(found.files[filed.DOCUMENT])["assertions"]
        if "kept" in row
    ]
    assert told == ["kept/W1.1-name-1-huyen-a"]
    assert found.files[f"{told[0]}/001.request"] == b"bytes"
    assert not any(str(tmp_path).encode() in content for content in found.files.values())


def changes(container: bytes) -> Iterator[tuple[str, bytes]]:
    heads = container.index(b"PK\x01\x02")
    places = [(at, at % 8) for at in range(0, heads, 7)]
    places += [(at, bit) for at in range(heads, len(container)) for bit in (0, 7)]
    for at, bit in places:
        flipped = bytearray(container)
        flipped[at] ^= 1 << bit
        yield f"byte {at}", bytes(flipped)
    yield "nothing", b""
    yield "cut", container[:-1]
    yield "longer", container + b"\0"
    yield "in front", b"\0" + container


def taken(container: bytes, trust: TrustStore) -> bool:
    try:
        filed.proven(container, trust)
    except (WireError, SignatureError):
        return False
    return True


def test_a_report_with_any_byte_changed_is_refused(container: bytes, trust: TrustStore) -> None:
    """Wherever it lies: in a file, in the signature, or in what of a ZIP nobody looks at."""
    for what, changed in changes(container):
        assert not taken(changed, trust), what


def test_a_report_under_another_root_is_refused(container: bytes, tmp_path: Path) -> None:
    other = credentials.stranger(tmp_path, "kit-a", datetime.now(UTC))
    with pytest.raises(SignatureError):
        filed.proven(container, TrustStore([other.root.read_bytes()]))


def test_a_file_put_in_or_left_out_is_refused(container: bytes, trust: TrustStore) -> None:
    for change in ("put in", "left out", "twice"):
        made = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(container)) as before,
            zipfile.ZipFile(made, "w") as after,
        ):
            for name in before.namelist():
                if change != "left out" or name != filed.JUNIT:
                    after.writestr(name, before.read(name))
            if change == "put in":
                after.writestr("more.txt", b"more")
            if change == "twice":
                with pytest.warns(UserWarning, match="Duplicate"):
                    after.writestr(filed.PAGE, before.read(filed.PAGE))
        with pytest.raises(RelayError):
            filed.proven(made.getvalue(), trust)


@pytest.fixture
def unpacked(container: bytes, tmp_path: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(container)) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def test_xmlsec1_verifies_a_filed_report(
    xmlsec1: str, unpacked: Path, authority: credentials.Authority
) -> None:
    command = [xmlsec1, "--verify", "--trusted-pem", str(authority.root), filed.SIGNATURE]
    good = subprocess.run(command, cwd=unpacked, capture_output=True, check=False)
    with (unpacked / filed.PAGE).open("ab") as file:
        file.write(b" ")
    bad = subprocess.run(command, cwd=unpacked, capture_output=True, check=False)
    assert good.returncode == 0, good.stderr.decode()
    assert bad.returncode != 0


def test_signxml_verifies_a_filed_report(unpacked: Path, authority: credentials.Authority) -> None:
    signature = bundle.unwrapped((unpacked / filed.SIGNATURE).read_bytes(), filed.SIGNATURE)
    files = [path for path in unpacked.rglob("*") if path.is_file()]
    expected = XAdESSignatureConfiguration(
        location="./", expect_references=len(files), require_x509=True
    )
    found = XAdESVerifier().verify(
        signature,
        uri_resolver=lambda uri: (unpacked / uri).read_bytes(),
        ca_pem_file=str(authority.root),
        expect_config=expected,
    )
    assert len(found) == len(files)  # each but the signature, and the signed properties

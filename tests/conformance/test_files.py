"""The files of judged nodes and profiles: what they may say, and every mistake named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.conformance.clauses import every_assertion
from relay.conformance.performing import chosen
from relay.conformance.profile import read_profile
from relay.conformance.subject import Subject, read_subject
from relay.conformance.verdicts import Part
from relay.errors import SettingsError

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
LEAST = 'id = "a"\nroots = "roots.pem"\nagency = "H98.11"\n'
KIT = '[kit]\nnode = "kit-a"\nagency = "H98.11.91"\nlisten = "10.1.1.9:9001"\n'
FACES = """\
nodes = "https://10.1.1.1:9443"
axis = "https://10.1.1.1:8443"
native = "https://10.1.1.1:8444"
systemid = "vxp.test"
secret = "of-the-system"
token = "of-the-agency"
auditor = "of-the-auditor"
operator = "of-the-operator"
"""
TOKENS = {Part.NATIVE, Part.AUDITOR, Part.OPERATOR}
STAMPS = '[kit.authority]\nlisten = "10.1.1.9:9005"\n'
VIA = 'via = "10.1.1.9:9002"\n'


def read(folder: Path, text: str | bytes) -> Subject:
    path = folder / "a.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_subject(path)


def problems(folder: Path, text: str | bytes) -> str:
    with pytest.raises(SettingsError) as found:
        read(folder, text)
    return "; ".join(found.value.problems)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "id: Field required"),
        ("id = ", "a.toml"),
        (b"\xff\xfe", "utf-8"),
        (LEAST + 'colour = "red"\n', "colour: Extra inputs"),
        (LEAST.replace('"a"', '"../a"'), "id: String should match"),
        (LEAST.replace("H98.11", "h98"), "agency: String should match"),
        (LEAST + 'nodes = "http://10.1.1.1"\n', "nodes: String should match"),
        (LEAST + 'axis = "https://10.1.1.1/path"\n', "axis: String should match"),
        (LEAST + 'not_claimed = "W7"\n', "not_claimed: Input should be a valid tuple"),
        (LEAST + KIT.replace("10.1.1.9:9001", "10.1.1.9"), "kit.listen: String should match"),
        (LEAST + KIT.replace('node = "kit-a"\n', ""), "kit.node: Field required"),
        (LEAST + KIT + "port = 1\n", "kit.port: Extra inputs"),
        (LEAST + KIT + "[kit.authority]\n", "kit.authority.listen: Field required"),
        (LEAST + KIT + STAMPS + 'policy = "any"\n', "kit.authority.policy: String should match"),
        (LEAST + "secret = 12\n", "secret: Input should be a valid string"),
    ],
)
def test_every_mistake_in_a_nodes_file_is_named(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    assert said in problems(tmp_path, text)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    said = problems(tmp_path, 'id = "/"\ncolour = 1\n')
    assert all(name in said for name in ("id: ", "colour: ", "roots: ", "agency: "))


def test_the_file_of_the_page_is_a_nodes_file(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(# a\.toml\n.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert set(read(tmp_path, found[1]).parts) == set(Part)


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_subject(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="No such file"):
        read_profile(tmp_path / "none.toml")


def test_the_roots_are_found_beside_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, LEAST).roots == tmp_path / "roots.pem"


def test_a_mistaken_secret_is_not_shown(tmp_path: Path) -> None:
    """Neither in a problem nor where a subject is printed."""
    assert "12345678" not in problems(tmp_path, LEAST + "secret = 12345678\n")
    assert "of-the" not in repr(read(tmp_path, LEAST + FACES))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (LEAST, set()),
        (LEAST + KIT, set()),
        (LEAST + 'nodes = "https://10.1.1.1:9443"\n', set()),
        (LEAST + FACES, {Part.AXIS, *TOKENS}),
        (LEAST + FACES.replace("of-the-system", ""), TOKENS),
        (LEAST + FACES.replace("of-the-auditor", ""), {Part.AXIS, Part.NATIVE, Part.OPERATOR}),
        (LEAST + FACES + KIT, {Part.NEIGHBOUR, Part.AXIS, *TOKENS}),
        (LEAST + FACES + KIT + VIA, {Part.NEIGHBOUR, Part.AXIS, Part.LINK, *TOKENS}),
        (LEAST + KIT + STAMPS, set()),
        (LEAST + FACES + KIT + STAMPS, {Part.NEIGHBOUR, Part.AXIS, Part.AUTHORITY, *TOKENS}),
        (LEAST + 'crash = ["systemctl", "kill"]\n', {Part.CRASH}),
        (LEAST + 'verify = ["judge"]\n', {Part.VERIFY}),
        (LEAST + 'check_export = ["judge"]\n', {Part.CHECK_EXPORT}),
        (LEAST + 'check_log = ["judge"]\n', {Part.CHECK_LOG}),
    ],
)
def test_a_file_says_what_the_kit_can_reach(tmp_path: Path, text: str, parts: set[Part]) -> None:
    assert read(tmp_path, text).parts == parts


@pytest.mark.parametrize("name", ["W4", "W4.5", "W4.5/same-bytes"])
def test_chapters_clauses_and_assertions_can_be_unclaimed(tmp_path: Path, name: str) -> None:
    subject = read(tmp_path, f'{LEAST}not_claimed = ["{name}"]\n')
    unclaimed = {one.full_name for one in every_assertion() if not subject.claims(one)}
    assert unclaimed == {one.full_name for one in chosen([name])}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 1\n", "name: Input should be a valid string"),
        ('not_claimed = "W7"\n', "not_claimed"),
        ("claimed = []\n", "claimed: Extra inputs"),
        (f'name = "{"x" * 101}"\n', "at most 100"),
        ("[", "profile.toml"),
    ],
)
def test_every_mistake_in_a_profile_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as found:
        read_profile(path)
    assert said in "; ".join(found.value.problems)


def test_clauses_are_in_the_order_people_count(tmp_path: Path) -> None:
    clauses = list(dict.fromkeys(str(one.clause) for one in chosen(["W4"])))
    assert clauses.index("W4.9") < clauses.index("W4.10")


@pytest.mark.parametrize("name", ["W99", "W4.", "w4", "W4.5/none", ""])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="no assertion is of"):
        chosen([name])

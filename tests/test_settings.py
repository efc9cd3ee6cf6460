"""The configuration: every problem at once, the environment over the file, nothing secret told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import SettingsError
from relay.identity import load_keys
from relay.model import NodeId, digest_of
from relay.offline import check, examine
from relay.settings.contradictions import contradictions
from relay.settings.reading import load
from relay.settings.settings import Settings
from relay.settings.sound import sound_sections
from relay.signing import pki
from relay.signing.trust import Role, certificates_of

SECRET = "s3cret-of-the-dms"
DIRECTORY = """
[[nodes]]
id = "tinh"
tier = "province"

[[nodes]]
id = "xa"
tier = "commune"
parent = "tinh"

[[agencies]]
code = "H01.02"
old_code = "000.00.02.H01"
name = "UBND xã Mẫu"
tier = "commune"
node = "xa"

[[agencies]]
code = "H01"
name = "UBND tỉnh Mẫu"
tier = "province"
node = "tinh"
"""
REVOCATION_OFF = (
    "revocation: off, no certificate is checked for revocation (check = true in [revocation])"
)
"""Said of every configuration that does not switch it on."""
GOOD = f"""
[node]
id = "xa"
data_dir = "data"

[listen]
axis = ["127.0.0.1:8443"]

[keys.tls]
certificate = "pki/nodes/xa/tls.pem"
key = "pki/nodes/xa/tls.key.pem"
[keys.sign]
certificate = "pki/nodes/xa/sign.pem"
key = "pki/nodes/xa/sign.key.pem"
[keys.log]
certificate = "pki/nodes/xa/log.pem"
key = "pki/nodes/xa/log.key.pem"
[[keys.agencies]]
certificate = "pki/agencies/H01.02.pem"
key = "pki/agencies/H01.02.key.pem"

[trust]
roots = ["pki/root/root.pem"]

[directory]
files = ["directory.toml"]

[[neighbours]]
id = "tinh"
url = "https://tinh.example:8444"
relation = "uplink"

[[systems]]
systemid = "vxp.xa"
secret = "{SECRET}"
agencies = ["000.00.02.H01"]
"""

Write = Callable[[str], Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PKI with the keys of two nodes and one agency."""
    folder = tmp_path_factory.mktemp("authority") / "pki"
    now, key = datetime.now(UTC), pki.KeyType.P256
    pki.init(folder, name="Mẫu", key=key, now=now, days=2)
    pki.issue_branch(folder, "tinh", key=key, now=now, days=2, nodes=["tinh"])
    for node in ("xa", "tinh"):
        pki.issue_node(folder, NodeId(node), "tinh", key=key, now=now, days=2)
    pki.issue_agency(folder, ["H01.02", "000.00.02.H01"], "tinh", key=key, now=now, days=2)
    pki.issue_agency(folder, ["H01"], "tinh", key=key, now=now, days=2)
    return folder


@pytest.fixture
def home(authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's folder, and a working directory that is another."""
    shutil.copytree(authority, tmp_path / "home" / "pki")
    (tmp_path / "home" / "directory.toml").write_text(DIRECTORY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def write(home: Path) -> Write:
    def writer(text: str) -> Path:
        path = home / "relay.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return writer


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        load(path)
    return raised.value.problems


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


# ---------------------------------------------------------------- what is read


def test_paths_are_relative_to_the_file_not_to_where_the_node_is_started(
    write: Write, home: Path
) -> None:
    """The same file works from any working directory."""
    settings = load(Path("home") / write(GOOD).name)
    assert settings.node.data_dir == home / "data"
    assert settings.keys.tls.certificate == home / "pki/nodes/xa/tls.pem"
    assert settings.uplink == "tinh"


def test_absolute_paths_and_the_home_folder_stay_what_they_are(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An absolute path is taken as it is; ~ is the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    at = tmp_path / "elsewhere"
    assert load(write(changed('"data"', f'"{at}"'))).node.data_dir == at
    assert load(write(changed('"data"', '"~/data"'))).node.data_dir == tmp_path / "me/data"


def test_spans_are_seconds_or_iso_8601(write: Write) -> None:
    """Both ways of writing a span mean the same."""
    extra = '[delivery]\nretry_first = 0.5\nretry_cap = "PT1M"\nexpiry_normal = "P3D"\n'
    delivery = load(write(GOOD + extra)).delivery
    assert delivery.retry_first == timedelta(milliseconds=500)
    assert delivery.retry_cap == timedelta(minutes=1)
    assert delivery.expiry_normal == timedelta(days=3)


def test_the_memory_of_duplicates_outlives_every_repeat(write: Write) -> None:
    """By as little as one likes, but to the second."""
    longest = timedelta(days=14) + timedelta(minutes=5) + timedelta(minutes=5)
    spans = "payload_settled = 1\npayload_failed = 1\n"
    enough = f"[retention]\n{spans}rows = {longest.total_seconds() + 1}\n"
    assert load(write(GOOD + enough)).retention.rows > longest

    assert problems_of(write(GOOD + f"[retention]\n{spans}rows = {longest.total_seconds()}\n"))


def test_a_secret_may_stand_in_a_file_of_its_own(write: Write, home: Path) -> None:
    """White space around it, which editors leave, is no part of it."""
    (home / "dms.secret").write_text(f"{SECRET}\n")
    (home / "dms.secret").chmod(0o600)
    settings = load(write(changed(f'secret = "{SECRET}"', 'secret_file = "dms.secret"')))
    assert settings.systems[0].secret_bytes() == SECRET.encode()


def test_the_directory_may_stand_in_the_file_itself(write: Write) -> None:
    """Rows of [directory] join those of its files."""
    inline = DIRECTORY.replace("[[nodes]]", "[[directory.nodes]]").replace(
        "[[agencies]]", "[[directory.agencies]]"
    )
    settings = load(write(changed('[directory]\nfiles = ["directory.toml"]', inline)))
    found = settings.make_directory().find("000.00.02.H01")
    assert found is not None
    assert (found.code, found.node) == ("H01.02", "xa")


# ---------------------------------------------------------------- the environment


def test_the_environment_wins_over_the_file(
    write: Write, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One key is replaced, the others of its section stay; a relative path is relative to the file."""
    monkeypatch.setenv("RELAY_NODE__DATA_DIR", "other")
    monkeypatch.setenv("RELAY_DELIVERY__TRANSFERS_AT_ONCE", "7")
    monkeypatch.setenv("RELAY_LISTEN__AXIS", '["127.0.0.1:9000"]')
    settings = load(write(GOOD))
    assert settings.node.data_dir == home / "other"
    assert settings.node.id == "xa"
    assert settings.delivery.transfers_at_once == 7
    assert settings.listen.axis == ("127.0.0.1:9000",)


def test_a_value_of_the_environment_is_judged_like_one_of_the_file(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong type and an unknown key in a variable are named like those of the file."""
    monkeypatch.setenv("RELAY_DELIVERY__TRANSFERS_AT_ONCE", "many")
    monkeypatch.setenv("RELAY_NODE__DATA_DIRECTORY", "data")
    lines = problems_of(write(GOOD))
    assert any(line.startswith("delivery.transfers_at_once: ") for line in lines)
    assert "node.data_directory: unknown key" in lines


def test_a_mistyped_section_of_the_environment_is_not_passed_over(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that would change nothing is told; one of another tool is left alone."""
    monkeypatch.setenv("RELAY_NODES__DATA_DIR", "other")
    monkeypatch.setenv("RELAY_URL", "https://127.0.0.1:1")
    assert problems_of(write(GOOD)) == ("environment: RELAY_NODES__DATA_DIR: no section nodes",)


@pytest.mark.parametrize(
    ("text", "span"),
    [("6", timedelta(seconds=6)), ("0.5", timedelta(seconds=0.5)), ("P2D", timedelta(days=2))],
)
def test_a_span_of_the_environment_may_be_a_number(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, span: timedelta
) -> None:
    """Of seconds, as in the file; the environment has texts only."""
    monkeypatch.setenv("RELAY_DELIVERY__EXPIRY_NORMAL", text)
    assert load(write(GOOD)).delivery.expiry_normal == span


def test_an_unreadable_variable_hides_nothing_of_the_rest(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one problem beside the others."""
    monkeypatch.setenv("RELAY_LISTEN", "[")
    lines = problems_of(write(changed('data_dir = "data"', 'data_dir = "data"\ncolour = 1')))
    assert [line.split(":")[0] for line in lines] == ["node.colour", "environment"]


@pytest.mark.parametrize("name", ["RELAY_SYSTEMS", "RELAY_LISTEN", "RELAY_LISTEN__AXIS"])
def test_a_variable_that_is_not_json_is_a_problem_without_its_value(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Lists and tables are JSON; what is not is refused, and not shown."""
    monkeypatch.setenv(name, f"[{SECRET}")
    lines = problems_of(write(GOOD))
    assert lines
    assert SECRET not in "".join(lines)


# ---------------------------------------------------------------- everything at once


def test_every_problem_of_a_file_is_told_at_once(write: Write) -> None:
    """Unknown key, wrong type, missing file and contradiction each have their line."""
    text = (
        changed('data_dir = "data"', 'data_dir = "data"\ncolour = "red"')
        .replace('"pki/nodes/xa/tls.pem"', '"pki/none.pem"')
        .replace('["127.0.0.1:8443"]', '["somewhere:8443"]')
        .replace('id = "tinh"\nurl', 'id = "tinh-khac"\nurl')
        .replace('agencies = ["000.00.02.H01"]', 'agencies = ["H01", "K99"]')
        + '[log]\nlevel = "loud"\n[limits]\nenvelope_bytes = "big"\n'
    )
    lines = problems_of(write(text))
    for start in (
        "node.colour: unknown key",
        "keys.tls.certificate: no file ",
        "listen.axis.0: 'somewhere:8443' is not an IP address and port",
        "log.level: ",
        "limits.envelope_bytes: ",
        "neighbours: tinh-khac is not in the directory",
        "neighbours: the uplink is tinh-khac, the directory's parent of xa is tinh",
        "systems: vxp.xa: agency H01 is not served by xa",
        "systems: vxp.xa: agency K99 is not served by xa",
    ):
        assert [line for line in lines if line.startswith(start)], start
    assert len(lines) == 9


def test_missing_sections_are_named(write: Write) -> None:
    """An empty file lacks five sections, and says which."""
    lines = problems_of(write(""))
    assert sorted(line.split(":")[0] for line in lines) == [
        "directory",
        "keys",
        "listen",
        "node",
        "trust",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "xa"', 'id = "thon"', "node.id: thon is not in the directory"),
        ('id = "xa"', 'id = "Xa!"', "node.id: "),
        (
            'relation = "uplink"',
            'relation = "friend"',
            'neighbours "tinh": relation: one of "uplink", "downlink" or "peer" is needed',
        ),
        (
            "https://tinh",
            "http://tinh",
            'neighbours "tinh": url: an address such as "https://tinh-h01.example:8445"',
        ),
        ('id = "tinh"\nurl', 'id = "xa"\nurl', "neighbours: xa is this node itself"),
        ('"127.0.0.1:8443"', '"127.0.0.1:99999"', "listen.axis.0: port 99999, limit 65535"),
        ('"127.0.0.1:8443"', '"127.0.0.1:+80"', "listen.axis.0: '127.0.0.1:+80' is not an IP"),
        ('data_dir = "data"', 'data_dir = "~nobody-here/x"', "node.data_dir: no home folder"),
        ('data_dir = "data"', 'data_dir = "a\\u0000b"', "node.data_dir: a path holds no NUL"),
        ("[listen]", "[listen]\nplain_http = true\nnative = ['10.0.0.1:80']", "listen: plain_http"),
        (
            "[listen]",
            '[listen]\nrest_prefix = "lgsp/"',
            'listen.rest_prefix: a path such as "/lgsp"',
        ),
        (
            '["000.00.02.H01"]',
            '["000.00.02.H01"]\naddresses = ["10.1.2.3/8"]',
            "systems \"vxp.xa\": addresses.0: '10.1.2.3/8' is not an address or network",
        ),
        (
            '["000.00.02.H01"]',
            '["000.00.02.H01"]\ncertificates = ["no.pem"]',
            'systems "vxp.xa": certificates.0: no file',
        ),
        (f'secret = "{SECRET}"', "", 'systems "vxp.xa": give either'),
        (
            f'secret = "{SECRET}"',
            'secret_file = "no.secret"',
            'systems "vxp.xa": secret_file: no file',
        ),
        ('["000.00.02.H01"]', "[]", 'systems "vxp.xa": agencies: at least 1 is needed'),
        ('["000.00.02.H01"]', '["not a code"]', 'systems "vxp.xa": agencies.0: '),
        ("[trust]", "[delivery]\nretry_first = 9\nretry_cap = 3\n[trust]", "delivery: retry_first"),
        ("[trust]", "[timestamps]\nretry_first = 9000\n[trust]", "timestamps: retry_first"),
        ("[trust]", "[delivery]\ndrain = 0\n[trust]", "delivery.drain: must be longer"),
        (
            "[trust]",
            "[retention]\nrows = 'P14D'\n[trust]",
            "retention.rows: 14 days, 0:00:00 is not",
        ),
        (
            "[trust]",
            "[delivery]\nexpiry_express = 'P800D'\n[retention]\npayload_settled = 1\n[trust]",
            "retention.rows: 730 days, 0:00:00 is not longer than 800 days, 0:10:00",
        ),
        (
            "[trust]",
            "[retention]\npayload_fetched = 'P731D'\n[trust]",
            "retention.payload_fetched: 731 days, 0:00:00 is over retention.rows",
        ),
        ("[trust]", "[retention]\nuploads = -1\n[trust]", "retention.uploads: must be longer"),
        ("[trust]", "[delivery]\ndrain = '5 minutes'\n[trust]", "delivery.drain: a number of sec"),
        (
            'systemid = "vxp.xa"',
            'systemid = "vxp xa"',
            'systems "vxp xa": systemid: printable char',
        ),
        ('systemid = "vxp.xa"', "systemid = 3", "systems.0.systemid: a text in quotes is needed"),
        ('data_dir = "data"', "", "node.data_dir: is missing"),
        (SECRET, "replace-me", 'systems "vxp.xa": the secret is still the sample\'s'),
        ("[trust]", "[delivery]\ntransfers_at_once = 0\n[trust]", "delivery.transfers_at_once: "),
        ('["directory.toml"]', '["no.toml"]', "directory.files.0: no file"),
        ('roots = ["pki/root/root.pem"]', "roots = []", "trust.roots: "),
        ("[node]", "_cli_parse_args = true\n[node]", "_cli_parse_args: unknown key"),
    ],
)
def test_a_single_mistake_is_one_line(write: Write, old: str, new: str, said: str) -> None:
    """Nothing else is blamed for it."""
    lines = problems_of(write(changed(old, new)))
    assert [line for line in lines if line.startswith(said)] == list(lines)
    assert len(lines) == 1


def test_what_is_listed_twice_is_told(write: Write) -> None:
    """A systemid and a neighbour stand once."""
    system = GOOD[GOOD.index("[[systems]]") :]
    neighbour = GOOD[GOOD.index("[[neighbours]]") : GOOD.index("[[systems]]")]
    assert problems_of(write(GOOD + system)) == ("systems: systemid vxp.xa is listed twice",)
    assert "neighbours: a neighbour is listed twice" in problems_of(write(GOOD + neighbour))


def test_the_files_of_the_directory_are_judged_together(write: Write, home: Path) -> None:
    """Each line says in which file; a node may stand in one of them only."""
    (home / "directory.toml").write_text('[[nodes]]\nid = "xa"\n', encoding="utf-8")
    (home / "more.toml").write_text("nodes = 3\ncolour = 1\n", encoding="utf-8")
    lines = problems_of(write(changed('"directory.toml"', '"directory.toml", "more.toml"')))
    assert lines[0] == f'{home}/directory.toml: nodes "xa": tier: is missing'
    assert {line.split(": ")[1] for line in lines[1:]} == {"nodes", "colour"}
    (home / "directory.toml").write_text(DIRECTORY, encoding="utf-8")
    shutil.copy(home / "directory.toml", home / "more.toml")
    lines = problems_of(write(changed('"directory.toml"', '"directory.toml", "more.toml"')))
    assert lines == (
        "directory: node tinh is listed twice",
        "directory: node xa is listed twice",
        "directory: code H01 names two agencies",
        "directory: code H01.02 names two agencies",
    )


def test_a_node_that_stands_twice_hides_nothing_else(write: Write, home: Path) -> None:
    """Whatever contradicts itself in the directory is told with it."""
    more = (
        '[[nodes]]\nid = "xa"\ntier = "commune"\nparent = "nobody"\n'
        '[[agencies]]\ncode = "H09"\nname = "x"\ntier = "province"\nnode = "nowhere"\n'
    )
    (home / "directory.toml").write_text(DIRECTORY + more, encoding="utf-8")
    lines = problems_of(write(GOOD))
    assert lines == (
        "directory: node xa is listed twice",
        "directory: node xa has unknown parent nobody",
        "directory: agency H09 is served by unknown node nowhere",
    )


@pytest.mark.parametrize("content", [b"node = [", b"\xff\xfe", b'[node]\nid = "a"\nid = "b"\n'])
def test_a_file_that_is_not_toml_is_one_problem(home: Path, content: bytes) -> None:
    """Bytes that are no TOML, or no UTF-8, are refused by name."""
    path = home / "relay.toml"
    path.write_bytes(content)
    (line,) = problems_of(path)
    assert line.startswith(f"{path}: not TOML")


def test_a_file_that_cannot_be_read_is_one_problem(home: Path) -> None:
    """Missing, or a folder."""
    assert problems_of(home / "no.toml") == (f"{home}/no.toml: no such file or directory",)
    assert problems_of(home) == (f"{home}: is a directory",)


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("secret =", "sekret ="),
        ("secret =", 'secret_file = "no.secret"\nsecret ='),
        (f'"{SECRET}"', f'["{SECRET}"]'),
        (f'"{SECRET}"', f'{{ is = "{SECRET}" }}'),
        ('systemid = "vxp.xa"', "systemid = 3"),
        ('agencies = ["000', 'agencies = ["K99", "000'),
    ],
)
def test_no_mistake_around_a_secret_tells_it(write: Write, old: str, new: str) -> None:
    """Neither the lines nor the exception's text hold the value."""
    with pytest.raises(SettingsError) as raised:
        load(write(changed(old, new)))
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_secret_is_judged_beside_whatever_else_is_wrong_with_its_system(write: Write) -> None:
    """A name that is taken, too: whoever mends all that is said has no second round."""
    more = """
[[systems]]
systemid = "vxp.xa"
secret = "replace-me"
agencies = ["?"]

[[systems]]
systemid = "vxp.other"
colour = "red"
agencies = ["000.00.02.H01"]
"""
    assert problems_of(write(GOOD + more)) == (
        'systems "vxp.xa": agencies.0: \'?\': "?" is not an agency code',
        'systems "vxp.other": colour: unknown key',
        'systems "vxp.xa": the secret is still the sample\'s, which everybody knows',
        'systems "vxp.other": give either secret or secret_file',
        "systems: systemid vxp.xa is listed twice",
    )


def test_settings_can_be_shown_without_the_secret(write: Write) -> None:
    """Their repr is fit for a log line."""
    assert SECRET not in repr(load(write(GOOD)))


@pytest.mark.parametrize(
    ("content", "said"), [(b" \n", "the secret is empty"), (b"x" * 5000, "over 4096 bytes")]
)
def test_a_secret_file_must_hold_a_secret(
    write: Write, home: Path, content: bytes, said: str
) -> None:
    """An empty one would let anybody sign; a huge one is another file."""
    (home / "dms.secret").write_bytes(content)
    (home / "dms.secret").chmod(0o600)
    (line,) = problems_of(write(changed(f'secret = "{SECRET}"', 'secret_file = "dms.secret"')))
    assert said in line


def test_a_secret_file_that_others_may_read_is_refused(write: Write, home: Path) -> None:
    """As a key's file is: with its mode and the limit, and without the secret."""
    (home / "dms.secret").write_text(SECRET)
    (home / "dms.secret").chmod(0o640)
    (line,) = problems_of(write(changed(f'secret = "{SECRET}"', 'secret_file = "dms.secret"')))
    assert line.endswith("dms.secret has mode 0640, limit 0600 (owner only)")
    assert SECRET not in line


@given(
    st.recursive(
        st.one_of(
            st.integers(-5, 70000),
            st.booleans(),
            st.text("abcxyz:.[]/0189 ", max_size=12),
            st.floats(allow_nan=False),
        ),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "files", "nodes", "tls", "axis"]), inner)
        ),
        max_leaves=6,
    ),
    st.sampled_from(
        ["node", "listen", "keys", "trust", "directory", "neighbours", "systems", "delivery", "log"]
    ),
)
def test_any_value_in_any_section_is_settings_or_a_settings_error(
    value: object, section: str
) -> None:
    """Whatever stands there, no other exception comes out."""
    content = {section: value}
    found = list(contradictions(sound_sections(content)))
    assert all(isinstance(line, str) for line in found)
    with pytest.raises(ValueError, match="validation error"):
        Settings.model_validate(content)


# ---------------------------------------------------------------- keys


def test_a_node_with_its_own_keys_is_fit_to_start(write: Write) -> None:
    """check() looks at everything a start looks at."""
    settings = check(write(GOOD))
    keys = load_keys(settings, settings.make_directory())
    assert keys.sign.identity.node == "xa"
    assert set(keys.agencies) == {"H01.02"}


def test_keys_of_another_are_refused_all_at_once(write: Write, home: Path) -> None:
    """Each key that is not this node's, or not fit for its use, has a line."""
    (home / "pki/nodes/xa/log.key.pem").chmod(0o644)
    text = (
        GOOD.replace("xa/tls", "tinh/tls")
        .replace("xa/sign", "tinh/sign")
        .replace("agencies/H01.02", "agencies/H01")
        .replace("pki/root/root.pem", "directory.toml")
    )
    with pytest.raises(SettingsError) as raised:
        check(write(text))
    starts = [line.split(":")[0] for line in raised.value.problems]
    assert starts == ["keys.log", "keys.sign", "keys.tls", "keys.agencies.0", "trust"]


def test_a_key_may_be_of_a_certificate_that_the_directory_binds(write: Write, home: Path) -> None:
    """One that names nobody seals for the agency whose record holds its digest, and for no other."""
    now = datetime.now(UTC)
    cert = pki.issue_official(home / "pki", "xa", "tinh", key=pki.KeyType.P256, now=now, days=2)
    text = GOOD.replace("agencies/H01.02", "officials/xa")
    with pytest.raises(SettingsError, match="names no agency served by xa"):
        check(write(text))

    print_ = digest_of(certificates_of(cert.read_bytes())[0])
    bound = DIRECTORY.replace('node = "xa"', f'node = "xa"\ncertificates = ["{print_}"]', 1)
    (home / "directory.toml").write_text(bound, encoding="utf-8")
    settings = load(write(text))

    assert set(load_keys(settings, settings.make_directory()).agencies) == {"H01.02"}
    wrong = bound.replace(print_, print_.upper())
    (home / "directory.toml").write_text(wrong, encoding="utf-8")
    with pytest.raises(SettingsError, match="64 lower-case hex digits"):
        check(write(text))


def test_two_keys_for_one_agency_are_refused(write: Write) -> None:
    """Which of them would sign would depend on the order of the file."""
    row = GOOD[GOOD.index("[[keys.agencies]]") : GOOD.index("[trust]")]
    with pytest.raises(SettingsError) as raised:
        check(write(GOOD.replace("[trust]", row + "[trust]")))
    assert raised.value.problems == ("keys.agencies.1: a second key for agency H01.02",)


# ---------------------------------------------------------------- a start's other needs


def test_check_names_keys_contradictions_and_data_folder_together(write: Write, home: Path) -> None:
    """One run tells what the directory, the keys and the disk each have against a start."""
    (home / "pki/nodes/xa/log.key.pem").chmod(0o644)
    (home / "data").write_text("not a folder")
    text = changed('id = "tinh"\nurl', 'id = "tinh-khac"\nurl')
    with pytest.raises(SettingsError) as raised:
        check(write(text))
    starts = [line.split(":")[0] for line in raised.value.problems]
    assert starts == ["neighbours", "neighbours", "node.data_dir", "keys.log"]
    assert raised.value.hint


def test_what_cannot_be_read_hides_nothing_of_the_rest(write: Write, home: Path) -> None:
    """Unknown keys, a listener twice, a folder that cannot be made, a key's mode, a certificate that does
    not belong, an agency and a neighbour: all in one round."""
    (home / "pki/nodes/xa/log.key.pem").chmod(0o644)
    (home / "file").write_text("not a folder")
    text = (
        changed('data_dir = "data"', 'data_dir = "file/data"\ncolour = "red"')
        .replace("xa/sign", "tinh/sign")
        .replace('axis = ["127.0.0.1:8443"]', 'axis = ["127.0.0.1:8443"]\nnodes = ["0.0.0.0:8443"]')
        .replace('id = "tinh"\nurl', 'id = "tinh-khac"\nurl')
        .replace('agencies = ["000.00.02.H01"]', 'agencies = ["H01"]')
        .replace("agencies/H01.02", "agencies/H01")
    )
    with pytest.raises(SettingsError) as raised:
        check(write(text))
    for start in (
        "node.colour: unknown key",
        "listen: axis 127.0.0.1:8443 and nodes 0.0.0.0:8443 are the same port",
        "neighbours: tinh-khac is not in the directory",
        "systems: vxp.xa: agency H01 is not served by xa",
        f"node.data_dir: {home}/file is not a folder",
        "keys.log: ",
        "keys.sign: the certificate is not the `sign` certificate of xa",
        "keys.agencies.0: the certificate names no agency served by xa",
    ):
        assert [one for one in raised.value.problems if one.startswith(start)], start
    assert len(raised.value.problems) == 9


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1:8443", "127.0.0.1:8443", True),
        ("[::1]:8443", "[::]:8443", True),
        ("0.0.0.0:8443", "10.0.0.1:8443", True),
        ("127.0.0.1:8443", "127.0.0.2:8443", False),
        ("127.0.0.1:8443", "[::1]:8443", False),
        ("127.0.0.1:8443", "127.0.0.1:8444", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_two_listeners_cannot_have_one_port(write: Write, one: str, other: str, same: bool) -> None:
    """The second could not be opened; port 0 is another one each time."""
    path = write(changed('axis = ["127.0.0.1:8443"]', f'axis = ["{one}"]\nnative = ["{other}"]'))
    if not same:
        assert check(path)
        return
    assert problems_of(path) == (f"listen: axis {one} and native {other} are the same port",)


def test_a_data_folder_must_be_makeable(write: Write) -> None:
    """Whatever the reason: it is tried, and nothing is left behind."""
    with pytest.raises(SettingsError, match=r"node\.data_dir: /proc/relay"):
        check(write(changed('"data"', '"/proc/relay/data"')))


def test_a_check_leaves_nothing_behind(write: Write, home: Path) -> None:
    """Neither the data folder nor what tried it."""
    path = write(GOOD)
    before = sorted(home.iterdir())
    check(path)
    assert sorted(home.iterdir()) == before


def test_a_secret_that_others_can_read_is_remarked_on(write: Write) -> None:
    """With what to do; in a file of its own the same mode is a problem."""
    path = write(GOOD)
    path.chmod(0o644)
    said, _ = examine(path)[1]
    assert "mode 0644" in said
    assert SECRET not in said
    path.chmod(0o600)
    assert examine(path)[1] == (REVOCATION_OFF,)


def test_plain_http_beyond_loopback_needs_a_word_and_is_remarked_on(write: Write) -> None:
    """Only where the operator says so, and `config check` says what it means, for each address."""
    plain = (
        "[listen]\nplain_http = true\nplain_http_beyond_loopback = true\nnative = ['10.0.0.1:80']"
    )
    _, remarks = examine(write(changed("[listen]", plain)))
    (said,) = [one for one in remarks if "without TLS" in one]
    assert said.startswith("listen: 10.0.0.1:80 ")


def test_a_system_bound_to_a_certificate_needs_tls(write: Write, home: Path) -> None:
    """Its certificate must be one, and can be shown only in a handshake; both told at once."""
    (home / "dms.pem").write_text("no certificate")
    bound = changed('["000.00.02.H01"]', '["000.00.02.H01"]\ncertificates = ["dms.pem"]')
    problems = problems_of(write(bound.replace("[listen]", "[listen]\nplain_http = true", 1)))
    assert any("vxp.xa is bound to a certificate, plain_http shows none" in one for one in problems)


def test_a_variable_that_changes_nothing_is_remarked_on(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only that: an orchestrator sets RELAY_PORT for a service of that name beside every process."""
    path = write(GOOD)
    path.chmod(0o600)
    monkeypatch.setenv("RELAY_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("RELAY_URL", "https://127.0.0.1:1")
    assert examine(path)[1] == (
        "environment: RELAY_PORT is not a variable of relay and changes nothing",
        REVOCATION_OFF,
    )


def test_keys_alone_bring_no_hint_at_the_samples(write: Write, home: Path) -> None:
    """What a sample shows would not help there."""
    (home / "pki/nodes/xa/log.key.pem").chmod(0o644)
    with pytest.raises(SettingsError) as raised:
        check(write(GOOD))
    assert raised.value.hint == ""


def test_a_data_folder_must_have_room_for_the_control_socket(write: Write, home: Path) -> None:
    """A unix socket's path is short; a start would fail after everything else went well."""
    long = home / ("x" * 120)
    with pytest.raises(SettingsError) as raised:
        check(write(changed('"data"', f'"{long}"')))
    (line,) = raised.value.problems
    assert line.startswith("node.data_dir: ")
    assert line.endswith("bytes, limit 107")


def test_a_data_folder_must_be_writable(
    write: Write, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its parent, where it is yet to be made. Root may write anywhere, so it is asked as its owner."""

    def owner_may(path: Path, mode: int) -> bool:
        return (path.stat().st_mode >> 6) & mode == mode

    monkeypatch.setattr(os, "access", owner_may)
    path = write(changed('"data"', '"closed/data"'))
    (home / "closed").mkdir(mode=0o500)
    with pytest.raises(SettingsError) as raised:
        check(path)
    assert raised.value.problems == (
        f"node.data_dir: {home}/closed cannot be written by this user",
    )


def test_the_node_speaks_only_for_agencies_it_serves(write: Write) -> None:
    """Each that it does not serve is a problem of its own, beside that of the refusals' speaker."""
    added = """
[delivery]
refusal_status_from = "G97"
[business]
arrived_status_for = ["G98", "G99"]
take_back_within = "PT36H"
"""
    with pytest.raises(SettingsError) as raised:
        check(write(GOOD + added))
    assert raised.value.problems == (
        "delivery.refusal_status_from: G97 is not served by this node",
        "business.arrived_status_for: G98 is not served by this node",
        "business.arrived_status_for: G99 is not served by this node",
    )


def test_that_nothing_is_checked_for_revocation_is_remarked_on(write: Write) -> None:
    """Off by default, and said; on without anybody to ask is said, too."""
    on = "[revocation]\ncheck = true\n"
    assert any("revocation: off" in one for one in examine(write(GOOD))[1])
    assert any("no hosts to ask" in one for one in examine(write(f"{GOOD}\n{on}"))[1])
    hosts = 'hosts = ["crl.example", "ocsp.example:8080", "[::1]:80"]\n'
    assert not any("revocation" in one for one in examine(write(f"{GOOD}\n{on}{hosts}"))[1])


@pytest.mark.parametrize("host", ["http://crl.example", "crl.example/x", "", "a b", "x:123456"])
def test_who_may_be_called_is_a_host(write: Write, host: str) -> None:
    """With a port where it has one, and nothing else."""
    text = f"{GOOD}\n[revocation]\nhosts = [{host!r}]\n"
    assert any("revocation.hosts" in one for one in problems_of(write(text)))


def test_certificates_that_neighbours_would_refuse_are_remarked_on(
    write: Write, home: Path, tmp_path: Path
) -> None:
    """By an issuer of another branch, and, said once, by one that names none; the node may start."""
    now, key = datetime.now(UTC), pki.KeyType.P256
    pki.issue_branch(home / "pki", "any", key=key, now=now, days=2)
    pki.issue_branch(home / "pki", "of-xa", key=key, now=now, days=2, nodes=["khac"])
    for kind, branch in (("sign", "of-xa"), ("tls", "any")):
        shutil.rmtree(home / "pki" / "nodes" / "xa", ignore_errors=True)
        pki.issue_node(home / "pki", NodeId("xa"), branch, key=key, now=now, days=2)
        for end in (".pem", ".key.pem"):
            made = home / "pki" / "nodes" / "xa" / f"{kind}{end}"
            (tmp_path / made.name).write_bytes(made.read_bytes())
    for file in ("sign.pem", "sign.key.pem"):
        (home / "pki" / "nodes" / "xa" / file).write_bytes((tmp_path / file).read_bytes())
    path = write(GOOD)
    path.chmod(0o600)

    refused, anyone = (one for one in examine(path)[1] if "revocation: off" not in one)

    assert refused.startswith("keys.sign: neighbours would refuse this certificate: wrong-branch")
    assert anyone.startswith("trust: the issuer of keys.tls names no branch")


def test_anchors_may_be_pinned_for_a_role(write: Write, tmp_path: Path) -> None:
    """In a list of its own; a file that holds no CA is a problem that names the list."""
    other = pki.init(
        tmp_path / "other", name="Khác", key=pki.KeyType.P256, now=datetime.now(UTC), days=2
    )
    roots = 'roots = ["pki/root/root.pem"]'
    settings = load(write(changed(roots, f'{roots}\nagency = ["{other}"]')))

    anchors = load_keys(settings, settings.make_directory()).trust.anchors

    assert [name for name, _ in anchors.listed()] == ["roots", "agency"]
    assert anchors.of(Role.AGENCY) != anchors.of(Role.NODE) == anchors.roots
    with pytest.raises(SettingsError, match=r"trusted certificate \(node\)"):
        check(write(changed(roots, f'{roots}\nnode = ["pki/nodes/xa/tls.pem"]')))

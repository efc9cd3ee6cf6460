"""The development PKI: the profiles of certs/README.md, and what is never written over."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from relay.audit.checkpoint import parse_vkey
from relay.errors import SettingsError
from relay.model import NodeId
from relay.signing import pki
from relay.signing.certificates import Purpose, read_chain
from relay.signing.keys import LogSigner, Signer
from relay.signing.pki_show import certificate_files, describe
from relay.signing.pki_words import KeyType, PkiError, Trouble
from relay.signing.trust import TrustStore

T = TypeVar("T", bound=x509.ExtensionType)
NOW = datetime.now(UTC).replace(microsecond=0)
START = NOW - timedelta(minutes=5)
H01 = NodeId("tinh-h01.1")
LEAVES = [
    "nodes/tinh-h01.1/tls",
    "nodes/tinh-h01.1/sign",
    "nodes/tinh-h01.1/log",
    "agencies/H01.2",
    "gateways/tinh-h01.1",
]
VOUCHING = {LEAVES[1], LEAVES[3], LEAVES[4]}


@pytest.fixture(scope="module")
def openssl() -> str:
    """The program, or skip; where nothing may be skipped, fail."""
    path = shutil.which("openssl")
    if path is None and os.environ.get("TESTS_NO_SKIP"):
        pytest.fail("needs openssl, which must be installed here")
    return path or pytest.skip("skipped: needs openssl")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PKI with one of everything; read-only for the tests."""
    directory = tmp_path_factory.mktemp("pki") / "dev"
    pki.init(directory, name="Trục thử nghiệm", key=KeyType.P256, now=NOW, days=3650)
    pki.issue_branch(directory, "tinh-h01", key=KeyType.P256, now=NOW, days=1000)
    pki.issue_node(
        directory,
        H01,
        "tinh-h01",
        key=KeyType.RSA2048,
        dns=["H01.example"],
        ips=["10.0.0.1", "2001:db8::1"],
        now=NOW,
        days=30,
    )
    pki.issue_agency(
        directory,
        ["H01.2", "20.H13"],
        "tinh-h01",
        key=KeyType.RSA3072,
        name="Sở Nội vụ Mẫu",
        now=NOW,
        days=30,
    )
    pki.issue_gateway(directory, H01, "tinh-h01", key=KeyType.P256, now=NOW, days=30)
    return directory


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A root and a branch, to try refusals on."""
    pki.init(tmp_path, name="Mẫu", key=KeyType.P256, now=NOW, days=10)
    pki.issue_branch(tmp_path, "b", key=KeyType.P256, now=NOW, days=5)
    return tmp_path


def certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def extension(certificate: x509.Certificate, kind: type[T]) -> T:
    return certificate.extensions.get_extension_for_class(kind).value


def usage_words(certificate: x509.Certificate) -> set[str]:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    words = ["digital_signature", "content_commitment", "key_cert_sign", "crl_sign"]
    words += ["key_encipherment", "data_encipherment", "key_agreement"]
    return {word for word in words if getattr(usage.value, word)}


@pytest.mark.parametrize("name", ["root/root", "branches/tinh-h01/ca", *LEAVES])
def test_clause_1_holds_for_every_certificate(made: Path, name: str) -> None:
    """Version, serial, key identifiers, Vietnamese organisation, SHA-256, span inside the issuer's."""
    held = certificates(made / f"{name}.pem")
    issuer = held[1] if len(held) > 1 else certificates(made / "root/root.pem")[0]
    leaf = held[0]

    assert leaf.version is x509.Version.v3
    assert 0 < leaf.serial_number < 2**160
    assert leaf.serial_number.bit_length() > 100
    assert leaf.signature_hash_algorithm is not None
    assert leaf.signature_hash_algorithm.name == "sha256"
    (organisation,) = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert organisation.value == "Trục thử nghiệm"
    own = x509.SubjectKeyIdentifier.from_public_key(leaf.public_key())
    above = extension(issuer, x509.SubjectKeyIdentifier)
    assert extension(leaf, x509.SubjectKeyIdentifier) == own
    assert extension(leaf, x509.AuthorityKeyIdentifier).key_identifier == above.digest
    assert leaf.not_valid_before_utc == START
    assert leaf.not_valid_after_utc <= issuer.not_valid_after_utc


@pytest.mark.parametrize(("name", "length"), [("root/root", 1), ("branches/tinh-h01/ca", 0)])
def test_clauses_2_and_3_hold_for_issuers(made: Path, name: str, length: int) -> None:
    """A CA of limited depth that signs certificates and lists, and nothing else."""
    (certificate,) = certificates(made / f"{name}.pem")
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)

    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=length)
    assert usage_words(certificate) == {"key_cert_sign", "crl_sign"}


@pytest.mark.parametrize(
    ("name", "uris", "kind"),
    [
        (LEAVES[0], ["urn:truc-relay:node:tinh-h01.1:tls"], ec.EllipticCurvePublicKey),
        (LEAVES[1], ["urn:truc-relay:node:tinh-h01.1:sign"], rsa.RSAPublicKey),
        (LEAVES[2], ["urn:truc-relay:node:tinh-h01.1:log"], ed25519.Ed25519PublicKey),
        (
            LEAVES[3],
            ["urn:truc-relay:agency:H01.2", "urn:truc-relay:agency:000.00.20.H13"],
            rsa.RSAPublicKey,
        ),
        (LEAVES[4], ["urn:truc-relay:gateway:tinh-h01.1"], ec.EllipticCurvePublicKey),
    ],
)
def test_clauses_4_to_8_hold_for_end_entities(
    made: Path, name: str, uris: list[str], kind: type
) -> None:
    """Whom it speaks for, the kind of key, and what the key may do."""
    leaf, issuer = certificates(made / f"{name}.pem")
    names = extension(leaf, x509.SubjectAlternativeName)

    assert names.get_values_for_type(x509.UniformResourceIdentifier) == uris
    assert isinstance(leaf.public_key(), kind)
    assert extension(leaf, x509.BasicConstraints) == x509.BasicConstraints(
        ca=False, path_length=None
    )
    commitment = {"content_commitment"} if name in VOUCHING else set()
    assert usage_words(leaf) == {"digital_signature"} | commitment
    assert issuer == certificates(made / "branches/tinh-h01/ca.pem")[0]


def test_only_tls_certificates_are_ends_of_a_connection(made: Path) -> None:
    """Clause 4.3 and 4.4: both usages, loopback and what was asked for; the others have neither."""
    leaf = certificates(made / f"{LEAVES[0]}.pem")[0]
    names = extension(leaf, x509.SubjectAlternativeName)

    assert list(extension(leaf, x509.ExtendedKeyUsage)) == [
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    ]
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "h01.example"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ip_address(text) for text in ("127.0.0.1", "::1", "10.0.0.1", "2001:db8::1")
    ]
    for name in LEAVES[1:]:
        other = certificates(made / f"{name}.pem")[0]
        with pytest.raises(x509.ExtensionNotFound):
            extension(other, x509.ExtendedKeyUsage)
        assert not extension(other, x509.SubjectAlternativeName).get_values_for_type(x509.DNSName)


@pytest.mark.parametrize(
    ("key", "kind", "bits"),
    [
        (KeyType.P256, ec.EllipticCurvePrivateKey, 256),
        (KeyType.RSA2048, rsa.RSAPrivateKey, 2048),
        (KeyType.RSA3072, rsa.RSAPrivateKey, 3072),
    ],
)
def test_every_kind_of_key_can_issue(tmp_path: Path, key: KeyType, kind: type, bits: int) -> None:
    """The root's and a branch's key are of the kind asked for, and the chain holds."""
    root = pki.init(tmp_path, name="Mẫu", key=key, now=NOW, days=10)
    branch = pki.issue_branch(tmp_path, "b", key=KeyType.P256, now=NOW, days=5)
    private = load_pem_private_key((tmp_path / "root/root.key.pem").read_bytes(), None)

    assert isinstance(private, kind)
    assert getattr(private, "key_size", None) == bits
    certificates(branch)[0].verify_directly_issued_by(certificates(root)[0])


def test_keys_are_for_their_owner_only(made: Path) -> None:
    """Clause 9.1: folders 0700, keys 0600 in PKCS#8, certificates 0644, whatever the umask."""
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [made, *made.rglob("*")]}
    keys = [path for path in modes if path.name.endswith(".key.pem")]

    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {modes[key] for key in keys} == {0o600}
    assert {m for path, m in modes.items() if path.is_file() and path not in keys} == {0o644}
    assert len(keys) == 7
    assert all(key.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n") for key in keys)


Command = Callable[[Path], object]
COMMANDS: list[Command] = [
    lambda d: pki.init(d, name="x", key=KeyType.P256, now=NOW, days=9),
    lambda d: pki.issue_branch(d, "b", key=KeyType.P256, now=NOW, days=5),
    lambda d: pki.issue_node(d, H01, "b", key=KeyType.P256, now=NOW, days=5),
    lambda d: pki.issue_agency(d, ["H01.2"], "b", key=KeyType.P256, now=NOW, days=5),
    lambda d: pki.issue_gateway(d, H01, "b", key=KeyType.P256, now=NOW, days=5),
]


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_ever_written_over(small: Path, command: Command) -> None:
    """Clause 9.2: the second time refuses, with a hint, and every byte is as before."""
    for each in COMMANDS[2:]:
        each(small)
    before = contents(small)
    with pytest.raises(PkiError, match="there already") as refused:
        command(small)

    assert refused.value.trouble is Trouble.EXISTS
    assert refused.value.hint
    assert contents(small) == before


@pytest.mark.parametrize("left", ["log.pem", "sign.key.pem"])
def test_a_node_gets_all_three_pairs_or_none(small: Path, left: str) -> None:
    """Clause 9.3: one file in the way refuses the whole command; a dangling link counts."""
    folder = small / "nodes" / H01
    folder.mkdir(parents=True)
    (folder / left).symlink_to(small / "elsewhere")
    with pytest.raises(PkiError, match=f"{left} is there already"):
        COMMANDS[2](small)

    assert [path.name for path in folder.iterdir()] == [left]
    assert not (small / "elsewhere").exists()


def test_a_failure_half_way_leaves_nothing_behind(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clause 9.3 again: the disk fills up at the fourth file."""
    opened: list[object] = []
    real = os.open

    def filling(path: Path, *rest: int) -> int:
        opened.append(path)
        if len(opened) == 4:
            raise OSError(28, "No space left on device")
        return real(path, *rest)

    monkeypatch.setattr(os, "open", filling)
    with pytest.raises(PkiError, match="no space left") as refused:
        COMMANDS[2](small)

    assert refused.value.trouble is Trouble.FAILED
    assert list((small / "nodes" / H01).iterdir()) == []


def test_an_open_issuer_key_is_not_used(small: Path) -> None:
    """Clause 9.4: others could have copied it; the hint is the command that closes it."""
    key = small / "branches/b/ca.key.pem"
    key.chmod(0o640)
    with pytest.raises(PkiError, match="mode 0640, limit 0600") as refused:
        COMMANDS[4](small)

    assert refused.value.trouble is Trouble.FORBIDDEN
    assert refused.value.hint == f"chmod 600 {key}"


def test_a_swapped_issuer_is_not_used(small: Path) -> None:
    """Another issuer's key, an end entity as issuer, and rubbish are all refused as data."""
    agency = pki.issue_agency(small, ["H01.2"], "b", key=KeyType.P256, now=NOW, days=5)
    issuer, key = small / "branches/b/ca.pem", small / "branches/b/ca.key.pem"
    pair = (issuer.read_bytes(), key.read_bytes())
    agency_pair = (agency.read_bytes(), agency.with_name("H01.2.key.pem").read_bytes())
    encrypted = (
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    for certificate, private in [
        (pair[0], agency_pair[1]),
        agency_pair,
        (b"rubbish", pair[1]),
        (pair[0], b"rubbish"),
        (pair[0], encrypted),
        (pair[0], b"x" * 300_000),
    ]:
        issuer.write_bytes(certificate)
        key.write_bytes(private)
        with pytest.raises(PkiError) as refused:
            COMMANDS[4](small)
        assert refused.value.trouble is Trouble.DATA


def test_a_missing_issuer_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    """First the root, then the branch."""
    with pytest.raises(PkiError, match=r"root\.pem: no such file") as refused:
        COMMANDS[1](tmp_path)
    assert refused.value.hint == f"to make it: relay pki init {tmp_path} --name NAME"
    with pytest.raises(PkiError, match=r"ca\.pem: no such file") as refused:
        COMMANDS[4](tmp_path)
    assert refused.value.hint == f"to make it: relay pki issue branch {tmp_path} b"


def test_validity_is_as_asked_and_never_beyond_the_issuer(small: Path) -> None:
    """The branch has five days: a node's hundred become five, two stay two."""
    long = pki.issue_agency(small, ["H01.2"], "b", key=KeyType.P256, now=NOW, days=100)
    short = pki.issue_agency(small, ["H01.3"], "b", key=KeyType.P256, now=NOW, days=2)

    assert certificates(long)[0].not_valid_after_utc == NOW + timedelta(days=5)
    assert certificates(short)[0].not_valid_after_utc == NOW + timedelta(days=2)
    assert certificates(short)[0].not_valid_before_utc == START


@pytest.mark.parametrize("days", [-1, 6])
def test_an_issuer_out_of_date_does_not_issue(small: Path, days: int) -> None:
    """Before it began or after it ended."""
    with pytest.raises(PkiError, match=r"ca\.pem issues from .* only"):
        pki.issue_gateway(small, H01, "b", key=KeyType.P256, now=NOW + timedelta(days=days), days=1)


BAD_NODES = ["", "..", "../x", "a/b", ".a", "a b", "a\n", "a.key", "é", "x" * 65]


@pytest.mark.parametrize("name", BAD_NODES)
def test_a_label_cannot_leave_its_folder(small: Path, name: str) -> None:
    """Ids and branches become paths, so only plain words pass; nothing is written."""
    before = contents(small)
    for command in (
        lambda: pki.issue_gateway(small, NodeId(name), "b", key=KeyType.P256, now=NOW, days=1),
        lambda: pki.issue_node(small, NodeId(name), "b", key=KeyType.P256, now=NOW, days=1),
        lambda: pki.issue_branch(small, name, key=KeyType.P256, now=NOW, days=1),
        lambda: pki.issue_agency(small, [name], "b", key=KeyType.P256, now=NOW, days=1),
        lambda: pki.issue_agency(small, ["H01"], name, key=KeyType.P256, now=NOW, days=1),
    ):
        with pytest.raises(PkiError) as refused:
            command()
        assert refused.value.trouble is Trouble.USAGE
    assert contents(small) == before


@pytest.mark.parametrize(
    ("dns", "ips"),
    [
        (["*.example"], []),
        (["a_b"], []),
        (["-a"], []),
        (["xã.example"], []),
        (["a" * 64], []),
        (["a"] * 101, []),
        ([], ["10.0.0.256"]),
        ([], ["fe80::1%eth0"]),
        ([], [""]),
    ],
)
def test_hosts_and_addresses_are_checked(small: Path, dns: list[str], ips: list[str]) -> None:
    """A wrong one is named before any key is made."""
    with pytest.raises(PkiError) as refused:
        pki.issue_node(small, H01, "b", key=KeyType.P256, dns=dns, ips=ips, now=NOW, days=1)

    assert refused.value.trouble is Trouble.USAGE
    assert not (small / "nodes").exists()


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\N{RIGHT-TO-LEFT OVERRIDE}b"])
def test_a_name_must_be_readable(tmp_path: Path, name: str) -> None:
    """It is what people see of the PKI."""
    with pytest.raises(PkiError, match="limit 1 to 64"):
        pki.init(tmp_path, name=name, key=KeyType.P256, now=NOW, days=1)


@pytest.mark.parametrize("days", [0, -1, 36_526, 10**12])
def test_days_are_bounded(tmp_path: Path, days: int) -> None:
    """A hundred years is the limit; nothing overflows."""
    with pytest.raises(PkiError, match="limit 1 to 36525"):
        pki.init(tmp_path, name="x", key=KeyType.P256, now=NOW, days=days)


def test_trouble_is_a_settings_error(tmp_path: Path) -> None:
    """Whoever only knows the tree of failures still gets one line saying what to do."""
    with pytest.raises(SettingsError) as refused:
        pki.init(tmp_path, name="", key=KeyType.P256, now=NOW, days=1)
    assert len(refused.value.problems) == 1


# ---------------------------------------------------------------- others agree


@pytest.mark.parametrize("name", LEAVES)
def test_openssl_verifies_every_chain(made: Path, openssl: str, name: str) -> None:
    """Root trusted, issuing CA as helper, strict checking."""
    done = subprocess.run(
        [
            openssl,
            "verify",
            "-x509_strict",
            "-CAfile",
            made / "root/root.pem",
            "-untrusted",
            made / "branches/tinh-h01/ca.pem",
            made / f"{name}.pem",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("OK\n")


@pytest.mark.parametrize(
    ("name", "purpose", "node", "agencies"),
    [
        (LEAVES[0], Purpose.TLS, H01, set()),
        (LEAVES[1], Purpose.SIGN, H01, set()),
        (LEAVES[2], Purpose.LOG, H01, set()),
        (LEAVES[3], Purpose.AGENCY, None, {"H01.2", "000.00.20.H13"}),
        (LEAVES[4], Purpose.GATEWAY, H01, set()),
    ],
)
def test_our_own_trust_takes_each_for_its_purpose(
    made: Path, name: str, purpose: Purpose, node: NodeId | None, agencies: set[str]
) -> None:
    """What is issued is what the verifiers ask for."""
    ders = [c.public_bytes(Encoding.DER) for c in certificates(made / f"{name}.pem")]
    trust = TrustStore([(made / "root/root.pem").read_bytes()])
    identity = trust.judge(read_chain(ders), NOW, purpose).identity

    assert (identity.purpose, identity.node) == (purpose, node)
    assert set(identity.agencies) == agencies


@pytest.mark.parametrize("name", [LEAVES[1], LEAVES[3], LEAVES[4]])
def test_what_is_issued_loads_as_a_signer(made: Path, name: str) -> None:
    """Certificate, issuer and key from the files as they lie there."""
    signer = Signer.load(made / f"{name}.pem", made / f"{name}.key.pem")

    assert len(signer.chain) == 2
    assert signer.sign(b"x")


def test_the_log_key_and_its_vkey_belong_together(made: Path) -> None:
    """What `show` prints is what signs heads."""
    path = made / f"{LEAVES[2]}.pem"
    signer = LogSigner.from_pem(path.read_bytes(), (made / f"{LEAVES[2]}.key.pem").read_bytes())
    view = describe(path)[0]

    assert parse_vkey(view.vkey) == (f"truc-relay.example/log/{H01}", signer.public_key)


def test_two_nodes_shake_hands_over_tls_1_3(made: Path) -> None:
    """Mutual, in memory, each knowing only the root; the peer's own certificate is seen."""
    tls = made / f"{LEAVES[0]}.pem"
    key = made / f"{LEAVES[0]}.key.pem"
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(made / "root/root.pem")
        context.load_cert_chain(tls, key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(down, up, server_hostname="127.0.0.1")
    far = server.wrap_bio(up, down, server_side=True)

    unfinished = [near, far]
    for _ in range(10):
        for end in list(unfinished):
            try:
                end.do_handshake()
                unfinished.remove(end)
            except ssl.SSLWantReadError:
                continue

    assert unfinished == []
    assert far.version() == "TLSv1.3"
    leaf = certificates(tls)[0]
    for end in (near, far):
        assert x509.load_der_x509_certificate(end.getpeercert(binary_form=True) or b"") == leaf


def test_describe_tells_what_each_file_holds(made: Path) -> None:
    """Profile, whom it speaks for, key and time; the leaf first, keys never opened."""
    files = certificate_files(made)
    views = {str(path.relative_to(made)): describe(path) for path in files}

    assert {name: view[0].profile for name, view in views.items()} == {
        "root/root.pem": "root",
        "branches/tinh-h01/ca.pem": "issuing",
        f"{LEAVES[0]}.pem": "tls",
        f"{LEAVES[1]}.pem": "sign",
        f"{LEAVES[2]}.pem": "log",
        f"{LEAVES[3]}.pem": "agency",
        f"{LEAVES[4]}.pem": "gateway",
    }
    agency, issuer = views[f"{LEAVES[3]}.pem"]
    assert agency.speaks_for == ("000.00.20.H13", "H01.2")
    assert agency.key == "RSA-3072"
    assert agency.subject == "CN=Sở Nội vụ Mẫu,OU=Agency,O=Trục thử nghiệm,C=VN"
    assert (agency.not_before, agency.not_after) == (START, NOW + timedelta(days=30))
    assert issuer.subject == agency.issuer
    assert views[f"{LEAVES[0]}.pem"][0].ips[2:] == ("10.0.0.1", "2001:db8::1")


@pytest.mark.parametrize(
    "content",
    [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\n", b"\x30\x82", b"x" * 300_000],
)
def test_describe_refuses_what_is_no_certificate(tmp_path: Path, content: bytes) -> None:
    """Anyone's file: a clear refusal and never another exception."""
    path = tmp_path / "x.pem"
    path.write_bytes(content)
    with pytest.raises(PkiError) as refused:
        describe(path)

    assert refused.value.trouble is Trouble.DATA


# ---------------------------------------------------------------- branches, generations, officials


def test_an_issuing_ca_says_for_which_nodes_branches(small: Path) -> None:
    """Clause 3.4: by URIs of its own; none where it may certify anyone."""
    path = pki.issue_branch(
        small, "tinh-h01", key=KeyType.P256, now=NOW, days=5, nodes=["h01", "h02"]
    )

    (view,) = describe(path)
    assert (view.profile, view.speaks_for) == ("issuing", ("h01", "h02"))
    assert describe(small / "branches/b/ca.pem")[0].speaks_for == ()


def test_two_generations_stand_side_by_side(small: Path) -> None:
    """The newest issues; what the one before issued stays valid beside it."""
    trust = TrustStore([(small / "root/root.pem").read_bytes()])
    old = pki.issue_agency(small, ["H01"], "b", key=KeyType.P256, now=NOW, days=4)
    second = pki.issue_branch(small, "b", key=KeyType.P256, now=NOW, days=5, generation=2)
    new = pki.issue_agency(small, ["H02"], "b", key=KeyType.P256, now=NOW, days=4)

    assert second == small / "branches/b/ca-g2.pem"
    assert certificates(new)[1] == certificates(second)[0]
    assert certificates(old)[1] != certificates(second)[0]
    for path in (old, new):
        ders = [one.public_bytes(Encoding.DER) for one in certificates(path)]
        trust.judge(read_chain(ders), NOW, Purpose.AGENCY)


@pytest.mark.parametrize("generation", [0, 10])
def test_generations_are_few(small: Path, generation: int) -> None:
    """One to nine."""
    with pytest.raises(PkiError) as refused:
        pki.issue_branch(small, "b", key=KeyType.P256, now=NOW, days=5, generation=generation)

    assert refused.value.trouble is Trouble.USAGE


def test_an_official_is_known_by_usage_and_names_nobody(small: Path) -> None:
    """Clause 10: as the field's certificates are."""
    path = pki.issue_official(
        small, "nvm", "b", key=KeyType.RSA2048, name="Nguyễn Văn Mẫu", now=NOW, days=4
    )
    ders = [one.public_bytes(Encoding.DER) for one in certificates(path)]
    trust = TrustStore([(small / "root/root.pem").read_bytes()])

    leaf = trust.judge(read_chain(ders), NOW, Purpose.OFFICIAL)

    assert (leaf.identity.purpose, leaf.identity.agencies) == (Purpose.OFFICIAL, frozenset())
    assert describe(path)[0].profile == "official"
    assert usage_words(certificates(path)[0]) == {"digital_signature", "content_commitment"}

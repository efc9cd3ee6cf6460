"""TLS between nodes and at the faces, shaken hands in memory."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from relay.errors import SettingsError, SignatureError
from relay.signing.tls import (
    NodePeers,
    ask_for_certificates,
    client_certificate,
    client_context,
    face_client_context,
    face_context,
    following,
    is_certificate,
    peer_node,
    renew_own,
    server_context,
)
from relay.signing.trust import Role, read_anchors
from relay.transport.nodes.connections import shown_chain
from tests.signing.conftest import TLS_USES

NAMES = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


@pytest.fixture
def files(pki: Any, tmp_path: Path) -> Any:
    """Write an entity's files and give their paths, roots last."""

    def write(entity: Any, mode: int = 0o600) -> tuple[Path, Path, Path]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        paths = folder / "tls.pem", folder / "tls.key.pem", folder / "root.pem"
        for path, content in zip(
            paths, (entity.chain_pem, entity.key_pem, pki.root.pem), strict=True
        ):
            path.write_bytes(content)
        paths[1].chmod(mode)
        return paths

    return write


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None) -> tuple[Any, Any]:
    """Both ends after a full handshake; a refusal by either raises."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=name),
        server.wrap_bio(up, down, server_side=True),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    assert not waiting
    for end in reversed(ends):  # TLS 1.3: a client learns of a refusal when it reads
        end.write(b"x")
    assert [end.read(1) for end in ends] == [b"x", b"x"]
    return ends[0], ends[1]


def test_nodes_know_each_other_after_the_handshake(pki: Any, files: Any) -> None:
    """TLS 1.3 both ways, and each end reads the other's node from its certificate."""
    server = server_context(*files(pki.node("tw", "tls", names=NAMES)))
    client = client_context(*files(pki.node("tinh-h01", "tls", names=NAMES)))

    near, far = shake(server, client, "localhost")

    assert near.version() == "TLSv1.3"
    assert peer_node(near.getpeercert(True)) == "tw"
    assert peer_node(far.getpeercert(True)) == "tinh-h01"


def test_a_client_without_a_certificate_is_refused(pki: Any, files: Any) -> None:
    """The inside is for nodes only."""
    server = server_context(*files(pki.node("tw", "tls", names=NAMES)))
    stranger = face_client_context(files(pki.node("x", "tls"))[2])

    with pytest.raises(ssl.SSLError):
        shake(server, stranger, "localhost")


def test_a_client_of_another_authority_is_refused(pki: Any, make_pki: Any, files: Any) -> None:
    """A certificate must lead to the roots of this federation."""
    server = server_context(*files(pki.node("tw", "tls", names=NAMES)))
    other = make_pki("rsa2048").node("tinh-h01", "tls", kind="p256")

    with pytest.raises(ssl.SSLError):
        shake(server, client_context(*files(other)), "localhost")


def test_tls_1_2_is_too_old_inside(pki: Any, files: Any) -> None:
    """Nodes speak TLS 1.3 to each other and nothing older."""
    server = server_context(*files(pki.node("tw", "tls", names=NAMES)))
    client = client_context(*files(pki.node("tinh-h01", "tls")))
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    client.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises(ssl.SSLError):
        shake(server, client, "localhost")


def test_the_host_name_is_checked_unless_told_otherwise(pki: Any, files: Any) -> None:
    """Without names, the node's identity is what the caller compares."""
    server = server_context(*files(pki.node("tw", "tls", names=NAMES)))
    paths = files(pki.node("tinh-h01", "tls"))

    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, client_context(*paths), "elsewhere.example")
    near, _ = shake(server, client_context(*paths, check_hostname=False), "elsewhere.example")
    assert peer_node(near.getpeercert(True)) == "tw"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_face_takes_old_clients(pki: Any, files: Any, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and no client certificate, as old Java clients have it."""
    paths = files(pki.node("tw", "tls", names=NAMES))
    client = face_client_context(paths[2])
    client.maximum_version = version

    near, far = shake(face_context(*paths[:2]), client, "localhost")

    assert near.version() == version.name.replace("_", ".")
    assert far.getpeercert(True) is None


def _asking(pki: Any, files: Any, roots: Path) -> ssl.SSLContext:
    certificate, key, _ = files(pki.node("tw", "tls", names=NAMES))
    return face_context(certificate, key, (roots,))


def test_a_face_that_asks_for_certificates_takes_only_clients_under_its_roots(
    pki: Any, make_pki: Any, files: Any, tmp_path: Path
) -> None:
    """None, another authority's, and one that is not for clients are refused."""
    operators = make_pki("rsa2048")
    (tmp_path / "operators.pem").write_bytes(operators.root.pem)
    server = _asking(pki, files, tmp_path / "operators.pem")
    roots = files(pki.node("tw", "tls"))[2]

    def client(entity: Any = None) -> ssl.SSLContext:
        context = face_client_context(roots)
        if entity is not None:
            renew_own(context, *files(entity)[:2])
        return context

    own = operators.node("van-thu", "tls", kind="p256")
    near, far = shake(server, client(own), "localhost")
    assert near.version() == "TLSv1.3"
    assert far.getpeercert(True) == own.der
    server_only = operators.node("van-thu", "tls", kind="p256", uses=TLS_USES[:1])
    for stranger in (None, pki.node("van-thu", "tls"), server_only):
        with pytest.raises(ssl.SSLError):
            shake(server, client(stranger), "localhost")


def test_a_face_that_asks_for_certificates_takes_up_no_session(pki: Any, files: Any) -> None:
    """Or whoever came while the certificate was good would come for ever."""
    own = files(pki.node("van-thu", "tls"))
    client = face_client_context(own[2])
    renew_own(client, *own[:2])

    near, _ = shake(_asking(pki, files, own[2]), client, "localhost")

    assert near.session is None or not near.session.has_ticket
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(_asking(pki, files, own[2]), client, "localhost")


def test_a_face_still_asks_once_its_own_certificate_was_renewed(pki: Any, files: Any) -> None:
    own = files(pki.node("van-thu", "tls"))
    client, stranger = face_client_context(own[2]), face_client_context(own[2])
    renew_own(client, *own[:2])
    server = _asking(pki, files, own[2])
    before = shake(server, client, "localhost")[0].getpeercert(True)
    renewed = pki.node("tw", "tls", names=NAMES)

    renew_own(server, *files(renewed)[:2])

    assert shake(server, client, "localhost")[0].getpeercert(True) == renewed.der != before
    with pytest.raises(ssl.SSLError):
        shake(server, stranger, "localhost")


def test_roots_for_clients_that_are_none_are_the_operators_to_mend(
    pki: Any, files: Any, tmp_path: Path
) -> None:
    (tmp_path / "roots.pem").write_text("nothing")

    with pytest.raises(SettingsError, match=r"roots\.pem"):
        _asking(pki, files, tmp_path / "roots.pem")


@pytest.mark.parametrize("other", ["sign", "log"])
def test_other_certificates_are_no_tls_certificates(pki: Any, other: str) -> None:
    """The same authority issued them, for something else."""
    with pytest.raises(SignatureError) as caught:
        peer_node(pki.node("tw", other).der)

    assert caught.value.reason == "wrong-purpose"


def test_an_agency_is_no_node(pki: Any) -> None:
    """An agency's certificate opens no connection."""
    with pytest.raises(SignatureError) as caught:
        peer_node(pki.agency("H01").der)

    assert caught.value.reason == "wrong-purpose"


def test_a_tls_certificate_serves_both_ends(pki: Any) -> None:
    """Without serverAuth and clientAuth it is not a node's."""
    with pytest.raises(SignatureError) as caught:
        peer_node(pki.node("tw", "tls", uses=()).der)

    assert caught.value.reason == "bad-certificate"


def test_unserviceable_files_are_named(pki: Any, files: Any, tmp_path: Path) -> None:
    """Mode, mismatch and absence are the operator's to mend."""
    good = files(pki.node("tw", "tls"))
    other = files(pki.node("tw", "tls"))
    open_key = files(pki.node("tw", "tls"), 0o644)
    none = tmp_path / "none.pem"

    with pytest.raises(SettingsError, match="mode 0644"):
        server_context(*open_key)
    with pytest.raises(SettingsError, match=r"tls\.key\.pem"):
        server_context(good[0], other[1], good[2])
    with pytest.raises(SettingsError, match=r"none\.pem"):
        client_context(good[0], good[1], none)


def test_a_following_context_begins_each_connection_under_what_holds_now(
    pki: Any, make_pki: Any, files: Any
) -> None:
    """Roots cannot be taken out of a context, so the context is replaced; what is open stays open."""
    other = make_pki("rsa2048")
    paths = files(pki.node("tw", "tls", names=NAMES))
    client = client_context(*files(pki.node("tinh-h01", "tls", names=NAMES)))
    server = following(
        lambda: server_context(paths[0], paths[1], pki.trust.anchors), ssl.PROTOCOL_TLS_SERVER
    )
    near, far = shake(server, client, "localhost")

    server.now = server_context(paths[0], paths[1], other.trust.anchors)

    with pytest.raises(ssl.SSLError):
        shake(server, client, "localhost")
    near.write(b"still here")
    assert far.read(10) == b"still here"


def test_anchors_pinned_for_nodes_are_those_of_tls(pki: Any, make_pki: Any, files: Any) -> None:
    """And an intermediate opens no door by itself, nor does one that is its own issuer."""
    other = make_pki("rsa2048")
    paths = files(pki.node("tw", "tls", names=NAMES))
    client = client_context(*files(pki.node("tinh-h01", "tls", names=NAMES)))
    pinned = {Role.NODE: [pki.root.pem]}
    shake(
        server_context(paths[0], paths[1], read_anchors([other.root.pem], (), pinned)),
        client,
        "localhost",
    )

    helping = read_anchors([other.root.pem], [pki.issuing.pem, pki.root.pem])
    with pytest.raises(ssl.SSLError):
        shake(server_context(paths[0], paths[1], helping), client, "localhost")


def test_an_issuing_ca_may_be_the_anchor(pki: Any, make_pki: Any, files: Any) -> None:
    """Pinned below a root that is not trusted for anything else."""
    paths = files(pki.node("tw", "tls", names=NAMES))
    client = client_context(*files(pki.node("tinh-h01", "tls", names=NAMES)))

    near, _ = shake(
        server_context(paths[0], paths[1], read_anchors([pki.issuing.pem])), client, "localhost"
    )

    assert peer_node(near.getpeercert(True)) == "tw"


def test_the_whole_chain_of_a_handshake_is_seen(pki: Any, files: Any) -> None:
    """Either end's own certificate and its issuers: what NodePeers judges."""
    server = server_context(*files(pki.node("tw", "tls", names=NAMES)))
    client = client_context(*files(pki.node("tinh-h01", "tls", names=NAMES)))
    ends = shake(server, client, "localhost")

    judge = NodePeers(pki.trust, lambda: datetime.now(UTC))
    chains = [shown_chain(end) for end in ends]

    assert [len(chain) for chain in chains] == [2, 2]
    assert [judge(chain) for chain in chains] == ["tw", "tinh-h01"]
    assert shown_chain(None) == ()


def test_what_is_no_certificate_of_a_client_keeps_the_face_from_nobody(pki: Any) -> None:
    """An earlier release stored any file that an operator named, and did not start again."""
    good = pki.root.certificate.public_bytes(Encoding.DER)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ask_for_certificates(context, [b"", b"hello", good])
    assert context.get_ca_certs(binary_form=True) == [good]
    assert [is_certificate(one) for one in (b"", b"hello", good)] == [False, False, True]


def test_a_file_without_a_certificate_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "client.pem"
    path.write_text("hello")
    with pytest.raises(SettingsError, match="no certificate is in it"):
        client_certificate(path)

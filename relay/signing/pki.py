"""A development PKI shaped like the real one: a root, an issuing CA per branch, end entities.

Touches: the folder it is given; the system's randomness, for keys and serial numbers.
Trusts:  its own folder's issuers, once certificate and key belong together and are in date.
Raises:  PkiError (a SettingsError with the kind of trouble and a hint).

    DIR/root/root.pem              the anchor that everyone trusts
    DIR/branches/BRANCH/ca.pem     its issuing CA; a branch is a free label: central, tinh-h01
    DIR/branches/BRANCH/ca-g2.pem  the second generation beside it, likewise any further
    DIR/nodes/ID/tls.pem           certificate and issuing CA in one file, likewise below
    DIR/nodes/ID/sign.pem
    DIR/nodes/ID/log.pem
    DIR/agencies/CODE.pem
    DIR/gateways/ID.pem
    DIR/officials/LABEL.pem
    DIR/tsa/NAME.pem               a timestamp authority's
    DIR/publish                    where CRLs and the OCSP responder are, if anywhere
    DIR/root/root-ocsp.pem, DIR/branches/BRANCH/ca-ocsp.pem    the responders' certificates, then

Beside each `NAME.pem` lies `NAME.key.pem`, PKCS#8 without a password, mode 0600. Nothing is written
over, and a command that refuses has changed nothing. certs/README.md has the profiles in clauses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from relay.errors import SignatureError
from relay.model import UTC_NOW_TOLERANCE, utc
from relay.signing import pki_files, pki_names, pki_profiles
from relay.signing.certificates import check_issuer
from relay.signing.pki_files import Issued
from relay.signing.pki_profiles import Issuer, PrivateKey, Profile, Published, Span
from relay.signing.pki_requests import read_request
from relay.signing.pki_words import KeyType, PkiError, Trouble

__all__ = [
    "KeyType",
    "PkiError",
    "Trouble",
    "init",
    "issue_agency",
    "issue_branch",
    "issue_gateway",
    "issue_node",
    "issue_official",
    "issue_tsa",
]

DAYS_LIMIT: Final = 36_525
PUBLISH: Final = "publish"
GENERATION_LIMIT: Final = 9


def init(
    directory: Path, *, name: str, key: KeyType, now: datetime, days: int, publish: str = ""
) -> Path:
    """Make the root of a new PKI; `name` is the organisation every certificate will carry.

    `publish` is the http URL under which relay pki serve will say what is revoked; every certificate
    made from now on names it.
    """
    path, place = directory / "root" / "root.pem", directory / PUBLISH
    organisation = pki_names.organisation(name, "name")
    base = pki_names.publishing(publish) if publish else ""
    span = _span(now, days)
    pki_files.check_free([path, place] if base else [path])
    root_key = pki_profiles.generate(key)
    certificate = pki_profiles.root(organisation, root_key, span)
    made = [Issued(path, (certificate,), root_key)]
    if base:
        made.append(_responder("root", path, Issuer(certificate, root_key), span))
    stored = _store(directory, made)[0]
    if base:
        pki_files.replace(place, f"{base}\n".encode())
    return stored


def issue_branch(
    directory: Path,
    branch: str,
    *,
    key: KeyType,
    now: datetime,
    days: int,
    nodes: Sequence[str] = (),
    generation: int = 1,
) -> Path:
    """Make an issuing CA of a branch, under the root. It certifies what lies below `nodes`; anyone, where
    none is named. Generations stand side by side: what an older one issued stays valid."""
    path = _branch_path(directory, branch, generation)
    pki_files.check_free([path])
    maker = f"relay pki init {directory} --name NAME"
    root = _issuer(directory / "root" / "root.pem", now, maker, issuers_below=1)
    branch_key, span = pki_profiles.generate(key), _span(now, days, root)
    name = branch if generation == 1 else f"{branch} G{generation}"
    uris = tuple(f"urn:truc-relay:branch:{pki_names.label(node, 'node')}" for node in nodes)
    published = _published(directory, directory / "root" / "root.pem")
    certificate = pki_profiles.issuing(name, branch_key, root, span, uris, published)
    made = [Issued(path, (certificate,), branch_key)]
    if published is not None:
        made.append(_responder(name, path, Issuer(certificate, branch_key), span))
    return _store(directory, made)[0]


def issue_node(
    directory: Path,
    node_id: str,
    branch: str,
    *,
    key: KeyType,
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
    now: datetime,
    days: int,
) -> list[Path]:
    """Make a node's three certificates: tls (P-256), sign (`key`) and log (Ed25519).

    The tls certificate also names localhost and the loopback addresses.
    """
    pki_names.label(node_id, "node")
    hosts, addresses = pki_names.hosts(dns), pki_names.addresses(ips)
    folder = directory / "nodes" / node_id
    paths = [folder / f"{use}.pem" for use in ("tls", "sign", "log")]
    pki_files.check_free(paths)
    issuer = _branch_issuer(directory, branch, now)
    span = _span(now, days, issuer)
    urn = f"urn:truc-relay:node:{node_id}"
    profiles = [
        Profile("Node tls", node_id, (f"{urn}:tls",), tls=True, dns=hosts, ips=addresses),
        Profile("Node sign", node_id, (f"{urn}:sign",), vouches=True),
        Profile("Node log", node_id, (f"{urn}:log",)),
    ]
    keys: list[PrivateKey] = [
        pki_profiles.generate(KeyType.P256),
        pki_profiles.generate(key),
        ed25519.Ed25519PrivateKey.generate(),
    ]
    published = _published(directory, _newest(directory, branch))
    issued = [
        _issued(path, profile, own_key, issuer, span, published)
        for path, profile, own_key in zip(paths, profiles, keys, strict=True)
    ]
    return _store(directory, issued)


def issue_agency(
    directory: Path,
    codes: Sequence[str],
    branch: str,
    *,
    key: KeyType,
    name: str = "",
    now: datetime,
    days: int,
) -> Path:
    """Make an agency's certificate; it speaks for every code given and is filed under the first."""
    agencies = pki_names.codes(codes)
    path = directory / "agencies" / f"{agencies[0]}.pem"
    shown = pki_names.organisation(name, "agency name") if name else agencies[0]
    uris = tuple(f"urn:truc-relay:agency:{code}" for code in agencies)
    return _one(
        directory,
        path,
        Profile("Agency", shown, uris, vouches=True),
        branch,
        key,
        now,
        days,
    )


def issue_gateway(
    directory: Path, node_id: str, branch: str, *, key: KeyType, now: datetime, days: int
) -> Path:
    """Make the certificate with which a node seals what entered from an axis route."""
    pki_names.label(node_id, "node")
    path = directory / "gateways" / f"{node_id}.pem"
    profile = Profile("Gateway", node_id, (f"urn:truc-relay:gateway:{node_id}",), vouches=True)
    return _one(directory, path, profile, branch, key, now, days)


def issue_official(
    directory: Path,
    label: str,
    branch: str,
    *,
    key: KeyType,
    name: str = "",
    now: datetime,
    days: int,
) -> Path:
    """Make an official's certificate, filed under `label`. As in the field it names nobody of the relay."""
    path = directory / "officials" / f"{pki_names.label(label, 'official')}.pem"
    shown = pki_names.organisation(name, "name") if name else label
    return _one(
        directory, path, Profile("Official", shown, (), vouches=True), branch, key, now, days
    )


def sign_request(
    directory: Path, request: bytes, branch: str, *, now: datetime, days: int
) -> bytes:
    """The certificate that a request (PKCS#10 in PEM) asks for, and its issuing CA's after it, in PEM.

    Nothing is filed in the folder: the key is with whoever asked.
    """
    profile, key = read_request(request)
    issuer = _branch_issuer(directory, branch, now)
    published = _published(directory, _newest(directory, branch))
    made = pki_profiles.end_entity(profile, key, issuer, _span(now, days, issuer), published)
    return b"".join(one.public_bytes(Encoding.PEM) for one in (made, issuer.certificate))


def issue_tsa(
    directory: Path, name: str, branch: str, *, key: KeyType, now: datetime, days: int
) -> Path:
    """Make the certificate of a timestamp authority, which names nobody of the relay."""
    pki_names.label(name, "timestamp authority")
    path = directory / "tsa" / f"{name}.pem"
    profile = Profile("Timestamp authority", name, (), vouches=True, stamps=True)
    return _one(directory, path, profile, branch, key, now, days)


def _one(
    directory: Path,
    path: Path,
    profile: Profile,
    branch: str,
    key: KeyType,
    now: datetime,
    days: int,
) -> Path:
    pki_files.check_free([path])
    issuer = _branch_issuer(directory, branch, now)
    span = _span(now, days, issuer)
    published = _published(directory, _newest(directory, branch))
    issued = _issued(path, profile, pki_profiles.generate(key), issuer, span, published)
    return _store(directory, [issued])[0]


def _issued(
    path: Path,
    profile: Profile,
    key: PrivateKey,
    issuer: Issuer,
    span: Span,
    published: Published | None,
) -> Issued:
    certificate = pki_profiles.end_entity(profile, key, issuer, span, published)
    return Issued(path, (certificate, issuer.certificate), key)


def place_of(directory: Path) -> tuple[str, int]:
    """The address and port under which the PKI says it is published."""
    place = directory / PUBLISH
    if not place.exists():
        raise PkiError(
            Trouble.MISSING,
            f"{directory} was made without a place to publish",
            f"relay pki init {directory} --name NAME --publish http://127.0.0.1:8480",
        )
    parts = urlsplit(pki_names.publishing(pki_files.read(place).decode("utf-8", "replace").strip()))
    return str(parts.hostname), int(parts.port or 0)


def _published(directory: Path, authority: Path) -> Published | None:
    """Where this authority's revocations are told; None where the PKI was made without."""
    place = directory / PUBLISH
    if not place.exists():
        return None
    base = pki_names.publishing(pki_files.read(place).decode("utf-8", "replace").strip())
    name = pki_files.published_name(directory, authority)
    return Published(f"{base}/crl/{name}.crl", f"{base}/ocsp/{name}")


def _responder(name: str, authority: Path, issuer: Issuer, span: Span) -> Issued:
    path = pki_files.responder_path(authority)
    pki_files.check_free([path])
    key = pki_profiles.generate(KeyType.P256)
    certificate = pki_profiles.responder(name, key, issuer, span)
    return Issued(path, (certificate, issuer.certificate), key)


def _store(directory: Path, issued: Sequence[Issued]) -> list[Path]:
    for each in issued:
        pki_files.make_folder(directory, each.path.parent)
    pki_files.write(issued)
    return [each.path for each in issued]


# ---------------------------------------------------------------- issuers and validity


def _branch_path(directory: Path, branch: str, generation: int = 1) -> Path:
    if not 1 <= generation <= GENERATION_LIMIT:
        raise PkiError(Trouble.USAGE, f"generation {generation}, limit 1 to {GENERATION_LIMIT}")
    name = "ca.pem" if generation == 1 else f"ca-g{generation}.pem"
    return directory / "branches" / pki_names.label(branch, "branch") / name


def _newest(directory: Path, branch: str) -> Path:
    """The newest generation there is."""
    paths = [_branch_path(directory, branch, one) for one in range(1, GENERATION_LIMIT + 1)]
    return next((one for one in reversed(paths) if one.exists()), paths[0])


def _branch_issuer(directory: Path, branch: str, now: datetime) -> Issuer:
    path = _newest(directory, branch)
    return _issuer(path, now, f"relay pki issue branch {directory} {branch}")


def _issuer(path: Path, now: datetime, maker: str, issuers_below: int = 0) -> Issuer:
    """The issuer at `path`, in date; `maker` is the command that would have made it."""
    try:
        issuer = pki_files.load_issuer(path)
        check_issuer(issuer.certificate, issuers_below)
    except SignatureError as error:
        raise PkiError(Trouble.DATA, f"{path}: {error}") from error
    except PkiError as error:
        if error.trouble is Trouble.MISSING:
            raise PkiError(error.trouble, str(error), f"to make it: {maker}") from error
        raise
    start, end = issuer.certificate.not_valid_before_utc, issuer.certificate.not_valid_after_utc
    if not start <= utc(now) < end:
        raise PkiError(Trouble.DATA, f"{path} issues from {start:%Y-%m-%d} to {end:%Y-%m-%d} only")
    return issuer


def _span(now: datetime, days: int, issuer: Issuer | None = None) -> Span:
    """`days` from now, never longer than the issuer. It starts a little early, so that a neighbour
    whose clock is behind within the tolerance can use a fresh certificate at once.
    """
    if not 1 <= days <= DAYS_LIMIT:
        raise PkiError(Trouble.USAGE, f"validity of {days} days, limit 1 to {DAYS_LIMIT}")
    start = utc(now).replace(microsecond=0) - UTC_NOW_TOLERANCE
    try:
        end = utc(now).replace(microsecond=0) + timedelta(days=days)
    except OverflowError as error:
        raise PkiError(Trouble.USAGE, f"validity of {days} days ends after the calendar") from error
    if issuer is None:
        return Span(start, end)
    above = issuer.certificate
    return Span(max(start, above.not_valid_before_utc), min(end, above.not_valid_after_utc))

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

Beside each `NAME.pem` lies `NAME.key.pem`, PKCS#8 without a password, mode 0600. Nothing is written
over, and a command that refuses has changed nothing. certs/README.md has the profiles in clauses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519

from relay.errors import SignatureError
from relay.model import UTC_NOW_TOLERANCE, utc
from relay.signing import pki_files, pki_names, pki_profiles
from relay.signing.certificates import check_issuer
from relay.signing.pki_files import Issued
from relay.signing.pki_profiles import Issuer, PrivateKey, Profile, Span
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
]

DAYS_LIMIT: Final = 36_525
GENERATION_LIMIT: Final = 9


def init(directory: Path, *, name: str, key: KeyType, now: datetime, days: int) -> Path:
    """Make the root of a new PKI; `name` is the organisation every certificate will carry."""
    path = directory / "root" / "root.pem"
    organisation = pki_names.organisation(name, "name")
    span = _span(now, days)
    pki_files.check_free([path])
    root_key = pki_profiles.generate(key)
    certificate = pki_profiles.root(organisation, root_key, span)
    return _store(directory, [Issued(path, (certificate,), root_key)])[0]


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
    branch_key = pki_profiles.generate(key)
    name = branch if generation == 1 else f"{branch} G{generation}"
    uris = tuple(f"urn:truc-relay:branch:{pki_names.label(node, 'node')}" for node in nodes)
    span = _span(now, days, root)
    certificate = pki_profiles.issuing(name, branch_key, root, span, uris)
    return _store(directory, [Issued(path, (certificate,), branch_key)])[0]


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
    issued = [
        _issued(path, profile, own_key, issuer, span)
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
    issued = _issued(path, profile, pki_profiles.generate(key), issuer, span)
    return _store(directory, [issued])[0]


def _issued(path: Path, profile: Profile, key: PrivateKey, issuer: Issuer, span: Span) -> Issued:
    certificate = pki_profiles.end_entity(profile, key, issuer, span)
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


def _branch_issuer(directory: Path, branch: str, now: datetime) -> Issuer:
    """The newest generation there is."""
    paths = [_branch_path(directory, branch, one) for one in range(1, GENERATION_LIMIT + 1)]
    path = next((one for one in reversed(paths) if one.exists()), paths[0])
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

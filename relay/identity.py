"""The keys a node works with, and proof that they are its own.

Touches: the key and certificate files that the settings name, read once.
Raises:  SettingsError with every problem at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from relay.errors import KeyUnavailableError, SettingsError, SignatureError
from relay.model import AgencyCode, NodeId, digest_of
from relay.routing.directory import Directory
from relay.settings.sections import KeyPair, SigningKey, TokenSection, TrustSection
from relay.settings.settings import Settings
from relay.settings.sound import Sound
from relay.signing.binding import Binding
from relay.signing.certificates import Purpose, read_chain
from relay.signing.keys import LogSigner, Signer
from relay.signing.log_key import key_named
from relay.signing.pin import PinPlace
from relay.signing.secrets import SecretBox
from relay.signing.tls import client_certificate, face_context, require_roots, tls_identity
from relay.signing.token import TokenKey, TokenModule
from relay.signing.trust import Anchors, TrustStore, certificates_of, read_anchors
from relay.signing.trust import Path as TrustPath
from relay.signing.trust import Role as TrustRole

TRUST_FILE_LIMIT_BYTES = 4 << 20
_Key = TypeVar("_Key")
Tokens = tuple[TokenModule, ...]


@dataclass(frozen=True, slots=True)
class NodeKeys:
    sign: Signer
    log: LogSigner
    agencies: dict[AgencyCode, Signer]
    trust: TrustStore
    box: SecretBox
    gateway: Signer | None = None
    tokens: tuple[TokenModule, ...] = ()
    unplaced: tuple[tuple[str, Signer], ...] = ()
    """Of the configuration's agency keys, by their name there, those whose agency only a directory that
    the node keeps may know (place_agencies)."""

    def close(self) -> None:
        """Let go of the tokens."""
        for module in self.tokens:
            module.close()


@dataclass(slots=True)
class _Tokens:
    """One module is loaded once, whoever names it: only one hand may use it."""

    modules: dict[Path, TokenModule] = field(default_factory=dict)

    def signer(self, certificate: Path, section: TokenSection) -> Signer:
        path = section.module.resolve()
        module = self.modules.setdefault(path, TokenModule(path))
        pin = PinPlace(section.pin_file, section.pin_env)
        pin.read()  # a mistake in its place is told as one, before any token is asked
        return Signer.on_token(
            certificate, module, TokenKey(section.key, section.label, section.serial, pin)
        )

    def close(self, besides: Tokens = ()) -> None:
        for module in self.modules.values():
            if module not in besides:
                module.close()


@dataclass(frozen=True, slots=True)
class _Found:
    sign: Signer | None
    log: LogSigner | None
    gateway: Signer | None
    agencies: dict[AgencyCode, Signer]
    unplaced: list[tuple[str, Signer]]
    trust: TrustStore | None


def load_keys(
    settings: Settings, directory: Directory, held: Tokens = (), *, later: bool = False
) -> NodeKeys:
    """Load keys and roots; every key must belong to this node, or to an agency it serves. Tokens that
    are `held` already are used as they are, and stay open whatever comes of it. `later`: the directory
    is only the configuration's, and an agency's key that it does not know is no problem yet."""
    keys = settings.keys
    problems: list[str] = []
    tokens = _Tokens({module.path: module for module in held})
    found = _look(
        NodeId(settings.node.id),
        {"tls": keys.tls, "log": keys.log},
        {"sign": keys.sign, "gateway": keys.gateway},
        tuple(enumerate(keys.agencies)),
        settings.trust,
        directory,
        problems,
        tokens,
        later=later,
    )
    if problems or found.sign is None or found.log is None or found.trust is None:
        tokens.close(besides=held)
        raise SettingsError(problems)
    box = SecretBox.load(NodeId(settings.node.id), keys.log.key, keys.log_before)
    modules = tuple(tokens.modules.values())
    return NodeKeys(
        found.sign,
        found.log,
        found.agencies,
        found.trust,
        box,
        found.gateway,
        modules,
        tuple(found.unplaced),
    )


def place_agencies(keys: NodeKeys, directory: Directory, node: NodeId) -> NodeKeys:
    """The same with those that had no place yet, by the directory in force. Raises SettingsError."""
    agencies, problems = dict(keys.agencies), list[str]()
    unplaced: list[tuple[str, Signer]] = []
    for name, signer in keys.unplaced:
        problems += _add_agency(agencies, unplaced, directory, node, name, signer)
    if problems := [*problems, *_strangers(unplaced, node)]:
        raise SettingsError(problems)
    return replace(keys, agencies=agencies, unplaced=())


def _strangers(unplaced: Iterable[tuple[str, Signer]], node: NodeId) -> Iterator[str]:
    for name, _ in unplaced:
        yield f"{name}: the certificate names no agency served by {node}"


def key_problems(sound: Sound, *, later: bool = False) -> list[str]:
    """What load_keys would complain of, as far as the configuration can be read."""
    problems: list[str] = []
    directory = sound.make_directory()
    tokens = _Tokens()
    _look(
        sound.node,
        sound.keys,
        sound.signing,
        sound.agencies,
        sound.trust,
        directory,
        problems,
        tokens,
        later=later,
    )
    tokens.close()
    return [*problems, *_unfit_certificates(sound)]


def _unfit_certificates(sound: Sound) -> Iterator[str]:
    for path in sound.listen.native_clients if sound.listen is not None else ():
        try:
            require_roots(path)
        except SettingsError as error:
            yield from (f"listen.native_clients: {one}" for one in error.problems)
    for system in sound.systems:
        for path in system.certificates:
            try:
                client_certificate(path)
            except SettingsError as error:
                yield from (f"systems: {system.systemid}: {one}" for one in error.problems)


def _look(
    node: NodeId | None,
    pairs: Mapping[str, KeyPair | None],
    signing: Mapping[str, SigningKey | None],
    agency_keys: tuple[tuple[int, SigningKey], ...],
    trust: TrustSection | None,
    directory: Directory | None,
    problems: list[str],
    tokens: _Tokens,
    *,
    later: bool,
) -> _Found:
    """All that can be loaded; what is wrong goes into `problems`. Without node or directory nothing is
    said of whose a key is."""

    def load(name: str, loader: Callable[[Path, Path], _Key], pair: KeyPair | None) -> _Key | None:
        try:
            return None if pair is None else loader(pair.certificate, pair.key)
        except (SettingsError, SignatureError) as error:
            problems.append(f"{name}: {error}")
            return None

    def load_signer(name: str, key: SigningKey | None) -> Signer | None:
        try:
            return None if key is None else _signer(key, tokens)
        except (SettingsError, SignatureError, KeyUnavailableError) as error:
            problems.append(f"{name}: {error}")
            return None

    sign = load_signer("keys.sign", signing.get("sign"))
    log = load("keys.log", LogSigner.load, pairs.get("log"))
    tls = load("keys.tls", _tls_node, pairs.get("tls"))
    gateway = load_signer("keys.gateway", signing.get("gateway"))
    if node is not None:
        problems += _not_its_own(node, sign, log, tls)
        problems += _no_gateway(node, gateway)
    agencies: dict[AgencyCode, Signer] = {}
    unplaced: list[tuple[str, Signer]] = []
    for number, key in agency_keys:
        name = f"keys.agencies.{number}"
        signer = load_signer(name, key)
        if signer is not None and node is not None and directory is not None:
            problems += _add_agency(agencies, unplaced, directory, node, name, signer)
    if node is not None and not later:
        problems += _strangers(unplaced, node)
    store = None if trust is None else _trust(trust, problems)
    return _Found(sign, log, gateway, agencies, unplaced, store)


def _signer(key: SigningKey, tokens: _Tokens) -> Signer:
    if key.token is not None and key.certificate is not None:
        return tokens.signer(key.certificate, key.token)
    return signer_in_file(key)


def password_of(key: SigningKey) -> PinPlace | None:
    """Where the password of the key's file is; None: it has none."""
    if key.password_file is None and key.password_env is None:
        return None
    return PinPlace(key.password_file, key.password_env, "password")


def signer_in_file(key: SigningKey) -> Signer:
    """The key of a PEM or PKCS#12 file. Raises SettingsError."""
    place = password_of(key)
    secret = None if place is None else place.read().encode()
    if key.pkcs12 is not None:
        return Signer.load_pkcs12(key.pkcs12, secret)
    if key.certificate is None or key.key is None:
        raise SettingsError(["the key is in no file"])
    return Signer.load(key.certificate, key.key, secret)


def _not_its_own(
    node: NodeId, sign: Signer | None, log: LogSigner | None, tls: NodeId | None
) -> Iterator[str]:
    if sign is not None and (sign.identity.purpose, sign.identity.node) != (Purpose.SIGN, node):
        yield f"keys.sign: the certificate is not the `sign` certificate of {node}"
    if log is not None and log.node != node:
        yield f"keys.log: the certificate is of node {log.node}, not {node}"
    if tls is not None and tls != node:
        yield f"keys.tls: the certificate is of node {tls}, not {node}"


def _no_gateway(node: NodeId, gateway: Signer | None) -> Iterator[str]:
    wanted = (Purpose.GATEWAY, node)
    if gateway is not None and (gateway.identity.purpose, gateway.identity.node) != wanted:
        yield f"keys.gateway: the certificate is not the gateway certificate of {node}"


def _tls_node(certificate: Path, key: Path) -> NodeId:
    face_context(certificate, key)
    return tls_identity(certificate)


def _add_agency(
    agencies: dict[AgencyCode, Signer],
    unplaced: list[tuple[str, Signer]],
    directory: Directory,
    node: NodeId,
    name: str,
    signer: Signer,
) -> list[str]:
    served, print_ = directory.served_by(node), digest_of(signer.chain[0])
    codes = {directory.resolve(code) for code in signer.identity.agencies} & served
    for code in served:
        agency = directory.find(code)
        if agency is not None and print_ in agency.certificates:
            codes.add(code)
    if not codes:
        unplaced.append((name, signer))
        return []
    if again := sorted(codes & agencies.keys()):
        return [f"{name}: a second key for agency {', '.join(again)}"]
    agencies.update(dict.fromkeys(codes, signer))
    return []


def certificates_before(path: Path, node: NodeId) -> tuple[bytes, ...]:
    """Of an earlier key of the node's log, from a file that the configuration names. Raises SettingsError."""
    try:
        chain = tuple(certificates_of(path.read_bytes()))
        key_named(chain, node)
        return chain
    except (OSError, SignatureError) as error:
        raise SettingsError([f"keys.log_certificates_before: {path}: {error}"]) from None


def binding_of(settings: Settings, directory: Directory) -> Binding:
    """What the directory, as it is at any time, says of whose a certificate may be."""
    unlimited = settings.trust.issuers_without_branch == "accept"
    return Binding(directory, NodeId(settings.node.id), unlimited)


def read_trust(trust: TrustSection) -> Anchors:
    """The certificates that the settings name, as they lie there now. Raises SettingsError."""

    def contents(paths: Iterable[Path]) -> list[bytes]:
        return [_content(path) for path in paths]

    try:
        return read_anchors(
            contents(trust.roots),
            contents(trust.intermediates),
            {role: contents(getattr(trust, role.value)) for role in TrustRole},
        )
    except OSError as error:
        raise SettingsError([f"{error.filename}: {error.strerror}"]) from None


def require_trusted(settings: Settings, chain: bytes, at: datetime) -> None:
    """Raise SettingsError unless neighbours with these anchors, and this directory, would take this
    certificate (PEM)."""
    try:
        found = read_chain(certificates_of(chain))
        path = TrustStore(read_trust(settings.trust)).path(found, at, found.leaf.used_for)
        _require_branch(settings, path)
    except SignatureError as error:
        raise SettingsError([f"the new certificate would be refused: {error}"]) from None


def _require_branch(settings: Settings, path: TrustPath) -> None:
    """Of the node, and of those agencies that the configuration's directory knows to be served here."""
    directory, identity = settings.make_directory(), path.leaf.identity
    binding = binding_of(settings, directory)
    if identity.node is not None:
        binding.require_node(path)
    served = directory.served_by(NodeId(settings.node.id))
    for code in sorted({directory.resolve(code) for code in identity.agencies} & served):
        binding.require_agency(path, code)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(TRUST_FILE_LIMIT_BYTES + 1)
    if len(content) > TRUST_FILE_LIMIT_BYTES:
        raise SettingsError([f"{path} is over {TRUST_FILE_LIMIT_BYTES} bytes"])
    return content


def _trust(trust: TrustSection, problems: list[str]) -> TrustStore | None:
    try:
        return TrustStore(read_trust(trust))
    except SettingsError as error:
        problems += (f"trust: {problem}" for problem in error.problems)
    return None

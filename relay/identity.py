"""The keys a node works with, and proof that they are its own.

Touches: the key and certificate files that the settings name, read once.
Raises:  SettingsError with every problem at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from relay.errors import SettingsError, SignatureError
from relay.model import AgencyCode, NodeId
from relay.routing.directory import Directory
from relay.settings import KeyPair, Settings
from relay.signing.certificates import Purpose
from relay.signing.keys import LogSigner, Signer
from relay.signing.tls import face_context, tls_identity
from relay.signing.trust import TrustStore

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class NodeKeys:
    sign: Signer
    log: LogSigner
    agencies: dict[AgencyCode, Signer]
    trust: TrustStore


def load_keys(settings: Settings, directory: Directory) -> NodeKeys:
    """Load keys and roots; every key must belong to this node, or to an agency it serves."""
    problems: list[str] = []
    node = NodeId(settings.node.id)

    def load(name: str, loader: Callable[[Path, Path], _Key], pair: KeyPair) -> _Key | None:
        try:
            return loader(pair.certificate, pair.key)
        except (SettingsError, SignatureError) as error:
            problems.append(f"{name}: {error}")
            return None

    sign = load("keys.sign", Signer.load, settings.keys.sign)
    log = load("keys.log", LogSigner.load, settings.keys.log)
    tls = load("keys.tls", _tls_node, settings.keys.tls)
    if sign is not None and (sign.identity.purpose, sign.identity.node) != (Purpose.SIGN, node):
        problems.append(f"keys.sign: the certificate is not the `sign` certificate of {node}")
    if log is not None and log.node != node:
        problems.append(f"keys.log: the certificate is of node {log.node}, not {node}")
    if tls is not None and tls != node:
        problems.append(f"keys.tls: the certificate is of node {tls}, not {node}")
    agencies: dict[AgencyCode, Signer] = {}
    for number, pair in enumerate(settings.keys.agencies):
        name = f"keys.agencies.{number}"
        signer = load(name, Signer.load, pair)
        if signer is not None:
            problems += _add_agency(agencies, directory, node, name, signer)
    trust = _trust(settings, problems)
    if problems or sign is None or log is None or trust is None:
        raise SettingsError(problems)
    return NodeKeys(sign, log, agencies, trust)


def _tls_node(certificate: Path, key: Path) -> NodeId:
    face_context(certificate, key)
    return tls_identity(certificate)


def _add_agency(
    agencies: dict[AgencyCode, Signer],
    directory: Directory,
    node: NodeId,
    name: str,
    signer: Signer,
) -> list[str]:
    served = directory.served_by(node)
    codes = {directory.resolve(code) for code in signer.identity.agencies} & served
    if not codes:
        return [f"{name}: the certificate names no agency served by {node}"]
    if again := sorted(codes & agencies.keys()):
        return [f"{name}: a second key for agency {', '.join(again)}"]
    agencies.update(dict.fromkeys(codes, signer))
    return []


def _trust(settings: Settings, problems: list[str]) -> TrustStore | None:
    try:
        return TrustStore(
            [path.read_bytes() for path in settings.trust.roots],
            [path.read_bytes() for path in settings.trust.intermediates],
        )
    except SettingsError as error:
        problems += (f"trust: {problem}" for problem in error.problems)
    except OSError as error:
        problems.append(f"trust: {error.filename}: {error.strerror}")
    return None

"""The pairs of certificate and key that a configuration names, under the names operators call them by, and
the authorities on which they and the node's trust rest.

Touches: the certificate files, and those in waiting beside them.
Raises:  SettingsError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from relay.delivery.operators.ageing import AgeingCertificate
from relay.errors import SettingsError, SignatureError
from relay.identity import password_of, signer_in_file
from relay.model import Digest, digest_of
from relay.settings.sections import KeyPair, KeysSection, SigningKey
from relay.signing.certificates import Leaf, read_certificate, read_leaf
from relay.signing.renewal import Place
from relay.signing.trust import Anchors, certificates_of
from relay.signing.trust.anchors import der_of

ISSUER: Final = "issuer"
CLIENTS: Final = "listen.native_clients"
_HINTS: Final = {
    ISSUER: "its authority issues the next one; relay cert install CONFIG NAME FILE takes a certificate with other"
    " issuers after it",
    CLIENTS: "the next one beside it in that file; the next start reads it",
}
_NEXT_ANCHOR: Final = (
    "the next one beside it in [trust], then relay trust reload --config CONFIG --why …"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """`name` is tls, sign, log or gateway, or the first code that an agency's certificate speaks for; of one
    that names none, whose agency the directory says, its place in the configuration (agencies.0)."""

    name: str
    place: Place
    leaf: Leaf
    chain: tuple[bytes, ...]
    """DER, as the file has them: its own first, then its issuers."""

    @property
    def aged(self) -> AgeingCertificate:
        return AgeingCertificate(
            self.name,
            self.leaf.sha256,
            self.leaf.certificate.not_valid_after_utc,
            f"relay cert request CONFIG {self.name}",
        )

    @property
    def asked_for(self) -> bool:
        """Whether a request for its successor waits."""
        return self.place.request.exists()

    @property
    def speaks_for(self) -> tuple[str, ...]:
        identity = self.leaf.identity
        return (identity.node,) if identity.node else tuple(sorted(identity.agencies))


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA's certificate that the node trusts, or under which a certificate of its own stands. `name` is the
    list of the configuration in which it stands, or `issuer` where it is in none."""

    name: str
    certificate: x509.Certificate

    @property
    def sha256(self) -> Digest:
        return digest_of(der_of(self.certificate))

    @property
    def aged(self) -> AgeingCertificate:
        hint = _HINTS.get(self.name, _NEXT_ANCHOR)
        return AgeingCertificate(self.name, self.sha256, self.certificate.not_valid_after_utc, hint)


def authorities_of(
    pairs: Iterable[Pair], anchors: Anchors, clients: Iterable[Path] = ()
) -> list[Authority]:
    """Each once, under the first list it stands in; what is unreadable in a file of `clients`, by whose roots
    clients of the native face are judged, or behind a pair's own certificate left out."""
    found: dict[bytes, Authority] = {}
    for name, certificate in anchors.listed():
        found.setdefault(der_of(certificate), Authority(f"trust.{name}", certificate))
    for path in clients:
        with suppress(OSError, SignatureError, ValueError):
            for der in certificates_of(path.read_bytes()):
                root = x509.load_der_x509_certificate(der)
                found.setdefault(der, Authority(CLIENTS, root))
    for der in (one for pair in pairs for one in pair.chain[1:]):
        if der not in found:
            with suppress(SignatureError):
                found[der] = Authority(ISSUER, read_certificate(der))
    return list(found.values())


def pairs_of(keys: KeysSection) -> list[Pair]:
    """Every pair of the configuration as its files are now. Raises SettingsError with all problems."""
    problems: list[str] = []
    found = [one for pair, name in _named(keys) if (one := _pair(pair, name, problems)) is not None]
    if problems:
        raise SettingsError(problems)
    return found


def pair_named(keys: KeysSection, name: str) -> Pair:
    """By its name, or by any code that it speaks for."""
    found = pairs_of(keys)
    for one in found:
        if name == one.name or name in one.leaf.identity.agencies:
            return one
    raise SettingsError([f"no certificate {name!r}: there are {', '.join(p.name for p in found)}"])


def _named(keys: KeysSection) -> Iterator[tuple[KeyPair | SigningKey, str]]:
    yield keys.tls, "tls"
    yield keys.sign, "sign"
    yield keys.log, "log"
    if keys.gateway is not None:
        yield keys.gateway, "gateway"
    for number, agency in enumerate(keys.agencies):
        yield agency, f"agencies.{number}"


def _pair(pair: KeyPair | SigningKey, name: str, problems: list[str]) -> Pair | None:
    try:
        place, chain = _chain(pair)
        leaf = read_leaf(chain[0])
    except (OSError, SignatureError, SettingsError) as error:
        problems.append(f"{name}: certificate: {error}")
        return None
    return Pair(min(leaf.identity.agencies, default=name), place, leaf, chain)


def _chain(pair: KeyPair | SigningKey) -> tuple[Place, tuple[bytes, ...]]:
    if isinstance(pair, SigningKey) and pair.pkcs12 is not None:
        return Place(pair.pkcs12, None, whole=True), signer_in_file(pair).chain
    if pair.certificate is None:
        raise SettingsError(["there is none"])
    chain = tuple(certificates_of(pair.certificate.read_bytes()))
    password = password_of(pair) if isinstance(pair, SigningKey) else None
    return Place(pair.certificate, pair.key, password), chain

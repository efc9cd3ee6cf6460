"""The pairs of certificate and key that a configuration names, under the names operators call them by.

Touches: the certificate files, and those in waiting beside them.
Raises:  SettingsError.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from relay.delivery.operators.ageing import OwnCertificate
from relay.errors import SettingsError, SignatureError
from relay.identity import password_of, signer_in_file
from relay.settings.sections import KeyPair, KeysSection, SigningKey
from relay.signing.certificates import Leaf, read_leaf
from relay.signing.renewal import Place
from relay.signing.trust import certificates_of


@dataclass(frozen=True, slots=True)
class Pair:
    """`name` is tls, sign, log or gateway, or the first code that an agency's certificate speaks for; of one
    that names none, whose agency the directory says, its place in the configuration (agencies.0)."""

    name: str
    place: Place
    leaf: Leaf

    @property
    def aged(self) -> OwnCertificate:
        return OwnCertificate(
            self.name, self.leaf.sha256, self.leaf.certificate.not_valid_after_utc
        )

    @property
    def asked_for(self) -> bool:
        """Whether a request for its successor waits."""
        return self.place.request.exists()

    @property
    def speaks_for(self) -> tuple[str, ...]:
        identity = self.leaf.identity
        return (identity.node,) if identity.node else tuple(sorted(identity.agencies))


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
        place, leaf = _leaf(pair)
    except (OSError, SignatureError, SettingsError) as error:
        problems.append(f"{name}: certificate: {error}")
        return None
    return Pair(min(leaf.identity.agencies, default=name), place, leaf)


def _leaf(pair: KeyPair | SigningKey) -> tuple[Place, Leaf]:
    if isinstance(pair, SigningKey) and pair.pkcs12 is not None:
        return Place(pair.pkcs12, None, whole=True), read_leaf(signer_in_file(pair).chain[0])
    if pair.certificate is None:
        raise SettingsError(["there is none"])
    leaf = read_leaf(certificates_of(pair.certificate.read_bytes())[0])
    password = password_of(pair) if isinstance(pair, SigningKey) else None
    return Place(pair.certificate, pair.key, password), leaf

"""What `relay cert status` shows: the node's own certificates and the authorities above them, one line each.

Touches: the files of a configuration, the node's journal, reading.
Trusts:  nothing it shows.
Raises:  SettingsError.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509

from relay.cli.outcome import remark
from relay.cli.show import ZONE, local
from relay.delivery.operators.ageing import AgeingCertificate
from relay.errors import JournalError, SignatureError
from relay.identity import read_trust
from relay.own_standing import Source, Standing, standings
from relay.pairs import Authority, Pair, authorities_of, pairs_of
from relay.settings.settings import Settings
from relay.signing.profiles import branches_of
from relay.signing.revocation.verdicts import RevocationState

COLUMNS: Final = (
    "NAME",
    "SPEAKS FOR",
    f"ENDS ({ZONE})",
    "DAYS",
    "STATE",
    f"REVOKED ({ZONE})",
    "SHA-256",
    "FILE",
)


@dataclass(frozen=True, slots=True)
class Shown:
    """`standing` None: of an anchor, or of a CA under which nothing here stands, nothing is asked."""

    shown: Pair | Authority
    now: datetime
    standing: Standing | None

    @property
    def counts_for_nothing(self) -> bool:
        """Whether it is the node's own, and nobody believes it any more."""
        return isinstance(self.shown, Pair) and (self._revoked or self._ended)

    @property
    def _aged(self) -> AgeingCertificate:
        return self.shown.aged

    @property
    def _certificate(self) -> x509.Certificate:
        return (
            self.shown.leaf.certificate if isinstance(self.shown, Pair) else self.shown.certificate
        )

    @property
    def _revoked(self) -> bool:
        return self.standing is not None and self.standing.state is RevocationState.REVOKED

    @property
    def _ended(self) -> bool:
        return self.now > self._certificate.not_valid_after_utc

    @property
    def _speaks_for(self) -> list[str]:
        """Of an authority the branches it issues for; none: anyone."""
        if isinstance(self.shown, Pair):
            return list(self.shown.speaks_for)
        with suppress(SignatureError):  # a root of clients names what it likes
            return sorted(branches_of(self.shown.certificate))
        return []

    @property
    def _state(self) -> str:
        asked_for = isinstance(self.shown, Pair) and self.shown.asked_for
        return f"{self._standing}, next asked for" if asked_for else self._standing

    @property
    def _standing(self) -> str:
        if self._revoked:
            return "revoked"
        if self.now < self._certificate.not_valid_before_utc:
            return "not yet valid"
        if self._ended:
            return "ended"
        return "valid" if self._aged.step(self.now) is None else "ends soon"

    def row(self) -> tuple[object, ...]:
        own = isinstance(self.shown, Pair)
        whom = ", ".join(self._speaks_for) or ("by the directory" if own else "anyone")
        return (
            self._aged.name,
            whom if own else f"{self._certificate.subject.rfc4514_string()} for {whom}",
            local(self._aged.not_after.isoformat()),
            self._aged.days_left(self.now),
            self._state,
            "" if self.standing is None else _said(self.standing),
            self._aged.sha256[:16],
            self.shown.place.certificate if isinstance(self.shown, Pair) else "",
        )

    def view(self) -> dict[str, object]:
        certificate = self._certificate
        return {
            "name": self._aged.name,
            "purpose": "authority",
            "speaks_for": self._speaks_for,
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "serial": f"{certificate.serial_number:x}",
            "not_before": _utc(certificate.not_valid_before_utc),
            "not_after": _utc(certificate.not_valid_after_utc),
            "days_left": self._aged.days_left(self.now),
            "state": self._state,
            "revocation": None if self.standing is None else _standing_view(self.standing),
            "sha256": self._aged.sha256,
            "certificate": None,
            "key": None,
            "request": None,
            **(_pair_view(self.shown) if isinstance(self.shown, Pair) else {}),
        }


def lines_of(settings: Settings, now: datetime) -> list[Shown]:
    """The node's own first; raises SettingsError where a file does not serve."""
    pairs, anchors = pairs_of(settings.keys), read_trust(settings.trust)
    found = {}
    try:
        found = standings(settings, pairs, anchors, now)
    except JournalError as error:
        remark(f"warning: what is known of revocation cannot be said: {error}")
        unknown = Standing(RevocationState.UNKNOWN, "the journal cannot be read")
        found = {one.leaf.sha256: unknown for one in pairs}
    shown: list[Pair | Authority] = [
        *pairs,
        *authorities_of(pairs, anchors, settings.listen.native_clients),
    ]
    return [Shown(one, now, found.get(one.aged.sha256)) for one in shown]


def _said(standing: Standing) -> str:
    match standing.state:
        case RevocationState.VALID:
            return f"no: {_sources(standing)}"
        case RevocationState.UNKNOWN:
            return f"unknown: {standing.why}"
    whose = "" if standing.own else f"its issuer {standing.subject} "
    since = "" if standing.since is None else f"since {local(standing.since.isoformat())} "
    return f"{whose}{since}({standing.reason}): {_sources(standing)}"


def _sources(standing: Standing) -> str:
    noted = standing.noted_at
    if not standing.sources and noted is not None:
        return f"noted here {local(noted.isoformat())}"
    return "; ".join(_source(one) for one in standing.sources)


def _source(one: Source) -> str:
    until = "" if one.next_update is None else f", next {local(one.next_update.isoformat())}"
    return f"{one.kind.value.upper()} of {local(one.this_update.isoformat())}{until}"


def _pair_view(pair: Pair) -> dict[str, object]:
    return {
        "purpose": pair.leaf.identity.purpose.value,
        "certificate": str(pair.place.certificate),
        "key": None if pair.place.key is None else str(pair.place.key),
        "request": str(pair.place.request) if pair.asked_for else None,
    }


def _standing_view(standing: Standing) -> dict[str, Any]:
    return {
        "state": standing.state.value,
        "why": standing.why,
        "whose": standing.subject,
        "since": _utc(standing.since),
        "reason": standing.reason or None,
        "known_since": _utc(standing.noted_at),
        "statements": [
            {
                "kind": one.kind.value,
                "sha256": one.sha256,
                "issuer": one.issuer,
                "this_update": _utc(one.this_update),
                "next_update": _utc(one.next_update),
            }
            for one in standing.sources
        ],
    }


def _utc(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"

"""The part of [log] that is about witnesses: who cosigns this node's heads, and whose it cosigns.

Touches: the witnesses' CA files. Raises: nothing by itself; pydantic gathers what is wrong, see reading.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from relay.audit.checkpoint import parse_vkey
from relay.audit.cosignature import parse_cosigner
from relay.errors import AuditError
from relay.settings.sections import File, LogSection, Section, Span
from relay.settings.timestamps import plain_url

_LONGEST_KEY = 512


def _cosigner(text: str) -> str:
    return _key(text, parse_cosigner, "a witness's verifier key, such as witness.example/w1+…")


def _signer(text: str) -> str:
    return _key(text, parse_vkey, "a log's verifier key, such as log.example+…")


def _key(text: str, parse: object, wanted: str) -> str:
    try:
        if len(text) > _LONGEST_KEY:
            raise AuditError(f"{len(text)} characters, limit {_LONGEST_KEY}")
        parse(text)  # type: ignore[operator]
    except AuditError as error:
        raise ValueError(f"{wanted} is needed: {error}") from None
    return text


class WitnessSection(Section):
    """A witness that is no neighbour, by C2SP tlog-witness."""

    url: Annotated[str, AfterValidator(plain_url)]
    """Its submission prefix: /add-checkpoint is put behind it."""
    vkey: Annotated[str, AfterValidator(_cosigner)]
    ca: File | None = None
    """PEM of the authorities that its TLS certificate must lead to; needed for https."""
    answer_within: Span = timedelta(seconds=10)

    @model_validator(mode="after")
    def _known_authority(self) -> WitnessSection:
        if self.url.startswith("https:") and self.ca is None:
            raise ValueError("ca is missing: no system trust store takes part")
        return self


class WitnessedSection(Section):
    """A log that is no neighbour's and is cosigned here all the same."""

    vkey: Annotated[str, AfterValidator(_signer)]
    origin: str = Field(default="", max_length=256)
    """Where it is not the key's name."""


class AuditLogSection(LogSection):
    witness: bool = True
    """Whether this node cosigns its neighbours' heads."""
    witnesses: tuple[WitnessSection, ...] = Field(default=(), max_length=16)
    witnessed: tuple[WitnessedSection, ...] = Field(default=(), max_length=1000)

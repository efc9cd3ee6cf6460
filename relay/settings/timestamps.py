"""The section of timestamps: who is asked, and how much is stamped.

Touches: the authorities' CA files. Raises: nothing by itself; pydantic gathers what is wrong, see reading.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from relay.settings.sections import File, NodeName, Section, Span
from relay.settings.wording import OBJECT_ID

_LONGEST_URL: Final = 2048
_NEEDED: Final = "an address such as http://tsa.example/tsa is needed"


def plain_url(text: str) -> str:
    """Of a service whose answers prove themselves, and whose requests tell only digests: plain HTTP will do."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_NEEDED) from None
    if parts.scheme not in {"https", "http"} or not host or parts.fragment:
        raise ValueError(_NEEDED)
    if parts.username is not None or len(text) > _LONGEST_URL or not text.isascii():
        raise ValueError("an address without user name, and of at most 2048 characters, is needed")
    return text


class AuthoritySection(Section):
    """A timestamp authority (RFC 3161 over HTTP)."""

    name: NodeName
    url: Annotated[str, AfterValidator(plain_url)]
    ca: File | None = None
    """PEM of the authorities that its TLS certificate must lead to; needed for https."""
    policy: Annotated[str, Field(pattern=OBJECT_ID)] | None = None
    """The policy its timestamps must be under; None: any."""
    answer_within: Span = timedelta(minutes=3)


class TimestampsSection(Section):
    authorities: tuple[AuthoritySection, ...] = Field(default=(), max_length=16)
    """Asked in turn; none: nothing is stamped."""
    heads_every: Span = timedelta(hours=1)
    seals_an_hour: int = Field(default=60, ge=0, le=100_000)
    seals_within: Span = timedelta(days=1)
    at_once: int = Field(default=4, ge=1, le=64)
    look_every: Span = timedelta(seconds=20)
    retry_first: Span = timedelta(seconds=30)
    retry_cap: Span = timedelta(hours=1)

    @field_validator("authorities")
    @classmethod
    def _each_once(cls, found: tuple[AuthoritySection, ...]) -> tuple[AuthoritySection, ...]:
        if len({one.name for one in found}) < len(found):
            raise ValueError("an authority is listed twice")
        for one in found:
            if one.url.startswith("https:") and one.ca is None:
                raise ValueError(f"{one.name}: ca is missing: no system trust store takes part")
        return found

    @model_validator(mode="after")
    def _first_within_cap(self) -> TimestampsSection:
        if self.retry_first > self.retry_cap:
            raise ValueError(f"retry_first {self.retry_first} is over retry_cap {self.retry_cap}")
        return self

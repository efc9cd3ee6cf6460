"""The configuration's section on revocation.

Touches: nothing. Raises: nothing by itself; pydantic gathers what is wrong, see reading.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from relay.settings.sections import Section, Span

_HOST = re.compile(
    r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(:[0-9]{1,5})?", re.ASCII
)
OnUnknownWord = Literal["hold", "accept", "refuse"]


def _host(text: str) -> str:
    """ "crl.example" or "crl.example:8080"."""
    if not _HOST.fullmatch(text.lower()):
        raise ValueError(f'{text[:60]!r} is not a host such as "crl.example" or "crl.example:8080"')
    return text.lower()


def _url(text: str) -> str:
    if not re.fullmatch(r"http://[!-~]{1,1900}", text, re.ASCII):
        raise ValueError(f'{text[:60]!r} is not an address such as "http://crl.example/ca.crl"')
    return text


Host = Annotated[str, AfterValidator(_host)]
CrlUrl = Annotated[str, AfterValidator(_url)]


class RevocationSection(Section):
    """Whether certificates are checked for revocation, where that is learned, and what UNKNOWN means."""

    check: bool = False
    hosts: tuple[Host, ...] = Field(default=(), max_length=200)
    """Who may be called for CRLs and OCSP, whatever certificates say; nobody else ever is."""
    crls: tuple[CrlUrl, ...] = Field(default=(), max_length=50)
    """CRLs of issuers whose certificates name none."""
    prefer: Literal["crl", "ocsp"] = "crl"
    """Which is asked first where a certificate names both; the other while that fails."""
    agency: OnUnknownWord = "hold"
    gateway: OnUnknownWord = "hold"
    node: OnUnknownWord = "accept"
    tls: OnUnknownWord = "accept"
    refresh: Span = timedelta(hours=1)
    """How often at least is looked for news; sooner where a next update is nearer."""
    grace: Span = timedelta(days=1)
    """How long past its next update a statement still counts."""
    endless_for: Span = timedelta(days=1)
    """How long an OCSP response counts that names no next update."""
    fetch_within: Span = timedelta(seconds=10)

    def remarks(self) -> Iterator[str]:
        """What is no mistake, but should be known."""
        if not self.check:
            yield (
                "revocation: off, no certificate is checked for revocation"
                " (check = true in [revocation])"
            )
        elif not self.hosts:
            yield (
                "revocation: no hosts to ask: what neighbours bring along apart,"
                " every certificate's revocation stays UNKNOWN"
            )

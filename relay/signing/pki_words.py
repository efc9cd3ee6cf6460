"""The words that the development PKI shares with the terminal: kinds of key, kinds of trouble.

Touches: nothing; apart from the rest so that the terminal can show its help without loading it.
"""

from __future__ import annotations

from enum import StrEnum

from relay.errors import SettingsError


class KeyType(StrEnum):
    """Keys that may issue, and sign documents."""

    P256 = "p256"
    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"


class Reason(StrEnum):
    """Why a certificate is revoked, in RFC 5280's words (§5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    HOLD = "certificateHold"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    REMOVE_FROM_CRL = "removeFromCRL"
    """No reason: takes a hold back."""


class Trouble(StrEnum):
    """What kind of mistake it is, for the exit code."""

    USAGE = "usage"
    """A name, code, address or number that cannot be."""
    DATA = "data"
    """A file that is not what it should be."""
    MISSING = "missing"
    EXISTS = "exists"
    FORBIDDEN = "forbidden"
    """The system refuses, or a key is open to others."""
    FAILED = "failed"
    """The disk refuses."""


class PkiError(SettingsError):
    """The operator must act on the development PKI; `hint` says how, where it is known."""

    def __init__(self, trouble: Trouble, problem: str, hint: str = "") -> None:
        self.trouble = trouble
        self.hint = hint
        super().__init__([problem])

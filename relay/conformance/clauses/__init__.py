"""The assertions, a file for each chapter of docs/wire-format.md; each file has a `book`."""

from importlib import import_module
from pathlib import Path

from relay.conformance.verdicts import Assertion, Book

CHAPTERS = {
    "A1": "The axis face",
    "E1": "Envelopes",
    "W1": "Connection",
    "W2": "Documents",
    "W3": "Signatures",
    "W4": "Transfers",
    "W5": "Answers and receipts",
    "W6": "Envelopes that go ahead",
    "W7": "Without a link: carry files",
    "W8": "Recovery of a restored node",
    "W9": "Directories of branches",
    "W10": "Statuses, take-back, update",
    "W11": "Whose word a certificate is",
    "W12": "Statements of revocation",
    "W13": "Signatures that are shared in batches",
    "W14": "Evidence files and timestamps",
    "W15": "Witnesses",
    "W16": "The published log",
    "W17": "Exported logs",
    "W18": "Passages",
    "W19": "Evidence files of version 2",
    "W20": "Proofs that follow receipts",
    "W21": "Reconciliation",
    "W22": "Lanes, retries and time",
}
"""As docs/wire-format.md heads them."""


def every_assertion() -> list[Assertion]:
    """In the order of the chapters."""
    return [assertion for book in _books() for assertion in book.assertions]


def _books() -> list[Book]:
    names = sorted(found.stem for found in Path(__file__).parent.glob("[a-z][0-9]*.py"))
    return [import_module(f"{__package__}.{name}").book for name in names]

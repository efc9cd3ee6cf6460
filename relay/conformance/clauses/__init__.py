"""The assertions, a file for each chapter of docs/wire-format.md; each file has a `book`."""

from importlib import import_module
from pathlib import Path

from relay.conformance.verdicts import Assertion, Book


def every_assertion() -> list[Assertion]:
    """In the order of the chapters."""
    return [assertion for book in _books() for assertion in book.assertions]


def _books() -> list[Book]:
    names = sorted(found.stem for found in Path(__file__).parent.glob("[a-z][0-9]*.py"))
    return [import_module(f"{__package__}.{name}").book for name in names]

"""The assertions, a file for each chapter of docs/wire-format.md; each file has a `book`."""

from relay.conformance.clauses import w01_connection, w04_transfers, w05_receipts
from relay.conformance.verdicts import Assertion

BOOKS = (w01_connection.book, w04_transfers.book, w05_receipts.book)


def every_assertion() -> list[Assertion]:
    """In the order of the chapters."""
    return [assertion for book in BOOKS for assertion in book.assertions]

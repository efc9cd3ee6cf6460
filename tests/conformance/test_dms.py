"""The kit as a system at a node: what it makes of answers that do not come."""

from __future__ import annotations

from typing import Any, cast

import pytest

from relay.conformance.dms import Dms
from relay.conformance.exchanges import Exchanges
from relay.errors import TransportError, UnansweredError


class Row:
    def __init__(self, doc_id: str) -> None:
        self.docId = doc_id


class Client:
    """Of a face that lists two documents, of which the first gives this error when it is fetched."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.fetched: list[str] = []

    async def received_list(self, _: Any) -> list[Row]:
        return [Row("1"), Row("2")]

    async def get(self, doc_id: str) -> bytes:
        self.fetched.append(doc_id)
        if doc_id == "1":
            raise self.error
        return b"a letter"


def dms(client: Client) -> Dms:
    nothing = cast("Any", None)
    return Dms(nothing, Exchanges(), nothing, cast("Any", client))


async def test_a_document_that_hangs_is_asked_for_once_and_hides_no_other() -> None:
    """It would hold up everything that is judged behind it, half a minute each time."""
    client = Client(UnansweredError("getEdoc: TimeoutError"))
    system = dms(client)
    with pytest.raises(UnansweredError):
        await system.copies(b"a letter")
    assert await system.copies(b"a letter") == ["2"]
    assert client.fetched == ["1", "2"]


async def test_a_document_that_is_refused_is_asked_for_again() -> None:
    client = Client(TransportError("come again"))
    system = dms(client)
    for _ in range(2):
        with pytest.raises(TransportError):
            await system.copies(b"a letter")
    assert client.fetched == ["1", "1"]

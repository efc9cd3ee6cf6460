"""When the demo takes the evidence: once somebody else vouches for the log that has each receipt."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, cast

import pytest

from relay.audit.proof_file import LogProof, write_proof
from relay.demo.evidence import _look_for_cosignatures
from relay.demo.native import NativeClient
from relay.demo.waiting import NotYetError

ROOT = b64encode(bytes(32)).decode()
OWN, OTHER = (f"— {name} {b64encode(bytes(76)).decode()}\n" for name in ("xa/1", "huyen"))


class Node:
    """A message with two receipts, and what its log is signed by over each."""

    def __init__(self, *signatures: str) -> None:
        self._signatures = dict(zip(("a" * 64, "b" * 64), signatures, strict=True))

    async def message(self, _: str) -> dict[str, Any]:
        return {"deliveries": [{"receipts": [{"digest": one} for one in self._signatures]}]}

    async def receipt_proof(self, digest: str) -> bytes:
        note = f"xa/1\n1\n{ROOT}\n\n{self._signatures[digest]}".encode()
        return write_proof(LogProof(0, (), note, b"{}", "xa/1+00000000+AQ==", ()))


async def look(node: Node) -> None:
    await _look_for_cosignatures(cast("NativeClient", node), "m")


async def test_a_receipt_under_a_head_that_only_its_own_node_signed_is_waited_for() -> None:
    with pytest.raises(NotYetError, match="receipt bbbbbbbbbbbb"):
        await look(Node(OWN + OTHER, OWN))


async def test_all_of_them_cosigned_is_enough() -> None:
    await look(Node(OWN + OTHER, OTHER + OWN))

"""Proofs that entries stand in the log, for auditors and for whoever a receipt is about.

Touches: nothing; one Protocol.
"""

from __future__ import annotations

from typing import Protocol

from relay.model import Signed


class Proofs(Protocol):
    async def entry(self, index: int, *, newer: bool) -> bytes:
        """A proof file (audit/proof_file.py), checked before it is handed out; `newer` adds the newest head
        and the proof that it continues the one proven against. NotFoundError, AuditError, JournalError."""
        ...

    async def receipt(self, signed: Signed, *, newer: bool) -> bytes:
        """The same of the first entry that names this receipt, with the receipt in it."""
        ...

"""What the rows say of a submission that was here before: its answer, who may start anew, whose key it is.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from relay.delivery.records import Admitted, ArrivalRow, MessageRow
from relay.errors import ConflictError
from relay.journal.rows import instant
from relay.lifecycle import NEGATIVE
from relay.model import AgencyCode, Digest, MessageId


def first_answer(row: Sequence[Any]) -> tuple[Admitted, MessageRow]:
    """Of a row of the statement of that name: the answer, and where its family begins."""
    answer = Admitted(
        MessageRow(row[0]),
        ArrivalRow(row[1]),
        MessageId(row[2]),
        instant(row[3]),
        Digest(row[4]),
        repeated=True,
        rows=(),
    )
    return answer, MessageRow(row[5])


def failed(family: Iterable[tuple[str, str]]) -> frozenset[AgencyCode]:
    """Recipients whose newest delivery ended in a negative receipt."""
    newest = {AgencyCode(code): state for code, state in family}
    return frozenset(code for code, state in newest.items() if state in NEGATIVE)


def require_same(bound: Sequence[str] | None, submission_key: str) -> None:
    """Raises ConflictError where an idempotency key is bound to another submission."""
    if bound is not None and bound[0] != submission_key:
        raise ConflictError("this idempotency key was used for another submission")

"""An assertion of the wire format, and what becomes of one.

Touches: nothing.
Raises:  Failed, Inconclusive, NotClaimed: how an assertion ends that does not hold.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NewType

if TYPE_CHECKING:
    from relay.conformance.stand import Stand

Clause = NewType("Clause", str)
"""As in docs/wire-format.md: `W4.5`."""


class Verdict(StrEnum):
    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_CLAIMED = "NOT CLAIMED"


HELD = frozenset({Verdict.PASS, Verdict.NOT_CLAIMED})
"""What a run holds by."""


class Part(StrEnum):
    """What of a judged node an assertion needs the kit to reach; by what it is missing, nothing is claimed."""

    NEIGHBOUR = "neighbour"
    """The kit as a configured neighbour of it."""
    SECOND = "second neighbour"
    """The kit as another neighbour of it, too."""
    AXIS = "axis"
    """A system's credentials at its axis face."""
    NATIVE = "native"
    """A token at its native face."""
    AUDITOR = "auditor"
    """An auditor's token there."""
    OPERATOR = "operator"
    """An operator's."""
    CRASH = "crash"
    """A command that ends the node without warning and starts it again."""
    RESTORE = "restore"
    """Commands that make a backup of the node and bring it back. What needs them is judged last: a restored node
    answers otherwise for days."""
    VERIFY = "verify"
    """A command that judges evidence files."""
    CHECK_EXPORT = "check_export"
    """A command that judges exported logs."""
    CHECK_LOG = "check_log"
    """A command that judges published logs."""
    AUTHORITY = "timestamp authority"
    """The kit as the authority that the node asks for timestamps."""
    LINK = "link"
    """The kit's proxy in its way to the other judged node, and credentials at both axis faces."""


class FailedError(Exception):
    """The node did something else than the clause demands."""


class InconclusiveError(Exception):
    """It cannot be told: the reason is the message."""


class NotClaimedError(Exception):
    """The node does not say that it does this."""


Judge = Callable[["Stand"], Awaitable[None]]
Beginning = Callable[["Stand"], Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Assertion:
    """One thing that a clause demands, sent and looked at."""

    clause: Clause
    name: str
    """Within the clause; with it, the assertion's name for ever: `W4.5/same-bytes`."""
    title: str
    """A sentence that is true of a node that conforms."""
    needs: frozenset[Part]
    judge: Judge
    capability: str = ""
    """What `GET /axis/v1/node` must hold for it to be claimed."""
    begins: Beginning | None = None
    """What takes long and needs nobody to look: begun before all others, looked at behind them."""
    control: Judge | None = None
    """The honest one of what is refused here: of a node that refuses that, too, a refusal says nothing."""

    @property
    def full_name(self) -> str:
        return f"{self.clause}/{self.name}"

    @property
    def chapter(self) -> str:
        return self.clause.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Judged:
    """An assertion about one node, and how it ended."""

    assertion: Assertion
    node: str
    verdict: Verdict
    detail: str
    seconds: float
    kept: str = ""
    """The folder with the bytes of both directions; empty where none were kept."""


class Book:
    """The assertions of one chapter, in the order of their clauses."""

    def __init__(self, *always: Part, capability: str = "", control: Judge | None = None) -> None:
        """What every assertion of it needs, and what the node must say of itself."""
        self.assertions: list[Assertion] = []
        self._always = always
        self._capability = capability
        self._control = control

    def asserts(
        self,
        clause: str,
        name: str,
        title: str,
        *needs: Part,
        capability: str = "",
        begins: Beginning | None = None,
        control: Judge | None = None,
    ) -> Callable[[Judge], Judge]:
        """Marks the coroutine that judges it."""

        def marked(judge: Judge) -> Judge:
            parts = frozenset({*self._always, *needs})
            said = capability or self._capability
            made = Assertion(
                Clause(clause), name, title, parts, judge, said, begins, control or self._control
            )
            self.assertions.append(made)
            return judge

        return marked


def require(holds: bool, detail: str) -> None:
    """FAIL with this detail unless it holds."""
    if not holds:
        raise FailedError(detail)


def require_equal(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise FailedError(f"{what} is {_short(found)}, not {_short(expected)}")


DETAIL_LIMIT = 1_000


def shown(detail: str) -> str:
    """Fit for a terminal and for every report: a node's words may hold whatever steers either."""
    cut = detail if len(detail) <= DETAIL_LIMIT else f"{detail[:DETAIL_LIMIT]}…"
    return "".join(char if char.isprintable() else "\ufffd" for char in cut)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"

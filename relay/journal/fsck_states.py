"""How a look at the files of a log is told: a condition for each store, and what can be done about it.

Touches: nothing.
Trusts:  the keys it is given, and by them the keys before (audit/log_keys.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from relay.audit.beside import Keys, Proves
from relay.audit.checkpoint import ORIGIN_PREFIX, head_of, verify_note
from relay.audit.epochs import epoch_of, folder_of, log_name
from relay.audit.log_keys import EpochKeys
from relay.audit.verify import LogKey, LogVerdict, Progress
from relay.errors import AuditError
from relay.journal.verifying import PUBLISHED
from relay.model import Finding, NodeId


class Condition(StrEnum):
    HOLDS = "holds"
    DAMAGED = "damaged"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """Nothing contradicts it, and no key was given that would prove it."""


SOUND: Final = frozenset({Condition.HOLDS, Condition.UNKNOWN})
KEEP: Final = "keep a copy of the folder as evidence before anything else"
RESTORE: Final = f"{KEEP}; bring back the newest backup (relay restore): the node then begins a new epoch of its log"
REWRITE: Final = (
    f"{KEEP}; move the epoch's folder away and start the node: it is written anew from the journal"
)
FETCH: Final = (
    f"{KEEP}; a neighbour or whoever copied the published log may have the file as it was"
)
CONTRADICT: Final = (
    f"{KEEP}: two histories were signed with one key, and heads that others kept say which they saw"
)


@dataclass(frozen=True, slots=True)
class StoreState:
    """How it stands with one store."""

    store: str
    condition: Condition
    said: str
    remedy: str = ""
    index: int | None = None
    """The first entry that does not fit, where one can be named."""
    findings: tuple[Finding, ...] = ()
    """Odd things in a log that holds, at most FINDINGS_LIMIT; `findings_count` are all."""
    findings_count: int = 0


def with_findings(state: StoreState, verdict: LogVerdict) -> StoreState:
    return replace(state, findings=verdict.findings, findings_count=verdict.findings_count)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the log beforehand."""

    node: NodeId | None
    key: LogKey | None
    """The present one, by which those before are found where their certificates are kept."""
    proves: Proves
    progress: Progress | None = None
    named: Keys = field(default_factory=Keys)
    """The keys of others that were named: of witnesses, and of logs that were cosigned here."""
    before: tuple[LogKey, ...] = ()
    """Keys that this log had in other epochs."""

    @property
    def keys(self) -> tuple[LogKey, ...]:
        return () if self.key is None else (self.key, *self.before)


class KnownKeys:
    """With which keys the heads of a log may be signed: those given, and by them those before."""

    def __init__(
        self, known: Known, openings: Mapping[int, object], kept: Iterable[Sequence[bytes]] = ()
    ) -> None:
        certificates = list(kept)
        self._given = [(key, EpochKeys(key, openings, certificates)) for key in known.keys]

    def signed(self, note: bytes) -> LogKey:
        """The key of its epoch, which signed it. Raises AuditError."""
        head = head_of(note)
        fault = AuditError("no key was given")
        for key in reversed(self._of(epoch_of(head.origin).number)):
            try:
                verify_note(note, head.origin, key.public_key, key.verify)
            except AuditError as error:
                fault = error
            else:
                return key
        if self.is_named_only(epoch_of(head.origin).number):
            raise AuditError("it had another log key, whose certificate is not kept here")
        raise fault

    def is_named_only(self, epoch: int) -> bool:
        """Whether the epochs after it say that it had another key than any given, and only that."""
        return all(_found(keys, epoch) is None for _, keys in self._given)

    def _of(self, epoch: int) -> list[LogKey]:
        return [_found(keys, epoch) or key for key, keys in self._given]


def _found(keys: EpochKeys, epoch: int) -> LogKey | None:
    try:
        return keys.of(epoch).key
    except AuditError:
        return None


def tried(store: str, remedy: str, work: Callable[[], StoreState]) -> StoreState:
    try:
        return work()
    except AuditError as error:
        return StoreState(store, Condition.DAMAGED, str(error), remedy, error.index)
    except OSError as error:
        said = f"cannot be read: {error.strerror or error}"
        return StoreState(store, Condition.DAMAGED, said, remedy)


def require_name(origin: str, folder: str, node: NodeId | None) -> None:
    """A checkpoint counts only as the word of this node, in the epoch of its folder."""
    epoch = epoch_of(origin)
    name = folder.rpartition("/")[2]
    ours = NodeId(origin.removeprefix(ORIGIN_PREFIX).partition("/")[0])
    if node is not None and (ours != node or origin != log_name(node, epoch)):
        raise AuditError(f"the checkpoint is of {origin}, not of node {node}")
    if folder.startswith(f"{PUBLISHED}/") and name != folder_of(epoch):
        raise AuditError(f"the checkpoint is of {origin}, whose folder is {folder_of(epoch)}")

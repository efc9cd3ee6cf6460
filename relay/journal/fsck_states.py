"""How a look at the files of a log is told: a condition for each store, and what can be done about it.

Touches: nothing.
Trusts:  the keys it is given, and by them the keys before (audit/log_keys.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from relay.audit.beside import Keys, Proves
from relay.audit.checkpoint import ORIGIN_PREFIX, head_of, verify_note
from relay.audit.epochs import epoch_of, folder_of, log_name
from relay.audit.log_keys import EpochKeys, certificates_named
from relay.audit.verify import LogKey, LogVerdict, Progress
from relay.errors import AuditError, SignatureError
from relay.journal.verifying import PUBLISHED
from relay.model import Digest, Finding, NodeId, digest_of


class Condition(StrEnum):
    HOLDS = "holds"
    DAMAGED = "damaged"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """Nothing contradicts it, and no key was given that would prove it."""


SOUND: Final = frozenset({Condition.HOLDS, Condition.UNKNOWN})
KEEP: Final = "keep a copy of the folder as evidence before anything else"
RESTORE: Final = f"{KEEP}; bring back the newest backup (relay restore): the node then begins a new epoch of its log"
NOT_IN_USE: Final = (
    "where the node was not started with the present log key yet, start it: that begins the epoch of that key;"
    f" where it was, the log was cut back: {KEEP}"
)
UNSIGNED: Final = (
    "where the log's key was changed since the last start, name the certificate of the one before in"
    f" keys.log_certificates_before and judge again; otherwise {RESTORE}"
)
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
    certificates: tuple[Sequence[bytes], ...] = ()
    """Of log keys, beside those that are kept with the log: that of the present key, and those named."""
    ours: Callable[[Sequence[bytes]], bool] = lambda _: False
    """Whether a certificate is one of this node's log by what is trusted here, whoever put it beside the log."""

    @property
    def public_keys(self) -> frozenset[bytes]:
        """Of those that were given."""
        return frozenset(one.public_key for one in self.keys)

    @property
    def keys(self) -> tuple[LogKey, ...]:
        return () if self.key is None else (self.key, *self.before)


class KnownKeys:
    """With which keys the heads of a log may be signed: those given, and by them those before."""

    def __init__(
        self, known: Known, openings: Mapping[int, object], kept: Iterable[Sequence[bytes]] = ()
    ) -> None:
        kept = list(kept)
        certificates = [*known.certificates, *kept]
        self._given = [(key, EpochKeys(key, openings, certificates)) for key in known.keys]
        self._kept = {digest_of(chain[0]): chain for chain in certificates if chain}
        self._named = certificates_named(openings)
        self._earlier = list(_keys_in(known, kept))

    def signed(self, note: bytes) -> LogKey:
        """The key of its epoch, which signed it. Raises AuditError."""
        head = head_of(note)
        number = epoch_of(head.origin).number
        fault = AuditError(
            f"the log names another key for epoch {number} than any that is known here"
        )
        for key in self._candidates(number):
            try:
                verify_note(note, head.origin, key.public_key, key.verify)
            except AuditError as error:
                fault = error
            else:
                return key
        if self.is_named_only(number):
            raise AuditError("it had another log key, whose certificate is not kept here")
        raise fault

    def _candidates(self, epoch: int) -> Iterator[LogKey]:
        """No key but the one of the certificate that the log itself names for the epoch, where that is here. A key
        before the present one, by a certificate alone, signs what the log names it for, or names none for."""
        named = self._named.get(epoch)
        chain = self._kept.get(named) if named is not None else None
        for key in reversed(self._of(epoch)):
            its = None if chain is None else _key_in(chain, key)
            if its is None or its.public_key == key.public_key:
                yield key
        for certificate, key in self._earlier:
            if named in (None, certificate):
                yield key

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


def _keys_in(known: Known, kept: Iterable[Sequence[bytes]]) -> Iterator[tuple[Digest, LogKey]]:
    """By certificates that are named, or kept and this log's by what is trusted. A key that was in use until now
    has no epoch after it yet that would name its certificate."""
    found = [*known.certificates, *(chain for chain in kept if chain and known.ours(chain))]
    for chain in found:
        key = None if known.key is None else _key_in(chain, known.key)
        if key is not None:
            yield digest_of(chain[0]), key


def _key_in(chain: Sequence[bytes], known: LogKey) -> LogKey | None:
    """None where the certificate is none of that log."""
    try:
        return None if known.certified is None else known.certified(chain)
    except SignatureError:
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

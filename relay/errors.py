"""The tree of failures, by whose fault.

Whose fault decides what happens: the peer's bytes are refused and never retried, the network is
retried, our own disk stops acceptance, an operator's mistake stops the start. A bug of ours is none
of these and stays an ordinary exception, loud.

    RelayError
    ├── PeerError          their bytes are wrong            refuse, never retry
    │   ├── EnvelopeError    the edXML cannot be carried
    │   │   ├── TooLargeError  more bytes than this node takes
    │   │   ├── DamagedError   not the bytes its sender named by digest
    │   │   └── SecretError    marked as a state secret
    │   ├── SignatureError   a seal, receipt or transfer signature does not hold
    │   │   └── UncertainError  not to be judged now
    │   ├── WireError        a node-to-node document is malformed
    │   ├── AccessError      who asks may not do that
    │   ├── UnfitError       what is asked for cannot be, whoever asks
    │   ├── NotFoundError    nothing of theirs has that name
    │   │   └── GoneError      it was here, and its retention time is over
    │   │       └── TakenBackError  its sender took it back
    │   ├── ConflictError    other content under a name already taken
    │   │   └── NotPossibleError  not as things stand
    │   ├── DirectoryError   agencies that contradict each other or the directory
    │   └── RouteError       no way to the recipient
    │       └── RecipientError  its code is closed, not open yet, or written in another form
    ├── TransportError     the network is in the way        retry later
    │   └── UnansweredError  sent, but no answer came: in doubt
    ├── JournalError       our own disk is in the way       stop accepting
    │   ├── OverloadError    more than the configured bound refuse for now
    │   │   ├── KeyUnavailableError  a token is out or its module fails  sealing waits
    │   │   ├── ReserveError   the disk is nearly full        the rest is for what is queued
    │   │   └── QuotaError     the caller has too much waiting here
    │   ├── LostPayloadError what was stored is not there  only that document waits
    │   └── InUseError       another process has the folder  come again when it has ended
    ├── AuditError         the log does not prove what it says  alert, change nothing
    └── SettingsError      the operator must act            do not start
        └── NoFileError      a file that was named is not there

Messages are in lower case, name the value and the limit, and hold neither payload nor keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class RelayError(Exception):
    """Superclass of every expected failure. Never raised directly."""


class PeerError(RelayError):
    """What a client or neighbour sent is wrong; repeating the same bytes cannot help."""


class EnvelopeError(PeerError):
    """Bytes that are not an edXML envelope within the limits.

    `what` names the fault, `where` the element path or byte offset, `limit` the bound that was
    crossed, where there is one.
    """

    def __init__(self, what: str, *, where: str = "", limit: str = "") -> None:
        self.what = what
        self.where = where
        self.limit = limit
        text = what
        if where:
            text += f" at {where}"
        if limit:
            text += f", limit {limit}"
        super().__init__(text)


class TooLargeError(EnvelopeError):
    """More bytes than the limit; `what` is the amount met ("41 MiB")."""


class DamagedError(EnvelopeError):
    """The body is not what the sender's own digest of it says: changed on its way here."""


class SecretError(EnvelopeError):
    """The document bears the marking of a state secret, which is never carried."""


class SignatureError(PeerError):
    """A signature, certificate or what it is bound to does not hold.

    `reason` is a short stable word ("digest-mismatch", "expired-certificate", "wrong-signer", …)
    for tables and tests; the message is for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class UncertainError(SignatureError):
    """It cannot be judged now and may be later: no evidence against it. What brought it comes again."""


class WireError(PeerError):
    """A transfer header, receipt or container of receipts is not of the shape of wire version 1."""


class AccessError(PeerError):
    """The caller is unknown, its proof is wrong, or it asks for what is not its own."""


class UnfitError(PeerError):
    """What an operator asks for cannot be: a name, a scope, a number out of bounds."""


class NotFoundError(PeerError):
    """No message, delivery, transfer or receipt of the caller's has that id."""


class GoneError(NotFoundError):
    """It was here and left by the retention policy; what is known of it still stands."""


TAKEN_BACK = "the sender took it back before it was fetched; it is not given out any more"


class TakenBackError(GoneError):
    """Its sender took it back before it was fetched."""


class ConflictError(PeerError):
    """Other content stands already under the same id or idempotency key."""


class NotPossibleError(ConflictError):
    """What an operator wants is not possible as things stand; nothing was changed."""


class RouteError(PeerError):
    """No recipient can be reached; `codes` are the recipients concerned."""

    def __init__(self, message: str, codes: Sequence[str] = ()) -> None:
        self.codes = tuple(codes)
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the directory says of a recipient's code that cannot be written to now."""

    kind: str
    """closed, not-yet, unknown."""
    code: str
    since: str = ""
    """The day of its closing or opening, as 2025-07-01; empty where none is known."""
    others: tuple[str, ...] = ()
    """Who stands for it: successors, predecessors, or the code it may be another form of."""

    def __str__(self) -> str:
        named = ", ".join(self.others)
        match self.kind:
            case "closed":
                since = f" since {self.since}" if self.since else ""
                several = "successors" if len(self.others) > 1 else "successor"
                heirs = f", {several} {named}" if named else ", no successor is known"
                return f"{self.code} is closed{since}{heirs}"
            case "not-yet":
                before = f", until then {named}" if named else ""
                return f"{self.code} opens on {self.since}{before}"
        hint = f"; {named} may be its other form" if named else ""
        return f"no agency {self.code} in the directory{hint}"


class RecipientError(RouteError):
    """No recipient can be written to, for what the directory says of their codes."""

    troubles: tuple[Trouble, ...] = ()

    def __init__(self, troubles: Sequence[Trouble], codes: Sequence[str]) -> None:
        self.troubles = tuple(troubles)
        super().__init__("; ".join(str(trouble) for trouble in self.troubles[:3]), codes)


class ClosedRecipientError(RecipientError):
    """At least one of them is closed, or not open yet."""


class DirectoryError(PeerError):
    """Agencies or nodes that cannot be taken into the directory; `problems` is one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - 3
        shown = "; ".join(self.problems[:3])
        super().__init__(f"{shown}; and {more} more" if more > 0 else shown)


class TransportError(RelayError):
    """The network or the far side's availability is in the way; nothing was taken over there."""


class UnansweredError(TransportError):
    """The request may have arrived, the answer did not: the attempt is in doubt."""


class UnprovenError(PeerError):
    """An answer came, and it proves nothing: the far side may have taken over what was sent."""


class JournalError(RelayError):
    """The journal or the payload store cannot write."""


class OverloadError(JournalError):
    """A configured bound is reached; `retry_after_seconds` says when to come again."""

    def __init__(self, message: str, retry_after_seconds: int = 5) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class KeyUnavailableError(OverloadError):
    """The key that must sign cannot now: its token is out, locked, or its module fails."""


class ReserveError(OverloadError):
    """What is left of the disk is kept for finishing what was accepted before."""

    def __init__(self, message: str, retry_after_seconds: int = 60) -> None:
        super().__init__(message, retry_after_seconds)


class QuotaError(OverloadError):
    """Whoever hands this in has too much waiting here already; `quota` is the setting's name."""

    def __init__(self, quota: str, message: str, retry_after_seconds: int = 60) -> None:
        self.quota = quota
        super().__init__(message, retry_after_seconds)


class LostPayloadError(JournalError):
    """A payload's file is gone, or no longer what was stored: the disk has lost bytes."""


class InUseError(JournalError):
    """Another process works on the journal's folder."""


class AuditError(RelayError):
    """An entry, a proof or a signed head of an audit log does not hold.

    `what` names the fault; `index` the first entry that does not fit, where one can be named.
    """

    def __init__(self, what: str, index: int | None = None) -> None:
        self.what = what
        self.index = index
        super().__init__(what if index is None else f"entry {index}: {what}")


class SettingsError(RelayError):
    """Everything that is wrong with the configuration, together; `problems` is one line each.

    `hint` says in a sentence where help is, where there is any.
    """

    hint = ""

    def __init__(self, problems: Sequence[str], hint: str = "") -> None:
        self.problems = tuple(problems)
        self.hint = hint or self.hint
        super().__init__("; ".join(self.problems))


class NoFileError(SettingsError):
    """The configuration, certificate or key file that was named on the command line is not there."""

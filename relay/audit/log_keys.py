"""Which key signed each epoch of a log, found backwards from the present one.

A log has one key: another key is another epoch. Its first entry names, beside the head of the epoch before,
the certificate of its own key (`certificate`) and of the key before (`previous`). So whoever believes the
present key believes what it signed, with it that certificate, and by it the key before; an epoch that names
none goes on with the key of the one before. A certificate that nothing names is of no key of this log.

Touches: nothing.
Trusts:  the present key. Openings are what is being judged: they count once `verify_epochs` has proven them.
Raises:  AuditError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from relay.audit.entries import AuditEvent, parse
from relay.audit.epochs import EpochRows, first_index
from relay.audit.verify import LogKey
from relay.errors import AuditError, SignatureError
from relay.model import Digest, digest_of

CHANGED: Final = "log-key-changed"
"""The reason of an epoch that began with another key."""


@dataclass(frozen=True, slots=True)
class EpochKey:
    """The key of an epoch."""

    key: LogKey
    chain: tuple[bytes, ...] = ()
    """The certificates that bind it to the node, DER, its own first; none for the present key, whose
    certificates the node has in its configuration."""


class EpochKeys:
    """Of a log whose present key is known."""

    def __init__(
        self,
        present: LogKey,
        openings: Mapping[int, object],
        kept: Iterable[Sequence[bytes]] = (),
    ) -> None:
        """`openings`: the first leaf of each epoch, as stored. `kept`: the certificates kept beside."""
        self._kept = {digest_of(chain[0]): tuple(chain) for chain in kept if chain}
        self._found: dict[int, EpochKey] = {}
        self._missing = ""
        self._walk(EpochKey(present), openings)

    def of(self, epoch: int) -> EpochKey:
        found = self._found.get(epoch)
        if found is None:
            raise AuditError(self._missing or f"the log has no epoch {epoch}")
        return found

    def _walk(self, present: EpochKey, openings: Mapping[int, object]) -> None:
        key = present
        for epoch in sorted(openings, reverse=True):
            self._found[epoch] = key
            try:
                key = self._before(epoch, openings[epoch], key)
            except AuditError as error:
                self._missing = str(error)
                return

    def _before(self, epoch: int, opening: object, key: EpochKey) -> EpochKey:
        """The key of the epoch before."""
        certificate, previous = named_certificates(opening)
        if previous is None:
            return key
        mine = self._kept.get(Digest(certificate or ""))
        if mine is not None and _certified(epoch, key.key, mine).public_key != key.key.public_key:
            raise AuditError(
                f"epoch {epoch} names the certificate of another key than signs it",
                first_index(epoch),
            )
        chain = self._kept.get(Digest(previous))
        if chain is None:
            raise AuditError(
                f"the certificate of the log key before epoch {epoch} ({previous}) is not here",
                first_index(epoch),
            )
        return EpochKey(_certified(epoch, key.key, chain), chain)


def certificates_named(openings: Mapping[int, object]) -> dict[int, Digest]:
    """The certificate (SHA-256) of each epoch's key, as first entries name it: its own, that of an epoch before it
    from which the key stayed the same, or that of an epoch after it. Nothing of an epoch beside which one is
    missing, and of which nobody says anything."""
    said = {epoch: named_certificates(opening) for epoch, opening in openings.items()}
    found: dict[int, Digest] = {}
    for epoch in sorted(said):
        certificate = said[epoch][0] or found.get(epoch - 1)
        if certificate is not None:
            found[epoch] = Digest(certificate)
    for epoch in sorted(said, reverse=True):
        previous = said.get(epoch + 1, (None, None))[1] or found.get(epoch + 1)
        if epoch not in found and previous is not None:
            found[epoch] = Digest(previous)
    return found


def with_keys(
    rows: Sequence[EpochRows], present: LogKey, kept: Iterable[Sequence[bytes]]
) -> list[EpochRows]:
    """Each epoch with the key that signed it, as far as the rows say. `verify_epoch` proves that they do."""
    keys = EpochKeys(present, {one.epoch: one.opening for one in rows}, kept)
    return [replace(one, key=keys.of(one.epoch).key) for one in rows]


def _certified(epoch: int, key: LogKey, chain: Sequence[bytes]) -> LogKey:
    if key.certified is None:
        raise AuditError(f"nothing is known of the log key before epoch {epoch}")
    try:
        return key.certified(chain)
    except SignatureError as error:
        raise AuditError(
            f"a certificate of a log key that is kept here does not serve: {error}",
            first_index(epoch),
        ) from error


def named_certificates(opening: object) -> tuple[str | None, str | None]:
    """What an epoch's first leaf names: the certificate of its key, and of the key before it. None and
    None where the key stayed the same."""
    try:
        fields = parse(opening) if isinstance(opening, bytes) else {}
    except AuditError:
        return None, None
    certificate, previous = fields.get("certificate"), fields.get("previous")
    if fields.get("event") != AuditEvent.EPOCH_STARTED or not isinstance(previous, str):
        return None, None
    return certificate if isinstance(certificate, str) else None, previous

"""The document of an evidence file and the seal over it, with the timestamps of that seal.

Touches: nothing but the file it is given.
Trusts:  the trust store, and the digests of a file whose steps as a whole hold.
Raises:  SignatureError, WireError.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from relay.envelope.reader import EnvelopeReader
from relay.errors import EnvelopeError, SignatureError
from relay.model import AgencyCode, Digest, Envelope
from relay.signing.bundle_file import BundleFile
from relay.signing.bundle_revoked import BundleStatements
from relay.signing.bundle_words import VOUCHES, Found, Outcome, local_moment
from relay.signing.seal import ProvenSeal, require_sealed_by, verify_seal
from relay.signing.stamped import Unsigned, imprint_of, parted
from relay.signing.timestamps import ProvenTimestamp, TimestampTrust
from relay.signing.trust import TrustStore
from relay.wire import bundle


class BundleSeal:
    """`envelope` is what the document says, once its step was done and it is readable."""

    def __init__(self, file: BundleFile, trust: TrustStore, statements: BundleStatements) -> None:
        self._file = file
        self._trust = trust
        self._timestamps = TimestampTrust(trust)
        self._statements = statements
        self.envelope: Envelope | None = None

    def document(self) -> Found:
        digest = self._file.digests[bundle.ENVELOPE]
        size = self._file.entries[bundle.ENVELOPE].size_bytes
        facts = {"digest": digest, "size_bytes": str(size)}
        try:
            read = self.envelope = self._read_envelope()
        except EnvelopeError as error:
            return Found(f"SHA-256 {digest}", facts, (f"no readable envelope: {error}",))
        facts |= {"from": read.sender.organ_id, "notation": read.notation}
        return Found(f"{read.notation} from {read.sender.organ_id}, SHA-256 {digest}", facts)

    def _read_envelope(self) -> Envelope:
        reader = EnvelopeReader()
        for chunk in self._file.chunks(bundle.ENVELOPE):
            reader.feed(chunk)
        return reader.close()

    def seal(self) -> Found:
        seal, unsigned = self._seal_and_unsigned()
        times = [self._stamped(one, imprint_of(seal)) for one in unsigned.tokens]
        at = _judged_at(times)
        proven = verify_seal(seal, self._file.digests[bundle.ENVELOPE], self._trust, at)
        for one in times:
            one.require_not_before(proven.signed_at)
        self._statements.require_counted(proven.path, at or proven.signed_at)
        who = ", ".join(sorted(proven.agencies)) or str(proven.node or "")
        return Found(
            f"{proven.kind.value} seal of {who}, {local_moment(proven.signed_at)}: {VOUCHES[proven.kind]}",
            {
                "kind": proven.kind.value,
                "by": who,
                "subject": proven.subject,
                "certificate_sha256": proven.certificate_sha256,
                "at": proven.signed_at.isoformat(),
            },
            tuple(self._sender_notes(proven)),
        )

    def _seal_and_unsigned(self) -> tuple[bytes, Unsigned]:
        return parted(bundle.unwrapped(self._file.small(bundle.SEAL), bundle.SEAL))

    def _sender_notes(self, proven: ProvenSeal) -> Iterator[str]:
        if not proven.agencies or self.envelope is None:
            return
        sender = self.envelope.sender.organ_id
        try:
            require_sealed_by(proven, AgencyCode(sender), ())
        except SignatureError:
            yield f"the document says it is from {sender}: another code of the same agency?"

    def tokens(self) -> list[tuple[bytes, Digest]]:
        """The timestamps of the seal, with what each must be of. SignatureError, WireError."""
        seal, unsigned = self._seal_and_unsigned()
        return [(one, imprint_of(seal)) for one in unsigned.tokens]

    def timestamp(self, token: bytes, imprint: Digest) -> Found:
        proven = self._stamped(token, imprint)
        return Found(
            f"the seal was there {local_moment(proven.latest)} at the latest, says {proven.subject}",
            {"at": proven.gen_time.isoformat(), "by": proven.subject, "serial": str(proven.serial)},
        )

    def _stamped(self, token: bytes, imprint: Digest) -> ProvenTimestamp:
        """By an authority that was not revoked by then, as far as the file says."""
        proven = self._timestamps.verify(token, imprint)
        self._statements.require(proven.path, proven.gen_time)
        return proven


def no_timestamp() -> Found:
    said = "none: the time of the seal is its signer's own word"
    return Found(said, outcome=Outcome.UNKNOWN)


def _judged_at(times: list[ProvenTimestamp]) -> datetime | None:
    """The earliest moment at which the seal is proven to have been there; None: as it claims."""
    return min((one.latest for one in times), default=None)

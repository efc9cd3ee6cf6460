"""The document of an evidence file and the seal over it, with the timestamps of that seal.

Touches: nothing but the file it is given.
Trusts:  the trust store, and the digests of a file whose steps as a whole hold.
Raises:  SignatureError, WireError.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from relay.envelope.reader import EnvelopeReader
from relay.errors import EnvelopeError, SignatureError
from relay.model import AgencyCode, Digest, Envelope, NodeId
from relay.signing.bundle_file import BundleFile
from relay.signing.bundle_revoked import BundleStatements
from relay.signing.bundle_words import VOUCHES, Found, Outcome, local_moment
from relay.signing.faults import Fault
from relay.signing.seal import ProvenSeal, require_sealed_by, verify_seal
from relay.signing.stamped import imprint_of, parted
from relay.signing.timestamps import ProvenTimestamp, TimestampTrust
from relay.signing.trust import TrustStore
from relay.wire import bundle

Facts = Mapping[str, str]


class BundleSeal:
    """`envelope` is what the document says, once its step was done and it is readable; `sealed` and
    `stamps` are the facts of the steps that hold."""

    def __init__(self, file: BundleFile, trust: TrustStore, statements: BundleStatements) -> None:
        self._file = file
        self._trust = trust
        self._timestamps = TimestampTrust(trust)
        self._statements = statements
        self.envelope: Envelope | None = None
        self.sealed: Facts | None = None
        self._node: NodeId | None = None
        """Whose node's seal it is; None of an agency's own."""
        self.stamps: list[Facts] = []

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
        digest = self._file.digests[bundle.ENVELOPE]
        proven, times = prove_seal(self._content(), digest, self._trust, self._timestamps)
        for one in times:
            self._statements.require(one.path, one.gen_time)
        self._statements.require_counted(proven.path, _judged_at(times) or proven.signed_at)
        facts, self._node = facts_of_seal(proven), proven.node
        self.sealed = facts
        who, at = facts["by"], local_moment(proven.signed_at)
        said = f"{proven.kind.value} seal of {who}, {at}: {VOUCHES[proven.kind]}"
        return Found(said, facts, tuple(self._sender_notes(proven)))

    def require_origin(self, origin: NodeId) -> None:
        """A node seals what begins there, and nothing else (W3.4)."""
        if self._node not in {None, origin}:
            raise SignatureError(
                Fault.WRONG_NODE, f"the seal is of node {self._node}, the message of {origin}"
            )

    def _content(self) -> bytes:
        return bundle.unwrapped(self._file.small(bundle.SEAL), bundle.SEAL)

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
        seal, unsigned = parted(self._content())
        return [(one, imprint_of(seal)) for one in unsigned.tokens]

    def timestamp(self, token: bytes, imprint: Digest) -> Found:
        """By an authority that was not revoked by then, as far as the file says."""
        proven = self._timestamps.verify(token, imprint)
        self._statements.require(proven.path, proven.gen_time)
        facts = facts_of_stamp(proven)
        self.stamps.append(facts)
        said = (
            f"the seal was there {local_moment(proven.latest)} at the latest, says {proven.subject}"
        )
        return Found(said, facts)


def prove_seal(
    content: bytes, digest: Digest, trust: TrustStore, timestamps: TimestampTrust
) -> tuple[ProvenSeal, list[ProvenTimestamp]]:
    """A seal with its timestamps, as it stands in a file; judged as of the earliest of those (W14.3)."""
    seal, unsigned = parted(content)
    times = [timestamps.verify(one, imprint_of(seal)) for one in unsigned.tokens]
    proven = verify_seal(seal, digest, trust, _judged_at(times))
    for one in times:
        one.require_not_before(proven.signed_at)
    return proven, times


def facts_of_seal(proven: ProvenSeal) -> Facts:
    return {
        "kind": proven.kind.value,
        "vouches": VOUCHES[proven.kind],
        "by": ", ".join(sorted(proven.agencies)) or str(proven.node or ""),
        "subject": proven.subject,
        "certificate_sha256": proven.certificate_sha256,
        "at": proven.signed_at.isoformat(),
    }


def facts_of_stamp(proven: ProvenTimestamp) -> Facts:
    at = proven.gen_time.isoformat()
    return {"at": at, "by": proven.subject, "serial": str(proven.serial)}


def no_timestamp() -> Found:
    said = "none: the time of the seal is its signer's own word"
    return Found(said, outcome=Outcome.UNKNOWN)


def _judged_at(times: list[ProvenTimestamp]) -> datetime | None:
    """The earliest moment at which the seal is proven to have been there; None: as it claims."""
    return min((one.latest for one in times), default=None)

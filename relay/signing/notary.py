"""The node's own hand and eye: signs with its keys, proves with its trust store.

What was signed earlier is judged as of the time its signature claims, since a document may wait for
weeks. What arrives with a claim beyond now and the tolerance between clocks is judged as of now, too (W3.8).

Touches: keys in memory. Trusts: the roots it was given.
Raises:  SignatureError, WireError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import ParamSpec, TypeVar

from relay.delivery.aside import MANY_RECIPIENTS, aside
from relay.delivery.evidence.ports import Gathered, Telling
from relay.errors import KeyUnavailableError, SignatureError, UncertainError
from relay.model import (
    UTC_NOW_TOLERANCE,
    AgencyCode,
    Digest,
    NodeId,
    Receipt,
    Seal,
    SealKind,
    Signed,
    TransferHeader,
    digest_of,
)
from relay.signing.algorithms import RSA_SHA256
from relay.signing.batches import ProvenBatches
from relay.signing.binding import Binding
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundles import certificates_of_signature, sign_bundle
from relay.signing.certificates import Chain, read_chain
from relay.signing.evidence import (
    receipt_document,
    sign_branch,
    sign_carry,
    sign_receipt,
    sign_transfer,
    sign_transfers,
    verify_branch,
    verify_carry,
    verify_receipt,
    verify_transfer,
)
from relay.signing.faults import Fault
from relay.signing.gathering import Gathering
from relay.signing.hand import Rank
from relay.signing.keys import Signer
from relay.signing.proof_shape import batch_in
from relay.signing.revocation.checking import RevocationCheck
from relay.signing.revocation.verdicts import RevocationState, Verdict
from relay.signing.seal import ProvenSeal, make_seal, require_sealed_by, verify_seal
from relay.signing.stamped import VALUES_LIMIT, Unsigned, with_unsigned
from relay.signing.summary import told
from relay.signing.summary_made import write_summary
from relay.signing.trust import Path, TrustStore
from relay.signing.verifier import claimed_time, signer_of
from relay.wire.branch import BranchHead
from relay.wire.carry import Manifest

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class NodeNotary:
    """delivery.records.Notary. `agencies` are the agency keys that live at this node.

    One for a node's life; its keys alone may change (`renew`).
    """

    node: NodeId
    signer: Signer
    agencies: Mapping[AgencyCode, Signer]
    trust: TrustStore
    aliases: Callable[[AgencyCode], frozenset[str]]
    seals_at_once: bool = True
    gateway: Signer | None = None
    """Seals what enters over a bridge."""
    binding: Binding | None = None
    """Which branch an issuer may certify, and whose certificate is whose; None: nobody says."""
    revocation: RevocationCheck | None = None
    """None: nothing is checked."""
    gathering: Gathering | None = None
    """Where receipts meet that may share a signature; None: each gets its own."""
    shares: bool = True
    """Whether headers may, where the neighbour takes that."""

    def renew(
        self, signer: Signer, agencies: Mapping[AgencyCode, Signer], gateway: Signer | None
    ) -> None:
        """From now on these sign. What was signed before is judged by the certificate it came with."""
        self.signer, self.agencies, self.gateway = signer, agencies, gateway

    @property
    def slow(self) -> bool:
        """Whether a signature takes so long that nothing may be signed in the event loop."""
        return self.signer.hand is not None

    def sealed_at_once(self, sender: AgencyCode) -> bool:
        """Whether what comes from this agency is sealed while its system waits."""
        return self.seals_at_once and self._sealer(sender).hand is None

    def trouble(self, sender: AgencyCode) -> str | None:
        """Why the key that seals for this agency cannot sign now; None where nothing is known."""
        return self._sealer(sender).trouble()

    def _sealer(self, sender: AgencyCode) -> Signer:
        return self.agencies.get(sender, self.signer)

    async def issue_receipt(
        self, receipt: Receipt, at: datetime, *, batched: bool = False, patient: bool = False
    ) -> Signed:
        """The receipt signed, in a batch where that is allowed and others wait as well. Who is not
        `patient` is told when the key cannot sign."""
        if patient:
            return await _patiently(lambda: self._issued(receipt, at, batched=batched))
        return await self._issued(receipt, at, batched=batched)

    async def _issued(self, receipt: Receipt, at: datetime, *, batched: bool) -> Signed:
        if (why := self.no_receipts()) is not None:
            raise KeyUnavailableError(why)  # what waits for it is put off, as where a token is out
        long = len(receipt.evidence) > MANY_RECIPIENTS
        if batched and self.gathering is not None and (self.slow or not long):
            document = await aside(long, receipt_document, receipt, self.signer)
            return await self.gathering.signed(document)
        when = self._time_of(at)
        return await self._in_time(Rank.RECEIPT, long, sign_receipt, receipt, self.signer, when)

    def _time_of(self, at: datetime) -> datetime:
        """When it is signed, as it says. What waited for a key may be signed with a certificate that has begun
        since: with a time before that it would be refused by everybody."""
        return max(at, _chain_of(self.signer.chain).leaf.certificate.not_valid_before_utc)

    def no_receipts(self) -> str | None:
        """Why this node gives no receipt now, which nobody would believe, now or ever (R13)."""
        told = self.revocation_of(digest_of(self.signer.chain[0]))
        if told is None or told.state is not RevocationState.REVOKED:
            return None
        return f"this node's own sign certificate is {told.why}"

    async def issue_transfers(
        self, headers: Sequence[TransferHeader], at: datetime, *, batched: bool = False
    ) -> list[Signed]:
        """The headers signed, whenever the key can: in one batch where that is allowed, else each by itself."""
        long = sum(len(header.recipients) for header in headers) > MANY_RECIPIENTS
        if batched and self.shares:
            return await _patiently(
                lambda: self._in_time(
                    Rank.TRANSFER, long, sign_transfers, headers, self.signer, self._time_of(at)
                )
            )
        if self.slow:  # one after the other: receipts go between
            return [await _patiently(partial(self._issued_transfer, one, at)) for one in headers]
        # Sixteen RSA signatures would hold the loop for five milliseconds, and need no lock of Python's.
        dear = len(headers) > 1 and self.signer.method == RSA_SHA256
        return await aside(long or dear, self._sign_transfers, headers, at)

    async def _issued_transfer(self, header: TransferHeader, at: datetime) -> Signed:
        when = self._time_of(at)
        return await self._in_time(Rank.TRANSFER, False, sign_transfer, header, self.signer, when)

    def _sign_transfers(self, headers: Sequence[TransferHeader], at: datetime) -> list[Signed]:
        return [sign_transfer(header, self.signer, at) for header in headers]

    async def _in_time(
        self, rank: Rank, long: bool, work: Callable[P, T], *args: P.args, **named: P.kwargs
    ) -> T:
        """In the key's own hand where it has one, else here, or in a thread when it is `long`."""
        if self.signer.hand is not None:
            return await asyncio.wrap_future(
                self.signer.hand.do(rank, partial(work, *args, **named))
            )
        return await aside(long, work, *args, **named)

    def seal(self, digest: Digest, sender: AgencyCode, at: datetime) -> Seal:
        """With the agency's key where it is here, else with the node's own."""
        signer = self.agencies.get(sender)
        if signer is not None:
            return self._sealed(digest, SealKind.AGENCY, signer, at)
        return self._sealed(digest, SealKind.NODE, self.signer, at)

    def _sealed(self, digest: Digest, kind: SealKind, signer: Signer, at: datetime) -> Seal:
        """Not with a certificate that is known to be revoked: nobody would take it (R8)."""
        if self.revocation is not None:
            chain = _chain_of(signer.chain)
            path = self.trust.path(chain, at, chain.leaf.used_for)
            verdict = self.revocation.look(path)
            if verdict.state is RevocationState.REVOKED:
                raise SignatureError(
                    Fault.REVOKED_CERTIFICATE,
                    f"the {signer.identity.purpose.value} certificate is {verdict.why}",
                )
        return make_seal(digest, kind, signer, at)

    async def issue_seal(self, digest: Digest, sender: AgencyCode, at: datetime) -> Seal:
        """The same in the key's own hand; without one, in a thread."""
        work = partial(self.seal, digest, sender, at)
        hand = self._sealer(sender).hand
        if hand is None:
            return await asyncio.to_thread(work)
        return await asyncio.wrap_future(hand.do(Rank.SEAL, work))

    def seal_entered(self, digest: Digest, at: datetime) -> Seal:
        """Vouches only for these being the bytes that a remote without evidence handed over."""
        if self.gateway is None:
            raise SignatureError(Fault.WRONG_KIND, "this node has no gateway key")
        return self._sealed(digest, SealKind.GATEWAY, self.gateway, at)

    def check_supplied_seal(
        self, signature: bytes, digest: Digest, sender: AgencyCode, at: datetime
    ) -> Seal:
        """A seal handed in beside its envelope must be the sender's own, valid now, and as of the time it claims,
        by which everybody else will judge it."""
        verify_seal(signature, digest, self.trust, at)
        proven = verify_seal(signature, digest, self.trust, None)
        if proven.kind is not SealKind.AGENCY_SUPPLIED:
            raise SignatureError(Fault.WRONG_KIND, f"a supplied seal is not of kind {proven.kind}")
        self._require_agency(proven, sender)
        return Seal(proven.kind, signature, self._remark(proven))

    def check_carried_seal(
        self, seal: bytes, digest: Digest, sender: AgencyCode, origin: NodeId, at: datetime
    ) -> Seal:
        """A seal that came with a transfer: the sender's, or its origin node's."""
        proven = verify_seal(seal, digest, self.trust, None, at + UTC_NOW_TOLERANCE)
        self._require_bound(proven, sender, origin)
        return Seal(proven.kind, seal, self._remark(proven))

    def _remark(self, proven: ProvenSeal) -> str:
        """What the policy let pass."""
        told = self.revocation_of(proven.certificate_sha256)
        if told is None or told.state is not RevocationState.UNKNOWN:
            return ""
        return f"whether the seal's certificate is revoked was not known: {told.why}"

    def revocation_of(self, certificate: Digest) -> Verdict | None:
        """What is known now of a certificate met here; None where nothing is checked."""
        return None if self.revocation is None else self.revocation.told(certificate)

    def standing_of(self, seal: bytes) -> str:
        """For people: whether the certificate of a stored seal is revoked, as of now."""
        if self.revocation is None:
            return ""
        try:
            certificate = signer_of(seal)
        except SignatureError:
            return ""
        told = self.revocation_of(certificate)
        return "" if told is None else f"{told.state}: {told.why}"

    def _require_bound(self, proven: ProvenSeal, sender: AgencyCode, origin: NodeId) -> None:
        if proven.kind in (SealKind.AGENCY, SealKind.AGENCY_SUPPLIED):
            self._require_agency(proven, sender)
            return
        if proven.node != origin:
            raise SignatureError(
                Fault.WRONG_NODE, f"sealed by node {proven.node}, but the origin is {origin}"
            )
        self._require_node(proven.path)

    def _require_agency(self, proven: ProvenSeal, sender: AgencyCode) -> None:
        binding = self.binding
        bound = frozenset() if binding is None else binding.certificates_of(sender)
        require_sealed_by(proven, sender, self.aliases(sender), bound)
        if binding is not None:
            binding.require_agency(proven.path, sender)

    def _require_node(self, path: Path) -> None:
        if self.binding is not None:
            self.binding.require_node(path)

    def signs_as(self, signature: bytes) -> bool:
        """Whether this node still signs with the certificate that this signature of its own names."""
        return signer_of(signature) == digest_of(self.signer.chain[0])

    def sign_transfer(self, header: TransferHeader, at: datetime) -> Signed:
        return sign_transfer(header, self.signer, at)

    def check_transfer(self, signed: Signed, neighbour: NodeId, at: datetime) -> TransferHeader:
        return self.transfer_checker()(signed, neighbour, at)

    def transfer_checker(self) -> Callable[[Signed, NodeId, datetime], TransferHeader]:
        """check_transfer for headers that came together: a batch that they share is proven once."""
        proven: ProvenBatches = {}

        def check(signed: Signed, neighbour: NodeId, at: datetime) -> TransferHeader:
            latest = at + UTC_NOW_TOLERANCE
            bound = self._require_node
            return verify_transfer(signed, self.trust, None, neighbour, bound, latest, proven)

        return check

    def sign_receipt(self, receipt: Receipt, at: datetime) -> Signed:
        return sign_receipt(receipt, self.signer, at)

    def check_receipt(self, signed: Signed, at: datetime) -> Receipt:
        return self.checker(at)(signed)

    def checker(self, at: datetime) -> Callable[[Signed], Receipt]:
        """check_receipt for receipts that came together: a batch that they share is proven once."""
        latest = at + UTC_NOW_TOLERANCE
        proven: ProvenBatches = {}

        def check(signed: Signed) -> Receipt:
            with _come_again(signed, latest):
                return verify_receipt(signed, self.trust, None, self._require_node, proven, latest)

        return check

    def sign_carry(self, manifest: Manifest, at: datetime) -> Signed:
        return sign_carry(manifest, self.signer, at)

    def check_carry(self, signed: Signed, at: datetime, *, revocation: bool = True) -> Manifest:
        trust = self.trust if revocation else TrustStore(self.trust.anchors)
        return verify_carry(signed, trust, at, self._require_node)

    def sign_branch(self, head: BranchHead, content: bytes, at: datetime) -> Signed:
        return sign_branch(head, content, self.signer, at)

    def check_branch(self, signed: Signed, at: datetime) -> BranchHead:
        latest = at + UTC_NOW_TOLERANCE
        with _come_again(signed, latest):
            return verify_branch(signed, self.trust, None, self._require_node, latest)

    def sign_bundle(self, files: Sequence[tuple[str, Digest]], at: datetime) -> bytes:
        return sign_bundle([CoveredFile(*one) for one in files], self.signer, at)

    def certificates_of(self, signature: bytes) -> tuple[bytes, ...]:
        return certificates_of_signature(signature)

    def summary(self, telling: Telling) -> bytes:
        return write_summary(told(telling, self.trust))

    def batch_of(self, signature: bytes) -> Signed | None:
        return batch_in(signature)

    def own_certificates(self) -> tuple[bytes, ...]:
        return self.signer.chain

    def seal_for_export(self, seal: bytes, kept: Gathered) -> bytes:
        unsigned = Unsigned(kept.seal_tokens)
        values = (kept.certificates, kept.crls, kept.ocsps)
        if (kept.crls or kept.ocsps) and all(len(one) <= VALUES_LIMIT for one in values):
            unsigned = Unsigned(kept.seal_tokens, *values)
        return with_unsigned(seal, unsigned)


@contextmanager
def _come_again(signed: Signed, latest: datetime) -> Iterator[None]:
    """What is signed for a day to come is put off until then (W3.8): a receipt that was refused as it is would
    never come again, and one of the two clocks may be wrong."""
    try:
        yield
    except SignatureError as error:
        early = error.reason == Fault.NOT_YET_VALID_CERTIFICATE
        if early and claimed_time(signed.signature) > latest:
            raise UncertainError(error.reason, f"{error}; come again") from error
        raise


async def _patiently(sign: Callable[[], Awaitable[T]]) -> T:
    """Again and again while the key cannot: for what nobody waits for but work that is to go on."""
    while True:
        try:
            return await sign()
        except KeyUnavailableError as error:
            await asyncio.sleep(error.retry_after_seconds)


@lru_cache(maxsize=1024)
def _chain_of(certificates: tuple[bytes, ...]) -> Chain:
    """Of the node's own keys: read once."""
    return read_chain(certificates)

"""The receipts of an evidence file: who says what happened to the document, and that all speak of one message.

Touches: nothing but the file it is given.
Trusts:  the trust store, and the digests of a file whose steps as a whole hold.
Raises:  SignatureError, WireError.
"""

from __future__ import annotations

from collections.abc import Iterator

from relay.errors import SignatureError, WireError
from relay.model import Digest, NodeId, Receipt, Signed, digest_of
from relay.signing.bundle_file import BundleFile
from relay.signing.bundle_hops import Hops
from relay.signing.bundle_revoked import BundleStatements
from relay.signing.bundle_words import Found, Outcome, local_moment, sentences
from relay.signing.evidence import verify_receipt
from relay.signing.faults import Fault
from relay.signing.proof_shape import batch_in
from relay.signing.shape import LIMIT_BYTES
from relay.signing.trust import TrustStore
from relay.wire import bundle


class BundleReceipts:
    """`about` is the first that was about the document; the others must speak of the same message (W14.5). `told`
    are those that hold, `rows` the lines of evidence in them; beyond a summary's room they are counted alone.
    """

    def __init__(self, file: BundleFile, trust: TrustStore, statements: BundleStatements) -> None:
        self._file = file
        self._trust = trust
        self._statements = statements
        self._batches: set[Digest] = set()
        self.pairs: list[tuple[str, str]] = []
        self.known: set[Digest] = set()
        self.about: Receipt | None = None
        self.hops = Hops()
        self.issuers: dict[Digest, NodeId] = {}
        """Of each that holds, the node that signed it."""
        self.told: list[tuple[Digest, Receipt]] = []
        self.rows = 0

    def find(self) -> list[tuple[str, str]]:
        """The names of each and of its signature, the oldest first."""
        self.pairs = bundle.receipts_among(self._file.entries)
        self.known = {self._file.digests[document] for document, _ in self.pairs}
        return self.pairs

    def signed(self, document: str, signature: str) -> Signed:
        return Signed(self._file.small(document), self._file.small(signature))

    def receipt(self, document: str, signature: str) -> Found:
        receipt = self._proven(document, self.signed(document, signature))
        self.rows += len(receipt.evidence)
        if self.rows <= bundle.MOST_TOLD:
            self.told.append((self._file.digests[document], receipt))
        return Found(
            f"{'; '.join(sentences(receipt))}, by {receipt.issuer}, {local_moment(receipt.at)}",
            {
                "file": document,
                "by": receipt.issuer,
                "at": receipt.at.isoformat(),
                "receipt": self._file.digests[document],
            },
            tuple(self._links(receipt)),
        )

    def _proven(self, document: str, signed: Signed) -> Receipt:
        receipt = verify_receipt(signed, self._trust, None)
        if (batch := batch_in(signed.signature)) is not None:
            self._batches.add(digest_of(batch.document + batch.signature))
        if receipt.digest != self._file.digests[bundle.ENVELOPE]:
            raise SignatureError(Fault.OTHER_MESSAGE, f"{document} is about another document")
        self._statements.require_signer(signed.signature)
        about = self.about = self.about or receipt
        if (receipt.origin, receipt.message_id) != (about.origin, about.message_id):
            raise SignatureError(Fault.OTHER_MESSAGE, f"{document} is about another message")
        self.hops.add(receipt, self.known)
        self.issuers[self._file.digests[document]] = receipt.issuer
        return receipt

    def _links(self, receipt: Receipt) -> Iterator[str]:
        """`Previous` names the hop before; what is not in the file cannot be followed."""
        missing = {one.previous for one in receipt.evidence if one.previous} - self.known
        for digest in sorted(missing):
            yield f"follows on a receipt that is not in the file: {digest}"

    def batches(self, pairs: list[tuple[str, str]]) -> Found:
        """What others' software judges must be what the receipts rest on, to the byte (W14.12)."""
        if len(pairs) > bundle.MOST_BATCHES:
            raise WireError(f"{len(pairs)} batches of receipts, limit {bundle.MOST_BATCHES}")
        for document, signature in pairs:
            if signature not in self._file.entries:
                raise SignatureError(Fault.MISSING_FILE, f"it holds no {signature}")
            parts = (self._file.small(one, LIMIT_BYTES) for one in (document, signature))
            if digest_of(b"".join(parts)) not in self._batches:
                raise SignatureError(Fault.NOT_IN_BATCH, f"{document} is of no receipt that holds")
        return Found(f"{len(pairs)} with their signatures, as they stand in proofs of the receipts")

    def message(self) -> Found:
        if self.about is None:
            return Found("no receipt says which message this is", outcome=Outcome.UNKNOWN)
        message, origin = self.about.message_id, self.about.origin
        facts = {"message_id": message, "origin": origin}
        return Found(f"all of it is about message {message} of {origin}", facts)

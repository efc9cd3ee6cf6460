"""Judge an evidence file offline, from itself and the trust store alone: one step after the other.

Every step says what it looked at and what it found, or refuses with a reason of its own. Where the ground
of all further steps is missing the judging ends, so that one fault is told once.

Touches: the file, reading.
Trusts:  the trust store; every byte of the file is hostile.
Raises:  OSError; a refusal is a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

from relay.errors import AuditError, DamagedError, PeerError, SignatureError, WireError
from relay.model import NodeId
from relay.signing.bundle_around import (
    LogWords,
    prove_list,
    prove_status,
    require_no_list_needed,
    told_findings,
)
from relay.signing.bundle_file import SMALL_BYTES, BundleFile
from relay.signing.bundle_hops import Hops
from relay.signing.bundle_issuers import no_proof_came
from relay.signing.bundle_receipts import BundleReceipts
from relay.signing.bundle_revoked import BundleStatements
from relay.signing.bundle_seal import BundleSeal, Facts, no_timestamp
from relay.signing.bundle_words import Found, Outcome, Step, local_moment
from relay.signing.shape import LIMIT_BYTES
from relay.signing.summary import Places, Story
from relay.signing.summary_made import write_summary
from relay.signing.trust import TrustStore
from relay.wire import bundle
from relay.wire.bundle_list import ContentsList


class BundleJudge:
    """Goes once over one file."""

    def __init__(self, file: BinaryIO, trust: TrustStore) -> None:
        self._trust = trust
        self._file = BundleFile(file)
        self._statements = BundleStatements(trust)
        self._seal = BundleSeal(self._file, trust, self._statements)
        self._receipts = BundleReceipts(self._file, trust, self._statements)
        self._exporter: NodeId | None = None
        self._listed: ContentsList | None = None
        self._proofs: Places = {}
        self._statuses: list[Facts] = []
        self._refused = False
        self._number = 0

    @property
    def hops(self) -> Hops | None:
        """What the receipts tell of each recipient; None where the file as a whole is refused."""
        return None if self._exporter is None else self._receipts.hops

    @property
    def story(self) -> Story | None:
        """What of it is proven, once the judging is over; None where the file as a whole is refused."""
        if self._exporter is None:
            return None
        sealed = self._seal.sealed
        return Story(
            self._exporter,
            self._file.digests[bundle.ENVELOPE],
            self._file.entries[bundle.ENVELOPE].size_bytes,
            None if sealed is None else self._seal.envelope,
            sealed,
            self._seal.stamps,
            self._receipts.told,
            self._receipts.rows,
            self._receipts.hops,
            self._proofs,
            self._statuses,
            self._listed,
        )

    def steps(self) -> Iterator[Step]:
        """Each as soon as it is finished."""
        for what, work in (
            ("container", self._file.container),
            ("contents", self._file.contents),
            ("manifest", self._file.manifest),
            ("export", self._export),
        ):
            step = self._step(what, work)
            yield step
            if step.outcome is Outcome.REFUSED:
                return
        yield self._step("document", self._seal.document)
        yield self._step("seal", self._seal.seal)
        yield from self._timestamps()
        yield from self._said_of_it()
        yield from self._around()
        yield self._step("hops", self._receipts.hops.found)
        yield self._step("revocation", self._statements.found)
        if summaries := bundle.summary_among(self._file.entries):
            yield self._step("summary", partial(self._summary, summaries))

    def _step(self, what: str, work: Callable[[], Found]) -> Step:
        self._number += 1
        try:
            found = work()
        except (PeerError, AuditError) as error:
            self._refused = True
            return Step(self._number, what, Outcome.REFUSED, str(error), _word(what, error))
        return Step(
            self._number, what, found.outcome, found.said, facts=found.facts, notes=found.notes
        )

    def _export(self) -> Found:
        proven = self._file.exported(self._trust)
        self._statements.read(self._file)
        self._statements.require_counted(proven.path, proven.signed_at)
        self._exporter = proven.node
        return Found(
            f"put together by {proven.node}, {local_moment(proven.signed_at)}: its signature covers "
            f"all {len(self._file.digests)} other files",
            {
                "by": proven.node,
                "at": proven.signed_at.isoformat(),
                "subject": proven.subject,
                "certificate_sha256": proven.certificate_sha256,
            },
        )

    def _timestamps(self) -> Iterator[Step]:
        try:
            tokens = self._seal.tokens()
        except PeerError:
            return
        for token, imprint in tokens:
            yield self._step("timestamp", partial(self._seal.timestamp, token, imprint))
        if not tokens:
            yield self._step("timestamp", no_timestamp)

    def _said_of_it(self) -> Iterator[Step]:
        for pair in self._receipts.find():
            yield self._step("receipt", partial(self._receipts.receipt, *pair))
        if batches := bundle.batches_among(self._file.entries):
            yield self._step("batches", partial(self._receipts.batches, batches))
        yield self._step("message", self._message)

    def _message(self) -> Found:
        """One message in all of it, and a seal by whom such a message has one."""
        if self._receipts.about is not None:
            self._seal.require_origin(self._receipts.about.origin)
        return self._receipts.message()

    # ------------------------------------------------------------ around the document

    def _around(self) -> Iterator[Step]:
        """What files of version 2 have beside; nothing of it is judged where their list does not hold."""
        members = self._file.members
        if bundle.LIST not in self._file.entries:
            try:
                require_no_list_needed(members)
            except SignatureError as error:
                self._number += 1
                self._refused = True
                yield Step(self._number, "list", Outcome.REFUSED, str(error), error.reason)
            return
        yield self._step("list", self._list)
        if (listed := self._listed) is None:
            return
        log = LogWords(members, listed, self._trust)
        for number, pair in enumerate(self._receipts.pairs, start=1):
            if self._file.digests[pair[0]] not in listed.unproven:
                yield self._step("proof", partial(self._proof, log, number, pair))
        yield from self._issuers(log, listed)
        for number in range(1, len(listed.statuses) + 1):
            yield self._step("status", partial(self._status, listed, number))
        yield self._step("findings", partial(told_findings, listed))

    def _list(self) -> Found:
        listed, found = prove_list(
            self._file.members, self._exporter, self._receipts.about, SMALL_BYTES
        )
        self._listed = listed
        return found

    def _proof(self, log: LogWords, number: int, pair: tuple[str, str]) -> Found:
        proof = self._file.small(bundle.proof_name(number))
        found = log.prove(proof, self._receipts.signed(*pair))
        self._stands(pair, found)
        return found

    def _stands(self, pair: tuple[str, str], found: Found) -> None:
        place = found.facts["node"], found.facts["index"]
        self._proofs.setdefault(self._file.digests[pair[0]], []).append(place)

    def _issuers(self, log: LogWords, listed: ContentsList) -> Iterator[Step]:
        """Of each hop, what the log of the node that answered for it says."""
        issuers = self._receipts.issuers
        for number, pair in enumerate(self._receipts.pairs, start=1):
            digest = self._file.digests[pair[0]]
            if digest in listed.proved_by_issuer:
                work = partial(self._issuer, log, number, pair, issuers.get(digest))
                yield self._step("hop proof", work)
        missing = no_proof_came(issuers, self._exporter, listed.proved_by_issuer)
        if missing is not None:
            yield self._step("hop proof", lambda: missing)

    def _issuer(
        self, log: LogWords, number: int, pair: tuple[str, str], issuer: NodeId | None
    ) -> Found:
        proof = self._file.small(bundle.issuer_proof_name(number))
        found = log.prove_of_issuer(proof, self._receipts.signed(*pair), issuer)
        self._stands(pair, found)
        return found

    def _status(self, listed: ContentsList, number: int) -> Found:
        document, beside = bundle.status_names(number)
        content = self._file.small(document, bundle.STATUS_BYTES)
        seal = self._file.small(beside, LIMIT_BYTES)
        one = listed.statuses[number - 1]
        proven, found = prove_status(one, content, seal, self._seal.envelope, self._trust)
        self._statements.require_counted(proven.path, proven.signed_at)
        self._statuses.append(found.facts)
        return found

    # ------------------------------------------------------------ the summary

    def _summary(self, names: list[str]) -> Found:
        """A convenience must not tell anything else than the proof does."""
        if names != [bundle.SUMMARY]:
            said = f"{names[0]} is no summary of layout {bundle.LAYOUT}, which is the one known"
            raise WireError(said)
        if self._refused or (story := self.story) is None:
            said = "not compared: something of what it should tell is refused"
            return Found(said, outcome=Outcome.UNKNOWN)
        if self._file.small(bundle.SUMMARY) != write_summary(story):
            raise WireError("the summary tells something else than what is proven")
        return Found("for people: tells what is proven, and nothing else")


def _word(what: str, error: PeerError | AuditError) -> str:
    if isinstance(error, SignatureError):
        return error.reason
    return "damaged" if isinstance(error, DamagedError) else f"bad-{what.replace(' ', '-')}"

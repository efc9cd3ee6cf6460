"""Faults of who judges files: the same node's command line, with one thing of its judging changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from relay.audit.checkpoint import read_signature, split_note
from relay.audit.cosignature import WITNESS_PREFIX
from relay.audit.proof_file import read_proof
from relay.audit.entries import parse
from relay.errors import SignatureError
from relay.model import NodeId
from relay.signing import bundle_around, bundle_revoked, bundle_seal, bundle_steps, timestamps
from relay.signing.bundle_around import LogWords
from relay.signing.bundle_hops import Way
from relay.signing.bundle_revoked import BundleStatements
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Found
from relay.signing.faults import Fault
from relay.signing.revocation import asof, crl
from relay.signing.revocation.verdicts import RevocationState, Verdict
from relay.signing.stamped import NOTHING
from relay.signing.timestamps import TimestampTrust
from tests.conformance.mutants import mutant, put_in


@mutant(
    "looks at no revocation in a file",
    "W14.8/seal",
    "W14.8/receipt",
    "W14.8/exporter",
    "W14.8/outdated",
    "W14.8/false-statement",
)
def looks_at_no_revocation() -> None:
    put_in(bundle_revoked, "judge_path", lambda *_: Verdict(RevocationState.VALID, "nobody looked"))


@mutant("takes unknown for not revoked", "W14.8/silent", "W14.8/outdated")
def takes_unknown_for_not_revoked() -> None:
    put_in(BundleStatements, "found", lambda _: Found("not revoked, as far as is known"))


@mutant("refuses what was signed before its certificate was revoked", "W14.8/later")
def judges_revocation_as_of_now() -> None:
    honest = bundle_revoked.judge_path
    put_in(bundle_revoked, "judge_path", lambda p, s, _: honest(p, s, datetime.now(UTC)))


@mutant("believes no statement", "W14.8/not-revoked", "W14.8/seal")
def believes_no_statement() -> None:
    put_in(asof, "_proven", lambda *_: None)


@mutant("believes a CRL whatever its signature is", "W14.8/false-statement")
def believes_any_crl() -> None:
    put_in(crl, "_check_signature", lambda *_: None)


@mutant(
    "looks at no timestamps of a seal",
    "W14.10/imprint",
    "W14.10/certificate",
    "W14.10/purpose",
    "W14.10/critical",
    "W14.10/alone",
    "W14.10/untrusted",
    "W14.10/ended",
    "W14.10/signature",
    "W14.10/exact",
    "W14.10/each",
    "W14.11/element",
    "W14.11/before",
    "W14.11/as-stamped",
)
def looks_at_no_timestamps() -> None:
    honest = bundle_seal.parted
    put_in(bundle_seal, "parted", lambda content: (honest(content)[0], NOTHING))


@mutant("takes no timestamps", "W14.10/stamped", "W14.11/as-stamped")
def takes_no_timestamps() -> None:
    def verify(*_: Any) -> Any:
        raise SignatureError(Fault.BAD_TIMESTAMP, "none is taken")

    put_in(TimestampTrust, "verify", verify)


@mutant("judges a seal's certificate as of now", "W14.11/as-claimed")
def judges_seals_as_of_now() -> None:
    honest = bundle_seal.verify_seal
    put_in(
        bundle_seal,
        "verify_seal",
        lambda seal, digest, trust, _: honest(seal, digest, trust, datetime.now(UTC)),
    )

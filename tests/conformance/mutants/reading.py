"""Faults of who judges files: the same node's command line, with one thing of its judging changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.x509 import BasicConstraints, load_der_x509_certificate

from relay.audit.checkpoint import Checkpoint, read_signature, split_note
from relay.audit.cosignature import WITNESS_PREFIX, Cosignature
from relay.audit.entries import parse
from relay.audit.proof_file import read_proof
from relay.audit.published import EpochFiles, Misfit, TileCheck, verify_published
from relay.audit.tiles import ENTRIES, WIDTH, Tile, leaves_of
from relay.audit.tree import Frontier, leaf_hash
from relay.audit.verify import LogVerdict
from relay.errors import AuditError, SignatureError
from relay.journal import fsck_published
from relay.journal.fsck_states import KnownKeys
from relay.model import NodeId
from relay.signing import (
    bundle_around,
    bundle_revoked,
    bundle_seal,
    bundle_steps,
    export_steps,
    log_key,
    timestamps,
)
from relay.signing.bundle_around import LogWords, told_findings
from relay.signing.bundle_hops import Way
from relay.signing.bundle_revoked import BundleStatements
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Found
from relay.signing.export_steps import ExportJudge
from relay.signing.faults import Fault
from relay.signing.log_witnesses import JudgedNote
from relay.signing.revocation import asof, crl
from relay.signing.revocation.asof import judge_path
from relay.signing.revocation.verdicts import RevocationState, Verdict
from relay.signing.seal import verify_seal
from relay.signing.stamped import NOTHING, parted
from relay.signing.timestamps import ProvenTimestamp, TimestampTrust
from relay.wire.bundle_list import ContentsList
from tests.conformance.mutants import mutant, put_in


@mutant(
    "looks at no revocation in a file",
    "W14.8/seal",
    "W14.8/receipt",
    "W14.8/exporter",
    "W14.8/ocsp",
    "W14.8/some",
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
    put_in(bundle_revoked, "judge_path", lambda p, s, _: judge_path(p, s, datetime.now(UTC)))


@mutant("believes no statement", "W14.8/not-revoked", "W14.8/seal")
def believes_no_statement() -> None:
    put_in(asof, "_proven", lambda *_: None)


@mutant("knows of no OCSP", "W14.8/ocsp")
def knows_no_ocsp() -> None:
    def refuse(*_: Any) -> None:
        raise SignatureError(Fault.MALFORMED, "no CRL")

    put_in(asof, "prove_response", refuse)


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
    quick=True,
)
def looks_at_no_timestamps() -> None:
    put_in(bundle_seal, "parted", lambda content: (parted(content)[0], NOTHING))


@mutant("takes no timestamps", "W14.10/stamped", "W14.11/as-stamped")
def takes_no_timestamps() -> None:
    def verify(*_: Any) -> Any:
        raise SignatureError(Fault.BAD_TIMESTAMP, "none is taken")

    put_in(TimestampTrust, "verify", verify)


@mutant("takes any certificate of a token's key for its own", "W14.10/certificate")
def looks_at_no_commitment() -> None:
    put_in(timestamps, "_commits_to", lambda _, der: _of_an_end_entity(der))


def _of_an_end_entity(der: bytes) -> bool:
    constraints = load_der_x509_certificate(der).extensions.get_extension_for_class(
        BasicConstraints
    )
    return not constraints.value.ca


@mutant("believes a token whatever its signature is", "W14.10/signature")
def believes_tokens() -> None:
    put_in(timestamps, "_check_signature", lambda *_: None)


@mutant("takes tokens however inexact they are", "W14.10/exact")
def takes_inexact_tokens() -> None:
    put_in(timestamps, "MOST_ACCURACY", timedelta.max)


@mutant("compares no token's time with its seal's", "W14.11/before")
def compares_no_times() -> None:
    put_in(ProvenTimestamp, "require_not_before", lambda *_: None)


@mutant("judges a seal's certificate as of now", "W14.11/as-claimed")
def judges_seals_as_of_now() -> None:
    put_in(
        bundle_seal,
        "verify_seal",
        lambda seal, digest, trust, _: verify_seal(seal, digest, trust, datetime.now(UTC)),
    )


# ------------------------------------------------------------ around the document


@mutant(
    "takes every name on a head for a witness",
    "W19.4/does-not-hold",
    "W19.4/another-node",
    "W19.4/log-certificate",
    "W19.4/ended",
    "W19.4/unlisted",
    "W19.4/itself",
    "W20.10/counts-for-nothing",
)
def takes_names_for_witnesses() -> None:
    def cosigned(_: LogWords, note: bytes, *__: Any, **___: Any) -> list[NodeId]:
        names = {read_signature(line)[0] for line in split_note(note)[1]}
        found = (one.removeprefix(WITNESS_PREFIX) for one in names if WITNESS_PREFIX in one)
        return [NodeId(one) for one in found]

    put_in(LogWords, "_cosigned", cosigned)


@mutant("names no witness", "W19.4/counted", "W19.4/issued-later", "W20.10/named")
def names_no_witness() -> None:
    put_in(LogWords, "_cosigned", lambda *_, **__: [])


@mutant(
    "looks at no status in a file",
    "W19.5/another-document",
    "W19.5/another-number",
    "W19.5/seal",
    "W19.5/bytes",
)
def looks_at_no_status() -> None:
    put_in(BundleJudge, "_status", lambda *_: Found("a status"))


@mutant("refuses every status", "W19.5/by-id", "W19.5/by-number")
def refuses_every_status() -> None:
    def refuse(*_: Any) -> None:
        raise SignatureError(Fault.OTHER_MESSAGE, "none is taken")

    put_in(bundle_around, "_require_answers", refuse)


@mutant("tells what an exporter found as found by itself", "W19.6/whose-word")
def adopts_findings() -> None:
    def told(listed: ContentsList) -> Found:
        found = told_findings(listed)
        return Found(found.said, {"findings": found.facts["findings"]}, found.notes)

    put_in(bundle_steps, "told_findings", told)


@mutant(
    "tells the last that was said of a document",
    "W19.8/handed-over",
    "W19.8/certain",
    "W19.8/next-node",
)
def tells_the_last() -> None:
    put_in(Way, "ending", property(lambda way: way.said[-1]))


@mutant(
    "tells of nothing that it has no evidence",
    "W19.8/in-doubt",
    "W19.8/no-end",
    "W19.8/remote",
    "W19.8/before",
)
def tells_no_gaps() -> None:
    put_in(Way, "gaps", property(lambda _: []))


@mutant("takes a proof of any log for one of the issuer's", "W20.10/another-log")
def takes_any_log() -> None:
    honest = LogWords._proven

    def proven(self: LogWords, content: bytes, receipt: Any, _: NodeId, whose: str) -> Any:
        node = NodeId(parse(read_proof(content).leaf)["node"])
        return honest(self, content, receipt, node, whose)

    put_in(LogWords, "_proven", proven)


@mutant("takes a proof of any receipt for one of its own", "W20.10/another-receipt")
def takes_any_proof() -> None:
    honest = LogWords._proven

    def proven(self: LogWords, content: bytes, receipt: Any, node: NodeId, whose: str) -> Any:
        return honest(self, content, read_proof(content).receipt or receipt, node, whose)

    put_in(LogWords, "_proven", proven)


@mutant("refuses a hop for a cosignature that others spoilt", "W20.10/counts-for-nothing")
def refuses_for_others() -> None:
    honest = LogWords._counts

    def counts(self: LogWords, node: NodeId, note: bytes, **_: Any) -> bool:
        return honest(self, node, note, lenient=False)

    put_in(LogWords, "_counts", counts)


@mutant("says nothing of receipts without a proof", "W20.10/no-proof-came")
def says_nothing_of_missing() -> None:
    put_in(bundle_steps, "no_proof_came", lambda *_: None)


# ------------------------------------------------------------ exported logs


@mutant(
    "looks at no heads within a range",
    "W17.7/another-root",
    "W17.7/another-size",
    "W17.7/another-key",
    "W17.7/token",
)
def looks_at_no_heads() -> None:
    put_in(ExportJudge, "_kept_head", lambda _, name: f"{name} is there")


@mutant("refuses heads within a range", "W17.7/fits")
def refuses_heads() -> None:
    def refuse(_: ExportJudge, name: str) -> str:
        raise AuditError(f"{name} is not taken")

    put_in(ExportJudge, "_kept_head", refuse)


@mutant(
    "takes every name on a log's head for a witness",
    "W17.12/does-not-hold",
    "W17.12/unknown",
    "W17.12/another-root",
    "W17.12/ended",
    "W17.12/itself",
)
def takes_names_on_heads() -> None:
    def judged(note: bytes, *_: Any) -> JudgedNote:
        names = {read_signature(line)[0] for line in split_note(note)[1]}
        found = (Cosignature(one, datetime.now(UTC), b"") for one in names if WITNESS_PREFIX in one)
        return JudgedNote(tuple(found), (), ())

    put_in(export_steps, "judge_note", judged)


@mutant("knows no witness of a log", "W17.12/counted", "W17.12/does-not-hold")
def knows_no_witness() -> None:
    put_in(ExportJudge, "_witnesses", lambda _: [])


# ------------------------------------------------------------ published logs


@mutant(
    "believes tiles and bundles unhashed",
    "W16.6/entry",
    "W16.6/hash",
    "W16.6/partial",
    "W16.6/root",
    "W16.6/no-bundle",
    "W16.6/no-tile",
)
def believes_tiles() -> None:
    def believed(_: Any, head: Checkpoint, **__: Any) -> tuple[LogVerdict, list[Misfit]]:
        return LogVerdict(head, None, None, 0, (), 0), []

    put_in(fsck_published, "verify_published", believed)


@mutant("hashes tiles and bundles to each other and not to the root", "W16.6/root")
def hashes_to_no_root() -> None:
    def verify(files: EpochFiles, head: Checkpoint, **options: Any) -> Any:
        frontier = Frontier()
        for start in range(0, head.size, WIDTH):
            tile = Tile(ENTRIES, start // WIDTH, min(head.size - start, WIDTH))
            for leaf in leaves_of(files.read(tile), tile):
                frontier.append(leaf_hash(leaf))
        return verify_published(files, replace(head, root=frontier.root()), **options)

    put_in(fsck_published, "verify_published", verify)


@mutant("looks at entries and at no tile of hashes", "W16.6/hash", "W16.6/partial", "W16.6/no-tile")
def looks_at_no_hashes() -> None:
    put_in(TileCheck, "finish", lambda *_: [])


@mutant(
    "believes the checkpoint of a published log whoever signed it",
    "W16.6/another-key",
    "W16.6/signature",
)
def believes_any_signer() -> None:
    put_in(KnownKeys, "signed", lambda keys, _: keys._given[0][0])


@mutant("takes any signature in the key's name", "W16.6/signature")
def takes_signatures_by_name() -> None:
    put_in(log_key, "verify_log_signature", lambda *_: None)


@mutant("refuses published logs", "W16.6/honest")
def refuses_published_logs() -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AuditError("none is taken")

    put_in(fsck_published, "verify_published", refuse)
